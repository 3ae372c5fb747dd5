//! The key-value store as the catalog sees it: `wasi:keyvalue` 0.2.0-draft2 without `batch`.
//!
//! Answers are taken as hints: hosts report failures that succeeded and successes that got lost (HOSTS.md). The commit
//! protocol in [`crate::catalog`] is what turns them into facts.

use crate::error::{Code, Error};
use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

#[cfg(not(target_arch = "wasm32"))]
pub mod memory;
#[cfg(test)]
pub mod watched;

/// Why the host refused an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// The host knows no bucket of this name.
    NoSuchStore,
    /// The host does not let the component use this bucket.
    AccessDenied,
    /// Anything else, in the host's words: for its log, not for callers, as they can quote keys.
    Other(Cow<'static, str>),
    /// The same, of which the host knows that it does not pass by itself: a full disk, a damaged file.
    Failed(Cow<'static, str>),
}

/// How a host's text of an error begins if what is wrong does not pass by itself; WASI's own errors can't say it.
pub const PERMANENT: &str = "permanent: ";

/// How a host's text of an error of a swap begins if it knows that nothing was stored, and that nothing will be.
pub const NOTHING_STORED: &str = "nothing was stored: ";

impl StoreError {
    /// The error of a host that said this.
    pub fn from_text(text: String) -> Self {
        if text.starts_with(PERMANENT) { Self::Failed(text.into()) } else { Self::Other(text.into()) }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NoSuchStore => {
                Error::new(Code::Misconfigured, "strongroom_bucket names a key-value store that the host does not have")
            }
            StoreError::AccessDenied => Error::new(
                Code::Misconfigured,
                "the host denies access to the key-value store named by strongroom_bucket (Spin: list it in \
                 key_value_stores; as a dependency: inherit_configuration = [\"key_value_stores\", \"variables\"])",
            ),
            StoreError::Other(cause) => {
                Error::new(Code::StorageUnavailable, "the host's key-value store answered with an error")
                    .retry_after(1)
                    .with_cause(cause)
            }
            StoreError::Failed(cause) => Error::new(
                Code::StorageFailed,
                "the host's key-value store failed in a way that does not pass by itself; the host's log says why",
            )
            .with_cause(cause),
        }
    }
}

/// One page of [`Store::list_keys`].
pub struct KeyPage {
    pub keys: Vec<String>,
    /// Where to go on; `None` on the last page.
    pub cursor: Option<String>,
}

/// What a swap answered. `Stored` and `Conflict` are never more than a hint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Swap {
    Stored,
    Conflict,
    /// The value was not stored, and will not be. Said by hosts that store what was set since the handle was made together
    /// with it, and so have not told of that before.
    NothingStored(StoreError),
}

impl Swap {
    /// The answer of a host that said this of a swap that failed.
    pub fn from_text(text: String) -> Result<Self, StoreError> {
        match text.strip_prefix(NOTHING_STORED) {
            Some(cause) => Ok(Self::NothingStored(StoreError::from_text(cause.into()))),
            None => Err(StoreError::from_text(text)),
        }
    }
}

/// A bucket of a key-value store.
pub trait Store {
    /// May return an older value than the newest.
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError>;
    fn set(&self, key: &str, value: &[u8]) -> Result<(), StoreError>;
    fn delete(&self, key: &str) -> Result<(), StoreError>;
    /// Adds to a number that starts at 0 and returns the sum.
    fn increment(&self, key: &str, delta: i64) -> Result<i64, StoreError>;
    /// A new compare-and-swap handle. Use: one `current`, then at most one `swap`.
    fn compare_and_swap<'a>(&'a self, key: &str) -> Result<Box<dyn CompareAndSwap + 'a>, StoreError>;
    /// One page of all keys of the bucket, other people's included. Never used by an action.
    fn list_keys(&self, cursor: Option<&str>) -> Result<KeyPage, StoreError>;
    /// Whether `list_keys` works.
    fn can_list_keys(&self) -> bool {
        true
    }
    /// Whether `increment` and `compare_and_swap` work. Without them the vault is last-write-wins.
    fn has_atomics(&self) -> bool;
}

/// A compare-and-swap handle on one key.
pub trait CompareAndSwap {
    /// The newest value; fixes what `swap` compares with.
    fn current(&mut self) -> Result<Option<Vec<u8>>, StoreError>;
    /// Stores the value if the key still holds what `current` returned.
    fn swap(self: Box<Self>, value: &[u8]) -> Result<Swap, StoreError>;
}
