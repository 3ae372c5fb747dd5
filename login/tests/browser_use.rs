//! What browser-use tells its model about a page after a login holds no value.

mod common;
/// What `clients.rs` expects to find.
use common as world;

use common::chromium::Chromium;
use common::clients;
use common::credential::{CANARIES, Credential};
use common::program::Program;
use common::site::Site;
use serde_json::json;
use strongroom_login::{Policy, Request, fill};

const PAGES: [&str; 10] = [
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
    let mut filled = 0;
    for page in PAGES {
        let target = agent.ask("open", json!({ "url": format!("https://app.example.test/{page}") })).await;
        let request = Request { page: Some(target.as_str().unwrap().to_owned()), ..Request::default() };
        let credential = Credential { has_code: page == "code" || page.starts_with("boxes"), ..Credential::new() };
        let result = fill(&chromium.browser(), &request, &Policy::default(), &credential).await;
        filled += usize::from(result.is_ok());
        let state = agent.ask("read", json!({})).await;
        let text = state["text"].as_str().unwrap();
        assert!(!text.is_empty(), "{page}: nothing is told of the page");
        let told = state.to_string();
        assert!(!CANARIES.iter().any(|canary| told.contains(canary)), "{page}: {told}");
    }
    assert_eq!(filled, PAGES.len() - 1, "all but the page without a button");
    // A value in the open would have been found.
    agent.ask("open", json!({ "url": "https://app.example.test/shown" })).await;
    assert!(agent.ask("read", json!({})).await.to_string().contains(CANARIES[0]));
}
