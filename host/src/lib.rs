//! Runs the Strongroom component on Wasmtime over a durable SQLite store.
//!
//! ```no_run
//! use std::{collections::BTreeMap, path::Path, sync::Arc};
//! use strongroom_host::{Component, Engine, Services, SqliteStore, SystemClock};
//!
//! # async fn example() -> strongroom_host::Result<()> {
//! let wasm = std::fs::read("strongroom.wasm")?;
//! let component = Component::load(&Engine::new(None)?, &wasm)?;
//! let services = Services {
//!     store: Arc::new(SqliteStore::open(Path::new("."))?),
//!     config: Arc::new(BTreeMap::from([("strongroom_keys".to_owned(), std::fs::read_to_string("master.key")?)])),
//!     clock: Arc::new(SystemClock),
//! };
//! let mut agent = component.agent(&services).await?;
//! let request = r#"{"action":"list"}"#;
//! let answer = agent.exports.strongroom_vault_manage().call_manage(agent.store.call(), request).await;
//! println!("{answer:?}");
//! # Ok(())
//! # }
//! ```

pub mod access_log;
mod at_once;
pub mod backup;
pub mod bindings;
mod boundary;
mod call;
mod clock;
mod component;
mod config;
mod engine;
pub mod fill;
mod instance;
pub mod keyvalue;
mod report;
pub mod serve;
pub mod shell;
pub mod state;
#[cfg(test)]
mod testing;
pub mod token;
mod whole;

pub use boundary::Boundary;
pub use call::{CALL_TIME_LIMIT, Call, Instance, InstanceStore, MAINTENANCE_TIME_LIMIT};
pub use clock::{Clock, SystemClock};
pub use component::{Component, HandleError};
pub use config::{Config, Replaced};
pub use engine::{Engine, MAX_INSTANCES, MAX_MAINTENANCE_MEMORY_BYTES, MAX_MEMORY_BYTES, open_page_map};
pub use instance::{Services, State};
pub use keyvalue::{KeyValue, SqliteStore};
pub use state::{StateConfig, StateDir};

pub type Result<T, E = anyhow::Error> = std::result::Result<T, E>;

/// Wasmtime's errors as ours: its text, without its back-trace.
pub fn plain(error: wasmtime::Error) -> anyhow::Error {
    anyhow::anyhow!("{error:#}")
}
