//! A store in memory that counts, and that can be told to fail, to stop the instance, or to answer wrongly at any
//! operation: the test double for every host there is.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Mutex;
use strongroom_host::keyvalue::{
    Change, Changes, Expected, KeyPage, KeyValue, StoreError, Swap, Turns, Versioned, async_trait,
};

/// Keys per page of a listing; small, so that paging is exercised.
const KEYS_PER_PAGE: usize = 100;

/// The operations of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Open,
    Get,
    Set,
    Delete,
    Exists,
    ListKeys,
    Increment,
    /// Reading through a compare-and-swap handle.
    Current,
    Swap,
}

/// How many operations there were.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    kinds: BTreeMap<Kind, u64>,
    /// Bytes of all values written.
    pub bytes_written: u64,
    /// Bytes of all values read.
    pub bytes_read: u64,
}

impl Counts {
    /// Operations of one kind.
    pub fn of(&self, kind: Kind) -> u64 {
        self.kinds.get(&kind).copied().unwrap_or(0)
    }

    /// `get` and `current`: what a reader waits for.
    pub fn reads(&self) -> u64 {
        self.of(Kind::Get) + self.of(Kind::Current)
    }

    /// `set`, `swap` and `increment`; deletions not counted.
    pub fn writes(&self) -> u64 {
        self.of(Kind::Set) + self.of(Kind::Swap) + self.of(Kind::Increment)
    }

    /// Operations of all kinds, `open` not counted: no host goes to its store for that.
    pub fn total(&self) -> u64 {
        self.kinds.values().sum::<u64>() - self.of(Kind::Open)
    }
}

/// An operation that is about to happen.
#[derive(Clone, Copy, Debug)]
pub struct Operation<'a> {
    /// Its number since [`MemoryStore::reset`], from 0; [`Kind::Open`] is not numbered and has the next one's.
    pub index: u64,
    pub kind: Kind,
    /// The key; empty for [`Kind::Open`] and [`Kind::ListKeys`].
    pub key: &'a str,
    /// The new value of a `set` or `swap`.
    pub value: Option<&'a [u8]>,
}

/// What the store does instead of the right thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// The right thing.
    Correct,
    /// Nothing is changed, and the answer is this error.
    Fail(StoreError),
    /// The change is made, and the answer is an error all the same: a lost acknowledgement.
    FailAfter(StoreError),
    /// Nothing is changed, and a `set`, `delete` or `swap` answers that all is well.
    Lose,
    /// A `swap` does the right thing and always answers "conflict"; a read answers that the key is absent.
    Deny,
    /// A `swap` stores the value whatever the key holds.
    Overwrite,
    /// A `get` or `current` answers with these bytes.
    Answer(Option<Vec<u8>>),
    /// An `increment` is made and answers with this number.
    Total(i64),
    /// Nothing is changed, and no answer ever comes.
    Hang,
}

type Hook = dyn FnMut(&Operation<'_>) -> Behaviour + Send;
type Entries = BTreeMap<(String, String), Vec<u8>>;

/// A correct store in memory, unless [`MemoryStore::hook`] says otherwise.
#[derive(Default)]
pub struct MemoryStore {
    inner: Mutex<Inner>,
    turns: Option<Turns>,
    swaps_with_changes: bool,
}

#[derive(Default)]
struct Inner {
    entries: Entries,
    counts: Counts,
    next: u64,
    hook: Option<Box<Hook>>,
}

impl MemoryStore {
    pub fn new() -> Self {
        Self::default()
    }

    /// One whose writers take turns, as those of a server do.
    pub fn with_turns() -> Self {
        Self { turns: Some(Turns::new()), ..Self::default() }
    }

    /// One that makes changes together with a swap, as one operation.
    pub fn with_changes() -> Self {
        Self { swaps_with_changes: true, ..Self::default() }
    }

    /// Asks `hook` before every operation from now on. It must not use the store itself.
    pub fn hook(&self, hook: impl FnMut(&Operation<'_>) -> Behaviour + Send + 'static) {
        self.lock().hook = Some(Box::new(hook));
    }

    /// From now on the store is correct.
    pub fn unhook(&self) {
        self.lock().hook = None;
    }

    /// Operations since the last [`reset`](Self::reset).
    pub fn counts(&self) -> Counts {
        self.lock().counts.clone()
    }

    /// Counts and numbers operations from 0 again.
    pub fn reset(&self) {
        let mut inner = self.lock();
        inner.counts = Counts::default();
        inner.next = 0;
    }

    /// Everything in one bucket, by key.
    pub fn entries(&self, bucket: &str) -> BTreeMap<String, Vec<u8>> {
        let inner = self.lock();
        inner.entries.iter().filter(|((b, _), _)| b == bucket).map(|((_, k), v)| (k.clone(), v.clone())).collect()
    }

    /// Replaces everything in one bucket.
    pub fn replace(&self, bucket: &str, entries: impl IntoIterator<Item = (String, Vec<u8>)>) {
        let mut inner = self.lock();
        inner.entries.retain(|(b, _), _| b != bucket);
        inner.entries.extend(entries.into_iter().map(|(key, value)| ((bucket.to_owned(), key), value)));
    }

    /// Writes or removes one entry, past counters and hook.
    pub fn put(&self, bucket: &str, key: &str, value: Option<Vec<u8>>) {
        let mut inner = self.lock();
        let place = (bucket.to_owned(), key.to_owned());
        match value {
            Some(value) => inner.entries.insert(place, value),
            None => inner.entries.remove(&place),
        };
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        // A hook that panics fails its test; the store itself is whole at every point where that can happen.
        self.inner.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Counts the operation, asks the hook, and carries it out.
    async fn run<T>(
        &self,
        kind: Kind,
        key: &str,
        value: Option<&[u8]>,
        operation: impl FnOnce(&mut Entries, &Behaviour) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        match self.try_run(kind, key, value, operation) {
            Some(result) => result,
            None => std::future::pending().await,
        }
    }

    /// `None` if no answer ever comes.
    fn try_run<T>(
        &self,
        kind: Kind,
        key: &str,
        value: Option<&[u8]>,
        operation: impl FnOnce(&mut Entries, &Behaviour) -> Result<T, StoreError>,
    ) -> Option<Result<T, StoreError>> {
        let mut inner = self.lock();
        let index = inner.next;
        if kind != Kind::Open {
            inner.next += 1;
        }
        *inner.counts.kinds.entry(kind).or_default() += 1;
        inner.counts.bytes_written += value.map_or(0, |value| value.len() as u64);
        let behaviour = match &mut inner.hook {
            Some(hook) => hook(&Operation { index, kind, key, value }),
            None => Behaviour::Correct,
        };
        match behaviour {
            Behaviour::Hang => None,
            Behaviour::Fail(error) => Some(Err(error)),
            Behaviour::FailAfter(error) => Some(operation(&mut inner.entries, &Behaviour::Correct).and(Err(error))),
            other => Some(operation(&mut inner.entries, &other)),
        }
    }

    async fn read(&self, kind: Kind, bucket: &str, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let value = self.run(kind, key, None, |entries, behaviour| {
            Ok(match behaviour {
                Behaviour::Answer(value) => value.clone(),
                Behaviour::Deny => None,
                _ => entries.get(&place(bucket, key)).cloned(),
            })
        });
        let value = value.await?;
        self.lock().counts.bytes_read += value.as_ref().map_or(0, |value| value.len() as u64);
        Ok(value)
    }
}

fn place(bucket: &str, key: &str) -> (String, String) {
    (bucket.to_owned(), key.to_owned())
}

#[async_trait]
impl KeyValue for MemoryStore {
    fn turns(&self) -> Option<&Turns> {
        self.turns.as_ref()
    }

    async fn open(&self, _bucket: &str) -> Result<(), StoreError> {
        self.run(Kind::Open, "", None, |_, _| Ok(())).await
    }

    async fn get(&self, bucket: &str, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(Kind::Get, bucket, key).await
    }

    async fn set(&self, bucket: &str, key: &str, value: &[u8]) -> Result<(), StoreError> {
        self.run(Kind::Set, key, Some(value), |entries, behaviour| {
            if *behaviour != Behaviour::Lose {
                entries.insert(place(bucket, key), value.to_vec());
            }
            Ok(())
        })
        .await
    }

    async fn delete(&self, bucket: &str, key: &str) -> Result<(), StoreError> {
        self.run(Kind::Delete, key, None, |entries, behaviour| {
            if *behaviour != Behaviour::Lose {
                entries.remove(&place(bucket, key));
            }
            Ok(())
        })
        .await
    }

    async fn exists(&self, bucket: &str, key: &str) -> Result<bool, StoreError> {
        self.run(Kind::Exists, key, None, |entries, _| Ok(entries.contains_key(&place(bucket, key)))).await
    }

    async fn list_keys(&self, bucket: &str, cursor: Option<&str>) -> Result<KeyPage, StoreError> {
        self.run(Kind::ListKeys, "", None, |entries, _| {
            let after =
                cursor.map_or(Bound::Included(place(bucket, "")), |cursor| Bound::Excluded(place(bucket, cursor)));
            let mut keys: Vec<String> = entries
                .range((after, Bound::Unbounded))
                .take_while(|((b, _), _)| b == bucket)
                .map(|((_, key), _)| key.clone())
                .take(KEYS_PER_PAGE + 1)
                .collect();
            let more = keys.len() > KEYS_PER_PAGE;
            keys.truncate(KEYS_PER_PAGE);
            let cursor = if more { keys.last().cloned() } else { None };
            Ok(KeyPage { keys, cursor })
        })
        .await
    }

    async fn increment(&self, bucket: &str, key: &str, delta: i64) -> Result<i64, StoreError> {
        self.run(Kind::Increment, key, None, |entries, behaviour| {
            let entry = entries.entry(place(bucket, key)).or_insert_with(|| 0i64.to_le_bytes().to_vec());
            let old: [u8; 8] = entry.as_slice().try_into().map_err(|_| StoreError::Other("not a number".into()))?;
            let sum = i64::from_le_bytes(old).wrapping_add(delta);
            *entry = sum.to_le_bytes().to_vec();
            Ok(if let Behaviour::Total(total) = behaviour { *total } else { sum })
        })
        .await
    }

    async fn current(&self, bucket: &str, key: &str) -> Result<Option<Versioned>, StoreError> {
        Ok(self.read(Kind::Current, bucket, key).await?.map(Versioned::from))
    }

    async fn swap(&self, bucket: &str, key: &str, expected: Expected<'_>, value: &[u8]) -> Result<Swap, StoreError> {
        self.swap_with(bucket, &Changes::default(), key, expected, value).await
    }

    fn swaps_with_changes(&self) -> bool {
        self.swaps_with_changes
    }

    async fn swap_with(
        &self,
        bucket: &str,
        changes: &Changes,
        key: &str,
        expected: Expected<'_>,
        value: &[u8],
    ) -> Result<Swap, StoreError> {
        self.run(Kind::Swap, key, Some(value), |entries, behaviour| {
            let stored = entries.get(&place(bucket, key)).map(Vec::as_slice);
            let matches = match expected {
                Expected::Anything => true,
                Expected::Absent => stored.is_none(),
                Expected::Value(found) => stored == Some(&*found.value),
            };
            if *behaviour == Behaviour::Lose {
                return Ok(Swap::Done);
            }
            let store = matches || *behaviour == Behaviour::Overwrite;
            if store {
                entries.insert(place(bucket, key), value.to_vec());
                for Change { key, value } in changes.iter().cloned() {
                    match value {
                        Some(value) => entries.insert(place(bucket, &key), value),
                        None => entries.remove(&place(bucket, &key)),
                    };
                }
            }
            let says_yes = store && *behaviour != Behaviour::Deny;
            Ok(if says_yes { Swap::Done } else { Swap::Refused })
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block_on;

    #[test]
    fn counts_and_numbers_operations() {
        let store = MemoryStore::new();
        block_on(store.open("b")).unwrap();
        block_on(store.set("b", "k", b"four")).unwrap();
        assert_eq!(block_on(store.get("b", "k")).unwrap().as_deref(), Some(&b"four"[..]));
        let counts = store.counts();
        assert_eq!((counts.reads(), counts.writes(), counts.total()), (1, 1, 2));
        assert_eq!((counts.bytes_read, counts.bytes_written), (4, 4));
        store.reset();
        assert_eq!(store.counts(), Counts::default());
    }

    #[test]
    fn plays_a_faulty_host() {
        let store = MemoryStore::new();
        store.hook(|operation| match operation.index {
            0 => Behaviour::FailAfter(StoreError::Stop),
            1 => Behaviour::Lose,
            2 => Behaviour::Deny,
            3 => Behaviour::Answer(Some(b"lie".to_vec())),
            _ => Behaviour::Correct,
        });
        assert_eq!(block_on(store.set("b", "k", b"1")), Err(StoreError::Stop));
        assert_eq!(
            block_on(store.swap("b", "k", Expected::Value(&b"1".to_vec().into()), b"2")),
            Ok(Swap::Done),
            "says yes, stores nothing"
        );
        assert_eq!(
            block_on(store.swap("b", "k", Expected::Value(&b"1".to_vec().into()), b"3")),
            Ok(Swap::Refused),
            "says no, stores it"
        );
        assert_eq!(block_on(store.get("b", "k")).unwrap().as_deref(), Some(&b"lie"[..]));
        assert_eq!(block_on(store.current("b", "k")), Ok(Some(b"3".to_vec().into())));
    }

    #[test]
    fn pages_cover_a_bucket_exactly_once() {
        let store = MemoryStore::new();
        store.replace("b", (0..250).map(|n| (format!("{n:03}"), vec![])));
        store.put("other", "x", Some(vec![]));
        let (mut keys, mut cursor) = (vec![], None);
        loop {
            let page = block_on(store.list_keys("b", cursor.as_deref())).unwrap();
            keys.extend(page.keys);
            cursor = page.cursor;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(keys, (0..250).map(|n| format!("{n:03}")).collect::<Vec<_>>());
    }
}
