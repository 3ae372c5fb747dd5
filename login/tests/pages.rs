//! Every page in a real Chromium: what is filled, what is refused, what the servers got, and the answer, verbatim.

mod common;
/// What `clients.rs` expects to find.
use common as world;

use common::chromium::Chromium;
use common::credential::{CANARIES, Credential};
use common::driver::Agent;
use common::site::Site;
use common::table::{End, PAGES};
use common::{clients, pages};
use serde_json::Value;
use std::time::{Duration, Instant};
use strongroom_login::{Answer, Failure, Policy, Request, fill};

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
        if page.contains("to-evil") {
            agent.wait_for(&tab, "location.host === 'evil.test' && document.readyState === 'complete'").await;
        }
        if needs_library {
            agent.wait_for(&tab, "!!document.querySelector('input')").await;
        }
        site.take_log();
        // The wait for a code that never is asked for has a test of its own.
        let has_code = end.has_code();
        let credential = Credential { has_code, ..Credential::new() };
        let request = Request { page: Some(tab.id.clone()), timeout: Request::MAX_TIMEOUT, ..Request::default() };
        let start = Instant::now();
        let result = fill(&chromium.browser(), &request, &Policy::default(), &credential).await;
        let took = start.elapsed();
        // Whatever the page still sends and must not; and what it must, however long that takes.
        let (mut log, start) = (Vec::new(), Instant::now());
        let problem = loop {
            tokio::time::sleep(Duration::from_millis(100)).await;
            log.extend(site.take_log());
            let problem = judge(&result, end, &log, page);
            if problem.is_none() || start.elapsed() > Duration::from_secs(20) {
                break problem;
            }
        };
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
        (Err(failure), End::Refused(code)) if failure.code == *code => {
            let got = log.iter().find(|request| canary(&request.text));
            got.map(|request| format!("a canary was sent to {}", request.path))
        }
        (Ok(answer), End::Done(status, steps, left, sent)) => {
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
