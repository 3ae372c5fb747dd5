//! What one instance of the component can reach: its services, and nothing else.

use crate::bindings::vault::wasi::{clocks::wall_clock, config::store as config, keyvalue, random::random};
use crate::call::CALL_TIME_LIMIT;
use crate::clock::Clock;
use crate::config::{Config, Replaced};
use crate::engine::{Engine, MAX_MEMORY_BYTES};
use crate::keyvalue::held::Held;
use crate::keyvalue::{KeyValue, Turn};
use std::future::Future;
use std::sync::Arc;
use std::time::Instant;
use wasmtime::component::{HasSelf, Linker, ResourceTable};
use wasmtime::{ResourceLimiter, Store};
use wasmtime_wasi_http::p2::bindings::http::types as http_types;
use wasmtime_wasi_http::{WasiBody, WasiHttp, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView};
use wasmtime_wasi_io::IoView;

/// Most random bytes the component can ask for at once.
const MAX_RANDOM_BYTES: u64 = 64 << 10;

/// Elements a table of the component can grow to; it has some hundred functions in one, and grows none.
const MAX_TABLE_ELEMENTS: usize = 10_000;

/// Handles the component can hold at once: buckets, compare-and-swap handles, the parts of one request and answer.
const MAX_HANDLES: usize = 1000;

/// Core instances and tables of one component: its own module and what glues it to its imports.
const MAX_CORE_INSTANCES: usize = 4;

/// Bytes of header fields, in one request or answer, that the component can hold; a request has 32 KiB at most.
const MAX_FIELD_BYTES: usize = 64 << 10;

/// Bytes the component can hand over in one call of the host, which then has them too. A record has 256 KiB, an answer
/// some MiB at most.
const MAX_HOST_CALL_BYTES: usize = 16 << 20;

/// What an instance is given to work with.
#[derive(Clone)]
pub struct Services {
    /// The key-value store behind `wasi:keyvalue`.
    pub store: Arc<dyn KeyValue>,
    /// The settings behind `wasi:config`.
    pub config: Arc<dyn Config>,
    /// The clock behind `wasi:clocks/wall-clock`.
    pub clock: Arc<dyn Clock>,
}

impl Services {
    /// The same, with other values of some settings.
    pub fn with_settings<const N: usize>(&self, values: [(&'static str, String); N]) -> Self {
        Self { config: Arc::new(Replaced { values, others: self.config.clone() }), ..self.clone() }
    }
}

/// The host's side of one instance.
pub struct State {
    pub(crate) services: Services,
    pub(crate) table: ResourceTable,
    pub(crate) memory: MemoryLimit,
    /// When the running call is ended.
    pub(crate) deadline: Instant,
    /// Held from the first compare-and-swap handle of a call to its end.
    pub(crate) turn: Option<Turn>,
    /// Changes that wait for a swap.
    pub(crate) held: Held,
    http: WasiHttpCtx,
    hooks: Hooks,
}

impl State {
    pub(crate) fn new(services: Services) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_HANDLES);
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(MAX_FIELD_BYTES);
        Self {
            services,
            table,
            memory: MemoryLimit { max_bytes: MAX_MEMORY_BYTES, bytes: 0 },
            deadline: Instant::now() + CALL_TIME_LIMIT,
            turn: None,
            held: Held::default(),
            http,
            hooks: Hooks,
        }
    }
}

/// Bounds an instance's linear memory, and remembers its size.
pub(crate) struct MemoryLimit {
    pub max_bytes: usize,
    bytes: usize,
}

impl MemoryLimit {
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let allowed = desired <= self.max_bytes;
        if allowed {
            self.bytes = desired;
        }
        Ok(allowed)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= MAX_TABLE_ELEMENTS)
    }

    fn instances(&self) -> usize {
        MAX_CORE_INSTANCES
    }

    fn tables(&self) -> usize {
        MAX_CORE_INSTANCES
    }

    fn memories(&self) -> usize {
        1
    }
}

/// The memory of a new instance, with its limits.
pub(crate) fn store(engine: &Engine, services: &Services) -> Store<State> {
    let mut store = Store::new(engine.inner(), State::new(services.clone()));
    store.limiter(|state| &mut state.memory);
    store.set_hostcall_fuel(MAX_HOST_CALL_BYTES);
    store.set_max_component_handles(MAX_HANDLES);
    store
}

/// Links the imports of the component, all of them and no other.
pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    keyvalue::store::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    keyvalue::atomics::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    link_what_is_at_hand(linker)?;
    wasmtime_wasi_io::add_to_linker_async(linker)?;
    http_types::add_to_linker::<_, WasiHttp>(linker, &http_types::LinkOptions::default(), State::http)
}

/// Links those that never wait.
pub(crate) fn link_what_is_at_hand(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    config::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    wall_clock::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    random::add_to_linker::<_, HasSelf<State>>(linker, |state| state)
}

impl config::Host for State {
    fn get(&mut self, key: String) -> wasmtime::Result<Result<Option<String>, config::Error>> {
        Ok(self.services.config.get(&key).map_err(config::Error::Io))
    }

    /// The component asks for each setting by name; nobody needs them all, keys included.
    fn get_all(&mut self) -> wasmtime::Result<Result<Vec<(String, String)>, config::Error>> {
        Ok(Err(config::Error::Upstream("settings are given by name only".into())))
    }
}

impl wall_clock::Host for State {
    fn now(&mut self) -> wasmtime::Result<wall_clock::Datetime> {
        let now = self.services.clock.now();
        Ok(wall_clock::Datetime { seconds: now.as_secs(), nanoseconds: now.subsec_nanos() })
    }

    fn resolution(&mut self) -> wasmtime::Result<wall_clock::Datetime> {
        Ok(wall_clock::Datetime { seconds: 0, nanoseconds: 1 })
    }
}

impl random::Host for State {
    fn get_random_bytes(&mut self, length: u64) -> wasmtime::Result<Vec<u8>> {
        wasmtime::ensure!(length <= MAX_RANDOM_BYTES, "at most {MAX_RANDOM_BYTES} random bytes at once");
        let mut bytes = vec![0; length as usize];
        getrandom::fill(&mut bytes).map_err(|error| wasmtime::format_err!("no random numbers: {error}"))?;
        Ok(bytes)
    }

    fn get_random_u64(&mut self) -> wasmtime::Result<u64> {
        getrandom::u64().map_err(|error| wasmtime::format_err!("no random numbers: {error}"))
    }
}

impl IoView for State {
    fn table(&mut self) -> &mut ResourceTable {
        &mut self.table
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { hooks: &mut self.hooks, table: &mut self.table, ctx: &mut self.http }
    }
}

/// How `wasi:http` behaves here: requests come in, none go out.
struct Hooks;

type Sent = Result<(http::Response<WasiBody>, Transfer), wasmtime_wasi_http::Error>;
type Transfer = Box<dyn Future<Output = Result<(), wasmtime_wasi_http::Error>> + Send>;

impl WasiHttpHooks for Hooks {
    fn send_request(
        &mut self,
        _request: http::Request<WasiBody>,
        _options: Option<wasmtime_wasi_http::RequestOptions>,
        _done: Transfer,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        Box::new(std::future::ready(Err(wasmtime_wasi_http::Error::HttpRequestDenied)))
    }

    /// A whole answer fits, so a component that writes its body before it hands out the response never waits.
    fn p2_outgoing_body_buffer_chunks(&mut self) -> usize {
        1024
    }
}
