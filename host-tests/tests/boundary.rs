//! A component of somebody else's that is linked by a [`Boundary`] has the interface `credentials`, as its caller may use
//! it, and nothing of the vault beside: no setting, no key, no record. `portability/tests/boundary.rs` shows what the same
//! component finds where a composition shares the vault's imports.

use std::sync::{Arc, OnceLock};
use strongroom_host::bindings::vault::wasi::{config, keyvalue};
use strongroom_host::{Boundary, Services};
use strongroom_host_tests::{
    Behaviour, FixedClock, KEYS, MemoryStore, NOW, Settings, StoreError, World, block_on, stranger,
};
use wasmtime::component::{Component, Linker, Resource, ResourceType};
use wasmtime::{Engine, Result, Store};

/// What an embedder has of its own; the boundary asks nothing of it.
struct Embedder;

/// A bucket of a store without records.
struct Bucket;

const CONFIG: &str = "wasi:config/store@0.2.0-draft-2024-09-27";
const KEYVALUE: &str = "wasi:keyvalue/store@0.2.0-draft2";

fn stranger() -> &'static Component {
    static STRANGER: OnceLock<Component> = OnceLock::new();
    STRANGER.get_or_init(|| Component::from_file(&Engine::default(), stranger::build()).unwrap())
}

/// A vault with a login in it.
struct Vault {
    store: Arc<MemoryStore>,
    services: Services,
}

impl Vault {
    fn new() -> Self {
        let store = Arc::new(MemoryStore::new());
        let settings = Settings::default();
        settings.set("strongroom_keys", KEYS);
        // Of the host's own instances: not the boundary's.
        settings.set("strongroom_caller", "operator:read+write+totp");
        let services =
            Services { store: store.clone(), config: Arc::new(settings), clock: Arc::new(FixedClock::new(NOW)) };
        let request = r#"{"action":"create","name":"github","domain":"github.com","values":{"password":"canary"},
            "totp_secret":"GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"}"#;
        block_on(async {
            let mut agent = World::Agent.component().agent(&services).await.unwrap();
            let manage = agent.exports.strongroom_vault_manage();
            manage.call_manage(agent.store.call(), request).await.unwrap().unwrap();
        });
        Self { store, services }
    }

    fn linker(&self, caller: &str) -> Linker<Embedder> {
        let mut linker = Linker::new(stranger().engine());
        let boundary = Boundary::new(World::Agent.component(), self.services.clone(), caller).unwrap();
        boundary.add_to_linker(&mut linker).unwrap();
        linker
    }

    fn call<A, R>(&self, caller: &str, function: &str, arguments: A) -> R
    where
        A: wasmtime::component::ComponentNamedList + wasmtime::component::Lower + Send + Sync,
        R: wasmtime::component::ComponentType + wasmtime::component::Lift + Send + Sync + 'static,
    {
        let mut linker = self.linker(caller);
        offer_settings(&mut linker, None).unwrap();
        offer_store(&mut linker).unwrap();
        call(&linker, function, arguments)
    }
}

/// Calls a function of a fresh instance.
fn call<A, R>(linker: &Linker<Embedder>, function: &str, arguments: A) -> R
where
    A: wasmtime::component::ComponentNamedList + wasmtime::component::Lower + Send + Sync,
    R: wasmtime::component::ComponentType + wasmtime::component::Lift + Send + Sync + 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let mut store = Store::new(stranger().engine(), Embedder);
        let instance = linker.instantiate_async(&mut store, stranger()).await.unwrap();
        let function = instance.get_typed_func::<A, (R,)>(&mut store, function).unwrap();
        function.call_async(&mut store, arguments).await.expect("the stranger does not trap").0
    })
}

/// Settings of the embedder's own: this one, or none.
fn offer_settings(linker: &mut Linker<Embedder>, keys: Option<&'static str>) -> Result<()> {
    type Answer<T> = Result<T, config::store::Error>;
    let mut instance = linker.instance(CONFIG)?;
    let setting = move |name: &str| keys.filter(|_| name == "strongroom_keys").map(str::to_owned);
    instance.func_wrap("get", move |_, (name,): (String,)| Ok((Answer::Ok(setting(&name)),)))?;
    let all = move || keys.map(|keys| ("strongroom_keys".to_owned(), keys.to_owned())).into_iter().collect();
    instance.func_wrap("get-all", move |_, ()| Ok((Answer::<Vec<(String, String)>>::Ok(all()),)))
}

/// A store of the embedder's own, without records.
fn offer_store(linker: &mut Linker<Embedder>) -> Result<()> {
    type Answer<T> = Result<T, keyvalue::store::Error>;
    let mut instance = linker.instance(KEYVALUE)?;
    instance.resource("bucket", ResourceType::host::<Bucket>(), |_, _| Ok(()))?;
    instance.func_wrap("open", |_, (_,): (String,)| Ok((Answer::Ok(Resource::<Bucket>::new_own(1)),)))?;
    instance.func_wrap("[method]bucket.list-keys", |_, _: (Resource<Bucket>, Option<String>)| {
        Ok((Answer::Ok(keyvalue::store::KeyResponse { keys: Vec::new(), cursor: None }),))
    })
}

const ALL: &str = "stranger:read+write+totp";

type Told<T> = Result<T, String>;

#[test]
fn what_lies_behind_the_vault_is_not_offered() {
    let vault = Vault::new();
    let refusal =
        |linker: &Linker<Embedder>| format!("{:#}", linker.instantiate_pre(stranger()).err().expect("refused"));
    let mut linker = vault.linker(ALL);
    let error = refusal(&linker);
    assert!(error.contains(CONFIG) || error.contains(KEYVALUE), "{error}");
    // Each has to be the embedder's own.
    offer_settings(&mut linker, None).unwrap();
    let error = refusal(&linker);
    assert!(error.contains(KEYVALUE), "{error}");
    offer_store(&mut linker).unwrap();
    assert!(linker.instantiate_pre(stranger()).is_ok());
    // Nor is what else the vault exports.
    let other = r#"(component (import "strongroom:vault/manage@0.1.0" (instance
        (export "manage" (func (param "request" string) (result (result string (error string))))))))"#;
    let other = Component::new(stranger().engine(), wat::parse_str(other).unwrap()).unwrap();
    assert!(linker.instantiate_pre(&other).is_err());
}

#[test]
fn the_vault_is_used_and_nothing_of_it_is_read() {
    let vault = Vault::new();
    let names: Told<Vec<String>> = vault.call(ALL, "names", ());
    assert_eq!(names.unwrap(), ["github"]);
    let code: Told<String> = vault.call(ALL, "code", ("github",));
    assert_eq!(code.unwrap().len(), 6);
    let added: Told<String> = vault.call(ALL, "add", ("own", "own.example", "secret"));
    assert_eq!(added.unwrap(), "own");
    let put = |version: Option<u64>| vault.call::<_, Told<u64>>(ALL, "put", ("own", "own.example", "other", version));
    assert_eq!(put(Some(1)).unwrap(), 2);
    assert!(put(Some(1)).unwrap_err().starts_with("ErrorCode::PreconditionFailed"));
    let described: Told<Option<String>> = vault.call(ALL, "describe", ("own", "of the stranger"));
    assert_eq!(described.unwrap().unwrap(), "of the stranger");
    let names: Told<Vec<String>> = vault.call(ALL, "names", ());
    assert_eq!(names.unwrap(), ["github", "own"]);
    let removed: Told<String> = vault.call(ALL, "remove", ("own",));
    assert!(removed.unwrap().starts_with("cred_"));

    // The vault has both.
    assert!(vault.services.config.get("strongroom_keys").unwrap().is_some());
    assert!(vault.store.entries("default").len() > 1);
    for setting in ["strongroom_keys", "strongroom_caller", "strongroom_bucket"] {
        let found: Told<Option<String>> = vault.call(ALL, "setting", (setting,));
        assert_eq!(found.unwrap(), None);
    }
    let found: Told<Vec<(String, String)>> = vault.call(ALL, "settings", ());
    assert_eq!(found.unwrap(), []);
    let found: Told<Vec<String>> = vault.call(ALL, "keys", ("default",));
    assert_eq!(found.unwrap(), [""; 0]);
}

/// That it would read what it is offered.
#[test]
fn a_stranger_reads_what_an_embedder_shares() {
    let mut linker = Vault::new().linker(ALL);
    offer_settings(&mut linker, Some(KEYS)).unwrap();
    offer_store(&mut linker).unwrap();
    let found: Told<Option<String>> = call(&linker, "setting", ("strongroom_keys",));
    assert_eq!(found.unwrap().as_deref(), Some(KEYS));
}

#[test]
fn the_caller_is_the_boundarys_and_limited() {
    let vault = Vault::new();
    let names = |caller: &str| -> Told<Vec<String>> { vault.call(caller, "names", ()) };
    let code = |caller: &str| -> Told<String> { vault.call(caller, "code", ("github",)) };
    assert!(names("stranger:totp").unwrap_err().starts_with("ErrorCode::Forbidden"));
    assert!(code("stranger:totp:domains=github.com").is_ok());
    assert!(code("stranger:totp:domains=other.example").unwrap_err().starts_with("ErrorCode::NotFound"));
    assert_eq!(names("stranger:read:domains=other.example").unwrap(), [""; 0]);
    assert!(code("stranger:totp:expiry=1").unwrap_err().starts_with("ErrorCode::Unauthorized"));
    for caller in ["", "stranger", "stranger:", "stranger:all", "stranger:read:domain=github.com"] {
        let boundary = Boundary::new(World::Agent.component(), vault.services.clone(), caller);
        assert!(boundary.is_err(), "{caller}");
    }
}

/// A vault that breaks off is an error to the stranger, who goes on.
#[test]
fn a_trap_of_the_vault_is_an_error() {
    let vault = Vault::new();
    vault.store.hook(|_| Behaviour::Fail(StoreError::Stop));
    let names: Told<Vec<String>> = vault.call(ALL, "names", ());
    assert!(names.unwrap_err().starts_with("ErrorCode::Internal"));
    let added: Told<String> = vault.call(ALL, "add", ("own", "own.example", "secret"));
    assert!(added.unwrap_err().starts_with("ErrorCode::OutcomeUnknown"));
}
