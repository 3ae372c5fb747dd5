//! An agent that drives the browser with Playwright, attached all the time, gets no value, and its pages go on working.

mod common;
/// What `clients.rs` expects to find.
use common as world;

use common::chromium::Chromium;
use common::clients;
use common::credential::{CANARIES, Credential, PASSWORD, USERNAME};
use common::program::Program;
use common::site::Site;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use strongroom_login::{Answer, Failure, Policy, Request, fill};

fn playwright(test: &str, chromium: &Chromium) -> Option<Program> {
    let mut node = clients::node(test, &["playwright-core@1.65.1"])?;
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/playwright.mjs");
    // Modules are looked for from where the script is: a copy where the packages are.
    let copy = node.get_current_dir().unwrap().join("login-playwright.mjs");
    std::fs::copy(script, &copy).unwrap();
    node.arg(copy).arg(chromium.url());
    Some(Program::start(node))
}

async fn log_in(chromium: &Chromium, page: &Value) -> Result<Answer, Failure> {
    let request =
        Request { page: Some(page.as_str().unwrap().to_owned()), timeout: Request::MAX_TIMEOUT, ..Request::default() };
    let credential = Credential { has_code: false, ..Credential::new() };
    fill(&chromium.browser(), &request, &Policy::default(), &credential).await
}

fn canary_in(value: &Value) -> Option<&'static str> {
    // As text of JSON, and the password's beginning is the same in every escape.
    let text = value.to_string();
    CANARIES.into_iter().find(|canary| text.contains(canary))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_agent_sees_after_the_call() {
    let site = Site::start().await;
    let Some(chromium) = Chromium::start("Playwright", &site) else { return };
    let Some(mut playwright) = playwright("login beside Playwright", &chromium) else { return };
    for (page, status, end) in [
        ("plain", Some("submitted"), "/welcome"),
        ("user-first", Some("submitted"), "/welcome"),
        ("one-document", Some("submitted"), "/welcome"),
        ("reveal", Some("submitted"), "/welcome"),
        ("shadow-open", Some("submitted"), "/welcome"),
        ("fails", Some("asked_again"), "/fails"),
        ("fails-in-place", Some("asked_again"), "/fails-in-place"),
        ("slow-fetch", Some("submitted"), "/slow-fetch"),
        ("no-button", None, "/no-button"),
        ("get", None, "/get"),
        ("turns-elsewhere", None, "/turns-elsewhere"),
    ] {
        let target = playwright.ask("open", json!({ "url": format!("https://app.example.test/{page}") })).await;
        let result = log_in(&chromium, &target).await;
        assert_eq!(result.as_ref().ok().map(|answer| answer.status.as_str()), status, "{page} {result:?}");
        let read = playwright.ask("read", json!({})).await;
        assert!(read["url"].as_str().unwrap().ends_with(end), "{page} {}", read["url"]);
        for (what, seen) in read["seen"].as_object().unwrap() {
            assert_eq!(canary_in(seen), None, "{page}: {what}");
        }
    }
    // The exception: whoever watches the network sees the bodies of the requests. That the test finds them shows that it
    // would find a value elsewhere, too.
    assert!(canary_in(&playwright.ask("bodies", json!({})).await).is_some());
    // Its page is still its own.
    playwright.ask("go", json!({ "url": "https://app.example.test/plain" })).await;
    let typed = playwright.ask("type", json!({ "selector": "#user", "text": "typed" })).await;
    assert_eq!(typed, "typed");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_that_the_agent_answers_itself_get_nothing() {
    let site = Site::start().await;
    let Some(chromium) = Chromium::start("interception", &site) else { return };
    let Some(mut playwright) = playwright("login on intercepted pages", &chromium) else { return };
    for to in [Value::Null, json!("https://evil.test/plain")] {
        let parameters = json!({ "url": "https://app.example.test/plain", "to": to });
        let target = playwright.ask("intercept", parameters).await;
        let failure = log_in(&chromium, &target).await.unwrap_err();
        assert_eq!(failure.code, "insecure_transport", "{to} {failure:?}");
        assert!(failure.steps.is_empty());
        assert!(!site.take_log().iter().any(|request| CANARIES.iter().any(|canary| request.text.contains(canary))));
    }
}

/// How long a login takes, beside the same by Playwright alone. Prints, and holds only against the absurd.
#[tokio::test(flavor = "multi_thread")]
async fn time_beside_a_plain_login() {
    const LOGINS: usize = 15;
    let site = Site::start().await;
    let Some(chromium) = Chromium::start("time of a login", &site) else { return };
    let Some(mut playwright) = playwright("time of a login", &chromium) else { return };
    let url = "https://app.example.test/plain";
    let target = playwright.ask("open", json!({ "url": url })).await;
    let (mut ours, mut plain) = (Vec::new(), Vec::new());
    for _ in 0..LOGINS {
        let times = playwright.ask("login", json!({ "url": url, "user": USERNAME, "password": PASSWORD })).await;
        plain.push(Duration::from_secs_f64(times["login"].as_f64().unwrap() / 1000.0));
        playwright.ask("go", json!({ "url": url })).await;
        let start = Instant::now();
        log_in(&chromium, &target).await.unwrap();
        ours.push(start.elapsed());
        playwright.ask("arrive", json!({ "url": "**/welcome" })).await;
    }
    ours.sort();
    plain.sort();
    println!(
        "median of {LOGINS}: fill {:?} (fastest {:?}), Playwright {:?} (fastest {:?})",
        ours[LOGINS / 2],
        ours[0],
        plain[LOGINS / 2],
        plain[0]
    );
    assert!(ours[0] < Duration::from_secs(20), "{ours:?}");
}
