//! A site, a browser and a vault with a credential for the site, and what a login there must come to.

use rmcp::ServiceExt;
use rmcp::model::CallToolRequestParams;
use rmcp::service::{RoleClient, RunningService};
use rmcp::transport::child_process::TokioChildProcess;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use strongroom_host_tests::{Chromium, LoginSite, Program, Server, TempDir};

pub const PASSWORD: &str = "hunter2-canary";
pub const USERNAME: &str = "user-canary";

pub type Client = RunningService<RoleClient, ()>;

/// A vault that records uses, with a credential for `localhost`.
pub struct World {
    pub site: LoginSite,
    pub chromium: Chromium,
    pub program: Program,
    pub directory: TempDir,
    /// Of the credential, by which the operator allows things.
    pub id: String,
}

impl World {
    pub fn start(test: &str) -> Option<Self> {
        let chromium = Chromium::start(test)?;
        let directory = TempDir::new();
        let program = Program::on(&directory.path().join("state")).with("STRONGROOM_AUDIT", "all");
        assert_eq!(program.run(&["init"]).code, Some(0));
        let values = json!({"username": USERNAME, "password": PASSWORD});
        let new = json!({"action": "create", "name": "login", "domain": "localhost", "values": values});
        let id = program.call(&new).unwrap()["id"].as_str().unwrap().to_owned();
        Some(Self { site: LoginSite::start(), chromium, program, directory, id })
    }

    /// The operator's options: the browser, and the site's port.
    pub fn options(&self) -> [String; 4] {
        ["--browser".into(), format!("agent={}", self.chromium.url()), "--allow-port".into(), self.allowed_port()]
    }

    pub fn allowed_port(&self) -> String {
        format!("{}={}", self.id, self.site.port)
    }

    pub fn origin(&self) -> String {
        self.site.url().trim_end_matches('/').to_owned()
    }

    pub async fn client(&self, scopes: &str, options: &[String]) -> Client {
        let arguments = ["mcp", "--scopes", scopes].into_iter().chain(options.iter().map(String::as_str));
        connect(self.program.command(&arguments.collect::<Vec<_>>())).await
    }

    /// A token for the server, in a file.
    pub fn token(&self, name: &str, scopes: &str) -> PathBuf {
        let made = self.program.run(&["token", "new", "--name", name, "--scopes", scopes]);
        let file = self.directory.path().join(format!("{name}.agent"));
        fs::write(&file, made.stdout).unwrap();
        file
    }

    /// Events of logins and releases, the newest first.
    pub fn uses(&self) -> Vec<Value> {
        let output = self.program.run(&["audit"]);
        assert_eq!(output.code, Some(0), "{output:?}");
        let events = output.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        events.filter(|event| event["action"] == "fill" || event["action"] == "supply").collect()
    }

    /// That the site has got the values, once, and the page went on.
    pub fn assert_logged_in(&self, page: &str) {
        assert_eq!(self.site.received(), [format!("username={USERNAME}&password={PASSWORD}")]);
        assert_eq!(self.chromium.address(page), format!("{}welcome", self.site.url()));
        self.chromium.close(page);
    }
}

pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// The client of a program that speaks the protocol.
async fn connect(command: Command) -> Client {
    ().serve(TokioChildProcess::new(tokio::process::Command::from(command)).unwrap()).await.unwrap()
}

/// `strongroom mcp` on a running server, with a token and no state directory.
pub async fn connect_to(server: &Server, token_file: &Path) -> Client {
    let mut command = Command::new(Program::binary());
    command.args(["mcp", "--url", &format!("http://{}", server.address()), "--token-file"]).arg(token_file);
    connect(command).await
}

/// The JSON of a result's text, and whether it is an error.
pub async fn log_in(client: &Client, arguments: Value) -> (Value, bool) {
    let arguments = arguments.as_object().unwrap().clone();
    let result = client.call_tool(CallToolRequestParams::new("fill_login").with_arguments(arguments)).await.unwrap();
    let text = &result.content[0].as_text().unwrap().text;
    assert!(!text.contains("canary"), "{text}");
    let json: Value = serde_json::from_str(text).unwrap();
    let is_error = result.is_error == Some(true);
    assert_eq!(result.structured_content, (!is_error).then(|| json.clone()));
    (json, is_error)
}

pub async fn tools(client: &Client) -> Vec<String> {
    client.list_all_tools().await.unwrap().into_iter().map(|tool| tool.name.into_owned()).collect()
}

pub fn check_answer(answer: &Value, page: &str, origin: &str) {
    assert_eq!(answer["status"], "submitted", "{answer}");
    assert_eq!((&answer["credential"]["name"], &answer["page"]["id"]), (&json!("login"), &json!(page)));
    let step = json!({"origin": origin, "filled": ["username", "password"], "submitted": true, "values_left": "none"});
    assert_eq!((&answer["steps"], &answer["remaining"]), (&json!([step]), &json!([])));
}

pub fn check_event(event: &Value, token: &str, outcome: &str, steps: &Value) {
    assert_eq!((&event["action"], &event["outcome"]), (&json!("fill"), &json!(outcome)), "{event}");
    assert_eq!((&event["token"], &event["steps"]), (&json!(token), steps), "{event}");
    assert!(event["credential"].as_str().is_some_and(|id| id.starts_with("cred_")), "{event}");
}

/// Logs in over MCP, and is refused what must be refused.
pub async fn check_logins(world: &World, client: &Client) {
    let page = world.chromium.open(&world.site.url());
    // As clients send it: what is not said is null, and something of their own is added.
    let arguments = json!({"credential": "login", "page": page, "fields": null, "steps": "4", "reason": "because"});
    let (answer, is_error) = log_in(client, arguments).await;
    assert!(!is_error, "{answer}");
    check_answer(&answer, &page, &world.origin());
    world.assert_logged_in(&page);

    let other = world.chromium.open(&world.site.other_url());
    for (arguments, code) in [
        (json!({"credential": "login", "page": other}), "origin_refused"),
        (json!({"credential": "missing"}), "not_found"),
        (json!({"credential": "a/b c"}), "not_found"),
        (json!({"credential": "login", "page": "nowhere"}), "page_not_found"),
        // Addresses are the operator's.
        (json!({"credential": "login", "browser": world.chromium.url()}), "browser_not_configured"),
        (json!({"credential": "login", "steps": 9}), "bad_request"),
        (json!({}), "bad_request"),
    ] {
        let (failure, is_error) = log_in(client, arguments.clone()).await;
        assert!(is_error && failure["code"] == code, "{arguments} {failure}");
        assert!(failure["message"].as_str().is_some_and(|message| !message.is_empty()));
    }
    assert!(world.site.received().is_empty());
}

/// What [`check_logins`] leaves in the audit: one event for each call that was for a credential, failed or not, and none
/// for what was supplied in between.
pub fn check_events(world: &World, token: &str) {
    let uses = world.uses();
    let [no_browser, no_page, refused, done] = &uses[..] else { panic!("{uses:?}") };
    check_event(done, token, "submitted", &json!([{"origin": world.origin(), "filled": ["username", "password"]}]));
    let evil = world.site.other_url().trim_end_matches('/').to_owned();
    check_event(refused, token, "origin_refused", &json!([{"origin": evil, "filled": []}]));
    check_event(no_page, token, "page_not_found", &json!([]));
    check_event(no_browser, token, "browser_not_configured", &json!([]));
    assert!([done, refused, no_page].iter().all(|event| event["browser"] == "agent"));
    assert_eq!(no_browser["browser"], Value::Null);
}
