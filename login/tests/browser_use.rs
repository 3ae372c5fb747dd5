//! What browser-use tells its model about a page after a login holds no value.

mod common;
/// What `clients.rs` expects to find.
use common as world;

use common::chromium::Chromium;
use common::clients;
use common::credential::{CANARIES, Credential};
use common::program::Program;
use common::site::Site;
use common::table::{End, PAGES};
use serde_json::json;
use strongroom_login::{Policy, Request, fill};

/// Those of CI; `STRONGROOM_LOGIN_RUNS` for all.
const SOME: [&str; 10] = [
    "plain",
    "one-document",
    "code",
    "boxes-paste",
    "shadow-closed",
    "reveal",
    "frame-same-site",
    "fails-in-place",
    "slow-fetch",
    "no-button",
];

#[tokio::test(flavor = "multi_thread")]
async fn what_the_model_is_told() {
    let site = Site::start().await;
    let Some(chromium) = Chromium::start("browser-use", &site) else { return };
    let Some(mut python) = clients::python("login beside browser-use", &["browser-use==0.13.14"]) else { return };
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/on_browser_use.py");
    python.arg(script).arg(chromium.url());
    let mut agent = Program::start(python);
    let whole = std::env::var("STRONGROOM_LOGIN_RUNS").is_ok();
    let mut seen = 0;
    for (page, end) in PAGES {
        let needs_library = ["/react", "/vue"].iter().any(|name| page.contains(name));
        let is_some = SOME.iter().any(|some| page.strip_prefix("app.example.test/") == Some(some));
        if needs_library || !(whole || is_some) {
            continue;
        }
        let target = agent.ask("open", json!({ "url": format!("https://{page}") })).await;
        let request = Request {
            page: Some(target.as_str().unwrap().to_owned()),
            timeout: Request::MAX_TIMEOUT,
            ..Request::default()
        };
        let credential = Credential { has_code: end.has_code(), ..Credential::new() };
        let result = fill(&chromium.browser(), &request, &Policy::default(), &credential).await;
        assert_eq!(result.is_ok(), matches!(end, End::Done(..)), "{page}: {result:?}");
        seen += 1;
        let state = agent.ask("read", json!({})).await;
        let text = state["text"].as_str().unwrap();
        assert!(!text.is_empty(), "{page}: nothing is told of the page");
        let told = state.to_string();
        assert!(!CANARIES.iter().any(|canary| told.contains(canary)), "{page}: {told}");
    }
    println!("{seen} pages");
    assert!(seen >= SOME.len(), "{seen}");
    // A value in the open would have been found.
    agent.ask("open", json!({ "url": "https://app.example.test/shown" })).await;
    assert!(agent.ask("read", json!({})).await.to_string().contains(CANARIES[0]));
}
