//! Results of the tools: all six actions, held against the output schema, and errors that say what to do next.

use super::super::super::tests::schema::violation;
use super::super::super::tests::world::{CANARY, TOTP_SECRET, World, entry};
use super::{call, call_as, earlier, post, send, stateless, text_of};
use crate::http::BodyError;
use crate::settings::{KEYS, TOKENS};
use alloc::format;
use alloc::vec::Vec;
use serde_json::{Value, json};

fn output_schema(world: &World) -> Value {
    send(post(world, earlier("tools/list", json!({}))), world).result()["tools"][0]["outputSchema"].clone()
}

#[test]
fn all_six_actions_answer_as_their_schema_says() {
    let world = World::default();
    let schema = output_schema(&world);
    let run = |arguments: Value| {
        let result = call(&world, arguments);
        assert_eq!(result["isError"], false, "{result}");
        // A member that is not declared is a violation too.
        assert_eq!(violation(&schema, &result["structuredContent"]), None);
        result["structuredContent"].clone()
    };
    let created = run(json!({
        "action": "create", "name": "n", "domain": "example.com", "sso_provider": "google",
        "values": {"username": "u", "password": CANARY}, "totp_secret": TOTP_SECRET,
        "description": "the team's", "additional_domains": ["example.org"], "metadata": {"team": "ops"},
    }));
    assert_eq!(
        (&created["value_keys"], &created["weak_totp_secret"]),
        (&json!(["password", "username"]), &json!(true))
    );
    assert_eq!(run(json!({"action": "list", "limit": 5}))["items"][0]["name"], "n");
    assert_eq!(run(json!({"action": "get", "id_or_name": created["id"]}))["name"], "n");
    assert_eq!(run(json!({"action": "totp_code", "id_or_name": "n"}))["code"], created["totp_code"]);
    assert_eq!(run(json!({"action": "update", "id_or_name": "n", "name": "m"}))["name"], "m");
    for (field, expected) in [
        ("additional_domains", json!(["example.org"])),
        ("description", json!("the team's")),
        ("metadata", json!({"team": "ops"})),
    ] {
        assert_eq!(created[field], expected);
        let page = run(json!({"action": "list", "origin": "https://example.org/login"}));
        assert_eq!(page["items"][0].get(field), Some(&expected).filter(|_| field != "metadata"), "{field}");
    }
    assert_eq!(run(json!({"action": "update", "id_or_name": "m", "archived": true}))["archived"], true);
    assert_eq!(run(json!({"action": "list", "archived": true}))["items"][0]["archived"], true);
    assert_eq!(run(json!({"action": "delete", "id_or_name": "m"}))["deleted"], true);
}

#[test]
fn errors_say_what_to_do_next() {
    let world = World::default();
    world.create("n", None);
    world.set(
        TOKENS,
        &format!(
            "{} {}",
            entry("all", "default", "read+totp+write", super::super::super::tests::world::TOKEN),
            entry("agent", "default", "read+totp", "agent")
        ),
    );
    let refused = |arguments: Value| {
        let result = call(&world, arguments);
        assert_eq!(result["isError"], true, "{result}");
        text_of(&result)
    };
    for (arguments, text) in [
        (json!({}), "Error: action must be one of list, get, totp_code, create, update, delete"),
        (json!({"action": "get"}), "Error: id_or_name is required for get."),
        (
            json!({"action": "create", "name": "x"}),
            "Error: domain, name, and non-empty values are required for create.",
        ),
        (
            json!({"action": "get", "id_or_name": "hunter2-canary"}),
            "Error in manage_credentials (get): credential not found [code: not_found]. Action list shows the \
             credentials there are.",
        ),
        (
            json!({"action": "create", "name": "n", "domain": "example.com", "values": {"a": "b"}}),
            "Error in manage_credentials (create): name is taken by another credential of the project [code: name_taken]. \
             Take another name, or change the existing credential with action update.",
        ),
        (
            json!({"action": "totp_code", "id_or_name": "n"}),
            "Error in manage_credentials (totp_code): the credential has no totp_secret [code: totp_not_configured]. \
             Action update with totp_secret sets one, if you were given it.",
        ),
        (
            json!({"action": "list", "project": "other"}),
            "Error: project must match this connection's fixed project: leave it out",
        ),
    ] {
        assert_eq!(refused(arguments), text);
    }
    // Nobody is sent to an action that he may not run.
    let text =
        text_of(&call_as(&world, "agent", "manage_credentials", json!({"action": "totp_code", "id_or_name": "n"})));
    assert!(text.ends_with("[code: totp_not_configured]. Its owner has to add the TOTP secret."), "{text}");
    let update = json!({"action": "update", "id_or_name": "n", "totp_secret": "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"});
    assert_eq!(call(&world, update)["isError"], false);
    let exclusive = json!({"action": "totp_code", "id_or_name": "n", "exclusive": true});
    assert_eq!(call(&world, exclusive.clone())["isError"], false);
    let text = refused(exclusive);
    assert!(text.contains("[code: code_taken]") && text.ends_with("Try again in 30 s."), "{text}");
    // What the right to write is not enough for.
    let text = refused(json!({"action": "update", "id_or_name": "n", "additional_domains": ["example.org"]}));
    assert!(
        text.ends_with("[code: forbidden]. This connection may not do that: do not retry, tell the user."),
        "{text}"
    );
    assert_eq!(call(&world, json!({"action": "update", "id_or_name": "n", "archived": true}))["isError"], false);
    let text = refused(json!({"action": "totp_code", "id_or_name": "n"}));
    assert!(
        text.ends_with("[code: archived]. It stays so until a person switches it on again: tell the user."),
        "{text}"
    );
    let text = refused(json!({"action": "list", "origin": "example.com"}));
    assert_eq!(
        text,
        "Error in manage_credentials (list): origin must be a URL that begins with a scheme and :// [code: \
         origin_refused]."
    );
}

#[test]
fn faults_of_the_vault_are_results_too() {
    let world = World::default();
    world.set(KEYS, "hunter2-canary");
    let result = call(&world, json!({"action": "list"}));
    let text = text_of(&result);
    assert!(
        result["isError"] == true && text.contains("[code: misconfigured]") && text.contains("do not retry"),
        "{text}"
    );
}

#[test]
fn the_stateless_era_gives_the_same_results() {
    let world = World::default();
    world.create("n", None);
    for arguments in
        [json!({"action": "get", "id_or_name": "n"}), json!({"action": "get", "id_or_name": "x"}), json!({})]
    {
        let params = json!({"name": "manage_credentials", "arguments": arguments});
        let later = send(stateless(&world, "tools/call", params), &world);
        let earlier = call(&world, arguments);
        for member in ["content", "structuredContent", "isError"] {
            assert_eq!(later.result().get(member), earlier.get(member));
        }
    }
}

/// Truncated and broken in every place: never a bare failure, never an echo.
#[test]
fn malformed_calls_are_answered() {
    let world = World::default();
    let request = earlier(
        "tools/call",
        json!({"name": "manage_credentials", "arguments": {
            "action": "create", "name": "n", "domain": "example.com", "values": {"password": CANARY}, "totp_secret": TOTP_SECRET,
        }}),
    );
    let body = format!("{request}");
    let ask = |body: &[u8]| {
        send(world.request("POST", "/mcp").header("content-type", "application/json").bytes(body), &world)
    };
    for length in 0..body.len() {
        ask(&body.as_bytes()[..length]).is_fault(400, -32700);
    }
    let statuses: Vec<_> = (0..body.len())
        .flat_map(|position| [0, b'"', b'{', 0xff].map(|byte| (position, byte)))
        .map(|(position, byte)| {
            let mut broken = body.clone().into_bytes();
            broken[position] = byte;
            ask(&broken).status
        })
        .collect();
    assert!(statuses.iter().all(|status| [200, 202, 400].contains(status)));
    assert_eq!(send(world.request("POST", "/mcp").broken_body(BodyError::TooLarge), &world).status, 413);
}
