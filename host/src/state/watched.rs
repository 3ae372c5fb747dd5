//! A file that is read again when it has changed, so that what is changed there counts at once.

use crate::Result;
use anyhow::bail;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

/// What was last read of a file.
pub(super) struct Watched<T> {
    path: PathBuf,
    read: Box<dyn Fn(&Path) -> Result<T> + Send + Sync>,
    last: Mutex<Option<(Stamp, Arc<T>)>>,
}

/// What tells one version of a file from another: time of change, length, and inode, as every change is a new file.
type Stamp = (SystemTime, u64, u64);

impl<T> Watched<T> {
    pub fn new(path: PathBuf, read: impl Fn(&Path) -> Result<T> + Send + Sync + 'static) -> Self {
        Self { path, read: Box::new(read), last: Mutex::default() }
    }

    pub fn read(&self) -> Result<Arc<T>> {
        let Ok(stamp) = stamp(&self.path) else {
            (self.read)(&self.path)?;
            bail!("{} cannot be read", self.path.display());
        };
        let mut last = self.last.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some((of, value)) = &*last
            && *of == stamp
        {
            return Ok(value.clone());
        }
        let value = Arc::new((self.read)(&self.path)?);
        *last = Some((stamp, value.clone()));
        Ok(value)
    }
}

fn stamp(path: &Path) -> std::io::Result<Stamp> {
    let metadata = fs::metadata(path)?;
    #[cfg(unix)]
    let inode = std::os::unix::fs::MetadataExt::ino(&metadata);
    #[cfg(not(unix))]
    let inode = 0;
    Ok((metadata.modified()?, metadata.len(), inode))
}
