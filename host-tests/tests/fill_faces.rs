//! One login by each face, in a real Chromium: the tool `fill_login` for the Rust SDK's client, REST, and the shell. The
//! answers are the same, hold no value, and the audit has one event for each.

use rmcp::ServiceExt;
use rmcp::model::CallToolRequestParams;
use rmcp::service::{RoleClient, RunningService};
use rmcp::transport::child_process::TokioChildProcess;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use strongroom_host_tests::{Chromium, LoginSite, Program, TempDir, clients};

const PASSWORD: &str = "hunter2-canary";
const USERNAME: &str = "user-canary";

type Client = RunningService<RoleClient, ()>;

/// A vault that records uses, with a credential for `localhost`.
struct World {
    site: LoginSite,
    chromium: Chromium,
    program: Program,
    _directory: TempDir,
}

impl World {
    fn start(test: &str) -> Option<Self> {
        let chromium = Chromium::start(test)?;
        let directory = TempDir::new();
        let program = Program::on(directory.path()).with("STRONGROOM_AUDIT", "all");
        assert_eq!(program.run(&["init"]).code, Some(0));
        let values = json!({"username": USERNAME, "password": PASSWORD});
        let new = json!({"action": "create", "name": "login", "domain": "localhost", "values": values});
        program.call(&new).unwrap();
        Some(Self { site: LoginSite::start(), chromium, program, _directory: directory })
    }

    /// The operator's options: the browser, and the site's port.
    fn options(&self) -> [String; 4] {
        ["--browser".into(), format!("agent={}", self.chromium.url()), "--allow-port".into(), self.allowed_port()]
    }

    fn allowed_port(&self) -> String {
        format!("login={}", self.site.port)
    }

    async fn client(&self, scopes: &str, options: &[String]) -> Client {
        let arguments = ["mcp", "--scopes", scopes].into_iter().chain(options.iter().map(String::as_str));
        let command = self.program.command(&arguments.collect::<Vec<_>>());
        ().serve(TokioChildProcess::new(tokio::process::Command::from(command)).unwrap()).await.unwrap()
    }

    /// Events of logins and releases, the newest first.
    fn uses(&self) -> Vec<Value> {
        let output = self.program.run(&["audit"]);
        assert_eq!(output.code, Some(0), "{output:?}");
        let events = output.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        events.filter(|event| event["action"] == "fill" || event["action"] == "supply").collect()
    }

    /// That the site has got the values, once, and the page went on.
    fn assert_logged_in(&self, page: &str) {
        assert_eq!(self.site.received(), [format!("username={USERNAME}&password={PASSWORD}")]);
        assert_eq!(self.chromium.address(page), format!("{}welcome", self.site.url()));
        self.chromium.close(page);
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// The JSON of a result's text, and whether it is an error.
async fn log_in(client: &Client, arguments: Value) -> (Value, bool) {
    let arguments = arguments.as_object().unwrap().clone();
    let result = client.call_tool(CallToolRequestParams::new("fill_login").with_arguments(arguments)).await.unwrap();
    let text = &result.content[0].as_text().unwrap().text;
    assert!(!text.contains("canary"), "{text}");
    let json: Value = serde_json::from_str(text).unwrap();
    let is_error = result.is_error == Some(true);
    assert_eq!(result.structured_content, (!is_error).then(|| json.clone()));
    (json, is_error)
}

async fn tools(client: &Client) -> Vec<String> {
    client.list_all_tools().await.unwrap().into_iter().map(|tool| tool.name.into_owned()).collect()
}

fn check_answer(answer: &Value, page: &str, origin: &str) {
    assert_eq!(answer["status"], "submitted", "{answer}");
    assert_eq!((&answer["credential"]["name"], &answer["page"]["id"]), (&json!("login"), &json!(page)));
    let step = json!({"origin": origin, "filled": ["username", "password"], "submitted": true, "values_left": "none"});
    assert_eq!((&answer["steps"], &answer["remaining"]), (&json!([step]), &json!([])));
}

fn check_event(event: &Value, token: &str, outcome: &str, steps: &Value) {
    assert_eq!((&event["action"], &event["outcome"]), (&json!("fill"), &json!(outcome)), "{event}");
    assert_eq!((&event["token"], &event["steps"]), (&json!(token), steps), "{event}");
    assert!(event["credential"].as_str().is_some_and(|id| id.starts_with("cred_")), "{event}");
}

#[test]
fn the_tool_is_listed_with_the_scope_and_a_browser_only() {
    let Some(world) = World::start("the tool fill_login") else { return };
    block_on(async {
        let options = world.options();
        for (scopes, options, expected) in [
            ("read,fill", &options[..], &["manage_credentials", "fill_login"][..]),
            ("fill", &options, &["fill_login"]),
            ("read,totp", &options, &["manage_credentials"]),
            ("read,fill", &[], &["manage_credentials"]),
        ] {
            let client = world.client(scopes, options).await;
            assert_eq!(tools(&client).await, expected, "{scopes}");
            if !expected.contains(&"fill_login") {
                assert!(client.call_tool(CallToolRequestParams::new("fill_login")).await.is_err());
            }
            client.cancel().await.unwrap();
        }
    });
    assert!(world.uses().is_empty());
}

#[test]
fn over_mcp() {
    let Some(world) = World::start("a login over MCP") else { return };
    let origin = world.site.url().trim_end_matches('/').to_owned();
    block_on(async {
        let client = world.client("read,fill", &world.options()).await;
        let tool = client.list_all_tools().await.unwrap().pop().unwrap();
        let hints = tool.annotations.unwrap();
        assert_eq!((hints.read_only_hint, hints.destructive_hint), (Some(false), Some(false)));
        assert_eq!((hints.idempotent_hint, hints.open_world_hint), (Some(false), Some(true)));

        let page = world.chromium.open(&world.site.url());
        // As clients send it: what is not said is null, and something of their own is added.
        let arguments = json!({"credential": "login", "page": page, "fields": null, "steps": "4", "reason": "because"});
        let (answer, is_error) = log_in(&client, arguments).await;
        assert!(!is_error, "{answer}");
        check_answer(&answer, &page, &origin);
        world.assert_logged_in(&page);

        let other = world.chromium.open(&world.site.other_url());
        for (arguments, code) in [
            (json!({"credential": "login", "page": other}), "origin_refused"),
            (json!({"credential": "missing"}), "not_found"),
            (json!({"credential": "login", "page": "nowhere"}), "page_not_found"),
            // Addresses are the operator's.
            (json!({"credential": "login", "browser": world.chromium.url()}), "browser_not_configured"),
            (json!({"credential": "login", "steps": 9}), "bad_request"),
            (json!({}), "bad_request"),
        ] {
            let (failure, is_error) = log_in(&client, arguments.clone()).await;
            assert!(is_error && failure["code"] == code, "{arguments} {failure}");
            assert!(failure["message"].as_str().is_some_and(|message| !message.is_empty()));
        }
        assert!(world.site.received().is_empty());
        client.cancel().await.unwrap();
    });
    // One event for each call that was for a credential, and none for what was supplied in between.
    let [missing_page, refused, done] = &world.uses()[..] else { panic!("{:?}", world.uses()) };
    check_event(done, "mcp", "submitted", &json!([{"origin": origin, "filled": ["username", "password"]}]));
    assert_eq!(done["browser"], "agent");
    let evil = world.site.other_url().trim_end_matches('/').to_owned();
    check_event(refused, "mcp", "origin_refused", &json!([{"origin": evil, "filled": []}]));
    check_event(missing_page, "mcp", "page_not_found", &json!([]));
}

#[test]
fn over_mcp_by_the_official_python_client() {
    let Some(python) = clients::python("a login by the Python client of MCP", &["mcp==2.3.0"]) else { return };
    let Some(world) = World::start("a login by the Python client of MCP") else { return };
    let origin = world.site.url().trim_end_matches('/').to_owned();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/mcp_fill.py");
    let options = world.options();
    for mode in ["legacy", "auto"] {
        let page = world.chromium.open(&world.site.url());
        let arguments = ["mcp", "--scopes", "read,fill"].into_iter().chain(options.iter().map(String::as_str));
        let server = world.program.command(&arguments.collect::<Vec<_>>());
        let mut client = Command::new(python.get_program());
        client.env("TZ", "UTC").arg(&script).args([mode, &page]).arg(server.get_program()).args(server.get_args());
        let output = client.output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{mode}: {said}{}", String::from_utf8_lossy(&output.stderr));
        assert!(!said.contains("canary"), "{said}");
        let (answer, refused) = said.split_once('\n').unwrap();
        check_answer(&serde_json::from_str(answer).unwrap(), &page, &origin);
        assert_eq!(serde_json::from_str::<Value>(refused).unwrap()["code"], "not_found");
        world.assert_logged_in(&page);
    }
}

#[test]
fn over_rest_and_from_the_shell() {
    let Some(world) = World::start("a login over REST and from the shell") else { return };
    let origin = world.site.url().trim_end_matches('/').to_owned();
    let options = world.options();
    let server = world.program.serve_with(&options.each_ref().map(String::as_str));
    let token = world.program.run(&["token", "new", "--name", "filler", "--scopes", "fill"]).stdout;
    let page = world.chromium.open(&world.site.url());
    let answer = server.client_with(token.trim()).post("/credentials/login/fill", &json!({"page": page}));
    assert_eq!(answer.status, 200);
    check_answer(&answer.json(), &page, &origin);
    world.assert_logged_in(&page);
    let (_, output) = server.stop();
    let line = output.stderr.lines().find(|line| line.contains("login submitted")).unwrap();
    assert!(line.contains(&format!("steps={origin}:username+password token=filler")), "{line}");

    let page = world.chromium.open(&world.site.url());
    let port = world.site.port.to_string();
    let url = world.chromium.url();
    let output = world.program.run(&["fill", "login", "--browser", &url, "--page", &page, "--allow-port", &port]);
    assert_eq!(output.code, Some(0), "{output:?}");
    check_answer(&serde_json::from_str(&output.stdout).unwrap(), &page, &origin);
    world.assert_logged_in(&page);

    let steps = json!([{"origin": origin, "filled": ["username", "password"]}]);
    let [by_shell, by_rest] = &world.uses()[..] else { panic!("{:?}", world.uses()) };
    check_event(by_rest, "filler", "submitted", &steps);
    check_event(by_shell, "host", "submitted", &steps);
    assert_eq!((&by_rest["browser"], &by_shell["browser"]), (&json!("agent"), &Value::Null));
    for said in [&output.stdout, &output.stderr, line] {
        assert!(!said.contains("canary"), "{said}");
    }
}

/// The client goes away in the middle of a call: the login ends in order before the program does, or never began.
#[test]
fn a_login_is_finished_when_the_client_has_gone() {
    let Some(world) = World::start("a client that goes away") else { return };
    let page = world.chromium.open(&world.site.url());
    let line = |id: u32, method: &str, params: Value| {
        format!("{}\n", json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}))
    };
    let hello =
        json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
    let call = json!({"name": "fill_login", "arguments": {"credential": "login", "page": page}});
    let input = [
        line(1, "initialize", hello),
        format!("{}\n", json!({"jsonrpc": "2.0", "method": "notifications/initialized"})),
        line(2, "tools/call", call),
    ];
    let options = world.options();
    let arguments: Vec<&str> =
        ["mcp", "--scopes", "fill"].into_iter().chain(options.iter().map(String::as_str)).collect();
    let output = world.program.run_with_input(&arguments, &input.concat());
    assert_eq!(output.code, Some(0), "{output:?}");
    assert!(world.uses().iter().all(|event| event["outcome"] == "submitted"), "{:?}", world.uses());
    assert_eq!(world.uses().len(), world.site.received().len());
}
