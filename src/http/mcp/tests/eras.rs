//! Both eras of the protocol: what each request is answered with, and in which order requests are checked.

use super::super::super::tests::world::World;
use super::{earlier, post, send, stateless};
use alloc::format;
use serde_json::{Value, json};

#[test]
fn a_handshake_settles_a_revision_that_has_one() {
    let world = World::default();
    for (offered, settled) in [
        ("2025-11-25", "2025-11-25"),
        ("2025-06-18", "2025-06-18"),
        ("2025-03-26", "2025-03-26"),
        ("2024-11-05", "2024-11-05"),
        // One client offers the later revision in a handshake, in the form of the earlier ones.
        ("2026-07-28", "2025-11-25"),
        ("2031-01-01", "2025-11-25"),
        ("", "2025-11-25"),
    ] {
        let params =
            json!({"protocolVersion": offered, "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
        let answer = send(post(&world, earlier("initialize", params)), &world);
        let result = answer.result();
        assert_eq!((&answer.json["id"], &result["protocolVersion"]), (&json!(7), &json!(settled)), "{offered}");
        assert_eq!(result["capabilities"], json!({"tools": {}}));
        assert_eq!(result["serverInfo"]["name"], "strongroom");
        assert!(result.get("resultType").is_none() && result.get("_meta").is_none());
    }
    let answer = send(post(&world, json!({"jsonrpc": "2.0", "id": 1, "method": "initialize"})), &world);
    assert_eq!(answer.result()["protocolVersion"], "2025-11-25");
}

#[test]
fn the_earlier_era_answers_with_200_whatever_it_says() {
    let world = World::default();
    let ask = |method: &str, params: Value| send(post(&world, earlier(method, params)), &world);
    assert_eq!(ask("ping", json!({})).result(), &json!({}));
    let list = ask("tools/list", json!({"_meta": {"progressToken": 0}}));
    assert_eq!(list.result()["tools"].as_array().unwrap().len(), 2);
    assert!(list.result().get("ttlMs").is_none());
    assert_eq!(ask("tools/list", json!({"cursor": null})).status, 200);
    ask("tools/list", json!({"cursor": "canary"})).is_fault(200, -32602);
    ask("tools/call", json!({})).is_fault(200, -32602);
    ask("tools/call", json!({"name": 5})).is_fault(200, -32602);
    ask("tools/call", json!({"name": "hunter2-canary", "arguments": {}})).is_fault(200, -32602);
    for method in ["server/discover", "resources/list", "prompts/list", "logging/setLevel", "hunter2-canary", ""] {
        ask(method, json!({})).is_fault(200, -32601);
    }
    for version in ["2025-11-25", " 2025-06-18 ", "2025-03-26", "2024-11-05"] {
        let draft = post(&world, earlier("ping", json!({}))).header("mcp-protocol-version", version);
        assert_eq!(send(draft, &world).status, 200, "{version}");
    }
}

#[test]
fn messages_that_want_no_answer_get_none() {
    let world = World::default();
    for body in [
        json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}),
        json!({"jsonrpc": "2.0", "method": "tools/call", "params": {"name": "manage_credentials"}}),
        json!({"jsonrpc": "2.0", "id": 1, "result": {}}),
        json!({"jsonrpc": "2.0", "id": 1, "error": {"code": -1, "message": "x"}}),
    ] {
        let answer = send(post(&world, body.clone()), &world);
        assert_eq!((answer.status, &answer.json), (202, &Value::Null), "{body}");
        let later = send(post(&world, body.clone()).header("mcp-protocol-version", "2026-07-28"), &world);
        assert_eq!(later.status, if body.get("method").is_some() { 202 } else { 400 }, "{body}");
        let unknown = send(post(&world, body.clone()).header("mcp-protocol-version", "2099-01-01"), &world);
        assert_eq!(unknown.status, 400, "{body}");
    }
}

#[test]
fn what_is_no_single_message_is_refused_in_both_eras() {
    let world = World::default();
    for version in [None, Some("2025-11-25"), Some("2026-07-28")] {
        let ask = |body: &[u8]| {
            let draft = world.request("POST", "/mcp").header("content-type", "application/json").bytes(body);
            let draft = match version {
                Some(version) => draft.header("mcp-protocol-version", version),
                None => draft,
            };
            send(draft, &world)
        };
        for body in
            [&b""[..], b"{", b"hunter2-canary", b"{\"a\":1,\"a\":2}", b"\xff", b"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["]
        {
            let answer = ask(body);
            answer.is_fault(400, -32700);
            assert_eq!(answer.json["id"], Value::Null);
        }
        for (body, id) in [
            (json!([]), Value::Null),
            (json!([earlier("ping", json!({}))]), Value::Null),
            (json!("canary"), Value::Null),
            (json!({}), Value::Null),
            (json!({"id": 1, "method": "ping"}), json!(1)),
            (json!({"jsonrpc": "1.0", "id": "x", "method": "ping"}), json!("x")),
            (json!({"jsonrpc": "2.0", "id": 1}), json!(1)),
            (json!({"jsonrpc": "2.0", "id": 1, "method": 5}), json!(1)),
            (json!({"jsonrpc": "2.0", "id": null, "method": "ping"}), Value::Null),
            (json!({"jsonrpc": "2.0", "id": 1.5, "method": "ping"}), Value::Null),
            (json!({"jsonrpc": "2.0", "id": 1, "method": "ping", "params": []}), json!(1)),
            (json!({"jsonrpc": "2.0", "method": "ping", "params": "x"}), Value::Null),
        ] {
            let answer = ask(format!("{body}").as_bytes());
            answer.is_fault(400, -32600);
            assert_eq!(answer.json["id"], id, "{body}");
        }
    }
}

#[test]
fn discover_and_every_result_identify_the_server() {
    let world = World::default();
    let answer = send(stateless(&world, "server/discover", json!({})), &world);
    let result = answer.result();
    assert_eq!(answer.json["id"], "a");
    assert_eq!(result["supportedVersions"][0], "2026-07-28");
    assert_eq!(result["capabilities"], json!({"tools": {}}));
    assert!(result["instructions"].as_str().is_some_and(|text| text.contains("never")));
    let list = send(stateless(&world, "tools/list", json!({})), &world);
    let call = json!({"name": "manage_credentials", "arguments": {"action": "list"}});
    let call = send(stateless(&world, "tools/call", call), &world);
    for answer in [&answer, &list, &call] {
        let result = answer.result();
        assert_eq!(result["resultType"], "complete");
        assert_eq!(result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "strongroom");
        assert!(result.get("serverInfo").is_none());
    }
    for answer in [&answer, &list] {
        assert_eq!((&answer.result()["cacheScope"], &answer.result()["ttlMs"]), (&json!("private"), &json!(300_000)));
    }
}

#[test]
fn the_stateless_era_wants_its_fields_and_headers() {
    let world = World::default();
    let full =
        || stateless(&world, "tools/call", json!({"name": "manage_credentials", "arguments": {"action": "list"}}));
    assert_eq!(send(full(), &world).status, 200);
    // Names in any case are the host's affair; white space around a value is none of it.
    for (header, value) in [
        ("mcp-protocol-version", "  2026-07-28 "),
        ("mcp-method", " tools/call"),
        ("mcp-name", "manage_credentials "),
        ("mcp-name", "=?base64?bWFuYWdlX2NyZWRlbnRpYWxz?="),
    ] {
        assert_eq!(send(full().header(header, value), &world).status, 200, "{header}: {value}");
    }
    for (header, value) in [
        ("mcp-protocol-version", "2025-11-25"),
        ("mcp-protocol-version", "2099-01-01"),
        ("mcp-method", "tools/list"),
        ("mcp-method", "Tools/Call"),
        ("mcp-method", ""),
        ("mcp-name", "find_credentials"),
        ("mcp-name", "Manage_credentials"),
        ("mcp-name", "=?base64?bWFuYWdlX2NyZWRlbnRpYWxz"),
        ("mcp-name", "=?base64?bWFuYWdlX2NyZWRlbnRpYWxz=?="),
        ("mcp-name", "=?base64?????=?="),
        ("mcp-name", "=?base64?/w==?="),
    ] {
        let answer = send(full().header(header, value), &world);
        answer.is_fault(400, -32020);
        assert_eq!(answer.json["id"], "a", "{header}: {value}");
    }
    for header in ["mcp-protocol-version", "mcp-method", "mcp-name"] {
        send(full().without(header), &world).is_fault(400, -32020);
        send(full().more(header, b"2026-07-28"), &world).is_fault(400, -32020);
        send(full().without(header).more(header, b"\xff"), &world).is_fault(400, -32020);
    }
    for (field, value) in [
        ("io.modelcontextprotocol/protocolVersion", json!(20260728)),
        ("io.modelcontextprotocol/protocolVersion", Value::Null),
        ("io.modelcontextprotocol/clientCapabilities", Value::Null),
        ("io.modelcontextprotocol/clientCapabilities", json!("x")),
    ] {
        let mut params = json!({"_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        }});
        let ask = |params: &Value| {
            let draft = post(&world, earlier("tools/list", params.clone()));
            send(draft.header("mcp-protocol-version", "2026-07-28").header("mcp-method", "tools/list"), &world)
        };
        assert_eq!(ask(&params).status, 200, "clientInfo may be absent");
        params["_meta"][field] = value;
        ask(&params).is_fault(400, -32602);
        params["_meta"].as_object_mut().unwrap().remove(field);
        ask(&params).is_fault(400, -32602);
        ask(&json!({})).is_fault(400, -32602);
        ask(&json!({"_meta": "canary"})).is_fault(400, -32602);
    }
}

#[test]
fn revisions_that_are_not_spoken_are_told() {
    let world = World::default();
    for (version, told) in
        [("v999.0.0", "v999.0.0"), ("2027-01-01", "2027-01-01"), ("hunter2-canary", ""), ("2025-11-25", "2025-11-25")]
    {
        let params = json!({"_meta": {
            "io.modelcontextprotocol/protocolVersion": version,
            "io.modelcontextprotocol/clientCapabilities": {},
        }});
        let draft = post(&world, earlier("server/discover", params)).header("mcp-method", "server/discover");
        let answer = send(draft.header("mcp-protocol-version", version), &world);
        answer.is_fault(400, -32022);
        assert_eq!(answer.json["error"]["data"]["requested"], told);
        assert_eq!(answer.json["error"]["data"]["supported"][0], "2026-07-28");
    }
    let draft = post(&world, earlier("tools/list", json!({}))).header("mcp-protocol-version", "2027-01-01");
    send(draft, &world).is_fault(400, -32022);
}

#[test]
fn methods_of_the_other_era_are_unknown() {
    let world = World::default();
    for method in ["initialize", "ping", "logging/setLevel", "resources/subscribe", "subscriptions/listen", "canary"] {
        send(stateless(&world, method, json!({})), &world).is_fault(404, -32601);
    }
    send(stateless(&world, "tools/call", json!({"name": "unknown"})), &world).is_fault(400, -32602);
    send(stateless(&world, "tools/call", json!({})), &world).is_fault(400, -32602);
    send(stateless(&world, "tools/list", json!({"cursor": "x"})), &world).is_fault(400, -32602);
}

#[test]
fn other_methods_of_http_and_other_media_are_refused() {
    let world = World::default();
    for method in ["GET", "HEAD", "DELETE", "PUT", "PATCH", "OPTIONS", "post"] {
        assert_eq!(send(world.request(method, "/mcp"), &world).status, 405, "{method}");
        // Some clients look for how to authenticate with a GET.
        assert_eq!(send(world.request(method, "/mcp").token("unknown"), &world).status, 401, "{method}");
        assert_eq!(send(world.request(method, "/mcp").without("authorization"), &world).status, 401, "{method}");
    }
    let ping = || post(&world, earlier("ping", json!({})));
    for accept in ["application/json", "*/*", "text/event-stream;q=1 , APPLICATION/JSON;q=0.5", "application/*", ""] {
        assert_eq!(send(ping().header("accept", accept), &world).status, 200, "{accept}");
    }
    assert_eq!(send(ping().without("accept"), &world).status, 200);
    for accept in ["text/event-stream", "text/html,application/xml", "application/jsonx"] {
        assert_eq!(send(ping().header("accept", accept), &world).status, 406, "{accept}");
    }
    assert_eq!(send(ping().header("content-type", "text/plain"), &world).status, 415);
    assert_eq!(send(ping().broken_body(crate::http::BodyError::TooLarge), &world).status, 413);
    send(ping().broken_body(crate::http::BodyError::Incomplete), &world).is_fault(400, -32700);
    assert_eq!(send(ping().header("x-kernel-project", "another"), &world).status, 403);
    assert_eq!(send(ping().header("x-request-id", "r1"), &world).header("x-request-id"), Some("r1"));
}

#[test]
fn a_missing_token_is_told_as_rfc_9728_says() {
    let world = World::default();
    let answer = send(post(&world, earlier("ping", json!({}))).without("authorization"), &world);
    assert_eq!(answer.status, 401);
    assert!(answer.json["message"].as_str().unwrap().contains("static token"));
    let url = "http://127.0.0.1:3000/.well-known/oauth-protected-resource/mcp";
    let challenge = format!("Bearer realm=\"strongroom\", resource_metadata=\"{url}\"");
    assert_eq!(answer.header("www-authenticate"), Some(challenge.as_str()));
    let metadata = send_get(&world, "/.well-known/oauth-protected-resource/mcp", "127.0.0.1:3000");
    assert_eq!(metadata["resource"], "http://127.0.0.1:3000/mcp");
    assert_eq!(metadata["bearer_methods_supported"], json!(["header"]));
    assert!(metadata.get("authorization_servers").is_none());
    world.set(crate::settings::ALLOWED_HOSTS, "vault.example.com");
    let metadata = send_get(&world, "/.well-known/oauth-protected-resource/mcp", "Vault.example.com");
    assert_eq!(metadata["resource"], "https://vault.example.com/mcp");
    for path in ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration", "/register"] {
        world.request("GET", path).without("authorization").send().is(404, "not_found");
    }
}

fn send_get(world: &World, path: &str, host: &str) -> Value {
    let answer = world.request("GET", path).header("host", host).without("authorization").send();
    assert_eq!(answer.status, 200);
    answer.json
}
