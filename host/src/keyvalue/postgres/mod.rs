//! A store in a table of PostgreSQL, in the layout of [`SqliteStore`](super::SqliteStore)'s.
//!
//! # What it rests on
//!
//! Every operation but `change`, which is several, is one statement, and its own transaction, on the primary: `UPDATE ...
//! WHERE value = old` waits for whoever changes the row, and then compares anew. It is sent in one round trip and not
//! prepared, so that poolers of connections don't matter. `synchronous_commit` is on in every session: what is acknowledged
//! is on the device, and with synchronous standbys at those too. A failover to one of them loses nothing that was
//! acknowledged; without them, or to another, it does. That and the fencing of a primary that lost its place are up to
//! whoever operates the cluster.
//!
//! # What is not acknowledged
//!
//! A write that was sent runs to its end in a task of its own, whoever waits for it, and is never sent again. How it ended
//! is judged by [`outcome`]; what a write of doubtful end does to later reads, by [`doubt`].

mod doubt;
mod outcome;
mod pool;
mod session;
mod tls;

use super::remote::url::RemoteUrl;
use super::{
    Change, Changes, Expected, Identity, KeyPage, KeyValue, StoreError, Swap, Turns, VaultStore, Versioned, async_trait,
};
use anyhow::{Context, Result};
use doubt::Doubt;
use outcome::Failed;
use pool::{Pool, Purpose};
use session::Session;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

/// The port of PostgreSQL.
pub const DEFAULT_PORT: u16 = 5432;

/// Keys per page of a listing.
const KEYS_PER_PAGE: usize = 1000;

/// How long a read may take, with all its repetitions, and a write may wait for a session: so that a failover is waited
/// for, and a call ends before its own time is over.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long one try of a read may take.
const READ_TIMEOUT: Duration = Duration::from_secs(2);

/// How long somebody waits for the end of a write that was sent. Longer than `lock_timeout`.
const WRITE_TIMEOUT: Duration = Duration::from_secs(6);

/// How often it is looked whether somebody else has made the tables.
const LOOKS_MAX: u32 = 20;

/// Keys are compared by their bytes, as everywhere, whatever the language of the database.
const CREATE_TABLES: &str = "
    CREATE TABLE IF NOT EXISTS spin_key_value (
        store TEXT COLLATE \"C\" NOT NULL, key TEXT COLLATE \"C\" NOT NULL, value BYTEA NOT NULL,
        PRIMARY KEY (store, key));
    CREATE TABLE IF NOT EXISTS strongroom_meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)";

const BARRIER: &str =
    "INSERT INTO strongroom_meta VALUES ('barrier', '') ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value";

/// The sum, little-endian like Spin's, of what is there and $4. Nothing is returned for what is no number.
const INCREMENT: &str = "
    INSERT INTO spin_key_value AS old VALUES ($1, $2, $3) ON CONFLICT (store, key) DO UPDATE SET value = (
        SELECT string_agg(substring(sum FROM 8 - byte FOR 1), ''::bytea ORDER BY byte)
        FROM generate_series(0, 7) AS byte,
             int8send($4 + (SELECT bit_or(get_byte(old.value, byte)::bigint << 8 * byte)
                            FROM generate_series(0, 7) AS byte)) AS sum)
    WHERE octet_length(old.value) = 8 RETURNING value";

/// A key-value store in a database of PostgreSQL; any bucket name is a bucket.
pub struct PostgresStore {
    id: String,
    table: Table,
    turns: Turns,
}

/// A parameter of a statement.
enum Parameter {
    Text(String),
    Bytes(Vec<u8>),
    Number(i64),
    Texts(Vec<String>),
    ByteStrings(Vec<Vec<u8>>),
}

impl PostgresStore {
    /// Opens the store that is expected there; an empty database gets its tables. Refuses servers that acknowledge what
    /// they have not stored.
    pub async fn open(url: &RemoteUrl, identity: &Identity<'_>) -> Result<Self> {
        let place = url.to_string();
        let pool = Arc::new(Pool::new(url)?);
        let mut failure = None;
        let session = async {
            loop {
                match pool.open_quietly().await {
                    Ok(session) => break session,
                    Err(error) => failure = Some(error),
                }
                sleep(READ_TIMEOUT / 4).await;
            }
        };
        // A database that is just being started, or a failover.
        match timeout(PATIENCE, session).await {
            Ok(session) => create_tables(&session, identity, &place).await?,
            Err(_) => {
                let failure = failure.unwrap_or_else(|| anyhow::anyhow!("no answer in time"));
                return Err(failure.context(format!("{place} cannot be reached")));
            }
        }
        let table = Table { pool, doubt: Arc::default() };
        let id = table.provide_id(identity, &place).await?;
        if !table.has_synchronous_standby().await? {
            tracing::info!(
                target: "strongroom",
                "{place} has no synchronous standby (synchronous_standby_names): if it is lost, what was acknowledged last is lost"
            );
        }
        Ok(Self { id, table, turns: Turns::new() })
    }
}

/// Makes the tables of an empty database, if a vault may be begun in it. Two first starts at once can disturb each other:
/// `IF NOT EXISTS` looks before it makes.
async fn create_tables(session: &Session, identity: &Identity<'_>, place: &str) -> Result<()> {
    const EXIST: &str = "SELECT 1 FROM pg_tables WHERE tablename = 'strongroom_meta' \
                         AND schemaname = ANY (current_schemas(false))";
    let mut failure = String::new();
    for _ in 0..LOOKS_MAX {
        match session.client.query_typed(EXIST, &[]).await {
            Ok(rows) if !rows.is_empty() => return Ok(()),
            Ok(_) => identity.judge(None, place)?,
            Err(error) => anyhow::bail!("{place} cannot be read: {}", outcome::text(&error)),
        }
        match session.client.batch_execute(CREATE_TABLES).await {
            Ok(()) => return Ok(()),
            Err(error) => failure = outcome::text(&error),
        }
        sleep(READ_TIMEOUT / 40).await;
    }
    anyhow::bail!("{place} does not take its tables: {failure}")
}

/// A write of one row, acknowledged plainly: what is visible now can't be lost by a failover any more.
async fn barrier(session: &Session) -> Result<(), Failed> {
    let written = timeout(WRITE_TIMEOUT, run(session, BARRIER, &[])).await;
    written.unwrap_or_else(|_| Err(Failed::Perhaps("the write before a read was not acknowledged in time".into())))?;
    Ok(())
}

/// One statement. A notice is no plain end: a wait for a standby that is cancelled ends in success and a notice.
async fn run(session: &Session, sql: &str, parameters: &[Parameter]) -> Result<Vec<Row>, Failed> {
    let parameters: Vec<(&(dyn ToSql + Sync), Type)> = parameters
        .iter()
        .map(|parameter| match parameter {
            Parameter::Text(text) => (text as &(dyn ToSql + Sync), Type::TEXT),
            Parameter::Bytes(bytes) => (bytes as &(dyn ToSql + Sync), Type::BYTEA),
            Parameter::Number(number) => (number as &(dyn ToSql + Sync), Type::INT8),
            Parameter::Texts(texts) => (texts as &(dyn ToSql + Sync), Type::TEXT_ARRAY),
            Parameter::ByteStrings(bytes) => (bytes as &(dyn ToSql + Sync), Type::BYTEA_ARRAY),
        })
        .collect();
    let before = session.notices();
    let rows = session.client.query_typed(sql, &parameters).await?;
    match session.notices() == before {
        true => Ok(rows),
        false => Err(Failed::Perhaps("the server ended the write with a warning: a standby may not have it".into())),
    }
}

/// What statements are sent through.
struct Table {
    pool: Arc<Pool>,
    doubt: Arc<Doubt>,
}

impl Table {
    /// A read, repeated on other sessions until it succeeds. `strictly`: see [`Doubt::open`].
    async fn read(
        &self,
        strictly: bool,
        sql: &'static str,
        parameters: Vec<Parameter>,
    ) -> Result<Vec<Row>, StoreError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let lease = self.pool.lease(Purpose::Read, deadline).await.map_err(StoreError::Other)?;
            let read = async {
                if let Some(raised) = self.doubt.open(strictly) {
                    barrier(&lease.session).await?;
                    self.doubt.settle(raised);
                }
                match timeout(READ_TIMEOUT, run(&lease.session, sql, &parameters)).await {
                    Ok(done) => done,
                    Err(_) => Err(Failed::Perhaps("no answer in time".into())),
                }
            };
            let failed = match timeout_at(deadline, read).await {
                Ok(Ok(rows)) => {
                    lease.give_back();
                    return Ok(rows);
                }
                Ok(Err(failed @ (Failed::Certainly(_) | Failed::ForGood(_) | Failed::Unsupported(_)))) => {
                    lease.give_back();
                    return Err(failed.into());
                }
                Ok(Err(failed)) => failed.text(),
                Err(_) => "no answer in time".into(),
            };
            drop(lease);
            if Instant::now() + READ_TIMEOUT / 20 >= deadline {
                return Err(StoreError::Other(failed));
            }
            sleep(READ_TIMEOUT / 20).await;
        }
    }

    /// A write. It is sent once; if it met another transaction, and has done nothing, again.
    async fn write(&self, sql: impl Into<Cow<'static, str>>, parameters: Vec<Parameter>) -> Result<Vec<Row>, Failed> {
        let sql = sql.into();
        let lease = self.pool.lease(Purpose::Write, Instant::now() + PATIENCE).await.map_err(Failed::Certainly)?;
        let (caller, running) = self.doubt.watch();
        let (sender, receiver) = oneshot::channel();
        let doubt = self.doubt.clone();
        tokio::spawn(async move {
            let running = running;
            let mut done = run(&lease.session, &sql, &parameters).await;
            let (start, mut conflicts) = (Instant::now(), 0);
            while matches!(done, Err(Failed::Conflicting(_))) && start.elapsed() < PATIENCE {
                conflicts += 1;
                sleep(pause(conflicts)).await;
                done = run(&lease.session, &sql, &parameters).await;
            }
            match &done {
                Err(Failed::Perhaps(_)) => {
                    doubt.raise();
                    drop(lease);
                }
                _ => lease.give_back(),
            }
            drop(running);
            let _ = sender.send(done);
        });
        let done = timeout(WRITE_TIMEOUT, receiver).await;
        drop(caller);
        match done {
            Ok(Ok(done)) => done,
            Ok(Err(_)) => Err(Failed::Perhaps("the write broke off".into())),
            Err(_) => Err(Failed::Perhaps("the write was not acknowledged in time".into())),
        }
    }

    /// The id of the store, which it is given now if it has none and may have one.
    async fn provide_id(&self, identity: &Identity<'_>, place: &str) -> Result<String> {
        let read = async || -> Result<Option<String>> {
            let sql = "SELECT value FROM strongroom_meta WHERE key = 'id'";
            Ok(self.read(true, sql, vec![]).await?.first().map(|row| row.try_get(0)).transpose()?)
        };
        let mut found = read().await?;
        identity.judge(found.as_deref(), place)?;
        if let (None, Some(id)) = (&found, identity.id()) {
            let sql = "INSERT INTO strongroom_meta VALUES ('id', $1) ON CONFLICT (key) DO NOTHING";
            let given = self.write(sql, vec![Parameter::Text(id.to_owned())]).await;
            given.map_err(|failed| anyhow::anyhow!("{place} cannot be written: {}", failed.text()))?;
            found = read().await?;
            // Another first start may have been quicker.
            identity.judge(found.as_deref(), place)?;
        }
        found.with_context(|| format!("{place} did not take its id"))
    }

    async fn has_synchronous_standby(&self) -> Result<bool> {
        let sql = "SELECT coalesce(current_setting('synchronous_standby_names', true), '') <> ''";
        Ok(self.read(true, sql, vec![]).await?.first().map(|row| row.try_get(0)).transpose()?.unwrap_or(false))
    }

    async fn value(&self, strictly: bool, bucket: &str, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let sql = "SELECT value FROM spin_key_value WHERE store = $1 AND key = $2";
        let rows = self.read(strictly, sql, place(bucket, key)).await?;
        rows.first().map(|row| row.try_get(0).map_err(broken)).transpose()
    }

    /// A write of which the caller learns only whether it is acknowledged.
    async fn change(&self, sql: &'static str, parameters: Vec<Parameter>) -> Result<(), StoreError> {
        Ok(self.write(sql, parameters).await.map(drop)?)
    }
}

/// So long that those who met are apart the next time.
fn pause(conflict: u32) -> Duration {
    let random = getrandom::u32().unwrap_or(0) % 1000;
    Duration::from_micros(u64::from(random) * u64::from(conflict.min(10)) * 5)
}

fn place(bucket: &str, key: &str) -> Vec<Parameter> {
    vec![Parameter::Text(bucket.to_owned()), Parameter::Text(key.to_owned())]
}

fn broken(error: tokio_postgres::Error) -> StoreError {
    StoreError::Other(outcome::text(&error))
}

#[async_trait]
impl KeyValue for PostgresStore {
    fn turns(&self) -> Option<&Turns> {
        Some(&self.turns)
    }

    async fn get(&self, bucket: &str, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.table.value(false, bucket, key).await
    }

    async fn set(&self, bucket: &str, key: &str, value: &[u8]) -> Result<(), StoreError> {
        let sql = "INSERT INTO spin_key_value VALUES ($1, $2, $3)
                   ON CONFLICT (store, key) DO UPDATE SET value = EXCLUDED.value";
        let mut parameters = place(bucket, key);
        parameters.push(Parameter::Bytes(value.to_vec()));
        self.table.change(sql, parameters).await
    }

    async fn delete(&self, bucket: &str, key: &str) -> Result<(), StoreError> {
        self.table.change("DELETE FROM spin_key_value WHERE store = $1 AND key = $2", place(bucket, key)).await
    }

    async fn exists(&self, bucket: &str, key: &str) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM spin_key_value WHERE store = $1 AND key = $2";
        Ok(!self.table.read(false, sql, place(bucket, key)).await?.is_empty())
    }

    async fn list_keys(&self, bucket: &str, cursor: Option<&str>) -> Result<KeyPage, StoreError> {
        let (sql, cursor) = match cursor {
            Some(cursor) => {
                ("SELECT key FROM spin_key_value WHERE store = $1 AND key > $2 ORDER BY key LIMIT 1001", cursor)
            }
            None => ("SELECT key FROM spin_key_value WHERE store = $1 AND key >= $2 ORDER BY key LIMIT 1001", ""),
        };
        let rows = self.table.read(false, sql, place(bucket, cursor)).await?;
        let keys = rows.iter().map(|row| row.try_get(0)).collect::<Result<Vec<String>, _>>();
        let mut keys = keys.map_err(broken)?;
        let more = keys.len() > KEYS_PER_PAGE;
        keys.truncate(KEYS_PER_PAGE);
        let cursor = if more { keys.last().cloned() } else { None };
        Ok(KeyPage { keys, cursor })
    }

    async fn increment(&self, bucket: &str, key: &str, delta: i64) -> Result<i64, StoreError> {
        let mut parameters = place(bucket, key);
        parameters.extend([Parameter::Bytes(delta.to_le_bytes().to_vec()), Parameter::Number(delta)]);
        let rows = self.table.write(INCREMENT, parameters).await?;
        let sum: Option<Vec<u8>> = rows.first().map(|row| row.try_get(0)).transpose().map_err(broken)?;
        let sum = sum.and_then(|sum| <[u8; 8]>::try_from(sum).ok());
        sum.map(i64::from_le_bytes).ok_or_else(|| StoreError::Other("the value is not a number".into()))
    }

    async fn current(&self, bucket: &str, key: &str) -> Result<Option<Versioned>, StoreError> {
        Ok(self.table.value(true, bucket, key).await?.map(Versioned::from))
    }

    async fn swap(&self, bucket: &str, key: &str, expected: Expected<'_>, value: &[u8]) -> Result<Swap, StoreError> {
        let (sql, parameters) = swap(bucket, key, expected, value);
        swapped(self.table.write(sql, parameters).await)
    }

    fn swaps_with_changes(&self) -> bool {
        true
    }

    /// One statement: of a swap that is refused nothing is done.
    async fn swap_with(
        &self,
        bucket: &str,
        changes: &Changes,
        key: &str,
        expected: Expected<'_>,
        value: &[u8],
    ) -> Result<Swap, StoreError> {
        let (sql, mut parameters) = swap(bucket, key, expected, value);
        let [keys, values, deleted] = [1, 2, 3].map(|more| parameters.len() + more);
        let sql = format!(
            "WITH swapped AS ({sql}),
             sets AS (INSERT INTO spin_key_value SELECT $1, * FROM unnest(${keys}, ${values}) AS new
                      WHERE EXISTS (SELECT FROM swapped)
                      ON CONFLICT (store, key) DO UPDATE SET value = EXCLUDED.value),
             deletions AS (DELETE FROM spin_key_value WHERE store = $1 AND key = ANY (${deleted})
                           AND EXISTS (SELECT FROM swapped))
             SELECT FROM swapped"
        );
        let (mut sets, mut deletions) = ((Vec::new(), Vec::new()), Vec::new());
        for Change { key, value } in changes.iter().cloned() {
            match value {
                Some(value) => sets.extend([(key, value)]),
                None => deletions.push(key),
            }
        }
        parameters.extend([Parameter::Texts(sets.0), Parameter::ByteStrings(sets.1), Parameter::Texts(deletions)]);
        match self.table.write(sql, parameters).await {
            // A server of another kind, that wants them one by one.
            Err(Failed::Unsupported(_)) => {
                self.change(bucket, changes).await?;
                self.swap(bucket, key, expected, value).await
            }
            written => swapped(written),
        }
    }
}

fn swap(bucket: &str, key: &str, expected: Expected<'_>, value: &[u8]) -> (&'static str, Vec<Parameter>) {
    let mut parameters = place(bucket, key);
    parameters.push(Parameter::Bytes(value.to_vec()));
    let sql = match expected {
        Expected::Anything => {
            "INSERT INTO spin_key_value VALUES ($1, $2, $3)
             ON CONFLICT (store, key) DO UPDATE SET value = EXCLUDED.value RETURNING 1"
        }
        Expected::Absent => {
            "INSERT INTO spin_key_value VALUES ($1, $2, $3) ON CONFLICT (store, key) DO NOTHING RETURNING 1"
        }
        Expected::Value(found) => {
            parameters.push(Parameter::Bytes(found.value.clone()));
            "UPDATE spin_key_value SET value = $3 WHERE store = $1 AND key = $2 AND value = $4 RETURNING 1"
        }
    };
    (sql, parameters)
}

fn swapped(written: Result<Vec<Row>, Failed>) -> Result<Swap, StoreError> {
    match written {
        Ok(rows) => Ok(if rows.is_empty() { Swap::Refused } else { Swap::Done }),
        Err(Failed::Perhaps(text)) => Ok(Swap::Unknown(text)),
        Err(failed) => Err(failed.into()),
    }
}

impl VaultStore for PostgresStore {
    fn id(&self) -> &str {
        &self.id
    }
}
