//! What the REST API promises beyond what the official clients ask for, over the wire. The rules themselves are tested
//! case by case beside the code, in `src/http/tests`.

use bytes::Bytes;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Barrier;
use std::thread;
use strongroom::http::{TABLE, Target};
use strongroom_host_tests::{ADMIN_TOKEN, Answer, Client, NOW, Program, TempDir, Vault, World};

const SCOPES: [&str; 6] = ["read", "totp", "write", "supply", "fill", "admin"];

fn credential(name: &str) -> Value {
    json!({"name": name, "domain": "example.com", "values": {"password": "value-canary"}})
}

fn keyed(client: &Client, body: &Value, key: &str) -> Answer {
    client.request("POST", "/credentials", &[("Idempotency-Key", key)], Some(body))
}

#[test]
fn of_two_writers_with_one_tag_one_wins_and_the_other_is_told() {
    let directory = TempDir::new();
    let server = Program::on(directory.path()).serve();
    let client = server.client();
    assert_eq!(client.post("/credentials", &credential("n")).status, 201);
    for round in 0..20 {
        let tag = client.get("/credentials/n").header("etag").unwrap().to_owned();
        let barrier = Barrier::new(2);
        let change = |writer: &str| {
            let body = json!({"values": {"writer": format!("{round} {writer}"), (writer): round.to_string()}});
            barrier.wait();
            client.request("PATCH", "/credentials/n", &[("If-Match", &tag)], Some(&body)).status
        };
        let mut statuses = thread::scope(|scope| {
            let writers = ["a", "b"].map(|writer| scope.spawn(move || change(writer)));
            writers.map(|writer| writer.join().unwrap())
        });
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 412], "round {round}");
    }
    // Each round changed the credential exactly once.
    assert_eq!(client.get("/credentials/n").json()["version"], 21);
}

#[test]
fn without_a_condition_no_field_of_any_writer_is_lost() {
    let directory = TempDir::new();
    let server = Program::on(directory.path()).serve();
    let client = server.client();
    client.post("/credentials", &credential("n"));
    thread::scope(|scope| {
        for writer in 0..6 {
            let client = &client;
            scope.spawn(move || {
                for field in 0..8 {
                    let body = json!({"values": {format!("{writer}-{field}"): "x"}});
                    assert_eq!(client.patch("/credentials/n", &body).status, 200);
                }
            });
        }
    });
    let stored = client.get("/credentials/n").json();
    let keys: BTreeSet<_> = stored["value_keys"].as_array().unwrap().iter().map(|key| key.as_str().unwrap()).collect();
    assert_eq!((keys.len(), &stored["version"]), (49, &json!(49)));
}

#[test]
fn deletes_and_odd_paths_over_the_wire() {
    let directory = TempDir::new();
    let server = Program::on(directory.path()).serve();
    let client = server.client();
    client.post("/credentials", &credential("n"));
    let send = |line: &str, headers: &str| {
        let head = format!(
            "{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {}\r\n",
            client.token
        );
        String::from_utf8(client.raw(format!("{head}{headers}\r\n").as_bytes()).unwrap()).unwrap()
    };
    for method in ["GET", "DELETE", "PATCH"] {
        let answer = send(&format!("{method} /credentials/"), "Content-Type: application/json\r\n");
        assert!(answer.starts_with("HTTP/1.1 404 ") && answer.contains("x-should-retry: false"), "{answer}");
    }
    // As the Python SDK sends it: a JSON content type, no body, no length.
    let answer = send("DELETE /credentials/n", "Content-Type: application/json\r\nAccept: */*\r\n");
    assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
    assert!(answer.ends_with("\r\n\r\n") && !answer.contains("transfer-encoding"), "a 204 has no body: {answer}");
    for (name, path) in
        [("health", "health"), ("a/totp-code", "a%2Ftotp-code"), ("../x", "..%2Fx"), ("a/supply", "a%2fsupply")]
    {
        assert_eq!(client.post("/credentials", &credential(name)).status, 201);
        assert_eq!(client.get(&format!("/credentials/{path}")).json()["name"], name);
        assert_eq!(client.delete(&format!("/credentials/{path}")).status, 204);
    }
    let answer = client.request("TRACE", "/credentials", &[], None);
    assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, HEAD, POST")));
    let head = client.request("HEAD", "/credentials/none", &[], None);
    assert_eq!((head.status, head.body.as_str()), (404, ""));
}

#[test]
fn idempotency_keys_survive_a_restart() {
    let directory = TempDir::new();
    let program = Program::on(directory.path());
    let server = program.serve();
    let first = keyed(&server.client(), &credential("n"), "key-1");
    assert_eq!(first.status, 201);
    server.kill();
    let server = program.serve();
    let client = server.client();
    let again = keyed(&client, &credential("n"), "key-1");
    assert_eq!((again.status, &again.body), (201, &first.body));
    assert_eq!(client.get("/credentials").json().as_array().unwrap().len(), 1);
    // Another body, another key, another token, no key: each gets its conflict.
    let mut other = credential("n");
    other["values"]["password"] = "another".into();
    assert_eq!(keyed(&client, &other, "key-1").code(), "idempotency_mismatch");
    assert_eq!(keyed(&client, &credential("n"), "key-2").code(), "name_taken");
    assert_eq!(client.post("/credentials", &credential("n")).code(), "name_taken");
    let writer = program.run(&["token", "new", "--name", "writer", "--scopes", "write"]);
    let writer = server.client_with(writer.stdout.trim());
    let answer = keyed(&writer, &credential("n"), "key-1");
    assert_eq!((answer.status, answer.header("x-should-retry")), (409, Some("false")));
}

#[test]
fn the_sdks_own_repetition_is_recognised_for_two_minutes() {
    let vault = Vault::new(World::Edge);
    let create = |count: &str| {
        let request = http::Request::post("http://localhost/credentials")
            .header("authorization", format!("Bearer {ADMIN_TOKEN}"))
            .header("content-type", "application/json")
            .header("x-stainless-retry-count", count)
            .body(Bytes::from(credential("n").to_string()));
        let response = vault.http(request.unwrap()).unwrap();
        let body: Value = serde_json::from_slice(response.body()).unwrap();
        (response.status().as_u16(), body)
    };
    let (status, first) = create("0");
    assert_eq!(status, 201);
    vault.clock.set(NOW + 119_999);
    assert_eq!(create("1"), (201, first));
    assert_eq!(create("0").1["code"], "name_taken");
    vault.clock.set(NOW + 120_000);
    assert_eq!(create("2").1["code"], "name_taken");
}

#[test]
fn every_scope_against_every_route() {
    let directory = TempDir::new();
    let program = Program::on(directory.path());
    let server = program.serve();
    let admin = server.client();
    let mut secrets = vec![admin.token.clone()];
    let clients = SCOPES.map(|scope| {
        let made = program.run(&["token", "new", "--name", &format!("only-{scope}"), "--scopes", scope]);
        secrets.push(made.stdout.trim().to_owned());
        (scope, server.client_with(made.stdout.trim()))
    });
    let body = json!({
        "name": "exists", "domain": "example.com", "values": {"password": "value-canary"}, "origin": "https://example.com",
        "totp_secret": "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ",
    });
    // The MCP server asks for no scope: `mcp_clients.rs`.
    for row in TABLE.iter().filter(|row| row.target != Target::Mcp) {
        for (scope, client) in &clients {
            let what = format!("{} {} with {scope}", row.method, row.path);
            admin.put("/credentials/exists", &body);
            // A version to restore, whichever it is by now.
            admin.patch("/credentials/exists", &json!({"description": what.as_str()}));
            let versions = admin.get("/credentials/exists/versions").json();
            let version = versions[0]["version"].clone();
            admin.delete("/credentials/new");
            let send = |client: &Client, name: &str| {
                let mut body = body.clone();
                body["version"] = version.clone();
                body["name"] = if row.path == "/credentials" { "new" } else { name }.into();
                client.request(row.method, &row.path.replace("{id_or_name}", name), &[], Some(&body))
            };
            let answer = send(client, "exists");
            if row.scope().is_none_or(|needed| needed.as_str() == *scope) {
                assert!(answer.status < 300, "{what}: {answer:?}");
                continue;
            }
            assert_eq!((answer.status, answer.code()), (403, "forbidden".to_owned()), "{what}");
            assert_eq!(answer.body, send(client, "missing").body, "{what}: tells what exists");
            for token in ["", "sr_wrong"] {
                let answer = send(&server.client_with(token), "exists");
                assert_eq!((answer.status, answer.header("www-authenticate")), (401, Some("Bearer")), "{what}");
            }
        }
    }
    let (status, output) = server.stop();
    assert!(status.success());
    for secret in secrets.iter().map(String::as_str).chain(["sr_wrong", "value-canary", "GEZDGNBVGY3TQOJQ"]) {
        assert!(!output.stderr.contains(secret), "a secret is in the log");
    }
}
