//! Who may have a login made in a browser, and what is said when none can be: over REST and from the shell. The logins
//! themselves are in `login/tests` and in `login_example.rs`.

use serde_json::{Value, json};
use strongroom_host_tests::{Program, Server, TempDir};

const CANARY: &str = "hunter2-canary";
/// A port that nobody listens on.
const NO_BROWSER: &str = "http://127.0.0.1:9";

fn store(server: &Server, name: &str, domain: &str) -> String {
    let credential = json!({ "name": name, "domain": domain, "values": { "username": "u", "password": CANARY } });
    server.client().post("/credentials", &credential).json()["id"].as_str().unwrap().to_owned()
}

fn token(program: &Program, name: &str, scopes: &str, more: &[&str]) -> String {
    let arguments = [&["token", "new", "--name", name, "--scopes", scopes], more].concat();
    program.run(&arguments).stdout.trim().to_owned()
}

#[test]
fn only_tokens_with_the_scope_and_what_they_may_see() {
    let directory = TempDir::new();
    let program = Program::on(directory.path());
    let server = program.serve_with(&["--browser", &format!("agent={NO_BROWSER}")]);
    let (name, other) = ("a/b c", "other");
    store(&server, name, "a.example");
    store(&server, other, "b.example");
    let path = |name: &str| format!("/credentials/{}/fill", name.replace('/', "%2F").replace(' ', "%20"));
    let post = |token: &str, path: &str, body: Value| server.client_with(token).post(path, &body);

    // All other scopes together are not this one.
    let without = token(&program, "without", "read,totp,write,supply", &[]);
    let answer = post(&without, &path(name), json!({}));
    assert_eq!((answer.status, answer.code().as_str()), (403, "forbidden"));
    assert!(answer.json()["message"].as_str().unwrap().contains("fill"));
    for unknown in ["", "sr_unknown"] {
        let answer = post(unknown, &path(name), json!({}));
        assert_eq!((answer.status, answer.code().as_str()), (401, "unauthorized"));
    }

    // It does not allow anything else either.
    let fill = token(&program, "filler", "fill", &[]);
    assert_eq!(server.client_with(&fill).get("/credentials").status, 403);
    assert_eq!(
        post(&fill, &path(name).replace("/fill", "/supply"), json!({ "origin": "https://a.example" })).status,
        403
    );

    let answer = post(&fill, &path(name), json!({}));
    assert_eq!((answer.status, answer.code().as_str()), (502, "browser_unavailable"));
    for (body, status, code) in [
        (json!({ "browser": "another" }), 404, "browser_not_configured"),
        // Not even where it is right: addresses are the operator's.
        (json!({ "browser": NO_BROWSER }), 404, "browser_not_configured"),
        (json!({ "steps": 9 }), 400, "bad_request"),
        (json!([1]), 400, "bad_request"),
    ] {
        let answer = post(&fill, &path(name), body.clone());
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{body}");
    }
    assert_eq!(post(&fill, &path("missing"), json!({})).code(), "not_found");

    // To a restricted token nothing else exists.
    let restricted = token(&program, "restricted", "fill", &["--domains", "a.example"]);
    assert_eq!(post(&restricted, &path(other), json!({})).code(), "not_found");
    assert_eq!(post(&restricted, &path(name), json!({})).code(), "browser_unavailable");
    // It is gone as soon as it is revoked.
    program.run(&["token", "revoke", "restricted"]);
    assert_eq!(post(&restricted, &path(name), json!({})).status, 401);

    let (_, output) = server.stop();
    assert!(output.stderr.contains("POST /credentials/{id_or_name}/fill 502"), "{}", output.stderr);
    assert!(output.stderr.contains("login browser_unavailable"), "{}", output.stderr);
    for secret in [CANARY, fill.as_str(), "a/b c", "a%2Fb"] {
        assert!(!output.stderr.contains(secret), "{secret} is in the log");
    }
}

#[test]
fn without_a_browser_there_is_no_such_route() {
    let directory = TempDir::new();
    let program = Program::on(directory.path());
    let server = program.serve();
    store(&server, "a", "a.example");
    assert_eq!(server.client().post("/credentials/a/fill", &json!({})).status, 404);
}

#[test]
fn from_the_shell() {
    let directory = TempDir::new();
    let program = Program::on(directory.path());
    let server = program.serve();
    store(&server, "a", "a.example");
    drop(server);
    let run = |more: &[&str]| program.run(&[&["fill", "a"], more].concat());
    let output = run(&["--browser", NO_BROWSER]);
    assert_eq!(output.code, Some(4), "{output:?}");
    assert_eq!(serde_json::from_str::<Value>(&output.stdout).unwrap()["code"], "browser_unavailable");
    let missing = program.run(&["fill", "b", "--browser", NO_BROWSER]);
    assert_eq!(missing.code, Some(1));
    assert_eq!(serde_json::from_str::<Value>(&missing.stdout).unwrap()["code"], "not_found");
    // Another machine's port is no browser of ours.
    let far = run(&["--browser", "http://192.0.2.1:9222"]);
    assert_eq!(far.code, Some(1));
    assert!(far.stderr.contains("loopback"), "{far:?}");
    for text in [&output.stdout, &output.stderr, &far.stderr] {
        assert!(!text.contains(CANARY));
    }
}
