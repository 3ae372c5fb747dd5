//! A correct store in memory: for unit tests, the bulk loader and as the base of the simulated hosts.

use super::{CompareAndSwap, KeyPage, Store, StoreError, Swap};
use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::ops::Bound;

/// Keys per page of [`Store::list_keys`]; small, so that paging is exercised.
const KEYS_PER_PAGE: usize = 100;

fn not_a_number() -> StoreError {
    StoreError::Other("the value is not a number".into())
}

#[derive(Default)]
pub struct MemoryStore {
    pub entries: RefCell<BTreeMap<String, Vec<u8>>>,
}

struct Handle<'a> {
    store: &'a MemoryStore,
    key: String,
    seen: Option<Option<Vec<u8>>>,
}

impl Store for MemoryStore {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.entries.borrow().get(key).cloned())
    }

    fn set(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        self.entries.borrow_mut().insert(key.to_owned(), value.to_vec());
        Ok(())
    }

    fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.entries.borrow_mut().remove(key);
        Ok(())
    }

    fn increment(&self, key: &str, delta: i64) -> Result<i64, StoreError> {
        let mut entries = self.entries.borrow_mut();
        let old = match entries.get(key) {
            None => 0,
            Some(bytes) => i64::from_le_bytes(bytes.as_slice().try_into().map_err(|_| not_a_number())?),
        };
        let sum = old.wrapping_add(delta);
        entries.insert(key.to_owned(), sum.to_le_bytes().to_vec());
        Ok(sum)
    }

    fn compare_and_swap<'a>(&'a self, key: &str) -> Result<Box<dyn CompareAndSwap + 'a>, StoreError> {
        Ok(Box::new(Handle { store: self, key: key.to_owned(), seen: None }))
    }

    fn list_keys(&self, cursor: Option<&str>) -> Result<KeyPage, StoreError> {
        let entries = self.entries.borrow();
        let mut keys: Vec<String> = entries
            .range::<str, _>((cursor.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded))
            .map(|(key, _)| key.clone())
            .take(KEYS_PER_PAGE + 1)
            .collect();
        let more = keys.len() > KEYS_PER_PAGE;
        keys.truncate(KEYS_PER_PAGE);
        let cursor = if more { keys.last().cloned() } else { None };
        Ok(KeyPage { keys, cursor })
    }

    fn has_atomics(&self) -> bool {
        true
    }
}

impl CompareAndSwap for Handle<'_> {
    fn current(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
        let value = self.store.get(&self.key)?;
        self.seen = Some(value.clone());
        Ok(value)
    }

    fn swap(self: Box<Self>, value: &[u8]) -> Result<Swap, StoreError> {
        // Without `current` the swap is unconditional, as on the hosts.
        if self.seen.is_none_or(|seen| seen == self.store.entries.borrow().get(&self.key).cloned()) {
            self.store.set(&self.key, value)?;
            Ok(Swap::Stored)
        } else {
            Ok(Swap::Conflict)
        }
    }
}
