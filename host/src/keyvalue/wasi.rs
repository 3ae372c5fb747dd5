//! `wasi:keyvalue` for the component, over whatever store the instance was given.

use super::{Change, Expected, StoreError, Swap, Versioned};
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
            if !self.held.has_room(&change) {
                self.write_held(bucket, None).await?;
            }
            if self.held.has_room(&change) {
                self.held.add(change);
                return Ok(());
            }
        }
        self.write_held(bucket, Some(&change.key)).await?;
        self.services.store.change(bucket, &[change].into()).await
    }

    /// Writes what is held, if a key is in it or none is named.
    async fn write_held(&mut self, bucket: &str, key: Option<&str>) -> Result<(), StoreError> {
        let Some(held) = self.held.all(bucket, key) else { return Ok(()) };
        let written = self.services.store.change(bucket, &held).await;
        match &written {
            Ok(()) => self.held.clear(),
            Err(_) => self.held.fail(),
        }
        written
    }

    async fn swap_in(&mut self, cas: &Cas, value: Vec<u8>) -> Result<Swap, StoreError> {
        let Cas { bucket, key, .. } = cas;
        let written = self.write_held(bucket, Some(key)).await;
        let changes = self.held.use_up(bucket);
        written?;
        let store = &self.services.store;
        let swapped = match changes.is_empty() {
            true => store.swap(bucket, key, cas.expected(), &value).await,
            false => store.swap_with(bucket, &changes, key, cas.expected(), &value).await,
        };
        self.held.remember(bucket, key, value);
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
        let swapped = self.swap_in(&cas, value).await;
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
            self.held.note(&bucket, &key, &found.value);
        }
        Ok(found.map(|found| found.map(|found| found.value)))
    }

    async fn drop(&mut self, cas: Resource<Cas>) -> wasmtime::Result<()> {
        let cas = self.table.delete(cas)?;
        match self.held.close(&cas.bucket) {
            // It was told that this is stored.
            Some(left) => self.services.store.change(&cas.bucket, &left).await.map_err(wasmtime::Error::new),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use crate::instance::Services;
    use crate::keyvalue::{Changes, KeyPage, KeyValue, SqliteStore, async_trait};
    use crate::testing::TempDir;
    use atomics::{Host as _, HostCas};
    use std::collections::BTreeMap;
    use std::sync::atomic::{AtomicBool, Ordering};
    use store::{Host as _, HostBucket};

    /// A store that can fail to make changes by themselves.
    struct Failing {
        store: SqliteStore,
        fails: AtomicBool,
    }

    #[async_trait]
    impl KeyValue for Failing {
        async fn get(&self, bucket: &str, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
            self.store.get(bucket, key).await
        }

        async fn set(&self, bucket: &str, key: &str, value: &[u8]) -> Result<(), StoreError> {
            self.store.set(bucket, key, value).await
        }

        async fn delete(&self, bucket: &str, key: &str) -> Result<(), StoreError> {
            self.store.delete(bucket, key).await
        }

        async fn change(&self, bucket: &str, changes: &Changes) -> Result<(), StoreError> {
            match self.fails.load(Ordering::Relaxed) {
                true => Err(StoreError::Failed("full".into())),
                false => self.store.change(bucket, changes).await,
            }
        }

        async fn list_keys(&self, bucket: &str, cursor: Option<&str>) -> Result<KeyPage, StoreError> {
            self.store.list_keys(bucket, cursor).await
        }

        async fn increment(&self, bucket: &str, key: &str, delta: i64) -> Result<i64, StoreError> {
            self.store.increment(bucket, key, delta).await
        }

        async fn current(&self, bucket: &str, key: &str) -> Result<Option<Versioned>, StoreError> {
            self.store.current(bucket, key).await
        }

        async fn swap(
            &self,
            bucket: &str,
            key: &str,
            expected: Expected<'_>,
            value: &[u8],
        ) -> Result<Swap, StoreError> {
            self.store.swap(bucket, key, expected, value).await
        }

        fn swaps_with_changes(&self) -> bool {
            true
        }

        async fn swap_with(
            &self,
            bucket: &str,
            changes: &Changes,
            key: &str,
            expected: Expected<'_>,
            value: &[u8],
        ) -> Result<Swap, StoreError> {
            self.store.swap_with(bucket, changes, key, expected, value).await
        }
    }

    struct Scene {
        state: State,
        failing: Arc<Failing>,
        /// Of the resource that every call is given anew.
        bucket: u32,
        _directory: TempDir,
    }

    impl Scene {
        async fn new() -> Self {
            let directory = TempDir::new();
            let store = SqliteStore::open(directory.path()).unwrap();
            let failing = Arc::new(Failing { store, fails: AtomicBool::new(false) });
            let config = Arc::new(BTreeMap::<String, String>::new());
            let mut state = State::new(Services { store: failing.clone(), config, clock: Arc::new(SystemClock) });
            let bucket = state.open("b".into()).await.unwrap().unwrap().rep();
            Self { state, failing, bucket, _directory: directory }
        }

        fn bucket(&self) -> Resource<Bucket> {
            Resource::new_borrow(self.bucket)
        }

        async fn handle(&mut self) -> u32 {
            let bucket = self.bucket();
            let handle = self.state.new(bucket, "root".into()).await.unwrap().unwrap().rep();
            self.state.current(Resource::new_borrow(handle)).await.unwrap().unwrap();
            handle
        }

        async fn set(&mut self, key: &str) -> Result<(), store::Error> {
            let bucket = self.bucket();
            self.state.set(bucket, key.into(), key.into()).await.unwrap()
        }

        async fn has(&self, key: &str) -> bool {
            self.failing.store.get("b", key).await.unwrap() == Some(key.into())
        }
    }

    #[tokio::test]
    async fn what_fails_to_be_written_ahead_still_comes_with_the_swap() {
        let mut scene = Scene::new().await;
        let handle = scene.handle().await;
        let keys: Vec<_> = (0..64).map(|n| format!("k{n}")).collect();
        for key in &keys {
            scene.set(key).await.unwrap();
        }
        scene.failing.fails.store(true, Ordering::Relaxed);
        let bucket = scene.bucket();
        assert!(scene.state.delete(bucket, "one more".into()).await.unwrap().is_err());
        assert!(scene.set("another").await.is_err(), "what is not held is not promised");
        assert!(!scene.has("k0").await);
        assert!(scene.state.swap(Resource::new_own(handle), b"1".to_vec()).await.unwrap().is_ok());
        for key in &keys {
            assert!(scene.has(key).await, "{key}");
        }
        assert!(!scene.has("another").await);
    }

    #[tokio::test]
    async fn what_no_swap_took_is_written_or_the_instance_ends() {
        for fails in [false, true] {
            let mut scene = Scene::new().await;
            let (first, second) = (scene.handle().await, scene.handle().await);
            scene.set("k").await.unwrap();
            let bucket = scene.bucket();
            assert_eq!(scene.state.get(bucket, "k".into()).await.unwrap().unwrap(), Some(b"k".to_vec()));
            HostCas::drop(&mut scene.state, Resource::new_own(first)).await.unwrap();
            assert!(!scene.has("k").await);
            scene.failing.fails.store(fails, Ordering::Relaxed);
            assert_eq!(HostCas::drop(&mut scene.state, Resource::new_own(second)).await.is_err(), fails);
            assert_eq!(scene.has("k").await, !fails);
        }
    }

    /// Who was told that it failed has nothing to be told at the end.
    #[tokio::test]
    async fn a_failure_that_was_told_ends_no_instance() {
        let mut scene = Scene::new().await;
        let handle = scene.handle().await;
        scene.set("k").await.unwrap();
        scene.failing.fails.store(true, Ordering::Relaxed);
        let bucket = scene.bucket();
        assert!(scene.state.list_keys(bucket, None).await.unwrap().is_err());
        HostCas::drop(&mut scene.state, Resource::new_own(handle)).await.unwrap();
    }
}
