//! Records that are kept in memory: nodes of the indexes and values of credentials. They are written once under a key that is
//! never used again, so that what was read once is right for ever; the root and all that is replaced in place is never kept.
//! They stay sealed here. What another instance deletes stays until it is displaced, but nothing refers to it any more.

use super::Change;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use strongroom::catalog::is_written_once;

/// What an entry takes beside its key and value.
const ENTRY_BYTES: usize = 128;

/// See the module.
pub struct Kept(Mutex<Records>);

impl Kept {
    /// Keeps so many bytes at most.
    pub fn new(max_bytes: usize) -> Self {
        Self(Mutex::new(Records { half_bytes: max_bytes / 2, ..Records::default() }))
    }

    pub fn get(&self, bucket: &str, key: &str) -> Option<Arc<[u8]>> {
        if is_written_once(key) { self.records().get(key_of(bucket, key)) } else { None }
    }

    /// Keeps a record, if it is one that never changes.
    pub fn insert(&self, bucket: &str, key: &str, value: &[u8]) {
        if is_written_once(key) {
            self.records().insert(key_of(bucket, key), value.into());
        }
    }

    pub fn remove(&self, bucket: &str, key: &str) {
        self.records().remove(&key_of(bucket, key));
    }

    /// Removes those that are deleted among these.
    pub fn remove_deleted(&self, bucket: &str, changes: &[Change]) {
        for deleted in changes.iter().filter(|change| change.value.is_none()) {
            self.remove(bucket, &deleted.key);
        }
    }

    fn records(&self) -> MutexGuard<'_, Records> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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

#[cfg(test)]
mod tests {
    use super::*;

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
