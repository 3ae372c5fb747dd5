//! A writer's turn on a record ends with its call, however the call ends; and whoever finds no room for an instance
//! waits for one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use strongroom_host::bindings::vault::Vault;
use strongroom_host::{Component, Engine, Instance, KeyValue, MAX_INSTANCES, Services, SqliteStore, SystemClock};
use strongroom_host_tests::types::Credential;
use strongroom_host_tests::{Behaviour, Called, KEYS, Kind, MemoryStore, StoreError, TempDir, World, new_credential};

/// Nobody here waits as long as this for anything that comes.
const PATIENCE: Duration = Duration::from_secs(30);

fn services(store: Arc<dyn KeyValue>) -> Services {
    let config = Arc::new(BTreeMap::from([("strongroom_keys".to_owned(), KEYS.to_owned())]));
    Services { store, config, clock: Arc::new(SystemClock) }
}

async fn instance(services: &Services) -> Instance<Vault> {
    World::Vault.component().vault(services).await.unwrap()
}

async fn create(instance: &mut Instance<Vault>, name: &str) -> Called<Credential> {
    let credentials = instance.exports.strongroom_vault_credentials();
    let new = new_credential(name, "example.com", &[("password", "p")]);
    credentials.call_create(instance.store.call(), &new).await
}

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(test);
}

/// Somebody else creates a credential.
async fn assert_nobody_is_in_the_way(services: &Services) {
    let other = async { create(&mut instance(services).await, "other").await };
    let created = tokio::time::timeout(PATIENCE, other).await.expect("another writer has to wait for ever");
    created.unwrap().unwrap();
}

#[test]
fn of_an_instance_that_is_kept() {
    run(async {
        let directory = TempDir::new();
        let services = services(Arc::new(SqliteStore::open(directory.path()).unwrap()));
        let mut kept = instance(&services).await;
        create(&mut kept, "first").await.unwrap().unwrap();
        assert_nobody_is_in_the_way(&services).await;
        create(&mut kept, "second").await.unwrap().unwrap();
    });
}

#[test]
fn of_a_call_that_traps() {
    run(async {
        let store = Arc::new(MemoryStore::with_turns());
        let services = services(store.clone());
        let mut kept = instance(&services).await;
        create(&mut kept, "first").await.unwrap().unwrap();
        store.hook(|operation| match operation.kind {
            Kind::Swap => Behaviour::Fail(StoreError::Stop),
            _ => Behaviour::Correct,
        });
        create(&mut kept, "second").await.unwrap_err();
        store.unhook();
        assert_nobody_is_in_the_way(&services).await;
        drop(kept);
    });
}

#[test]
fn of_a_call_that_is_given_up() {
    run(async {
        let store = Arc::new(MemoryStore::with_turns());
        let services = services(store.clone());
        create(&mut instance(&services).await, "first").await.unwrap().unwrap();
        store.hook(|operation| match operation.kind {
            Kind::Swap => Behaviour::Hang,
            _ => Behaviour::Correct,
        });
        let mut kept = instance(&services).await;
        let call = tokio::time::timeout(Duration::from_millis(100), create(&mut kept, "second"));
        assert!(call.await.is_err());
        store.unhook();
        assert_nobody_is_in_the_way(&services).await;
        drop(kept);
    });
}

/// While the call runs, the turn is its own.
#[test]
fn and_not_before() {
    run(async {
        let store = Arc::new(MemoryStore::with_turns());
        let services = services(store.clone());
        create(&mut instance(&services).await, "first").await.unwrap().unwrap();
        store.hook(|operation| match operation.kind {
            Kind::Swap => Behaviour::Hang,
            _ => Behaviour::Correct,
        });
        let (mut one, mut two) = (instance(&services).await, instance(&services).await);
        let writing = async { tokio::join!(create(&mut one, "one"), create(&mut two, "two")) };
        let looking = async {
            // The first root and the first create; then one of the two others.
            while store.counts().of(Kind::Swap) < 3 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            assert_eq!(store.counts().of(Kind::Swap), 3, "the second waits: {:?}", store.counts());
        };
        tokio::select! {
            _ = writing => panic!("nobody's change ends"),
            looked = tokio::time::timeout(PATIENCE, looking) => looked.expect("neither has come to its swap"),
        }
    });
}

#[test]
fn one_instance_too_many_waits() {
    run(async {
        // An engine of its own: other tests' instances count elsewhere.
        let component = Component::load(&Engine::new(None).unwrap(), &World::Vault.wasm()).unwrap();
        let services = services(Arc::new(MemoryStore::new()));
        let mut kept = Vec::new();
        for _ in 0..MAX_INSTANCES {
            kept.push(component.vault(&services).await.unwrap());
        }
        let mut next = std::pin::pin!(component.vault(&services));
        assert!(tokio::time::timeout(Duration::from_millis(100), next.as_mut()).await.is_err());
        kept.pop();
        let next = tokio::time::timeout(PATIENCE, next).await.expect("there is room now");
        create(&mut next.unwrap(), "n").await.unwrap().unwrap();
    });
}
