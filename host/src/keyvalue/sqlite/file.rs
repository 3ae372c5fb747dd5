//! The database file: made, checked and opened.

use super::StoreError;
use anyhow::{Context, bail};
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};
use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a writer waits for writers of other processes.
pub const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

const CREATE_TABLE: &str = "CREATE TABLE IF NOT EXISTS spin_key_value (
    store TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY (store, key))";

/// Where the file is that was opened. If it is removed, or another put in its place, what is written goes where nobody
/// finds it again, and what is read may be of another database.
#[derive(Clone)]
pub struct Place {
    path: Arc<Path>,
    /// Device and inode.
    numbers: (u64, u64),
}

impl Place {
    pub fn of(path: &Path) -> anyhow::Result<Self> {
        Ok(Self { path: path.into(), numbers: numbers(path)? })
    }

    pub fn check(&self) -> Result<(), StoreError> {
        if numbers(&self.path).ok() == Some(self.numbers) {
            return Ok(());
        }
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        Err(StoreError::Failed(format!("{name} was removed or replaced under the running program: start it again")))
    }
}

fn numbers(path: &Path) -> std::io::Result<(u64, u64)> {
    let metadata = std::fs::metadata(path)?;
    #[cfg(unix)]
    return Ok((std::os::unix::fs::MetadataExt::dev(&metadata), std::os::unix::fs::MetadataExt::ino(&metadata)));
    #[cfg(not(unix))]
    return Ok((0, metadata.is_file() as u64));
}

/// Makes an empty file, which SQLite takes for an empty database; its log and index files get the same mode from it.
pub fn create(path: &Path) -> anyhow::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(file) => {
            file.sync_all().and_then(|()| sync_directory_of(path)).with_context(|| format!("{}", path.display()))
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error).with_context(|| format!("{} cannot be created", path.display())),
    }
}

fn sync_directory_of(path: &Path) -> std::io::Result<()> {
    match path.parent() {
        Some(parent) if cfg!(unix) => File::open(parent)?.sync_all(),
        _ => Ok(()),
    }
}

pub fn connect(path: &Path) -> anyhow::Result<Connection> {
    // Never making one: where there was a vault an empty file must not come into its place.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags);
    let connection = connection.with_context(|| format!("{} cannot be opened", path.display()))?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // What is deleted or replaced is overwritten, not only left to be used again.
    connection.pragma_update(None, "secure_delete", "ON")?;
    // The file may come from elsewhere: its schema must not run anything.
    connection.pragma_update(None, "trusted_schema", "OFF")?;
    Ok(connection)
}

/// What an error says about the file.
pub fn explain(path: &Path, error: rusqlite::Error) -> anyhow::Error {
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            anyhow::anyhow!("{} is not a SQLite database, or a damaged one: put it back from a backup", path.display())
        }
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            anyhow::anyhow!("{} cannot be written", path.display())
        }
        _ => anyhow::Error::new(error).context(format!("{} cannot be used", path.display())),
    }
}

/// Opens the file, makes sure that it is ours (or empty) and writable, and switches it to WAL.
pub fn open_and_check(path: &Path) -> anyhow::Result<Connection> {
    let mut connection = connect(path)?;
    let explain = |error| explain(path, error);
    // Counted before the columns are looked at: another first start may create the table at any moment.
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema WHERE type = 'table'", [], |row| row.get(0))
        .map_err(explain)?;
    let columns = connection
        .prepare("SELECT name, type, \"notnull\", pk FROM pragma_table_info('spin_key_value') ORDER BY cid")
        .and_then(|mut statement| {
            statement
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?
                .collect::<rusqlite::Result<Vec<(String, String, bool, u8)>>>()
        })
        .map_err(explain)?;
    let found: Vec<_> = columns.iter().map(|(n, t, not_null, pk)| (n.as_str(), t.as_str(), *not_null, *pk)).collect();
    match found.as_slice() {
        [("store", "TEXT", true, 1), ("key", "TEXT", true, 2), ("value", "BLOB", true, 0)] => {}
        [] if tables > 0 => {
            bail!("{} is another program's database: it has no table spin_key_value", path.display());
        }
        [] => {}
        _ => bail!("{} is another program's database: its table spin_key_value differs", path.display()),
    }
    enable_wal(&connection).map_err(explain)?;
    connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .and_then(|transaction| {
            transaction.execute(CREATE_TABLE, [])?;
            transaction.commit()
        })
        .map_err(explain)?;
    Ok(connection)
}

/// The change to WAL wants the file for itself and does not wait for it, so two first starts at once must take turns.
fn enable_wal(connection: &Connection) -> rusqlite::Result<()> {
    let start = Instant::now();
    loop {
        match connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0)) {
            Err(error)
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && start.elapsed() < BUSY_TIMEOUT =>
            {
                std::thread::sleep(Duration::from_millis(20));
            }
            result => return result.map(drop),
        }
    }
}
