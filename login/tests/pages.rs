//! Every page in a real Chromium: what is filled, what is refused, what the servers got, and the answer, verbatim.

mod common;
/// What `clients.rs` expects to find.
use common as world;

use common::chromium::Chromium;
use common::credential::{CANARIES, CODE, Credential, PASSWORD, USERNAME};
use common::driver::Agent;
use common::site::Site;
use common::{clients, pages};
use serde_json::Value;
use strongroom_login::{Answer, Failure, Policy, Request, fill};

/// How a page ends.
enum End {
    /// Status; the steps as `username,password`; what became of the values of the last; what the good server must have
    /// got.
    Done(&'static str, &'static [&'static str], &'static str, &'static [&'static str]),
    /// The code; nothing was released, or at least nothing left the page.
    Refused(&'static str),
}
use End::{Done, Refused};

const BOTH: &[&str] = &["username,password"];
const UP: &[&str] = &[USERNAME, PASSWORD];

#[rustfmt::skip]
const PAGES: &[(&str, End)] = &[
    ("app.example.test/plain", Done("submitted", BOTH, "none", UP)),
    ("app.example.test/patched", Done("submitted", BOTH, "none", UP)),
    ("app.example.test/user-first", Done("submitted", &["username", "password"], "none", UP)),
    ("app.example.test/three", Done("submitted", &["username", "password", "totp"], "none", &[USERNAME, PASSWORD, CODE])),
    ("app.example.test/one-document", Done("submitted", &["username", "password"], "none", UP)),
    ("app.example.test/code", Done("submitted", &["totp"], "none", &[CODE])),
    ("app.example.test/masked-code", Done("submitted", &["totp"], "none", &["493 817"])),
    ("app.example.test/all-three", Done("submitted", &["username,password,totp"], "none", &[USERNAME, PASSWORD, CODE])),
    ("app.example.test/boxes", Done("submitted", &["totp"], "none", &[CODE])),
    ("app.example.test/boxes-auto", Done("submitted", &["totp"], "none", &[CODE])),
    ("app.example.test/boxes-paste", Done("submitted", &["totp"], "none", &[CODE])),
    ("app.example.test/react", Done("submitted", BOTH, "none", UP)),
    ("app.example.test/react-slow-button", Done("submitted", BOTH, "none", UP)),
    ("app.example.test/react-boxes", Done("submitted", &["totp"], "none", &[CODE])),
    ("app.example.test/vue", Done("submitted", BOTH, "none", UP)),
    ("app.example.test/shadow-open", Done("submitted", BOTH, "none", UP)),
    ("app.example.test/shadow-closed", Done("submitted", BOTH, "none", UP)),
    ("app.example.test/honeypots", Done("submitted", BOTH, "none", UP)),
    ("app.example.test/get-handled", Done("submitted", BOTH, "none", UP)),
    ("app.example.test/comment", Done("submitted", BOTH, "none", UP)),
    ("app.example.test/reveal", Done("submitted", BOTH, "none", UP)),
    ("app.example.test/no-form", Done("submitted", BOTH, "none", UP)),
    ("app.example.test/frame-same-site", Done("submitted", BOTH, "none", UP)),
    ("app.example.test/frame-good", Done("submitted", BOTH, "none", UP)),
    ("app.example.test/frame-srcdoc", Done("submitted", BOTH, "none", UP)),
    ("app.example.test/moves-focus", Done("submitted", BOTH, "none", UP)),
    ("app.example.test/moves-focus-frame", Done("submitted", BOTH, "none", UP)),
    ("app.example.test/readonly-user", Done("submitted", BOTH, "none", &[PASSWORD])),
    ("app.example.test/slow-fetch", Done("submitted", BOTH, "cleared", UP)),
    ("app.example.test/fails", Done("asked_again", BOTH, "none", UP)),
    ("app.example.test/fails-in-place", Done("asked_again", BOTH, "none", UP)),
    ("app.example.test/readonly-other", Refused("fill_unconfirmed")),
    ("app.example.test/no-button", Refused("fill_unconfirmed")),
    ("app.example.test/new-password", Refused("not_a_login_form")),
    ("app.example.test/registration", Refused("not_a_login_form")),
    ("app.example.test/change", Refused("not_a_login_form")),
    ("app.example.test/get", Refused("not_a_login_form")),
    ("app.example.test/elsewhere", Refused("form_leaves_domain")),
    ("app.example.test/formaction", Refused("form_leaves_domain")),
    ("app.example.test/http-action", Refused("form_leaves_domain")),
    ("app.example.test/turns-elsewhere", Refused("form_leaves_domain")),
    ("app.example.test/turns-at-submit", Refused("form_leaves_domain")),
    ("app.example.test/clobbered", Refused("form_leaves_domain")),
    ("app.example.test/revealed", Refused("field_type_refused")),
    ("app.example.test/newsletter", Refused("no_fields")),
    ("app.example.test/welcome", Refused("no_fields")),
    ("app.example.test/frame-evil", Refused("origin_refused")),
    ("evil.test/frame-good", Refused("origin_refused")),
    ("app.example.test/frame-deep", Refused("origin_refused")),
    ("app.example.test/frame-sandbox", Refused("origin_refused")),
    ("app.example.test/csp-sandbox", Refused("origin_refused")),
    ("evil.test/plain", Refused("origin_refused")),
    ("evil.test/patched", Refused("origin_refused")),
    ("example.test.evil.test/plain", Refused("origin_refused")),
    ("users.host.test/plain", Refused("origin_refused")),
    ("app.example.test/navigates-on-focus", Done("submitted", BOTH, "none", UP)),
    // They are at the other site before the call begins.
    ("app.example.test/redirects-to-evil", Refused("origin_refused")),
    ("app.example.test/to-evil-on-load", Refused("origin_refused")),
    ("wrong.example.test/plain", Refused("insecure_transport")),
];

fn as_json(result: &Result<Answer, Failure>) -> Value {
    match result {
        Ok(answer) => answer.to_json(),
        Err(failure) => failure.to_json(),
    }
}

async fn libraries() {
    let packages = ["react@18.3.1", "react-dom@18.3.1", "vue@3.5.22"];
    if let Some(node) = clients::node("login pages of React and Vue", &packages) {
        let _ = pages::LIBRARIES.set(node.get_current_dir().unwrap().join("node_modules"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_page() {
    let site = Site::start().await;
    let Some(chromium) = Chromium::start("login on each page", &site) else { return };
    libraries().await;
    let only = std::env::var("STRONGROOM_LOGIN_PAGE").unwrap_or_default();
    let mut agent = Agent::connect(chromium.port).await;
    let mut wrong = Vec::new();
    for (page, end) in PAGES {
        let needs_library = ["/react", "/vue"].iter().any(|name| page.contains(name));
        if !page.contains(&only) || (needs_library && pages::LIBRARIES.get().is_none()) {
            continue;
        }
        let tab = agent.open(&format!("https://{page}")).await;
        while page.contains("to-evil") && agent.evaluate(&tab, "location.host").await != "evil.test" {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        // Frames, frameworks.
        tokio::time::sleep(std::time::Duration::from_millis(150)).await;
        site.take_log();
        // The wait for a code that never is asked for has a test of its own.
        let has_code = matches!(end, Done(_, steps, ..) if steps.iter().any(|step| step.contains("totp")));
        let credential = Credential { has_code, ..Credential::new() };
        let request = Request { page: Some(tab.id.clone()), ..Request::default() };
        let start = std::time::Instant::now();
        let result = fill(&chromium.browser(), &request, &Policy::default(), &credential).await;
        let took = start.elapsed();
        // Whatever the page still sends.
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        let log = site.take_log();
        let problem = judge(&result, end, &log, page);
        println!("{page} {took:?} {}", as_json(&result));
        if let Some(problem) = problem {
            let seen = agent.evaluate(&tab, "JSON.stringify([location.href, window.seen, window.stolen])").await;
            wrong.push(format!("{page}: {problem}\n  {}\n  {seen}\n  {log:?}", as_json(&result)));
        }
        agent.close(&tab).await;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn judge(result: &Result<Answer, Failure>, end: &End, log: &[common::site::Request], page: &str) -> Option<String> {
    let answer = as_json(result).to_string();
    if CANARIES.iter().any(|canary| answer.contains(canary)) {
        return Some("a canary is in the answer".into());
    }
    let canary = |text: &str| CANARIES.iter().any(|canary| text.contains(canary));
    if let Some(request) = log.iter().find(|request| !request.host.ends_with("example.test") && canary(&request.text)) {
        return Some(format!("a canary reached {}", request.host));
    }
    if let Some(request) = log.iter().find(|request| canary(&request.query)) {
        return Some(format!("a canary is in the address of {}", request.path));
    }
    match (result, end) {
        (Err(failure), Refused(code)) if failure.code == *code => {
            let got = log.iter().find(|request| canary(&request.text));
            got.map(|request| format!("a canary was sent to {}", request.path))
        }
        (Ok(answer), Done(status, steps, left, sent)) => {
            let filled = |step: &strongroom_login::Step| {
                step.filled.iter().map(|role| role.as_str().to_owned()).collect::<Vec<_>>().join(",")
            };
            let filled: Vec<String> = answer.steps.iter().map(filled).collect();
            if answer.status.as_str() != *status || filled != *steps {
                return Some("another answer was expected".into());
            }
            if answer.steps.last().unwrap().values_left.as_str() != *left {
                return Some("other values are left".into());
            }
            let missing = sent.iter().find(|value| !log.iter().any(|request| request.text.contains(**value)));
            let posts = log.iter().filter(|request| request.method == "POST" && canary(&request.text)).count();
            if page.contains("boxes-auto") && posts != 1 {
                return Some(format!("the code was sent {posts} times"));
            }
            missing.map(|value| format!("the server did not get {value}"))
        }
        _ => Some("another answer was expected".into()),
    }
}
