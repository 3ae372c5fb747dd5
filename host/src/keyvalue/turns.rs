//! Turns: the writers of one process queue for a record instead of losing their work to each other at its swap.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use tokio::sync::{Mutex, OwnedMutexGuard};

/// Locks there are; keys that share one wait for each other without need.
const LOCKS: usize = 64;

/// Locks for the records of a store.
///
/// A call takes one before its first compare-and-swap handle, which is what a writer begins with and a reader does
/// without, and gives it back when it ends, however it ends. The queue is fair. Writers of other processes are met at the
/// swap only.
pub struct Turns([Arc<Mutex<()>>; LOCKS]);

/// The right to write, until it is dropped.
pub struct Turn(#[expect(dead_code, reason = "held, never looked at")] OwnedMutexGuard<()>);

impl Turns {
    pub fn new() -> Self {
        Self(std::array::from_fn(|_| Arc::default()))
    }

    /// Waits until nobody else has the turn of this record.
    pub async fn take(&self, bucket: &str, key: &str) -> Turn {
        let mut hasher = DefaultHasher::new();
        (bucket, key).hash(&mut hasher);
        let lock = self.0[hasher.finish() as usize % LOCKS].clone();
        Turn(lock.lock_owned().await)
    }
}

impl Default for Turns {
    fn default() -> Self {
        Self::new()
    }
}
