//! The hosts, each as a [`Host`].

use crate::host::{Host, Outcome};
use crate::{
    ADMIN_TOKEN, Client, KEYS, Program, Server, Serving, Standalone, clients, component, over_rest, tokens, wave,
};
use serde_json::{Value, json};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a program may take until it answers; on a machine that has much else to do.
const START_TIMEOUT: Duration = Duration::from_secs(120);

/// `strongroom serve`, on whatever store.
pub struct Own {
    program: Program,
    running: Option<(Server, Client)>,
}

impl Own {
    pub fn new(program: Program) -> Self {
        let mut own = Self { program, running: None };
        own.restart();
        own
    }
}

impl Host for Own {
    over_rest!();

    fn client(&self) -> Option<&Client> {
        self.running.as_ref().map(|(_, client)| client)
    }

    fn restart(&mut self) {
        if let Some((server, _)) = self.running.take() {
            server.kill();
        }
        let server = self.program.serve();
        let client = server.client();
        self.running = Some((server, client));
    }

    fn is_durable(&self) -> bool {
        true
    }
}

/// `wasmtime serve`.
pub struct WasmtimeServe {
    standalone: Standalone,
    running: Option<Serving>,
}

impl WasmtimeServe {
    pub fn new(standalone: Standalone) -> Self {
        let running = Some(standalone.serve());
        Self { standalone, running }
    }
}

impl Host for WasmtimeServe {
    over_rest!();

    fn client(&self) -> Option<&Client> {
        self.running.as_ref().map(|serving| &serving.client)
    }

    fn restart(&mut self) {
        drop(self.running.take());
        self.running = Some(self.standalone.serve());
    }

    fn is_durable(&self) -> bool {
        true
    }
}

/// `wasmtime run --invoke`: the typed functions, but for `list`, whose name can't be given.
pub struct WasmtimeRun(pub Standalone);

impl WasmtimeRun {
    fn call(&self, call: &str) -> Outcome {
        let mut printed = wave::parse(&self.0.invoke(call).unwrap());
        match printed.get("err") {
            // Of `manage`.
            Some(Value::String(error)) => {
                Err(serde_json::from_str::<Value>(error).unwrap()["code"].as_str().unwrap().to_owned())
            }
            Some(error) => Err(error["code"].as_str().unwrap().to_owned()),
            None => Ok(printed["ok"].take()),
        }
    }
}

impl Host for WasmtimeRun {
    fn create(&self, name: &str, password: &str, totp_secret: Option<&str>) -> Outcome {
        let secret = totp_secret.map(|secret| format!(", totp-secret: some({})", wave::string(secret)));
        self.call(&format!(
            "create({{name: {}, domain: \"example.com\", additional-domains: [], metadata: [], archived: false, \
             values: [(\"password\", {})]{}}})",
            wave::string(name),
            wave::string(password),
            secret.unwrap_or_default()
        ))
    }

    fn list(&self, limit: u32, offset: u32) -> Outcome {
        let request = json!({ "action": "list", "limit": limit, "offset": offset }).to_string();
        let printed = self.call(&format!("manage({})", wave::string(&request)))?;
        Ok(serde_json::from_str(printed.as_str().unwrap()).unwrap())
    }

    fn get(&self, id_or_name: &str) -> Outcome {
        self.call(&format!("get({})", wave::string(id_or_name)))
    }

    fn totp_code(&self, name: &str) -> Outcome {
        self.call(&format!("totp-code({}, none)", wave::string(name)))
    }

    fn update(&self, name: &str, description: &str, version: Option<u64>) -> Outcome {
        let expected = version.map(|version| format!(", expected-version: some({version})")).unwrap_or_default();
        let description = wave::string(description);
        self.call(&format!("update({}, {{description: some({description}){expected}}})", wave::string(name)))
    }

    fn delete(&self, name: &str) -> Outcome {
        self.call(&format!("delete({}, none)", wave::string(name)))
    }

    fn versions(&self, name: &str) -> Outcome {
        self.call(&format!("versions({})", wave::string(name)))
    }

    fn restore(&self, name: &str, version: u64) -> Outcome {
        self.call(&format!("restore({}, some({version}), none)", wave::string(name)))
    }

    fn client(&self) -> Option<&Client> {
        None
    }

    /// Each call is a process of its own.
    fn restart(&mut self) {}

    fn is_durable(&self) -> bool {
        true
    }
}

/// A program that serves HTTP on a port it is told; killed when dropped.
pub(crate) struct Listening {
    child: Child,
    pub(crate) client: Client,
}

impl Listening {
    /// `start` is given a port that was free a moment ago; another is tried if somebody else took it. It has started when
    /// this path is answered, be it with 503.
    pub(crate) fn start(what: &str, ready: &str, start: impl Fn(u16) -> Command) -> Self {
        let begin = Instant::now();
        loop {
            let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
            let mut command = start(free.port());
            let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            let mut listening = Self { child, client: Client { address: free, token: ADMIN_TOKEN.to_owned() } };
            while listening.child.try_wait().unwrap().is_none() {
                let answer = listening.client.try_request("GET", ready, &[], None);
                if answer.is_ok_and(|answer| matches!(answer.status, 200 | 503)) {
                    return listening;
                }
                assert!(begin.elapsed() < START_TIMEOUT, "{what} does not answer");
                std::thread::sleep(Duration::from_millis(50));
            }
            assert!(begin.elapsed() < START_TIMEOUT, "{what} does not start");
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What makes JavaScript of components, and serves them.
pub const JCO: &str = "@bytecodealliance/jco@1.35.0";

/// What the programs that it makes import.
pub const SHIM: &str = "@bytecodealliance/preview2-shim@0.25.0";

/// The folder of the examples.
pub fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").canonicalize().unwrap()
}

/// The script of `jco`, to be run by what [`clients::node`] gives.
pub const JCO_SCRIPT: &str = "node_modules/@bytecodealliance/jco/dist/jco.js";

/// `jco serve` on Node.js, with a module in JavaScript as its store.
pub struct Node {
    test: String,
    component: PathBuf,
    /// A path that it answers with 200.
    ready: &'static str,
    store: PathBuf,
    keys: String,
    variables: Vec<(&'static str, PathBuf)>,
    running: Option<Listening>,
}

impl Node {
    /// With the Map of the example.
    pub fn with_map(test: &str) -> Option<Self> {
        Self::start(test, examples().join("javascript/store.mjs"), Vec::new())
    }

    /// With a store that does what Spin's store of this kind does, `sqlite` or `redis`, and keeps its rows in a file.
    pub fn with_spins(test: &str, kind: &str, rows: &Path) -> Option<Self> {
        if !rows.exists() {
            std::fs::write(rows, r#"{"default":{}}"#).unwrap();
        }
        let store = Path::new(env!("CARGO_MANIFEST_DIR")).join("stores/spin.mjs");
        Self::start(test, store, vec![("STRONGROOM_STORE", kind.into()), ("STRONGROOM_RECORDS", rows.into())])
    }

    /// Another component in its place, which answers this path with 200, with other settings.
    pub fn replace(&mut self, component: &Path, ready: &'static str, settings: &[(&'static str, &str)]) {
        component.clone_into(&mut self.component);
        self.ready = ready;
        self.variables.extend(settings.iter().map(|(name, value)| (*name, value.into())));
        self.restart();
    }

    /// Starts again with other keys.
    pub fn set_keys(&mut self, keys: &str) {
        keys.clone_into(&mut self.keys);
        self.restart();
    }

    fn start(test: &str, store: PathBuf, variables: Vec<(&'static str, PathBuf)>) -> Option<Self> {
        clients::node(test, &[JCO])?;
        let edge = component("strongroom.wasm");
        let (test, keys) = (test.to_owned(), KEYS.to_owned());
        let mut node = Self { test, component: edge, ready: "/health", store, keys, variables, running: None };
        node.restart();
        Some(node)
    }
}

impl Host for Node {
    over_rest!();

    fn client(&self) -> Option<&Client> {
        self.running.as_ref().map(|listening| &listening.client)
    }

    fn restart(&mut self) {
        drop(self.running.take());
        self.running = Some(Listening::start("jco serve", self.ready, |port| {
            let mut command = clients::node(&self.test, &[JCO]).unwrap();
            command.arg(JCO_SCRIPT).arg("serve").arg(&self.component);
            command.args(["--port", &port.to_string(), "--host", "127.0.0.1"]);
            for package in ["keyvalue", "config"] {
                command.arg("--jco-map").arg(format!("wasi:{package}/*={}", self.store.display()));
            }
            command.env("STRONGROOM_KEYS", &self.keys).env("STRONGROOM_TOKENS", tokens());
            command.envs(self.variables.iter().map(|(name, value)| (name, value)));
            command
        }));
    }

    fn is_durable(&self) -> bool {
        !self.variables.is_empty()
    }
}

/// `spin up`, where there is a `spin` on the PATH.
pub struct Spin {
    manifest: PathBuf,
    state: PathBuf,
    running: Option<Listening>,
}

impl Spin {
    /// The app of a manifest. `None`, and a line that says so, without `spin`: no registry has it.
    pub fn new(test: &str, manifest: &Path, state: &Path) -> Option<Self> {
        if Command::new("spin").arg("--version").output().is_err() {
            use std::io::Write;
            // Not by `eprintln!`, which the test harness catches.
            let _ = writeln!(std::io::stderr(), "SKIPPED {test} under Spin: there is no `spin` on the PATH");
            return None;
        }
        let mut spin = Self { manifest: manifest.to_owned(), state: state.to_owned(), running: None };
        spin.restart();
        Some(spin)
    }
}

impl Host for Spin {
    over_rest!();

    fn client(&self) -> Option<&Client> {
        self.running.as_ref().map(|listening| &listening.client)
    }

    fn restart(&mut self) {
        drop(self.running.take());
        self.running = Some(Listening::start("spin up", "/.well-known/spin/health", |port| {
            let mut command = Command::new("spin");
            command.arg("up").arg("--from").arg(&self.manifest).args(["--listen", &format!("127.0.0.1:{port}")]);
            command.arg("--state-dir").arg(&self.state);
            command.env("SPIN_VARIABLE_STRONGROOM_KEYS", KEYS).env("SPIN_VARIABLE_STRONGROOM_TOKENS", tokens());
            command
        }));
    }

    fn is_durable(&self) -> bool {
        true
    }
}

/// A call of an agents' tool, as its result's structured content.
pub fn call_tool(client: &Client, arguments: &Value) -> Value {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": { "name": "manage_credentials", "arguments": arguments } });
    let headers = [("Accept", "application/json, text/event-stream"), ("MCP-Protocol-Version", "2025-11-25")];
    let answer = client.request("POST", "/mcp", &headers, Some(&body));
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["result"].clone()
}
