//! The Wasmtime engine all instances share.

use crate::{Result, plain};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::{Cache, CacheConfig, Config, InstanceAllocationStrategy, PoolingAllocationConfig};

/// How many instances can exist at once; whoever wants one more waits until one is gone.
pub const MAX_INSTANCES: u32 = 64;

/// Linear memory an instance can grow to, in bytes. Listing a page of the largest credentials needs a few MiB.
pub const MAX_MEMORY_BYTES: usize = 64 << 20;

/// The same for an instance that walks over the whole store; that takes some 50 bytes for each record there is.
pub const MAX_MAINTENANCE_MEMORY_BYTES: usize = 512 << 20;

/// How often running instances let others run, and are checked against their time limit.
const TICK: Duration = Duration::from_millis(10);

/// A Wasmtime engine with a thread that ends instances which run for too long.
#[derive(Clone)]
pub struct Engine {
    inner: wasmtime::Engine,
    /// One permit for each instance that may exist.
    places: Arc<Semaphore>,
}

impl Engine {
    /// An engine that keeps compiled components in `cache` (created if need be), so that the next start is quick.
    /// Whoever can write there can run code as this process: it must be a private directory.
    pub fn new(cache: Option<&Path>) -> Result<Self> {
        let mut config = Config::new();
        config.epoch_interruption(true);
        // No concurrency inside an instance is needed: a fresh one serves each call.
        config.concurrency_support(false);
        // The stack on which a caller's values were does not serve another one as it is.
        config.async_stack_zeroing(true);
        // A trap's text is logged; it should be one line.
        config.wasm_backtrace_max_frames(None);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool()));
        if let Some(directory) = cache {
            let mut settings = CacheConfig::new();
            settings.with_directory(directory);
            config.cache(Some(Cache::new(settings).map_err(plain)?));
        }
        let inner = wasmtime::Engine::new(&config).map_err(plain)?;
        let weak = inner.weak();
        std::thread::Builder::new().name("strongroom-epoch".into()).spawn(move || {
            while let Some(engine) = weak.upgrade() {
                engine.increment_epoch();
                drop(engine);
                std::thread::sleep(TICK);
            }
        })?;
        Ok(Self { inner, places: Arc::new(Semaphore::new(MAX_INSTANCES as usize)) })
    }

    pub(crate) fn inner(&self) -> &wasmtime::Engine {
        &self.inner
    }

    /// A place for an instance, when there is one.
    pub(crate) async fn place(&self) -> wasmtime::Result<OwnedSemaphorePermit> {
        Ok(self.places.clone().acquire_owned().await?)
    }
}

/// Slots for instances, made beforehand and reused.
fn pool() -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(MAX_INSTANCES)
        .total_core_instances(MAX_INSTANCES * 4)
        .total_memories(MAX_INSTANCES)
        .total_tables(MAX_INSTANCES * 4)
        .total_stacks(MAX_INSTANCES)
        .max_memory_size(MAX_MAINTENANCE_MEMORY_BYTES)
        // Cheaper to clear by hand than to give back to the kernel and fault in again.
        .linear_memory_keep_resident(512 << 10)
        .table_keep_resident(64 << 10)
        .async_stack_keep_resident(64 << 10);
    pool
}
