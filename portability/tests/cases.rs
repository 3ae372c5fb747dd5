//! The same cases on every host that can be had: each host must give the same answers.

use serde_json::{Value, json};
use strongroom_portability::engines::{Etcd, Postgres};
use strongroom_portability::host::{Host, Outcome};
use strongroom_portability::hosts::{Node, Own, Spin, WasmtimeRun, WasmtimeServe, call_tool, examples};
use strongroom_portability::{Program, Standalone, TempDir, WasmCloud, wave};

const SECRET: &str = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";
const PASSWORD: &str = "canary-hunter2";

/// A case, and what it is about.
type Case = (&'static str, fn(&mut dyn Host));

/// In this order; each goes on with what those before it left.
const CASES: [Case; 10] = [
    ("create", create),
    ("list and its pages", list),
    ("get", get),
    ("one-time codes", totp_code),
    ("update", update),
    ("a condition that does not hold", conflict),
    ("errors", errors),
    ("history", history),
    ("a call of an agents' tool", tool),
    ("restart", restart),
];

fn run(host: &mut dyn Host) {
    for (name, case) in CASES {
        println!("{name}");
        case(host);
    }
}

fn create(host: &mut dyn Host) {
    for name in ["a", "b", "c", "d"] {
        let made = host.create(name, PASSWORD, (name == "a").then_some(SECRET)).unwrap();
        assert_eq!(
            (&made["name"], &made["domain"], &made["version"]),
            (&json!(name), &json!("example.com"), &json!(1))
        );
        assert_eq!(made["value_keys"], json!(["password"]));
        assert_eq!(made["has_totp_secret"], json!(name == "a"));
        assert!(!made.to_string().contains("canary") && !made.to_string().contains(SECRET), "{made}");
    }
}

fn list(host: &mut dyn Host) {
    let page = host.list(3, 0).unwrap();
    assert_eq!(names(&page), ["a", "b", "c"], "in the order in which they were made");
    assert_eq!((&page["has_more"], &page["next_offset"]), (&json!(true), &json!(3)));
    let page = host.list(3, 3).unwrap();
    assert_eq!(names(&page), ["d"]);
    assert_eq!(page["has_more"], false);
    assert_eq!(host.list(0, 0), code("bad_request"));
}

fn get(host: &mut dyn Host) {
    let by_name = host.get("a").unwrap();
    let id = by_name["id"].as_str().unwrap();
    assert!(id.starts_with("cred_"), "{id}");
    assert_eq!(host.get(id).unwrap()["name"], "a");
    assert!(!by_name.to_string().contains("canary"), "{by_name}");
}

fn totp_code(host: &mut dyn Host) {
    let given = host.totp_code("a").unwrap();
    let code_text = given["code"].as_str().unwrap();
    assert!(code_text.len() == 6 && code_text.bytes().all(|byte| byte.is_ascii_digit()), "{given}");
    assert_eq!(host.totp_code("b"), code("totp_not_configured"));
}

fn update(host: &mut dyn Host) {
    let changed = host.update("b", "of the team", None).unwrap();
    assert_eq!((&changed["description"], &changed["version"]), (&json!("of the team"), &json!(2)));
    let changed = host.update("b", "of the board", Some(2)).unwrap();
    assert_eq!(changed["version"], 3);
}

fn conflict(host: &mut dyn Host) {
    assert_eq!(host.update("b", "too late", Some(2)), code("precondition_failed"));
    assert_eq!(host.get("b").unwrap()["description"], "of the board");
}

fn errors(host: &mut dyn Host) {
    assert_eq!(host.get("nobody"), code("not_found"));
    assert_eq!(host.create("a", "x", None), code("name_taken"));
    assert_eq!(host.create("e", "x", Some("not base32!")), code("bad_request"));
    assert_eq!(host.delete("nobody"), code("not_found"));
    if let Some(client) = host.client() {
        let stranger = strongroom_portability::Client { token: "sr_unknown".into(), ..client.clone() };
        assert_eq!(stranger.get("/credentials").status, 401);
        assert_eq!(client.get("/nowhere").status, 404);
        assert_eq!(client.request("PATCH", "/credentials", &[], None).status, 405);
    }
}

fn history(host: &mut dyn Host) {
    let versions = host.versions("b").unwrap();
    let numbers: Vec<_> = versions.as_array().unwrap().iter().map(|version| version["version"].clone()).collect();
    assert_eq!(numbers, [json!(2), json!(1)], "newest first");
    let restored = host.restore("b", 2).unwrap();
    assert_eq!((&restored["description"], &restored["version"]), (&json!("of the team"), &json!(4)));
    host.delete("c").unwrap();
    assert_eq!(host.get("c"), code("not_found"));
    assert_eq!(names(&host.list(10, 0).unwrap()), ["a", "b", "d"]);
}

fn tool(host: &mut dyn Host) {
    let Some(client) = host.client() else { return };
    let result = call_tool(client, &json!({ "action": "get", "id_or_name": "a" }));
    assert_eq!(result["structuredContent"]["name"], "a", "{result}");
    assert!(!result.to_string().contains("canary"), "{result}");
    let result = call_tool(client, &json!({ "action": "get", "id_or_name": "nobody" }));
    assert_eq!(result["isError"], true, "{result}");
}

fn restart(host: &mut dyn Host) {
    let before = host.get("b").unwrap();
    host.restart();
    if host.is_durable() {
        assert_eq!(host.get("b").unwrap(), before);
        assert_eq!(names(&host.list(10, 0).unwrap()), ["a", "b", "d"]);
    } else {
        assert_eq!(names(&host.list(10, 0).unwrap()), [] as [&str; 0], "a store in memory begins anew");
    }
    assert_eq!(host.create("after", PASSWORD, None).unwrap()["version"], 1);
}

fn names(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect()
}

fn code(code: &str) -> Outcome {
    Err(code.to_owned())
}

#[test]
fn own_host() {
    let directory = TempDir::new();
    run(&mut Own::new(Program::on(&directory.path().join("state"))));
}

#[test]
fn own_host_on_postgres() {
    let Some(server) = Postgres::start("own_host_on_postgres") else { return };
    let directory = TempDir::new();
    run(&mut Own::new(Program::on(&directory.path().join("state")).with_store(&server.url(&[]))));
}

#[test]
fn own_host_on_etcd() {
    let Some(cluster) = Etcd::start("own_host_on_etcd", 1) else { return };
    let directory = TempDir::new();
    run(&mut Own::new(Program::on(&directory.path().join("state")).with_store(&cluster.url())));
}

#[test]
fn wasmtime_serve() {
    let directory = TempDir::new();
    let Some(standalone) = Standalone::new("wasmtime_serve", directory.path()) else { return };
    run(&mut WasmtimeServe::new(standalone));
}

#[test]
fn wasmtime_run() {
    let directory = TempDir::new();
    let Some(standalone) = Standalone::new("wasmtime_run", directory.path()) else { return };
    run(&mut WasmtimeRun(standalone));
}

#[test]
fn jco_on_node() {
    let Some(mut node) = Node::with_map("jco_on_node") else { return };
    run(&mut node);
}

/// Two creators both win there, a number in the wrong place kills the store, and keys come all at once.
#[test]
fn a_store_that_behaves_like_spins_sqlite() {
    let directory = TempDir::new();
    let rows = directory.path().join("rows.json");
    let Some(mut node) = Node::with_spins("a_store_that_behaves_like_spins_sqlite", "sqlite", &rows) else { return };
    run(&mut node);
}

/// Every swap is said to have failed there.
#[test]
fn a_store_that_behaves_like_spins_redis() {
    let directory = TempDir::new();
    let rows = directory.path().join("rows.json");
    let Some(mut node) = Node::with_spins("a_store_that_behaves_like_spins_redis", "redis", &rows) else { return };
    run(&mut node);
}

#[test]
fn wasm_cloud() {
    let directory = TempDir::new();
    let Some(mut host) = WasmCloud::new("wasm_cloud", directory.path(), "strongroom-standalone.wasm") else { return };
    host.restart();
    run(&mut host);
}

/// Its own key-value interface has no compare-and-swap: nothing may look as if it worked there.
#[test]
fn wasm_clouds_own_store_is_refused() {
    let directory = TempDir::new();
    let test = "wasm_clouds_own_store_is_refused";
    let Some(host) = WasmCloud::new(test, directory.path(), "strongroom.wasm") else { return };
    let output = host.refused();
    assert!(!output.status.success());
    let printed = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(printed.contains("wasi:keyvalue/store@0.2.0-draft2"), "{printed}");
}

#[test]
fn spin() {
    let directory = TempDir::new();
    let Some(mut spin) = Spin::new("the table of cases", &examples().join("../spin.toml"), directory.path()) else {
        return;
    };
    run(&mut spin);
}

#[test]
fn the_notation_of_typed_calls_is_read_as_it_is_written() {
    for (text, value) in [
        (
            "ok({id: \"a\\\"b\\\\\", has-more: true, next: none})",
            json!({ "ok": { "id": "a\"b\\", "has_more": true, "next": null } }),
        ),
        ("err({code: not-found})", json!({ "err": { "code": "not_found" } })),
        ("ok((1, false))", json!({ "ok": [1, false] })),
        ("ok", json!({ "ok": null })),
        ("[]", json!([])),
        ("some([(\"x\", -1)])", json!([["x", -1]])),
        ("\"{\\\"a\\\":1}\"", json!("{\"a\":1}")),
    ] {
        assert_eq!(wave::parse(text), value, "{text}");
    }
}
