//! The first requests of real clients, as they were recorded in November 2026, and what each must be answered with for the
//! client to go on.

use super::super::super::tests::world::World;
use super::send;
use alloc::vec::Vec;
use serde_json::Value;

#[test]
fn the_first_requests_of_real_clients_get_on() {
    let recorded: Value = serde_json::from_str(include_str!("recorded.json")).unwrap();
    let recorded = recorded.as_array().unwrap();
    assert!(recorded.len() >= 8, "{}", recorded.len());
    for one in recorded {
        let client = one["client"].as_str().unwrap();
        let mut seen = Vec::new();
        for request in one["requests"].as_array().unwrap() {
            let world = World::default();
            let method = if request["method"] == "GET" { "GET" } else { "POST" };
            let mut draft = world.request(method, "/mcp").bytes(request["body"].as_str().unwrap().as_bytes());
            for (name, value) in request["headers"].as_object().unwrap() {
                draft = draft.header(name, value.as_str().unwrap());
            }
            let answer = send(draft, &world);
            assert_eq!(u64::from(answer.status), request["status"].as_u64().unwrap(), "{client}: {answer:?}");
            let Ok(body) = serde_json::from_str::<Value>(request["body"].as_str().unwrap()) else { continue };
            let Some(id) = body.get("id") else { continue };
            let result = answer.result();
            assert_eq!(&answer.json["id"], id, "{client}");
            match body["method"].as_str().unwrap() {
                "initialize" => {
                    let offered = body["params"]["protocolVersion"].as_str().unwrap();
                    let settled = if offered == "2026-07-28" { "2025-11-25" } else { offered };
                    assert_eq!(result["protocolVersion"], settled, "{client}");
                }
                "server/discover" => assert_eq!(result["supportedVersions"][0], "2026-07-28", "{client}"),
                "tools/list" => assert_eq!(result["tools"].as_array().map(Vec::len), Some(2), "{client}"),
                "ping" => assert!(result.as_object().unwrap().is_empty(), "{client}"),
                other => panic!("{client}: {other}"),
            }
            seen.push(body["method"].clone());
        }
        let begins = |method: &str| seen.first().is_some_and(|first| first == method);
        assert!(begins("initialize") || begins("server/discover"), "{client}: {seen:?}");
    }
}
