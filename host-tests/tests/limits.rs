//! What a component takes more of than it may have is refused to it, or ends its call and nothing else: each limit once just
//! kept and once just exceeded, by a component that does nothing else.

use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;
use strongroom_host::{Component, HandleError, MAX_INSTANCES, Services, SystemClock};
use strongroom_host_tests::{KEYS, MemoryStore, World};

/// A component with the exports of the vault that does this with every HTTP request, and answers none. `body` can use the
/// functions of `guest`, and a number that is kept: it traps if what it asks for is refused in another way.
#[derive(Clone, Copy)]
struct Guest<'a> {
    body: &'a str,
    /// More in its module.
    module: &'a str,
    /// More in the component.
    component: &'a str,
}

const NOTHING: Guest<'static> = Guest { body: "", module: "", component: "" };

/// Pages of 64 KiB that it begins with.
const PAGES: u32 = 300;

impl Guest<'_> {
    fn wasm(self) -> Vec<u8> {
        let Self { body, module, component } = self;
        let exports = |names: &[&str]| -> String {
            names.iter().map(|name| format!("(export \"{name}\" (func $nothing))")).collect()
        };
        let credentials = exports(&["list", "get", "totp-code", "create", "put", "update", "delete"]);
        let manage = exports(&["manage"]);
        let text = format!(
            r#"(component
              (import "wasi:http/types@0.2.12" (instance $http
                (export "incoming-request" (type $request (sub resource)))
                (export "response-outparam" (type $outparam (sub resource)))
                (export "fields" (type $fields (sub resource)))
                (type $variant (variant (case "invalid-syntax") (case "forbidden") (case "immutable")))
                (export "header-error" (type $header-error (eq $variant)))
                (export "[constructor]fields" (func (result (own $fields))))
                (export "[method]fields.append" (func (param "self" (borrow $fields)) (param "name" string)
                  (param "value" (list u8)) (result (result (error $header-error)))))))
              (import "wasi:config/store@0.2.0-draft-2024-09-27" (instance $config
                (type $variant (variant (case "upstream" string) (case "io" string)))
                (export "error" (type $error (eq $variant)))
                (export "get" (func (param "key" string) (result (result (option string) (error $error)))))))
              (import "wasi:random/random@0.2.12" (instance $random
                (export "get-random-bytes" (func (param "len" u64) (result (list u8))))))
              (alias export $http "incoming-request" (type $request))
              (alias export $http "response-outparam" (type $outparam))

              (core module $own
                (memory (export "memory") {PAGES})
                ;; One answer at a time, at 1 MiB.
                (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 0x100000)))
              (core instance $own (instantiate $own))
              (core func $fields (canon lower (func $http "[constructor]fields")))
              (core func $append (canon lower (func $http "[method]fields.append") (memory (core memory $own "memory"))))
              (core func $setting (canon lower (func $config "get")
                (memory (core memory $own "memory")) (realloc (core func $own "realloc"))))
              (core func $bytes (canon lower (func $random "get-random-bytes")
                (memory (core memory $own "memory")) (realloc (core func $own "realloc"))))

              (core module $guest
                (import "own" "memory" (memory 1))
                (import "host" "fields" (func $fields (result i32)))
                (import "host" "append" (func $append (param i32 i32 i32 i32 i32 i32)))
                (import "host" "setting" (func $setting (param i32 i32 i32)))
                (import "host" "bytes" (func $bytes (param i64 i32)))
                (table $table 1 funcref)
                (data (i32.const 0) "x")
                {module}
                (func (export "nothing"))
                (func (export "handle") (param i32 i32) (local $n i32) {body}))
              (core instance $guest (instantiate $guest
                (with "own" (instance $own))
                (with "host" (instance
                  (export "fields" (func $fields)) (export "append" (func $append))
                  (export "setting" (func $setting)) (export "bytes" (func $bytes))))))
              {component}

              (func $handle (param "request" (own $request)) (param "response-out" (own $outparam))
                (canon lift (core func $guest "handle")))
              (func $nothing (canon lift (core func $guest "nothing")))
              (instance $handler (export "handle" (func $handle)))
              (export "wasi:http/incoming-handler@0.2.12" (instance $handler))
              (instance $types)
              (export "strongroom:vault/types@0.1.0" (instance $types))
              (instance $credentials {credentials})
              (export "strongroom:vault/credentials@0.1.0" (instance $credentials))
              (instance $manage {manage})
              (export "strongroom:vault/manage@0.1.0" (instance $manage)))"#
        );
        wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}"))
    }
}

fn services() -> Services {
    let config = Arc::new(BTreeMap::from([("strongroom_keys".to_owned(), KEYS.to_owned())]));
    Services { store: Arc::new(MemoryStore::new()), config, clock: Arc::new(SystemClock) }
}

fn request(path: &str) -> http::Request<Bytes> {
    http::Request::get(path).header("host", "localhost").body(Bytes::new()).unwrap()
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

/// How a call of a guest ends.
fn end_of(guest: Guest<'_>) -> HandleError {
    let guest = Component::load(World::engine(), &guest.wasm()).unwrap_or_else(|error| panic!("{error:#}"));
    let end = run(guest.handle(&services(), request("/"))).unwrap_err();
    // Others go on, in the same process and on the same engine.
    let answer = run(World::Edge.component().handle(&services(), request("/openapi.json"))).unwrap();
    assert_eq!(answer.status(), 200);
    end
}

/// A guest that keeps a limit comes to its end; one that exceeds it does not.
fn assert_limit(what: &str, kept: Guest<'_>, exceeded: Guest<'_>, expected: &str) {
    let end = end_of(kept).to_string();
    assert_eq!(end, "the component gave no answer", "{what}, kept");
    println!("{what}: {}", end_of(exceeded));
    // More often than there can be instances: what each had is free again.
    for _ in 0..=MAX_INSTANCES {
        let end = end_of(exceeded).to_string();
        assert!(end.contains(expected), "{what}, exceeded: {end}");
    }
}

/// The same of a body with a number in it.
fn assert_number(what: &str, body: impl Fn(usize) -> String, kept: usize, exceeded: usize, expected: &str) {
    let [kept, exceeded] = [kept, exceeded].map(body);
    let guest = |body| Guest { body, ..NOTHING };
    assert_limit(what, guest(&kept), guest(&exceeded), expected);
}

const REFUSED: &str = "unreachable";

#[test]
fn memory() {
    let grow = |pages| format!("(if (i32.eq (memory.grow (i32.const {pages})) (i32.const -1)) (then unreachable))");
    let most = 1024 - PAGES as usize;
    assert_number("memory", grow, most, most + 1, REFUSED);
}

#[test]
fn elements_of_tables() {
    let grow = |elements| {
        format!(
            "(if (i32.eq (table.grow $table (ref.null func) (i32.const {elements})) (i32.const -1)) (then unreachable))"
        )
    };
    assert_number("table", grow, 9_999, 10_000, REFUSED);
}

#[test]
fn tables_of_a_module() {
    let two = Guest { module: "(table 1 funcref)", ..NOTHING }.wasm();
    let refused = format!("{:#}", Component::load(World::engine(), &two).err().unwrap());
    assert!(refused.contains("tables count of 2 exceeds"), "{refused}");
}

#[test]
fn memories() {
    let second = Guest { component: "(core module $m (memory 1)) (core instance (instantiate $m))", ..NOTHING };
    assert_limit("memories", NOTHING, second, "memory count too high at 2");
}

#[test]
fn core_instances() {
    let [kept, exceeded] =
        [2, 3].map(|more| format!("(core module $empty) {}", "(core instance (instantiate $empty))".repeat(more)));
    let guest = |component| Guest { component, ..NOTHING };
    assert_limit("core instances", guest(&kept), guest(&exceeded), "instance count too high at 5");
}

#[test]
fn handles() {
    let make = |number| {
        format!(
            "(local.set $n (i32.const {number}))
             (loop $again
               (drop (call $fields))
               (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))"
        )
    };
    assert_number("handles", make, 990, 1001, "resource table has no free keys");
}

#[test]
fn bytes_of_header_fields() {
    let append = |bytes| {
        format!(
            "(memory.fill (i32.const 1024) (i32.const 97) (i32.const {bytes}))
             (call $append (call $fields) (i32.const 0) (i32.const 1) (i32.const 1024) (i32.const {bytes}) (i32.const 512))
             (if (i32.load8_u (i32.const 512)) (then unreachable))"
        )
    };
    assert_number("header fields", append, 60_000, 66_000, "total size of fields exceeds limit");
}

#[test]
fn bytes_of_a_call_of_the_host() {
    let ask = |bytes| format!("(call $setting (i32.const 0x100000) (i32.const {bytes}) (i32.const 512))");
    assert_number("a call of the host", ask, 15 << 20, 17 << 20, "fuel allocated for hostcalls has been exhausted");
}

#[test]
fn random_bytes() {
    let ask = |bytes| format!("(call $bytes (i64.const {bytes}) (i32.const 512))");
    assert_number("random bytes", ask, 64 << 10, (64 << 10) + 1, "at most 65536 random bytes");
}

#[test]
fn stack() {
    let deep = Guest { body: "(call $deep)", module: "(func $deep (call $deep))", ..NOTHING };
    assert_limit("stack", NOTHING, deep, "call stack exhausted");
}

#[test]
fn time() {
    let end = end_of(Guest { body: "(loop $again (br $again))", ..NOTHING });
    assert!(matches!(end, HandleError::TimedOut), "{end}");
}
