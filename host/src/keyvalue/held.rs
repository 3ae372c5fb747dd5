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
    /// Whether all of it went with a swap, whose answer then speaks for it.
    was_sent: bool,
    /// Key and value of the swap that was done with it.
    swapped: Option<(String, Vec<u8>)>,
}

impl Held {
    /// A handle was made.
    pub fn open(&mut self, bucket: &Arc<str>) {
        if self.handles == 0 && self.changes.is_empty() {
            self.bucket = Some(bucket.clone());
        }
        self.handles += usize::from(self.is_of(bucket));
    }

    /// A handle is gone. Returns what has to be written, if it was the last one.
    pub fn close(&mut self, bucket: &str) -> Option<Changes> {
        self.release(bucket);
        (self.handles == 0 && !self.was_sent && !self.changes.is_empty()).then(|| self.take())
    }

    /// A handle is used up. Returns what goes with its swap.
    pub fn use_up(&mut self, bucket: &str) -> Changes {
        if !self.is_of(bucket) {
            return Changes::default();
        }
        self.release(bucket);
        self.was_sent = true;
        self.changes.as_slice().into()
    }

    /// The swap was done.
    pub fn has_swapped(&mut self, bucket: &str, key: &str, value: Vec<u8>) {
        if self.is_of(bucket) && !self.changes.is_empty() {
            self.swapped = Some((key.to_owned(), value));
        }
    }

    /// The newest value of a key was shown to the instance.
    pub fn has_seen(&mut self, bucket: &str, key: &str, value: &[u8]) {
        let is_swapped = self.swapped.as_ref().is_some_and(|swapped| swapped.0 == key && swapped.1 == value);
        if is_swapped && self.is_of(bucket) {
            self.take();
        }
    }

    /// Whether there is a handle of the bucket, so that a change can wait for its swap.
    pub fn holds(&self, bucket: &str) -> bool {
        self.handles > 0 && self.is_of(bucket)
    }

    /// Holds a change. Returns what has to be written, if it is too much.
    pub fn add(&mut self, change: Change) -> Option<Changes> {
        if let Some(at) = self.changes.iter().position(|held| held.key == change.key) {
            self.bytes -= bytes(&self.changes.remove(at));
        }
        self.bytes += bytes(&change);
        self.changes.push(change);
        self.was_sent = false;
        self.swapped = None;
        (self.changes.len() >= CHANGES_MAX || self.bytes >= BYTES_MAX).then(|| self.take())
    }

    /// What a key will hold, if that is held: nothing, where it is deleted.
    pub fn get(&self, bucket: &str, key: &str) -> Option<Option<&[u8]>> {
        let change = self.changes.iter().find(|change| change.key == key).filter(|_| self.is_of(bucket))?;
        Some(change.value.as_deref())
    }

    /// Everything that is held, if a key is in it or none is named: to be written before the store is asked of it.
    pub fn for_key(&self, bucket: &str, key: Option<&str>) -> Option<Changes> {
        let concerns = |change: &Change| key.is_none_or(|key| change.key == key);
        (self.is_of(bucket) && self.changes.iter().any(concerns)).then(|| self.changes.as_slice().into())
    }

    /// All of it is written.
    pub fn has_written(&mut self) {
        self.take();
    }

    /// One less. A handle of an earlier call was not counted.
    fn release(&mut self, bucket: &str) {
        self.handles = self.handles.saturating_sub(usize::from(self.is_of(bucket)));
    }

    fn is_of(&self, bucket: &str) -> bool {
        self.bucket.as_deref() == Some(bucket)
    }

    fn take(&mut self) -> Changes {
        self.bytes = 0;
        self.was_sent = false;
        self.swapped = None;
        std::mem::take(&mut self.changes).into()
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
        assert_eq!(held.add(change("k", b"1")), None);
        assert_eq!(held.add(Change { key: "gone".into(), value: None }), None);
        assert_eq!(
            (held.get("b", "k"), held.get("b", "gone"), held.get("b", "x")),
            (Some(Some(&b"1"[..])), Some(None), None)
        );
        assert_eq!(held.get("other", "k"), None);
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
        // It failed, and is tried again.
        held.open(&"b".into());
        assert_eq!(held.use_up("b"), sent);
        held.has_swapped("b", "root", b"new".to_vec());
        // It was done and got lost.
        held.open(&"b".into());
        held.has_seen("b", "root", b"old");
        held.has_seen("b", "other", b"new");
        assert_eq!(held.use_up("b"), sent);
        held.has_swapped("b", "root", b"new".to_vec());
        held.open(&"b".into());
        held.has_seen("b", "root", b"new");
        assert_eq!(held.use_up("b").len(), 0);
    }

    #[test]
    fn what_went_with_a_swap_is_not_written_by_itself() {
        let mut held = with_handle();
        held.add(change("k", b"1"));
        held.use_up("b");
        held.open(&"b".into());
        assert_eq!(held.close("b"), None, "the answer to the swap has told of it");
        held.open(&"b".into());
        held.add(change("l", b"2"));
        assert_eq!(held.close("b").map(|left| left.len()), Some(2));
    }

    #[test]
    fn a_key_is_held_once_and_all_of_it_has_a_bound() {
        let mut held = with_handle();
        held.add(change("k", &[1; 1000]));
        held.add(change("k", b"2"));
        assert_eq!((held.bytes, held.get("b", "k")), (2, Some(Some(&b"2"[..]))));
        assert_eq!(held.add(change("large", &[0; BYTES_MAX])).map(|taken| taken.len()), Some(2));
        let many: Vec<_> = (0..CHANGES_MAX).filter_map(|n| held.add(change(&n.to_string(), b""))).collect();
        assert_eq!((many.len(), many[0].len(), held.bytes), (1, CHANGES_MAX, 0));
    }

    #[test]
    fn what_the_store_is_asked_of_is_written_before() {
        let mut held = with_handle();
        held.add(change("k", b"1"));
        assert_eq!((held.for_key("b", Some("l")), held.for_key("other", None)), (None, None));
        for key in [Some("k"), None] {
            assert_eq!(held.for_key("b", key).map(|all| all.len()), Some(1));
        }
        held.has_written();
        assert_eq!((held.for_key("b", None), held.bytes), (None, 0));
    }
}
