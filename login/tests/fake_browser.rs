//! A browser that answers each command with each fault, and with damaged JSON: no panic, no values before every check
//! is passed, and what may be left in a page is said.

mod common;
/// What `clients.rs` expects to find.
use common as world;

use common::credential::{CANARIES, Credential};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use strongroom_login::{Browser, Policy, Request, fill};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server as handshake;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    Refuses,
    ContextGone,
    SessionGone,
    NoAnswer,
    Closes,
    NoJson,
    OtherId,
    NoResult,
    NullResult,
    EmptyResult,
    Throws,
    StrangeValue,
    Events,
    Unknown,
    Detaches,
}

const FAULTS: [Fault; 15] = [
    Fault::Refuses,
    Fault::ContextGone,
    Fault::SessionGone,
    Fault::NoAnswer,
    Fault::Closes,
    Fault::NoJson,
    Fault::OtherId,
    Fault::NoResult,
    Fault::NullResult,
    Fault::EmptyResult,
    Fault::Throws,
    Fault::StrangeValue,
    Fault::Events,
    Fault::Unknown,
    Fault::Detaches,
];

/// How the browser behaves, and what it has seen.
struct Script {
    /// Which command gets which fault.
    fault: Option<(usize, Fault)>,
    /// Damages every answer by chance.
    fuzz: Option<u64>,
    /// The certificate of the page.
    certificate: String,
    seen: Vec<Value>,
    /// Values are in the page.
    filled: bool,
    /// They were: it shows another page now.
    sent: bool,
}

struct FakeBrowser {
    port: u16,
    script: Arc<Mutex<Script>>,
    _running: tokio::sync::SemaphorePermit<'static>,
}

impl FakeBrowser {
    async fn start(fault: Option<(usize, Fault)>, fuzz: Option<u64>) -> Self {
        // Some at a time, or they run out of time because of each other.
        static RUNNING: tokio::sync::Semaphore = tokio::sync::Semaphore::const_new(12);
        let running = RUNNING.acquire().await.unwrap();
        use base64ct::{Base64, Encoding};
        static CERTIFICATE: std::sync::OnceLock<String> = std::sync::OnceLock::new();
        let certificate = CERTIFICATE.get_or_init(|| {
            let made = rcgen::generate_simple_self_signed(["app.example.test".to_owned()]).unwrap();
            Base64::encode_string(made.cert.der())
        });
        let certificate = certificate.clone();
        let script =
            Arc::new(Mutex::new(Script { fault, fuzz, certificate, seen: Vec::new(), filled: false, sent: false }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = script.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, shared.clone()));
            }
        });
        Self { port, script, _running: running }
    }

    fn browser(&self) -> Browser {
        Browser::parse(&format!("ws://127.0.0.1:{}/devtools/browser/fake", self.port)).unwrap()
    }

    fn seen(&self) -> Vec<Value> {
        self.script.lock().unwrap().seen.clone()
    }
}

async fn serve(stream: TcpStream, script: Arc<Mutex<Script>>) {
    #[expect(clippy::result_large_err, reason = "the type is the library's")]
    let greet = |request: &handshake::Request, response: handshake::Response| {
        // Chrome refuses those that have one.
        assert!(!request.headers().contains_key("origin"));
        Ok(response)
    };
    let Ok(mut socket) = tokio_tungstenite::accept_hdr_async(stream, greet).await else { return };
    while let Some(Ok(message)) = socket.next().await {
        let Message::Text(text) = message else { continue };
        let command: Value = serde_json::from_str(&text).unwrap();
        let (messages, close) = {
            let mut script = script.lock().unwrap();
            script.seen.push(command.clone());
            let number = script.seen.len() - 1;
            let fault = script.fault.filter(|(at, _)| *at == number).map(|(_, fault)| fault);
            let (result, event) = result(&mut script, &command);
            answers(&mut script, &command, result, event, fault)
        };
        for message in messages {
            if socket.send(Message::text(message)).await.is_err() {
                return;
            }
        }
        if close {
            return;
        }
    }
}

/// What a browser with one login page answers.
fn result(script: &mut Script, command: &Value) -> (Value, Option<Value>) {
    let function = command["params"]["functionDeclaration"].as_str().unwrap_or_default();
    let value = |value: Value| json!({ "result": { "type": "object", "value": value } });
    let result = match command["method"].as_str().unwrap() {
        "Target.getTargets" => {
            json!({ "targetInfos": [{ "targetId": "P", "type": "page", "title": "", "url": "https://app.example.test/" }] })
        }
        "Target.attachToTarget" => json!({ "sessionId": "S" }),
        "Page.getFrameTree" => json!({ "frameTree": { "frame": { "id": "P", "url": "https://app.example.test/" } } }),
        "Page.createIsolatedWorld" => json!({ "executionContextId": 7 }),
        "Security.enable" => {
            let state = json!({ "protocol": "TLS 1.3", "certificate": [script.certificate] });
            let params =
                json!({ "visibleSecurityState": { "securityState": "secure", "certificateSecurityState": state } });
            let event = json!({ "method": "Security.visibleSecurityStateChanged", "sessionId": "S", "params": params });
            return (json!({}), Some(event));
        }
        "Runtime.callFunctionOn" if function.contains("isolated world") => {
            json!({ "result": { "type": "object", "objectId": "O" } })
        }
        "Runtime.callFunctionOn" if function.contains("this.look(") => {
            let mut look = look();
            if script.sent {
                look["fields"] = json!([]);
            }
            value(look)
        }
        "Runtime.callFunctionOn" if function.contains("this.fill(") => {
            (script.filled, script.sent) = (true, true);
            value(json!({ "sent": "wait" }))
        }
        "Runtime.callFunctionOn" if function.contains("this.press(") => value(json!({ "sent": "sent" })),
        "Runtime.callFunctionOn" if function.contains("this.left(") => {
            let looks = script.seen.iter().filter(|command| command.to_string().contains("this.left(")).count();
            value(json!({ "filled": if script.filled && looks < 2 { 2 } else { 0 } }))
        }
        "Runtime.callFunctionOn" => {
            let cleared = if std::mem::take(&mut script.filled) { 2 } else { 0 };
            value(json!({ "cleared": cleared, "filled": 0 }))
        }
        _ => json!({}),
    };
    (result, None)
}

fn look() -> Value {
    let field = |index: u64, kind: &str, name: &str| json!({ "index": index, "type": kind, "autocomplete": [], "name": name, "form": 0, "max_length": -1, "readonly": false });
    json!({
        "origin": "https://app.example.test", "ancestors": [], "path": "/", "ready": true, "front": true,
        "fields": [field(0, "text", "user"), field(1, "password", "pass")], "selected": [],
        "forms": [{ "destination": "https://app.example.test", "words": "", "button": "Sign in" }],
    })
}

/// The messages for a command, and whether the connection ends after them.
fn answers(
    script: &mut Script,
    command: &Value,
    mut result: Value,
    event: Option<Value>,
    fault: Option<Fault>,
) -> (Vec<String>, bool) {
    let id = &command["id"];
    if let Some(dice) = script.fuzz.as_mut() {
        damage(&mut result, dice);
    }
    let error = |message: &str| json!({ "id": id, "error": { "code": -32000, "message": message } }).to_string();
    let whole = json!({ "id": id, "result": result, "sessionId": "S" }).to_string();
    let noise = || json!({ "method": "Page.frameNavigated", "params": { "id": id } }).to_string();
    let mut messages = match fault {
        None => vec![whole],
        Some(Fault::Refuses) => vec![error("Internal error with pass-canary")],
        Some(Fault::ContextGone) => vec![error("Cannot find context with specified id")],
        Some(Fault::SessionGone) => vec![error("Session with given id not found.")],
        Some(Fault::NoAnswer) => vec![],
        Some(Fault::Detaches) => {
            let params = json!({ "sessionId": "S", "targetId": "P" });
            vec![json!({ "method": "Target.detachedFromTarget", "params": params }).to_string()]
        }
        Some(Fault::Closes) => return (vec![], true),
        Some(Fault::NoJson) => vec!["{".into()],
        Some(Fault::OtherId) => vec![json!({ "id": 999_999, "result": result }).to_string()],
        Some(Fault::NoResult) => vec![json!({ "id": id }).to_string()],
        Some(Fault::NullResult) => vec![json!({ "id": id, "result": null }).to_string()],
        Some(Fault::EmptyResult) => vec![json!({ "id": id, "result": {} }).to_string()],
        Some(Fault::Throws) => {
            let result = json!({ "result": { "type": "object" }, "exceptionDetails": { "text": "Uncaught" } });
            vec![json!({ "id": id, "result": result }).to_string()]
        }
        Some(Fault::StrangeValue) => {
            vec![json!({ "id": id, "result": { "result": { "value": [1, "pass-canary"] } } }).to_string()]
        }
        Some(Fault::Events) => (0..200).map(|_| noise()).chain([whole]).collect(),
        Some(Fault::Unknown) => {
            let mut more = serde_json::from_str::<Value>(&whole).unwrap();
            more["new"] = json!({ "a": [1] });
            more["result"]["new"] = json!([null]);
            vec![more.to_string()]
        }
    };
    messages.extend(event.map(|event| event.to_string()));
    (messages, false)
}

fn roll(dice: &mut u64) -> u64 {
    // xorshift64
    *dice ^= *dice << 13;
    *dice ^= *dice >> 7;
    *dice ^= *dice << 17;
    *dice
}

/// Replaces or removes some member now and then.
fn damage(value: &mut Value, dice: &mut u64) {
    if roll(dice).is_multiple_of(40) {
        *value = match roll(dice) % 8 {
            0 => Value::Null,
            1 => json!(-1),
            2 => json!(u64::MAX),
            3 => json!(""),
            4 => json!([]),
            5 => json!({}),
            6 => json!("https://evil.test"),
            _ => json!(true),
        };
    }
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| damage(item, dice)),
        Value::Object(members) => members.values_mut().for_each(|member| damage(member, dice)),
        _ => {}
    }
}

/// All that a login may ask of a browser.
const METHODS: [&str; 10] = [
    "Target.getTargets",
    "Target.attachToTarget",
    "Target.detachFromTarget",
    "Page.getFrameTree",
    "Page.createIsolatedWorld",
    "Runtime.callFunctionOn",
    "Security.enable",
    "Security.disable",
    "DOM.getDocument",
    "DOM.resolveNode",
];

fn has_canary(text: &str) -> bool {
    CANARIES.iter().any(|canary| text.contains(canary))
}

/// One call, with everything that must hold whatever the browser does. `timeout`: what goes unanswered lasts so long.
async fn call(fake: &FakeBrowser, timeout: Duration) -> Result<strongroom_login::Answer, strongroom_login::Failure> {
    let request = Request { timeout, ..Request::default() };
    let credential = Credential { has_code: false, ..Credential::new() };
    let start = Instant::now();
    let result = fill(&fake.browser(), &request, &Policy::default(), &credential).await;
    // Clearing takes some seconds more, and a busy machine.
    assert!(start.elapsed() < timeout + Duration::from_secs(60), "{:?}", start.elapsed());
    let answer = match &result {
        Ok(answer) => answer.to_json().to_string(),
        Err(failure) => failure.to_json().to_string(),
    };
    assert!(!has_canary(&answer), "{answer}");
    let seen = fake.seen();
    for (at, command) in seen.iter().enumerate() {
        // Nothing that changes what other clients of the browser see, or has its pages wait for us.
        assert!(METHODS.contains(&command["method"].as_str().unwrap()), "{}", command["method"]);
        if !has_canary(&command.to_string()) {
            continue;
        }
        let function = command["params"]["functionDeclaration"].as_str().unwrap_or_default();
        assert!(function.contains("this.fill("), "values in command {at}: {}", command["method"]);
        // The page was looked at, allowed, and its certificate seen.
        let plan = &command["params"]["arguments"][0]["value"];
        assert!(Credential::released(plan["origin"].as_str().unwrap()));
        let before = |method: &str| seen[..at].iter().any(|command| command["method"] == method);
        assert!(before("Security.enable") && before("Page.createIsolatedWorld"));
    }
    result
}

/// The commands of a call without faults, and a time in which this machine can do one among a dozen others.
async fn whole() -> (Vec<Value>, Duration) {
    let fake = FakeBrowser::start(None, None).await;
    let start = Instant::now();
    let answer = call(&fake, Request::MAX_TIMEOUT).await.unwrap();
    let timeout = (start.elapsed() * 12).clamp(Duration::from_millis(1500), Duration::from_secs(20));
    assert_eq!(answer.status.as_str(), "submitted");
    assert_eq!(answer.steps[0].values_left.as_str(), "none");
    (fake.seen(), timeout)
}

#[tokio::test]
async fn each_command_fails_in_each_way() {
    let (commands, timeout) = whole().await;
    let write = commands.iter().position(|command| command.to_string().contains("this.fill(")).unwrap();
    assert!(commands.len() > write + 3);
    let mut runs = Vec::new();
    for number in 0..write + 6 {
        for fault in FAULTS {
            runs.push(tokio::spawn(async move {
                let fake = FakeBrowser::start(Some((number, fault)), None).await;
                let harmless = matches!(fault, Fault::Events | Fault::Unknown);
                let result = call(&fake, if harmless { Request::MAX_TIMEOUT } else { timeout }).await;
                let seen = fake.seen();
                let written = seen.iter().any(|command| has_canary(&command.to_string()));
                if harmless {
                    assert!(result.is_ok(), "{number} {fault:?} {result:?}");
                }
                let Err(failure) = result else { return };
                if number < write {
                    assert!(!written, "{number} {fault:?}: values were written after a fault");
                }
                // Values went out and the call failed: it says so, or the browser said that they never arrived.
                let said = !failure.steps.is_empty();
                let none = failure.steps.iter().all(|step| step.values_left.as_str() == "none");
                let never = failure.code == "document_changed";
                let gone = matches!(fault, Fault::SessionGone | Fault::ContextGone);
                assert!(!written || said || never || gone, "{number} {fault:?} {failure:?}");
                let cleared = seen.iter().any(|command| command.to_string().contains("this.clear("));
                let lost = fault == Fault::Closes || never || (said && none);
                assert!(!written || cleared || lost || gone, "{number} {fault:?} {failure:?}");
            }));
        }
    }
    for run in runs {
        run.await.unwrap();
    }
}

#[tokio::test]
async fn damaged_answers_do_no_harm() {
    let (_, timeout) = whole().await;
    let runs: Vec<_> = (1..=400u64)
        .map(|seed| {
            tokio::spawn(async move {
                let fake = FakeBrowser::start(None, Some(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)).await;
                usize::from(call(&fake, timeout).await.is_ok())
            })
        })
        .collect();
    let mut ended = [0, 0];
    for run in runs {
        ended[run.await.unwrap()] += 1;
    }
    // The damage is neither always nor never fatal, so that the test says something.
    assert!(ended.iter().all(|count| *count > 20), "{ended:?}");
}

#[tokio::test]
async fn a_page_without_its_certificate_gets_nothing() {
    let fake = FakeBrowser::start(None, None).await;
    for certificate in ["", "AAAA"] {
        fake.script.lock().unwrap().certificate = certificate.into();
        assert_eq!(call(&fake, Request::MAX_TIMEOUT).await.unwrap_err().code, "insecure_transport");
    }
    assert!(!fake.seen().iter().any(|command| has_canary(&command.to_string())));
}

#[tokio::test]
async fn a_port_that_is_no_browser() {
    for answer in [
        "",
        "HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\ncontent-length: 29\r\n\r\n{\"webSocketDebuggerUrl\":\"ws\"}",
        "SSH-2.0-x\r\n",
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.read(&mut [0; 1024]).await;
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        let browser = Browser::parse(&format!("http://127.0.0.1:{port}")).unwrap();
        let failure = fill(&browser, &Request::default(), &Policy::default(), &Credential::new()).await.unwrap_err();
        assert_eq!(failure.code, "browser_unavailable", "{answer}");
    }
}
