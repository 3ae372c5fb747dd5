//! The walks over the whole store, in steps: what operators of hosts without a command line have.

use super::world::World;
use crate::settings::KEYS;
use alloc::format;
use serde_json::{Value, json};

const OLD: &str = "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
const NEW: &str = "k2:BAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

/// All steps of a walk; the answer of the last one.
fn walk(world: &World, name: &str) -> Value {
    let path = format!("/maintenance/{name}");
    let mut answer = world.request("POST", &path).send();
    for _ in 0..1000 {
        assert_eq!(answer.status, 200, "{answer:?}");
        let Some(next) = answer.json.get("next") else { return answer.json };
        answer = world.post(&path, json!({"cursor": next}));
    }
    panic!("it does not end");
}

#[test]
fn a_key_is_rotated_without_a_command_line() {
    let world = World::default();
    let created = world.create("n", Some("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"));
    world.patch("/credentials/n", json!({"description": "second version"}));
    let tag = |world: &World| world.get("/credentials/n").header("etag").map(alloc::borrow::ToOwned::to_owned);
    let before = (world.get("/credentials/n").json, tag(&world));
    // First it opens, then it seals.
    world.set(KEYS, &format!("{OLD} {NEW}"));
    assert_eq!(walk(&world, "verify")["keys"]["k2"], 0);
    world.set(KEYS, &format!("{NEW} {OLD}"));
    assert!(walk(&world, "verify")["keys"]["k1"].as_u64().unwrap() > 2);
    assert!(walk(&world, "rewrap")["rewrapped"].as_u64().unwrap() > 2);
    assert_eq!(walk(&world, "sweep")["deleted"], 0);
    let verified = walk(&world, "verify");
    assert_eq!((&verified["keys"]["k1"], &verified["credentials"]), (&json!(0), &json!(1)));
    world.set(KEYS, NEW);
    assert_eq!((world.get("/credentials/n").json, tag(&world)), before);
    assert_eq!(world.get(&format!("/credentials/{}/totp-code", created["id"].as_str().unwrap())).status, 200);
    assert_eq!(world.post("/credentials/n/restore", json!({"version": 1})).status, 200);
}

#[test]
fn a_cursor_is_that_of_its_own_walk() {
    let world = World::default();
    world.create("n", None);
    let cursor = world.post("/maintenance/verify", json!({})).json["next"].clone();
    for (path, cursor) in
        [("sweep", cursor.clone()), ("rewrap", cursor), ("verify", json!("x")), ("rewrap", json!("x"))]
    {
        let answer = world.post(&format!("/maintenance/{path}"), json!({"cursor": cursor}));
        answer.is_bad_request("cursor must be the one that the step before returned");
    }
    world.post("/maintenance/rewrap", json!({"cursor": 5})).is_bad_request("cursor must be a string");
    world.post("/maintenance/rewrap", json!([])).is(400, "bad_request");
}
