//! The durable store: one SQLite file in the table layout of Spin's default key-value store, so that the same file can
//! be used by either.
//!
//! # Durability
//!
//! The file is in WAL mode. `set`, `delete` and `change` commit on a connection with `synchronous = NORMAL`, which appends to the
//! write-ahead log without waiting for the device. `swap` and `increment` commit on a connection with
//! `synchronous = FULL`, which calls fsync on the log before the commit returns. So an acknowledged swap is durable
//! together with every change before it, at the price of one fsync for all of them:
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
//! # What is deleted
//!
//! What is deleted or replaced is overwritten in the file (`secure_delete`). The log has earlier versions of pages until
//! it is emptied: a second after the last write, after a minute at most, but not while somebody still reads from it
//! ([`writer`]), and when the last who has the database open closes it.
//!
//! # Concurrency
//!
//! Readers have connections of their own and never wait for a writer. All writes of this process are made by one thread
//! ([`writer`]), which meets those of other processes at SQLite's lock and waits there for at most
//! [`file::BUSY_TIMEOUT`]. Every statement that writes is the first of its transaction, so SQLite itself retries a
//! snapshot that another process has outdated, and `SQLITE_BUSY` is not seen in normal operation.

mod file;
mod identity;
mod reader;
mod unchanged;
mod writer;

use super::kept::Kept;
use super::{
    Change, Changes, Expected, Identity, KeyPage, KeyValue, StoreError, Swap, Turns, VaultStore, Versioned, async_trait,
};
use reader::Readers;
use rusqlite::ffi::SQLITE_IOERR_WRITE;
use rusqlite::{Connection, ErrorCode, OptionalExtension, TransactionBehavior, params};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use strongroom::catalog::is_written_once;
use strongroom::store::PERMANENT;
use unchanged::Unchanged;
use writer::Writer;

/// Name of the file in the state directory; the one that Spin gives its own.
pub const DATABASE_FILE: &str = "sqlite_key_value.db";

/// Keys per page of a listing.
const KEYS_PER_PAGE: usize = 1000;

/// Bytes that are kept in memory of what never changes, for reads that don't wait: they cost a lock and some copies there, and
/// system calls in SQLite.
const KEPT_BYTES: usize = 8 << 20;

/// How long to wait for those who read from the log.
const COMPACT_PATIENCE: Duration = Duration::from_secs(60);

/// A key-value store in a SQLite file; any bucket name is a bucket.
pub struct SqliteStore {
    id: String,
    writer: Writer,
    readers: Arc<Readers>,
    /// For [`at_hand`](KeyValue::at_hand) only, like the next: all others are shown what the file has now.
    kept: Kept,
    unchanged: Option<Unchanged>,
    turns: Turns,
}

impl SqliteStore {
    /// Opens the store in a directory, creating the file (mode 0600) if there is none.
    ///
    /// Fails, without changing anything, if the file is no SQLite database, holds another program's tables, or cannot
    /// be written.
    pub fn open(directory: &Path) -> anyhow::Result<Self> {
        let id = super::new_store_id()?;
        let is_there = std::fs::metadata(directory.join(DATABASE_FILE)).is_ok_and(|metadata| metadata.len() > 0);
        Self::open_as(directory, &if is_there { Identity::Any(&id) } else { Identity::New(&id) })
    }

    /// Opens the store that is expected there. Refuses any other, and a missing, empty or damaged one where there was one,
    /// without changing anything.
    pub fn open_as(directory: &Path, identity: &Identity<'_>) -> anyhow::Result<Self> {
        let path = directory.join(DATABASE_FILE);
        identity::check(&path, identity)?;
        file::create(&path)?;
        let durable = file::open_and_check(&path)?;
        let id = identity::provide(&durable, identity)?;
        let relaxed = file::connect(&path)?;
        let writer = Writer::start(&path, relaxed, durable)?;
        let unchanged = Unchanged::of(&path);
        let readers = Arc::new(Readers::new(path, writer.place().clone()));
        Ok(Self { id, writer, readers, kept: Kept::new(KEPT_BYTES), unchanged, turns: Turns::new() })
    }
}

impl VaultStore for SqliteStore {
    fn id(&self) -> &str {
        &self.id
    }

    /// A copy of the database without its write-ahead log is from now on known for what it is. The mark goes when the last
    /// who has it open closes it.
    fn mark_in_use(&self) -> anyhow::Result<()> {
        identity::mark_in_use(&file::connect(self.readers.path())?)?;
        Ok(())
    }

    /// Brings what is in the write-ahead log into the file: somebody may copy that without its log.
    fn settle(&self) -> anyhow::Result<()> {
        let connection = file::connect(self.readers.path())?;
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        Ok(())
    }

    /// Writes the file anew and empties the log. Writers wait meanwhile.
    fn compact(&self) -> anyhow::Result<()> {
        let connection = file::connect(self.readers.path())?;
        connection.execute_batch("VACUUM")?;
        let start = Instant::now();
        while connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0))? {
            let is_in_time = start.elapsed() < COMPACT_PATIENCE;
            anyhow::ensure!(
                is_in_time,
                "the log can't be emptied: another program reads from the database all the time"
            );
        }
        Ok(())
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.writer.stop();
        self.readers.close();
        self.unchanged = None;
        if self.writer.is_in_place() {
            // If that fails the next start says what to do.
            let _ = identity::unmark(self.readers.path());
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let text = explain(&error);
        if is_permanent(&error) { StoreError::Failed(text) } else { StoreError::Other(text) }
    }
}

/// Whether somebody has to do something about it: the disk is full, the file is damaged, its table is gone.
fn is_permanent(error: &rusqlite::Error) -> bool {
    !matches!(
        error.sqlite_error_code(),
        // Others have it, or there is no memory, or no file descriptor: that passes.
        Some(
            ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::FileLockingProtocolFailed
                | ErrorCode::SchemaChanged
                | ErrorCode::OperationInterrupted
                | ErrorCode::OperationAborted
                | ErrorCode::OutOfMemory
                | ErrorCode::CannotOpen
        )
    )
}

/// SQLite's own words, and its number for what it has only one phrase for.
fn explain(error: &rusqlite::Error) -> String {
    match error.sqlite_error() {
        Some(sqlite) => format!("{error} (SQLite error {})", sqlite.extended_code),
        None => error.to_string(),
    }
}

#[async_trait]
impl KeyValue for SqliteStore {
    fn turns(&self) -> Option<&Turns> {
        Some(&self.turns)
    }

    fn reads_at_once(&self) -> bool {
        self.readers.are_quick()
    }

    fn at_hand(&self, bucket: &str, key: &str) -> Option<Result<Option<Vec<u8>>, StoreError>> {
        if let Some(kept) = self.kept.get(bucket, key) {
            return Some(Ok(Some(kept.to_vec())));
        }
        let state = self.unchanged.as_ref().and_then(|unchanged| Some((unchanged, unchanged.state()?)));
        if let Some((unchanged, state)) = state
            && let Some(read) = unchanged.get(state, bucket, key)
        {
            return Some(Ok(Some(read.to_vec())));
        }
        let read = self.readers.try_read(|connection| select(connection, bucket, key))?;
        if let Ok(Some(value)) = &read {
            match state {
                _ if is_written_once(key) => self.kept.insert(bucket, key, value),
                Some((unchanged, state)) => unchanged.insert(state, bucket, key, value),
                None => {}
            }
        }
        Some(read)
    }

    async fn get(&self, bucket: &str, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        self.readers.read(move |connection| select(connection, &bucket, &key)).await
    }

    async fn set(&self, bucket: &str, key: &str, value: &[u8]) -> Result<(), StoreError> {
        self.change(bucket, &[Change { key: key.to_owned(), value: Some(value.to_vec()) }].into()).await
    }

    async fn delete(&self, bucket: &str, key: &str) -> Result<(), StoreError> {
        self.change(bucket, &[Change { key: key.to_owned(), value: None }].into()).await
    }

    /// One transaction.
    async fn change(&self, bucket: &str, changes: &Changes) -> Result<(), StoreError> {
        let (of_bucket, made) = (bucket.to_owned(), changes.clone());
        let change = move |connections: &mut writer::Connections| {
            let transaction = connections.relaxed.transaction_with_behavior(TransactionBehavior::Immediate)?;
            make(&transaction, &of_bucket, &made)?;
            Ok(transaction.commit()?)
        };
        let changed = self.writer.run(change).await;
        self.kept.remove_deleted(bucket, changes);
        changed
    }

    async fn exists(&self, bucket: &str, key: &str) -> Result<bool, StoreError> {
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        let exists = move |connection: &Connection| {
            let sql = "SELECT 1 FROM spin_key_value WHERE store = ?1 AND key = ?2";
            connection.prepare_cached(sql)?.exists(params![bucket, key])
        };
        self.readers.read(exists).await
    }

    async fn list_keys(&self, bucket: &str, cursor: Option<&str>) -> Result<KeyPage, StoreError> {
        let (bucket, cursor) = (bucket.to_owned(), cursor.map(str::to_owned));
        let list = move |connection: &Connection| {
            connection
                .prepare_cached(
                    "SELECT key FROM spin_key_value WHERE store = ?1 AND (?2 IS NULL OR key > ?2) ORDER BY key LIMIT ?3",
                )?
                .query_map(params![bucket, cursor, KEYS_PER_PAGE as i64 + 1], |row| row.get(0))?
                .collect::<rusqlite::Result<Vec<String>>>()
        };
        let mut keys = self.readers.read(list).await?;
        let more = keys.len() > KEYS_PER_PAGE;
        keys.truncate(KEYS_PER_PAGE);
        let cursor = if more { keys.last().cloned() } else { None };
        Ok(KeyPage { keys, cursor })
    }

    /// The number is kept as 8 bytes, little-endian, like Spin's.
    async fn increment(&self, bucket: &str, key: &str, delta: i64) -> Result<i64, StoreError> {
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        let increment = move |connections: &mut writer::Connections| {
            let transaction = connections.durable.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let old = match select(&transaction, &bucket, &key)? {
                None => 0,
                Some(bytes) => i64::from_le_bytes(
                    bytes.as_slice().try_into().map_err(|_| StoreError::Other("the value is not a number".into()))?,
                ),
            };
            let sum = old.checked_add(delta).ok_or_else(|| StoreError::Other("the sum is out of range".into()))?;
            upsert(&transaction, &bucket, &key, &sum.to_le_bytes())?;
            transaction.commit()?;
            Ok(sum)
        };
        self.writer.run(increment).await
    }

    async fn current(&self, bucket: &str, key: &str) -> Result<Option<Versioned>, StoreError> {
        Ok(self.get(bucket, key).await?.map(Versioned::from))
    }

    async fn swap(&self, bucket: &str, key: &str, expected: Expected<'_>, value: &[u8]) -> Result<Swap, StoreError> {
        self.swap_with(bucket, &Changes::default(), key, expected, value).await
    }

    fn swaps_with_changes(&self) -> bool {
        true
    }

    /// One transaction: of a swap that is refused nothing is done.
    async fn swap_with(
        &self,
        bucket: &str,
        changes: &Changes,
        key: &str,
        expected: Expected<'_>,
        value: &[u8],
    ) -> Result<Swap, StoreError> {
        let expected = match expected {
            Expected::Anything => None,
            Expected::Absent => Some(None),
            Expected::Value(found) => Some(Some(found.value.clone())),
        };
        let (of_bucket, made, key, value) = (bucket.to_owned(), changes.clone(), key.to_owned(), value.to_vec());
        let swap = move |connections: &mut writer::Connections| {
            let transaction = connections.durable.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let changed = match expected {
                None => upsert(&transaction, &of_bucket, &key, &value),
                Some(None) => transaction
                    .prepare_cached(
                        "INSERT INTO spin_key_value (store, key, value) VALUES (?1, ?2, ?3)
                         ON CONFLICT (store, key) DO NOTHING",
                    )?
                    .execute(params![of_bucket, key, value]),
                Some(Some(old)) => transaction
                    .prepare_cached(
                        "UPDATE spin_key_value SET value = ?3 WHERE store = ?1 AND key = ?2 AND value = ?4",
                    )?
                    .execute(params![of_bucket, key, value, old]),
            }?;
            if changed == 0 {
                return Ok(Swap::Refused);
            }
            make(&transaction, &of_bucket, &made)?;
            transaction.commit().map_or_else(not_committed, |()| Ok(Swap::Done))
        };
        let swapped = self.writer.run(swap).await;
        self.kept.remove_deleted(bucket, changes);
        swapped
    }
}

/// What a commit that failed says about its transaction. All of it is written before its last page, without which it is
/// void; if that is there and can't be synced, it may stand in the log, waiting to be recovered.
fn not_committed(error: rusqlite::Error) -> Result<Swap, StoreError> {
    let is_certain = match error.sqlite_error() {
        Some(sqlite) => {
            sqlite.extended_code == SQLITE_IOERR_WRITE
                || matches!(sqlite.code, ErrorCode::DiskFull | ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
        }
        None => false,
    };
    match is_certain {
        true => Err(error.into()),
        false if is_permanent(&error) => Ok(Swap::Unknown(format!("{PERMANENT}{}", explain(&error)))),
        false => Ok(Swap::Unknown(explain(&error))),
    }
}

fn make(connection: &Connection, bucket: &str, changes: &[Change]) -> rusqlite::Result<()> {
    for Change { key, value } in changes {
        match value {
            Some(value) => upsert(connection, bucket, key, value)?,
            None => delete(connection, bucket, key)?,
        };
    }
    Ok(())
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

fn delete(connection: &Connection, bucket: &str, key: &str) -> rusqlite::Result<usize> {
    connection.prepare_cached("DELETE FROM spin_key_value WHERE store = ?1 AND key = ?2")?.execute(params![bucket, key])
}

#[cfg(test)]
mod tests;
