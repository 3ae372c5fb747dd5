//! Creates whose answer was lost, and that are sent again.

use super::world::{CANARY, World, entry};
use crate::settings::TOKENS;
use alloc::format;
use alloc::vec::Vec;
use serde_json::{Value, json};

fn body(name: &str) -> Value {
    json!({"name": name, "domain": "example.com", "values": {"p": CANARY}})
}

#[test]
fn an_idempotency_key_gives_the_same_credential_again() {
    let world = World::default();
    let create =
        |body: Value, key: &str| world.request("POST", "/credentials").json(body).header("idempotency-key", key).send();
    let first = create(body("n"), "key-1");
    assert_eq!(first.status, 201);
    world.advance(86_399);
    let second = create(body("n"), "key-1");
    assert_eq!((second.status, &second.json), (201, &first.json));
    assert_eq!(second.header("etag"), first.header("etag"));
    let mut other = body("n");
    other["values"]["p"] = "another".into();
    create(other, "key-1").is(422, "idempotency_mismatch");
    create(body("n"), "key-2").is(409, "name_taken");
    world.post("/credentials", body("n")).is(409, "name_taken");
    world.advance(1);
    create(body("n"), "key-1").is(409, "name_taken");
    for key in ["with space", "é", "a\u{7f}", &"k".repeat(256)] {
        create(body("m"), key).is_bad_request("the header idempotency-key must be 1 to 255 visible ASCII characters");
    }
    assert_eq!(create(body("m"), &"k".repeat(255)).status, 201);
    assert_eq!(world.get("/credentials").json.as_array().unwrap().len(), 2);
}

#[test]
fn a_repetition_is_no_way_to_guess() {
    let world = World::default();
    let create = |name: &str, value: &str| {
        let mut body = body(name);
        body["values"]["p"] = value.into();
        world.request("POST", "/credentials").json(body).header("idempotency-key", "k").send()
    };
    assert_eq!(create("n", CANARY).status, 201);
    for guess in ["1", "2", "3", "4"] {
        create("n", guess).is(422, "idempotency_mismatch");
    }
    assert_eq!(create("n", CANARY).status, 201, "four are forgiven");
    create("n", "5").is(422, "idempotency_mismatch");
    create("n", CANARY).is(409, "name_taken");
    create("n", "6").is(409, "name_taken");
    // Each that was compared is on record.
    let events = world.get("/audit").json["events"].clone();
    let outcomes: Vec<_> = events.as_array().unwrap().iter().map(|event| event["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, [&["idempotency_mismatch"; 5][..], &["done"]].concat());
    // Nor is it one to find out what was stored before a change.
    assert_eq!(create("m", CANARY).status, 201);
    world.patch("/credentials/m", json!({"values": {"p": "new"}}));
    create("m", CANARY).is(409, "name_taken");
    create("m", "new").is(409, "name_taken");
}

#[test]
fn an_idempotency_key_belongs_to_its_token() {
    let world = World::default();
    let tokens = format!("{} {}", entry("a", "default", "write", "a"), entry("b", "default", "write", "b"));
    world.set(TOKENS, &tokens);
    let create = |token: &str| {
        world.request("POST", "/credentials").json(body("n")).token(token).header("idempotency-key", "k").send()
    };
    assert_eq!(create("a").status, 201);
    create("b").is(409, "name_taken");
    assert_eq!(create("a").status, 201);
}

#[test]
fn the_official_clients_own_repetition_is_recognised_for_two_minutes() {
    let world = World::default();
    let create = |name: &str, count: &str| {
        world.request("POST", "/credentials").json(body(name)).header("x-stainless-retry-count", count).send()
    };
    let first = create("n", "0");
    assert_eq!(first.status, 201);
    create("n", "0").is(409, "name_taken");
    for count in ["", "x", "-1", "4294967296"] {
        create("n", count).is(409, "name_taken");
    }
    world.advance(119);
    let second = create("n", "1");
    assert_eq!((second.status, &second.json["id"]), (201, &first.json["id"]));
    world.advance(1);
    create("n", "2").is(409, "name_taken");
    create("m", "0");
    world.patch("/credentials/m", json!({"sso_provider": "x"}));
    create("m", "1").is(409, "name_taken");
}
