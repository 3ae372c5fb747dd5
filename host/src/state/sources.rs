//! What several instances on one store share: where the store is, and the files of its key and its tokens.

use super::key_command::KeyCommand;
use super::keys::{self, Keys, MasterKeys};
use super::passphrase::{self, Passphrase};
use super::trust;
use super::watched::Watched;
use crate::Result;
use crate::keyvalue::StoreUrl;
use anyhow::Context;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The master keys in the state directory.
const KEY_FILE: &str = "master.key";

/// Where the master keys are.
#[derive(Clone, Default)]
pub enum KeySource {
    /// In the state directory, where they are made when a vault begins.
    #[default]
    Own,
    /// In a file elsewhere, which is never made.
    File(PathBuf),
    /// Not on disk: a command gives them.
    Command(Arc<KeyCommand>),
}

impl KeySource {
    /// Whether they are neither made here nor lost with the state directory.
    pub(super) fn is_elsewhere(&self) -> bool {
        !matches!(self, Self::Own)
    }
}

/// Where the parts of a vault are that need not be in the state directory. By default all of them are there.
#[derive(Clone, Default)]
pub struct Sources {
    pub store: StoreUrl,
    /// The setting `strongroom_keys`.
    pub keys: KeySource,
    /// By which the file of the keys is wrapped, or shall be if it is made. With one, a file that is not is refused.
    pub passphrase: Option<Arc<Passphrase>>,
    /// The entries of the setting `strongroom_tokens`, one on each line; read again when it changes.
    pub tokens_file: Option<PathBuf>,
}

impl Sources {
    /// The file of the master keys, if they are in one.
    pub fn key_file(&self, directory: &Path) -> Option<PathBuf> {
        match &self.keys {
            KeySource::Own => Some(directory.join(KEY_FILE)),
            KeySource::File(file) => Some(file.clone()),
            KeySource::Command(_) => None,
        }
    }

    /// Whether there is a file of master keys that only a passphrase opens. What can't be read is told by who needs it.
    pub fn are_keys_wrapped(&self, directory: &Path) -> bool {
        let file = self.key_file(directory);
        let text = file.and_then(|file| read(&file, self.keys.is_elsewhere(), trust::PRIVATE).ok().flatten());
        text.is_some_and(|text| passphrase::is_wrapped(&text))
    }

    /// The master keys, where there need not be a vault yet.
    pub fn keys(&self, directory: &Path) -> Result<Arc<Keys>> {
        self.master_keys(directory).read()
    }

    pub(super) fn master_keys(&self, directory: &Path) -> MasterKeys {
        let (is_named, passphrase) = (self.keys.is_elsewhere(), self.passphrase.clone());
        let of = |file: PathBuf| {
            MasterKeys::File(Watched::new(file, move |file| keys::read(file, is_named, passphrase.as_deref())))
        };
        match &self.keys {
            KeySource::Own => of(directory.join(KEY_FILE)),
            KeySource::File(file) => of(file.clone()),
            KeySource::Command(command) => MasterKeys::Command(command.clone()),
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
