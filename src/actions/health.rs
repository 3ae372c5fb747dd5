//! `health`: whether a project's vault can answer.

use super::{ListQuery, Vault, list};
use crate::access::Principal;
use crate::catalog::PROBE_KEY;
use crate::error::{Code, Error, Result};
use crate::platform::Platform;
use crate::seal::Sealer;
use crate::store::Swap;
use crate::time::Timestamp;

/// Bytes of what is written to find out whether the store takes it.
const PROBE_BYTES: usize = 16;

/// What was found.
pub struct Health {
    /// Whether changes are commits; without compare-and-swap the last write wins.
    pub has_atomics: bool,
    /// The first check that failed, by its name.
    pub failure: Option<(&'static str, Error)>,
}

/// Makes the checks in their order. `sealer` is that of the project, or why there is none. `writes` has a durable write
/// tried, too: not for everybody who asks, as it costs what a change costs.
pub fn health(platform: Platform<'_>, sealer: Result<Sealer>, writes: bool) -> Health {
    Health { has_atomics: platform.store.has_atomics(), failure: check(platform, sealer, writes).err() }
}

fn check(platform: Platform<'_>, sealer: Result<Sealer>, writes: bool) -> Result<(), (&'static str, Error)> {
    let sealer = sealer.map_err(|error| ("keys", error))?;
    if platform.store.has_atomics() {
        let mut handle = platform.store.compare_and_swap(PROBE_KEY).map_err(|error| ("atomics", error.into()))?;
        handle.current().map_err(|error| ("atomics", error.into()))?;
    }
    let first = ListQuery { limit: Some(1), ..ListQuery::default() };
    // For whom it is asked makes no difference to what is found.
    let host = Principal::host();
    list(&Vault::new(platform, &sealer, &host), &first).map_err(|error| ("root", error))?;
    if platform.clock.now() < Timestamp::CLOCK_SET {
        return Err(("clock", Error::new(Code::ClockUnset, "the clock shows a time before 2020")));
    }
    if writes { write(platform).map_err(|error| ("write", error)) } else { Ok(()) }
}

/// Changes a record of no meaning. As with every commit, what is read back decides and not the answer.
fn write(platform: Platform<'_>) -> Result<()> {
    let mut value = [0; PROBE_BYTES];
    platform.random.fill(&mut value)?;
    if !platform.store.has_atomics() {
        return Ok(platform.store.set(PROBE_KEY, &value)?);
    }
    let mut handle = platform.store.compare_and_swap(PROBE_KEY)?;
    let before = handle.current()?;
    let answered = handle.swap(&value);
    let after = platform.store.compare_and_swap(PROBE_KEY)?.current()?;
    // Whoever changed it, a write was taken.
    if after != before {
        return Ok(());
    }
    if let Swap::NothingStored(error) = answered? {
        return Err(error.into());
    }
    Err(Error::new(Code::StorageUnavailable, "the host's key-value store takes no writes").retry_after(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::{Clock, SystemRandom};
    use crate::seal::{Keyring, Project};
    use crate::store::memory::MemoryStore;
    use crate::store::{CompareAndSwap, KeyPage, Store, StoreError};
    use alloc::boxed::Box;
    use alloc::vec::Vec;
    use core::cell::Cell;

    struct Now;

    impl Clock for Now {
        fn now(&self) -> Timestamp {
            Timestamp::from_seconds(1_800_000_000)
        }
    }

    type Answer = fn() -> Result<Swap, StoreError>;

    /// A store whose swaps answer as they like and store as they like.
    struct Swapping {
        inner: MemoryStore,
        stores: Cell<bool>,
        answer: Answer,
    }

    struct Handle<'a>(Box<dyn CompareAndSwap + 'a>, &'a Swapping);

    impl CompareAndSwap for Handle<'_> {
        fn current(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
            self.0.current()
        }

        fn swap(self: Box<Self>, value: &[u8]) -> Result<Swap, StoreError> {
            if self.1.stores.get() {
                self.0.swap(value)?;
            }
            (self.1.answer)()
        }
    }

    impl Store for Swapping {
        fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
            self.inner.get(key)
        }

        fn set(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
            self.inner.set(key, value)
        }

        fn delete(&self, key: &str) -> Result<(), StoreError> {
            self.inner.delete(key)
        }

        fn increment(&self, key: &str, delta: i64) -> Result<i64, StoreError> {
            self.inner.increment(key, delta)
        }

        fn compare_and_swap<'a>(&'a self, key: &str) -> Result<Box<dyn CompareAndSwap + 'a>, StoreError> {
            Ok(Box::new(Handle(self.inner.compare_and_swap(key)?, self)))
        }

        fn list_keys(&self, cursor: Option<&str>) -> Result<KeyPage, StoreError> {
            self.inner.list_keys(cursor)
        }

        fn has_atomics(&self) -> bool {
            true
        }
    }

    fn asked(store: &dyn Store, writes: bool) -> Option<(&'static str, Code)> {
        let keys = Keyring::parse("k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8").unwrap();
        let sealer = Sealer::new(keys, Project::parse("default").unwrap());
        let platform = Platform { store, clock: &Now, random: &SystemRandom };
        health(platform, Ok(sealer), writes).failure.map(|(check, error)| (check, error.code()))
    }

    #[test]
    fn what_is_read_back_decides_whether_a_write_was_taken() {
        let full = || Err(StoreError::from_text("permanent: disk full".into()));
        let cases: [(bool, Answer, Option<Code>); 6] = [
            (true, || Ok(Swap::Stored), None),
            (true, || Ok(Swap::Conflict), None),
            (true, full, None),
            (false, || Ok(Swap::Stored), Some(Code::StorageUnavailable)),
            (false, || Ok(Swap::Conflict), Some(Code::StorageUnavailable)),
            (false, full, Some(Code::StorageFailed)),
        ];
        for (stores, answer, expected) in cases {
            let store = Swapping { inner: MemoryStore::default(), stores: Cell::new(stores), answer };
            assert_eq!(asked(&store, false), None, "nothing is written unless it is wanted");
            assert!(store.inner.entries.borrow().is_empty());
            for _ in 0..2 {
                assert_eq!(asked(&store, true), expected.map(|code| ("write", code)), "{stores}");
            }
        }
    }
}
