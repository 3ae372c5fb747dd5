//! The Wasmtime engine all instances share.

use crate::{Result, plain};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use wasmtime::{Cache, CacheConfig, Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig};

/// How many instances can exist at once; whoever wants one more waits until one is gone.
pub const MAX_INSTANCES: u32 = 64;

/// Linear memory an instance can grow to, in bytes. Listing a page of the largest credentials needs a few MiB.
pub const MAX_MEMORY_BYTES: usize = 64 << 20;

/// The same for an instance that walks over the whole store; that takes some 50 bytes for each record there is.
pub const MAX_MAINTENANCE_MEMORY_BYTES: usize = 512 << 20;

/// What the functions of an instance may take of a stack, in bytes.
pub(crate) const MAX_STACK_BYTES: usize = 128 << 10;

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
        config.max_wasm_stack(MAX_STACK_BYTES);
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

    /// The same, if there is one now.
    pub(crate) fn try_place(&self) -> Option<SemaphorePermit<'_>> {
        self.places.try_acquire().ok()
    }
}

/// Lets the engine see which pages of its instances were written. To be called before the process keeps others from looking
/// into it, as the kernel then keeps the process itself from it too, unless it has what it needs open; without it instances are
/// cleared whole.
pub fn open_page_map() {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(1).total_core_instances(1).total_memories(1).total_tables(1).total_stacks(1);
    pool.max_memory_size(64 << 10).linear_memory_keep_resident(4096).pagemap_scan(Enabled::Auto);
    let mut config = Config::new();
    config.memory_reservation(64 << 10).memory_guard_size(64 << 10);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    // Where it fails the other engine says why.
    let _ = wasmtime::Engine::new(&config);
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
        // Where the kernel can tell, only pages that were written.
        .pagemap_scan(Enabled::Auto)
        .table_keep_resident(64 << 10)
        .async_stack_keep_resident(64 << 10);
    pool
}
