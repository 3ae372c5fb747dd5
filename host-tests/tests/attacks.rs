//! What somebody tries who wants to hold up everybody: while it goes on, an honest client is served, and the server ends
//! in its time.
//!
//! `cargo test ... --test attacks -- --nocapture | grep '^|'` prints the times as a table.

use serde_json::{Value, json};
use std::cell::Cell;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};
use strongroom_host_tests::{Client, Program, Server, TempDir};

/// The server closes what says nothing for 5 seconds, and takes nothing of its answer for 10.
const ATTACK: Duration = Duration::from_secs(6);

/// One attack at a time: each measures how long an honest client waits.
fn alone() -> MutexGuard<'static, ()> {
    static ATTACK: Mutex<()> = Mutex::new(());
    ATTACK.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn credential(name: &str) -> Value {
    json!({ "name": name, "domain": "example.com", "values": { "password": "p" }, "totp_secret": "JBSWY3DPEHPK3PXP" })
}

/// The longest that 99 of 100 calls may take while an attack goes on, on a machine where they take a hundredth of it when
/// nothing else does; on a slower one as many times longer.
const BOUND: Duration = Duration::from_secs(1);

/// The time that the server gives itself for its end.
const END: Duration = Duration::from_secs(20);

/// Calls of each kind that are measured at least.
const SAMPLES: usize = 100;

/// A client that reads and creates, each call on a connection of its own, and what that takes when there is no attack.
struct Honest {
    client: Client,
    quiet: Times,
    created: Cell<usize>,
}

/// What calls took, the shortest first.
struct Times {
    reads: Vec<Duration>,
    writes: Vec<Duration>,
}

impl Honest {
    fn new(client: Client) -> Self {
        let none = Times { reads: Vec::new(), writes: Vec::new() };
        let honest = Self { client, quiet: none, created: Cell::new(0) };
        Self { quiet: honest.call(Duration::ZERO), ..honest }
    }

    /// Calls for so long, or until there are enough samples; each call must succeed.
    fn call(&self, time: Duration) -> Times {
        let (start, mut times) = (Instant::now(), Times { reads: Vec::new(), writes: Vec::new() });
        while start.elapsed() < time || times.writes.len() < SAMPLES {
            let begin = Instant::now();
            let answer = self.client.get("/credentials/kept/totp-code");
            assert_eq!(answer.status, 200, "{answer:?}");
            times.reads.push(begin.elapsed());
            let new = credential(&format!("honest-{}", self.created.replace(self.created.get() + 1)));
            let begin = Instant::now();
            let answer = self.client.post("/credentials", &new);
            assert_eq!(answer.status, 201, "{answer:?}");
            times.writes.push(begin.elapsed());
            std::thread::sleep(Duration::from_millis(5));
        }
        times.reads.sort_unstable();
        times.writes.sort_unstable();
        times
    }

    /// What it sees while an attack goes on.
    fn assert_served(&self, what: &str, attack: Duration) {
        let times = self.call(attack);
        for (kind, amid, quiet) in
            [("read", &times.reads, &self.quiet.reads), ("create", &times.writes, &self.quiet.writes)]
        {
            let bound = BOUND.max(part(quiet, 99) * 100);
            let [before, median, p99] = [part(quiet, 99), part(amid, 50), part(amid, 99)].map(milliseconds);
            println!("| {what} | {kind} | {} calls | before: p99 {before} | median {median} | p99 {p99} |", amid.len());
            assert!(part(amid, 99) < bound, "{what}: p99 of {kind} {p99}");
        }
    }
}

/// The time that so many of 100 calls stay below.
fn part(sorted: &[Duration], of_100: usize) -> Duration {
    sorted[(sorted.len() * of_100 / 100).min(sorted.len() - 1)]
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

/// A server with one credential, and an honest client with a token of its own.
fn start(directory: &TempDir) -> (Program, Server, Honest) {
    let program = Program::on(directory.path());
    let server = program.serve_with(&["--quiet"]);
    assert_eq!(server.client().post("/credentials", &credential("kept")).status, 201);
    let honest = Honest::new(server.client_with(&new_token(&program, "honest", "read,totp,write")));
    (program, server, honest)
}

fn new_token(program: &Program, name: &str, scopes: &str) -> String {
    let made = program.run(&["token", "new", "--name", name, "--scopes", scopes]);
    assert_eq!(made.code, Some(0), "{made:?}");
    made.stdout.trim().to_owned()
}

/// Ends an attack when what is measured was measured, or has failed.
struct Ending<'a>(&'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn assert_ends(what: &str, server: Server) {
    let begin = Instant::now();
    let (status, output) = server.stop();
    println!("| {what} | ended in {} |", milliseconds(begin.elapsed()));
    assert!(status.success() && begin.elapsed() < END, "{:?} {output:?}", begin.elapsed());
}

fn connect(address: SocketAddr) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
    stream.set_nonblocking(true)?;
    Ok(stream)
}

#[test]
fn clients_that_pipeline_and_never_read() {
    let _alone = alone();
    let directory = TempDir::new();
    let (_, server, honest) = start(&directory);
    let requests = "GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(20);
    let streams: Vec<_> = (0..520)
        .map(|_| {
            let mut stream = connect(server.address()).unwrap();
            while stream.write(requests.as_bytes()).is_ok() {}
            stream
        })
        .collect();
    honest.assert_served("never reading", ATTACK);
    assert_ends("never reading", server);
    drop(streams);
}

#[test]
fn clients_of_one_byte_that_come_again() {
    let _alone = alone();
    let directory = TempDir::new();
    let (_, server, honest) = start(&directory);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // One byte each, then nothing more.
            let mut streams: Vec<TcpStream> = Vec::new();
            while !done.load(Ordering::Relaxed) {
                streams.retain(|stream| {
                    matches!(stream.peek(&mut [0]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
                });
                while streams.len() < 700 && !done.load(Ordering::Relaxed) {
                    let Ok(mut stream) = connect(server.address()) else { break };
                    let _ = stream.write(b"G");
                    streams.push(stream);
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        let _ending = Ending(&done);
        std::thread::sleep(Duration::from_secs(1));
        honest.assert_served("one byte", ATTACK);
    });
    assert_ends("one byte", server);
}

#[test]
fn a_log_that_nobody_reads() {
    const REQUESTS: usize = 3000;
    let _alone = alone();
    let directory = TempDir::new();
    let program = Program::on(directory.path());
    drop(program.serve());
    let mut command = program.command(&["serve", "--listen", "127.0.0.1:0"]);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    let address = first.strip_prefix("Strongroom listens on http://").unwrap().parse().unwrap();
    let token = std::fs::read_to_string(program.state().join("admin.token")).unwrap().trim().to_owned();
    let client = Client { address, token };
    let (begin, answered) = (Instant::now(), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while answered.fetch_add(1, Ordering::Relaxed) < REQUESTS {
                    assert_eq!(client.get("/credentials").status, 200);
                }
            });
        }
    });
    println!("unread log: {REQUESTS} requests in {:?}", begin.elapsed());
    let begin = Instant::now();
    assert!(std::process::Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    let status = child.wait().unwrap();
    println!("| unread log | ended in {} |", milliseconds(begin.elapsed()));
    assert!(status.success() && begin.elapsed() < END, "{status:?} {:?}", begin.elapsed());
}

/// A connection that sends a request of a known token and takes as long over it as it may, or only its beginning after one
/// that was answered; and when it is closed, or told to go away, the next.
struct Slow {
    address: SocketAddr,
    opening: String,
    stream: Option<TcpStream>,
}

impl Slow {
    /// Sends one byte more.
    fn go_on(&mut self) {
        let is_over = |stream: &TcpStream| match stream.peek(&mut [0]) {
            // What is answered before the request has ended is a refusal.
            Ok(length) => length == 0 || !self.opening.starts_with("GET"),
            Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
        };
        if self.stream.as_ref().is_none_or(is_over) {
            self.stream = connect(self.address).ok();
            let _ = self.stream.as_mut().map(|stream| stream.write(self.opening.as_bytes()));
        }
        let written = self.stream.as_mut().map(|stream| stream.write(b" "));
        if matches!(written, Some(Err(error)) if error.kind() != std::io::ErrorKind::WouldBlock) {
            self.stream = None;
        }
    }
}

/// 600 such connections, each of which begins in this way; `amid` is done while they are there.
fn hold_600_connections(server: &Server, what: &str, honest: &Honest, opening: &str, amid: impl FnOnce()) {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let slow = || Slow { address: server.address(), opening: opening.to_owned(), stream: None };
            let mut all: Vec<Slow> = (0..600).map(|_| slow()).collect();
            while !done.load(Ordering::Relaxed) {
                all.iter_mut().for_each(Slow::go_on);
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        let _ending = Ending(&done);
        std::thread::sleep(Duration::from_secs(1));
        honest.assert_served(what, ATTACK);
        amid();
    });
}

#[test]
fn connections_of_one_token_that_are_all_busy() {
    let _alone = alone();
    let directory = TempDir::new();
    let (program, server, honest) = start(&directory);
    let token = new_token(&program, "attacker", "write");
    let opening = format!(
        "POST /credentials HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: 100000\r\n\r\n"
    );
    let attacker = server.client_with(&token);
    // Now and then one of its requests ends, and its next is let in.
    let is_told_to_wait = || {
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(60) {
            let answer = attacker.get("/credentials");
            if answer.status == 503 {
                assert_eq!((answer.code().as_str(), answer.header("retry-after")), ("contended", Some("1")));
                return;
            }
        }
        panic!("one token has as many requests at once as it wants");
    };
    hold_600_connections(&server, "600 busy connections", &honest, &opening, is_told_to_wait);
    assert_ends("600 busy connections", server);
}

#[test]
fn connections_of_one_token_that_wait_for_the_next_request() {
    let _alone = alone();
    let directory = TempDir::new();
    let (program, server, honest) = start(&directory);
    let token = new_token(&program, "attacker", "read");
    let opening = format!(
        "GET /openapi.json HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n\
         GET /openapi.json HTTP/1.1\r\nX-Never-Ends:"
    );
    hold_600_connections(&server, "600 waiting connections", &honest, &opening, || {});
    assert_ends("600 waiting connections", server);
}

/// Resident memory of a process, in MiB.
fn memory_mib(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

/// Sends large bodies whose last byte never comes, on 400 connections.
fn send_unfinished_bodies(server: &Server, token: &str) -> Vec<TcpStream> {
    let length = 1_900_000;
    let head = format!(
        "POST /credentials HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    );
    let body = vec![b' '; length - 1];
    let mut streams: Vec<_> = (0..400)
        .map(|_| {
            let mut stream = connect(server.address()).unwrap();
            let _ = stream.write(head.as_bytes());
            (stream, 0)
        })
        .collect();
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(4) {
        for (stream, sent) in &mut streams {
            if let Ok(more) = stream.write(&body[*sent..]) {
                *sent += more;
            }
        }
    }
    streams.into_iter().map(|(stream, _)| stream).collect()
}

#[test]
fn bodies_of_those_without_a_token() {
    let _alone = alone();
    let directory = TempDir::new();
    let (_, server, honest) = start(&directory);
    let before = memory_mib(&server);
    let streams = send_unfinished_bodies(&server, "sr_unknown");
    let amid = memory_mib(&server);
    honest.assert_served("bodies without a token", Duration::from_secs(2));
    drop(streams);
    println!("bodies without a token: {before} MiB before, {amid} MiB amid");
    assert!(amid < before + 60, "{amid}");
    assert_ends("bodies without a token", server);
}

#[test]
fn bodies_of_those_with_a_token_stay_within_a_budget_and_are_given_back() {
    let _alone = alone();
    let directory = TempDir::new();
    let (program, server, honest) = start(&directory);
    let before = memory_mib(&server);
    let streams = send_unfinished_bodies(&server, &new_token(&program, "attacker", "write"));
    let amid = memory_mib(&server);
    honest.assert_served("bodies", Duration::from_secs(2));
    drop(streams);
    std::thread::sleep(Duration::from_secs(11));
    // What is freed is given back with later calls.
    honest.assert_served("after the bodies", Duration::from_secs(2));
    let after = memory_mib(&server);
    println!("bodies: {before} MiB before, {amid} MiB amid, {after} MiB after");
    assert!(amid < before + 150 && after < before + 60, "{before} {amid} {after}");
    assert_ends("bodies", server);
}

#[test]
fn searches_of_one_token() {
    let _alone = alone();
    let directory = TempDir::new();
    let (program, server, honest) = start(&directory);
    for n in 0..1000 {
        let new =
            json!({ "name": format!("n{n}"), "domain": format!("s{n}.example.com"), "values": { "password": "p" } });
        assert_eq!(server.client().post("/credentials", &new).status, 201);
    }
    let searcher = server.client_with(&new_token(&program, "searcher", "read"));
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..64 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let status = searcher.get("/credentials?query=nothing-like-it").status;
                    assert!(matches!(status, 200 | 503), "{status}");
                }
            });
        }
        let _ending = Ending(&done);
        std::thread::sleep(Duration::from_millis(500));
        honest.assert_served("64 searches", ATTACK);
    });
    assert_ends("64 searches", server);
}

#[test]
fn writers_that_wait_for_each_other_do_not_keep_readers_waiting() {
    let _alone = alone();
    let directory = TempDir::new();
    let (program, server, honest) = start(&directory);
    let writer = server.client_with(&new_token(&program, "writer", "write"));
    let (done, next) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..100 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let new = credential(&format!("w{}", next.fetch_add(1, Ordering::Relaxed)));
                    let status = writer.post("/credentials", &new).status;
                    assert!(matches!(status, 201 | 503), "{status}");
                }
            });
        }
        let _ending = Ending(&done);
        std::thread::sleep(Duration::from_millis(500));
        honest.assert_served("100 writers", ATTACK);
    });
    assert_ends("100 writers", server);
}

#[test]
fn a_flood_without_a_token() {
    let _alone = alone();
    let directory = TempDir::new();
    let (_, server, honest) = start(&directory);
    let flood = server.client_with("sr_unknown");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for n in 0..64 {
            let (flood, done) = (&flood, &done);
            let path = ["/health", "/openapi.json", "/credentials"][n % 3];
            scope.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    // A connection may have to make room.
                    let _ = flood.try_request("GET", path, &[], None);
                }
            });
        }
        let _ending = Ending(&done);
        std::thread::sleep(Duration::from_millis(500));
        honest.assert_served("a flood without a token", ATTACK);
    });
    assert_ends("a flood without a token", server);
}

/// The middle one of many calls.
fn median(client: &Client) -> Duration {
    let mut times: Vec<_> = (0..101)
        .map(|_| {
            let begin = Instant::now();
            assert_eq!(client.get("/credentials/kept").status, 200);
            begin.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[50]
}

#[test]
fn ten_thousand_tokens_cost_a_request_nothing() {
    let _alone = alone();
    let directory = TempDir::new();
    let (program, _server, honest) = start(&directory);
    let path = program.state().join("tokens");
    let two = std::fs::read_to_string(&path).unwrap();
    let mut tokens = two.clone();
    for n in 0..10_000 {
        tokens += &format!("t{n}:default:read:{}\n", strongroom_host::token::hash(&n.to_string()));
    }
    // In turns, as the machine is not equally busy all the time.
    let medians = [(); 3].map(|()| {
        [&two, &tokens].map(|list| {
            std::fs::write(&path, list).unwrap();
            median(&honest.client)
        })
    });
    let [few, many] = [0, 1].map(|of| medians.iter().map(|pair| pair[of]).min().unwrap());
    println!("tokens: {few:?} with 2, {many:?} with 10,002");
    assert!(many < few * 2 + Duration::from_millis(2), "{few:?} {many:?}");
}

#[test]
fn whoever_closes_one_half_gets_an_answer() {
    let directory = TempDir::new();
    let (_, server, _) = start(&directory);
    for round in 0..20 {
        let mut stream = TcpStream::connect(server.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{round}: {answer:?}");
    }
}

#[test]
fn clients_that_go_away_in_each_phase() {
    let directory = TempDir::new();
    let (program, server, honest) = start(&directory);
    let body = credential("whole").to_string();
    let head = format!(
        "POST /credentials HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        honest.client.token,
        body.len()
    );
    let whole = format!("{head}{body}");
    let reset = |sent: &str, read: bool| {
        let mut stream = TcpStream::connect(server.address()).unwrap();
        stream.write_all(sent.as_bytes()).unwrap();
        if read {
            stream.read_exact(&mut [0; 9]).unwrap();
        }
    };
    for round in 0..10 {
        for end in [0, 1, head.len() / 2, head.len(), head.len() + 5, whole.len()] {
            reset(&whole[..end], false);
        }
        reset(&whole, true);
        assert_eq!(honest.client.get("/credentials/kept").status, 200, "{round}");
    }
    assert!(!server.log().contains("ERROR"), "{}", server.log());
    let (status, output) = server.stop();
    assert!(status.success(), "{output:?}");
    let all = honest.created.get() + 2;
    assert!(program.run(&["verify"]).stdout.starts_with(&format!("sound: {all} credentials")));
}
