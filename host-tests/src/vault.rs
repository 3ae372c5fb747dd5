//! The component in Wasmtime, over a store in memory, with a clock that stands still.

use crate::credentials::{Changes, ListQuery, NewCredential, Page};
use crate::maintenance::{AuditQuery, Commit, Event, Report, Rewrapping, Standing, Sweeping};
use crate::supply::Supplied;
use crate::types::{CodeOptions, Credential, Error, OneTimeCode};
use crate::{FixedClock, MemoryStore, World};
use bytes::Bytes;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use strongroom_host::bindings::{agent, vault};
use strongroom_host::{Component, Config, HandleError, Instance, Services};

/// `strongroom_keys` of a new [`Vault`].
pub const KEYS: &str = "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

/// [`KEYS`] and a newer key, which seals.
pub const ROTATED_KEYS: &str =
    "k2:BAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8 k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

/// The newer key alone.
pub const NEW_KEYS: &str = "k2:BAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

/// A token for project `default` with all scopes.
pub const ADMIN_TOKEN: &str = "sr_admin-token-of-the-tests";

/// What the clock of a new [`Vault`] shows: 2026-11-22T12:00:00Z, the start of a time step.
pub const NOW: u64 = 1_795_348_800_000;

/// The result of an export: the outer error is a trap.
pub type Called<T> = wasmtime::Result<Result<T, Error>>;

/// Settings that a test can change at any time.
#[derive(Default)]
pub struct Settings(Mutex<BTreeMap<String, String>>);

impl Settings {
    pub fn set(&self, key: &str, value: &str) {
        self.0.lock().unwrap().insert(key.to_owned(), value.to_owned());
    }

    pub fn unset(&self, key: &str) {
        self.0.lock().unwrap().remove(key);
    }
}

impl Config for Settings {
    fn get(&self, key: &str) -> Result<Option<String>, String> {
        Ok(self.0.lock().unwrap().get(key).cloned())
    }
}

/// A vault: the component with all it is given. Every call has a fresh instance.
///
/// The typed calls fail the test when the component traps; [`call`](Self::call) hands out the trap.
pub struct Vault {
    pub store: Arc<MemoryStore>,
    pub clock: Arc<FixedClock>,
    pub settings: Arc<Settings>,
    component: Component,
    services: Services,
    runtime: tokio::runtime::Runtime,
}

impl Vault {
    /// An empty vault.
    pub fn new(world: World) -> Self {
        Self::on(world, Arc::new(MemoryStore::new()))
    }

    /// A vault over a store that may hold something already.
    pub fn on(world: World, store: Arc<MemoryStore>) -> Self {
        let clock = Arc::new(FixedClock::new(NOW));
        let settings = Arc::new(Settings::default());
        settings.set("strongroom_keys", KEYS);
        let hash = strongroom_host::token::hash(ADMIN_TOKEN);
        settings.set("strongroom_tokens", &format!("admin:default:read+totp+write+supply+admin:{hash}"));
        let services = Services { store: store.clone(), config: settings.clone(), clock: clock.clone() };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        Self { store, clock, settings, component: world.component(), services, runtime }
    }

    /// Runs a call of any export on a fresh instance, for instance
    /// `vault.call(async |i| i.exports.strongroom_vault_maintenance().call_verify(i.store.call()).await)`.
    pub fn call<T>(&self, call: impl AsyncFnOnce(&mut Instance<vault::Vault>) -> T) -> T {
        self.runtime.block_on(async {
            let mut instance = self.component.vault(&self.services).await.unwrap();
            call(&mut instance).await
        })
    }

    /// Like [`call`](Self::call), for a component of the world `agent` too.
    pub fn call_agent<T>(&self, call: impl AsyncFnOnce(&mut Instance<agent::Agent>) -> T) -> T {
        self.runtime.block_on(async {
            let mut instance = self.component.agent(&self.services).await.unwrap();
            call(&mut instance).await
        })
    }

    /// JSON in, JSON out; works in every world.
    pub fn manage(&self, request: &str) -> Result<String, String> {
        let answer = self.call_agent(async |instance| {
            instance.exports.strongroom_vault_manage().call_manage(instance.store.call(), request).await
        });
        answer.expect("the component trapped")
    }

    /// [`manage`](Self::manage) with parsed JSON.
    pub fn manage_json(&self, request: &Value) -> Result<Value, Value> {
        let parse = |json: String| serde_json::from_str(&json).expect("the answer is JSON");
        self.manage(&request.to_string()).map(parse).map_err(parse)
    }

    /// Hands an HTTP request to the component.
    pub fn http(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, HandleError> {
        self.runtime.block_on(self.component.handle(&self.services, request))
    }

    pub fn list(&self, query: ListQuery) -> Result<Page, Error> {
        self.typed(async |i| i.exports.strongroom_vault_credentials().call_list(i.store.call(), &query).await)
    }

    pub fn get(&self, id_or_name: &str) -> Result<Credential, Error> {
        self.typed(async |i| i.exports.strongroom_vault_credentials().call_get(i.store.call(), id_or_name).await)
    }

    pub fn totp_code(&self, id_or_name: &str, options: Option<CodeOptions>) -> Result<OneTimeCode, Error> {
        self.typed(async |i| {
            i.exports.strongroom_vault_credentials().call_totp_code(i.store.call(), id_or_name, options).await
        })
    }

    pub fn create(&self, credential: &NewCredential) -> Result<Credential, Error> {
        self.typed(async |i| i.exports.strongroom_vault_credentials().call_create(i.store.call(), credential).await)
    }

    pub fn put(&self, credential: &NewCredential, expected_version: Option<u64>) -> Result<Credential, Error> {
        self.typed(async |i| {
            i.exports.strongroom_vault_credentials().call_put(i.store.call(), credential, expected_version).await
        })
    }

    pub fn update(&self, id_or_name: &str, changes: &Changes) -> Result<Credential, Error> {
        self.typed(async |i| {
            i.exports.strongroom_vault_credentials().call_update(i.store.call(), id_or_name, changes).await
        })
    }

    pub fn delete(&self, id_or_name: &str, expected_version: Option<u64>) -> Result<String, Error> {
        self.typed(async |i| {
            i.exports.strongroom_vault_credentials().call_delete(i.store.call(), id_or_name, expected_version).await
        })
    }

    pub fn supply(&self, id_or_name: &str, origin: &str, options: Option<CodeOptions>) -> Result<Supplied, Error> {
        self.typed(async |i| {
            i.exports.strongroom_vault_supply().call_supply(i.store.call(), id_or_name, origin, options).await
        })
    }

    pub fn init(&self, force: bool, node_bytes: Option<u32>) -> Result<bool, Error> {
        self.typed(async |i| {
            i.exports.strongroom_vault_maintenance().call_init(i.store.call(), force, node_bytes).await
        })
    }

    pub fn versions(&self, id_or_name: &str) -> Result<Vec<Credential>, Error> {
        self.typed(async |i| i.exports.strongroom_vault_history().call_versions(i.store.call(), id_or_name).await)
    }

    pub fn restore(&self, id_or_name: &str, version: Option<u64>) -> Result<Credential, Error> {
        self.typed(async |i| {
            i.exports.strongroom_vault_history().call_restore(i.store.call(), id_or_name, version, None).await
        })
    }

    pub fn purge(&self, id_or_name: &str) -> Result<String, Error> {
        self.typed(async |i| {
            i.exports.strongroom_vault_maintenance().call_purge(i.store.call(), id_or_name, None).await
        })
    }

    /// The newest commit, and how the store stands to one that was seen before.
    pub fn progress(&self, seen: Option<Commit>) -> Result<(Option<Commit>, Standing), Error> {
        self.typed(async |i| i.exports.strongroom_vault_maintenance().call_progress(i.store.call(), seen).await)
    }

    /// When exclusive codes are to be had again.
    pub fn reset_exclusive(&self, id_or_name: &str) -> Result<u64, Error> {
        self.typed(async |i| {
            i.exports.strongroom_vault_maintenance().call_reset_exclusive(i.store.call(), id_or_name).await
        })
    }

    /// All events, newest first.
    pub fn audit(&self) -> Result<Vec<Event>, Error> {
        let mut query =
            AuditQuery { credential: None, token: None, since: None, until: None, limit: Some(100), cursor: None };
        let mut events = Vec::new();
        loop {
            let page = self
                .typed(async |i| i.exports.strongroom_vault_maintenance().call_audit(i.store.call(), &query).await)?;
            events.extend(page.events);
            query.cursor = page.next;
            if query.cursor.is_none() {
                return Ok(events);
            }
        }
    }

    /// All steps of a verification.
    pub fn verify(&self) -> Result<Report, Error> {
        let mut next = None;
        loop {
            let step = self.typed(async |i| {
                i.allow_maintenance();
                i.exports.strongroom_vault_maintenance().call_verify(i.store.call(), next.as_deref()).await
            })?;
            if step.next.is_none() {
                return Ok(step.report);
            }
            next = step.next;
        }
    }

    /// All steps of a sweep.
    pub fn sweep(&self) -> Result<Sweeping, Error> {
        let mut next = None;
        loop {
            let step = self.typed(async |i| {
                i.allow_maintenance();
                i.exports.strongroom_vault_maintenance().call_sweep(i.store.call(), next.as_deref()).await
            })?;
            if step.next.is_none() {
                return Ok(step);
            }
            next = step.next;
        }
    }

    /// All steps of a rewrap.
    pub fn rewrap(&self) -> Result<Rewrapping, Error> {
        let mut next = None;
        loop {
            let step = self.typed(async |i| {
                i.allow_maintenance();
                i.exports.strongroom_vault_maintenance().call_rewrap(i.store.call(), next.as_deref()).await
            })?;
            if step.next.is_none() {
                return Ok(step);
            }
            next = step.next;
        }
    }

    /// How much is sealed by a key.
    pub fn sealed_by(&self, id: &str) -> Result<u64, Error> {
        let keys = self.verify()?.keys;
        Ok(keys.iter().find(|key| key.id == id).map_or(0, |key| key.sealed))
    }

    fn typed<T>(&self, call: impl AsyncFnOnce(&mut Instance<vault::Vault>) -> Called<T>) -> Result<T, Error> {
        self.call(call).expect("the component trapped")
    }
}

/// A credential with these values and nothing else.
pub fn new_credential(name: &str, domain: &str, values: &[(&str, &str)]) -> NewCredential {
    NewCredential {
        name: name.into(),
        domain: domain.into(),
        additional_domains: Vec::new(),
        description: None,
        metadata: Vec::new(),
        archived: false,
        values: values.iter().map(|(field, value)| (field.to_string(), value.to_string())).collect(),
        sso_provider: None,
        totp_secret: None,
        totp_algorithm: None,
        totp_digits: None,
        totp_period: None,
    }
}

/// An update that asks for nothing; fill in what it shall change.
pub fn no_changes() -> Changes {
    Changes {
        name: None,
        domain: None,
        additional_domains: None,
        description: None,
        metadata: None,
        archived: None,
        values: None,
        remove_value_keys: None,
        sso_provider: None,
        totp_secret: None,
        totp_algorithm: None,
        totp_digits: None,
        totp_period: None,
        expected_version: None,
    }
}

/// All credentials, on pages of the default size.
pub fn everything() -> ListQuery {
    ListQuery { domain: None, query: None, origin: None, archived: false, deleted: false, limit: None, offset: None }
}
