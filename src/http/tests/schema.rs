//! Holds answers against `openapi.json`: status, headers, body. A JSON Schema validator for the keywords that it uses;
//! any other keyword fails, so that nothing goes unchecked, and so does a member that is not described.

use super::world::Answer;
use crate::http::routes::{Route, find};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use serde_json::Value;
use std::sync::LazyLock;

pub static DOCUMENT: LazyLock<Value> = LazyLock::new(|| serde_json::from_str(include_str!("../openapi.json")).unwrap());

/// Follows a reference, if it is one.
pub fn resolve(value: &Value) -> &Value {
    match value.get("$ref").and_then(Value::as_str) {
        Some(reference) => DOCUMENT.pointer(reference.strip_prefix('#').unwrap()).expect(reference),
        None => value,
    }
}

pub fn check(method: &str, path_with_query: &str, answer: &Answer) {
    let what = format!("{method} {path_with_query}: {answer:?}");
    let path = path_with_query.split('?').next().unwrap();
    let response = match find(method, path) {
        Route::Known(row, _) => {
            let operation = &DOCUMENT["paths"][row.path][row.method.to_lowercase()];
            resolve(operation["responses"].get(answer.status.to_string()).unwrap_or_else(|| panic!("{what}")))
        }
        // The table has no line for these.
        Route::WrongMethod(_) => &DOCUMENT["components"]["responses"]["MethodNotAllowed"],
        Route::Unknown => &DOCUMENT["components"]["responses"]["NotFound"],
    };
    for (name, header) in response["headers"].as_object().into_iter().flatten() {
        let header = resolve(header);
        let value = answer.header(&name.to_lowercase());
        assert!(value.is_some() || header["required"] != true, "{name} is missing: {what}");
        if let Some(value) = value {
            let schema = resolve(&header["schema"]);
            let number = value.parse::<u64>().ok().filter(|_| schema["type"] == "integer");
            let value = number.map_or_else(|| value.into(), Value::from);
            assert_eq!(violation(schema, &value), None, "{name}: {what}");
        }
    }
    if !answer.json.is_null() {
        let schema = &response["content"]["application/json"]["schema"];
        assert_eq!(violation(schema, &answer.json), None, "{what}");
    }
}

/// The first thing that is wrong.
pub fn violation(schema: &Value, value: &Value) -> Option<String> {
    let schema = resolve(schema);
    let members = schema.as_object().expect("a schema is an object");
    for (keyword, rule) in members {
        let wrong = |text: &str| Some(format!("{value} breaks {keyword} {rule} {text}"));
        let length = value.as_str().map(|text| text.chars().count() as u64);
        let holds = match keyword.as_str() {
            "description" | "examples" | "default" => true,
            "type" => match rule {
                Value::Array(types) => types.iter().any(|one| is_type(one, value)),
                one => is_type(one, value),
            },
            "const" => rule == value,
            "enum" => rule.as_array().unwrap().contains(value),
            "anyOf" => rule.as_array().unwrap().iter().any(|one| violation(one, value).is_none()),
            "minLength" => length.is_none_or(|length| length >= rule.as_u64().unwrap()),
            "maxLength" => length.is_none_or(|length| length <= rule.as_u64().unwrap()),
            "pattern" => value.as_str().is_none_or(|text| matches_pattern(rule.as_str().unwrap(), text)),
            "format" => value.as_str().is_none_or(|text| match rule.as_str().unwrap() {
                "date-time" => is_date_time(text),
                "hostname" | "uri" => !text.is_empty(),
                other => panic!("no check for format {other}"),
            }),
            "minimum" => value.as_f64().is_none_or(|number| number >= rule.as_f64().unwrap()),
            "maximum" => value.as_f64().is_none_or(|number| number <= rule.as_f64().unwrap()),
            "maxItems" => value.as_array().is_none_or(|items| items.len() as u64 <= rule.as_u64().unwrap()),
            "minProperties" => value.as_object().is_none_or(|all| all.len() as u64 >= rule.as_u64().unwrap()),
            "maxProperties" => value.as_object().is_none_or(|all| all.len() as u64 <= rule.as_u64().unwrap()),
            "required" => {
                let names: Vec<_> = rule.as_array().unwrap().iter().filter_map(Value::as_str).collect();
                value.as_object().is_none_or(|all| names.iter().all(|name| all.contains_key(*name)))
            }
            "dependentRequired" => value.as_object().is_none_or(|all| {
                let names = |name: &Value| all.contains_key(name.as_str().unwrap());
                rule.as_object()
                    .unwrap()
                    .iter()
                    .all(|(name, needed)| !all.contains_key(name) || needed.as_array().unwrap().iter().all(names))
            }),
            "propertyNames" => {
                let names = value.as_object().into_iter().flatten().map(|(name, _)| Value::from(name.as_str()));
                match names.into_iter().find_map(|name| violation(rule, &name)) {
                    Some(inner) => return wrong(&inner),
                    None => true,
                }
            }
            "items" => match value.as_array().into_iter().flatten().find_map(|item| violation(rule, item)) {
                Some(inner) => return wrong(&inner),
                None => true,
            },
            "additionalProperties" => {
                match value.as_object().into_iter().flatten().find_map(|(_, item)| violation(rule, item)) {
                    Some(inner) => return wrong(&inner),
                    None => true,
                }
            }
            "properties" => {
                for (name, item) in value.as_object().into_iter().flatten() {
                    let Some(rule) = rule.get(name) else { return wrong(&format!("has no {name}")) };
                    if let Some(inner) = violation(rule, item) {
                        return wrong(&inner);
                    }
                }
                true
            }
            other => panic!("no check for keyword {other}"),
        };
        if !holds {
            return wrong("");
        }
    }
    None
}

fn is_type(name: &Value, value: &Value) -> bool {
    match name.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "null" => value.is_null(),
        other => panic!("no check for type {other}"),
    }
}

/// The few patterns of the document, by hand.
fn matches_pattern(pattern: &str, text: &str) -> bool {
    let is_id = |text: &str| {
        text.strip_prefix("cred_")
            .is_some_and(|rest| rest.len() == 26 && rest.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'v')))
    };
    match pattern {
        "^cred_[0-9a-v]{26}$" => is_id(text),
        "^\"cred_[0-9a-v]{26}\\.[0-9]+\"$" => {
            let inside = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
            let parts = inside.and_then(|text| text.split_once('.'));
            parts.is_some_and(|(id, version)| is_id(id) && version.parse::<u64>().is_ok())
        }
        "^([0-9]{6,9}|[2-9BCDFGHJKMNPQRTVWXY]{5})$" => {
            let of_steam = |byte: u8| b"23456789BCDFGHJKMNPQRTVWXY".contains(&byte);
            (6..=9).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
                || text.len() == 5 && text.bytes().all(of_steam)
        }
        "^$|^\\s*(otpauth://(totp|steam)/|steam://)|^([\\s-]*[A-Za-z2-7]){8,256}[\\s=-]*$" => {
            let is_left_out = |c: char| c.is_whitespace() || c == '-';
            let base32 = text.replace(is_left_out, "").trim_end_matches('=').bytes().collect::<Vec<_>>();
            let is_base32 = base32.iter().all(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'2'..=b'7'));
            let is_uri = ["otpauth://totp/", "otpauth://steam/", "steam://"]
                .iter()
                .any(|front| text.trim_start().starts_with(front));
            text.is_empty() || is_uri || is_base32 && (8..=256).contains(&base32.len())
        }
        "^Bearer" => text.starts_with("Bearer"),
        other => panic!("no check for pattern {other}"),
    }
}

/// As `2026-11-22T10:30:00Z`, with or without milliseconds.
fn is_date_time(text: &str) -> bool {
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    matches!(shape.as_str(), "0000-00-00T00:00:00Z" | "0000-00-00T00:00:00.000Z")
}
