//! Who may have a login made in a browser, and what is said when none can be: over REST and from the shell. The logins
//! themselves are in `login/tests` and in `login_example.rs`.

use serde_json::{Value, json};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use strongroom_host_tests::{Answer, Program, Server, TempDir};

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

/// A browser that takes connections and says nothing, until they are dropped.
fn silent_browser() -> (String, Receiver<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, connections) = channel();
    std::thread::spawn(move || listener.incoming().map_while(Result::ok).try_for_each(|stream| sender.send(stream)));
    (url, connections)
}

/// One token can't keep the others from logging in, and waiting for a browser holds nothing that others need.
#[test]
fn logins_that_wait_leave_room_for_others() {
    let directory = TempDir::new();
    let program = Program::on(directory.path());
    let (url, browser) = silent_browser();
    let server = program.serve_with(&["--browser", &format!("agent={url}")]);
    store(&server, "a", "a.example");
    let tokens = ["one", "two", "three"].map(|name| token(&program, name, "fill", &[]));
    // As large as a body may be: sixteen of them are all that the server has for bodies.
    let padding = "x".repeat((2 << 20) - 200);
    let body = json!({ "timeout_seconds": 60, "padding": padding });
    let connection = || browser.recv_timeout(Duration::from_secs(30)).expect("a login that begins");
    let is_busy = |answer: &Answer| (answer.status, answer.code()) == (503, "contended".to_owned());
    std::thread::scope(|scope| {
        let log_in = |token: &str| {
            let client = server.client_with(token);
            let body = &body;
            scope.spawn(move || client.post("/credentials/a/fill", body))
        };
        let (mut running, mut connections) = (Vec::new(), Vec::new());
        for token in &tokens[..2] {
            for _ in 0..8 {
                running.push(log_in(token));
                connections.push(connection());
            }
            let refused = server.client_with(token).post("/credentials/a/fill", &json!({}));
            assert!(is_busy(&refused), "{refused:?}");
            assert_eq!(refused.header("retry-after"), Some("1"));
            let message = refused.json()["message"].as_str().unwrap().to_owned();
            assert_eq!(message.contains("of this caller"), token == &tokens[0], "{message}");
        }
        assert!(is_busy(&server.client_with(&tokens[2]).post("/credentials/a/fill", &json!({}))));
        // A body of the same size, which needs its memory.
        let other = server.client().post("/credentials", &json!({ "name": "b", "padding": padding }));
        assert_eq!(other.status, 413, "{other:?}");
        // A login that is asked for wrongly takes no place.
        assert_eq!(server.client_with(&tokens[2]).post("/credentials/a/fill", &json!({ "steps": 9 })).status, 400);
        drop(connections);
        for login in running {
            assert_eq!(login.join().unwrap().code(), "browser_unavailable");
        }
    });
    let third = std::thread::scope(|scope| {
        let third = scope.spawn(|| server.client_with(&tokens[2]).post("/credentials/a/fill", &json!({})));
        connection();
        third.join().unwrap()
    });
    assert_eq!(third.code(), "browser_unavailable", "places are given back");
}

/// A login releases values like `supply`, and counts like it.
#[test]
fn logins_count_as_releases() {
    let directory = TempDir::new();
    let program = Program::on(directory.path());
    let server = program.serve_with(&["--browser", &format!("agent={NO_BROWSER}"), "--supply-limit", "3"]);
    store(&server, "a", "a.example");
    let client = server.client_with(&token(&program, "both", "fill,supply", &[]));
    let fill = |body: Value| client.post("/credentials/a/fill", &body);
    let supply = || client.post("/credentials/a/supply", &json!({ "origin": "https://a.example" }));
    assert_eq!((fill(json!({})).status, supply().status, fill(json!({})).status), (502, 200, 502));
    // What is wrong releases nothing, and is not counted.
    assert_eq!(fill(json!({ "steps": 9 })).status, 400);
    for refused in [fill(json!({})), supply()] {
        assert_eq!((refused.status, refused.code().as_str()), (429, "rate_limited"));
        let seconds: u32 = refused.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=60).contains(&seconds), "{seconds}");
    }
    let other = server.client_with(&token(&program, "other", "fill", &[]));
    assert_eq!(other.post("/credentials/a/fill", &json!({})).status, 502);
}

/// What the operator allows belongs to an id: whoever may rename would move it to another credential.
#[test]
fn allowances_name_ids() {
    let directory = TempDir::new();
    let program = Program::on(directory.path());
    let server = program.serve();
    let id = store(&server, "canary", "a.example");
    drop(server);
    let allowances = [
        ["--allow-embedded", "canary"],
        ["--allow-certificate-errors", "canary"],
        ["--allow-form-origin", "canary=https://b.example"],
        ["--allow-port", "canary=3000"],
    ];
    let check = |arguments: &[&str]| {
        let output = program.run(arguments);
        assert_eq!(output.code, Some(1), "{arguments:?} {output:?}");
        assert!(output.stderr.contains("by its id") && output.stderr.contains("strongroom call"), "{output:?}");
        assert!(!output.stderr.contains("canary"), "{output:?}");
    };
    for [option, value] in allowances {
        check(&["mcp", "--scopes", "fill", "--browser", &format!("agent={NO_BROWSER}"), option, value]);
        check(&["serve", "--listen", "127.0.0.1:0", option, value]);
        let value = value.strip_prefix("canary=").into_iter();
        check(&["fill", "canary", "--browser", NO_BROWSER, option].into_iter().chain(value).collect::<Vec<_>>());
    }
    // The command that the error names shows the id, which is taken.
    let shown = program.call(&json!({ "action": "get", "id_or_name": "canary" })).unwrap();
    assert_eq!(shown["id"], id);
    assert_eq!(program.run(&["fill", &id, "--browser", NO_BROWSER, "--allow-port", "3000"]).code, Some(4));
    let server = program.serve_with(&["--allow-port", &format!("{id}=3000"), "--allow-embedded", &id]);
    assert!(server.stop().0.success());
}
