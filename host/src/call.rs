//! An instance, and the calls of its functions.

use crate::engine::MAX_MAINTENANCE_MEMORY_BYTES;
use crate::instance::State;
use crate::keyvalue::held::Held;
use std::time::{Duration, Instant};
use tokio::sync::OwnedSemaphorePermit;
use wasmtime::{AsContext, AsContextMut, Store, StoreContext, StoreContextMut, UpdateDeadline};

/// How long one call may run before the instance is ended.
pub const CALL_TIME_LIMIT: Duration = Duration::from_secs(10);

/// The same for [`Instance::allow_maintenance`].
pub const MAINTENANCE_TIME_LIMIT: Duration = Duration::from_secs(3600);

/// An instance with typed access to its exports.
pub struct Instance<T> {
    /// Whose [`call`](InstanceStore::call) is handed to a function.
    pub store: InstanceStore,
    /// The functions.
    pub exports: T,
}

impl<T> Instance<T> {
    /// Gives its calls the time and the memory to walk over a whole store.
    pub fn allow_maintenance(&mut self) {
        self.store.time_limit = MAINTENANCE_TIME_LIMIT;
        self.store.inner.data_mut().memory.max_bytes = MAX_MAINTENANCE_MEMORY_BYTES;
    }
}

/// The memory of an instance and what it holds of the host.
pub struct InstanceStore {
    pub(crate) inner: Store<State>,
    time_limit: Duration,
    /// Its place among the instances that may exist, given back after all else.
    _place: OwnedSemaphorePermit,
}

impl InstanceStore {
    pub(crate) fn new(mut inner: Store<State>, place: OwnedSemaphorePermit) -> Self {
        // At each tick of the engine: an end for who is over his time, and a pause for the others. Without it a few that
        // compute for seconds would have all threads to themselves.
        inner.epoch_deadline_callback(|store| match Instant::now() < store.data().deadline {
            true => Ok(UpdateDeadline::Yield(1)),
            false => Ok(UpdateDeadline::Interrupt),
        });
        inner.set_epoch_deadline(1);
        Self { inner, time_limit: CALL_TIME_LIMIT, _place: place }
    }

    /// One call of a function: its time begins now.
    pub fn call(&mut self) -> Call<'_> {
        self.inner.data_mut().deadline = Instant::now() + self.time_limit;
        Call(&mut self.inner)
    }

    /// Bytes of the instance's linear memory. It never shrinks, so this is also the most there ever was.
    pub fn memory_bytes(&self) -> usize {
        self.inner.data().memory.bytes()
    }
}

/// What a function is called with. The function has it until it returns, traps, or its future is dropped, and whatever
/// the call has reserved is free from then on, however long the instance lives.
pub struct Call<'a>(&'a mut Store<State>);

impl Drop for Call<'_> {
    fn drop(&mut self) {
        let state = self.0.data_mut();
        state.turn = None;
        state.held = Held::default();
    }
}

impl AsContext for Call<'_> {
    type Data = State;

    fn as_context(&self) -> StoreContext<'_, State> {
        self.0.as_context()
    }
}

impl AsContextMut for Call<'_> {
    fn as_context_mut(&mut self) -> StoreContextMut<'_, State> {
        self.0.as_context_mut()
    }
}
