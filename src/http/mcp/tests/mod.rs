//! The MCP server over a store in memory. Every answer of every test is held against what all answers promise.
#![cfg_attr(not(test), allow(dead_code, reason = "the fuzz targets need a part of it"))]
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "it is a test")]

#[cfg(test)]
mod calls;
#[cfg(test)]
mod eras;
#[cfg(test)]
mod hosts;
#[cfg(test)]
mod lint;
#[cfg(test)]
mod recorded;
#[cfg(test)]
mod results;
#[cfg(test)]
mod scopes;

use super::super::tests::world::{CANARY, Draft, TOTP_SECRET, World};
use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use serde_json::{Value, json};

/// An answer, checked.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    /// `Null` when there is no body.
    pub json: Value,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| *other == name).map(|(_, value)| value.as_str())
    }

    #[track_caller]
    pub fn result(&self) -> &Value {
        assert_eq!(self.status, 200, "{self:?}");
        self.json.get("result").unwrap_or_else(|| panic!("{self:?}"))
    }

    #[track_caller]
    pub fn is_fault(&self, status: u16, code: i64) {
        assert_eq!((self.status, self.json["error"]["code"].as_i64()), (status, Some(code)), "{self:?}");
        assert!(self.json["error"]["message"].as_str().is_some_and(|message| !message.is_empty()));
    }
}

/// Sends a message of any form.
#[track_caller]
pub fn send(draft: Draft<'_>, world: &World) -> Answer {
    let response = draft.respond(&world.store);
    let text = String::from_utf8(response.body).unwrap();
    assert!(!text.contains(CANARY) && !text.contains(TOTP_SECRET), "{text}");
    let answer = Answer {
        status: response.status,
        headers: response.headers,
        json: if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() },
    };
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert!(text.is_empty() || answer.header("content-type") == Some("application/json"));
    assert_eq!(answer.header("mcp-session-id"), None);
    assert_eq!(answer.header("www-authenticate").is_some(), answer.status == 401);
    assert_eq!(answer.header("allow"), (answer.status == 405).then_some("POST"));
    if answer.json.get("jsonrpc").is_some() {
        assert_eq!(answer.json["jsonrpc"], "2.0");
        assert!(answer.json.get("result").is_some() != answer.json.get("error").is_some());
    }
    answer
}

pub fn post(world: &World, body: Value) -> Draft<'_> {
    world.request("POST", "/mcp").header("accept", "application/json, text/event-stream").json(body)
}

/// A request of the era with a handshake.
pub fn earlier(method: &str, params: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params})
}

/// A request of 2026-07-28, complete.
pub fn stateless<'w>(world: &'w World, method: &str, mut params: Value) -> Draft<'w> {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
    });
    let name = params["name"].as_str().map(ToOwned::to_owned);
    let draft = post(world, json!({"jsonrpc": "2.0", "id": "a", "method": method, "params": params}))
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", method);
    match name {
        Some(name) => draft.header("mcp-name", &name),
        None => draft,
    }
}

/// The result of a tool, called by a token.
#[track_caller]
pub fn call_as(world: &World, token: &str, tool: &str, arguments: Value) -> Value {
    let request = earlier("tools/call", json!({"name": tool, "arguments": arguments}));
    let answer = send(post(world, request).token(token), world);
    let result = answer.result().clone();
    assert_eq!(result["content"].as_array().map(Vec::len), Some(1));
    let text = result["content"][0]["text"].as_str().unwrap();
    assert!(result["content"][0]["type"] == "text" && !text.is_empty());
    if result["isError"] == true {
        assert!(result.get("structuredContent").is_none(), "{result}");
        assert!(text.starts_with("Error") && text.len() <= 600, "{text}");
    } else {
        assert_eq!(serde_json::from_str::<Value>(text).unwrap(), result["structuredContent"]);
        assert!(result["structuredContent"].is_object());
    }
    result
}

#[track_caller]
pub fn call(world: &World, arguments: Value) -> Value {
    call_as(world, super::super::tests::world::TOKEN, "manage_credentials", arguments)
}

pub fn text_of(result: &Value) -> String {
    result["content"][0]["text"].as_str().unwrap().to_string()
}
