//! The core's platform, bound to the component's imports.

use super::bindings::wasi::clocks::wall_clock;
use super::bindings::wasi::config::store as config;
use super::bindings::wasi::keyvalue::store as keyvalue;
use crate::error::{Code, Error};
use crate::platform::{Clock, Random};
use crate::settings::{self, Settings};
use crate::store::{CompareAndSwap, KeyPage, Store, StoreError};
use crate::time::Timestamp;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::OnceCell;

#[cfg(feature = "atomics")]
use {super::bindings::wasi::keyvalue::atomics, crate::store::Swap};

/// `wasi:config/store`.
pub struct HostSettings;

impl Settings for HostSettings {
    fn get(&self, name: &str) -> Result<Option<String>, Error> {
        config::get(name).map_err(|error| {
            let (config::Error::Upstream(cause) | config::Error::Io(cause)) = error;
            settings::unavailable(cause)
        })
    }
}

/// `wasi:clocks/wall-clock`.
pub struct WallClock;

impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        let now = wall_clock::now();
        Timestamp(now.seconds.saturating_mul(1000).saturating_add(u64::from(now.nanoseconds / 1_000_000)))
    }
}

/// `wasi:random/random`.
pub struct HostRandom;

impl Random for HostRandom {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), Error> {
        let bytes = super::bindings::wasi::random::random::get_random_bytes(buffer.len() as u64);
        if bytes.len() != buffer.len() {
            return Err(Error::new(Code::Internal, "the host gave no random numbers"));
        }
        buffer.copy_from_slice(&bytes);
        Ok(())
    }
}

/// The configured bucket of `wasi:keyvalue`, opened by its first use.
#[derive(Default)]
pub struct Bucket {
    opened: OnceCell<keyvalue::Bucket>,
}

impl Bucket {
    fn open(&self) -> Result<&keyvalue::Bucket, StoreError> {
        if let Some(bucket) = self.opened.get() {
            return Ok(bucket);
        }
        let name = settings::bucket(&HostSettings).map_err(|_| StoreError::Other("its name can't be read".into()))?;
        let bucket = keyvalue::open(&name)?;
        Ok(self.opened.get_or_init(|| bucket))
    }
}

/// Of an operation that this build does not import.
#[cfg(not(all(feature = "atomics", feature = "vault")))]
fn not_imported() -> StoreError {
    StoreError::Other("this build does not import the operation".into())
}

impl From<keyvalue::Error> for StoreError {
    fn from(error: keyvalue::Error) -> Self {
        match error {
            keyvalue::Error::NoSuchStore => StoreError::NoSuchStore,
            keyvalue::Error::AccessDenied => StoreError::AccessDenied,
            keyvalue::Error::Other(text) => StoreError::from_text(text),
        }
    }
}

impl Store for Bucket {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.open()?.get(key)?)
    }

    fn set(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        Ok(self.open()?.set(key, value)?)
    }

    fn delete(&self, key: &str) -> Result<(), StoreError> {
        Ok(self.open()?.delete(key)?)
    }

    #[cfg(feature = "atomics")]
    fn increment(&self, key: &str, delta: i64) -> Result<i64, StoreError> {
        Ok(atomics::increment(self.open()?, key, delta)?)
    }

    #[cfg(not(feature = "atomics"))]
    fn increment(&self, _: &str, _: i64) -> Result<i64, StoreError> {
        Err(not_imported())
    }

    #[cfg(feature = "atomics")]
    fn compare_and_swap<'a>(&'a self, key: &str) -> Result<Box<dyn CompareAndSwap + 'a>, StoreError> {
        Ok(Box::new(Handle(atomics::Cas::new(self.open()?, key)?)))
    }

    #[cfg(not(feature = "atomics"))]
    fn compare_and_swap<'a>(&'a self, _: &str) -> Result<Box<dyn CompareAndSwap + 'a>, StoreError> {
        Err(not_imported())
    }

    /// Only `verify` and `sweep` list keys; without the `vault` feature the component has neither, and `list-keys` is
    /// not even imported.
    #[cfg(feature = "vault")]
    fn list_keys(&self, cursor: Option<&str>) -> Result<KeyPage, StoreError> {
        let response = self.open()?.list_keys(cursor)?;
        Ok(KeyPage { keys: response.keys, cursor: response.cursor })
    }

    #[cfg(not(feature = "vault"))]
    fn list_keys(&self, _: Option<&str>) -> Result<KeyPage, StoreError> {
        Err(not_imported())
    }

    fn can_list_keys(&self) -> bool {
        cfg!(feature = "vault")
    }

    fn has_atomics(&self) -> bool {
        cfg!(feature = "atomics")
    }
}

#[cfg(feature = "atomics")]
struct Handle(atomics::Cas);

#[cfg(feature = "atomics")]
impl CompareAndSwap for Handle {
    fn current(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.0.current()?)
    }

    fn swap(self: Box<Self>, value: &[u8]) -> Result<Swap, StoreError> {
        match atomics::swap(self.0, value) {
            Ok(()) => Ok(Swap::Stored),
            Err(atomics::CasError::CasFailed(_)) => Ok(Swap::Conflict),
            Err(atomics::CasError::StoreError(keyvalue::Error::Other(text))) => Swap::from_text(text),
            Err(atomics::CasError::StoreError(error)) => Err(error.into()),
        }
    }
}
