//! What only reads is answered at once, as in the ordinary way; whatever would write, wait or take long is not, and nothing
//! has happened then.

use bytes::Bytes;
use http::{Method, Request, Response};
use std::sync::Arc;
use strongroom_host::keyvalue::KeyValue;
use strongroom_host::{Component, Services, SqliteStore, SystemClock};
use strongroom_host_tests::{ADMIN_TOKEN, KEYS, MemoryStore, TempDir, World};

struct Vault {
    component: Component,
    services: Services,
    runtime: tokio::runtime::Runtime,
    _directory: TempDir,
}

impl Vault {
    fn new(audit: &str) -> Self {
        let directory = TempDir::new();
        let store = Arc::new(SqliteStore::open(directory.path()).unwrap());
        let hash = strongroom_host::token::hash(ADMIN_TOKEN);
        let config: std::collections::BTreeMap<_, _> = [
            ("strongroom_keys", KEYS.to_owned()),
            ("strongroom_tokens", format!("admin:default:read+totp+write+supply+admin:{hash}")),
            ("strongroom_audit", audit.to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        let services = Services { store, config: Arc::new(config), clock: Arc::new(SystemClock) };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        Self { component: World::Edge.component(), services, runtime, _directory: directory }
    }

    fn in_the_ordinary_way(&self, request: Request<Bytes>) -> Response<Bytes> {
        self.runtime.block_on(self.component.handle(&self.services, request)).unwrap()
    }

    fn at_once(&self, request: &Request<Bytes>) -> Option<Response<Bytes>> {
        self.component.answer_at_once(&self.services, request)
    }

    fn create(&self, name: &str) -> String {
        let created = self.in_the_ordinary_way(creation(name));
        assert_eq!(created.status(), 201, "{created:?}");
        let credential: serde_json::Value = serde_json::from_slice(created.body()).unwrap();
        credential["id"].as_str().unwrap().to_owned()
    }

    /// All records, and so whether anything was written.
    fn records(&self) -> Vec<(String, Option<Vec<u8>>)> {
        self.runtime.block_on(async {
            let store: &dyn KeyValue = &*self.services.store;
            let mut records = Vec::new();
            for key in store.list_keys("default", None).await.unwrap().keys {
                let value = store.get("default", &key).await.unwrap();
                records.push((key, value));
            }
            records
        })
    }
}

fn request(method: Method, path: &str, body: &str) -> Request<Bytes> {
    Request::builder()
        .method(method)
        .uri(path)
        .header("host", "localhost")
        .header("authorization", format!("Bearer {ADMIN_TOKEN}"))
        .header("content-type", "application/json")
        .body(Bytes::copy_from_slice(body.as_bytes()))
        .unwrap()
}

fn creation(name: &str) -> Request<Bytes> {
    let body = format!(
        r#"{{"name":"{name}","domain":"example.com","values":{{"password":"hunter2"}},"totp_secret":"JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"}}"#
    );
    request(Method::POST, "/credentials", &body)
}

#[test]
fn what_reads_is_answered_as_in_the_ordinary_way() {
    let vault = Vault::new("changes");
    let id = vault.create("github");
    for (path, status) in [
        (format!("/credentials/{id}"), 200),
        ("/credentials/github".to_owned(), 200),
        ("/credentials?limit=1&domain=example.com".to_owned(), 200),
        ("/credentials?origin=https://example.com".to_owned(), 200),
        ("/credentials/nobody".to_owned(), 404),
        ("/nosuch".to_owned(), 404),
        ("/openapi.json".to_owned(), 200),
    ] {
        let get = || request(Method::GET, &path, "");
        let (quick, ordinary) = (vault.at_once(&get()).unwrap(), vault.in_the_ordinary_way(get()));
        assert_eq!(quick.status(), status, "{path}");
        assert_eq!((quick.status(), quick.headers()), (ordinary.status(), ordinary.headers()), "{path}");
        assert_eq!(quick.body(), ordinary.body(), "{path}");
    }
    let code = vault.at_once(&request(Method::GET, &format!("/credentials/{id}/totp-code"), "")).unwrap();
    assert_eq!(code.status(), 200);
}

#[test]
fn what_writes_is_not_answered_and_nothing_is_written() {
    let vault = Vault::new("all");
    let id = vault.create("github");
    let before = vault.records();
    // With `all`, a code is recorded before it is given.
    let code = request(Method::GET, &format!("/credentials/{id}/totp-code"), "");
    let exclusive = request(Method::GET, &format!("/credentials/{id}/totp-code?exclusive=true"), "");
    let delete = request(Method::DELETE, &format!("/credentials/{id}"), "");
    for writes in [creation("another"), code, exclusive, delete] {
        assert!(vault.at_once(&writes).is_none(), "{} {}", writes.method(), writes.uri());
        assert!(vault.records() == before, "{} {}", writes.method(), writes.uri());
        // Places and memory are given back.
        (0..100).for_each(|_| assert!(vault.at_once(&writes).is_none()));
    }
    assert!(vault.at_once(&request(Method::GET, &format!("/credentials/{id}"), "")).is_some());
}

#[test]
fn stores_that_have_to_be_waited_for_are_not_asked() {
    let mut vault = Vault::new("changes");
    let store = Arc::new(MemoryStore::new());
    vault.services.store = store.clone();
    let before = store.counts();
    assert!(vault.at_once(&request(Method::GET, "/credentials", "")).is_none());
    assert_eq!(store.counts(), before);
}

#[test]
fn what_takes_long_ends() {
    let endless = r#"(component
        (core module $guest
          (memory (export "memory") 1)
          (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
          (func (export "nothing"))
          (func (export "respond") (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
            (loop $again (br $again)) (i32.const 0)))
        (core instance $guest (instantiate $guest))
        (type $response (record (field "status" u16) (field "headers" (list (tuple string string))) (field "body" (list u8))))
        (func $respond (param "method" string) (param "path-with-query" string)
          (param "headers" (list (tuple string (list u8)))) (param "body" (list u8)) (result $response)
          (canon lift (core func $guest "respond") (memory (core memory $guest "memory"))
            (realloc (core func $guest "realloc"))))
        (instance $http (export "response" (type $response)) (export "respond" (func $respond)))
        (export "strongroom:vault/http@0.1.0" (instance $http))
        (func $nothing (canon lift (core func $guest "nothing")))
        (instance $types)
        (export "strongroom:vault/types@0.1.0" (instance $types))
        (instance $credentials
          (export "list" (func $nothing)) (export "get" (func $nothing)) (export "totp-code" (func $nothing))
          (export "create" (func $nothing)) (export "put" (func $nothing)) (export "update" (func $nothing))
          (export "delete" (func $nothing)))
        (export "strongroom:vault/credentials@0.1.0" (instance $credentials))
        (instance $manage (export "manage" (func $nothing)))
        (export "strongroom:vault/manage@0.1.0" (instance $manage)))"#;
    let mut vault = Vault::new("changes");
    let wasm = wat::parse_str(endless).unwrap_or_else(|error| panic!("{error}"));
    vault.component = Component::load(World::engine(), &wasm).unwrap_or_else(|error| panic!("{error:#}"));
    assert!(vault.at_once(&request(Method::GET, "/", "")).is_none());
}
