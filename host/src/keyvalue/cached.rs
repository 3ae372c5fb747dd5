//! A cache for stores across a network, of what never changes: nodes of the indexes and values of credentials. They are
//! written once under a key that is never used again, so that what was read once is right for ever; the root and all that
//! is replaced in place is always asked for. They stay sealed here. What another instance deletes stays in the cache until
//! it is displaced, but nothing refers to it any more.

use super::{Expected, KeyPage, KeyValue, StoreError, Swap, Turns, VaultStore, Versioned, async_trait};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use strongroom::catalog::is_written_once;

/// What an entry takes beside its key and value.
const ENTRY_BYTES: usize = 128;

/// A store, and what was read from it.
pub struct Cached {
    store: Arc<dyn VaultStore>,
    records: Mutex<Records>,
}

impl Cached {
    /// Keeps so many bytes at most.
    pub fn new(store: Arc<dyn VaultStore>, max_bytes: usize) -> Self {
        Self { store, records: Mutex::new(Records { half_bytes: max_bytes / 2, ..Records::default() }) }
    }

    fn records(&self) -> std::sync::MutexGuard<'_, Records> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Two generations: when the younger one is full it becomes the older one, and the older one goes. What is used moves to
/// the younger one.
#[derive(Default)]
struct Records {
    half_bytes: usize,
    young: HashMap<Key, Arc<[u8]>>,
    young_bytes: usize,
    old: HashMap<Key, Arc<[u8]>>,
}

type Key = (Box<str>, Box<str>);

fn key_of(bucket: &str, key: &str) -> Key {
    (bucket.into(), key.into())
}

impl Records {
    fn get(&mut self, key: Key) -> Option<Arc<[u8]>> {
        if let Some(value) = self.young.get(&key) {
            return Some(value.clone());
        }
        let value = self.old.remove(&key)?;
        self.insert(key, value.clone());
        Some(value)
    }

    fn insert(&mut self, key: Key, value: Arc<[u8]>) {
        let bytes = key.0.len() + key.1.len() + value.len() + ENTRY_BYTES;
        if bytes > self.half_bytes {
            return;
        }
        if self.young_bytes + bytes > self.half_bytes {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        // One that is there already is counted twice until its generation goes.
        self.young_bytes += bytes;
        self.young.insert(key, value);
    }

    fn remove(&mut self, key: &Key) {
        self.young.remove(key);
        self.old.remove(key);
    }
}

#[async_trait]
impl KeyValue for Cached {
    fn turns(&self) -> Option<&Turns> {
        self.store.turns()
    }

    async fn open(&self, bucket: &str) -> Result<(), StoreError> {
        self.store.open(bucket).await
    }

    async fn get(&self, bucket: &str, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        if !is_written_once(key) {
            return self.store.get(bucket, key).await;
        }
        let kept = self.records().get(key_of(bucket, key));
        if let Some(kept) = kept {
            return Ok(Some(kept.to_vec()));
        }
        let value = self.store.get(bucket, key).await?;
        if let Some(value) = &value {
            self.records().insert(key_of(bucket, key), value.as_slice().into());
        }
        Ok(value)
    }

    async fn set(&self, bucket: &str, key: &str, value: &[u8]) -> Result<(), StoreError> {
        self.store.set(bucket, key, value).await?;
        if is_written_once(key) {
            self.records().insert(key_of(bucket, key), value.into());
        }
        Ok(())
    }

    async fn delete(&self, bucket: &str, key: &str) -> Result<(), StoreError> {
        self.records().remove(&key_of(bucket, key));
        self.store.delete(bucket, key).await
    }

    async fn exists(&self, bucket: &str, key: &str) -> Result<bool, StoreError> {
        self.store.exists(bucket, key).await
    }

    async fn list_keys(&self, bucket: &str, cursor: Option<&str>) -> Result<KeyPage, StoreError> {
        self.store.list_keys(bucket, cursor).await
    }

    async fn increment(&self, bucket: &str, key: &str, delta: i64) -> Result<i64, StoreError> {
        self.store.increment(bucket, key, delta).await
    }

    async fn current(&self, bucket: &str, key: &str) -> Result<Option<Versioned>, StoreError> {
        self.store.current(bucket, key).await
    }

    async fn swap(&self, bucket: &str, key: &str, expected: Expected<'_>, value: &[u8]) -> Result<Swap, StoreError> {
        self.store.swap(bucket, key, expected, value).await
    }
}

impl VaultStore for Cached {
    fn id(&self) -> &str {
        self.store.id()
    }

    fn mark_in_use(&self) -> anyhow::Result<()> {
        self.store.mark_in_use()
    }

    fn settle(&self) -> anyhow::Result<()> {
        self.store.settle()
    }

    fn compact(&self) -> anyhow::Result<()> {
        self.store.compact()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyvalue::SqliteStore;
    use crate::testing::TempDir;

    const NODE: &str = "sr1.aaaa.n.bbbb";

    #[tokio::test]
    async fn only_what_never_changes_is_kept() {
        let directory = TempDir::new();
        let store: Arc<dyn VaultStore> = Arc::new(SqliteStore::open(directory.path()).unwrap());
        let cached = Cached::new(store.clone(), 1 << 20);
        for (key, is_kept) in [
            (NODE, true),
            ("sr1.aaaa.b.cccc", true),
            ("sr1.aaaa.s.cccc", true),
            ("sr1.aaaa.root", false),
            ("sr1.aaaa.seed", false),
            ("sr1.aaaa.x.cccc", false),
            ("sr1.aaaa.n", false),
            ("sr2.aaaa.n.cccc", false),
            ("of somebody else", false),
        ] {
            for is_written_here in [true, false] {
                let key = &format!("{key}{}", if is_written_here { "w" } else { "" });
                let is_kept = is_kept && key != "sr1.aaaa.nw";
                assert_eq!(cached.get("b", key).await, Ok(None), "that it is missing is not kept");
                let by: &dyn KeyValue = if is_written_here { &cached } else { &*store };
                by.set("b", key, b"1").await.unwrap();
                assert_eq!(cached.get("b", key).await, Ok(Some(b"1".to_vec())));
                // By another instance.
                store.delete("b", key).await.unwrap();
                assert_eq!(cached.get("b", key).await, Ok(is_kept.then(|| b"1".to_vec())), "{key}");
                assert_eq!(cached.exists("b", key).await, Ok(false));
                assert_eq!(cached.current("b", key).await, Ok(None));
                cached.delete("b", key).await.unwrap();
                assert_eq!(cached.get("b", key).await, Ok(None));
            }
        }
    }

    #[test]
    fn it_is_bounded_and_keeps_what_is_used() {
        let max_bytes = 100 * (1000 + ENTRY_BYTES + 10);
        let mut records = Records { half_bytes: max_bytes / 2, ..Records::default() };
        let key = |number: usize| key_of("b", &format!("{number:04}"));
        for number in 0..1000 {
            records.insert(key(number), vec![0; 1000].into());
            assert!(records.get(key(0)).is_some(), "{number}");
            let bytes = (records.young.len() + records.old.len()) * (1000 + ENTRY_BYTES);
            assert!(bytes <= max_bytes, "{number}: {bytes}");
        }
        assert!(records.get(key(999)).is_some() && records.get(key(1)).is_none());
        records.insert(key(5000), vec![0; max_bytes].into());
        assert!(records.get(key(5000)).is_none(), "one that alone is too large");
    }
}
