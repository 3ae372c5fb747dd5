//! The state directory: the store, the master key, and the tokens.
//!
//! | file | mode | what it is |
//! |---|---|---|
//! | `master.key` | 0600 | the setting `strongroom_keys`; made once, never changed by the host |
//! | `admin.token` | 0600 | the text of the first token, with all scopes; nothing reads it, so it can be moved away |
//! | `tokens` | 0600 | the entries of the setting `strongroom_tokens`, one on each line; only hashes |
//! | `sqlite_key_value.db` | 0600 | the store, see [`crate::SqliteStore`] |
//! | `cache/` | 0700 | compiled components; can be deleted |
//! | `lock` | 0600 | held while the files above are made or changed |

use crate::Result;
use crate::config::Config;
use crate::keyvalue::DATABASE_FILE;
use crate::token::{self, Entries, Entry, Grant, Restriction, Scopes};
use anyhow::{Context, bail, ensure};
use base64ct::{Base64UrlUnpadded, Encoding};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;
use strongroom::access;
use strongroom::seal::{Keyring, MASTER_KEY_BYTES, Project};
use strongroom::settings;

/// The bucket the host offers; the component's own default.
pub const BUCKET: &str = "default";

/// A state directory that is complete: it has a master key and tokens.
pub struct StateDir {
    path: PathBuf,
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

    /// Opens a state directory; what is missing is made. A master key is never made over an existing store.
    pub fn open(path: &Path) -> Result<Self> {
        create_directory(path).with_context(|| format!("{} cannot be created", path.display()))?;
        let mut state = Self { path: path.canonicalize()?, is_new: false };
        let _lock = state.lock()?;
        state.is_new = state.provide_master_key()?;
        state.provide_tokens()?;
        create_directory(&state.cache_path())
            .with_context(|| format!("{} cannot be created", state.cache_path().display()))?;
        Ok(state)
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
        refuse_if_open_to_others(&path, 0o077)?;
        let text = fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
        let keys = text.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
        ensure!(
            Keyring::parse(&keys).is_ok(),
            "{} is damaged: it must hold k1: and 43 base64url characters",
            path.display()
        );
        let tokens = TokensFile { path: self.tokens_path(), read: Mutex::default() };
        tokens.entries()?;
        Ok(StateConfig { keys, project: project.to_owned(), tokens })
    }

    /// The tokens as they are now.
    pub fn tokens(&self) -> Result<Entries> {
        read_tokens(&self.tokens_path())
    }

    /// Changes the tokens; nobody else can at the same time.
    pub fn change_tokens(&self, change: impl FnOnce(&mut Entries) -> Result<()>) -> Result<()> {
        let _lock = self.lock()?;
        let mut entries = self.tokens()?;
        change(&mut entries)?;
        self.write("tokens", &entries.to_string())
    }

    fn lock(&self) -> Result<File> {
        let path = self.path.join("lock");
        let file = private_file(OpenOptions::new().write(true).create(true), &path);
        let file = file.with_context(|| format!("{} cannot be written", self.path.display()))?;
        file.lock().with_context(|| format!("{} cannot be locked", path.display()))?;
        Ok(file)
    }

    fn provide_master_key(&self) -> Result<bool> {
        if self.master_key_path().exists() {
            return Ok(false);
        }
        if self.path.join(DATABASE_FILE).exists() {
            bail!(
                "{} is missing, and without it the store beside it cannot be read: put the key back from its backup",
                self.master_key_path().display()
            );
        }
        let mut key = [0; MASTER_KEY_BYTES];
        getrandom::fill(&mut key).context("the system gave no random numbers")?;
        self.write("master.key", &format!("k1:{}\n", Base64UrlUnpadded::encode_string(&key)))?;
        Ok(true)
    }

    fn provide_tokens(&self) -> Result<()> {
        if self.tokens_path().exists() {
            return Ok(());
        }
        let token = match fs::read_to_string(self.admin_token_path()) {
            Ok(text) => text.trim().to_owned(),
            Err(_) => {
                let token = token::generate()?;
                self.write("admin.token", &format!("{token}\n"))?;
                token
            }
        };
        let grant = Grant { name: "admin".into(), scopes: Scopes::ALL, expiry: None, restriction: Restriction::NONE };
        let project = Project::parse("default").context("the project")?;
        let admin = Entry { grant, project, hash: access::hash(&token) };
        self.write("tokens", &Entries(vec![admin]).to_string())
    }

    /// Writes a file with mode 0600 in one step: a crash leaves the old one or the new one.
    fn write(&self, name: &str, content: &str) -> Result<()> {
        let path = self.path.join(name);
        let temporary = self.path.join(format!("{name}.new"));
        let write = || {
            let mut file = private_file(OpenOptions::new().write(true).create(true).truncate(true), &temporary)?;
            file.write_all(content.as_bytes())?;
            file.sync_all()?;
            fs::rename(&temporary, &path)?;
            if cfg!(unix) { File::open(&self.path)?.sync_all() } else { Ok(()) }
        };
        write().with_context(|| format!("{} cannot be written", path.display()))
    }
}

fn create_directory(path: &Path) -> std::io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

fn private_file(options: &mut OpenOptions, path: &Path) -> std::io::Result<File> {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options.open(path)
}

fn refuse_if_open_to_others(path: &Path, forbidden: u32) -> Result<()> {
    #[cfg(unix)]
    if let Ok(metadata) = fs::metadata(path) {
        let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o777;
        ensure!(
            mode & forbidden == 0,
            "{0} is open to other users (mode {mode:04o}): run chmod 600 {0}",
            path.display()
        );
    }
    Ok(())
}

fn read_tokens(path: &Path) -> Result<Entries> {
    // Only hashes are in it, so reading harms nobody; whoever can write there lets himself in.
    refuse_if_open_to_others(path, 0o022)?;
    let text = fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
    Entries::parse(&text).with_context(|| path.display().to_string())
}

/// The settings of a component that runs on a state directory.
pub struct StateConfig {
    keys: String,
    project: String,
    tokens: TokensFile,
}

impl StateConfig {
    /// The name of the token that a request came with, for the log.
    pub fn token_name(&self, token: &str) -> Option<String> {
        self.tokens.entries().ok()?.name_of(token).map(str::to_owned)
    }
}

impl Config for StateConfig {
    fn get(&self, key: &str) -> Result<Option<String>, String> {
        Ok(Some(match key {
            settings::KEYS => self.keys.clone(),
            settings::TOKENS => {
                self.tokens.entries().map_err(|_| "the tokens file cannot be used".to_owned())?.setting()
            }
            settings::BUCKET => BUCKET.to_owned(),
            settings::PROJECT => self.project.clone(),
            // Not of the state: it says what network the machine is on.
            "strongroom_http_origins" => std::env::var("STRONGROOM_HTTP_ORIGINS").unwrap_or_default(),
            "strongroom_allowed_hosts" => std::env::var("STRONGROOM_ALLOWED_HOSTS").unwrap_or_default(),
            "strongroom_allowed_origins" => std::env::var("STRONGROOM_ALLOWED_ORIGINS").unwrap_or_default(),
            _ => return Ok(None),
        }))
    }
}

/// The tokens file, read again when it has changed, so that a revoked token stops working at once.
struct TokensFile {
    path: PathBuf,
    read: Mutex<Option<(Stamp, Arc<Entries>)>>,
}

/// What tells one version of a file from another: time of change, length, and inode, as every change is a new file.
type Stamp = (SystemTime, u64, u64);

impl TokensFile {
    fn entries(&self) -> Result<Arc<Entries>> {
        let stamp = stamp(&self.path).with_context(|| format!("{} cannot be read", self.path.display()))?;
        let mut read = self.read.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some((of, entries)) = &*read
            && *of == stamp
        {
            return Ok(entries.clone());
        }
        let entries = Arc::new(read_tokens(&self.path)?);
        *read = Some((stamp, entries.clone()));
        Ok(entries)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TempDir;
    #[cfg(unix)]
    use std::os::unix::fs::PermissionsExt;

    fn error<T>(result: Result<T>) -> String {
        format!("{:#}", result.err().unwrap())
    }

    #[test]
    fn a_first_start_makes_private_files_and_a_second_keeps_them() {
        let parent = TempDir::new();
        let path = parent.path().join("deep/state");
        let first = StateDir::open(&path).unwrap();
        assert!(first.is_new);
        let names = ["master.key", "admin.token", "tokens"];
        let read = |name: &str| fs::read_to_string(path.join(name)).unwrap();
        let before = names.map(read);
        #[cfg(unix)]
        {
            let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode(&path), 0o700);
            assert_eq!(names.map(|name| mode(&path.join(name))), [0o600; 3]);
        }
        assert!(!StateDir::open(&path).unwrap().is_new);
        assert_eq!(names.map(read), before);

        let config = first.config("default").unwrap();
        assert_eq!(config.get("strongroom_keys").unwrap().unwrap(), before[0].trim());
        assert_eq!(config.get("strongroom_bucket").unwrap().unwrap(), "default");
        assert_eq!(config.get("something_else").unwrap(), None);
        assert_eq!(config.token_name(before[1].trim()).as_deref(), Some("admin"));
        assert!(!before[2].contains(before[1].trim()), "the token itself is not in the list");
    }

    #[test]
    fn first_starts_at_once_agree_on_one_key() {
        let directory = TempDir::new();
        let made: usize = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..8).map(|_| scope.spawn(|| StateDir::open(directory.path()).unwrap().is_new as usize)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(made, 1);
    }

    #[test]
    fn no_new_key_for_an_old_store() {
        let directory = TempDir::new();
        fs::write(directory.path().join(DATABASE_FILE), "").unwrap();
        let message = error(StateDir::open(directory.path()));
        assert!(message.contains("master.key is missing"), "{message}");
        assert!(!directory.path().join("master.key").exists());
    }

    #[cfg(unix)]
    #[test]
    fn files_open_to_others_and_damaged_ones_are_refused() {
        let directory = TempDir::new();
        let state = StateDir::open(directory.path()).unwrap();
        let key = state.master_key_path();
        let content = fs::read_to_string(&key).unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
        let message = error(state.config("default"));
        assert!(message.contains("mode 0640"), "{message}");
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        for damaged in ["", "k1", "k1:short", &content[..content.len() - 2], &content[3..]] {
            fs::write(&key, damaged).unwrap();
            let message = error(state.config("default"));
            assert!(message.contains("is damaged"), "{message}");
        }
        fs::write(&key, content).unwrap();
        assert!(error(state.config("two words")).contains("the project"));
        fs::set_permissions(state.tokens_path(), fs::Permissions::from_mode(0o666)).unwrap();
        assert!(error(state.config("default")).contains("mode 0666"));
    }

    #[test]
    fn a_change_of_tokens_shows_at_once() {
        let directory = TempDir::new();
        let state = StateDir::open(directory.path()).unwrap();
        let config = state.config("default").unwrap();
        let before = config.get("strongroom_tokens").unwrap().unwrap();
        state
            .change_tokens(|entries| {
                let mut copy = entries.0[0].clone();
                copy.grant.name = "copy".into();
                copy.hash = [7; 32];
                entries.0.push(copy);
                Ok(())
            })
            .unwrap();
        let after = config.get("strongroom_tokens").unwrap().unwrap();
        let (rest, hash) = before.rsplit_once(':').unwrap();
        assert_eq!(after, format!("{rest}:{hash} {}:{}", rest.replace("admin:", "copy:"), "07".repeat(32)));
        state
            .change_tokens(|entries| {
                entries.0.clear();
                Ok(())
            })
            .unwrap();
        assert_eq!(config.get("strongroom_tokens").unwrap().unwrap(), "");
        fs::write(directory.path().join("tokens"), "nonsense").unwrap();
        assert!(config.get("strongroom_tokens").is_err(), "it fails closed");
    }
}
