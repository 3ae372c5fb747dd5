//! The server of the program, with any component: the floor of what it can do.

use mimalloc::MiMalloc;
use std::path::Path;
use std::sync::Arc;
use strongroom_host::serve::{Options, Server};
use strongroom_host::state::Sources;
use strongroom_host::{Component, Engine, Services, StateDir, SystemClock};
use zeroizing_alloc::ZeroAlloc;

/// The program's own.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<MiMalloc> = ZeroAlloc(MiMalloc);

/// Serves a component on a state directory that `strongroom serve` has begun, until it is killed.
pub fn run(component: &str, state: &str) {
    strongroom_host::open_page_map();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let state = StateDir::open(Path::new(state), &Sources::default()).unwrap();
        let config = Arc::new(state.config("default").unwrap());
        let store = state.open_store(false).await.unwrap();
        let component = Component::load(&Engine::new(None).unwrap(), &std::fs::read(component).unwrap()).unwrap();
        let services = Services { store, config: config.clone(), clock: Arc::new(SystemClock) };
        let server = Server::new(component, services, config, Options::default()).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("Strongroom listens on http://{}", listener.local_addr().unwrap());
        server.run(listener, std::future::pending()).await;
    });
}
