//! A store across a network, with what never changes kept in memory.

use super::kept::Kept;
use super::{
    Change, Changes, Expected, KeyPage, KeyValue, StoreError, Swap, Turns, VaultStore, Versioned, async_trait,
};
use std::sync::Arc;

/// A store, and what was read from it.
pub struct Cached {
    store: Arc<dyn VaultStore>,
    kept: Kept,
}

impl Cached {
    /// Keeps so many bytes at most.
    pub fn new(store: Arc<dyn VaultStore>, max_bytes: usize) -> Self {
        Self { store, kept: Kept::new(max_bytes) }
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
        if let Some(kept) = self.kept.get(bucket, key) {
            return Ok(Some(kept.to_vec()));
        }
        let value = self.store.get(bucket, key).await?;
        if let Some(value) = &value {
            self.kept.insert(bucket, key, value);
        }
        Ok(value)
    }

    async fn set(&self, bucket: &str, key: &str, value: &[u8]) -> Result<(), StoreError> {
        self.store.set(bucket, key, value).await?;
        self.kept.insert(bucket, key, value);
        Ok(())
    }

    async fn delete(&self, bucket: &str, key: &str) -> Result<(), StoreError> {
        self.kept.remove(bucket, key);
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

    fn swaps_with_changes(&self) -> bool {
        self.store.swaps_with_changes()
    }

    async fn swap_with(
        &self,
        bucket: &str,
        changes: &Changes,
        key: &str,
        expected: Expected<'_>,
        value: &[u8],
    ) -> Result<Swap, StoreError> {
        self.kept.remove_deleted(bucket, changes);
        let swapped = self.store.swap_with(bucket, changes, key, expected, value).await;
        if swapped == Ok(Swap::Done) {
            for Change { key, value } in changes.iter() {
                if let Some(value) = value {
                    self.kept.insert(bucket, key, value);
                }
            }
        }
        swapped
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
}
