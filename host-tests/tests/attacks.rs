//! What somebody tries who wants to hold up everybody: while it goes on, an honest client is served, and the server ends
//! in its time.

use serde_json::{Value, json};
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

/// A server with one credential, and an honest client's token.
fn start(directory: &TempDir) -> (Program, Server, Client) {
    let program = Program::on(directory.path());
    let server = program.serve_with(&["--quiet"]);
    assert_eq!(server.client().post("/credentials", &credential("kept")).status, 201);
    let honest = server.client_with(&new_token(&program, "honest", "read,totp,write"));
    (program, server, honest)
}

fn new_token(program: &Program, name: &str, scopes: &str) -> String {
    let made = program.run(&["token", "new", "--name", name, "--scopes", scopes]);
    assert_eq!(made.code, Some(0), "{made:?}");
    made.stdout.trim().to_owned()
}

/// What an honest client sees while an attack goes on: each of its calls succeeds; the 99th of 100 in this time.
fn assert_served(what: &str, honest: &Client, attack: Duration, bound: Duration) {
    let start = Instant::now();
    let mut times = Vec::new();
    while start.elapsed() < attack {
        let begin = Instant::now();
        let answer = honest.get("/credentials/kept/totp-code");
        assert_eq!(answer.status, 200, "{answer:?}");
        times.push(begin.elapsed());
        std::thread::sleep(Duration::from_millis(5));
    }
    times.sort_unstable();
    let p99 = times[times.len() * 99 / 100];
    println!("{what}: {} calls, median {:?}, p99 {p99:?}", times.len(), times[times.len() / 2]);
    assert!(p99 < bound, "{what}: p99 {p99:?}");
}

fn assert_ends(what: &str, server: Server, bound: Duration) {
    let begin = Instant::now();
    let (status, output) = server.stop();
    println!("{what}: ended in {:?}", begin.elapsed());
    assert!(status.success() && begin.elapsed() < bound, "{:?} {output:?}", begin.elapsed());
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
    assert_served("never reading", &honest, ATTACK, Duration::from_secs(1));
    assert_ends("never reading", server, Duration::from_secs(15));
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
        std::thread::sleep(Duration::from_secs(1));
        assert_served("one byte", &honest, ATTACK, Duration::from_secs(1));
        done.store(true, Ordering::Relaxed);
    });
    assert_ends("one byte", server, Duration::from_secs(5));
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
    println!("unread log: ended in {:?}", begin.elapsed());
    assert!(status.success() && begin.elapsed() < Duration::from_secs(5), "{status:?} {:?}", begin.elapsed());
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
    assert_served("bodies without a token", &honest, Duration::from_secs(2), Duration::from_secs(1));
    drop(streams);
    println!("bodies without a token: {before} MiB before, {amid} MiB amid");
    assert!(amid < before + 60, "{amid}");
    assert_ends("bodies without a token", server, Duration::from_secs(5));
}

#[test]
fn bodies_of_those_with_a_token_stay_within_a_budget_and_are_given_back() {
    let _alone = alone();
    let directory = TempDir::new();
    let (program, server, honest) = start(&directory);
    let before = memory_mib(&server);
    let streams = send_unfinished_bodies(&server, &new_token(&program, "attacker", "write"));
    let amid = memory_mib(&server);
    assert_served("bodies", &honest, Duration::from_secs(2), Duration::from_secs(1));
    drop(streams);
    std::thread::sleep(Duration::from_secs(11));
    // What is freed is given back with later calls.
    assert_served("after the bodies", &honest, Duration::from_secs(2), Duration::from_secs(1));
    let after = memory_mib(&server);
    println!("bodies: {before} MiB before, {amid} MiB amid, {after} MiB after");
    assert!(amid < before + 150 && after < before + 60, "{before} {amid} {after}");
    assert_ends("bodies", server, Duration::from_secs(5));
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
        std::thread::sleep(Duration::from_millis(500));
        assert_served("64 searches", &honest, ATTACK, Duration::from_millis(500));
        done.store(true, Ordering::Relaxed);
    });
    assert_ends("64 searches", server, Duration::from_secs(5));
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
        std::thread::sleep(Duration::from_millis(500));
        assert_served("100 writers", &honest, ATTACK, Duration::from_millis(500));
        done.store(true, Ordering::Relaxed);
    });
    assert_ends("100 writers", server, Duration::from_secs(12));
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
        std::thread::sleep(Duration::from_millis(500));
        assert_served("a flood without a token", &honest, ATTACK, Duration::from_millis(500));
        done.store(true, Ordering::Relaxed);
    });
    assert_ends("a flood without a token", server, Duration::from_secs(5));
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
    let few = median(&honest);
    let path = program.state().join("tokens");
    let mut tokens = std::fs::read_to_string(&path).unwrap();
    for n in 0..10_000 {
        tokens += &format!("t{n}:default:read:{}\n", strongroom_host::token::hash(&n.to_string()));
    }
    std::fs::write(&path, tokens).unwrap();
    let many = median(&honest);
    println!("tokens: {few:?} with 2, {many:?} with 10,002");
    assert!(many < few * 2 + Duration::from_millis(2), "{few:?} {many:?}");
}

#[test]
fn whoever_closes_one_half_gets_an_answer() {
    let directory = TempDir::new();
    let (_, server, _) = start(&directory);
    for round in 0..20 {
        let mut stream = TcpStream::connect(server.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
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
        honest.token,
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
        assert_eq!(honest.get("/credentials/kept").status, 200, "{round}");
    }
    assert!(!server.log().contains("ERROR"), "{}", server.log());
    let (status, output) = server.stop();
    assert!(status.success(), "{output:?}");
    assert!(program.run(&["verify"]).stdout.starts_with("sound: 2 credentials"));
}
