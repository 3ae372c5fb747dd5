//! The state directory and its store know each other by an id, so that no other store, and no empty one, is ever taken
//! for the vault that was there.

use super::{StateDir, trust};
use crate::Result;
use crate::keyvalue::{DATABASE_FILE, Identity, VaultStore};
use anyhow::bail;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The file in the state directory.
const ID_FILE: &str = "store.id";

/// Stands before the id until the vault was begun.
const BEGINNING: &str = "beginning ";

/// What the state directory knows of its store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// The vault has not been begun yet: the store is made with this id.
    Beginning(String),
    /// Key and store were brought here: the store's own id will do, and if it has none it is given this.
    Brought(String),
    /// The store must have this id.
    Is(String),
}

impl Known {
    /// What stands in the directory about its store. `None` if nothing does.
    pub fn read(directory: &Path) -> Result<Option<Self>> {
        let path = directory.join(ID_FILE);
        let Some(text) = trust::read(&path, trust::NOT_WRITABLE)? else { return Ok(None) };
        let text = text.trim();
        let known = match text.strip_prefix(BEGINNING) {
            Some(id) => Self::Beginning(id.to_owned()),
            None => Self::Is(text.to_owned()),
        };
        let (Self::Beginning(id) | Self::Brought(id) | Self::Is(id)) = &known;
        let is_id = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_id { Ok(Some(known)) } else { bail!("{} is damaged", path.display()) }
    }

    pub fn write(&self, directory: &Path) -> Result<()> {
        let text = match self {
            Self::Beginning(id) => format!("{BEGINNING}{id}\n"),
            Self::Brought(id) | Self::Is(id) => format!("{id}\n"),
        };
        trust::write(&directory.join(ID_FILE), &text)
    }

    pub fn new_id() -> Result<String> {
        crate::keyvalue::new_store_id()
    }
}

/// Whether there is a file of a store that holds anything.
pub(super) fn exists(directory: &Path) -> bool {
    std::fs::metadata(path(directory)).is_ok_and(|metadata| metadata.len() > 0)
}

pub(super) fn path(directory: &Path) -> PathBuf {
    directory.join(DATABASE_FILE)
}

impl StateDir {
    /// Opens the store. It must be the one of this directory; what is missing, empty, damaged or another's is refused and
    /// left as it is. `whole` has the structure of the whole file checked, if it is one.
    pub async fn open_store(&self, whole: bool) -> Result<Arc<dyn VaultStore>> {
        if let Some(directory) = self.sources.store.directory(&self.path) {
            let database = path(directory);
            for file in ["", "-wal", "-shm"] {
                let mut name = database.clone().into_os_string();
                name.push(file);
                trust::open(Path::new(&name), trust::NOT_WRITABLE)?;
            }
        }
        let identity = match &self.known {
            Known::Beginning(id) => Identity::New(id),
            Known::Brought(_) if self.sources.store.is_remote() && !self.may_begin => Identity::Begun,
            Known::Brought(id) => Identity::Any(id),
            Known::Is(id) if whole => Identity::KnownAndWhole(id),
            Known::Is(id) => Identity::Known(id),
        };
        self.sources.store.open(&self.path, &identity).await
    }

    /// Remembers that the vault was begun in this store: from now on no other will do.
    pub fn remember_store(&mut self, store: &dyn VaultStore) -> Result<()> {
        if let Known::Is(_) = self.known {
            return Ok(());
        }
        store.settle()?;
        self.known = Known::Is(store.id().to_owned());
        self.known.write(&self.path)
    }
}
