//! The settings of a component that runs on a state directory.

use super::BUCKET;
use super::keys::MasterKeys;
use super::watched::Watched;
use super::{sources, trust};
use crate::Result;
use crate::config::Config;
use crate::serve::Tokens;
use crate::token::{Entries, Entry};
use anyhow::Context;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::Path;
use std::sync::Arc;
use strongroom::access;
use strongroom::settings;
use strongroom::store::PERMANENT;

/// See the module.
pub struct StateConfig {
    pub(super) keys: Arc<MasterKeys>,
    pub(super) project: String,
    /// Read anew, so that a revoked token stops working at once.
    pub(super) tokens: Watched<ReadTokens>,
    pub(super) environment: BTreeMap<&'static str, String>,
}

impl StateConfig {
    /// The project whose settings these are.
    pub fn project(&self) -> &str {
        &self.project
    }
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
            settings::KEYS => usable(self.keys.read(), "the file of the master keys")?.setting(),
            settings::TOKENS => usable(self.tokens.read(), "the tokens file")?.entries.setting(),
            settings::BUCKET => BUCKET.to_owned(),
            settings::PROJECT => self.project.clone(),
            _ => return Ok(self.environment.get(key).cloned()),
        }))
    }
}

/// Settings that are not of the state: what network the machine is on, and how whoever runs the program wants things kept.
pub(super) fn of_environment() -> BTreeMap<&'static str, String> {
    let names = [
        settings::HTTP_ORIGINS,
        settings::ALLOWED_HOSTS,
        settings::ALLOWED_ORIGINS,
        settings::HISTORY_VERSIONS,
        settings::HISTORY_DAYS,
        settings::AUDIT,
        settings::AUDIT_ENTRIES,
        settings::AUDIT_DAYS,
    ];
    let value = |name: &str| std::env::var(name.to_ascii_uppercase()).unwrap_or_default();
    names.into_iter().map(|name| (name, value(name))).collect()
}

/// What was in the tokens file.
pub(super) struct ReadTokens {
    entries: Entries,
    by_hash: HashMap<[u8; 32], usize>,
}

impl ReadTokens {
    pub fn read(path: &Path, is_named: bool) -> Result<Self> {
        let entries = read_tokens(path, is_named)?;
        let by_hash = entries.0.iter().enumerate().map(|(at, entry)| (entry.hash, at)).collect();
        Ok(Self { entries, by_hash })
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

fn usable<T>(read: Result<T>, what: &str) -> Result<T, String> {
    read.map_err(|error| {
        let begin = if passes(&error) { "" } else { PERMANENT };
        format!("{begin}{what} cannot be used")
    })
}

/// Whether an error of the file can pass by itself: not if it is missing, nobody may read it, or it says something wrong.
fn passes(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| {
        !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied | io::ErrorKind::InvalidData)
    })
}
