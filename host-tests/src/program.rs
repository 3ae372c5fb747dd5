//! The `strongroom` program.

use crate::client::Client;
#[cfg(target_os = "linux")]
use crate::inside::Inside;
use crate::world::target;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a server may take to start. It compiles the component if it has not got it in its cache.
const START_TIMEOUT: Duration = Duration::from_secs(120);

/// How long a line of the log may take.
const LOG_TIMEOUT: Duration = Duration::from_secs(30);

/// The program on one state directory.
#[derive(Clone, Debug)]
pub struct Program {
    state: PathBuf,
    environment: Vec<(&'static str, String)>,
}

/// What a run of the program left.
#[derive(Clone, Debug)]
pub struct Output {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Program {
    /// The directory need not exist.
    pub fn on(state: &Path) -> Self {
        Self { state: state.to_owned(), environment: Vec::new() }
    }

    /// With the store of this URL.
    #[must_use]
    pub fn with_store(self, url: &str) -> Self {
        self.with("STRONGROOM_STORE", url)
    }

    /// With the key and the tokens of another instance.
    #[must_use]
    pub fn with_files_of(self, other: &Program) -> Self {
        let path = |name| other.state.join(name).display().to_string();
        self.with("STRONGROOM_KEYS_FILE", &path("master.key")).with("STRONGROOM_TOKENS_FILE", &path("tokens"))
    }

    /// With a variable in its environment.
    #[must_use]
    pub fn with(mut self, variable: &'static str, value: &str) -> Self {
        self.environment.push((variable, value.to_owned()));
        self
    }

    pub fn state(&self) -> &Path {
        &self.state
    }

    /// The built binary: `$STRONGROOM_BINARY`, by default `target/release/strongroom`.
    pub fn binary() -> PathBuf {
        std::env::var_os("STRONGROOM_BINARY").map_or_else(|| target().join("release/strongroom"), PathBuf::from)
    }

    /// The program with these arguments and `--state-dir`.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(Self::binary());
        // `--exec` takes all that follows, so the directory stands before it.
        let split = arguments.iter().position(|argument| *argument == "--exec").unwrap_or(arguments.len());
        command.args(&arguments[..split]).arg("--state-dir").arg(&self.state).args(&arguments[split..]);
        // Where a back-trace could be printed it must be seen.
        command.env("RUST_BACKTRACE", "1");
        for name in ["STATE_DIR", "STORE", "KEYS_FILE", "KEY_COMMAND", "TOKENS_FILE", "ROLLBACK"] {
            command.env_remove(format!("STRONGROOM_{name}"));
        }
        command.envs(self.environment.iter().map(|(name, value)| (*name, value)));
        command
    }

    /// Runs to the end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.run_with_input(arguments, "")
    }

    /// Runs to the end, with something on standard input.
    pub fn run_with_input(&self, arguments: &[&str], input: &str) -> Output {
        let mut command = self.command(arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // A program that does not read its input may close it.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        Output {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// `strongroom call`; the JSON of standard output or of standard error.
    pub fn call(&self, request: &Value) -> Result<Value, Value> {
        let output = self.run_with_input(&["call", "-", "--quiet"], &request.to_string());
        let parse = |text: &str| serde_json::from_str(text).unwrap_or_else(|_| panic!("no JSON: {output:?}"));
        match output.code {
            Some(0) => Ok(parse(&output.stdout)),
            _ => Err(parse(&output.stderr)),
        }
    }

    /// Starts `strongroom serve` on a free port and waits until it listens.
    pub fn serve(&self) -> Server {
        self.serve_with(&[])
    }

    /// The same with more arguments.
    pub fn serve_with(&self, arguments: &[&str]) -> Server {
        self.await_start(self.serve_command(arguments).spawn().unwrap())
    }

    /// The same, started in another way.
    pub fn serve_as(&self, arguments: &[&str], start: impl FnOnce(Command) -> Command) -> Server {
        let mut command = start(self.serve_command(arguments));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        self.await_start(command.spawn().unwrap())
    }

    /// The same with a view into the process.
    #[cfg(target_os = "linux")]
    pub fn serve_seen(&self, arguments: &[&str]) -> (Server, Inside) {
        let (child, inside) = spawn_seen(|| self.serve_command(arguments));
        (self.await_start(child), inside)
    }

    fn serve_command(&self, arguments: &[&str]) -> Command {
        let all: Vec<&str> =
            ["serve", "--listen", "127.0.0.1:0"].into_iter().chain(arguments.iter().copied()).collect();
        let mut command = self.command(&all);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn await_start(&self, mut child: Child) -> Server {
        let stdout = Reader::start(child.stdout.take().unwrap());
        let stderr = Reader::start(child.stderr.take().unwrap());
        let start = Instant::now();
        let address = loop {
            let printed = stdout.text();
            let line = printed.lines().find_map(|line| line.strip_prefix("Strongroom listens on http://"));
            if let Some(address) = line {
                break address.parse().unwrap();
            }
            let ended = child.try_wait().unwrap();
            assert!(ended.is_none(), "the server ended: {ended:?} {}", stderr.text());
            assert!(start.elapsed() < START_TIMEOUT, "the server does not start");
            std::thread::sleep(Duration::from_millis(5));
        };
        Server { program: self.clone(), child, address, stdout, stderr }
    }
}

/// Starts a program and opens what is inside of it in the moment before it keeps others from that; with another start where
/// that moment was missed.
#[cfg(target_os = "linux")]
pub fn spawn_seen(command: impl Fn() -> Command) -> (Child, Inside) {
    for _ in 0..100 {
        let mut child = command().spawn().unwrap();
        if let Some(inside) = Inside::of(child.id()) {
            return (child, inside);
        }
        let _ = child.kill();
        let _ = child.wait();
    }
    panic!("a process can't be looked into by its own parent: does the system forbid it (kernel.yama.ptrace_scope)?");
}

/// A running `strongroom serve`; killed when dropped.
pub struct Server {
    program: Program,
    child: Child,
    address: SocketAddr,
    stdout: Reader,
    stderr: Reader,
}

impl Server {
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The text of the token made at the first start.
    pub fn admin_token(&self) -> String {
        std::fs::read_to_string(self.program.state.join("admin.token")).unwrap().trim().to_owned()
    }

    /// A client with the token made at the first start.
    pub fn client(&self) -> Client {
        self.client_with(&self.admin_token())
    }

    /// A client with another token; none if it is empty.
    pub fn client_with(&self, token: &str) -> Client {
        Client { address: self.address, token: token.to_owned() }
    }

    /// What was printed up to now.
    pub fn stdout(&self) -> String {
        self.stdout.text()
    }

    /// What was logged up to now.
    pub fn log(&self) -> String {
        self.stderr.text()
    }

    /// What was logged, as soon as this is a part of it. A line can arrive after the answer it is about.
    pub fn log_with(&self, part: &str) -> String {
        let start = Instant::now();
        loop {
            let log = self.log();
            if log.contains(part) {
                return log;
            }
            assert!(start.elapsed() < LOG_TIMEOUT, "{part:?} is not in the log: {log}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The process's id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it as a power failure would end the process: SIGKILL.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Ends it as an operator would: SIGTERM. Returns exit status and whole output.
    pub fn stop(self) -> (ExitStatus, Output) {
        self.ask_to_stop();
        self.ended()
    }

    /// Sends SIGTERM, and does not wait for the end.
    pub fn ask_to_stop(&self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    }

    /// Waits for the end, which was asked for. Returns exit status and whole output.
    pub fn ended(mut self) -> (ExitStatus, Output) {
        let status = self.child.wait().unwrap();
        let output = Output { code: status.code(), stdout: self.stdout.join(), stderr: self.stderr.join() };
        (status, output)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Collects what a process prints.
struct Reader {
    text: Arc<Mutex<String>>,
    thread: Option<JoinHandle<()>>,
}

impl Reader {
    fn start(pipe: impl Read + Send + 'static) -> Self {
        let text = Arc::new(Mutex::new(String::new()));
        let collected = text.clone();
        let thread = std::thread::spawn(move || {
            let mut lines = BufReader::new(pipe);
            let mut line = String::new();
            while lines.read_line(&mut line).is_ok_and(|length| length > 0) {
                collected.lock().unwrap().push_str(&line);
                line.clear();
            }
        });
        Self { text, thread: Some(thread) }
    }

    fn text(&self) -> String {
        self.text.lock().unwrap().clone()
    }

    /// Waits for the end of the output.
    fn join(&mut self) -> String {
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
        self.text()
    }
}
