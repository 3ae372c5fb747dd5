//! `openapi.json` says what the route table and the error codes say, and its examples are true.

use super::schema::{DOCUMENT, resolve, violation};
use super::world::World;
use crate::access::Scope;
use crate::error::Code;
use crate::http::{TABLE, status};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;
use serde_json::Value;

#[test]
fn describes_exactly_the_route_table() {
    let mut described = BTreeSet::new();
    for (path, item) in DOCUMENT["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap().iter().filter(|(key, _)| *key != "parameters") {
            let scope = match operation.get("security").and_then(Value::as_array).map(Vec::as_slice) {
                Some([one]) => one["token"][0].as_str(),
                _ => None,
            };
            described.insert((path.as_str(), method.to_uppercase(), scope));
        }
    }
    let table: BTreeSet<_> =
        TABLE.iter().map(|row| (row.path, row.method.to_string(), row.scope().map(Scope::as_str))).collect();
    assert_eq!(described, table);
}

#[test]
fn describes_every_error_code_with_its_status() {
    let codes: Vec<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(DOCUMENT["components"]["schemas"]["ErrorCode"]["enum"], serde_json::json!(codes));
    // A code is named, in backquotes, in the description of the response of its status and in no other.
    let mut statuses: BTreeMap<&str, u16> = BTreeMap::new();
    for response in DOCUMENT["components"]["responses"].as_object().unwrap().values() {
        let example = response["content"]["application/json"]["example"]["code"].as_str().unwrap();
        let status = status::of(*Code::ALL.iter().find(|code| code.as_str() == example).unwrap());
        let description = response["description"].as_str().unwrap();
        for code in codes.iter().filter(|code| description.contains(&format!("`{code}`"))) {
            assert_eq!(statuses.insert(code, status), None, "{code} is named twice");
        }
    }
    let expected = Code::ALL.iter().map(|code| (code.as_str(), status::of(*code))).collect();
    assert_eq!(statuses, expected);
    for (path, item) in DOCUMENT["paths"].as_object().unwrap() {
        for (answered, response) in
            item.as_object().unwrap().values().flat_map(|operation| operation["responses"].as_object()).flatten()
        {
            let is_error = answered.as_str() >= "400";
            if let Some(code) =
                resolve(response)["content"]["application/json"]["example"]["code"].as_str().filter(|_| is_error)
            {
                let code = Code::ALL.iter().find(|one| one.as_str() == code).unwrap();
                assert!(path == "/health" || status::of(*code).to_string() == *answered, "{path} {answered}");
            }
        }
    }
}

#[test]
fn examples_fit_their_schemas() {
    let mut checked = 0;
    visit(&DOCUMENT, &mut |value| {
        let Some(schema) = value.get("schema") else { return };
        let examples = value.get("examples").and_then(Value::as_object).into_iter().flatten();
        for example in value.get("example").into_iter().chain(examples.map(|(_, example)| &example["value"])) {
            assert_eq!(violation(schema, example), None);
            checked += 1;
        }
    });
    assert!(checked > 20, "{checked}");
}

#[test]
fn example_requests_work() {
    let body = |path: &str, method: &str| {
        let content = &DOCUMENT["paths"][path][method]["requestBody"]["content"]["application/json"];
        content["examples"].as_object().unwrap().values().map(|example| example["value"].clone()).collect::<Vec<_>>()
    };
    let world = World::default();
    for example in body("/credentials", "post") {
        assert_eq!(world.post("/credentials", example).status, 201);
    }
    let one = "/credentials/example-work-login";
    for example in body("/credentials/{id_or_name}", "put") {
        assert_eq!(world.request("PUT", one).json(example).send().status, 200);
    }
    for example in body("/credentials/{id_or_name}/supply", "post") {
        assert_eq!(world.post(&format!("{one}/supply"), example).status, 200);
    }
    for example in body("/credentials/{id_or_name}", "patch") {
        let path = if world.get(one).status == 200 { one } else { "/credentials/renamed" };
        assert_eq!(world.patch(path, example).status, 200);
    }
}

#[test]
fn every_reference_leads_somewhere_and_every_component_is_used() {
    let mut used = BTreeSet::new();
    visit(&DOCUMENT, &mut |value| {
        if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
            resolve(value);
            used.insert(reference);
        }
    });
    for (kind, components) in DOCUMENT["components"].as_object().unwrap() {
        for name in components.as_object().unwrap().keys() {
            let reference = format!("#/components/{kind}/{name}");
            let is_used = used.contains(reference.as_str())
                // Answered where no operation is described; referred to by name.
                || matches!((kind.as_str(), name.as_str()), ("responses", "MethodNotAllowed") | ("securitySchemes", _));
            assert!(is_used, "{reference}");
        }
    }
}

#[test]
fn is_served_without_a_token() {
    let answer = World::default().request("GET", "/openapi.json").without("authorization").send();
    assert_eq!((answer.status, &answer.json), (200, &*DOCUMENT));
}

/// Visits every object.
fn visit<'v>(value: &'v Value, see: &mut dyn FnMut(&'v Value)) {
    match value {
        Value::Object(members) => {
            see(value);
            members.values().for_each(|member| visit(member, see));
        }
        Value::Array(elements) => elements.iter().for_each(|element| visit(element, see)),
        _ => (),
    }
}
