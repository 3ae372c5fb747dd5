//! The schemas keep to what every known client takes. Each rule stands for clients that dropped the tool, or all tools, of
//! a server that broke it.

use super::super::super::tests::world::{World, entry};
use super::{earlier, post, send};
use crate::access::Scope;
use crate::settings::TOKENS;
use alloc::vec::Vec;
use serde_json::{Value, json};

/// The tools of every set of scopes.
pub fn every_list() -> Vec<(Vec<&'static str>, Value)> {
    let world = World::default();
    (0u32..1 << Scope::ALL.len())
        .map(|bits| {
            let scopes: Vec<_> = Scope::ALL.into_iter().filter(|scope| bits & 1 << *scope as u32 != 0).collect();
            let names: Vec<_> = scopes.into_iter().map(Scope::as_str).collect();
            // A token needs one; admin adds nothing here.
            let setting = if names.is_empty() { "admin".into() } else { names.join("+") };
            world.set(TOKENS, &entry("t", "default", &setting, "t"));
            let answer = send(post(&world, earlier("tools/list", json!({}))).token("t"), &world);
            (names, answer.result()["tools"].clone())
        })
        .collect()
}

#[test]
fn the_schemas_are_what_every_client_takes() {
    let mut tools = 0;
    for (_, list) in every_list() {
        for tool in list.as_array().unwrap() {
            tools += 1;
            let description = tool["description"].as_str().unwrap();
            assert!((100..=1024).contains(&description.len()) && description.is_ascii(), "{}", description.len());
            let name = tool["name"].as_str().unwrap();
            assert!(name.len() <= 32 && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'));
            assert!(!tool["title"].as_str().unwrap().is_empty());
            let hints = tool["annotations"].as_object().unwrap();
            for hint in ["readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"] {
                assert!(hints[hint].is_boolean(), "{hint}");
            }
            let input = &tool["inputSchema"];
            assert_eq!(input["required"], json!(["action"]));
            for schema in [input, &tool["outputSchema"]] {
                assert_eq!(schema["type"], "object");
                lint(schema, "root");
            }
            for (name, property) in input["properties"].as_object().unwrap() {
                let words = property["description"].as_str().unwrap();
                assert!(words.len() <= 300 && words.is_ascii(), "{name}");
                for bound in ["minimum", "maximum"] {
                    if let Some(bound) = property.get(bound).and_then(Value::as_u64) {
                        assert!(words.contains(&alloc::format!("{bound}")), "{name}: {bound} is not in its words");
                    }
                }
            }
        }
    }
    assert!(tools > 30, "{tools}");
}

/// One schema and all inside it. Only these keywords are used; any other fails.
fn lint(schema: &Value, at: &str) {
    let members = schema.as_object().unwrap_or_else(|| panic!("{at} is no object"));
    let kind = members.get("type").and_then(Value::as_str).unwrap_or_else(|| panic!("{at} has not one type"));
    assert!(["object", "array", "string", "integer", "boolean"].contains(&kind), "{at}: {kind}");
    for (keyword, value) in members {
        match (keyword.as_str(), kind) {
            ("type", _) => {}
            ("description", _) => assert!(value.as_str().is_some_and(|text| !text.trim().is_empty()), "{at}"),
            ("properties", "object") => {
                for (name, property) in value.as_object().unwrap() {
                    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
                    assert!((1..=64).contains(&name.len()) && name.bytes().all(fits), "{name}");
                    lint(property, name);
                }
            }
            ("additionalProperties", "object") => {
                assert_eq!(value, &json!({"type": "string"}), "{at}");
                assert!(!members.contains_key("properties"), "{at}: a map has no fixed members");
            }
            ("required", "object") => {
                let names = value.as_array().unwrap();
                assert!(names.iter().all(|name| members["properties"].get(name.as_str().unwrap()).is_some()));
            }
            ("items", "array") => lint(value, at),
            ("enum", "string") => {
                let values = value.as_array().unwrap();
                assert!(!values.is_empty() && values.iter().all(|value| value.is_string()), "{at}");
            }
            ("minimum" | "maximum", "integer") => assert!(value.is_u64(), "{at}"),
            (other, kind) => panic!("{at}: {other} on {kind}"),
        }
    }
    assert_eq!(members.contains_key("items"), kind == "array", "{at}");
    assert_eq!(
        members.contains_key("properties") || members.contains_key("additionalProperties"),
        kind == "object",
        "{at}"
    );
}
