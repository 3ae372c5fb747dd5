//! What the vault asks of its host: a key-value store, settings, a clock and randomness.

use crate::wasi::{clocks::wall_clock, config::store as config, keyvalue::atomics, keyvalue::store, random::random};
use std::collections::BTreeMap;
use std::env;
use std::sync::{Mutex, MutexGuard};
use std::time::{SystemTime, UNIX_EPOCH};
use wasmtime::component::{Resource, ResourceTable};

/// The records of all instances. They end with the process; put in their place what your program has.
static RECORDS: Mutex<BTreeMap<String, Vec<u8>>> = Mutex::new(BTreeMap::new());

/// What one instance has of its own.
#[derive(Default)]
pub struct Host {
    handles: ResourceTable,
}

/// There is one bucket, whatever its name.
pub struct Bucket;

pub struct Cas {
    key: String,
    /// What `current` returned, once it was asked.
    seen: Option<Option<Vec<u8>>>,
}

impl store::Host for Host {
    fn open(&mut self, _name: String) -> Result<Resource<Bucket>, store::Error> {
        self.handle(Bucket)
    }
}

impl store::HostBucket for Host {
    fn get(&mut self, _: Resource<Bucket>, key: String) -> Result<Option<Vec<u8>>, store::Error> {
        Ok(records().get(&key).cloned())
    }

    fn set(&mut self, _: Resource<Bucket>, key: String, value: Vec<u8>) -> Result<(), store::Error> {
        records().insert(key, value);
        Ok(())
    }

    fn delete(&mut self, _: Resource<Bucket>, key: String) -> Result<(), store::Error> {
        records().remove(&key);
        Ok(())
    }

    fn exists(&mut self, _: Resource<Bucket>, key: String) -> Result<bool, store::Error> {
        Ok(records().contains_key(&key))
    }

    fn list_keys(&mut self, _: Resource<Bucket>, _: Option<String>) -> Result<store::KeyResponse, store::Error> {
        Ok(store::KeyResponse { keys: records().keys().cloned().collect(), cursor: None })
    }

    fn drop(&mut self, bucket: Resource<Bucket>) -> wasmtime::Result<()> {
        self.handles.delete(bucket)?;
        Ok(())
    }
}

impl atomics::Host for Host {
    fn increment(&mut self, _: Resource<Bucket>, key: String, delta: i64) -> Result<i64, store::Error> {
        let mut records = records();
        let old = records.get(&key).and_then(|bytes| bytes.as_slice().try_into().ok());
        let sum = old.map_or(0, i64::from_le_bytes) + delta;
        records.insert(key, sum.to_le_bytes().to_vec());
        Ok(sum)
    }

    /// On this everything rests: it replaces the value that was seen, or nothing.
    fn swap(&mut self, handle: Resource<Cas>, value: Vec<u8>) -> Result<(), atomics::CasError> {
        let Cas { key, seen } = self.handles.delete(handle).map_err(|_| atomics::CasError::StoreError(closed()))?;
        let mut records = records();
        if seen.is_some_and(|seen| records.get(&key) != seen.as_ref()) {
            let fresh = self.handle(Cas { key, seen: None }).map_err(atomics::CasError::StoreError)?;
            return Err(atomics::CasError::CasFailed(fresh));
        }
        records.insert(key, value);
        Ok(())
    }
}

impl atomics::HostCas for Host {
    fn new(&mut self, _: Resource<Bucket>, key: String) -> Result<Resource<Cas>, store::Error> {
        self.handle(Cas { key, seen: None })
    }

    fn current(&mut self, handle: Resource<Cas>) -> Result<Option<Vec<u8>>, store::Error> {
        let cas = self.handles.get_mut(&handle).map_err(|_| closed())?;
        let value = records().get(&cas.key).cloned();
        cas.seen = Some(value.clone());
        Ok(value)
    }

    fn drop(&mut self, handle: Resource<Cas>) -> wasmtime::Result<()> {
        self.handles.delete(handle)?;
        Ok(())
    }
}

/// The variables of the environment: `STRONGROOM_KEYS` and so on.
impl config::Host for Host {
    fn get(&mut self, name: String) -> Result<Option<String>, config::Error> {
        Ok(env::var(name.to_uppercase()).ok())
    }

    fn get_all(&mut self) -> Result<Vec<(String, String)>, config::Error> {
        Err(config::Error::Upstream("settings are given by name only".to_owned()))
    }
}

impl wall_clock::Host for Host {
    fn now(&mut self) -> wall_clock::Datetime {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        wall_clock::Datetime { seconds: now.as_secs(), nanoseconds: now.subsec_nanos() }
    }

    fn resolution(&mut self) -> wall_clock::Datetime {
        wall_clock::Datetime { seconds: 0, nanoseconds: 1 }
    }
}

impl random::Host for Host {
    fn get_random_bytes(&mut self, length: u64) -> Vec<u8> {
        let mut bytes = vec![0; length as usize];
        getrandom::fill(&mut bytes).expect("the system has random numbers");
        bytes
    }

    fn get_random_u64(&mut self) -> u64 {
        getrandom::u64().expect("the system has random numbers")
    }
}

impl Host {
    fn handle<T: Send + 'static>(&mut self, of: T) -> Result<Resource<T>, store::Error> {
        self.handles.push(of).map_err(|error| store::Error::Other(error.to_string()))
    }
}

fn records() -> MutexGuard<'static, BTreeMap<String, Vec<u8>>> {
    RECORDS.lock().expect("nothing panics while it is locked")
}

fn closed() -> store::Error {
    store::Error::Other("the handle is closed".to_owned())
}
