//! The vault of a session that may begin before there is one: a client that starts this program itself shows nobody why it
//! ended, so the session goes on, its calls say what is missing, and the first one after that was seen to succeeds.

use super::Common;
use super::rollback;
use super::setup::{DEFAULT_CACHE_BYTES, Setup};
use std::time::Instant;
use strongroom::access::Grant;
use strongroom::settings;
use strongroom_host::Result;
use tokio::sync::{Mutex, OnceCell};

pub struct Session {
    common: Common,
    caller: String,
    setup: OnceCell<Setup>,
    /// When it was last seen that the store is no older than it was.
    looked_back: Mutex<Option<Instant>>,
}

impl Session {
    /// What a session may do is told to the component, which holds every call to it.
    pub fn new(common: Common, caller: &Grant) -> Self {
        Self { common, caller: caller.to_string(), setup: OnceCell::new(), looked_back: Mutex::default() }
    }

    /// The vault, opened unless that was done. An error, too, while its store is refused because it is older than it was.
    pub async fn setup(&self) -> Result<&Setup> {
        let open = async || {
            let mut setup = self.common.open().await?;
            setup.prepare().await?;
            setup.cache(DEFAULT_CACHE_BYTES);
            setup.services = setup.services.with_settings([(settings::CALLER, self.caller.clone())]);
            Ok::<_, anyhow::Error>(setup)
        };
        let setup = self.setup.get_or_try_init(open).await?;
        let mut looked_back = self.looked_back.lock().await;
        if looked_back.is_none_or(|at| at.elapsed() >= rollback::INTERVAL) {
            *looked_back = None;
            setup.look_back().await?;
            *looked_back = Some(Instant::now());
        }
        Ok(setup)
    }

    /// Remembers what was written.
    pub async fn end(&self) {
        if let Some(setup) = self.setup.get() {
            // If it can't be told now the next one says so.
            let _ = setup.look_back().await;
        }
    }
}
