//! Tokens, scopes and projects.

use super::world::{CANARY, World, entry};
use crate::access::Scope;
use crate::http::{Row, TABLE, Target};
use crate::settings::TOKENS;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use serde_json::json;

/// A request that a token with the right scope gets an answer below 300 for.
fn path_of(row: &Row, name: &str) -> String {
    row.path.replace("{id_or_name}", name)
}

fn world_with_a_token_per_scope() -> World {
    let world = World::default();
    world.create("exists", Some("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"));
    world.patch("/credentials/exists", json!({"description": "second version"}));
    let entries: Vec<_> =
        Scope::ALL.iter().map(|scope| entry(scope.as_str(), "default", scope.as_str(), scope.as_str())).collect();
    let all = world.settings.borrow().iter().find(|(name, _)| *name == TOKENS).unwrap().1.clone();
    world.set(TOKENS, &format!("{} {all}", entries.join(" ")));
    world
}

#[test]
fn every_scope_against_every_route() {
    // The MCP server asks for no scope; its own tests say what each token sees.
    for row in TABLE.iter().filter(|row| row.target != Target::Mcp) {
        for scope in Scope::ALL {
            let world = world_with_a_token_per_scope();
            let body = json!({
                "domain": "example.com", "values": {"p": CANARY}, "origin": "https://example.com", "version": 1,
                "name": if row.path == "/credentials" { "new" } else { "exists" },
            });
            let send = |name: &str, token: &str| {
                world.request(row.method, &path_of(row, name)).json(body.clone()).token(token).send()
            };
            let what = format!("{} {} by {}", row.method, row.path, scope.as_str());
            let found = send("exists", scope.as_str());
            if row.scope().is_none_or(|needed| needed == scope) {
                assert!(found.status < 300, "{what}: {found:?}");
                continue;
            }
            // Whether it exists, whether the request makes sense: the answer is the same to the letter.
            let missing = send("missing", scope.as_str());
            let senseless = world
                .request(row.method, &format!("{}?limit=x", path_of(row, "%ff")))
                .bytes(b"{")
                .header("content-type", "text/plain")
                .header("if-match", "nonsense")
                .token(scope.as_str())
                .send();
            found.is(403, "forbidden");
            for other in [missing, senseless] {
                assert_eq!((&found.json, &found.headers), (&other.json, &other.headers), "{what}");
            }
            let nobody = send("exists", "nobody");
            nobody.is(401, "unauthorized");
        }
    }
}

#[test]
fn without_a_known_token_every_route_answers_the_same() {
    let world = world_with_a_token_per_scope();
    world.set(TOKENS, &format!("{}:1", entry("old", "default", "read+totp+write+supply", "old")));
    for row in TABLE.iter().filter(|row| row.scope().is_some()) {
        let mut answers = Vec::new();
        for name in ["exists", "missing"] {
            let request = || world.request(row.method, &path_of(row, name)).json(json!({"name": "x"}));
            answers.push(request().without("authorization").send());
            for header in ["", "Bearer", "Bearer wrong", "Bearer old", "Basic b2xkOg==", "old"] {
                answers.push(request().header("authorization", header).send());
            }
            answers.push(request().without("authorization").more("authorization", b"Bearer \xff").send());
        }
        for answer in &answers {
            answer.is(401, "unauthorized");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
            assert_eq!((&answer.json, &answer.headers), (&answers[0].json, &answers[0].headers));
        }
    }
    world.settings.borrow_mut().retain(|(name, _)| *name != TOKENS);
    world.get("/credentials").is(401, "unauthorized");
}

#[test]
fn a_token_opens_its_own_project_only() {
    let world = World::default();
    world.set(TOKENS, &format!("{} {}", entry("a", "p-a", "read+write", "a"), entry("b", "p-b", "read+write", "b")));
    let body = json!({"name": "n", "domain": "example.com", "values": {"p": CANARY}});
    let created = world.request("POST", "/credentials").json(body.clone()).token("a").send();
    assert_eq!(created.status, 201);
    let id = created.json["id"].as_str().unwrap();
    for path in ["/credentials/n", &format!("/credentials/{id}")] {
        world.request("GET", path).token("b").send().is(404, "not_found");
    }
    assert_eq!(world.request("GET", "/credentials").token("b").send().json, json!([]));
    assert_eq!(world.request("POST", "/credentials").json(body).token("b").send().status, 201);
    for header in ["x-kernel-project-id", "x-kernel-project"] {
        let get = |project: &str| world.request("GET", "/credentials/n").token("a").header(header, project).send();
        for project in ["p-a", " p-a ", ""] {
            assert_eq!(get(project).status, 200, "{project}");
        }
        for project in ["p-b", "P-A", "hunter2-canary", "é"] {
            get(project).is(403, "forbidden");
        }
    }
}

#[test]
fn to_remove_for_good_takes_admin_and_nothing_else() {
    for scope in Scope::ALL {
        let world = world_with_a_token_per_scope();
        let purge =
            |query: &str| world.request("DELETE", &format!("/credentials/exists{query}")).token(scope.as_str()).send();
        if scope == Scope::Admin {
            purge("?purge=false").is(403, "forbidden");
            assert_eq!(purge("?purge=true").status, 204);
            assert_eq!(world.get("/credentials?deleted=true").json, json!([]));
            continue;
        }
        purge("?purge=true").is(403, "forbidden");
        if scope == Scope::Write {
            purge("?purge=perhaps").is_bad_request("purge must be true or false");
            assert_eq!(purge("").status, 204);
        }
    }
}
