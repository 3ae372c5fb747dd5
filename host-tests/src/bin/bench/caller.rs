//! The component over some store, called without a network.

use std::sync::Arc;
use std::time::{Duration, Instant};
use strongroom_host::bindings::vault::Vault;
use strongroom_host::keyvalue::KeyValue;
use strongroom_host::{Component, Config, Instance, Services, SystemClock};
use strongroom_host_tests::credentials::ListQuery;
use strongroom_host_tests::types::Error;
use strongroom_host_tests::{ADMIN_TOKEN, KEYS, everything, sample};

/// Every call has a fresh instance, as in the server.
pub struct Caller {
    pub component: Component,
    pub services: Services,
    pub runtime: tokio::runtime::Runtime,
}

/// The settings of a vault for tests.
struct Keys;

impl Config for Keys {
    fn get(&self, key: &str) -> Result<Option<String>, String> {
        Ok(match key {
            "strongroom_keys" => Some(KEYS.to_owned()),
            "strongroom_tokens" => {
                Some(format!("admin:default:read+totp:{}", strongroom_host::token::hash(ADMIN_TOKEN)))
            }
            _ => None,
        })
    }
}

impl Caller {
    pub fn new(component: &Component, store: Arc<dyn KeyValue>) -> Self {
        let services = Services { store, config: Arc::new(Keys), clock: Arc::new(SystemClock) };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        Self { component: component.clone(), services, runtime }
    }

    /// Runs a call that must succeed, and returns how long it took with its instance.
    pub fn time<T>(
        &self,
        call: impl AsyncFnOnce(&mut Instance<Vault>) -> wasmtime::Result<Result<T, Error>>,
    ) -> Duration {
        let start = Instant::now();
        self.runtime.block_on(async {
            let mut instance = self.component.vault(&self.services).await.unwrap();
            call(&mut instance).await.unwrap().unwrap();
        });
        start.elapsed()
    }

    /// Runs the steps of a walk over the whole store, and returns how much linear memory the largest took.
    pub fn maintain(
        &self,
        mut step: impl AsyncFnMut(&mut Instance<Vault>, Option<String>) -> wasmtime::Result<Result<Option<String>, Error>>,
    ) -> usize {
        self.runtime.block_on(async {
            let (mut next, mut most) = (None, 0);
            loop {
                let mut instance = self.component.vault(&self.services).await.unwrap();
                instance.allow_maintenance();
                next = step(&mut instance, next).await.unwrap().unwrap();
                most = most.max(instance.store.memory_bytes());
                if next.is_none() {
                    return most;
                }
            }
        })
    }

    /// A call that is refused before it looks at anything.
    pub fn nothing(&self) -> Duration {
        let start = Instant::now();
        self.runtime.block_on(async {
            let mut instance = self.component.vault(&self.services).await.unwrap();
            instance
                .exports
                .strongroom_vault_manage()
                .call_manage(instance.store.call(), "{}")
                .await
                .unwrap()
                .unwrap_err();
        });
        start.elapsed()
    }

    pub fn id(&self, name: &str) -> String {
        self.runtime.block_on(async {
            let mut instance = self.component.vault(&self.services).await.unwrap();
            let credentials = instance.exports.strongroom_vault_credentials();
            credentials.call_get(instance.store.call(), name).await.unwrap().unwrap().id
        })
    }

    pub fn by_origin(&self, origin: &str) -> Duration {
        let query = ListQuery { origin: Some(origin.into()), limit: Some(20), ..everything() };
        self.time(async |i| i.exports.strongroom_vault_credentials().call_list(i.store.call(), &query).await)
    }

    pub fn get(&self, name: &str) -> Duration {
        self.time(async |i| i.exports.strongroom_vault_credentials().call_get(i.store.call(), name).await)
    }

    pub fn code(&self, name: &str) -> Duration {
        self.time(async |i| i.exports.strongroom_vault_credentials().call_totp_code(i.store.call(), name, None).await)
    }

    pub fn list(&self, domain: Option<&str>, query: Option<&str>, limit: u32, offset: u64) -> Duration {
        let query = ListQuery {
            domain: domain.map(Into::into),
            query: query.map(Into::into),
            limit: Some(limit),
            offset: Some(offset as u32),
            ..everything()
        };
        self.time(async |i| i.exports.strongroom_vault_credentials().call_list(i.store.call(), &query).await)
    }

    pub fn create(&self, n: u64) -> Duration {
        let new = sample(n);
        self.time(async |i| i.exports.strongroom_vault_credentials().call_create(i.store.call(), &new).await)
    }
}
