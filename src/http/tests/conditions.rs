//! Entity tags and conditions.

use super::world::{Answer, World};
use alloc::format;
use alloc::string::{String, ToString};
use serde_json::{Value, json};

fn tag(answer: &Answer) -> String {
    answer.header("etag").unwrap().to_string()
}

fn send(world: &World, method: &'static str, body: Value, conditions: &[(&str, &str)]) -> Answer {
    let mut draft = world.request(method, "/credentials/n");
    if !body.is_null() {
        draft = draft.json(body);
    }
    for (name, value) in conditions {
        draft = draft.header(name, value);
    }
    draft.send()
}

#[test]
fn tags_follow_versions() {
    let world = World::default();
    let id = world.create("n", None)["id"].as_str().unwrap().to_string();
    let first = tag(&world.get("/credentials/n"));
    assert_eq!(first, format!("\"{id}.1\""));
    assert_eq!(tag(&world.get(&format!("/credentials/{id}"))), first);
    assert_eq!(tag(&world.patch("/credentials/n", json!({"values": {}}))), first);
    assert_eq!(tag(&world.patch("/credentials/n", json!({"sso_provider": "x"}))), format!("\"{id}.2\""));
    // The name is given to another credential: its tag differs, though its version is 1 again.
    world.request("DELETE", "/credentials/n").send();
    world.create("n", None);
    assert_ne!(tag(&world.get("/credentials/n")), first);
    send(&world, "PATCH", json!({"sso_provider": "y"}), &[("if-match", &first)]).is(412, "precondition_failed");
}

#[test]
fn reads_are_spared_what_is_known() {
    let world = World::default();
    world.create("n", None);
    let current = tag(&world.get("/credentials/n"));
    for known in [&current, "*", &format!("W/{current}"), &format!("\"x\", {current}")] {
        let answer = send(&world, "GET", Value::Null, &[("if-none-match", known)]);
        assert_eq!((answer.status, tag(&answer)), (304, current.clone()), "{known}");
    }
    assert_eq!(send(&world, "GET", Value::Null, &[("if-none-match", "\"x\"")]).status, 200);
    assert_eq!(send(&world, "GET", Value::Null, &[("if-match", &current)]).status, 200);
    send(&world, "GET", Value::Null, &[("if-match", "\"x\"")]).is(412, "precondition_failed");
    send(&world, "GET", Value::Null, &[("if-match", "x")]).is(400, "bad_request");
    let missing = world.request("GET", "/credentials/m").header("if-none-match", "*").send();
    missing.is(404, "not_found");
}

#[test]
fn of_two_writers_with_the_same_tag_one_wins() {
    let world = World::default();
    world.create("n", None);
    let seen = tag(&world.get("/credentials/n"));
    let change = |key: &str| json!({"values": {key: "x"}});
    assert_eq!(send(&world, "PATCH", change("a"), &[("if-match", &seen)]).status, 200);
    send(&world, "PATCH", change("b"), &[("if-match", &seen)]).is(412, "precondition_failed");
    assert_eq!(world.get("/credentials/n").json["value_keys"], json!(["password", "username", "a"]));
    // Without a condition both are merged.
    send(&world, "PATCH", change("b"), &[]);
    assert_eq!(world.get("/credentials/n").json["value_keys"], json!(["password", "username", "a", "b"]));
}

#[test]
fn conditions_of_updates_and_deletes() {
    let change = json!({"sso_provider": "x"});
    for (method, body, done) in [("PATCH", change, 200), ("DELETE", Value::Null, 204)] {
        let world = World::default();
        world.create("n", None);
        let current = tag(&world.get("/credentials/n"));
        for conditions in [
            &[("if-match", "\"x\"")][..],
            &[("if-match", &format!("W/{current}"))],
            &[("if-none-match", "*")],
            &[("if-none-match", &current)],
            &[("if-match", &current), ("if-none-match", &current)],
        ] {
            send(&world, method, body.clone(), conditions).is(412, "precondition_failed");
        }
        for value in ["", "x", "\"x"] {
            send(&world, method, body.clone(), &[("if-match", value)]).is(400, "bad_request");
        }
        assert_eq!(world.get("/credentials/n").json["version"], 1);
        let list = format!("\"x\",{current}");
        assert_eq!(send(&world, method, body.clone(), &[("if-match", &list)]).status, done);
        let world = World::default();
        send(&world, method, body.clone(), &[("if-match", "*")]).is(404, "not_found");
        send(&world, method, body.clone(), &[("if-match", &current)]).is(404, "not_found");
        world.create("n", None);
        assert_eq!(send(&world, method, body.clone(), &[("if-match", "*")]).status, done);
    }
}

#[test]
fn conditions_of_puts() {
    let world = World::default();
    let body = json!({"domain": "example.com", "values": {"a": "1"}});
    let put = |value: &str, conditions: &[(&str, &str)]| {
        let mut body = body.clone();
        body["values"]["a"] = value.into();
        send(&world, "PUT", body, conditions)
    };
    put("1", &[("if-match", "*")]).is(412, "precondition_failed");
    put("1", &[("if-match", "\"x\"")]).is(412, "precondition_failed");
    let created = put("1", &[("if-none-match", "*")]);
    assert_eq!(created.status, 201);
    let first = tag(&created);
    put("2", &[("if-none-match", "*")]).is(412, "precondition_failed");
    put("2", &[("if-none-match", &first)]).is(412, "precondition_failed");
    put("2", &[("if-match", "*"), ("if-none-match", "*")]).is(412, "precondition_failed");
    assert_eq!(put("2", &[("if-match", &first)]).status, 200);
    put("3", &[("if-match", &first)]).is(412, "precondition_failed");
    assert_eq!(put("3", &[("if-match", "*")]).status, 200);
    assert_eq!(put("4", &[("if-none-match", &first)]).status, 200);
    world.request("DELETE", "/credentials/n").send();
    assert_eq!(put("5", &[("if-none-match", &first)]).status, 201);
}
