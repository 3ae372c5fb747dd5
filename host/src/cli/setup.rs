//! What every command begins with: the state directory, the store, the component.

use super::Common;
use super::rollback::OnRollback;
use anyhow::{Context, ensure};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};
use strongroom::error::Code;
use strongroom::http::status;
use strongroom_host::bindings::vault::Vault;
use strongroom_host::bindings::vault::exports::strongroom::vault::types::{Error as VaultError, ErrorCode};
use strongroom_host::keyvalue::{Cached, VaultStore};
use strongroom_host::{Component, Engine, Instance, Result, Services, StateConfig, StateDir, SystemClock};

/// The component that was built with this program; empty if there was none.
static EMBEDDED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/strongroom.wasm"));

/// What is kept of a store across a network: the indexes of some 10^5 credentials.
pub const DEFAULT_CACHE_BYTES: usize = 64 << 20;

/// How long the first start of another instance may take until the root is there.
const FIRST_START_PATIENCE: Duration = Duration::from_secs(5);

/// Whether a command begins a vault where there is none.
#[derive(Clone, Copy)]
pub enum Begin {
    /// It would be a typing error.
    No,
    /// In an empty or missing directory.
    IfNew,
    /// Also where the store was lost.
    OverLoss,
}

/// An opened vault.
pub struct Setup {
    pub state: StateDir,
    pub config: Arc<StateConfig>,
    pub store: Arc<dyn VaultStore>,
    pub component: Component,
    pub services: Services,
    pub on_rollback: OnRollback,
    /// How many were noticed.
    pub rollbacks: Arc<AtomicU64>,
}

impl Common {
    /// Opens a vault that was begun.
    pub async fn open(&self) -> Result<Setup> {
        self.open_or(Begin::No, false).await
    }

    /// Opens everything, and looks whether the store is older than it was, unless it begins over a loss. Nothing is made if
    /// the component is missing. `whole` has the structure of the store's file checked first.
    pub async fn open_or(&self, begin: Begin, whole: bool) -> Result<Setup> {
        let wasm = self.wasm()?;
        let on_rollback = OnRollback::of_environment()?;
        let (path, sources) = (self.place.state_dir()?, self.place.sources()?);
        let state = match begin {
            Begin::No => StateDir::open(&path, &sources),
            Begin::IfNew => StateDir::open_or_begin(&path, &sources),
            Begin::OverLoss => StateDir::open_over_loss(&path, &sources),
        }?;
        let config = Arc::new(state.config(&self.project)?);
        let store = state.open_store(whole).await?;
        let engine = Engine::new(Some(&state.cache_path()))?;
        let component = Component::load(&engine, &wasm)?;
        let services = Services { store: store.clone(), config: config.clone(), clock: Arc::new(SystemClock) };
        let setup = Setup { state, config, store, component, services, on_rollback, rollbacks: Arc::default() };
        if !matches!(begin, Begin::OverLoss) {
            setup.look_back().await?;
        }
        Ok(setup)
    }

    fn wasm(&self) -> Result<std::borrow::Cow<'static, [u8]>> {
        match &self.component {
            Some(path) => {
                let wasm = std::fs::read(path);
                Ok(wasm.with_context(|| format!("the component {} cannot be read", path.display()))?.into())
            }
            None => {
                ensure!(
                    !EMBEDDED.is_empty(),
                    "there is no component in this program: build it with `cargo xtask build`, or name one with --component"
                );
                Ok(EMBEDDED.into())
            }
        }
    }
}

impl Setup {
    /// Keeps so many bytes of what never changes, where the store is across a network.
    pub fn cache(&mut self, bytes: usize) {
        if self.state.is_store_remote() && bytes > 0 {
            self.store = Arc::new(Cached::new(self.store.clone(), bytes));
            self.services.store = self.store.clone();
        }
    }

    /// A fresh instance.
    pub async fn instance(&self) -> Result<Instance<Vault>> {
        self.component.vault(&self.services).await
    }

    /// Prepares the store for the project if it is new, and makes sure that the master key is the right one.
    pub async fn prepare(&mut self) -> Result<()> {
        let start = Instant::now();
        loop {
            let mut instance = self.instance().await?;
            let maintenance = instance.exports.strongroom_vault_maintenance();
            match answer(maintenance.call_init(instance.store.call(), false, None).await) {
                Ok(_) => return self.state.remember_store(&*self.store),
                // Another instance that starts for the first time may be writing the root right now.
                Err(Failure::Vault(error))
                    if error.code == ErrorCode::StorageUninitialised
                        && self.state.is_store_remote()
                        && start.elapsed() < FIRST_START_PATIENCE =>
                {
                    tokio::time::sleep(FIRST_START_PATIENCE / 50).await;
                }
                Err(error) => return Err(self.explain(error)),
            }
        }
    }

    /// The id of a credential, if there is such a one.
    pub async fn id_of(&self, id_or_name: &str) -> Option<String> {
        let mut instance = self.instance().await.ok()?;
        let credentials = instance.exports.strongroom_vault_credentials();
        let found = answer(credentials.call_get(instance.store.call(), id_or_name).await);
        found.ok().map(|credential| credential.id)
    }

    /// Says what an error of the component means to whoever runs this program.
    pub fn explain(&self, error: Failure) -> anyhow::Error {
        let VaultError { code, message, .. } = match error {
            Failure::Vault(error) => error,
            Failure::Host(error) => return error,
        };
        match code {
            ErrorCode::KeyMismatch | ErrorCode::KeyUnavailable => {
                let place = self.state.master_key_place();
                anyhow::anyhow!("{place} is not the key that this store was written with: {message}")
            }
            ErrorCode::StorageUninitialised => {
                anyhow::anyhow!(
                    "{message}; if its records are truly lost, `strongroom init --force` starts an empty vault"
                )
            }
            _ => anyhow::anyhow!("{message}"),
        }
    }
}

/// Why a call of the component gave no result.
pub enum Failure {
    /// The component refused.
    Vault(VaultError),
    /// The component broke off.
    Host(anyhow::Error),
}

/// The HTTP status of an error. Both lists of codes are in one order, which a test of the component holds.
pub fn status_of(code: ErrorCode) -> u16 {
    Code::ALL.get(code as usize).map_or(500, |code| status::of(*code))
}

/// Joins the two ways in which a call can fail.
pub fn answer<T>(result: wasmtime::Result<Result<T, VaultError>>) -> Result<T, Failure> {
    match result {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(Failure::Vault(error)),
        Err(error) => Err(Failure::Host(strongroom_host::plain(error).context("the component broke off"))),
    }
}

/// Runs a command that needs no more than one thread.
pub fn block_on<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(future)
}

/// Opens the vault and prepares its store.
pub async fn open_prepared(common: &Common, begin: Begin) -> Result<Setup> {
    let mut setup = common.open_or(begin, false).await?;
    setup.prepare().await?;
    Ok(setup)
}
