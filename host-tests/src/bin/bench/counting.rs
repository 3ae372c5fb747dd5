//! A SQLite store that counts what changes it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use strongroom_host::SqliteStore;
use strongroom_host::keyvalue::{
    Change, Changes as ChangesToMake, Expected, KeyPage, KeyValue, StoreError, Swap, Turns, Versioned, async_trait,
};

/// One of those that have the file open.
pub struct Counting {
    store: SqliteStore,
    /// Whether writers through it queue, as they do in a server, or run into each other.
    takes_turns: bool,
    changes: Arc<Changes>,
}

/// Changes of a store, through whomever.
#[derive(Default)]
pub struct Changes {
    /// Transactions that wait for the device: swaps and increments.
    pub synced: AtomicU64,
    /// Transactions that don't.
    pub relaxed: AtomicU64,
    /// Records that are set or deleted, in whatever transaction.
    pub sets: AtomicU64,
    pub deletions: AtomicU64,
    /// Swaps that found another value, so that their commit has to be made anew.
    pub refused: AtomicU64,
    /// Of all values that were written.
    pub bytes: AtomicU64,
}

impl Counting {
    pub fn new(store: SqliteStore, takes_turns: bool, changes: &Arc<Changes>) -> Self {
        Self { store, takes_turns, changes: changes.clone() }
    }
}

fn add(to: &AtomicU64, number: u64) {
    to.fetch_add(number, Ordering::Relaxed);
}

impl Counting {
    fn count(&self, changes: &[Change]) {
        for change in changes {
            match &change.value {
                Some(value) => {
                    add(&self.changes.sets, 1);
                    add(&self.changes.bytes, value.len() as u64);
                }
                None => add(&self.changes.deletions, 1),
            }
        }
    }
}

#[async_trait]
impl KeyValue for Counting {
    fn turns(&self) -> Option<&Turns> {
        self.store.turns().filter(|_| self.takes_turns)
    }

    async fn get(&self, bucket: &str, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.store.get(bucket, key).await
    }

    async fn set(&self, bucket: &str, key: &str, value: &[u8]) -> Result<(), StoreError> {
        self.change(bucket, &[Change { key: key.to_owned(), value: Some(value.to_vec()) }].into()).await
    }

    async fn delete(&self, bucket: &str, key: &str) -> Result<(), StoreError> {
        self.change(bucket, &[Change { key: key.to_owned(), value: None }].into()).await
    }

    async fn change(&self, bucket: &str, changes: &ChangesToMake) -> Result<(), StoreError> {
        add(&self.changes.relaxed, 1);
        self.count(changes);
        self.store.change(bucket, changes).await
    }

    async fn list_keys(&self, bucket: &str, cursor: Option<&str>) -> Result<KeyPage, StoreError> {
        self.store.list_keys(bucket, cursor).await
    }

    async fn increment(&self, bucket: &str, key: &str, delta: i64) -> Result<i64, StoreError> {
        add(&self.changes.synced, 1);
        self.store.increment(bucket, key, delta).await
    }

    async fn current(&self, bucket: &str, key: &str) -> Result<Option<Versioned>, StoreError> {
        self.store.current(bucket, key).await
    }

    async fn swap(&self, bucket: &str, key: &str, expected: Expected<'_>, value: &[u8]) -> Result<Swap, StoreError> {
        self.swap_with(bucket, &ChangesToMake::default(), key, expected, value).await
    }

    fn swaps_with_changes(&self) -> bool {
        self.store.swaps_with_changes()
    }

    async fn swap_with(
        &self,
        bucket: &str,
        changes: &ChangesToMake,
        key: &str,
        expected: Expected<'_>,
        value: &[u8],
    ) -> Result<Swap, StoreError> {
        let swapped = self.store.swap_with(bucket, changes, key, expected, value).await;
        if swapped == Ok(Swap::Refused) {
            add(&self.changes.refused, 1);
        } else {
            add(&self.changes.synced, 1);
            add(&self.changes.bytes, value.len() as u64);
            self.count(changes);
        }
        swapped
    }
}
