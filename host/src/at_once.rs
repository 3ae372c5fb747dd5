//! Answers to requests that only read, given at once: in the thread that asks, without a fiber, a task or a timer.
//!
//! An instance that is called so can do what never waits: read settings, the clock, randomness, and records that the store has
//! at hand. At anything else it ends, as it does when it computes for longer than others should wait, and the request is
//! answered by another instance in the ordinary way. As this one can write nothing, nothing has happened then.

use crate::bindings::http_at_once::HttpPre;
use crate::bindings::vault::wasi::keyvalue::store::Error;
use crate::engine::{Engine, MAX_STACK_BYTES};
use crate::instance::{self, Services, State};
use crate::keyvalue::wasi::{Bucket, answer};
use crate::whole::{self, Whole};
use bytes::Bytes;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use wasmtime::StoreContextMut;
use wasmtime::component::{Component, Linker, Resource, ResourceType};

/// Ticks of the engine after which an instance ends.
const TICKS: u64 = 2;

/// What is cleared of the thread's stack after a call: all that the component had of it, and the host below and above.
const CLEARED_STACK_BYTES: usize = MAX_STACK_BYTES + (32 << 10);

const STORE: &str = "wasi:keyvalue/store@0.2.0-draft2";

/// A component that is ready to answer at once.
#[derive(Clone)]
pub(crate) struct AtOnce(HttpPre<State>);

impl AtOnce {
    /// `None` if the component takes no whole requests.
    pub fn new(engine: &Engine, component: &Component) -> wasmtime::Result<Option<Self>> {
        let mut linker = Linker::new(engine.inner());
        link(&mut linker)?;
        linker.define_unknown_imports_as_traps(component)?;
        Ok(HttpPre::new(linker.instantiate_pre(component)?).ok().map(Self))
    }

    /// `None` if it can't be told at once, or the component failed.
    pub fn answer(
        &self,
        engine: &Engine,
        services: &Services,
        request: &http::Request<Bytes>,
    ) -> Option<http::Response<Bytes>> {
        if !services.store.reads_at_once() {
            return None;
        }
        let _place = engine.try_place()?;
        let answer = self.call(engine, services, request);
        clear_stack();
        answer.ok()
    }

    #[inline(never)]
    fn call(
        &self,
        engine: &Engine,
        services: &Services,
        request: &http::Request<Bytes>,
    ) -> wasmtime::Result<http::Response<Bytes>> {
        let Whole { method, path_with_query, headers, body } = Whole::of(request)?;
        let mut store = instance::store(engine, services);
        store.set_epoch_deadline(TICKS);
        let http = self.0.instantiate(&mut store)?;
        let answer = http.strongroom_vault_http().call_respond(&mut store, method, path_with_query, &headers, body)?;
        whole::response(answer.status, answer.headers, answer.body)
    }
}

/// Overwrites what calls have left on this thread's stack: below the frame of whoever calls this.
#[inline(never)]
fn clear_stack() {
    let mut stack = [0_u8; CLEARED_STACK_BYTES];
    std::hint::black_box(&mut stack);
}

/// Links what never waits, and of the store the reads.
fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    instance::link_what_is_at_hand(linker)?;
    // The other one only names it.
    for interface in [STORE, "wasi:keyvalue/atomics@0.2.0-draft2"] {
        linker.instance(interface)?.resource("bucket", ResourceType::host::<Bucket>(), |mut context, bucket| {
            context.data_mut().table.delete(Resource::<Bucket>::new_own(bucket))?;
            Ok(())
        })?;
    }
    let mut store = linker.instance(STORE)?;
    store.func_wrap("open", |mut context: StoreContextMut<'_, State>, (name,): (String,)| {
        let state = context.data_mut();
        let opened = at_once(state.services.store.open(&name))?;
        Ok((match answer(opened)? {
            Ok(()) => Ok(state.table.push(Bucket::new(name))?),
            Err(error) => Err(error),
        },))
    })?;
    let get = |context: StoreContextMut<'_, State>, (bucket, key): (Resource<Bucket>, String)| {
        let state = context.data();
        let bucket = state.bucket(&bucket)?;
        let at_hand = state.services.store.at_hand(&bucket, &key).ok_or_else(not_at_hand)?;
        let found: Result<Option<Vec<u8>>, Error> = answer(at_hand)?;
        Ok((found,))
    };
    store.func_wrap("[method]bucket.get", get)
}

/// What a future has to say without waiting.
fn at_once<T>(future: impl Future<Output = T>) -> wasmtime::Result<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Ok(value),
        Poll::Pending => Err(not_at_hand()),
    }
}

fn not_at_hand() -> wasmtime::Error {
    wasmtime::format_err!("the store does not have it at hand")
}
