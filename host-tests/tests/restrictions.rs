//! To a restricted caller nothing exists but what its restriction names: whatever of others it asks for, on every face, the
//! answer is the one for nothing, nothing happens, and it costs the store the same.

use bytes::Bytes;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use strongroom::http::{Row, TABLE};
use strongroom_host::token::hash;
use strongroom_host_tests::credentials::{Changes, ListQuery};
use strongroom_host_tests::types::{CodeOptions, Error, ErrorCode};
use strongroom_host_tests::{
    Counts, MemoryStore, Native, Program, TempDir, Vault, World, everything, new_credential, no_changes,
};

const SECRET: &str = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";
const SCOPES: &str = "read+totp+write+supply";
/// A well-formed id that no credential has.
const NO_ID: &str = "cred_06e5n2qp0000000000000000c0";
const EXCLUSIVE: Option<CodeOptions> = Some(CodeOptions { min_valid_seconds: 0, exclusive: true });

/// A vault of the project `default` with small nodes and a hundred credentials of others, so that a look-up takes several
/// reads; a second project in the same store; and callers of every kind of restriction.
struct Crew {
    vault: Vault,
    /// The caller's own, and one that is not its own, and one of the other project: id and entity tag.
    own: Made,
    foreign: Made,
    other_project: Made,
    /// One of others that was deleted, and can be restored by them.
    deleted: Made,
    /// Tokens, as the entries of the setting without their hashes have them.
    callers: Vec<(&'static str, String)>,
}

struct Made {
    id: String,
    version: u64,
    tag: String,
}

fn crew() -> Crew {
    let store = Arc::new(MemoryStore::new());
    for project in ["default", "other"] {
        let native = Native::new(&*store, project);
        native.init(Some(512)).unwrap();
        native.load(0..100).unwrap();
    }
    let vault = Vault::on(World::Edge, store);
    let create = |project: &str, name: &str, domain: &str| {
        vault.settings.set("strongroom_project", project);
        let mut new = new_credential(name, domain, &[("password", "value-canary")]);
        new.totp_secret = Some(SECRET.into());
        vault.create(&new).unwrap();
        // So that there is a version to be restored.
        let described = Changes { description: Some("described".into()), ..no_changes() };
        let made = vault.update(name, &described).unwrap();
        Made { tag: format!("\"{}.{}\"", made.id, made.version), version: made.version, id: made.id }
    };
    let other_project = create("other", "of-another-project", "mine.example");
    let own = create("default", "own", "mine.example");
    let foreign = create("default", "foreign", "theirs.example");
    let deleted = create("default", "deleted", "theirs.example");
    vault.delete("deleted", None).unwrap();
    let callers = vec![
        ("domains", "domains=mine.example+also-mine.example".to_owned()),
        ("credentials", format!("credentials={}", own.id)),
        ("both", format!("credentials={}:domains=mine.example", own.id)),
    ];
    let entries = callers.iter().map(|(name, limit)| format!("{name}:default:{SCOPES}:{}:{limit}", hash(name)));
    let all = format!("all:default:{SCOPES}:{}", hash("all"));
    vault.settings.set("strongroom_tokens", &entries.chain([all]).collect::<Vec<_>>().join(" "));
    Crew { vault, own, foreign, other_project, deleted, callers }
}

/// What an answer shows, and what it cost.
#[derive(Debug, PartialEq)]
struct Outcome {
    shown: String,
    reads: u64,
    others: u64,
}

impl Crew {
    /// Runs something that must change nothing.
    fn outcome(&self, run: impl FnOnce() -> String) -> Outcome {
        let before = self.vault.store.entries("default");
        self.vault.store.reset();
        let shown = run();
        let counts: Counts = self.vault.store.counts();
        assert!(self.vault.store.entries("default") == before, "something changed: {shown}");
        Outcome { shown, reads: counts.reads(), others: counts.total() - counts.reads() }
    }

    fn http(&self, token: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &Value) -> String {
        let mut request = http::Request::builder()
            .method(method)
            .uri(format!("http://localhost{path}"))
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = self.vault.http(request.body(Bytes::from(body.to_string())).unwrap()).unwrap();
        let (parts, body) = answer.into_parts();
        format!("{} {:?} {}", parts.status.as_u16(), parts.headers, String::from_utf8(body.to_vec()).unwrap())
    }

    /// From now on the typed functions run for this caller.
    fn become_caller(&self, limit: &str) {
        self.vault.settings.set("strongroom_caller", &format!("caller:{SCOPES}:{limit}"));
    }

    /// What a caller may ask about: those that there are, each with what takes its place when there is none.
    fn targets(&self) -> [(&str, &str); 5] {
        [
            (&self.foreign.id, NO_ID),
            ("foreign", "nothing"),
            (&self.other_project.id, NO_ID),
            ("of-another-project", "nothing"),
            (&self.deleted.id, NO_ID),
        ]
    }
}

/// One request of each kind that names a credential: method, what follows its name in the path, headers, body.
fn requests(tag: &str) -> Vec<(&'static str, &'static str, Vec<(&'static str, String)>, Value)> {
    let none = Value::Null;
    let origin = json!({"origin": "https://theirs.example"});
    vec![
        ("GET", "", vec![], none.clone()),
        ("HEAD", "", vec![], none.clone()),
        ("GET", "", vec![("if-none-match", tag.to_owned())], none.clone()),
        ("GET", "", vec![("if-match", tag.to_owned())], none.clone()),
        ("PATCH", "", vec![], json!({"sso_provider": "google"})),
        ("PATCH", "", vec![], json!({"name": "renamed", "values": {"password": "x"}})),
        ("PATCH", "", vec![("if-match", tag.to_owned())], json!({"totp_secret": ""})),
        ("PATCH", "", vec![("if-match", "*".to_owned())], json!({"totp_secret": ""})),
        ("DELETE", "", vec![], none.clone()),
        ("DELETE", "", vec![("if-match", tag.to_owned())], none.clone()),
        ("GET", "/totp-code", vec![], none.clone()),
        ("GET", "/totp-code?exclusive=true", vec![], none.clone()),
        ("GET", "/versions", vec![], none),
        ("POST", "/restore", vec![], json!({})),
        ("POST", "/restore", vec![], json!({"version": 1})),
        ("POST", "/restore", vec![("if-match", tag.to_owned())], json!({"version": 1})),
        ("POST", "/supply", vec![], origin.clone()),
        ("POST", "/supply", vec![], json!({"origin": "https://theirs.example", "exclusive": true})),
    ]
}

#[test]
fn over_rest_a_foreign_credential_is_none() {
    let crew = crew();
    // Every route that names a credential, but for two, which have tests of their own: put names one that need not exist,
    // and a reset is not for restricted callers.
    let of_a_credential = |row: &&Row| {
        row.path.contains("{id_or_name}") && row.method != "PUT" && !row.path.ends_with("/reset-exclusive")
    };
    for row in TABLE.iter().filter(of_a_credential) {
        let rest = row.path.strip_prefix("/credentials/{id_or_name}").unwrap();
        let is_it = |method: &str, path: &str| method == row.method && path.split('?').next() == Some(rest);
        assert!(requests("").iter().any(|(method, path, ..)| is_it(method, path)), "{row:?}");
    }
    for (token, _) in &crew.callers {
        for (there, nothing) in crew.targets() {
            for (method, rest, headers, body) in requests(&crew.foreign.tag) {
                let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
                let ask = |target: &str| {
                    let path = format!("/credentials/{target}{rest}");
                    crew.outcome(|| crew.http(token, method, &path, &headers, &body))
                };
                let (found, missing) = (ask(there), ask(nothing));
                assert_eq!(found, missing, "{token}: {method} {there}{rest}");
                assert!(found.shown.starts_with("404 ") && found.reads > 1, "{token}: {method} {there}: {found:?}");
            }
        }
        assert!(crew.http(token, "GET", "/credentials/own", &[], &Value::Null).starts_with("200 "));
    }
    crew.nothing_happened();
}

#[test]
fn what_is_not_for_restricted_callers_is_refused_before_anything_is_looked_up() {
    let crew = crew();
    for (token, _) in &crew.callers {
        for target in [crew.foreign.id.as_str(), "foreign", &crew.deleted.id, NO_ID, "nothing", "own"] {
            for (method, rest) in [("DELETE", "?purge=true"), ("POST", "/reset-exclusive")] {
                let path = format!("/credentials/{target}{rest}");
                let outcome = crew.outcome(|| crew.http(token, method, &path, &[], &Value::Null));
                assert!(
                    outcome.shown.starts_with("403 ") && outcome.reads + outcome.others == 0,
                    "{token} {target}{rest}: {outcome:?}"
                );
            }
        }
        let audit = crew.outcome(|| crew.http(token, "GET", "/audit", &[], &Value::Null));
        assert!(audit.shown.starts_with("403 ") && audit.reads + audit.others == 0, "{token}: {audit:?}");
        // Of what is deleted or switched off nobody's is shown: where domains restrict, no index tells whose is whose.
        for query in ["?deleted=true", "?archived=true"] {
            let list = crew.outcome(|| crew.http(token, "GET", &format!("/credentials{query}"), &[], &Value::Null));
            let expected = if *token == "domains" { "403 " } else { "200 " };
            assert!(list.shown.starts_with(expected) && !list.shown.contains("cred_"), "{token} {query}: {list:?}");
        }
    }
    crew.nothing_happened();
}

#[test]
fn lists_pages_and_searches_hold_what_is_the_callers_own() {
    let crew = crew();
    for (token, _) in &crew.callers {
        let list =
            |query: &str| crew.outcome(|| crew.http(token, "GET", &format!("/credentials{query}"), &[], &Value::Null));
        for query in ["", "?limit=1", "?domain=mine.example", "?query=own", "?query=OWN&domain=mine.example"] {
            let found = list(query);
            assert!(
                found.shown.contains(&crew.own.id) && found.shown.matches("cred_").count() == 1,
                "{query}: {found:?}"
            );
            assert!(found.shown.contains(r#""x-has-more": "false""#), "{query}: {found:?}");
        }
        // What there is of others, and what there is not.
        for (there, nothing) in [
            (format!("?query={}", crew.foreign.id), format!("?query={NO_ID}")),
            (format!("?query={}", crew.other_project.id), format!("?query={NO_ID}")),
            ("?query=foreign".into(), "?query=nothing".into()),
            ("?domain=theirs.example".into(), "?domain=nowhere.example".into()),
            ("?domain=accounts.example.com&query=a".into(), "?domain=nowhere.example&query=a".into()),
            ("?offset=1".into(), "?offset=90".into()),
        ] {
            let (found, missing) = (list(&there), list(&nothing));
            assert_eq!(found, missing, "{token} {there}");
            assert!(found.shown.starts_with("200 ") && found.shown.ends_with(" []"), "{found:?}");
        }
    }
    // A list costs what its own is, not what the vault is.
    let everything = crew.outcome(|| crew.http("all", "GET", "/credentials?limit=100", &[], &Value::Null));
    let own = crew.outcome(|| crew.http("domains", "GET", "/credentials?limit=100", &[], &Value::Null));
    assert!(own.reads < everything.reads / 2, "{own:?} {everything:?}");
}

#[test]
fn nothing_is_stored_for_others_or_in_their_place() {
    let crew = crew();
    let body = |name: &str, domain: &str| json!({"name": name, "domain": domain, "values": {"password": "x"}});
    let key = [("idempotency-key", "of-the-one-who-made-it")];
    assert!(crew.http("all", "POST", "/credentials", &key, &body("keyed", "theirs.example")).starts_with("201 "));
    for (token, _) in &crew.callers {
        let send = |method: &str, path: &str, headers: &[(&str, &str)], body: &Value| {
            crew.outcome(|| crew.http(token, method, path, headers, body))
        };
        // To another domain, whatever has the name.
        for name in ["foreign", "own", "nothing"] {
            let post = send("POST", "/credentials", &[], &body(name, "theirs.example"));
            assert!(post.shown.contains(r#""code":"forbidden""#) && post.reads == 0, "{token}: {post:?}");
            if *token == "credentials" && name == "own" {
                // Of its own it may change everything.
                continue;
            }
            let put = send("PUT", &format!("/credentials/{name}"), &[], &body(name, "theirs.example"));
            assert!(put.shown.contains(r#""code":"forbidden""#), "{token}: {put:?}");
            // Where ids restrict, it takes a look whether the name is one of them.
            assert!(put.reads == 0 || *token == "credentials", "{token}: {put:?}");
        }
        // With a condition that only what exists can fulfil.
        for headers in [[("if-match", crew.foreign.tag.as_str())], [("if-match", "*")]] {
            let put = |name: &str| send("PUT", &format!("/credentials/{name}"), &headers, &body(name, "mine.example"));
            let (found, missing) = (put("foreign"), put("nothing"));
            assert_eq!(found, missing, "{token} {headers:?}");
            assert!(found.shown.contains("precondition_failed"), "{found:?}");
        }
        if *token == "domains" {
            // The one thing that is told: a name that is taken. Not by what, and an idempotency key makes no difference.
            for key in ["of-the-one-who-made-it", "another"] {
                let post = send("POST", "/credentials", &[("idempotency-key", key)], &body("keyed", "mine.example"));
                assert!(post.shown.starts_with("409 ") && post.shown.contains("name_taken"), "{post:?}");
                assert!(!post.shown.contains("cred_") && !post.shown.contains("theirs"), "{post:?}");
            }
            let put = send("PUT", "/credentials/foreign", &[], &body("foreign", "mine.example"));
            assert!(put.shown.contains("name_taken") && !put.shown.contains("etag"), "{put:?}");
            let rename = send("PATCH", "/credentials/own", &[], &json!({"name": "foreign"}));
            assert!(rename.shown.contains("name_taken"), "{rename:?}");
        } else {
            for name in ["foreign", "nothing"] {
                let post = send("POST", "/credentials", &[], &body(name, "mine.example"));
                let put = send("PUT", &format!("/credentials/{name}"), &[], &body(name, "mine.example"));
                assert!([&post, &put].iter().all(|answer| answer.shown.contains("forbidden")), "{post:?} {put:?}");
            }
        }
    }
    crew.nothing_happened();
    // What is allowed is done.
    let made = crew.http("domains", "POST", "/credentials", &[], &body("new", "also-mine.example"));
    assert!(made.starts_with("201 "), "{made}");
    let put = crew.http("credentials", "PUT", "/credentials/own", &[], &body("own", "mine.example"));
    assert!(put.starts_with("200 "), "{put}");
}

#[test]
fn the_tool_knows_no_foreign_credential() {
    let crew = crew();
    let actions = [
        json!({"action": "get"}),
        json!({"action": "totp_code", "exclusive": true}),
        json!({"action": "update", "sso_provider": "google"}),
        json!({"action": "delete"}),
    ];
    let mcp = |token: &str, arguments: &Value| {
        let message = json!({
            "jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": {"name": "manage_credentials", "arguments": arguments},
        });
        crew.http(token, "POST", "/mcp", &[("accept", "application/json")], &message)
    };
    for (token, limit) in &crew.callers {
        crew.become_caller(limit);
        for (there, nothing) in crew.targets() {
            for action in &actions {
                let of = |target: &str| {
                    let mut request = action.clone();
                    request["id_or_name"] = target.into();
                    request
                };
                let manage = |target: &str| {
                    crew.outcome(|| crew.vault.manage(&of(target).to_string()).expect_err("nothing is found"))
                };
                let (found, missing) = (manage(there), manage(nothing));
                assert_eq!(found, missing, "{token}: {action} {there}");
                assert!(found.shown.contains(r#""code":"not_found""#), "{found:?}");
                let ask = |target: &str| crew.outcome(|| mcp(token, &of(target)));
                let (found, missing) = (ask(there), ask(nothing));
                assert_eq!(found, missing, "{token}: {action} {there} over MCP");
                assert!(found.shown.contains("not_found"), "{found:?}");
            }
        }
        let list = crew.vault.manage(r#"{"action":"list","limit":100}"#).unwrap();
        assert!(list.contains(&crew.own.id) && list.matches("cred_").count() == 1, "{list}");
        let list = mcp(token, &json!({"action": "list", "limit": 100}));
        assert!(list.contains(&crew.own.id) && !list.contains(&crew.foreign.id), "{list}");
    }
    crew.nothing_happened();
}

#[test]
fn the_typed_functions_know_no_foreign_credential() {
    let crew = crew();
    let vault = &crew.vault;
    fn code<T>(result: Result<T, Error>) -> String {
        let error = result.err().expect("nothing is found");
        format!("{:?} {}", error.code, error.message)
    }
    let renamed = Changes { name: Some("renamed".into()), ..no_changes() };
    for (name, limit) in &crew.callers {
        crew.become_caller(limit);
        for (there, nothing) in crew.targets() {
            type Ask<'a> = (&'a str, Box<dyn Fn(&str) -> String + 'a>);
            let asks: [Ask<'_>; 9] = [
                ("get", Box::new(|target| code(vault.get(target)))),
                ("totp-code", Box::new(|target| code(vault.totp_code(target, None)))),
                ("exclusive", Box::new(|target| code(vault.totp_code(target, EXCLUSIVE)))),
                ("supply", Box::new(|target| code(vault.supply(target, "https://theirs.example", None)))),
                ("update", Box::new(|target| code(vault.update(target, &renamed)))),
                ("delete", Box::new(|target| code(vault.delete(target, Some(1))))),
                ("versions", Box::new(|target| code(vault.versions(target)))),
                ("restore", Box::new(|target| code(vault.restore(target, None)))),
                ("restore a version", Box::new(|target| code(vault.restore(target, Some(1))))),
            ];
            for (what, ask) in asks {
                let (found, missing) = (crew.outcome(|| ask(there)), crew.outcome(|| ask(nothing)));
                assert_eq!(found, missing, "{name}: {what} {there}");
                assert!(found.shown.starts_with("ErrorCode::NotFound "), "{found:?}");
            }
        }
        let page = vault.list(everything()).unwrap();
        assert_eq!(page.items.iter().map(|item| item.id.as_str()).collect::<Vec<_>>(), [crew.own.id.as_str()]);
        // The store as a whole is not the caller's.
        for refused in [vault.verify().map(drop), vault.sweep().map(drop), vault.init(false, None).map(drop)] {
            assert_eq!(refused.unwrap_err().code, ErrorCode::Forbidden);
        }
    }
    crew.nothing_happened();
}

#[test]
fn the_caller_of_the_typed_functions_has_the_scopes_of_the_setting() {
    let crew = crew();
    let vault = &crew.vault;
    vault.settings.set("strongroom_caller", "scout:read");
    assert!(vault.get("foreign").is_ok());
    assert_eq!(vault.totp_code("foreign", None).unwrap_err().code, ErrorCode::Forbidden);
    assert_eq!(vault.delete("foreign", None).unwrap_err().code, ErrorCode::Forbidden);
    assert_eq!(vault.supply("foreign", "https://theirs.example", None).unwrap_err().code, ErrorCode::Forbidden);
    for (setting, code) in [
        ("scout", ErrorCode::Misconfigured),
        ("scout:read:domain=mine.example", ErrorCode::Misconfigured),
        ("scout:read+admin:domains=mine.example", ErrorCode::Misconfigured),
        ("scout:read:expiry=1795348800", ErrorCode::Unauthorized),
    ] {
        vault.settings.set("strongroom_caller", setting);
        let error = vault.get("own").unwrap_err();
        assert_eq!(error.code, code, "{setting}");
        assert!(error.message.contains("strongroom_caller") && !error.message.contains("mine.example"), "{error:?}");
    }
    vault.settings.set("strongroom_caller", "");
    assert!(vault.verify().is_ok(), "not set, it is the host itself");
}

#[test]
fn two_tokens_taking_turns_on_one_connection_see_each_their_own() {
    let directory = TempDir::new();
    let program = Program::on(directory.path());
    let server = program.serve();
    let admin = server.client();
    for name in ["amber", "blue"] {
        let body = json!({"name": name, "domain": format!("{name}.example"), "values": {"password": "x"}});
        assert_eq!(admin.post("/credentials", &body).status, 201);
    }
    let tokens = ["amber", "blue"].map(|name| {
        let domains = format!("{name}.example");
        let made = program.run(&["token", "new", "--name", name, "--scopes", "read", "--domains", &domains]);
        (name, made.stdout.trim().to_owned())
    });
    assert!(program.run(&["token", "list"]).stdout.contains(", for amber.example"));
    let mut connection = TcpStream::connect(server.address()).unwrap();
    for round in 0..20 {
        for ((own, token), other) in tokens.iter().zip(["blue", "amber"]) {
            for (path, expected) in [("/credentials", own), (&*format!("/credentials/{own}"), own)] {
                let answer = ask(&mut connection, token, path);
                assert!(answer.starts_with("HTTP/1.1 200 "), "round {round}: {answer}");
                assert!(answer.contains(expected) && !answer.contains(other), "round {round}: {answer}");
            }
            let answer = ask(&mut connection, token, &format!("/credentials/{other}"));
            assert!(answer.starts_with("HTTP/1.1 404 ") && !answer.contains("domain"), "round {round}: {answer}");
        }
    }
}

/// One request on a connection that stays open.
fn ask(connection: &mut TcpStream, token: &str, path: &str) -> String {
    write!(connection, "GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    loop {
        let mut part = [0; 4096];
        let length = connection.read(&mut part).unwrap();
        assert!(length > 0, "the connection was closed");
        answer.extend_from_slice(&part[..length]);
        let text = String::from_utf8(answer.clone()).unwrap();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let bytes = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if bytes == Some(body.len()) {
            return text;
        }
    }
}

impl Crew {
    /// What others have is as it was, and nobody's turn was used up.
    fn nothing_happened(&self) {
        let vault = &self.vault;
        vault.settings.unset("strongroom_caller");
        for (project, made, name) in
            [("default", &self.foreign, "foreign"), ("other", &self.other_project, "of-another-project")]
        {
            vault.settings.set("strongroom_project", project);
            let found = vault.get(name).unwrap();
            assert_eq!((&found.id, found.version, found.sso_provider), (&made.id, made.version, None));
            vault.totp_code(name, EXCLUSIVE).unwrap();
            assert_eq!(vault.totp_code(name, EXCLUSIVE).unwrap_err().code, ErrorCode::CodeTaken);
        }
        vault.settings.set("strongroom_project", "default");
        let deleted = vault.list(ListQuery { deleted: true, ..everything() }).unwrap().items;
        assert_eq!(deleted.iter().map(|item| &item.id).collect::<Vec<_>>(), [&self.deleted.id]);
    }
}
