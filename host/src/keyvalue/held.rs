//! What an instance sets and deletes while it has a compare-and-swap handle: held back, so that the store makes it together
//! with the swap. A commit is then one durable change of the store and not ten changes after each other.
//!
//! The instance sees what it set. What went with a swap stays held until the instance has seen the swapped value: a swap that
//! failed, or was lost after it was done, is tried again with all that belongs to it. What no swap took is written when the
//! last handle goes.

use super::{Change, Changes};
use std::sync::Arc;

/// Changes that are held at most: a transaction of etcd has at most 128 operations.
const CHANGES_MAX: usize = 64;

/// Bytes that are held at most: a request of etcd has at most 1.5 MB.
const BYTES_MAX: usize = 512 << 10;

/// See the module. All of one bucket.
#[derive(Default)]
pub(crate) struct Held {
    bucket: Option<Arc<str>>,
    /// How many there are.
    handles: usize,
    changes: Vec<Change>,
    bytes: usize,
    /// Whether the instance was told how it went with all of it: by the answer to a swap, or by an error.
    was_told: bool,
    /// Key and value of the last swap that it went with.
    went_with: Option<(String, Vec<u8>)>,
}

impl Held {
    /// A handle is made.
    pub fn open(&mut self, bucket: &Arc<str>) {
        if self.handles == 0 && self.changes.is_empty() {
            self.bucket = Some(bucket.clone());
        }
        self.handles += usize::from(self.is_of(bucket));
    }

    /// A handle goes. Returns what has to be written, if it was the last one.
    pub fn close(&mut self, bucket: &str) -> Option<Changes> {
        self.release(bucket);
        let is_left = self.handles == 0 && !self.was_told && !self.changes.is_empty();
        is_left.then(|| std::mem::take(self).changes.into())
    }

    /// A handle is used up. Returns what goes with its swap.
    pub fn use_up(&mut self, bucket: &str) -> Changes {
        self.release(bucket);
        if self.is_of(bucket) { self.changes.as_slice().into() } else { Changes::default() }
    }

    /// Remembers a swap that had an answer, whichever.
    pub fn remember(&mut self, bucket: &str, key: &str, value: Vec<u8>) {
        if self.is_of(bucket) && !self.changes.is_empty() {
            self.was_told = true;
            self.went_with = Some((key.to_owned(), value));
        }
    }

    /// Takes note that the newest value of a key was shown to the instance: what went with that value is stored.
    pub fn note(&mut self, bucket: &str, key: &str, value: &[u8]) {
        let is_stored = self.went_with.as_ref().is_some_and(|swap| swap.0 == key && swap.1 == value);
        if is_stored && self.is_of(bucket) {
            self.clear();
        }
    }

    /// Whether there is a handle of the bucket, so that a change can wait for its swap.
    pub fn holds(&self, bucket: &str) -> bool {
        self.handles > 0 && self.is_of(bucket)
    }

    /// Whether there is room for one more change.
    pub fn has_room(&self, change: &Change) -> bool {
        self.changes.len() < CHANGES_MAX && self.bytes + bytes(change) <= BYTES_MAX
    }

    /// Holds a change, for which there is room.
    pub fn add(&mut self, change: Change) {
        if let Some(at) = self.changes.iter().position(|held| held.key == change.key) {
            self.bytes -= bytes(&self.changes.remove(at));
        }
        self.bytes += bytes(&change);
        self.changes.push(change);
        self.was_told = false;
        self.went_with = None;
    }

    /// What a key will hold, if that is held: nothing, where it is deleted.
    pub fn get(&self, bucket: &str, key: &str) -> Option<Option<&[u8]>> {
        let change = self.changes.iter().find(|change| change.key == key).filter(|_| self.is_of(bucket))?;
        Some(change.value.as_deref())
    }

    /// All of it, if there is anything of the bucket, and of this key if one is named: to be written before the store is
    /// asked of it.
    pub fn all(&self, bucket: &str, key: Option<&str>) -> Option<Changes> {
        let concerns = |change: &Change| key.is_none_or(|key| change.key == key);
        (self.is_of(bucket) && self.changes.iter().any(concerns)).then(|| self.changes.as_slice().into())
    }

    /// All of it is written.
    pub fn clear(&mut self) {
        self.changes.clear();
        self.bytes = 0;
        self.was_told = false;
        self.went_with = None;
    }

    /// All of it was to be written, and perhaps is not. It stays held.
    pub fn fail(&mut self) {
        self.was_told = true;
    }

    /// One less. A handle of an earlier call was not counted.
    fn release(&mut self, bucket: &str) {
        self.handles = self.handles.saturating_sub(usize::from(self.is_of(bucket)));
    }

    fn is_of(&self, bucket: &str) -> bool {
        self.bucket.as_deref() == Some(bucket)
    }
}

fn bytes(change: &Change) -> usize {
    change.key.len() + change.value.as_ref().map_or(0, Vec::len)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(key: &str, value: &[u8]) -> Change {
        Change { key: key.into(), value: Some(value.to_vec()) }
    }

    fn with_handle() -> Held {
        let mut held = Held::default();
        held.open(&"b".into());
        held
    }

    #[test]
    fn only_where_there_is_a_handle() {
        let mut held = Held::default();
        assert!(!held.holds("b"));
        held.open(&"b".into());
        held.open(&"other".into());
        assert!(held.holds("b") && !held.holds("other"));
        held.add(change("k", b"1"));
        held.add(Change { key: "gone".into(), value: None });
        let seen = [("b", "k"), ("b", "gone"), ("b", "x"), ("other", "k")].map(|(bucket, key)| held.get(bucket, key));
        assert_eq!(seen, [Some(Some(&b"1"[..])), Some(None), None, None]);
        assert_eq!(held.close("other"), None);
        assert_eq!(held.close("b").map(|left| left.len()), Some(2), "no swap took them");
        assert!(!held.holds("b") && held.close("never opened").is_none());
    }

    #[test]
    fn what_went_with_a_swap_stays_until_that_is_seen() {
        let mut held = with_handle();
        held.add(change("k", b"1"));
        let sent = held.use_up("b");
        assert_eq!(*sent, [change("k", b"1")]);
        held.remember("b", "root", b"new".to_vec());
        // It got lost, and is tried again.
        held.open(&"b".into());
        held.note("b", "root", b"old");
        held.note("b", "other", b"new");
        assert_eq!(held.use_up("b"), sent);
        held.remember("b", "root", b"new".to_vec());
        held.open(&"b".into());
        held.note("b", "root", b"new");
        assert_eq!(held.use_up("b").len(), 0);
    }

    #[test]
    fn what_the_instance_was_told_of_is_not_written_by_itself() {
        let mut held = with_handle();
        held.add(change("k", b"1"));
        held.use_up("b");
        held.remember("b", "root", b"new".to_vec());
        held.open(&"b".into());
        assert_eq!(held.close("b"), None);
        held.open(&"b".into());
        held.add(change("l", b"2"));
        held.fail();
        assert_eq!(held.close("b"), None);
        held.open(&"b".into());
        held.add(change("m", b"2"));
        assert_eq!(held.close("b").map(|left| left.len()), Some(3));
    }

    #[test]
    fn a_key_is_held_once_and_all_of_it_has_a_bound() {
        let mut held = with_handle();
        held.add(change("k", &[1; 1000]));
        held.add(change("k", b"2"));
        assert_eq!((held.bytes, held.get("b", "k")), (2, Some(Some(&b"2"[..]))));
        assert!(held.has_room(&change("l", &[0; BYTES_MAX - 3])) && !held.has_room(&change("l", &[0; BYTES_MAX])));
        (1..CHANGES_MAX).for_each(|n| held.add(change(&n.to_string(), b"")));
        assert!(!held.has_room(&change("one more", b"")));
    }

    #[test]
    fn what_the_store_is_asked_of_is_written_before() {
        let mut held = with_handle();
        held.add(change("k", b"1"));
        assert_eq!((held.all("b", Some("l")), held.all("other", None)), (None, None));
        for key in [Some("k"), None] {
            assert_eq!(held.all("b", key).map(|all| all.len()), Some(1));
        }
        held.clear();
        assert_eq!((held.all("b", None), held.bytes), (None, 0));
    }
}
