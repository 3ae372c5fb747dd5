//! A store in etcd, by the gateway of its protocol in JSON.
//!
//! Everything it acknowledges is on the devices of most members, and its reads are linearizable: they show nothing that can
//! be lost, and nothing older than what anybody was told. A swap is a transaction that compares the key's revision. No
//! transaction is ever sent twice: whoever does that loses writes, or makes them twice.
//!
//! | key in etcd | what |
//! |---|---|
//! | `PREFIX/kv/BUCKET`, a zero byte, the key | a record |
//! | `PREFIX/id` | the id of the store |

mod client;
mod message;

use super::remote::url::RemoteUrl;
use super::{
    Changes, Expected, Identity, KeyPage, KeyValue, StoreError, Swap, Turns, VaultStore, Versioned, async_trait,
};
use anyhow::{Context, Result, anyhow};
use client::{Client, Failed};
use message::Entry;
use serde_json::Value;
use std::time::Duration;
use strongroom::store::PERMANENT;
use tokio::time::sleep;

/// The port of etcd.
pub const DEFAULT_PORT: u16 = 2379;

/// What stands before all keys, if the URL has no path.
const DEFAULT_PREFIX: &str = "strongroom";

/// Keys per page of a listing.
const KEYS_PER_PAGE: usize = 1000;

/// How often an increment that met another one is tried again.
const INCREMENTS_MAX: u32 = 100;

const RANGE: &str = "/v3/kv/range";
const PUT: &str = "/v3/kv/put";
const DELETE: &str = "/v3/kv/deleterange";
const TRANSACTION: &str = "/v3/kv/txn";

/// A key-value store in etcd; any bucket name without a zero byte is a bucket.
pub struct EtcdStore {
    id: String,
    keys: Keys,
    turns: Turns,
}

/// Keys below a prefix.
struct Keys {
    client: Client,
    prefix: String,
}

impl EtcdStore {
    /// Opens the store that is expected there. The path of the URL is the prefix of its keys.
    pub async fn open(url: &RemoteUrl, identity: &Identity<'_>) -> Result<Self> {
        let prefix = if url.path.is_empty() { DEFAULT_PREFIX } else { url.path.trim_end_matches('/') };
        let keys = Keys { client: Client::new(url)?, prefix: prefix.to_owned() };
        let place = url.to_string();
        let id = keys.provide_id(identity, &place).await?;
        Ok(Self { id, keys, turns: Turns::new() })
    }
}

impl Keys {
    fn id_key(&self) -> Vec<u8> {
        format!("{}/id", self.prefix).into_bytes()
    }

    fn key(&self, bucket: &str, key: &str) -> Result<Vec<u8>, StoreError> {
        // It ends the bucket's name.
        if bucket.contains('\0') {
            return Err(StoreError::NoSuchStore);
        }
        Ok(format!("{}/kv/{bucket}\0{key}", self.prefix).into_bytes())
    }

    async fn entry(&self, key: &[u8]) -> Result<Option<Entry>, StoreError> {
        let answer = self.client.read(RANGE, &message::range(key)).await.map_err(failed)?;
        Ok(message::entries(&answer).ok_or_else(unreadable)?.pop())
    }

    async fn put_if(&self, comparison: Value, key: &[u8], value: &[u8]) -> Result<bool, Failed> {
        self.transaction(Some(comparison), vec![message::write(key, Some(value))]).await
    }

    /// Whether the comparison held, and all is written.
    async fn transaction(&self, comparison: Option<Value>, writes: Vec<Value>) -> Result<bool, Failed> {
        let answer = self.client.write(TRANSACTION, &message::put_if(comparison, writes)).await?;
        Ok(message::has_succeeded(&answer))
    }

    /// The id of the store, which it is given now if it has none and may have one.
    async fn provide_id(&self, identity: &Identity<'_>, place: &str) -> Result<String> {
        let key = self.id_key();
        let read = async || -> Result<Option<String>> {
            let entry = self.entry(&key).await.map_err(|error| anyhow!("{place} cannot be read: {error}"))?;
            entry.map(|entry| String::from_utf8(entry.value).context("its id is damaged")).transpose()
        };
        let mut found = read().await?;
        identity.judge(found.as_deref(), place)?;
        if let (None, Some(id)) = (&found, identity.id()) {
            let given = self.put_if(message::absent(&key), &key, id.as_bytes()).await;
            given.map_err(|failed| anyhow!("{place} cannot be written: {}", failed.text()))?;
            found = read().await?;
            // Another first start may have been quicker.
            identity.judge(found.as_deref(), place)?;
        }
        found.with_context(|| format!("{place} did not take its id"))
    }
}

fn failed(failed: Failed) -> StoreError {
    match failed {
        Failed::ForGood(text) | Failed::Full(text) => StoreError::Failed(text),
        failed => StoreError::Other(failed.text()),
    }
}

fn unreadable() -> StoreError {
    StoreError::Other("the answer cannot be read".into())
}

#[async_trait]
impl KeyValue for EtcdStore {
    fn turns(&self) -> Option<&Turns> {
        Some(&self.turns)
    }

    async fn get(&self, bucket: &str, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.keys.entry(&self.keys.key(bucket, key)?).await?.map(|entry| entry.value))
    }

    async fn set(&self, bucket: &str, key: &str, value: &[u8]) -> Result<(), StoreError> {
        let key = self.keys.key(bucket, key)?;
        self.keys.client.write(PUT, &message::put(&key, value)).await.map(drop).map_err(failed)
    }

    async fn delete(&self, bucket: &str, key: &str) -> Result<(), StoreError> {
        let key = self.keys.key(bucket, key)?;
        self.keys.client.write(DELETE, &message::range(&key)).await.map(drop).map_err(failed)
    }

    async fn list_keys(&self, bucket: &str, cursor: Option<&str>) -> Result<KeyPage, StoreError> {
        let before = self.keys.key(bucket, "")?.len();
        let mut first = self.keys.key(bucket, cursor.unwrap_or_default())?;
        if cursor.is_some() {
            // The next one there can be.
            first.push(0);
        }
        let end = format!("{}/kv/{bucket}\x01", self.keys.prefix).into_bytes();
        let asked = message::keys(&first, &end, KEYS_PER_PAGE + 1);
        let answer = self.keys.client.read(RANGE, &asked).await.map_err(failed)?;
        let entries = message::entries(&answer).ok_or_else(unreadable)?;
        let keys = entries.into_iter().map(|entry| String::from_utf8(entry.key.get(before..)?.to_vec()).ok());
        let mut keys = keys.collect::<Option<Vec<_>>>().ok_or_else(unreadable)?;
        let more = keys.len() > KEYS_PER_PAGE;
        keys.truncate(KEYS_PER_PAGE);
        let cursor = if more { keys.last().cloned() } else { None };
        Ok(KeyPage { keys, cursor })
    }

    /// The number is kept as 8 bytes, little-endian, like Spin's. etcd can't add: it is read and swapped.
    async fn increment(&self, bucket: &str, key: &str, delta: i64) -> Result<i64, StoreError> {
        let key = self.keys.key(bucket, key)?;
        for attempt in 0..INCREMENTS_MAX {
            let found = self.keys.entry(&key).await?;
            let (old, comparison) = match found {
                None => (0, message::absent(&key)),
                Some(entry) => {
                    let number = entry.value.as_slice().try_into().map(i64::from_le_bytes);
                    let number = number.map_err(|_| StoreError::Other("the value is not a number".into()))?;
                    (number, message::unchanged(&key, entry.revision))
                }
            };
            let sum = old.checked_add(delta).ok_or_else(|| StoreError::Other("the sum is out of range".into()))?;
            if self.keys.put_if(comparison, &key, &sum.to_le_bytes()).await.map_err(failed)? {
                return Ok(sum);
            }
            // So long that those who met are apart the next time.
            let random = u64::from(getrandom::u32().unwrap_or(0) % 1000);
            sleep(Duration::from_micros(random * u64::from(attempt.min(10)))).await;
        }
        Err(StoreError::Other("others incremented the number all the time".into()))
    }

    async fn current(&self, bucket: &str, key: &str) -> Result<Option<Versioned>, StoreError> {
        let entry = self.keys.entry(&self.keys.key(bucket, key)?).await?;
        Ok(entry.map(|entry| Versioned { value: entry.value, version: entry.revision }))
    }

    async fn swap(&self, bucket: &str, key: &str, expected: Expected<'_>, value: &[u8]) -> Result<Swap, StoreError> {
        let key = self.keys.key(bucket, key)?;
        let writes = vec![message::write(&key, Some(value))];
        swapped(self.keys.transaction(comparison(&key, expected), writes).await)
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
        let full_key = self.keys.key(bucket, key)?;
        let mut writes = vec![message::write(&full_key, Some(value))];
        for change in changes.iter() {
            writes.push(message::write(&self.keys.key(bucket, &change.key)?, change.value.as_deref()));
        }
        match self.keys.transaction(comparison(&full_key, expected), writes).await {
            // It may be set to take fewer operations or bytes in one request.
            Err(Failed::Invalid(_)) => {
                self.change(bucket, changes).await?;
                self.swap(bucket, key, expected, value).await
            }
            done => swapped(done),
        }
    }
}

fn comparison(key: &[u8], expected: Expected<'_>) -> Option<Value> {
    match expected {
        Expected::Anything => None,
        Expected::Absent => Some(message::absent(key)),
        Expected::Value(found) if found.version == 0 => Some(message::equal(key, &found.value)),
        Expected::Value(found) => Some(message::unchanged(key, found.version)),
    }
}

fn swapped(done: Result<bool, Failed>) -> Result<Swap, StoreError> {
    match done {
        Ok(true) => Ok(Swap::Done),
        Ok(false) => Ok(Swap::Refused),
        Err(Failed::Perhaps(text)) => Ok(Swap::Unknown(text)),
        Err(Failed::Full(text)) => Ok(Swap::Unknown(format!("{PERMANENT}{text}"))),
        Err(error) => Err(failed(error)),
    }
}

impl VaultStore for EtcdStore {
    fn id(&self) -> &str {
        &self.id
    }
}
