//! Where a vault's records live on the host side: one trait, a durable backend and one in memory.

use std::sync::Arc;

mod memory;
mod sqlite;
pub(crate) mod wasi;

pub use memory::{Behaviour, Counts, Kind, MemoryStore, Operation};
pub use sqlite::{DATABASE_FILE, SqliteStore};

/// Why a backend did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// There is no bucket of this name.
    #[error("no such store")]
    NoSuchStore,
    /// The component may not use this bucket.
    #[error("access denied")]
    AccessDenied,
    /// Anything else; the text reaches the component, which drops it.
    #[error("{0}")]
    Other(String),
    /// The instance ends here, as if its process had died at this operation. Only test doubles say this.
    #[error("the instance was stopped at a store operation")]
    Stop,
}

/// What a swap compares the stored value with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected<'a> {
    /// Nothing: the handle was never read, so the swap is unconditional.
    Anything,
    /// The key must be absent.
    Absent,
    /// The key must hold exactly these bytes.
    Value(&'a [u8]),
}

/// One page of keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyPage {
    /// Keys in ascending order.
    pub keys: Vec<String>,
    /// Where to go on; `None` on the last page.
    pub cursor: Option<String>,
}

/// See [`KeyValue::turn`].
pub type Turn = Arc<tokio::sync::Mutex<()>>;

/// A key-value store with named buckets: the operations of `wasi:keyvalue` store and atomics, 0.2.0-draft2.
///
/// All calls may block for as long as the device takes. An `Ok` of [`swap`](Self::swap) means that the new value and
/// every earlier change of the bucket are durable, as far as the backend is durable at all.
pub trait KeyValue: Send + Sync {
    /// Fails if the bucket does not exist. Backends that make buckets on first use need not override it.
    fn open(&self, bucket: &str) -> Result<(), StoreError> {
        let _ = bucket;
        Ok(())
    }

    /// A lock that an instance takes before its first compare-and-swap handle and holds until it ends; `None` if the
    /// instances shall run into each other.
    ///
    /// A handle is what a writer begins with and a reader does without. Writers of one process that take turns never
    /// lose their work to each other, and the queue is fair; only those of other processes are met at the swap.
    fn turn(&self, bucket: &str, key: &str) -> Option<Turn> {
        let _ = (bucket, key);
        None
    }

    fn get(&self, bucket: &str, key: &str) -> Result<Option<Vec<u8>>, StoreError>;

    fn set(&self, bucket: &str, key: &str, value: &[u8]) -> Result<(), StoreError>;

    /// Deleting an absent key succeeds.
    fn delete(&self, bucket: &str, key: &str) -> Result<(), StoreError>;

    fn exists(&self, bucket: &str, key: &str) -> Result<bool, StoreError> {
        Ok(self.get(bucket, key)?.is_some())
    }

    fn list_keys(&self, bucket: &str, cursor: Option<&str>) -> Result<KeyPage, StoreError>;

    /// Adds to a signed 64-bit number that starts at 0, and returns the sum.
    fn increment(&self, bucket: &str, key: &str, delta: i64) -> Result<i64, StoreError>;

    /// The newest value, for a later [`swap`](Self::swap).
    fn current(&self, bucket: &str, key: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// Stores the value if the key is as expected; whether it was.
    fn swap(&self, bucket: &str, key: &str, expected: Expected<'_>, value: &[u8]) -> Result<bool, StoreError>;
}
