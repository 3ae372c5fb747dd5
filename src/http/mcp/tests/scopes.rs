//! What each token sees, as a table, and that nothing beside it can be called.

use super::super::super::tests::world::{TOKEN, World, entry};
use super::lint::every_list;
use super::{call_as, earlier, post, send, text_of};
use crate::settings::TOKENS;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use serde_json::{Value, json};

/// Scopes, and the tools as `name (hints): actions; parameters`. The other scopes change nothing.
const TABLE: [(&[&str], &[&str]); 8] = [
    (&[], &[]),
    (
        &["read"],
        &[
            "manage_credentials (reads): list get; id_or_name domain origin query archived limit offset project project_id",
        ],
    ),
    (&["totp"], &["manage_credentials (reads): totp_code; id_or_name min_valid_seconds exclusive project project_id"]),
    (
        &["read", "totp"],
        &["manage_credentials (reads): list get totp_code; id_or_name domain origin query archived limit offset \
           min_valid_seconds exclusive project project_id"],
    ),
    (
        &["write"],
        &["manage_credentials (destroys): create update delete; id_or_name name domain additional_domains archived \
           values remove_value_keys description metadata sso_provider totp_secret totp_algorithm totp_digits \
           totp_period project project_id"],
    ),
    (
        &["read", "write"],
        &[
            "manage_credentials (destroys): list get create update delete; id_or_name name domain additional_domains \
             origin query archived limit offset values remove_value_keys description metadata sso_provider \
             totp_secret totp_algorithm totp_digits totp_period project project_id",
            "find_credentials (reads): list get; id_or_name domain origin query archived limit offset project \
             project_id",
        ],
    ),
    (
        &["totp", "write"],
        &[
            "manage_credentials (destroys): totp_code create update delete; id_or_name name domain additional_domains \
             archived min_valid_seconds exclusive values remove_value_keys description metadata sso_provider \
             totp_secret totp_algorithm totp_digits totp_period project project_id",
            "find_credentials (reads): totp_code; id_or_name min_valid_seconds exclusive project project_id",
        ],
    ),
    (
        &["read", "totp", "write"],
        &[
            "manage_credentials (destroys): list get totp_code create update delete; id_or_name name domain \
             additional_domains origin query archived limit offset min_valid_seconds exclusive values \
             remove_value_keys description metadata sso_provider totp_secret totp_algorithm totp_digits totp_period \
             project project_id",
            "find_credentials (reads): list get totp_code; id_or_name domain origin query archived limit offset \
             min_valid_seconds exclusive project project_id",
        ],
    ),
];

/// Names of members, in the order of the text: serde_json sorts them.
fn shown(tool: &Value) -> String {
    let words = |array: &Value| {
        let words: Vec<_> = array.as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
        words.join(" ")
    };
    let hints = &tool["annotations"];
    let hint = match (hints["readOnlyHint"].as_bool(), hints["destructiveHint"].as_bool()) {
        (Some(true), Some(false)) => "reads",
        (Some(false), Some(true)) => "destroys",
        _ => "wrong",
    };
    let properties = &tool["inputSchema"]["properties"];
    let mut parameters: Vec<_> = properties.as_object().unwrap().keys().filter(|name| *name != "action").collect();
    parameters.sort();
    let parameters: Vec<_> = parameters.into_iter().map(String::as_str).collect();
    let actions = words(&properties["action"]["enum"]);
    format!("{} ({hint}): {actions}; {}", tool["name"].as_str().unwrap(), parameters.join(" "))
}

fn sorted(row: &str) -> String {
    let (head, parameters) = row.split_once("; ").unwrap();
    let mut parameters: Vec<_> = parameters.split_whitespace().collect();
    parameters.sort();
    format!("{head}; {}", parameters.join(" "))
}

#[test]
fn each_set_of_scopes_sees_its_actions_and_their_parameters() {
    for (scopes, list) in every_list() {
        let telling: Vec<_> =
            scopes.iter().copied().filter(|scope| !["supply", "fill", "admin"].contains(scope)).collect();
        let expected = TABLE.iter().find(|(scopes, _)| *scopes == telling).unwrap().1;
        let found: Vec<_> = list.as_array().unwrap().iter().map(shown).collect();
        assert_eq!(found, expected.iter().map(|row| sorted(row)).collect::<Vec<_>>(), "{scopes:?}");
        // Texts and results speak of nothing else either.
        for tool in list.as_array().unwrap() {
            let allowed = tool["inputSchema"]["properties"]["action"]["enum"].as_array().unwrap();
            for action in ["list", "get", "totp_code", "create", "update", "delete"] {
                let is_told = tool["description"].as_str().unwrap().contains(&format!("\n{action}: "));
                assert_eq!(is_told, allowed.iter().any(|one| one == action), "{action}");
            }
        }
    }
}

#[test]
fn what_is_not_listed_cannot_be_called() {
    let world = World::default();
    world.create("n", Some("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"));
    let all = entry("all", "default", "read+totp+write+supply+admin", TOKEN);
    let arguments = |action: &str| {
        let name = if action == "create" { "m" } else { "n" };
        json!({"action": action, "id_or_name": "n", "name": name, "domain": "example.com", "values": {"a": "b"}})
    };
    for (scopes, tools) in &TABLE {
        let scopes = if scopes.is_empty() { "supply+fill+admin".into() } else { scopes.join("+") };
        for tool in ["manage_credentials", "find_credentials"] {
            let row = tools.iter().find(|row| row.starts_with(tool));
            let allowed: Vec<_> = row.map_or("", |row| row.split([':', ';']).nth(1).unwrap()).split(' ').collect();
            for action in
                ["list", "get", "totp_code", "create", "update", "delete", "supply", "put", "restore", "purge"]
            {
                world.set(TOKENS, &format!("{all} {}", entry("t", "default", &scopes, "t")));
                let what = format!("{scopes}: {tool} {action}");
                if row.is_none() {
                    let request = earlier("tools/call", json!({"name": tool, "arguments": arguments(action)}));
                    send(post(&world, request).token("t"), &world).is_fault(200, -32602);
                    continue;
                }
                let before = world.get("/credentials/n").json;
                let result = call_as(&world, "t", tool, arguments(action));
                assert_eq!(result["isError"] == false, allowed.contains(&action), "{what}: {result}");
                if result["isError"] == true {
                    assert!(text_of(&result).starts_with("Error: action must be one of "), "{what}: {result}");
                    assert_eq!(world.get("/credentials/n").json, before);
                }
                // As it was, for the next.
                if action == "delete" && result["isError"] == false {
                    world.create("n", Some("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"));
                }
                if action == "create" && result["isError"] == false {
                    assert_eq!(world.request("DELETE", "/credentials/m").send().status, 204);
                }
            }
        }
    }
}

#[test]
fn restricted_tokens_see_their_part() {
    let world = World::default();
    let mine = world.create("mine", None)["id"].as_str().unwrap().to_owned();
    let others = json!({"name": "other", "domain": "example.org", "values": {"a": "b"}});
    assert_eq!(world.post("/credentials", others).status, 201);
    let all = entry("all", "default", "read+totp+write+supply+admin", TOKEN);
    let writer = entry("t", "default", "read+write", "t");
    let every = "list get create update delete";
    // What a restriction allows, and where a new credential may belong.
    for (limit, actions, may_create) in [
        ("domains=example.com".to_owned(), every, ["example.com"].as_slice()),
        (format!("credentials={mine}"), "list get update delete", &[]),
        (format!("domains=example.com:credentials={mine}"), "list get update delete", &[]),
    ] {
        world.set(TOKENS, &format!("{all} {writer}:{limit}"));
        let list = send(post(&world, earlier("tools/list", json!({}))).token("t"), &world);
        let tools = &list.result()["tools"];
        assert!(shown(&tools[0]).starts_with(&format!("manage_credentials (destroys): {actions}; ")), "{limit}");
        assert!(shown(&tools[1]).starts_with("find_credentials (reads): list get; "), "{limit}");
        let run = |arguments: Value| call_as(&world, "t", "manage_credentials", arguments);
        let page = run(json!({"action": "list"}));
        assert_eq!(page["structuredContent"]["items"].as_array().map(Vec::len), Some(1), "{limit}");
        assert_eq!(page["structuredContent"]["items"][0]["name"], "mine");
        for action in ["get", "update", "delete"] {
            // As if it did not exist.
            let arguments = |name: &str| json!({"action": action, "id_or_name": name, "values": {"a": "c"}});
            let (other, missing) = (run(arguments("other")), run(arguments("missing")));
            assert_eq!(other, missing, "{limit} {action}");
            assert!(text_of(&other).contains("[code: not_found]"), "{other}");
        }
        for domain in ["example.com", "example.org"] {
            let result = run(json!({"action": "create", "name": "new", "domain": domain, "values": {"a": "b"}}));
            assert_eq!(result["isError"] == false, may_create.contains(&domain), "{limit} {domain}: {result}");
            if result["isError"] == false {
                assert_eq!(world.request("DELETE", "/credentials/new").send().status, 204);
            }
        }
    }
}
