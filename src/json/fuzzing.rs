//! Any text as JSON, and as each request that is made of JSON.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a target panics when it has found something"
)]

use super::*;
use crate::error::{Error, Result};
use crate::fuzzing::{Target, check_error};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use serde_json::Value;

pub const JSON: Target = Target { name: "json", run, seeds: Vec::new };

fn run(data: &[u8]) {
    match (parse(data), serde_json::from_slice::<Value>(data)) {
        (Ok(ours), theirs) => {
            let text = written(ours);
            let again = parse(text.as_bytes()).unwrap_or_else(|error| panic!("{}: {text}", error.message()));
            assert_eq!(written(again), text);
            match theirs {
                Ok(theirs) => assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), theirs),
                // It knows no number beyond a double's range.
                Err(error) => assert!(error.to_string().contains("out of range"), "{error}"),
            }
        }
        (Err(error), theirs) => {
            check_error(&error);
            let is_bound = ["twice", "deeper than 32", "more than 10000", "more than 256"]
                .iter()
                .any(|bound| error.message().contains(bound));
            assert!(theirs.is_err() || is_bound, "{}", error.message());
        }
    }
    for read in [Members::parse, |data: &[u8]| Members::parse(data).map(Members::lenient)] {
        check(data, read, |members| new_credential(members, None).map(drop));
        check(data, read, |members| new_credential(members, Some("name".into())).map(drop));
        check(data, read, |members| changes(members).map(drop));
        check(data, read, |members| list_query(members).map(drop));
        check(data, read, |members| code_options(members).map(drop));
        check(data, read, |members| version(members).map(drop));
    }
}

/// Reads a request; its errors are as all errors.
fn check(data: &[u8], read: fn(&[u8]) -> Result<Members>, request: fn(&mut Members) -> Result<(), Error>) {
    if let Err(error) = read(data).and_then(|mut members| request(&mut members)) {
        check_error(&error);
    }
}

fn written(json: Json) -> String {
    match json {
        Json::Null => "null".into(),
        Json::Bool(flag) => flag.to_string(),
        Json::Number(number) => {
            let whole = number.whole();
            let text = number.into_text().expose().to_string();
            if let Some(whole) = whole {
                assert_eq!(text.parse::<f64>().unwrap(), whole as f64, "{text}");
            }
            text
        }
        Json::Text(text) => {
            let alone = array(|array| array.text(text.expose()));
            alone[1..alone.len() - 1].into()
        }
        Json::Array(elements) => format!("[{}]", elements.into_iter().map(written).collect::<Vec<_>>().join(",")),
        Json::Object(members) => object(|object| {
            for (name, value) in members {
                object.raw(&name, &written(value));
            }
        }),
    }
}
