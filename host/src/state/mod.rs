//! The state directory: the store, the master key, and the tokens.
//!
//! | file | mode | what it is |
//! |---|---|---|
//! | `master.key` | 0600 | the setting `strongroom_keys`, or that wrapped by a passphrase; made once, changed by `strongroom key` |
//! | `admin.token` | 0600 | the text of the first token, with all scopes; nothing reads it, so it can be moved away |
//! | `agent.token` | 0600 | the text of the second, with `read` and `totp`; nothing reads it either |
//! | `tokens` | 0600 | the entries of the setting `strongroom_tokens`, one on each line; only hashes |
//! | `store.id` | 0600 | the id of the store that belongs here |
//! | `sqlite_key_value.db` | 0600 | the store, see [`crate::SqliteStore`] |
//! | `commits` | 0600 | the newest commit that was seen of each project, see [`StateDir::seen`]; without it nothing is remembered |
//! | `cache/` | 0700 | compiled components; can be deleted |
//! | `lock` | 0600 | held while the files above are made or changed |
//!
//! The directory itself is locked, too: shared by all who use it, alone by whoever begins anew over a loss.
//!
//! Several instances on a store of other machines have a directory each. Master key and tokens are then files that are the
//! same for all ([`Sources`]), and are not made here. Master keys can also be given by a command ([`KeyCommand`]).
//!
//! The directory and the files must be ours, and nobody else's to write ([`trust`]).

mod commits;
mod key_command;
mod keys;
mod passphrase;
mod settings;
mod sources;
mod store;
mod trust;
mod watched;

use crate::Result;
use crate::shell::quoted;
use crate::token::{self, Entries, Entry, Grant, Restriction, Scopes};
use anyhow::{Context, bail, ensure};
pub use commits::Commit;
pub use key_command::KeyCommand;
pub use keys::Keys;
use keys::MasterKeys;
pub use passphrase::Passphrase;
pub use settings::StateConfig;
use settings::{ReadTokens, read_tokens};
pub use sources::{KeySource, Sources};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use store::Known;
use strongroom::access;
use strongroom::seal::Project;
use watched::Watched;

#[cfg(unix)]
type InUse = std::fs::File;
#[cfg(not(unix))]
type InUse = ();

/// The bucket the host offers; the component's own default.
pub const BUCKET: &str = "default";

/// A state directory that is complete: it has a master key, and knows of a store.
pub struct StateDir {
    path: PathBuf,
    sources: Sources,
    keys: Arc<MasterKeys>,
    known: Known,
    /// Whether a vault may be begun in a store that has none.
    may_begin: bool,
    /// Keeps others from beginning anew here, as long as this is in use.
    _in_use: InUse,
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

    /// Opens a state directory in which a vault was begun, or one for a vault whose key is elsewhere.
    pub fn open(path: &Path, sources: &Sources) -> Result<Self> {
        let key = path.join("master.key");
        let has_store = match sources.store.directory(path) {
            Some(directory) => store::exists(directory),
            None => sources.keys.is_elsewhere() || Known::read(path)?.is_some(),
        };
        ensure!(
            key.exists() || has_store,
            "there is no vault in {}: if that is the right place, `strongroom init --state-dir {}` begins one",
            path.display(),
            quoted(path)
        );
        Ok(Self { may_begin: false, ..Self::open_or_begin(path, sources)? })
    }

    /// Opens a state directory; in an empty or missing one a vault is begun. A master key is never made over an existing
    /// store, nor a store beside an existing key.
    pub fn open_or_begin(path: &Path, sources: &Sources) -> Result<Self> {
        trust::create_directory(path)?;
        let path = path.canonicalize().with_context(|| format!("{} cannot be opened", path.display()))?;
        trust::check_directory(&path)?;
        let in_use = trust::share(&path)?;
        let _lock = trust::lock(&path.join("lock"))?;
        let (is_file, is_given) = (path.join("master.key").exists(), matches!(sources.keys, KeySource::Command(_)));
        ensure!(
            !(is_file && is_given),
            "{} is there, though --key-command gives the master keys: take away the one or the other",
            path.join("master.key").display()
        );
        let has_key = sources.keys.is_elsewhere() || is_file;
        let known = Known::read(&path)?;
        let (known, is_new) = match sources.store.directory(&path) {
            // A command that gives a key says nothing about whether there was a vault.
            Some(directory) if is_given && known.is_none() && !store::exists(directory) => {
                (Known::Beginning(Known::new_id()?), false)
            }
            Some(directory) => known_of_file(&path, directory, has_key, known)?,
            None => known_of_others(&path, sources, has_key, known)?,
        };
        if is_new {
            known.write(&path)?;
        }
        let keys = Arc::new(sources.master_keys(&path));
        let state = Self { path, sources: sources.clone(), keys, known, may_begin: true, _in_use: in_use, is_new };
        if is_new {
            state.make_master_key()?;
        }
        state.provide_first_tokens()?;
        trust::create_directory(&state.cache_path())?;
        trust::check_directory(&state.cache_path())?;
        Ok(state)
    }

    /// Like [`open_or_begin`](Self::open_or_begin), where the store was lost: whatever is there, or is made now, will do.
    /// Fails while anybody else uses the directory.
    pub fn open_over_loss(path: &Path, sources: &Sources) -> Result<Self> {
        if !sources.keys.is_elsewhere() && !path.join("master.key").exists() {
            return Self::open_or_begin(path, sources);
        }
        trust::create_directory(path)?;
        let path = path.canonicalize()?;
        trust::check_directory(&path)?;
        let in_use = trust::take_alone(&path)?;
        let is_key_alone = Known::read(&path)?.is_none();
        let is_gone = sources.store.directory(&path).is_some_and(|directory| !store::exists(directory));
        let known = if is_gone { Known::Beginning } else { Known::Brought }(Known::new_id()?);
        if is_gone {
            known.write(&path)?;
        }
        let keys = Arc::new(sources.master_keys(&path));
        let state =
            Self { path, sources: sources.clone(), keys, known, may_begin: true, _in_use: in_use, is_new: false };
        if is_key_alone {
            state.provide_first_tokens()?;
        }
        trust::create_directory(&state.cache_path())?;
        trust::check_directory(&state.cache_path())?;
        Ok(state)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file of the master keys. An error if they are in none.
    pub fn master_key_path(&self) -> Result<PathBuf> {
        self.sources.key_file(&self.path).context("the master keys are those that --key-command gives, and in no file")
    }

    /// Where the master keys are, as messages name it.
    pub fn master_key_place(&self) -> String {
        match self.sources.key_file(&self.path) {
            Some(file) => file.display().to_string(),
            None => "what --key-command gives".to_owned(),
        }
    }

    /// Whether a passphrase is needed to read them.
    pub fn are_keys_wrapped(&self) -> bool {
        self.sources.passphrase.is_some()
    }

    /// Where the store is, as messages name it.
    pub fn store_place(&self) -> String {
        match self.sources.store.directory(&self.path) {
            Some(directory) => directory.display().to_string(),
            None => self.sources.store.to_string(),
        }
    }

    pub fn is_store_remote(&self) -> bool {
        self.sources.store.is_remote()
    }

    /// Whether the tokens are the file in this directory.
    pub fn has_own_tokens(&self) -> bool {
        self.sources.tokens_file.is_none()
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

    pub fn tokens_path(&self) -> PathBuf {
        self.sources.tokens_file.clone().unwrap_or_else(|| self.path.join("tokens"))
    }

    /// The component's settings, for one project. Keys and tokens are read anew whenever their file has changed.
    pub fn config(&self, project: &str) -> Result<StateConfig> {
        ensure!(Project::parse(project).is_some(), "the project must be 1-64 letters, digits, `.`, `_` or `-`");
        self.keys.read()?;
        let is_named = !self.has_own_tokens();
        let tokens = Watched::new(self.tokens_path(), move |path| ReadTokens::read(path, is_named));
        tokens.read()?;
        let environment = settings::of_environment();
        Ok(StateConfig { keys: self.keys.clone(), project: project.to_owned(), tokens, environment })
    }

    /// The tokens as they are now.
    pub fn tokens(&self) -> Result<Entries> {
        read_tokens(&self.tokens_path(), !self.has_own_tokens())
    }

    /// Changes the tokens; nobody else can at the same time. A list that is missing begins empty; one that can't be read
    /// stays as it is.
    pub fn change_tokens(&self, change: impl FnOnce(&mut Entries) -> Result<()>) -> Result<()> {
        let path = self.tokens_path();
        let (path, lock) = match self.has_own_tokens() {
            true => (path, self.path.join("lock")),
            // Beside the file itself, wherever a symbolic link to it is, so that others who change it meet here.
            false => {
                let path = path.canonicalize().with_context(|| format!("{} cannot be changed", path.display()))?;
                (path.clone(), path.with_extension("lock"))
            }
        };
        let _lock = trust::lock(&lock)?;
        let is_missing = trust::open(&path, trust::NOT_WRITABLE)?.is_none();
        let mut entries = if is_missing { Entries::default() } else { self.tokens()? };
        change(&mut entries)?;
        let text = entries.to_string();
        Entries::parse(&text)?;
        trust::write(&path, &text)
    }

    fn make_master_key(&self) -> Result<()> {
        keys::write(&self.master_key_path()?, &Keys::first()?, self.sources.passphrase.as_deref())
    }

    /// Makes the first two tokens: one that can do everything, one for agents. Only where a vault begins, or where a key
    /// was brought without tokens: a list that was removed never comes back by itself.
    fn provide_first_tokens(&self) -> Result<()> {
        if matches!(self.known, Known::Is(_)) || !self.has_own_tokens() {
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

/// What is known of a store that is a file, and whether a vault is begun now.
fn known_of_file(path: &Path, directory: &Path, has_key: bool, known: Option<Known>) -> Result<(Known, bool)> {
    Ok(match (has_key, store::exists(directory), known) {
        (true, _, Some(known)) => (known, false),
        (true, true, None) => (Known::Brought(Known::new_id()?), false),
        (true, false, None) | (false, false, Some(Known::Is(_))) => bail!(
            "there is no {}, though there was a vault here: put it back from a backup, with its -wal file if there \
             is one, and with its master.key. If it is lost for good, `strongroom init --force` starts an EMPTY \
             vault beside an existing key",
            store::path(directory).display()
        ),
        (false, true, _) => bail!(
            "{} is missing, and without it the store beside it cannot be read: put the key back from its backup",
            path.join("master.key").display()
        ),
        // Also after a first start that broke off.
        (false, false, known) => (known.map_or_else(|| Known::new_id().map(Known::Beginning), Ok)?, true),
    })
}

/// The same of a store on other machines, of which nobody knows yet whether it is there.
fn known_of_others(path: &Path, sources: &Sources, has_key: bool, known: Option<Known>) -> Result<(Known, bool)> {
    Ok(match (has_key, known) {
        (true, Some(Known::Is(id))) => (Known::Is(id), false),
        // Whoever brings the key of a vault knows that there is one, or that there shall be one with this key.
        (true, Some(Known::Beginning(id) | Known::Brought(id))) if sources.keys.is_elsewhere() => {
            (Known::Brought(id), false)
        }
        (true, Some(known)) => (known, false),
        (true, None) => (Known::Brought(Known::new_id()?), false),
        (false, Some(Known::Is(_))) => bail!(
            "{} is missing, and without it the store cannot be read: put the key back from its backup, or name it with \
             --key-file",
            path.join("master.key").display()
        ),
        (false, known) => (known.map_or_else(|| Known::new_id().map(Known::Beginning), Ok)?, true),
    })
}

#[cfg(test)]
mod tests;
