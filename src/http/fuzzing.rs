//! Any request to the REST face, and any message to MCP, of a client that has a token.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a target panics when it has found something"
)]

use super::mcp::tests as mcp_tests;
use super::template;
use super::tests::world::{CANARY, TOTP_SECRET, World};
use super::uri::{decode_segment, parameters};
use crate::fuzzing::{Target, text};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use serde_json::{Value, json};
use std::sync::LazyLock;

pub const REQUEST: Target = Target { name: "request", run: request, seeds: Vec::new };
pub const MCP: Target = Target { name: "mcp", run: message, seeds: Vec::new };

const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"];

/// A vault with a few credentials.
fn world() -> World {
    static ENTRIES: LazyLock<BTreeMap<String, Vec<u8>>> = LazyLock::new(|| {
        let world = World::default();
        world.create("a", Some(TOTP_SECRET));
        world.create("b/c?d", None);
        world.patch("/credentials/a", json!({"description": "second version"}));
        world.create("deleted", None);
        world.request("DELETE", "/credentials/deleted").send();
        world.store.entries.take()
    });
    let world = World::default();
    world.store.entries.replace(ENTRIES.clone());
    // Other numbers than those that it was made with.
    world.random.skip(1 << 20);
    world
}

/// As HTTP/1.1 has it: method and path, headers, an empty line, the body.
fn request(data: &[u8]) {
    let (front, body) = match data.windows(2).position(|two| two == b"\n\n") {
        Some(at) => (&data[..at], &data[at + 2..]),
        None => (data, &[][..]),
    };
    let front = text(front);
    let mut lines = front.split('\n');
    let (method, path) = lines.next().unwrap_or_default().split_once(' ').unwrap_or_default();
    segment(path);
    let Some(method) = METHODS.into_iter().find(|known| *known == method) else { return };
    // What is in the request may come back.
    let is_confusing = |what: &str| data.windows(what.len()).any(|window| window == what.as_bytes());
    if is_confusing(CANARY) || is_confusing(TOTP_SECRET) || path.split('?').next() == Some("/mcp") {
        return;
    }
    let world = world();
    let mut draft = world.request(method, path).bytes(body);
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap_or((line, ""));
        let name = name.to_ascii_lowercase();
        draft = match name.as_str() {
            "authorization" | "host" => draft.header(&name, value),
            _ => draft.more(&name, value.as_bytes()),
        };
    }
    let answer = draft.send();
    if matches!(method, "GET" | "HEAD" | "OPTIONS" | "TRACE") || answer.status >= 300 {
        return;
    }
    // What was stored can be read, by its id and by its name.
    if let Some(id) = answer.json["id"].as_str().filter(|id| id.starts_with("cred_") && answer.json["name"].is_string())
    {
        let by_id = world.get(&format!("/credentials/{id}"));
        assert_eq!((by_id.status, &by_id.json["name"]), (200, &answer.json["name"]));
        let name = percent_encoded(answer.json["name"].as_str().unwrap());
        let by_name = world.get(&format!("/credentials/{name}"));
        assert_eq!((by_name.status, &by_name.json["id"]), (200, &answer.json["id"]), "{answer:?}");
    }
    let report = world.request("POST", "/maintenance/verify").send();
    assert_eq!(report.status, 200, "{report:?}");
}

fn segment(path: &str) {
    if let Some(template) = template(path) {
        assert_eq!(template.split('/').count(), path.split('/').count());
    }
    if let Ok(decoded) = decode_segment(path) {
        assert_eq!(decode_segment(&percent_encoded(&decoded)).as_ref().ok(), Some(&decoded));
    }
    if let Ok(pairs) = parameters(path) {
        let written: Vec<String> =
            pairs.iter().map(|(name, value)| format!("{}={}", percent_encoded(name), percent_encoded(value))).collect();
        // One that is empty on both sides of its sign is still one.
        assert_eq!(parameters(&written.join("&")).ok(), Some(pairs));
    }
}

fn percent_encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// The body of a message, once as clients before 2026-07-28 send it, and once as those since.
fn message(data: &[u8]) {
    let is_confusing = |what: &str| data.windows(what.len()).any(|window| window == what.as_bytes());
    if is_confusing(CANARY) || is_confusing(TOTP_SECRET) {
        return;
    }
    let world = world();
    let post = || {
        let draft = world.request("POST", "/mcp").header("accept", "application/json, text/event-stream");
        draft.header("content-type", "application/json").bytes(data)
    };
    check(&mcp_tests::send(post(), &world), data);
    let body: Value = serde_json::from_slice(data).unwrap_or_default();
    let (method, name) = (body["method"].as_str().unwrap_or_default(), body["params"]["name"].as_str());
    let mut draft = post().header("mcp-protocol-version", "2026-07-28").header("mcp-method", method);
    if let Some(name) = name {
        draft = draft.header("mcp-name", name);
    }
    check(&mcp_tests::send(draft, &world), data);
}

/// A request gets one answer that has its id; a notification gets none.
fn check(answer: &mcp_tests::Answer, data: &[u8]) {
    let Ok(body) = serde_json::from_slice::<Value>(data) else { return };
    let is_answered = answer.json.get("result").is_some();
    if is_answered {
        // A number may come back in another form: 7e6 as 7000000.
        let (answered, asked) = (&answer.json["id"], &body["id"]);
        assert!(answered == asked || answered.as_f64().is_some_and(|id| Some(id) == asked.as_f64()));
        assert!(body["method"].is_string());
    }
}
