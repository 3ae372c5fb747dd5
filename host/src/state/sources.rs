//! What several instances on one store share: where the store is, and the files of its key and its tokens.

use super::keys::{self, Keys};
use super::trust;
use crate::Result;
use crate::keyvalue::StoreUrl;
use anyhow::Context;
use std::path::{Path, PathBuf};

/// Where the parts of a vault are that need not be in the state directory. By default all of them are there.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    pub store: StoreUrl,
    /// The file of the setting `strongroom_keys`; it is never made.
    pub key_file: Option<PathBuf>,
    /// The entries of the setting `strongroom_tokens`, one on each line; read again when it changes.
    pub tokens_file: Option<PathBuf>,
}

impl Sources {
    /// The master keys, where there need not be a vault yet.
    pub fn keys(&self, directory: &Path) -> Result<Keys> {
        match &self.key_file {
            Some(file) => keys::read(file, true),
            None => keys::read(&directory.join("master.key"), false),
        }
    }
}

/// The text of a file that is trusted. One that was named outright may be reached through symbolic links, as those are by
/// which orchestrators exchange mounted secrets; the file itself must be ours or root's all the same.
pub(super) fn read(path: &Path, is_named: bool, forbidden: u32) -> Result<Option<String>> {
    if !is_named {
        return trust::read(path, forbidden);
    }
    let path = path.canonicalize().with_context(|| format!("{} cannot be read", path.display()))?;
    trust::read(&path, forbidden)
}
