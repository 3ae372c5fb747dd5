//! The durable store: one SQLite file in the table layout of Spin's default key-value store, so that the same file can
//! be used by either.
//!
//! # Durability
//!
//! The file is in WAL mode. `set` and `delete` commit on a connection with `synchronous = NORMAL`, which appends to the
//! write-ahead log without waiting for the device. `swap` and `increment` commit on a connection with
//! `synchronous = FULL`, which calls fsync on the log before the commit returns. So an acknowledged swap is durable
//! together with every `set` and `delete` before it, at the price of one fsync for all of them:
//!
//! - All connections, of all processes, append to one log file, one transaction at a time; fsync flushes the file, not
//!   the writer's own part of it. Recovery takes the longest prefix of whole transactions with matching checksums, so
//!   what was written before the swap cannot be missing while the swap is there.
//! - Earlier frames can only leave the log by a checkpoint. At both levels a checkpoint syncs the log before it copies
//!   from it, and syncs the database file before the log may be overwritten from its start; and the header of a log
//!   that starts over is synced before frames follow it. (SQLite's `walCheckpoint` and `walFrames` take the flags for
//!   these three from `CKPT_SYNC_FLAGS`, which only `synchronous = OFF` clears; NORMAL clears just the sync at the end
//!   of a commit.)
//! - Creating the log file syncs the directory with the first sync of the file; the database file's own entry is synced
//!   by [`SqliteStore::open`].
//!
//! # Concurrency
//!
//! Readers never wait. Instances of this process that change the same record take turns ([`KeyValue::turn`]). Writers of this process queue at a mutex, those of other processes at SQLite's lock for at most
//! [`BUSY_TIMEOUT`]. Every statement that writes is the first of its transaction, so SQLite itself retries a snapshot
//! that another process has outdated, and `SQLITE_BUSY` is not seen in normal operation.

use super::{Expected, KeyPage, KeyValue, StoreError, Turn};
use anyhow::{Context, bail};
use rusqlite::{Connection, ErrorCode, OptionalExtension, TransactionBehavior, params};
use std::fs::{File, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::ErrorKind;
use std::path::Path;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// Name of the file in the state directory; the one that Spin gives its own.
pub const DATABASE_FILE: &str = "sqlite_key_value.db";

/// How long a writer waits for writers of other processes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Locks for writers to take turns by; keys that share one wait for each other without need.
const TURNS: usize = 64;

/// Keys per page of a listing.
const KEYS_PER_PAGE: usize = 1000;

const CREATE_TABLE: &str = "CREATE TABLE IF NOT EXISTS spin_key_value (
    store TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY (store, key))";

/// A key-value store in a SQLite file; any bucket name is a bucket.
pub struct SqliteStore {
    writer: Mutex<Writer>,
    /// Connections that no reader is using at the moment.
    readers: Mutex<Vec<Connection>>,
    turns: [Turn; TURNS],
    path: std::path::PathBuf,
}

struct Writer {
    /// `synchronous = NORMAL`.
    relaxed: Connection,
    /// `synchronous = FULL`.
    durable: Connection,
}

impl SqliteStore {
    /// Opens the store in a directory, creating the file (mode 0600) if there is none.
    ///
    /// Fails, without changing anything, if the file is no SQLite database, holds another program's tables, or cannot
    /// be written.
    pub fn open(directory: &Path) -> anyhow::Result<Self> {
        let path = directory.join(DATABASE_FILE);
        create_file(&path)?;
        let durable = open_and_check(&path)?;
        durable.pragma_update(None, "synchronous", "FULL")?;
        let relaxed = connect(&path)?;
        relaxed.pragma_update(None, "synchronous", "NORMAL")?;
        Ok(Self {
            writer: Mutex::new(Writer { relaxed, durable }),
            readers: Mutex::default(),
            turns: std::array::from_fn(|_| Turn::default()),
            path,
        })
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        // A panic rolls its transaction back when the connection is next used, so the connections stay usable.
        self.writer.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Runs a read on a connection of its own.
    fn read<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let pooled = self.readers.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).pop();
        let connection = match pooled {
            Some(connection) => connection,
            None => connect(&self.path).map_err(|error| StoreError::Other(format!("{error:#}")))?,
        };
        let result = read(&connection)?;
        self.readers.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(connection);
        Ok(result)
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        StoreError::Other(error.to_string())
    }
}

impl KeyValue for SqliteStore {
    fn turn(&self, bucket: &str, key: &str) -> Option<Turn> {
        let mut hasher = DefaultHasher::new();
        (bucket, key).hash(&mut hasher);
        self.turns.get(hasher.finish() as usize % TURNS).cloned()
    }

    fn get(&self, bucket: &str, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(|connection| select(connection, bucket, key))
    }

    fn set(&self, bucket: &str, key: &str, value: &[u8]) -> Result<(), StoreError> {
        upsert(&self.writer().relaxed, bucket, key, value)?;
        Ok(())
    }

    fn delete(&self, bucket: &str, key: &str) -> Result<(), StoreError> {
        self.writer()
            .relaxed
            .prepare_cached("DELETE FROM spin_key_value WHERE store = ?1 AND key = ?2")?
            .execute(params![bucket, key])?;
        Ok(())
    }

    fn exists(&self, bucket: &str, key: &str) -> Result<bool, StoreError> {
        self.read(|connection| {
            connection
                .prepare_cached("SELECT 1 FROM spin_key_value WHERE store = ?1 AND key = ?2")?
                .exists(params![bucket, key])
        })
    }

    fn list_keys(&self, bucket: &str, cursor: Option<&str>) -> Result<KeyPage, StoreError> {
        let mut keys = self.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT key FROM spin_key_value WHERE store = ?1 AND (?2 IS NULL OR key > ?2) ORDER BY key LIMIT ?3",
                )?
                .query_map(params![bucket, cursor, KEYS_PER_PAGE as i64 + 1], |row| row.get(0))?
                .collect::<rusqlite::Result<Vec<String>>>()
        })?;
        let more = keys.len() > KEYS_PER_PAGE;
        keys.truncate(KEYS_PER_PAGE);
        let cursor = if more { keys.last().cloned() } else { None };
        Ok(KeyPage { keys, cursor })
    }

    /// The number is kept as 8 bytes, little-endian, like Spin's.
    fn increment(&self, bucket: &str, key: &str, delta: i64) -> Result<i64, StoreError> {
        let mut writer = self.writer();
        let transaction = writer.durable.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let old = match select(&transaction, bucket, key)? {
            None => 0,
            Some(bytes) => i64::from_le_bytes(
                bytes.as_slice().try_into().map_err(|_| StoreError::Other("the value is not a number".into()))?,
            ),
        };
        let sum = old.checked_add(delta).ok_or_else(|| StoreError::Other("the sum is out of range".into()))?;
        upsert(&transaction, bucket, key, &sum.to_le_bytes())?;
        transaction.commit()?;
        Ok(sum)
    }

    fn current(&self, bucket: &str, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.get(bucket, key)
    }

    fn swap(&self, bucket: &str, key: &str, expected: Expected<'_>, value: &[u8]) -> Result<bool, StoreError> {
        let writer = self.writer();
        let changed = match expected {
            Expected::Anything => upsert(&writer.durable, bucket, key, value)?,
            Expected::Absent => writer
                .durable
                .prepare_cached(
                    "INSERT INTO spin_key_value (store, key, value) VALUES (?1, ?2, ?3) ON CONFLICT (store, key) DO NOTHING",
                )?
                .execute(params![bucket, key, value])?,
            Expected::Value(old) => writer
                .durable
                .prepare_cached("UPDATE spin_key_value SET value = ?3 WHERE store = ?1 AND key = ?2 AND value = ?4")?
                .execute(params![bucket, key, value, old])?,
        };
        Ok(changed == 1)
    }
}

fn select(connection: &Connection, bucket: &str, key: &str) -> rusqlite::Result<Option<Vec<u8>>> {
    connection
        .prepare_cached("SELECT value FROM spin_key_value WHERE store = ?1 AND key = ?2")?
        .query_row(params![bucket, key], |row| row.get(0))
        .optional()
}

fn upsert(connection: &Connection, bucket: &str, key: &str, value: &[u8]) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(
            "INSERT INTO spin_key_value (store, key, value) VALUES (?1, ?2, ?3)
             ON CONFLICT (store, key) DO UPDATE SET value = excluded.value",
        )?
        .execute(params![bucket, key, value])
}

/// Makes an empty file, which SQLite takes for an empty database; its log and index files get the same mode from it.
fn create_file(path: &Path) -> anyhow::Result<()> {
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

fn connect(path: &Path) -> anyhow::Result<Connection> {
    let connection = Connection::open(path).with_context(|| format!("{} cannot be opened", path.display()))?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // The file may come from elsewhere: its schema must not run anything.
    connection.pragma_update(None, "trusted_schema", "OFF")?;
    Ok(connection)
}

/// Opens the file, makes sure that it is ours (or empty) and writable, and switches it to WAL.
fn open_and_check(path: &Path) -> anyhow::Result<Connection> {
    let mut connection = connect(path)?;
    let explain = |error: rusqlite::Error| match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            anyhow::anyhow!("{} is not a SQLite database, or a damaged one", path.display())
        }
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            anyhow::anyhow!("{} cannot be written", path.display())
        }
        _ => anyhow::Error::new(error).context(format!("{} cannot be used", path.display())),
    };
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TempDir;
    use std::sync::Arc;

    fn store() -> (TempDir, SqliteStore) {
        let directory = TempDir::new();
        let store = SqliteStore::open(directory.path()).unwrap();
        (directory, store)
    }

    #[test]
    fn a_swap_compares_bytes() {
        let (_directory, store) = store();
        assert_eq!(store.swap("b", "k", Expected::Value(b""), b"x"), Ok(false), "absent is not empty");
        assert_eq!(store.swap("b", "k", Expected::Absent, b"1"), Ok(true));
        assert_eq!(store.swap("b", "k", Expected::Absent, b"2"), Ok(false));
        assert_eq!(store.swap("b", "k", Expected::Value(b"2"), b"3"), Ok(false));
        assert_eq!(store.swap("b", "k", Expected::Value(b"1"), b"1"), Ok(true), "the same bytes again");
        assert_eq!(store.swap("b", "k", Expected::Value(b"1"), b""), Ok(true));
        assert_eq!(store.current("b", "k"), Ok(Some(vec![])));
        assert_eq!(store.swap("b", "k", Expected::Anything, b"4"), Ok(true));
        assert_eq!(store.get("b", "k"), Ok(Some(b"4".to_vec())));
        assert_eq!(store.get("other", "k"), Ok(None), "buckets are apart");
    }

    #[test]
    fn increments_are_little_endian_and_a_wrong_length_is_an_error() {
        let (_directory, store) = store();
        assert_eq!(store.increment("b", "n", 1), Ok(1));
        assert_eq!(store.increment("b", "n", 258), Ok(259));
        assert_eq!(store.get("b", "n"), Ok(Some(vec![3, 1, 0, 0, 0, 0, 0, 0])));
        store.set("b", "n", b"short").unwrap();
        assert!(store.increment("b", "n", 1).is_err());
        assert_eq!(store.get("b", "n"), Ok(Some(b"short".to_vec())));
        store.set("b", "n", &i64::MAX.to_le_bytes()).unwrap();
        assert!(store.increment("b", "n", 1).is_err());
        store.delete("b", "n").unwrap();
        assert_eq!(store.increment("b", "n", -2), Ok(-2));
    }

    #[test]
    fn pages_cover_a_bucket_exactly_once() {
        let (_directory, store) = store();
        for n in 0..KEYS_PER_PAGE + 5 {
            store.set("b", &format!("{n:05}"), b"").unwrap();
        }
        store.set("other", "x", b"").unwrap();
        let first = store.list_keys("b", None).unwrap();
        let second = store.list_keys("b", first.cursor.as_deref()).unwrap();
        assert_eq!((first.keys.len(), second.keys.len(), second.cursor), (KEYS_PER_PAGE, 5, None));
        assert_eq!(second.keys.last().unwrap(), &format!("{:05}", KEYS_PER_PAGE + 4));
    }

    #[test]
    fn one_of_many_creators_wins_and_no_increment_is_lost() {
        let directory = TempDir::new();
        // Two stores on one file stand for two processes.
        let stores: Vec<_> = (0..2).map(|_| Arc::new(SqliteStore::open(directory.path()).unwrap())).collect();
        let wins: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8u8)
                .map(|n| {
                    let store = &stores[n as usize % 2];
                    scope.spawn(move || {
                        for _ in 0..25 {
                            store.increment("b", "n", 1).unwrap();
                            store.set("b", &format!("k{n}"), &[n]).unwrap();
                            assert_eq!(store.get("b", &format!("k{n}")).unwrap(), Some(vec![n]));
                        }
                        store.swap("b", "root", Expected::Absent, &[n]).unwrap() as usize
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(wins, 1);
        assert_eq!(stores[0].increment("b", "n", 0), Ok(200));
    }

    #[test]
    fn first_starts_at_once_do_not_disturb_each_other() {
        let directory = TempDir::new();
        std::thread::scope(|scope| {
            for n in 0..8 {
                let path = directory.path();
                scope.spawn(move || SqliteStore::open(path).unwrap().set("b", &n.to_string(), b"").unwrap());
            }
        });
        assert_eq!(SqliteStore::open(directory.path()).unwrap().list_keys("b", None).unwrap().keys.len(), 8);
    }

    #[test]
    fn the_layout_is_spins() {
        let (directory, store) = store();
        store.set("default", "k", b"v").unwrap();
        drop(store);
        let connection = Connection::open(directory.path().join(DATABASE_FILE)).unwrap();
        let row: (String, String, Vec<u8>) = connection
            .query_row("SELECT store, key, value FROM spin_key_value", [], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })
            .unwrap();
        assert_eq!(row, ("default".into(), "k".into(), b"v".to_vec()));
    }

    #[test]
    fn files_that_are_not_ours_are_refused_and_left_alone() {
        let refusal = |directory: &TempDir| format!("{:#}", SqliteStore::open(directory.path()).err().unwrap());

        let text = TempDir::new();
        std::fs::write(text.path().join(DATABASE_FILE), "just a text file, much longer than nothing".repeat(20))
            .unwrap();
        assert!(refusal(&text).contains("not a SQLite database"), "{}", refusal(&text));

        for (schema, reason) in [
            ("CREATE TABLE notes (id INTEGER)", "no table spin_key_value"),
            ("CREATE TABLE spin_key_value (store TEXT, key TEXT, value TEXT)", "spin_key_value differs"),
        ] {
            let directory = TempDir::new();
            let path = directory.path().join(DATABASE_FILE);
            Connection::open(&path).unwrap().execute_batch(schema).unwrap();
            let before = std::fs::read(&path).unwrap();
            assert!(refusal(&directory).contains(reason), "{}", refusal(&directory));
            assert_eq!(std::fs::read(&path).unwrap(), before);
        }

        let folder = TempDir::new();
        std::fs::create_dir(folder.path().join(DATABASE_FILE)).unwrap();
        assert!(refusal(&folder).contains("cannot be"), "{}", refusal(&folder));
    }
}
