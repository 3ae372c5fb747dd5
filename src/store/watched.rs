//! A store that somebody watches: what is asked of it is noted, refused, or not answered. For tests.

use super::{CompareAndSwap, KeyPage, Store, StoreError, Swap};
use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Get,
    Set,
    Delete,
    Increment,
    /// A new compare-and-swap handle.
    Handle,
    Current,
    Swap,
    ListKeys,
}

/// Sees each operation of a store.
pub trait Watch {
    /// An error: the operation does not happen.
    fn before(&self, _: Operation) -> Result<(), StoreError> {
        Ok(())
    }

    /// An error: it happened, and the caller does not learn it. With the length of the value that was read or written,
    /// if there is one.
    fn after(&self, _: Operation, _key: &str, _value: Option<usize>) -> Result<(), StoreError> {
        Ok(())
    }
}

pub struct Watched<'s, W> {
    pub store: &'s dyn Store,
    pub watch: W,
}

struct Handle<'h, W> {
    inner: Box<dyn CompareAndSwap + 'h>,
    watch: &'h W,
    key: String,
}

impl<W: Watch> Watched<'_, W> {
    fn run<T>(
        &self,
        operation: Operation,
        key: &str,
        run: impl FnOnce() -> Result<T, StoreError>,
        value: impl Fn(&T) -> Option<usize>,
    ) -> Result<T, StoreError> {
        self.watch.before(operation)?;
        let answer = run()?;
        self.watch.after(operation, key, value(&answer))?;
        Ok(answer)
    }
}

fn length(value: &Option<Vec<u8>>) -> Option<usize> {
    value.as_ref().map(Vec::len)
}

impl<W: Watch> Store for Watched<'_, W> {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.run(Operation::Get, key, || self.store.get(key), length)
    }

    fn set(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        self.run(Operation::Set, key, || self.store.set(key, value), |()| Some(value.len()))
    }

    fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.run(Operation::Delete, key, || self.store.delete(key), |()| None)
    }

    fn increment(&self, key: &str, delta: i64) -> Result<i64, StoreError> {
        self.run(Operation::Increment, key, || self.store.increment(key, delta), |_| None)
    }

    fn compare_and_swap<'a>(&'a self, key: &str) -> Result<Box<dyn CompareAndSwap + 'a>, StoreError> {
        let inner = self.run(Operation::Handle, key, || self.store.compare_and_swap(key), |_| None)?;
        Ok(Box::new(Handle { inner, watch: &self.watch, key: key.to_owned() }))
    }

    fn list_keys(&self, cursor: Option<&str>) -> Result<KeyPage, StoreError> {
        self.run(Operation::ListKeys, "", || self.store.list_keys(cursor), |_| None)
    }

    fn can_list_keys(&self) -> bool {
        self.store.can_list_keys()
    }

    fn has_atomics(&self) -> bool {
        self.store.has_atomics()
    }
}

impl<W: Watch> CompareAndSwap for Handle<'_, W> {
    fn current(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
        self.watch.before(Operation::Current)?;
        let value = self.inner.current()?;
        self.watch.after(Operation::Current, &self.key, length(&value))?;
        Ok(value)
    }

    fn swap(self: Box<Self>, value: &[u8]) -> Result<Swap, StoreError> {
        self.watch.before(Operation::Swap)?;
        let answer = self.inner.swap(value)?;
        self.watch.after(Operation::Swap, &self.key, Some(value.len()))?;
        Ok(answer)
    }
}
