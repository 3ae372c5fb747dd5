//! One login by each face, in a real Chromium: the tool `fill_login` for the Rust SDK's client, REST, and the shell. The
//! answers are the same, hold no value, and the audit has one event for each.

use rmcp::ServiceExt;
use rmcp::model::CallToolRequestParams;
use rmcp::service::{RoleClient, RunningService};
use rmcp::transport::child_process::TokioChildProcess;
use serde_json::{Value, json};
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
#[cfg(target_os = "linux")]
use strongroom_host_tests::spawn_seen;
use strongroom_host_tests::{Chromium, LoginSite, Program, Server, TempDir, clients};

const PASSWORD: &str = "hunter2-canary";
const USERNAME: &str = "user-canary";

type Client = RunningService<RoleClient, ()>;

/// A vault that records uses, with a credential for `localhost`.
struct World {
    site: LoginSite,
    chromium: Chromium,
    program: Program,
    directory: TempDir,
}

impl World {
    fn start(test: &str) -> Option<Self> {
        let chromium = Chromium::start(test)?;
        let directory = TempDir::new();
        let program = Program::on(&directory.path().join("state")).with("STRONGROOM_AUDIT", "all");
        assert_eq!(program.run(&["init"]).code, Some(0));
        let values = json!({"username": USERNAME, "password": PASSWORD});
        let new = json!({"action": "create", "name": "login", "domain": "localhost", "values": values});
        program.call(&new).unwrap();
        Some(Self { site: LoginSite::start(), chromium, program, directory })
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
        connect(self.program.command(&arguments.collect::<Vec<_>>())).await
    }

    /// A token for the server, in a file.
    fn token(&self, name: &str, scopes: &str) -> PathBuf {
        let made = self.program.run(&["token", "new", "--name", name, "--scopes", scopes]);
        let file = self.directory.path().join(format!("{name}.agent"));
        fs::write(&file, made.stdout).unwrap();
        file
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

/// The client of a program that speaks the protocol.
async fn connect(command: Command) -> Client {
    ().serve(TokioChildProcess::new(tokio::process::Command::from(command)).unwrap()).await.unwrap()
}

/// `strongroom mcp` on a running server, with a token and no state directory.
async fn connect_to(server: &Server, token_file: &Path) -> Client {
    let mut command = Command::new(Program::binary());
    command.args(["mcp", "--url", &format!("http://{}", server.address()), "--token-file"]).arg(token_file);
    connect(command).await
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
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{output:?}");
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
    // Clients keep what a server says there.
    assert_eq!(output.stderr.matches("login submitted credential=cred_").count(), world.uses().len(), "{output:?}");
    assert!(!output.stderr.contains("canary"), "{output:?}");
    assert_eq!(world.uses().len(), world.site.received().len());
}

/// The agent's side holds a token and no key; the server makes the login in its own browser.
#[test]
fn over_mcp_from_a_running_server() {
    let Some(world) = World::start("a login over MCP from a running server") else { return };
    let origin = world.site.url().trim_end_matches('/').to_owned();
    let server = world.program.serve_with(&world.options().each_ref().map(String::as_str));
    let (filler, reader, only) =
        (world.token("filler", "read,fill"), world.token("reader", "read"), world.token("only", "fill"));
    block_on(async {
        for (token, expected) in [
            (&reader, &["manage_credentials"][..]),
            (&only, &["fill_login"]),
            (&filler, &["manage_credentials", "fill_login"]),
        ] {
            let client = connect_to(&server, token).await;
            assert_eq!(tools(&client).await, expected);
            client.cancel().await.unwrap();
        }
        let client = connect_to(&server, &reader).await;
        let (failure, is_error) = log_in(&client, json!({"credential": "login"})).await;
        assert!(is_error && failure["code"] == "forbidden", "{failure}");
        client.cancel().await.unwrap();

        let client = connect_to(&server, &filler).await;
        let page = world.chromium.open(&world.site.url());
        let (answer, is_error) = log_in(&client, json!({"credential": "login", "page": page, "steps": "4"})).await;
        assert!(!is_error, "{answer}");
        check_answer(&answer, &page, &origin);
        world.assert_logged_in(&page);
        let other = world.chromium.open(&world.site.other_url());
        for (arguments, code) in [
            (json!({"credential": "login", "page": other}), "origin_refused"),
            (json!({"credential": "a/b c"}), "not_found"),
            (json!({"credential": "login", "browser": world.chromium.url()}), "browser_not_configured"),
            (json!({}), "bad_request"),
        ] {
            let (failure, is_error) = log_in(&client, arguments.clone()).await;
            assert!(is_error && failure["code"] == code, "{arguments} {failure}");
        }
        // The other tools are the server's, too.
        let call = |arguments: Value| {
            let arguments = arguments.as_object().unwrap().clone();
            client.call_tool(CallToolRequestParams::new("manage_credentials").with_arguments(arguments))
        };
        let listed = call(json!({"action": "list"})).await.unwrap();
        assert_eq!(listed.structured_content.unwrap()["items"][0]["name"], "login");
        assert!(!listed.content[0].as_text().unwrap().text.contains(PASSWORD));
        let refused = call(json!({"action": "delete", "id_or_name": "login"})).await.unwrap();
        assert_eq!(refused.is_error, Some(true));
        assert!(client.call_tool(CallToolRequestParams::new("no_tool")).await.is_err());

        // What the server no longer knows or has, the session has not either.
        world.program.run(&["token", "revoke", "filler"]);
        assert!(client.list_all_tools().await.is_err());
        client.cancel().await.unwrap();
        let without_browser = world.program.serve();
        let client = connect_to(&without_browser, &only).await;
        assert!(tools(&client).await.is_empty());
        server.stop();
        client.cancel().await.unwrap();
    });
    let uses = world.uses();
    check_event(
        uses.last().unwrap(),
        "filler",
        "submitted",
        &json!([{"origin": origin, "filled": ["username", "password"]}]),
    );
}

/// A form that goes to another company's host, where the operator says so for the credential.
#[test]
fn where_a_form_may_go_is_the_operators_choice() {
    let Some(world) = World::start("a form that goes elsewhere") else { return };
    // Whether the browser went there; what it would send is in `login/tests`.
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    let authority = elsewhere.local_addr().unwrap().to_string();
    let visits = Arc::new(AtomicUsize::new(0));
    let seen = visits.clone();
    std::thread::spawn(move || elsewhere.incoming().for_each(|_| _ = seen.fetch_add(1, Ordering::SeqCst)));
    let url = format!("{}to/{authority}", world.site.url());

    let (port, browser) = (world.site.port.to_string(), world.chromium.url());
    let fill = |page: &str, more: &[&str]| {
        let arguments = ["fill", "login", "--browser", &browser, "--page", page, "--allow-port", &port];
        world.program.run(&[&arguments[..], more].concat())
    };
    let page = world.chromium.open(&url);
    let output = fill(&page, &[]);
    assert_eq!(output.code, Some(2), "{output:?}");
    assert_eq!(serde_json::from_str::<Value>(&output.stdout).unwrap()["code"], "form_leaves_domain");
    assert_eq!(visits.load(Ordering::SeqCst), 0);
    let output = fill(&page, &["--allow-form-origin", &format!("https://{authority}")]);
    assert_eq!(output.code, Some(0), "{output:?}");
    assert!(visits.swap(0, Ordering::SeqCst) > 0);

    block_on(async {
        for (credential, refused) in [("another", true), ("login", false)] {
            let more = ["--allow-form-origin".into(), format!("{credential}=https://{authority}")];
            let client = world.client("fill", &[&world.options()[..], &more].concat()).await;
            let page = world.chromium.open(&url);
            let (answer, is_error) = log_in(&client, json!({"credential": "login", "page": page})).await;
            assert_eq!(is_error, refused, "{answer}");
            assert_eq!(visits.swap(0, Ordering::SeqCst) > 0, !refused);
            client.cancel().await.unwrap();
        }
    });
}

/// Files below a directory that hold a value.
fn files_with_a_value(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let found = entries.flat_map(|path| match path.is_dir() {
        true => files_with_a_value(&path),
        false => {
            let content = fs::read(&path).unwrap_or_default();
            let holds = [USERNAME, PASSWORD]
                .iter()
                .any(|value| content.windows(value.len()).any(|part| part == value.as_bytes()));
            if holds { vec![path] } else { Vec::new() }
        }
    });
    found.collect()
}

/// While values are in a page and after it, no process of ours shows them and no file holds them.
#[test]
#[cfg(target_os = "linux")]
fn no_value_in_arguments_environment_or_files() {
    let Some(world) = World::start("where values must not be") else { return };
    let temporary = TempDir::new();
    let (server, mut inside) = world.program.serve_seen(&world.options().each_ref().map(String::as_str));
    let token = fs::read_to_string(world.token("filler", "fill")).unwrap();
    let page = world.chromium.open(&world.site.url());
    let kept =
        server.client_with(token.trim()).post("/credentials/login/fill", &json!({"page": page, "submit": false}));
    assert_eq!(kept.json()["status"], "filled");
    let seen = inside.arguments_and_environment();
    assert!(seen.contains("serve") && seen.contains("RUST_BACKTRACE") && !seen.contains("canary"));
    world.chromium.close(&page);

    let page = world.chromium.open(&world.site.url());
    let port = world.site.port.to_string();
    let url = world.chromium.url();
    let (mut child, mut inside) = spawn_seen(|| {
        let arguments = ["fill", "login", "--browser", &url, "--page", &page, "--allow-port", &port];
        let mut command = world.program.command(&arguments);
        command.env("TMPDIR", temporary.path()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    });
    let mut looks = 0;
    while child.try_wait().unwrap().is_none() {
        let seen = inside.arguments_and_environment();
        assert!(!seen.contains("canary"));
        // At its very beginning and end there is nothing to see.
        looks += usize::from(seen.contains("RUST_BACKTRACE"));
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    assert!(child.wait().unwrap().success() && looks > 1, "{looks}");
    world.assert_logged_in(&page);
    let (_, output) = server.stop();
    assert!(!output.stdout.contains("canary") && !output.stderr.contains("canary"));
    assert!(world.program.state().join("store.id").exists());
    assert_eq!(files_with_a_value(world.directory.path()), Vec::<PathBuf>::new());
    assert_eq!(files_with_a_value(temporary.path()), Vec::<PathBuf>::new());
    // It would find one.
    let probe = temporary.path().join("probe");
    fs::write(&probe, format!("x{PASSWORD}y")).unwrap();
    assert_eq!(files_with_a_value(temporary.path()), [probe]);
}
