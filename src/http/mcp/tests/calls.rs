//! Calls as models really send them, each with its answer. None ends as an error of the protocol, which no model is shown.

use super::super::super::tests::world::{CANARY, World};
use super::{earlier, post, send, text_of};
use serde_json::{Value, json};

enum Expected {
    /// What the structured content has at a pointer.
    Has(&'static str, Value),
    /// The text of an error.
    Says(&'static str),
}
use Expected::{Has, Says};

const ACTIONS: &str = "Error: action must be one of list, get, totp_code, create, update, delete";
const NEEDED: &str = "Error: domain, name, and non-empty values are required for create.";
const LIMIT: &str = "Error: limit must be a whole number from 1 to 100";

/// In the vault are `n`, with values and a TOTP secret, and names that have to be quoted.
fn world() -> World {
    let world = World::default();
    world.create("n", Some("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"));
    for name in ["say \"hi\"", "it's", "a\\b", "日本語 é"] {
        world.create(name, None);
    }
    world
}

fn check(arguments: &Value, expected: &Expected) {
    let world = world();
    let answer = send(
        post(&world, earlier("tools/call", json!({"name": "manage_credentials", "arguments": arguments}))),
        &world,
    );
    let result = answer.result();
    match expected {
        Has(pointer, value) => {
            assert_eq!(result["isError"], false, "{arguments}: {result}");
            assert_eq!(result["structuredContent"].pointer(pointer), Some(value), "{arguments}: {result}");
        }
        Says(text) => {
            assert_eq!((text_of(result).as_str(), &result["isError"]), (*text, &json!(true)), "{arguments}");
        }
    }
}

/// A good create with some members replaced.
fn create(changes: Value) -> Value {
    let mut arguments = json!({"action": "create", "name": "new", "domain": "example.com", "values": {"a": "b"}});
    arguments.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    arguments
}

fn update(changes: Value) -> Value {
    let mut arguments = json!({"action": "update", "id_or_name": "n"});
    arguments.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    arguments
}

#[test]
fn calls_as_models_send_them() {
    let totp = |changes: Value| {
        let mut arguments = json!({"action": "totp_code", "id_or_name": "n"});
        arguments.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        arguments
    };
    let table = [
        // The action, in the cases and with the separators that models choose.
        (json!({"action": "list"}), Has("/items/0/name", json!("n"))),
        (json!({"action": "LIST"}), Has("/items/0/name", json!("n"))),
        (json!({"action": " List "}), Has("/items/0/name", json!("n"))),
        (json!({"action": "totp-code", "id_or_name": "n"}), Has("/period", json!(30))),
        (json!({"action": "totpCode", "id_or_name": "n"}), Has("/period", json!(30))),
        (json!({"action": "TOTP_CODE", "id_or_name": "n"}), Has("/period", json!(30))),
        (json!({}), Says(ACTIONS)),
        (json!({"action": null}), Says(ACTIONS)),
        (json!({"action": ""}), Says(ACTIONS)),
        (json!({"action": 5}), Says(ACTIONS)),
        (json!({"action": ["list"]}), Says(ACTIONS)),
        (json!({"action": "remove", "id_or_name": "n"}), Says(ACTIONS)),
        (json!({"action": "supply", "id_or_name": "n", "origin": "https://example.com"}), Says(ACTIONS)),
        (json!({"Action": "list"}), Says(ACTIONS)),
        // The arguments as a whole.
        (json!(null), Says(ACTIONS)),
        (json!("{\"action\":\"get\",\"id_or_name\":\"n\"}"), Has("/name", json!("n"))),
        (json!("list"), Says("Error: arguments must be an object")),
        (json!([]), Says("Error: arguments must be an object")),
        (json!(true), Says("Error: arguments must be an object")),
        // What is not set, as null or as an empty text; members that clients add.
        (
            json!({"action": "list", "domain": null, "query": null, "limit": null, "offset": null, "values": null,
                   "id_or_name": null, "project": null, "project_id": null, "totp_digits": null, "exclusive": null}),
            Has("/items/0/name", json!("n")),
        ),
        (
            json!({"action": "list", "domain": "", "query": "", "limit": "", "offset": "", "values": "", "name": "",
                   "id_or_name": "", "project": "", "project_id": "", "totp_digits": "", "exclusive": ""}),
            Has("/items/0/name", json!("n")),
        ),
        (
            json!({"action": "get", "id_or_name": "n", "context": "why", "wait_for_previous": true, "toolCallId": 7}),
            Has("/name", json!("n")),
        ),
        (json!({"action": "get", "id_or_name": "n", "limit": 5, "values": {}}), Has("/name", json!("n"))),
        // Numbers and flags as text.
        (json!({"action": "list", "limit": "1"}), Has("/next_offset", json!(1))),
        (json!({"action": "list", "limit": 1.0}), Has("/next_offset", json!(1))),
        (json!({"action": "list", "limit": "2", "offset": "1"}), Has("/next_offset", json!(3))),
        (json!({"action": "list", "limit": 0}), Says(LIMIT)),
        (json!({"action": "list", "limit": 1000}), Says(LIMIT)),
        (json!({"action": "list", "limit": "all"}), Says(LIMIT)),
        (json!({"action": "list", "limit": 1.5}), Says(LIMIT)),
        (json!({"action": "list", "offset": -1}), Says("Error: offset must be a whole number from 0 to 4294967295")),
        (totp(json!({"exclusive": "true"})), Has("/period", json!(30))),
        (totp(json!({"exclusive": "False"})), Has("/period", json!(30))),
        (totp(json!({"exclusive": "maybe"})), Says("Error: exclusive must be true or false")),
        (totp(json!({"min_valid_seconds": "5"})), Has("/valid_for_seconds", json!(30))),
        (totp(json!({"min_valid_seconds": null})), Has("/valid_for_seconds", json!(30))),
        // Domains as they are copied.
        (json!({"action": "list", "domain": "https://Example.com/login?x=1"}), Has("/items/0/name", json!("n"))),
        (json!({"action": "list", "domain": "EXAMPLE.COM"}), Has("/items/0/name", json!("n"))),
        // Names that have to be quoted, and ids.
        (json!({"action": "get", "id_or_name": "say \"hi\""}), Has("/name", json!("say \"hi\""))),
        (json!({"action": "get", "id_or_name": "it's"}), Has("/name", json!("it's"))),
        (json!({"action": "get", "id_or_name": "a\\b"}), Has("/name", json!("a\\b"))),
        (json!({"action": "get", "id_or_name": "日本語 é"}), Has("/name", json!("日本語 é"))),
        (json!({"action": "get", "id_or_name": " n "}), Has("/name", json!("n"))),
        (json!({"action": "get"}), Says("Error: id_or_name is required for get.")),
        (json!({"action": "totp_code", "id_or_name": null}), Says("Error: id_or_name is required for totp_code.")),
        (json!({"action": "delete", "id_or_name": ""}), Says("Error: id_or_name is required for delete.")),
        (json!({"action": "update", "name": "n"}), Says("Error: id_or_name is required for update.")),
        // The project.
        (json!({"action": "list", "project": "default"}), Has("/items/0/name", json!("n"))),
        (json!({"action": "list", "project_id": "default"}), Has("/items/0/name", json!("n"))),
        (
            json!({"action": "list", "project": "my-project"}),
            Says(
                "Error in manage_credentials (list): project must match this connection's fixed project [code: \
                 forbidden]. This connection may not do that; do not retry.",
            ),
        ),
        // Values as objects, as text that holds one, and of other types.
        (create(json!({"values": "{\"user\":\"u\",\"pin\":1234}"})), Has("/value_keys", json!(["user", "pin"]))),
        (create(json!({"values": {"pin": 1234, "on": true}})), Has("/value_keys", json!(["on", "pin"]))),
        (create(json!({"values": {"a": "b", "gone": null}})), Has("/value_keys", json!(["a"]))),
        (create(json!({"values": "hunter2"})), Says("Error: values must be an object of strings")),
        (create(json!({"values": {"a": {"b": "c"}}})), Says("Error: values must be an object of strings (entry 1)")),
        (create(json!({"values": {}})), Says(NEEDED)),
        (create(json!({"values": null})), Says(NEEDED)),
        (create(json!({"name": ""})), Says(NEEDED)),
        (create(json!({"domain": null})), Says(NEEDED)),
        (
            create(json!({"sso_provider": null, "totp_secret": null, "totp_digits": null, "totp_algorithm": null})),
            Has("/has_totp_secret", json!(false)),
        ),
        (
            create(json!({"sso_provider": "", "totp_secret": "", "totp_digits": "", "totp_period": ""})),
            Has("/has_totp_secret", json!(false)),
        ),
        (
            create(
                json!({"totp_secret": "gezd gnbv-gy3t qojq gezd gnbv gy3t qojq", "totp_digits": "8", "totp_algorithm": "sha256"}),
            ),
            Has("/totp_digits", json!(8)),
        ),
        (
            create(json!({"totp_secret": "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", "totp_period": "60"})),
            Has("/totp_period", json!(60)),
        ),
        // Updates: null changes nothing, an empty text clears.
        (update(json!({"name": null, "values": {"x": "y"}})), Has("/value_keys", json!(["password", "username", "x"]))),
        (
            update(json!({"values": {"password": null, "x": "y"}})),
            Has("/value_keys", json!(["password", "username", "x"])),
        ),
        (update(json!({"totp_secret": null, "values": {"x": "y"}})), Has("/has_totp_secret", json!(true))),
        (update(json!({"totp_secret": ""})), Has("/has_totp_secret", json!(false))),
        (update(json!({"remove_value_keys": "[\"username\"]"})), Has("/value_keys", json!(["password"]))),
        (
            update(json!({"remove_value_keys": ["username"], "sso_provider": null})),
            Has("/value_keys", json!(["password"])),
        ),
    ];
    assert!(table.len() >= 60, "{}", table.len());
    for (arguments, expected) in &table {
        check(arguments, expected);
    }
}

#[test]
fn nothing_that_was_sent_comes_back_in_an_error() {
    let world = world();
    for member in
        ["action", "id_or_name", "domain", "query", "limit", "offset", "name", "values", "totp_secret", "project"]
    {
        for action in ["list", "get", "totp_code", "create", "update", "delete", CANARY] {
            if (action, member) == ("create", "name") {
                // The new name is no error.
                continue;
            }
            let mut arguments = create(json!({"action": action, "id_or_name": "missing"}));
            arguments[member] = CANARY.into();
            // `send` looks for the canary in every answer.
            let request = earlier("tools/call", json!({"name": "manage_credentials", "arguments": arguments}));
            assert_eq!(send(post(&world, request), &world).status, 200, "{action} {member}");
        }
    }
}
