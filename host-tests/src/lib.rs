//! What the tests share: the built component in Wasmtime over a store in memory ([`Vault`]), and the `strongroom`
//! program with its HTTP server ([`Program`], [`Server`]). Both must be built before: `cargo xtask test` does so.

pub mod adapter;
mod browser;
mod client;
pub mod clients;
mod clock;
mod contents;
mod dice;
mod directory;
pub mod engines;
pub mod history;
#[cfg(target_os = "linux")]
mod inside;
mod mcp;
pub mod measuring;
mod native;
mod program;
mod provider;
pub mod remains;
mod skip;
mod stop;
mod store;
pub mod stranger;
mod vault;
mod world;

pub use browser::{Chromium, LoginSite};
pub use client::{Answer, Client};
pub use clock::FixedClock;
pub use dice::Dice;
pub use directory::TempDir;
#[cfg(target_os = "linux")]
pub use inside::Inside;
pub use mcp::mcp_session;
pub use native::{Native, SAMPLE_DOMAIN, Shape, sample};
#[cfg(target_os = "linux")]
pub use program::spawn_seen;
pub use program::{Output, Program, Server};
pub use provider::Directory;
pub use stop::Stop;
pub use store::{Behaviour, Counts, Kind, MemoryStore, Operation};
pub use vault::{
    ADMIN_TOKEN, Called, KEYS, NEW_KEYS, NOW, ROTATED_KEYS, Settings, Vault, everything, new_credential, no_changes,
};
pub use world::World;

pub use strongroom_host::bindings::vault::exports::strongroom::vault::{credentials, maintenance, supply, types};
pub use strongroom_host::keyvalue::StoreError;

/// Runs a future on this thread.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}
