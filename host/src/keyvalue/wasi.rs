//! `wasi:keyvalue` for the component, over whatever store the instance was given.

use super::{Expected, StoreError, Swap, Versioned};
use crate::bindings::vault::wasi::keyvalue::{atomics, store};
use crate::instance::State;
use crate::report;
use std::sync::Arc;
use strongroom::store::PERMANENT;
use wasmtime::component::Resource;

/// An open bucket.
pub struct Bucket {
    name: Arc<str>,
}

impl Bucket {
    pub fn new(name: String) -> Self {
        Self { name: name.into() }
    }
}

/// A compare-and-swap handle.
pub struct Cas {
    bucket: Arc<str>,
    key: String,
    /// What `current` returned last; `None` before the first call.
    seen: Option<Option<Versioned>>,
}

impl Cas {
    fn expected(&self) -> Expected<'_> {
        match &self.seen {
            None => Expected::Anything,
            Some(None) => Expected::Absent,
            Some(Some(seen)) => Expected::Value(seen),
        }
    }
}

impl State {
    pub(crate) fn bucket(&self, bucket: &Resource<Bucket>) -> wasmtime::Result<Arc<str>> {
        Ok(self.table.get(bucket)?.name.clone())
    }
}

/// Turns a store's answer into the component's; [`StoreError::Stop`] becomes a trap. What the component can't say to its
/// callers stands in the log.
pub(crate) fn answer<T>(result: Result<T, StoreError>) -> wasmtime::Result<Result<T, store::Error>> {
    report::operation();
    if let Err(error) = &result {
        report::fault("the store failed", error);
    }
    Ok(match result {
        Ok(value) => Ok(value),
        Err(StoreError::NoSuchStore) => Err(store::Error::NoSuchStore),
        Err(StoreError::AccessDenied) => Err(store::Error::AccessDenied),
        Err(StoreError::Other(message)) => Err(store::Error::Other(message)),
        Err(StoreError::Failed(message)) => Err(store::Error::Other(format!("{PERMANENT}{message}"))),
        Err(stop @ StoreError::Stop) => return Err(wasmtime::Error::new(stop)),
    })
}

impl store::Host for State {
    async fn open(&mut self, identifier: String) -> wasmtime::Result<Result<Resource<Bucket>, store::Error>> {
        match answer(self.services.store.open(&identifier).await)? {
            Ok(()) => Ok(Ok(self.table.push(Bucket::new(identifier))?)),
            Err(error) => Ok(Err(error)),
        }
    }
}

impl store::HostBucket for State {
    async fn get(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
    ) -> wasmtime::Result<Result<Option<Vec<u8>>, store::Error>> {
        let bucket = self.bucket(&bucket)?;
        answer(self.services.store.get(&bucket, &key).await)
    }

    async fn set(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
        value: Vec<u8>,
    ) -> wasmtime::Result<Result<(), store::Error>> {
        let bucket = self.bucket(&bucket)?;
        answer(self.services.store.set(&bucket, &key, &value).await)
    }

    async fn delete(&mut self, bucket: Resource<Bucket>, key: String) -> wasmtime::Result<Result<(), store::Error>> {
        let bucket = self.bucket(&bucket)?;
        answer(self.services.store.delete(&bucket, &key).await)
    }

    async fn exists(&mut self, bucket: Resource<Bucket>, key: String) -> wasmtime::Result<Result<bool, store::Error>> {
        let bucket = self.bucket(&bucket)?;
        answer(self.services.store.exists(&bucket, &key).await)
    }

    async fn list_keys(
        &mut self,
        bucket: Resource<Bucket>,
        cursor: Option<String>,
    ) -> wasmtime::Result<Result<store::KeyResponse, store::Error>> {
        let bucket = self.bucket(&bucket)?;
        let page = self.services.store.list_keys(&bucket, cursor.as_deref()).await;
        answer(page.map(|page| store::KeyResponse { keys: page.keys, cursor: page.cursor }))
    }

    async fn drop(&mut self, bucket: Resource<Bucket>) -> wasmtime::Result<()> {
        self.table.delete(bucket)?;
        Ok(())
    }
}

impl atomics::Host for State {
    async fn increment(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
        delta: i64,
    ) -> wasmtime::Result<Result<i64, store::Error>> {
        let bucket = self.bucket(&bucket)?;
        answer(self.services.store.increment(&bucket, &key, delta).await)
    }

    async fn swap(&mut self, cas: Resource<Cas>, value: Vec<u8>) -> wasmtime::Result<Result<(), atomics::CasError>> {
        let cas = self.table.delete(cas)?;
        let swapped = self.services.store.swap(&cas.bucket, &cas.key, cas.expected(), &value).await;
        Ok(match answer(swapped)? {
            Ok(Swap::Done) => Ok(()),
            // The interface asks for a handle that is up to date: one that was never read compares with nothing, and
            // its first `current` reads the newest value.
            Ok(Swap::Refused) => {
                let fresh = Cas { bucket: cas.bucket, key: cas.key, seen: None };
                Err(atomics::CasError::CasFailed(self.table.push(fresh)?))
            }
            Ok(Swap::Unknown(cause)) => {
                report::fault("the store cannot tell how a swap ended", &cause);
                Err(atomics::CasError::StoreError(store::Error::Other(cause)))
            }
            Err(error) => Err(atomics::CasError::StoreError(error)),
        })
    }
}

impl atomics::HostCas for State {
    async fn new(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
    ) -> wasmtime::Result<Result<Resource<Cas>, store::Error>> {
        let bucket = self.bucket(&bucket)?;
        // One turn is enough, and two could wait for each other.
        if self.turn.is_none()
            && let Some(turns) = self.services.store.turns()
        {
            self.turn = Some(turns.take(&bucket, &key).await);
        }
        Ok(Ok(self.table.push(Cas { bucket, key, seen: None })?))
    }

    async fn current(&mut self, cas: Resource<Cas>) -> wasmtime::Result<Result<Option<Vec<u8>>, store::Error>> {
        let handle = self.table.get(&cas)?;
        let found = answer(self.services.store.current(&handle.bucket, &handle.key).await)?;
        if let Ok(found) = &found {
            self.table.get_mut(&cas)?.seen = Some(found.clone());
        }
        Ok(found.map(|found| found.map(|found| found.value)))
    }

    async fn drop(&mut self, cas: Resource<Cas>) -> wasmtime::Result<()> {
        self.table.delete(cas)?;
        Ok(())
    }
}
