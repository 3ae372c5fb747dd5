//! The settings of a component that runs on a state directory.

use super::BUCKET;
use super::{sources, trust};
use crate::Result;
use crate::config::Config;
use crate::serve::Tokens;
use crate::token::{Entries, Entry};
use anyhow::{Context, bail};
use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;
use strongroom::access;
use strongroom::settings;
use strongroom::store::PERMANENT;

/// See the module.
pub struct StateConfig {
    pub(super) keys: String,
    pub(super) project: String,
    pub(super) tokens: TokensFile,
}

impl Tokens for StateConfig {
    /// Found by its hash, whatever number of tokens there is. How long that takes tells at most something of the hash,
    /// from which no token follows.
    fn find(&self, token: &str) -> Result<Option<Entry>> {
        let tokens = self.tokens.read()?;
        Ok(tokens.by_hash.get(&access::hash(token)).and_then(|at| tokens.entries.0.get(*at)).cloned())
    }
}

impl Config for StateConfig {
    fn get(&self, key: &str) -> Result<Option<String>, String> {
        Ok(Some(match key {
            settings::KEYS => self.keys.clone(),
            settings::TOKENS => {
                let tokens = self.tokens.read().map_err(|error| {
                    let begin = if passes(&error) { "" } else { PERMANENT };
                    format!("{begin}the tokens file cannot be used")
                })?;
                tokens.entries.setting()
            }
            settings::BUCKET => BUCKET.to_owned(),
            settings::PROJECT => self.project.clone(),
            // Not of the state: it says what network the machine is on.
            "strongroom_http_origins" => std::env::var("STRONGROOM_HTTP_ORIGINS").unwrap_or_default(),
            "strongroom_allowed_hosts" => std::env::var("STRONGROOM_ALLOWED_HOSTS").unwrap_or_default(),
            "strongroom_allowed_origins" => std::env::var("STRONGROOM_ALLOWED_ORIGINS").unwrap_or_default(),
            // How whoever runs the program wants it kept.
            settings::HISTORY_VERSIONS
            | settings::HISTORY_DAYS
            | settings::AUDIT
            | settings::AUDIT_ENTRIES
            | settings::AUDIT_DAYS => std::env::var(key.to_ascii_uppercase()).unwrap_or_default(),
            _ => return Ok(None),
        }))
    }
}

/// The tokens file, read again when it has changed, so that a revoked token stops working at once.
pub(super) struct TokensFile {
    path: PathBuf,
    /// Whether it was named outright, and is not in the state directory.
    is_named: bool,
    last: Mutex<Option<(Stamp, Arc<ReadTokens>)>>,
}

/// What was in the file.
pub(super) struct ReadTokens {
    entries: Entries,
    by_hash: HashMap<[u8; 32], usize>,
}

/// What tells one version of a file from another: time of change, length, and inode, as every change is a new file.
type Stamp = (SystemTime, u64, u64);

impl TokensFile {
    pub fn new(path: PathBuf, is_named: bool) -> Self {
        Self { path, is_named, last: Mutex::default() }
    }

    pub fn read(&self) -> Result<Arc<ReadTokens>> {
        let Ok(stamp) = stamp(&self.path) else {
            read_tokens(&self.path, self.is_named)?;
            bail!("{} cannot be read", self.path.display());
        };
        let mut last = self.last.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some((of, tokens)) = &*last
            && *of == stamp
        {
            return Ok(tokens.clone());
        }
        let entries = read_tokens(&self.path, self.is_named)?;
        let by_hash = entries.0.iter().enumerate().map(|(at, entry)| (entry.hash, at)).collect();
        let tokens = Arc::new(ReadTokens { entries, by_hash });
        *last = Some((stamp, tokens.clone()));
        Ok(tokens)
    }
}

/// The entries of the file. Only hashes are in it, so reading harms nobody; whoever can write there lets himself in.
pub(super) fn read_tokens(path: &Path, is_named: bool) -> Result<Entries> {
    let text = sources::read(path, is_named, trust::NOT_WRITABLE)?.with_context(|| {
        format!(
            "{} is missing: put it back; `strongroom token new` begins a new one, without the old tokens",
            path.display()
        )
    })?;
    Entries::parse(&text).with_context(|| path.display().to_string())
}

/// Whether an error of the file can pass by itself: not if it is missing, nobody may read it, or it says something wrong.
fn passes(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| {
        !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied | io::ErrorKind::InvalidData)
    })
}

fn stamp(path: &Path) -> std::io::Result<Stamp> {
    let metadata = fs::metadata(path)?;
    #[cfg(unix)]
    let inode = std::os::unix::fs::MetadataExt::ino(&metadata);
    #[cfg(not(unix))]
    let inode = 0;
    Ok((metadata.modified()?, metadata.len(), inode))
}
