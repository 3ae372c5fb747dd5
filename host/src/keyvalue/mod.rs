//! Where a vault's records live on the host side: one trait, and the engines behind it.

mod cached;
pub mod copy;
#[cfg(feature = "etcd")]
mod etcd;
pub(crate) mod held;
mod identity;
mod kept;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(any(feature = "postgres", feature = "etcd"))]
mod remote;
mod sqlite;
mod turns;
mod url;
pub(crate) mod wasi;

pub use async_trait::async_trait;
pub use cached::Cached;
#[cfg(feature = "etcd")]
pub use etcd::EtcdStore;
pub use identity::Identity;
pub(crate) use identity::random as new_store_id;
#[cfg(feature = "postgres")]
pub use postgres::PostgresStore;
pub use sqlite::{DATABASE_FILE, SqliteStore};
pub use turns::{Turn, Turns};
pub use url::StoreUrl;

use std::sync::Arc;

/// Why a store did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// There is no bucket of this name.
    #[error("no such store")]
    NoSuchStore,
    /// The component may not use this bucket.
    #[error("access denied")]
    AccessDenied,
    /// Anything else; the text reaches the component and no caller.
    #[error("{0}")]
    Other(String),
    /// The same, of something that does not pass by itself, such as a full disk: trying again is pointless.
    #[error("{0}")]
    Failed(String),
    /// The instance ends here with a trap, as if its process had died at this operation: for a store that must not be
    /// used any further in the middle of a call.
    #[error("the instance was stopped at a store operation")]
    Stop,
}

/// What a key held when it was looked at, for a later swap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versioned {
    pub value: Vec<u8>,
    /// What the engine calls this state of the key, if it counts its changes; 0 where a swap compares the bytes.
    pub version: u64,
}

impl From<Vec<u8>> for Versioned {
    fn from(value: Vec<u8>) -> Self {
        Self { value, version: 0 }
    }
}

/// What a swap compares the stored value with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected<'a> {
    /// Nothing: the handle was never read, so the swap is unconditional.
    Anything,
    /// The key must be absent.
    Absent,
    /// The key must be as it was: hold exactly these bytes, and where versions are counted be of this version.
    Value(&'a Versioned),
}

/// How a swap ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Swap {
    /// The new value is stored. It and every earlier change of the bucket are as durable as the store makes anything.
    Done,
    /// The key held something else. Nothing was changed, and this swap will change nothing later.
    Refused,
    /// The store can't tell: the swap may have happened, may yet happen, or never will. The text says why, and begins
    /// with [`PERMANENT`](strongroom::store::PERMANENT) if that does not pass by itself.
    ///
    /// A store says this whenever it has sent the swap off and did not learn its end, and never tries it again by
    /// itself: the caller reads what is there and decides.
    Unknown(String),
}

/// A change of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub key: String,
    /// What it will hold; `None` deletes it.
    pub value: Option<Vec<u8>>,
}

/// Changes of different keys, in no order.
pub type Changes = Arc<[Change]>;

/// One page of keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyPage {
    /// Keys in ascending order.
    pub keys: Vec<String>,
    /// Where to go on; `None` on the last page.
    pub cursor: Option<String>,
}

/// A key-value store with named buckets: the operations of `wasi:keyvalue` store and atomics, 0.2.0-draft2.
///
/// An error of a read means that nothing is known. An error of [`set`](Self::set), [`delete`](Self::delete) and
/// [`increment`](Self::increment) does not say whether it happened; one of [`swap`](Self::swap) says that it did not and
/// will not.
///
/// A future may be dropped at any point: its operation then happened, happens later, or never, but wholly or not at all.
/// No call may hold up the thread that polls it for longer than a read from memory takes.
#[async_trait]
pub trait KeyValue: Send + Sync {
    /// The locks by which this process's writers take turns; `None` if they shall run into each other.
    fn turns(&self) -> Option<&Turns> {
        None
    }

    /// Whether [`at_hand`](Self::at_hand) can be expected to have everything.
    fn reads_at_once(&self) -> bool {
        false
    }

    /// What [`get`](Self::get) would answer, if that is known without waiting; `None` if not. Of a record that is written
    /// once it may be what the key held before it was deleted.
    fn at_hand(&self, bucket: &str, key: &str) -> Option<Result<Option<Vec<u8>>, StoreError>> {
        let _ = (bucket, key);
        None
    }

    /// Fails if the bucket does not exist. Stores that make buckets on first use need not override it.
    async fn open(&self, bucket: &str) -> Result<(), StoreError> {
        let _ = bucket;
        Ok(())
    }

    /// Some value that the key had or has; it need not be the newest.
    async fn get(&self, bucket: &str, key: &str) -> Result<Option<Vec<u8>>, StoreError>;

    async fn set(&self, bucket: &str, key: &str, value: &[u8]) -> Result<(), StoreError>;

    /// Deleting an absent key succeeds.
    async fn delete(&self, bucket: &str, key: &str) -> Result<(), StoreError>;

    async fn exists(&self, bucket: &str, key: &str) -> Result<bool, StoreError> {
        Ok(self.get(bucket, key).await?.is_some())
    }

    async fn list_keys(&self, bucket: &str, cursor: Option<&str>) -> Result<KeyPage, StoreError>;

    /// Makes changes, each wholly or not at all. An error says of none of them whether it happened.
    async fn change(&self, bucket: &str, changes: &Changes) -> Result<(), StoreError> {
        for Change { key, value } in changes.iter() {
            match value {
                Some(value) => self.set(bucket, key, value).await?,
                None => self.delete(bucket, key).await?,
            }
        }
        Ok(())
    }

    /// Adds to a signed 64-bit number that starts at 0, and returns the sum.
    async fn increment(&self, bucket: &str, key: &str, delta: i64) -> Result<i64, StoreError>;

    /// The newest value, for a later [`swap`](Self::swap). What it shows can't be taken back: a store on several
    /// machines makes it durable first.
    async fn current(&self, bucket: &str, key: &str) -> Result<Option<Versioned>, StoreError>;

    /// Stores the value if the key is as expected.
    async fn swap(&self, bucket: &str, key: &str, expected: Expected<'_>, value: &[u8]) -> Result<Swap, StoreError>;

    /// Whether changes cost less when they are made together with a swap. Then what an instance sets and deletes before
    /// a swap comes with it.
    fn swaps_with_changes(&self) -> bool {
        false
    }

    /// The same as [`swap`](Self::swap), after changes of other keys: if it is done, so are they. Else they may have
    /// happened or not, and may be asked for again.
    async fn swap_with(
        &self,
        bucket: &str,
        changes: &Changes,
        key: &str,
        expected: Expected<'_>,
        value: &[u8],
    ) -> Result<Swap, StoreError> {
        self.change(bucket, changes).await?;
        self.swap(bucket, key, expected, value).await
    }
}

/// A store that a vault can be begun in. It has an id for good, by which the state directory knows it.
pub trait VaultStore: KeyValue {
    fn id(&self) -> &str;

    /// Called when a server begins to work on the store.
    fn mark_in_use(&self) -> anyhow::Result<()> {
        Ok(())
    }

    /// Called when a vault was begun in the store: what was written until now must not depend on anything beside it.
    fn settle(&self) -> anyhow::Result<()> {
        Ok(())
    }

    /// Leaves nothing of what was overwritten or deleted in the store's files. Others may use the store meanwhile.
    fn compact(&self) -> anyhow::Result<()> {
        anyhow::bail!("this store is compacted by its own means, not from here")
    }
}
