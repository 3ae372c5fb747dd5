//! A login that has begun ends in order, with a clean page and its record, though the client goes away or the program is
//! asked to end.

use crate::world::{PASSWORD, USERNAME, World};
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a login may take to come to where its values are in the page.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A page that keeps what is written into it, so that a login takes until the values are cleared: ten seconds.
struct Kept<'w> {
    world: &'w World,
    page: String,
}

impl<'w> Kept<'w> {
    fn open(world: &'w World) -> Self {
        Self { world, page: world.chromium.open(&world.site.keeping_url()) }
    }

    fn has_values(&self) -> bool {
        self.world.chromium.title(&self.page) == "Filled"
    }

    fn wait_for_values(&self) {
        let start = Instant::now();
        while !self.has_values() {
            assert!(start.elapsed() < TIMEOUT, "nothing is written into the page");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// That the login went on when nobody waited for it any more.
    fn assert_ended(&self) {
        assert_eq!(self.world.site.received(), [format!("username={USERNAME}&password={PASSWORD}")]);
        let outcomes: Vec<_> = self.world.uses().iter().map(|event| event["outcome"].clone()).collect();
        assert_eq!(outcomes, ["submitted"]);
        // The page's own timer, which says so, may be slow.
        let start = Instant::now();
        while self.has_values() {
            assert!(start.elapsed() < Duration::from_secs(20), "the values are still in the page");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// `strongroom mcp` with a call that is under way.
fn in_the_middle_of_a_call(kept: &Kept<'_>) -> Child {
    let line = |id: u32, method: &str, params: Value| {
        format!("{}\n", json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}))
    };
    let hello =
        json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
    let call = json!({"name": "fill_login", "arguments": {"credential": "login", "page": kept.page}});
    let input = [
        line(1, "initialize", hello),
        format!("{}\n", json!({"jsonrpc": "2.0", "method": "notifications/initialized"})),
        line(2, "tools/call", call),
    ];
    let options = kept.world.options();
    let arguments: Vec<&str> =
        ["mcp", "--scopes", "fill"].into_iter().chain(options.iter().map(String::as_str)).collect();
    let mut command = kept.world.program.command(&arguments);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.as_mut().unwrap().write_all(input.concat().as_bytes()).unwrap();
    kept.wait_for_values();
    child
}

fn check_output(mut child: Child) {
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if start.elapsed() > TIMEOUT + Duration::from_secs(60) {
            child.kill().unwrap();
            panic!("the program does not end");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    // Clients keep what a server says there.
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said.matches("login submitted credential=cred_").count(), 1, "{said}");
    assert!(!said.contains("canary"), "{said}");
}

fn terminate(id: u32) {
    assert!(Command::new("kill").args(["-TERM", &id.to_string()]).status().unwrap().success());
}

#[test]
fn a_login_is_finished_when_the_client_has_gone() {
    let Some(world) = World::start("a client that goes away") else { return };
    let kept = Kept::open(&world);
    let mut child = in_the_middle_of_a_call(&kept);
    // It closes both, and waits for nothing.
    drop((child.stdin.take(), child.stdout.take()));
    check_output(child);
    kept.assert_ended();
}

#[test]
fn a_login_is_finished_when_the_client_ends_the_program() {
    let Some(world) = World::start("a client that ends its server") else { return };
    let kept = Kept::open(&world);
    let mut child = in_the_middle_of_a_call(&kept);
    // Which stays open.
    let input = child.stdin.take();
    terminate(child.id());
    check_output(child);
    drop(input);
    kept.assert_ended();
}

#[test]
fn a_login_from_the_shell_is_finished_before_the_program_ends() {
    let Some(world) = World::start("a login from the shell that is interrupted") else { return };
    let kept = Kept::open(&world);
    let (browser, port) = (world.chromium.url(), world.site.port.to_string());
    let mut command =
        world.program.command(&["fill", &world.id, "--browser", &browser, "--page", &kept.page, "--allow-port", &port]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    kept.wait_for_values();
    terminate(child.id());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&answer["status"], &answer["steps"][0]["values_left"]), (&json!("submitted"), &json!("cleared")));
    kept.assert_ended();
}

#[test]
fn a_server_ends_after_the_logins_that_it_has_begun() {
    let Some(world) = World::start("a server that is asked to end") else { return };
    let kept = Kept::open(&world);
    let server = world.program.serve_with(&world.options().each_ref().map(String::as_str));
    let token = fs::read_to_string(world.token("filler", "fill")).unwrap();
    let body = json!({"page": kept.page}).to_string();
    let mut client = TcpStream::connect(server.address()).unwrap();
    write!(
        client,
        "POST /credentials/login/fill HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Length: {}\r\n\r\n{body}",
        server.address(),
        token.trim(),
        body.len()
    )
    .unwrap();
    kept.wait_for_values();
    // With a client that waits for the answer the server would wait, too.
    drop(client);
    let (status, output) = server.stop();
    assert!(status.success(), "{output:?}");
    assert_eq!(output.stderr.matches("login submitted credential=cred_").count(), 1, "{output:?}");
    kept.assert_ended();
}
