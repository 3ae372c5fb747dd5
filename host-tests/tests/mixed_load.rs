//! Mixed load: 32 clients that create, read, change and delete, one that never reads its answers, one that floods without
//! a token, and a server that is killed again and again. Nothing that was acknowledged is lost, an honest client gets no
//! failure but 503 with `Retry-After`, and the memory of a server that is left alone stays as it is. A change whose outcome
//! the server could not tell (`outcome_unknown`) is neither acknowledged nor failed, as one whose connection broke.
//!
//! It takes a minute or so; `STRONGROOM_LOAD_MINUTES=30 cargo test ... --test mixed_load -- --nocapture` is the
//! whole form.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, RwLock};
use std::time::{Duration, Instant};
use strongroom_host_tests::{Client, Dice, Program, Server, TempDir};

const CLIENTS: u64 = 32;
/// Without the variable: so many kills, and as long as it takes to see memory settle.
const KILLS: usize = 4;
const SHORT: Duration = Duration::from_secs(20);
/// How many answers the clients get from a server before it is killed, at random between the two.
const ANSWERS: (u64, u64) = (50, 2000);
/// The same without the variable.
const FEW_ANSWERS: (u64, u64) = (50, 400);
/// By how much memory may differ between the first and the last quarter of the time without kills: the caches of
/// connections to the database fill up, 2 MiB each.
const GROWTH_MAX_MIB: u64 = 64;
/// How often memory is looked at.
const SAMPLE: Duration = Duration::from_millis(250);

#[test]
fn thirty_two_clients_one_that_never_reads_one_that_floods_and_kills() {
    let minutes: Option<u64> = std::env::var("STRONGROOM_LOAD_MINUTES").ok().map(|minutes| minutes.parse().unwrap());
    // One half with kills, one without: memory begins anew with each server.
    let half = minutes.map_or(SHORT, |minutes| Duration::from_secs(30 * minutes));
    let answers = if minutes.is_some() { ANSWERS } else { FEW_ANSWERS };
    let directory = TempDir::new();
    let program = Program::on(directory.path());
    let load = Load::start(program.serve_with(&["--quiet"]));
    let mut kills = 0;
    let memory = std::thread::scope(|scope| {
        for number in 0..CLIENTS {
            let load = &load;
            scope.spawn(move || load.honest(number));
        }
        scope.spawn(|| load.never_reading());
        scope.spawn(|| load.flooding());
        let (start, mut dice) = (Instant::now(), Dice(1));
        while kills < KILLS || (minutes.is_some() && start.elapsed() < half) {
            load.wait_for_answers(dice.between(answers.0, answers.1));
            load.replace_server(|old| {
                old.kill();
                program.serve_with(&["--quiet"])
            });
            kills += 1;
        }
        let (mut memory, start) = (Vec::new(), Instant::now());
        while start.elapsed() < half {
            std::thread::sleep(SAMPLE);
            memory.push(load.memory_mib());
        }
        load.is_over.store(true, Ordering::SeqCst);
        memory
    });
    let (status, output) = load.server.lock().unwrap().take().unwrap().stop();
    assert!(status.success(), "{output:?}");

    // The first moments are those of a start.
    let settled = &memory[memory.len() / 8..];
    let quarter = settled.len() / 4;
    let (first, last) = (median(&settled[..quarter]), median(&settled[settled.len() - quarter..]));
    let most = settled.iter().max().unwrap();
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let known = load.known.lock().unwrap();
    println!(
        "{kills} kills, then {} s: {} calls, {} of them 503 with Retry-After, {} of unknown outcome, {} broken off; {} \
         credentials; {} requests without a token; memory {first} MiB, at the end {last} MiB, at most {most} MiB",
        half.as_secs(),
        count(&load.calls),
        count(&load.busy),
        count(&load.unknown),
        count(&load.broken),
        known.len(),
        count(&load.floods),
    );
    let wrong = load.wrong.lock().unwrap();
    assert!(wrong.is_empty(), "{} answers were wrong, such as {:?}", wrong.len(), &wrong[..wrong.len().min(10)]);
    assert!(count(&load.floods) > 100 && count(&load.answered) > 500, "that was no load");
    assert!(last <= first + GROWTH_MAX_MIB, "memory grew from {first} MiB to {last} MiB");
    assert_nothing_lost(&program, &known);
}

/// What is there must be what was acknowledged.
fn assert_nothing_lost(program: &Program, known: &BTreeMap<String, Known>) {
    let verified = program.run(&["verify"]);
    assert!(verified.stdout.starts_with("sound: "), "{verified:?}");
    println!("{}", verified.stdout.trim());
    let server = program.serve_with(&["--quiet"]);
    let there = all_versions(&server.client());
    for (name, known) in known {
        let version = there.get(name).copied();
        let is_right = match known {
            Known::There(at_least) => version >= Some(*at_least),
            Known::Gone => version.is_none(),
            Known::Unclear => true,
        };
        assert!(is_right, "{name}: {known:?} was acknowledged, and there is {version:?}");
    }
    assert!(there.keys().all(|name| known.contains_key(name)), "what nobody stored");
    let count = |wanted: fn(&Known) -> bool| known.values().filter(|known| wanted(known)).count();
    println!(
        "{} there, {} gone, {} unclear",
        count(|known| matches!(known, Known::There(_))),
        count(|known| matches!(known, Known::Gone)),
        count(|known| matches!(known, Known::Unclear))
    );
}

/// Names and versions of all that is there.
fn all_versions(client: &Client) -> BTreeMap<String, u64> {
    let mut all = BTreeMap::new();
    loop {
        let page = client.get(&format!("/credentials?limit=100&offset={}", all.len()));
        assert_eq!(page.status, 200, "{page:?}");
        let items = page.json();
        for item in items.as_array().unwrap() {
            all.insert(item["name"].as_str().unwrap().to_owned(), item["version"].as_u64().unwrap());
        }
        if page.header("x-has-more") != Some("true") {
            return all;
        }
    }
}

/// What a client knows of its credential.
#[derive(Clone, Copy, Debug)]
enum Known {
    /// With this version, or a newer one whose answer got lost.
    There(u64),
    Gone,
    /// The connection broke while it was created or deleted, or the server could not tell whether it was.
    Unclear,
}

struct Load {
    server: Mutex<Option<Server>>,
    address: RwLock<SocketAddr>,
    token: String,
    is_over: AtomicBool,
    known: Mutex<BTreeMap<String, Known>>,
    calls: AtomicU64,
    answered: AtomicU64,
    busy: AtomicU64,
    unknown: AtomicU64,
    broken: AtomicU64,
    floods: AtomicU64,
    wrong: Mutex<Vec<String>>,
}

impl Load {
    fn start(server: Server) -> Self {
        Self {
            address: RwLock::new(server.address()),
            token: server.admin_token(),
            server: Mutex::new(Some(server)),
            is_over: AtomicBool::new(false),
            known: Mutex::default(),
            calls: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            busy: AtomicU64::new(0),
            unknown: AtomicU64::new(0),
            broken: AtomicU64::new(0),
            floods: AtomicU64::new(0),
            wrong: Mutex::default(),
        }
    }

    fn replace_server(&self, replace: impl FnOnce(Server) -> Server) {
        let mut server = self.server.lock().unwrap();
        let new = replace(server.take().unwrap());
        *self.address.write().unwrap() = new.address();
        *server = Some(new);
    }

    /// Returns when the clients have got so many right answers more.
    fn wait_for_answers(&self, number: u64) {
        let until = self.answered.load(Ordering::Relaxed) + number;
        let start = Instant::now();
        while self.answered.load(Ordering::Relaxed) < until {
            std::thread::sleep(Duration::from_millis(1));
            assert!(start.elapsed() < Duration::from_secs(300), "the clients get no answers");
        }
    }

    fn address(&self) -> SocketAddr {
        *self.address.read().unwrap()
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }

    /// Resident memory of the server.
    fn memory_mib(&self) -> u64 {
        let id = self.server.lock().unwrap().as_ref().unwrap().id();
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
    }

    /// Calls until there is an answer other than 503 with `Retry-After`; `None` if the connection broke or the server
    /// could not tell the outcome, which leaves open what happened.
    fn call(&self, method: &str, path: &str, body: Option<&Value>, right: u16) -> Option<Value> {
        loop {
            self.calls.fetch_add(1, Ordering::Relaxed);
            let client = Client { address: self.address(), token: self.token.clone() };
            let Ok(answer) = client.try_request(method, path, &[], body) else {
                self.broken.fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(50));
                return None;
            };
            if answer.status == 503 && answer.header("retry-after").is_some() && !self.is_over() {
                self.busy.fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(200));
                continue;
            }
            if answer.status != right {
                let is_busy = answer.status == 503 && answer.header("retry-after").is_some();
                if method != "GET" && answer.status == 503 && answer.code() == "outcome_unknown" {
                    self.unknown.fetch_add(1, Ordering::Relaxed);
                } else if !is_busy {
                    self.wrong.lock().unwrap().push(format!("{method} {path}: {} {}", answer.status, answer.body));
                }
                return None;
            }
            self.answered.fetch_add(1, Ordering::Relaxed);
            return Some(if answer.body.is_empty() { Value::Null } else { answer.json() });
        }
    }

    fn honest(&self, number: u64) {
        for n in 0u64.. {
            if self.is_over() {
                return;
            }
            let name = format!("c{number}-{n}");
            let path = format!("/credentials/{name}");
            let knows = |known| _ = self.known.lock().unwrap().insert(name.clone(), known);
            knows(Known::Unclear);
            let new = json!({
                "name": name, "domain": format!("s{}.example.com", n % 50), "values": { "password": "p" },
                "totp_secret": "JBSWY3DPEHPK3PXP"
            });
            if self.call("POST", "/credentials", Some(&new), 201).is_none() {
                continue;
            }
            knows(Known::There(1));
            // However the server ended since: it is there.
            self.call("GET", &path, None, 200);
            self.call("GET", &format!("{path}/totp-code"), None, 200);
            self.call("GET", "/credentials?limit=20", None, 200);
            if let Some(changed) = self.call("PATCH", &path, Some(&json!({ "values": { "password": "q" } })), 200) {
                knows(Known::There(changed["version"].as_u64().unwrap()));
            }
            if n % 8 == 0 {
                self.call("GET", &format!("/credentials?query={name}"), None, 200);
            }
            // Most of them go, so that the vault stays of a size.
            if n % 4 != 0 {
                knows(Known::Unclear);
                if self.call("DELETE", &path, None, 204).is_some() {
                    knows(Known::Gone);
                    self.call("GET", &path, None, 404);
                }
            }
        }
    }

    fn never_reading(&self) {
        let requests = "GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(20);
        let mut streams: Vec<TcpStream> = Vec::new();
        while !self.is_over() {
            streams.truncate(100);
            if let Ok(mut stream) = TcpStream::connect(self.address()) {
                stream.set_nonblocking(true).unwrap();
                while stream.write(requests.as_bytes()).is_ok() {}
                streams.insert(0, stream);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn flooding(&self) {
        while !self.is_over() {
            let Ok(mut stream) = TcpStream::connect(self.address()) else {
                std::thread::sleep(Duration::from_millis(50));
                continue;
            };
            stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            let request = b"GET /credentials HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer sr_unknown\r\n\r\n";
            let mut answer = [0; 4096];
            while !self.is_over() && stream.write_all(request).is_ok() && stream.read(&mut answer).is_ok_and(|n| n > 0)
            {
                self.floods.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

fn median(samples: &[u64]) -> u64 {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    sorted[sorted.len() / 2]
}
