//! The vault for a component of somebody else's: `strongroom:vault/credentials` and nothing that lies behind it.

use crate::bindings::agent::exports::strongroom::vault::credentials::{
    Changes, Credential, Error, Guest, ListQuery, NewCredential, Page,
};
use crate::bindings::agent::exports::strongroom::vault::types::{CodeOptions, ErrorCode, OneTimeCode};
use crate::call::{CALL_TIME_LIMIT, InstanceStore};
use crate::instance::Services;
use crate::{Component, Result, report};
use anyhow::Context;
use std::pin::Pin;
use strongroom::access::Grant;
use strongroom::settings;
use wasmtime::component::{ComponentNamedList, Lift, Linker, LinkerInstance, Lower};

/// What another component imports.
const TYPES: &str = "strongroom:vault/types@0.1.0";
const CREDENTIALS: &str = "strongroom:vault/credentials@0.1.0";

/// A vault that answers another component's calls of `strongroom:vault/credentials`, each by a fresh instance of its own.
///
/// A composition is no such boundary: where it shares the vault's imports with another component that imports
/// `wasi:config` too, that one reads the master key from there. Here the two have nothing in common. The other component
/// has the imports that its own linker offers, and the vault has its [`Services`], of which this adds nothing to that linker.
///
/// ```no_run
/// use strongroom_host::{Boundary, Component, Services};
/// use wasmtime::component::Linker;
///
/// fn link<T: Send + 'static>(linker: &mut Linker<T>, vault: Component, services: Services) -> strongroom_host::Result<()> {
///     // It may ask for codes of one site, and appears under this name in the audit.
///     Boundary::new(vault, services, "codes:totp:domains=github.com")?.add_to_linker(linker)
/// }
/// ```
///
/// Calls need a Tokio runtime with a timer, and an instance of the other component that is called asynchronously.
#[derive(Clone)]
pub struct Boundary {
    vault: Component,
    services: Services,
}

impl Boundary {
    /// A vault for a caller: what the setting `strongroom_caller` says for it, `name:scope+scope`, with limits as tokens have
    /// them. It stands in the place of that setting, and there is no boundary without one: who is not named is the host.
    /// `services` are the vault's, and can be those of other instances.
    ///
    /// Errors: `caller` breaks a rule.
    pub fn new(vault: Component, services: Services, caller: &str) -> Result<Self> {
        Grant::parse(caller).map_err(anyhow::Error::msg).context("caller")?;
        Ok(Self { vault, services: services.with_settings([(settings::CALLER, caller.to_owned())]) })
    }

    /// Offers the interface `credentials`, and the types that it uses. Nothing else is added: not `manage`, and none of what
    /// the vault itself imports.
    ///
    /// Errors: the linker has them already.
    pub fn add_to_linker<T: Send + 'static>(&self, linker: &mut Linker<T>) -> Result<()> {
        self.link(linker).map_err(crate::plain)
    }

    fn link<T: Send + 'static>(&self, linker: &mut Linker<T>) -> wasmtime::Result<()> {
        // It has no functions.
        linker.instance(TYPES)?;
        let credentials = &mut linker.instance(CREDENTIALS)?;
        self.offer(credentials, "list", READS, |vault, store, (query,): (ListQuery,)| {
            Box::pin(async move { vault.call_list(store.call(), &query).await as Called<Page> })
        })?;
        self.offer(credentials, "get", READS, |vault, store, (id_or_name,): (String,)| {
            Box::pin(async move { vault.call_get(store.call(), &id_or_name).await as Called<Credential> })
        })?;
        self.offer(credentials, "totp-code", READS, |vault, store, asked: (String, Option<CodeOptions>)| {
            Box::pin(async move { vault.call_totp_code(store.call(), &asked.0, asked.1).await as Called<OneTimeCode> })
        })?;
        self.offer(credentials, "create", CHANGES, |vault, store, (new,): (NewCredential,)| {
            Box::pin(async move { vault.call_create(store.call(), &new).await as Called<Credential> })
        })?;
        self.offer(credentials, "put", CHANGES, |vault, store, asked: (NewCredential, Option<u64>)| {
            Box::pin(async move { vault.call_put(store.call(), &asked.0, asked.1).await as Called<Credential> })
        })?;
        self.offer(credentials, "update", CHANGES, |vault, store, asked: (String, Changes)| {
            Box::pin(async move { vault.call_update(store.call(), &asked.0, &asked.1).await as Called<Credential> })
        })?;
        self.offer(credentials, "delete", CHANGES, |vault, store, asked: (String, Option<u64>)| {
            Box::pin(async move { vault.call_delete(store.call(), &asked.0, asked.1).await as Called<String> })
        })
    }

    /// Links a function. Whatever happens to the vault's instance, the other component gets an error of the interface.
    fn offer<T, A, R>(
        &self,
        linker: &mut LinkerInstance<'_, T>,
        name: &'static str,
        if_unknown: ErrorCode,
        call: for<'c> fn(&'c Guest, &'c mut InstanceStore, A) -> Calling<'c, R>,
    ) -> wasmtime::Result<()>
    where
        T: Send + 'static,
        A: ComponentNamedList + Lift + Send + 'static,
        R: Send + 'static,
        (Result<R, Error>,): ComponentNamedList + Lower,
    {
        let boundary = self.clone();
        linker.func_wrap_async(name, move |_, arguments: A| {
            let boundary = boundary.clone();
            Box::new(async move {
                let answer = tokio::time::timeout(CALL_TIME_LIMIT, boundary.answer(arguments, call)).await;
                let answer = answer.unwrap_or_else(|_| Err(anyhow::anyhow!("the time limit was reached")));
                Ok((answer.unwrap_or_else(|error| {
                    report::fault("the vault behind a boundary failed", &error);
                    Err(broken_off(if_unknown))
                }),))
            })
        })
    }

    /// By a fresh instance, so that what one call leaves in its memory is never there for another.
    async fn answer<A, R>(
        &self,
        arguments: A,
        call: for<'c> fn(&'c Guest, &'c mut InstanceStore, A) -> Calling<'c, R>,
    ) -> Result<Result<R, Error>> {
        let mut instance = self.vault.agent(&self.services).await?;
        let vault = instance.exports.strongroom_vault_credentials();
        call(vault, &mut instance.store, arguments).await.map_err(crate::plain)
    }
}

/// What a call of the vault becomes: the outer error is a trap.
type Called<R> = wasmtime::Result<Result<R, Error>>;
type Calling<'c, R> = Pin<Box<dyn Future<Output = Called<R>> + Send + 'c>>;

/// What is said of a call whose instance broke off.
const READS: ErrorCode = ErrorCode::Internal;
const CHANGES: ErrorCode = ErrorCode::OutcomeUnknown;

fn broken_off(code: ErrorCode) -> Error {
    let message = match code {
        ErrorCode::OutcomeUnknown => {
            "the vault broke off: whether the change was made is not known; read before trying again"
        }
        _ => "the vault broke off; its host's log says why",
    };
    Error { code, message: message.to_owned(), retry_after_seconds: None }
}
