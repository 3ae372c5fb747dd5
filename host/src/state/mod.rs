//! The state directory: the store, the master key, and the tokens.
//!
//! | file | mode | what it is |
//! |---|---|---|
//! | `master.key` | 0600 | the setting `strongroom_keys`; made once, never changed by the host |
//! | `admin.token` | 0600 | the text of the first token, with all scopes; nothing reads it, so it can be moved away |
//! | `agent.token` | 0600 | the text of the second, with `read` and `totp`; nothing reads it either |
//! | `tokens` | 0600 | the entries of the setting `strongroom_tokens`, one on each line; only hashes |
//! | `store.id` | 0600 | the id of the store that belongs here |
//! | `sqlite_key_value.db` | 0600 | the store, see [`crate::SqliteStore`] |
//! | `cache/` | 0700 | compiled components; can be deleted |
//! | `lock` | 0600 | held while the files above are made or changed |
//!
//! The directory and the files must be ours, and nobody else's to write ([`trust`]).

mod settings;
mod store;
mod trust;

use crate::Result;
use crate::shell::quoted;
use crate::token::{self, Entries, Entry, Grant, Restriction, Scopes};
use anyhow::{Context, bail, ensure};
use base64ct::{Base64UrlUnpadded, Encoding};
pub use settings::StateConfig;
use settings::{TokensFile, read_tokens};
use std::path::{Path, PathBuf};
use store::Known;
use strongroom::access;
use strongroom::seal::{Keyring, MASTER_KEY_BYTES, Project};

/// The bucket the host offers; the component's own default.
pub const BUCKET: &str = "default";

/// A state directory that is complete: it has a master key, and knows of a store.
pub struct StateDir {
    path: PathBuf,
    known: Known,
    /// Whether this call made the master key.
    pub is_new: bool,
}

impl StateDir {
    /// `$STRONGROOM_STATE_DIR`, else `$XDG_DATA_HOME/strongroom`, else `~/.local/share/strongroom`.
    pub fn default_path() -> Result<PathBuf> {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        variable("STRONGROOM_STATE_DIR")
            .or_else(|| variable("XDG_DATA_HOME").map(|data| data.join("strongroom")))
            .or_else(|| variable("HOME").map(|home| home.join(".local/share/strongroom")))
            .context("there is no home directory: name a directory with --state-dir")
    }

    /// Opens a state directory in which a vault was begun.
    pub fn open(path: &Path) -> Result<Self> {
        let key = path.join("master.key");
        ensure!(
            key.exists() || store::exists(path),
            "there is no vault in {}: if that is the right place, `strongroom init --state-dir {}` begins one",
            path.display(),
            quoted(path)
        );
        Self::open_or_begin(path)
    }

    /// Opens a state directory; in an empty or missing one a vault is begun. A master key is never made over an existing
    /// store, nor a store beside an existing key.
    pub fn open_or_begin(path: &Path) -> Result<Self> {
        trust::create_directory(path)?;
        let path = path.canonicalize().with_context(|| format!("{} cannot be opened", path.display()))?;
        trust::check_directory(&path)?;
        let _lock = trust::lock(&path.join("lock"))?;
        let has_key = path.join("master.key").exists();
        let (known, is_new) = match (has_key, store::exists(&path), Known::read(&path)?) {
            (true, _, Some(known)) => (known, false),
            (true, true, None) => (Known::Brought(Known::new_id()?), false),
            (true, false, None) | (false, false, Some(Known::Is(_))) => bail!(
                "there is no {}, though there was a vault here: put it back from a backup, with its -wal file if there \
                 is one, and with its master.key. If it is lost for good, `strongroom init --force` starts an EMPTY \
                 vault beside an existing key",
                store::path(&path).display()
            ),
            (false, true, _) => bail!(
                "{} is missing, and without it the store beside it cannot be read: put the key back from its backup",
                path.join("master.key").display()
            ),
            // Also after a first start that broke off.
            (false, false, known) => {
                let known = known.map_or_else(|| Known::new_id().map(Known::Beginning), Ok)?;
                known.write(&path)?;
                (known, true)
            }
        };
        let state = Self { path, known, is_new };
        if is_new {
            state.make_master_key()?;
        }
        state.provide_first_tokens()?;
        trust::create_directory(&state.cache_path())?;
        trust::check_directory(&state.cache_path())?;
        Ok(state)
    }

    /// Like [`open_or_begin`](Self::open_or_begin), where the store was lost: whatever is there, or is made now, will do.
    pub fn open_over_loss(path: &Path) -> Result<Self> {
        let key = path.join("master.key");
        if key.exists() {
            let known = if store::exists(path) { Known::Brought } else { Known::Beginning }(Known::new_id()?);
            let state = Self { path: path.canonicalize()?, known, is_new: false };
            trust::check_directory(&state.path)?;
            if let Known::Beginning(_) = state.known {
                state.known.write(&state.path)?;
            }
            trust::create_directory(&state.cache_path())?;
            trust::check_directory(&state.cache_path())?;
            return Ok(state);
        }
        Self::open_or_begin(path)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn master_key_path(&self) -> PathBuf {
        self.path.join("master.key")
    }

    pub fn admin_token_path(&self) -> PathBuf {
        self.path.join("admin.token")
    }

    pub fn agent_token_path(&self) -> PathBuf {
        self.path.join("agent.token")
    }

    pub fn cache_path(&self) -> PathBuf {
        self.path.join("cache")
    }

    fn tokens_path(&self) -> PathBuf {
        self.path.join("tokens")
    }

    /// The component's settings, for one project. Tokens are read anew whenever their file has changed.
    pub fn config(&self, project: &str) -> Result<StateConfig> {
        ensure!(Project::parse(project).is_some(), "the project must be 1-64 letters, digits, `.`, `_` or `-`");
        let path = self.master_key_path();
        let text = trust::read(&path, trust::PRIVATE)?.with_context(|| format!("{} is missing", path.display()))?;
        let keys = text.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
        ensure!(
            Keyring::parse(&keys).is_ok(),
            "{} is damaged: it must hold k1: and 43 base64url characters",
            path.display()
        );
        let tokens = TokensFile::new(self.tokens_path());
        tokens.read()?;
        Ok(StateConfig { keys, project: project.to_owned(), tokens })
    }

    /// The tokens as they are now.
    pub fn tokens(&self) -> Result<Entries> {
        read_tokens(&self.tokens_path())
    }

    /// Changes the tokens; nobody else can at the same time. A list that is missing begins empty; one that can't be read
    /// stays as it is.
    pub fn change_tokens(&self, change: impl FnOnce(&mut Entries) -> Result<()>) -> Result<()> {
        let _lock = trust::lock(&self.path.join("lock"))?;
        let is_missing = trust::open(&self.tokens_path(), trust::NOT_WRITABLE)?.is_none();
        let mut entries = if is_missing { Entries::default() } else { self.tokens()? };
        change(&mut entries)?;
        let text = entries.to_string();
        Entries::parse(&text)?;
        trust::write(&self.tokens_path(), &text)
    }

    fn make_master_key(&self) -> Result<()> {
        let mut key = [0; MASTER_KEY_BYTES];
        getrandom::fill(&mut key).context("the system gave no random numbers")?;
        trust::write(&self.master_key_path(), &format!("k1:{}\n", Base64UrlUnpadded::encode_string(&key)))
    }

    /// Makes the first two tokens: one that can do everything, one for agents. Only where a vault begins, or where a key
    /// was brought without tokens: a list that was removed never comes back by itself.
    fn provide_first_tokens(&self) -> Result<()> {
        if let Known::Is(_) = self.known {
            return Ok(());
        }
        if trust::open(&self.tokens_path(), trust::NOT_WRITABLE)?.is_some() {
            return Ok(());
        }
        let entry = |name: &str, path: &Path, scopes: Scopes| {
            let token = token::generate()?;
            trust::write(path, &format!("{token}\n"))?;
            let grant = Grant { name: name.into(), scopes, expiry: None, restriction: Restriction::NONE };
            let project = Project::parse("default").context("the project")?;
            Ok::<_, anyhow::Error>(Entry { grant, project, hash: access::hash(&token) })
        };
        let for_agents = Scopes::parse("read+totp").context("the scopes")?;
        let entries = [
            entry("admin", &self.admin_token_path(), Scopes::ALL)?,
            entry("agent", &self.agent_token_path(), for_agents)?,
        ];
        trust::write(&self.tokens_path(), &Entries(entries.into()).to_string())
    }
}

#[cfg(test)]
mod tests;
