//! What a call does beyond filling one page: finding it, what the operator allows, values that stay on purpose, a
//! crash, wrong sites by chance, many logins at once.

mod common;
/// What `clients.rs` expects to find.
use common as world;

use common::chromium::Chromium;
use common::credential::{CANARIES, CODE, Credential, USERNAME};
use common::driver::{Agent, Tab};
use common::proxy::{Moment, Proxy};
use common::site::Site;
use serde_json::json;
use std::time::{Duration, Instant};
use strongroom_login::{Answer, Failure, FieldSelector, Policy, Request, fill};

struct World {
    site: Site,
    chromium: Chromium,
    agent: Agent,
}

impl World {
    async fn start(test: &str) -> Option<Self> {
        let site = Site::start().await;
        let chromium = Chromium::start(test, &site)?;
        let agent = Agent::connect(chromium.port).await;
        Some(Self { site, chromium, agent })
    }

    async fn open(&mut self, page: &str) -> Tab {
        let tab = self.agent.open(&format!("https://{page}")).await;
        self.site.take_log();
        tab
    }

    async fn fill(&self, request: &Request, policy: &Policy) -> Result<Answer, Failure> {
        let credential = Credential { has_code: false, ..Credential::new() };
        fill(&self.chromium.browser(), request, policy, &credential).await
    }

    /// Hosts that got a canary since the last time.
    fn receivers(&self) -> Vec<String> {
        let canary = |text: &str| CANARIES.iter().any(|canary| text.contains(canary));
        self.site.take_log().into_iter().filter(|request| canary(&request.text)).map(|request| request.host).collect()
    }
}

fn on(tab: &Tab) -> Request {
    Request { page: Some(tab.id.clone()), timeout: Request::MAX_TIMEOUT, ..Request::default() }
}

fn code<T>(result: Result<T, Failure>) -> String {
    result.err().map_or_else(String::new, |failure| failure.code)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_is_found_or_named() {
    let Some(mut world) = World::start("finding the page").await else { return };
    let request = Request::default();
    assert_eq!(code(world.fill(&request, &Policy::default()).await), "no_fields");
    let evil = world.open("evil.test/plain").await;
    assert_eq!(code(world.fill(&request, &Policy::default()).await), "origin_refused");
    let good = world.open("app.example.test/plain").await;
    let other = world.open("app.example.test/welcome").await;
    let answer = world.fill(&request, &Policy::default()).await.unwrap();
    assert_eq!(answer.page.id, good.id, "the only one that fits");

    world.agent.go(&good, "https://app.example.test/plain").await;
    let second = world.open("app.example.test/plain").await;
    let by_url = Request { page: Some("https://app.example.test/plain".into()), ..Request::default() };
    assert_eq!(code(world.fill(&by_url, &Policy::default()).await), "ambiguous_page");
    for missing in ["https://app.example.test/", "nothing"] {
        let request = Request { page: Some(missing.into()), ..Request::default() };
        assert_eq!(code(world.fill(&request, &Policy::default()).await), "page_not_found");
    }
    // Without a name it is the one in front. Headless pages all say that they are, so both are told.
    match world.fill(&request, &Policy::default()).await {
        Ok(answer) => assert_eq!(answer.page.id, second.id),
        Err(failure) => {
            assert_eq!(failure.code, "ambiguous_page");
            let mut pages: Vec<_> = failure.pages.into_iter().map(|page| page.id).collect();
            pages.sort();
            let mut expected = [good.id.clone(), second.id.clone()];
            expected.sort();
            assert_eq!(pages, expected);
        }
    }
    let _ = (evil, other);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_allows_more() {
    let Some(mut world) = World::start("what the operator allows").await else { return };
    let tab = world.open("evil.test/frame-good").await;
    let embedded = Policy { allow_embedded: true, ..Policy::default() };
    let answer = world.fill(&on(&tab), &embedded).await.unwrap();
    assert_eq!(
        (answer.page.origin.as_str(), answer.steps[0].origin.as_str()),
        ("https://evil.test", "https://app.example.test")
    );
    assert_eq!(world.receivers(), ["app.example.test"]);

    let tab = world.open("app.example.test/elsewhere").await;
    let form = Policy { allow_form_origins: vec!["https://evil.test".into()], ..Policy::default() };
    world.fill(&on(&tab), &form).await.unwrap();
    assert_eq!(world.receivers(), ["evil.test"]);

    let tab = world.open("wrong.example.test/plain").await;
    let certificate = Policy { allow_certificate_errors: true, ..Policy::default() };
    world.fill(&on(&tab), &certificate).await.unwrap();
    assert_eq!(world.receivers(), ["wrong.example.test"]);

    // On an address another port is another program.
    let port = world.site.http_port;
    let tab = world.agent.open(&format!("http://127.0.0.1:{port}/plain")).await;
    assert_eq!(code(world.fill(&on(&tab), &Policy::default()).await), "origin_refused");
    assert_eq!(
        code(world.fill(&on(&tab), &Policy { allow_ports: vec![port - 1], ..Policy::default() }).await),
        "origin_refused"
    );
    assert!(world.receivers().is_empty());
    world.fill(&on(&tab), &Policy { allow_ports: vec![port], ..Policy::default() }).await.unwrap();
    assert_eq!(world.receivers(), ["127.0.0.1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn named_fields() {
    let Some(mut world) = World::start("named fields").await else { return };
    let tab = world.open("app.example.test/comment").await;
    let fields = |pairs: &[(&str, &str)]| Request {
        fields: pairs
            .iter()
            .map(|(field, css)| FieldSelector { field: field.to_string(), selector: css.to_string() })
            .collect(),
        ..on(&tab)
    };
    for (pairs, refused) in [
        (&[("username", "#user"), ("password", "#comment")][..], "field_type_refused"),
        (&[("username", "#user"), ("password", "#title")], "field_type_refused"),
        (&[("username", "#user"), ("password", "#rich")], "field_type_refused"),
        (&[("username", "#comment")], "field_type_refused"),
        (&[("username", "#pass")], "field_type_refused"),
        (&[("username", "#title"), ("password", "#pass")], "ambiguous_fields"),
        (&[("username", "input")], "ambiguous_fields"),
        (&[("username", "#user"), ("password", "#none")], "no_fields"),
        (&[("username", "#none")], "no_fields"),
        (&[("username", "][")], "bad_request"),
    ] {
        assert_eq!(code(world.fill(&fields(pairs), &Policy::default()).await), refused, "{pairs:?}");
        let values = world
            .agent
            .evaluate(&tab, "[...document.querySelectorAll('input,textarea')].map((e) => e.value).join('')")
            .await;
        assert_eq!(values, json!(""), "something was written: {pairs:?}");
    }
    let answer =
        world.fill(&fields(&[("username", "#user"), ("password", "#pass")]), &Policy::default()).await.unwrap();
    assert_eq!(answer.status.as_str(), "submitted");
    assert_eq!(world.receivers(), ["app.example.test"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn values_that_stay_are_masked_and_cleared_by_the_next_call() {
    let Some(mut world) = World::start("values that stay").await else { return };
    let tab = world.open("app.example.test/plain").await;
    let answer = world.fill(&Request { submit: false, ..on(&tab) }, &Policy::default()).await.unwrap();
    assert_eq!(answer.status.as_str(), "filled");
    assert_eq!(answer.steps[0].values_left.as_str(), "masked");
    let state = "[pass.value.length > 0, pass.getAttribute('aria-hidden'), getComputedStyle(pass).webkitTextSecurity]";
    assert_eq!(world.agent.evaluate(&tab, state).await, json!([true, "true", "disc"]));
    // The agent may press the button itself meanwhile; here it fills again, and what was there is replaced.
    world.agent.evaluate(&tab, "user.value = 'somebody else'").await;
    let answer = world.fill(&Request { submit: false, ..on(&tab) }, &Policy::default()).await.unwrap();
    assert_eq!(answer.status.as_str(), "filled");
    assert_eq!(world.agent.evaluate(&tab, "user.value").await, json!(USERNAME));
    world.fill(&on(&tab), &Policy::default()).await.unwrap();
    assert_eq!(world.receivers(), ["app.example.test"]);

    // Back in the history nothing of it is shown.
    world.agent.evaluate(&tab, "history.back()").await;
    world.agent.wait_for(&tab, "location.pathname === '/plain' && document.readyState === 'complete'").await;
    assert_eq!(world.agent.evaluate(&tab, "pass.value + user.value").await, json!(""));
}

/// As if the program had died: nobody fetches or clears them. The page's clock is advanced by what a minute takes.
#[tokio::test(flavor = "multi_thread")]
async fn values_that_stay_are_cleared_by_the_page_after_a_minute() {
    let Some(mut world) = World::start("values that nobody clears").await else { return };
    let tab = world.open("app.example.test/plain").await;
    world.fill(&Request { submit: false, ..on(&tab) }, &Policy::default()).await.unwrap();
    let values = "[user.value.length > 0, pass.value.length > 0]";
    for (milliseconds, expected) in [(50_000, json!([true, true])), (11_000, json!([false, false]))] {
        world.agent.evaluate(&tab, "self.start = Date.now()").await;
        let advance = json!({ "policy": "advance", "budget": milliseconds });
        world.agent.command(Some(&tab.session), "Emulation.setVirtualTimePolicy", advance).await;
        world.agent.wait_for(&tab, &format!("Date.now() - start >= {milliseconds}")).await;
        assert_eq!(world.agent.evaluate(&tab, values).await, expected, "after {milliseconds} ms");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_goes_on_elsewhere_stops_there() {
    let Some(mut world) = World::start("a login that goes on elsewhere").await else { return };
    let tab = world.open("app.example.test/user-then-evil").await;
    let failure = world.fill(&on(&tab), &Policy::default()).await.unwrap_err();
    assert_eq!(failure.code, "origin_refused");
    assert_eq!(failure.steps.len(), 1);
    assert_eq!(world.receivers(), ["app.example.test"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_is_not_asked_for_is_not_used_up() {
    let Some(mut world) = World::start("a code that is not asked for").await else { return };
    let tab = world.open("app.example.test/plain").await;
    let credential = Credential::new();
    let answer = fill(&world.chromium.browser(), &on(&tab), &Policy::default(), &credential).await.unwrap();
    assert_eq!(answer.to_json()["remaining"], json!(["totp"]));
    assert!(credential.asked.lock().unwrap().iter().all(|(_, code)| !code), "a code was used up for nothing");
}

/// Whether each secret that is in a field of the page is hidden.
const HIDDEN: &str = "[...document.querySelectorAll('input')]
    .filter((field) => field.value.includes('pass-canary') || field.value === '493817')
    .map((field) => field.getAttribute('aria-hidden') === 'true' && getComputedStyle(field).webkitTextSecurity === 'disc')";

impl World {
    /// A login over a connection that breaks off, as if the program had died. What is in the page then is hidden. `None`
    /// if the login had ended before.
    async fn crash(&mut self, tab: &Tab, credential: &Credential, moment: Moment) -> Option<usize> {
        let proxy = Proxy::start(self.chromium.port, moment).await;
        let result = fill(&proxy.browser(), &on(tab), &Policy::default(), credential).await;
        if !proxy.has_cut() {
            assert_eq!(result.unwrap().status.as_str(), "submitted");
            return None;
        }
        let hidden = self.agent.evaluate(tab, HIDDEN).await;
        let hidden = hidden.as_array().map_or(&[][..], Vec::as_slice);
        assert!(hidden.iter().all(|hidden| *hidden == json!(true)), "{moment:?}: left, and not masked");
        Some(hidden.len())
    }
}

/// The program dies at every command of a login that leaves its values in the page: the next call clears them, also those
/// that it does not write itself.
#[tokio::test(flavor = "multi_thread")]
async fn after_a_crash_at_any_command_the_next_call_clears() {
    let Some(mut world) = World::start("a crash").await else { return };
    let credential = Credential { has_code: false, ..Credential::new() };
    // The commands of a whole login: up to the one that writes each is another, after it the page is watched.
    let tab = world.open("app.example.test/slow-fetch").await;
    let proxy = Proxy::start(world.chromium.port, Moment::Never).await;
    fill(&proxy.browser(), &on(&tab), &Policy::default(), &credential).await.unwrap();
    let commands = proxy.commands();
    let write = commands.iter().position(|command| command.contains("this.fill(")).unwrap();
    assert!(commands.last().unwrap().contains("this.clear("));
    let each = (0..=write + 4).flat_map(|at| [Moment::Before(at), Moment::After(at)]);
    let mut written = 0;
    for moment in each.chain([Moment::AfterThe("this.clear(")]) {
        let tab = world.open("app.example.test/slow-fetch").await;
        written += usize::from(world.crash(&tab, &credential, moment).await.unwrap() > 0);
        let fields = vec![FieldSelector { field: "username".into(), selector: "#user".into() }];
        let request = Request { submit: false, fields, ..on(&tab) };
        world.fill(&request, &Policy::default()).await.unwrap();
        let values = world.agent.evaluate(&tab, "[user.value, pass.value]").await;
        assert_eq!(values, json!([USERNAME, ""]), "{moment:?}");
        world.agent.close(&tab).await;
    }
    println!("{write} commands up to the one that writes; {written} crashes left values in the page");
    assert!(written > 4, "the test says nothing");
}

/// The same at every command of a login of three pages: the next call finishes it from wherever it is.
#[tokio::test(flavor = "multi_thread")]
async fn after_a_crash_at_any_command_the_next_call_goes_on() {
    let Some(mut world) = World::start("a crash between pages").await else { return };
    let credential = Credential::new();
    let whole = std::env::var("STRONGROOM_LOGIN_RUNS").is_ok();
    let (mut crashes, mut finished) = (0, 0);
    // In CI every third command, as the pages are alike.
    for at in (0..200).step_by(if whole { 1 } else { 3 }) {
        let mut ended = false;
        for moment in [Moment::Before(at), Moment::After(at)] {
            let tab = world.open("app.example.test/three").await;
            ended |= world.crash(&tab, &credential, moment).await.is_none();
            crashes += 1;
            // A form that was sent is on its way.
            tokio::time::sleep(Duration::from_millis(200)).await;
            match fill(&world.chromium.browser(), &on(&tab), &Policy::default(), &credential).await {
                Ok(answer) => finished += usize::from(answer.status.as_str() == "submitted"),
                Err(failure) => {
                    assert!(["no_fields", "document_changed"].contains(&failure.code.as_str()), "{failure:?}")
                }
            }
            // Null if the page is between two documents.
            let left = world.agent.evaluate(&tab, HIDDEN).await;
            assert!(left.as_array().is_none_or(Vec::is_empty), "{moment:?}: left");
            assert!(world.receivers().iter().all(|host| host == "app.example.test"));
            world.agent.close(&tab).await;
        }
        if ended {
            break;
        }
    }
    println!("{crashes} crashes, {finished} logins finished by the next call");
    assert!(crashes > 10 && finished > crashes / 2, "{crashes} {finished}");
}

/// Pages that leave for another site at a random moment. `STRONGROOM_LOGIN_RUNS=200` for all of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_site_never_gets_a_value() {
    let Some(mut world) = World::start("pages that leave at random").await else { return };
    let runs: u64 = std::env::var("STRONGROOM_LOGIN_RUNS").ok().map_or(30, |runs| runs.parse().unwrap());
    let mut ends = std::collections::BTreeMap::<String, u32>::new();
    let mut dice = 0x2545_F491_4F6C_DD1Du64;
    let mut good = 0;
    let tab = world.open("app.example.test/plain").await;
    // How long a call takes until it has written depends on the machine. Pages leave within this time, which follows
    // what happens: about half of them before, half after.
    let start = Instant::now();
    world.fill(&on(&tab), &Policy::default()).await.unwrap();
    let mut range = start.elapsed().as_secs_f64() * 1000.0;
    assert!(!world.receivers().is_empty());
    for run in 0..runs {
        // The slow one keeps its values until the call ends: it takes seconds.
        let page = match run % 10 {
            9 => "slow-fetch",
            run => ["plain", "moves-focus-frame", "frame-same-site"][run as usize % 3],
        };
        world.agent.go(&tab, &format!("https://app.example.test/{page}")).await;
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        let delay = dice % (range as u64 + 1);
        let leave = match run / 3 % 3 {
            0 => "location.href = 'https://evil.test/catch'",
            1 => "location.href = 'https://evil.test/plain'",
            _ => "document.body.innerHTML = `<iframe src='https://evil.test/plain' width=400 height=200></iframe>`",
        };
        world.agent.evaluate(&tab, &format!("setTimeout(() => {{ {leave} }}, {delay})")).await;
        let result = world.fill(&on(&tab), &Policy::default()).await;
        *ends.entry(result.map_or_else(|failure| failure.code, |answer| answer.status.as_str().into())).or_default() +=
            1;
        tokio::time::sleep(Duration::from_millis(80)).await;
        let receivers = world.receivers();
        range = (range * if receivers.is_empty() { 1.3 } else { 0.8 }).clamp(20.0, 5000.0);
        for host in receivers {
            assert!(host.ends_with("example.test"), "{host} got a value in run {run}");
            good += 1;
        }
    }
    println!("{runs} runs: {ends:?}; the right site got values {good} times");
    assert!(good > 0 && ends.len() > 1, "the moments were all the same: {ends:?}");
    // A frame that goes away leaves commands unanswered, which must not be waited for.
    assert!(!ends.contains_key("browser_unavailable"), "{ends:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_agents_fifty_logins() {
    let Some(mut world) = World::start("two agents").await else { return };
    let logins: u32 = std::env::var("STRONGROOM_LOGIN_RUNS").ok().map_or(10, |_| 50);
    let mut tabs = Vec::new();
    for _ in 0..2 {
        tabs.push(world.open("app.example.test/all-three").await);
    }
    let credential = std::sync::Arc::new(Credential { codes: Some(100_000).into(), ..Credential::new() });
    let mut agents = Vec::new();
    for tab in tabs {
        let (browser, credential, port) = (world.chromium.browser(), credential.clone(), world.chromium.port);
        agents.push(tokio::spawn(async move {
            let mut agent = Agent::connect(port).await;
            let params = json!({ "targetId": tab.id, "flatten": true });
            let attached = agent.command(None, "Target.attachToTarget", params).await;
            let tab = Tab { session: attached["sessionId"].as_str().unwrap().to_owned(), ..tab };
            for _ in 0..logins {
                agent.go(&tab, "https://app.example.test/all-three").await;
                let request = Request { exclusive: true, ..on(&tab) };
                let answer = fill(&browser, &request, &Policy::default(), &*credential).await.unwrap();
                assert_eq!((answer.status.as_str(), answer.page.id), ("submitted", tab.id.clone()));
            }
        }));
    }
    for agent in agents {
        agent.await.unwrap();
    }
    let posts: Vec<_> = world.site.take_log().into_iter().filter(|request| request.method == "POST").collect();
    let mut codes: Vec<_> = posts.iter().map(|request| request.text.split("otp=").nth(1).unwrap().to_owned()).collect();
    codes.sort();
    codes.dedup();
    assert_eq!((posts.len(), codes.len()), (2 * logins as usize, 2 * logins as usize), "one login, one code");
    assert!(!codes.iter().any(|code| code == CODE));
}
