//! `wasi:keyvalue` for the component, over whatever store the instance was given.

use super::{Change, Changes, Expected, StoreError, Swap, Versioned};
use crate::bindings::vault::wasi::keyvalue::{atomics, store};
use crate::instance::State;
use crate::report;
use std::sync::Arc;
use strongroom::store::{NOTHING_STORED, PERMANENT};
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

    fn handle(&mut self, bucket: Arc<str>, key: String) -> wasmtime::Result<Resource<Cas>> {
        if self.services.store.swaps_with_changes() {
            self.held.open(&bucket);
        }
        Ok(self.table.push(Cas { bucket, key, seen: None })?)
    }

    async fn change(&mut self, bucket: &str, change: Change) -> Result<(), StoreError> {
        if self.held.holds(bucket) {
            let too_much = self.held.add(change);
            return self.write(bucket, too_much).await;
        }
        self.write_held(bucket, Some(&change.key)).await?;
        match &change.value {
            Some(value) => self.services.store.set(bucket, &change.key, value).await,
            None => self.services.store.delete(bucket, &change.key).await,
        }
    }

    /// Writes what is held, if a key is in it or none is named.
    async fn write_held(&mut self, bucket: &str, key: Option<&str>) -> Result<(), StoreError> {
        let Some(held) = self.held.for_key(bucket, key) else { return Ok(()) };
        self.write(bucket, Some(held)).await?;
        self.held.has_written();
        Ok(())
    }

    async fn write(&mut self, bucket: &str, changes: Option<Changes>) -> Result<(), StoreError> {
        match changes {
            Some(changes) => self.services.store.change(bucket, &changes).await,
            None => Ok(()),
        }
    }

    async fn swap(&mut self, cas: &Cas, value: Vec<u8>) -> Result<Swap, StoreError> {
        let Cas { bucket, key, .. } = cas;
        self.write_held(bucket, Some(key)).await?;
        let store = &self.services.store;
        let changes = self.held.use_up(bucket);
        let swapped = match changes.is_empty() {
            true => store.swap(bucket, key, cas.expected(), &value).await,
            false => store.swap_with(bucket, &changes, key, cas.expected(), &value).await,
        };
        if swapped == Ok(Swap::Done) {
            self.held.has_swapped(bucket, key, value);
        }
        swapped
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
        if let Some(held) = self.held.get(&bucket, &key) {
            return Ok(Ok(held.map(<[u8]>::to_vec)));
        }
        answer(self.services.store.get(&bucket, &key).await)
    }

    async fn set(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
        value: Vec<u8>,
    ) -> wasmtime::Result<Result<(), store::Error>> {
        let bucket = self.bucket(&bucket)?;
        answer(self.change(&bucket, Change { key, value: Some(value) }).await)
    }

    async fn delete(&mut self, bucket: Resource<Bucket>, key: String) -> wasmtime::Result<Result<(), store::Error>> {
        let bucket = self.bucket(&bucket)?;
        answer(self.change(&bucket, Change { key, value: None }).await)
    }

    async fn exists(&mut self, bucket: Resource<Bucket>, key: String) -> wasmtime::Result<Result<bool, store::Error>> {
        let bucket = self.bucket(&bucket)?;
        if let Some(held) = self.held.get(&bucket, &key) {
            return Ok(Ok(held.is_some()));
        }
        answer(self.services.store.exists(&bucket, &key).await)
    }

    async fn list_keys(
        &mut self,
        bucket: Resource<Bucket>,
        cursor: Option<String>,
    ) -> wasmtime::Result<Result<store::KeyResponse, store::Error>> {
        let bucket = self.bucket(&bucket)?;
        let page = match self.write_held(&bucket, None).await {
            Ok(()) => self.services.store.list_keys(&bucket, cursor.as_deref()).await,
            Err(error) => Err(error),
        };
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
        let sum = match self.write_held(&bucket, Some(&key)).await {
            Ok(()) => self.services.store.increment(&bucket, &key, delta).await,
            Err(error) => Err(error),
        };
        answer(sum)
    }

    async fn swap(&mut self, cas: Resource<Cas>, value: Vec<u8>) -> wasmtime::Result<Result<(), atomics::CasError>> {
        let cas = self.table.delete(cas)?;
        let swapped = self.swap(&cas, value).await;
        Ok(match answer(swapped)? {
            Ok(Swap::Done) => Ok(()),
            // The interface asks for a handle that is up to date: one that was never read compares with nothing, and
            // its first `current` reads the newest value.
            Ok(Swap::Refused) => Err(atomics::CasError::CasFailed(self.handle(cas.bucket, cas.key)?)),
            Ok(Swap::Unknown(cause)) => {
                report::fault("the store cannot tell how a swap ended", &cause);
                Err(atomics::CasError::StoreError(store::Error::Other(cause)))
            }
            // The component goes by it, where it has not heard of its changes' failing one by one.
            Err(store::Error::Other(cause)) if self.services.store.swaps_with_changes() => {
                Err(atomics::CasError::StoreError(store::Error::Other(format!("{NOTHING_STORED}{cause}"))))
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
        Ok(Ok(self.handle(bucket, key)?))
    }

    async fn current(&mut self, cas: Resource<Cas>) -> wasmtime::Result<Result<Option<Vec<u8>>, store::Error>> {
        let (bucket, key) = {
            let handle = self.table.get(&cas)?;
            (handle.bucket.clone(), handle.key.clone())
        };
        let found = match self.write_held(&bucket, Some(&key)).await {
            Ok(()) => self.services.store.current(&bucket, &key).await,
            Err(error) => Err(error),
        };
        let found = answer(found)?;
        if let Ok(found) = &found {
            self.table.get_mut(&cas)?.seen = Some(found.clone());
        }
        if let Ok(Some(found)) = &found {
            self.held.has_seen(&bucket, &key, &found.value);
        }
        Ok(found.map(|found| found.map(|found| found.value)))
    }

    async fn drop(&mut self, cas: Resource<Cas>) -> wasmtime::Result<()> {
        let cas = self.table.delete(cas)?;
        let left = self.held.close(&cas.bucket);
        // It was told that this is stored.
        self.write(&cas.bucket, left).await.map_err(wasmtime::Error::new)
    }
}
