//! A compiled component, linked to the host, ready to be instantiated: once per call, so that one caller's plaintext
//! never lies in the memory that serves another.

use crate::at_once::AtOnce;
use crate::bindings::agent::{Agent, AgentPre};
use crate::bindings::http::HttpPre;
use crate::bindings::vault::{Vault, VaultPre};
use crate::call::{CALL_TIME_LIMIT, Instance, InstanceStore};
use crate::engine::Engine;
use crate::instance::{self, Services, State};
use crate::whole::{self, Whole};
use crate::{Result, plain};
use anyhow::Context;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use wasmtime::Trap;
use wasmtime::component::{InstancePre, Linker};
use wasmtime_wasi_http::WasiHttpView;
use wasmtime_wasi_http::p2::bindings::ProxyPre;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;

/// A component of one of the worlds `agent`, `vault` and `edge`.
#[derive(Clone)]
pub struct Component {
    engine: Engine,
    agent: AgentPre<State>,
    vault: Option<VaultPre<State>>,
    /// The requests' way in, if it has it: whole.
    http: Option<HttpPre<State>>,
    at_once: Option<AtOnce>,
    /// The way in that every edge has: in streams.
    proxy: Option<ProxyPre<State>>,
}

/// Why an HTTP request got no answer from the component.
#[derive(Debug, thiserror::Error)]
pub enum HandleError {
    /// The time limit ended it; what it was doing happened wholly or not at all.
    #[error("the time limit of {} s was reached", CALL_TIME_LIMIT.as_secs())]
    TimedOut,
    /// It broke off, or ended without an answer.
    #[error("{0:#}")]
    Failed(wasmtime::Error),
}

impl Component {
    /// Compiles and links a component; quick if the engine has it in its cache.
    pub fn load(engine: &Engine, wasm: &[u8]) -> Result<Self> {
        let component = wasmtime::component::Component::from_binary(engine.inner(), wasm)
            .map_err(plain)
            .context("this is not a WebAssembly component")?;
        let mut linker = Linker::new(engine.inner());
        instance::link(&mut linker).map_err(plain)?;
        let pre: InstancePre<State> = linker
            .instantiate_pre(&component)
            .map_err(plain)
            .context("the component needs something that this host does not offer")?;
        let agent = AgentPre::new(pre.clone()).map_err(plain).context("the component is not a Strongroom")?;
        Ok(Self {
            engine: engine.clone(),
            agent,
            vault: VaultPre::new(pre.clone()).ok(),
            http: HttpPre::new(pre.clone()).ok(),
            at_once: AtOnce::new(engine, &component).map_err(plain)?,
            proxy: ProxyPre::new(pre).ok(),
        })
    }

    /// Whether it has the HTTP endpoints.
    pub fn has_http(&self) -> bool {
        self.http.is_some() || self.proxy.is_some()
    }

    /// A fresh instance, for what every world exports. Waits while there are [`MAX_INSTANCES`](crate::MAX_INSTANCES).
    pub async fn agent(&self, services: &Services) -> Result<Instance<Agent>> {
        let mut store = self.store(services).await.map_err(plain)?;
        let exports = self.agent.instantiate_async(&mut store.inner).await.map_err(plain)?;
        Ok(Instance { store, exports })
    }

    /// A fresh instance, for what the worlds `vault` and `edge` export. Fails on one of the world `agent`. Waits while
    /// there are [`MAX_INSTANCES`](crate::MAX_INSTANCES).
    pub async fn vault(&self, services: &Services) -> Result<Instance<Vault>> {
        let vault = self.vault.as_ref().context("the component has no supply and maintenance interfaces")?;
        let mut store = self.store(services).await.map_err(plain)?;
        let exports = vault.instantiate_async(&mut store.inner).await.map_err(plain)?;
        Ok(Instance { store, exports })
    }

    /// Has a fresh instance answer an HTTP request. It must name its authority, in the URI or as `host`.
    pub async fn handle(
        &self,
        services: &Services,
        request: http::Request<Bytes>,
    ) -> Result<http::Response<Bytes>, HandleError> {
        match tokio::time::timeout(CALL_TIME_LIMIT, self.handle_untimed(services, request)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) if error.downcast_ref() == Some(&Trap::Interrupt) => Err(HandleError::TimedOut),
            Ok(Err(error)) => Err(HandleError::Failed(error)),
            Err(_) => Err(HandleError::TimedOut),
        }
    }

    async fn handle_untimed(
        &self,
        services: &Services,
        request: http::Request<Bytes>,
    ) -> wasmtime::Result<http::Response<Bytes>> {
        let Some(http) = &self.http else { return self.handle_in_streams(services, request).await };
        let whole = Whole::of(&request)?;
        let mut store = self.store(services).await?;
        let http = http.instantiate_async(&mut store.inner).await?;
        let Whole { method, path_with_query, headers, body } = &whole;
        let answer = http.strongroom_vault_http().call_respond(store.call(), method, path_with_query, headers, body);
        let answer = answer.await?;
        whole::response(answer.status, answer.headers, answer.body)
    }

    async fn handle_in_streams(
        &self,
        services: &Services,
        request: http::Request<Bytes>,
    ) -> wasmtime::Result<http::Response<Bytes>> {
        let proxy = self.proxy.as_ref().ok_or_else(|| wasmtime::format_err!("the component has no HTTP endpoints"))?;
        let mut store = self.store(services).await?;
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let request = request.map(Full::new);
        let request = store.inner.data_mut().http().new_incoming_request(Scheme::Http, request)?;
        let outparam = store.inner.data_mut().http().new_response_outparam(sender)?;
        let run = async move {
            let proxy = proxy.instantiate_async(&mut store.inner).await?;
            proxy.wasi_http_incoming_handler().call_handle(store.call(), request, outparam).await
        };
        // The body is drained while the component runs, so it makes no difference in which order it writes the body
        // and hands out the response.
        let answer = async move {
            let response = receiver.await.map_err(|_| wasmtime::format_err!("the component gave no answer"))?;
            let (parts, body) = response?.into_parts();
            wasmtime::Result::Ok(http::Response::from_parts(parts, body.collect().await?.to_bytes()))
        };
        let (ran, answer) = tokio::join!(run, answer);
        ran?;
        answer
    }

    /// The answer to a request that only reads, if it can be given without waiting: in this thread, in some milliseconds at
    /// most. `None` says nothing, and nothing has happened: [`handle`](Self::handle) does it then.
    pub fn answer_at_once(&self, services: &Services, request: &http::Request<Bytes>) -> Option<http::Response<Bytes>> {
        self.at_once.as_ref()?.answer(&self.engine, services, request)
    }

    async fn store(&self, services: &Services) -> wasmtime::Result<InstanceStore> {
        let place = self.engine.place().await?;
        Ok(InstanceStore::new(instance::store(&self.engine, services), place))
    }
}
