//! What `strongroom serve` does around the component: limits, the log, and a clean end.

use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use strongroom_host_tests::{Program, Server, TempDir};

fn credential(name: &str) -> Value {
    json!({ "name": name, "domain": "example.com", "values": { "password": "canary-value" } })
}

fn start(directory: &TempDir) -> Server {
    Program::on(directory.path()).serve()
}

/// Sends bytes and returns the status of what comes back.
fn status(server: &Server, request: &[u8]) -> u16 {
    let answer = server.client().raw(request).unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    status.unwrap_or_else(|| panic!("{answer:?}"))
}

/// The head of a request with the administrator's token.
fn head(server: &Server, first: &str, more: &str) -> String {
    let token = server.admin_token();
    format!("{first} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n{more}\r\n")
}

#[test]
fn sizes_are_bounded() {
    let directory = TempDir::new();
    let server = start(&directory);
    let json = "Content-Type: application/json\r\n";

    let many = "X-Filler: 1\r\n".repeat(200);
    assert_eq!(status(&server, head(&server, "GET /health", &many).as_bytes()), 431);
    let long = format!("X-Filler: {}\r\n", "a".repeat(64 << 10));
    assert_eq!(status(&server, head(&server, "GET /health", &long).as_bytes()), 431);
    let path = format!("GET /credentials/{}", "a".repeat(64 << 10));
    assert!(matches!(status(&server, head(&server, &path, "").as_bytes()), 414 | 431));

    // Many lines that are each of a modest length.
    let sum = format!("X-Filler: {}\r\n", "a".repeat(2000)).repeat(20);
    assert_eq!(status(&server, head(&server, "GET /health", &sum).as_bytes()), 431);

    // A body that is announced too large is refused before it is sent.
    let announced = format!("{json}Content-Length: {}\r\n", 3 << 20);
    assert_eq!(status(&server, head(&server, "POST /credentials", &announced).as_bytes()), 413);
    // One whose length nobody announced, when it has become too large.
    let mut chunked = head(&server, "POST /credentials", &format!("{json}Transfer-Encoding: chunked\r\n")).into_bytes();
    for _ in 0..3 {
        chunked.extend(format!("{:x}\r\n", 1 << 20).bytes());
        chunked.resize(chunked.len() + (1 << 20), b' ');
        chunked.extend(b"\r\n");
    }
    assert_eq!(status(&server, &chunked), 413);
    // The component's own limit, in between.
    let between = (1 << 20) + 1;
    let mut body = head(&server, "POST /credentials", &format!("{json}Content-Length: {between}\r\n")).into_bytes();
    body.resize(body.len() + between, b' ');
    assert_eq!(status(&server, &body), 413);

    assert_eq!(status(&server, b"GET /health HTTP/1.1\r\nHost: \xff\r\nConnection: close\r\n\r\n"), 400);
    assert_eq!(status(&server, b"nonsense\r\n\r\n"), 400);
    assert_eq!(status(&server, b"GET /health HTTP/1.0\r\n\r\n".as_slice()), 200, "without a host");
    assert_eq!(server.client().get("/credentials").status, 200, "and it still serves");
}

#[test]
fn a_body_that_never_ends_does_not_hold_the_server() {
    let directory = TempDir::new();
    let server = start(&directory);
    let head = head(&server, "POST /credentials", "Content-Type: application/json\r\nContent-Length: 100\r\n");
    let slow: Vec<TcpStream> = (0..100)
        .map(|_| {
            let mut stream = TcpStream::connect(server.address()).unwrap();
            stream.write_all(head.as_bytes()).unwrap();
            stream
        })
        .collect();
    // More than there can be instances, and yet, while all of them wait:
    assert_eq!(server.client().get("/credentials").status, 200);
    let mut first = slow.into_iter().next().unwrap();
    first.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut answer = String::new();
    first.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[test]
fn request_ids_come_back_and_are_in_the_log() {
    let directory = TempDir::new();
    let server = start(&directory);
    let client = server.client();
    let answer = client.request("GET", "/credentials?query=canary-query", &[("X-Request-Id", "mine-1.2_3")], None);
    assert_eq!(answer.header("x-request-id"), Some("mine-1.2_3"));
    let made = client.request("GET", "/credentials/canary-name", &[("X-Request-Id", "not\"mine")], None);
    let id = made.header("x-request-id").unwrap().to_owned();
    assert!(id.len() == 16 && !id.contains('"'), "{id}");
    client.post("/credentials", &credential("canary-name"));
    client.request("CANARY", "/canary-path", &[("X-Other", "canary-header")], None);

    let log = server.log_with("(other) (other)");
    let line = |id: &str| log.lines().find(|line| line.contains(id)).unwrap_or_else(|| panic!("{log}")).to_owned();
    assert!(line("id=mine-1.2_3").contains("GET /credentials 200 "), "{log}");
    assert!(line(&id).contains("GET /credentials/{id_or_name} 404 ") && line(&id).contains("token=admin"), "{log}");
    assert!(!log.to_lowercase().contains("canary") && !log.contains(client.token.as_str()), "{log}");
    assert_eq!(log.lines().count(), 4, "one line for each request: {log}");
}

#[test]
fn paths_that_can_be_read_in_two_ways_are_refused() {
    let directory = TempDir::new();
    let server = start(&directory);
    for path in
        ["//credentials", "/./credentials", "/credentials/%2e%2e/health", "/credentials//x", "/x/../credentials"]
    {
        let answer = server.client().get(path);
        assert_eq!((answer.status, answer.code().as_str()), (400, "bad_request"), "{path}");
    }
}

#[test]
fn the_log_can_be_read_by_programs() {
    let directory = TempDir::new();
    let server = Program::on(directory.path()).serve_with(&["--log-format", "json"]);
    server.client().request(
        "GET",
        "/credentials?query=canary",
        &[("X-Request-Id", "mine"), ("Cookie", "canary")],
        None,
    );
    let log = server.log_with("mine");
    let line: Value = serde_json::from_str(log.lines().next().unwrap()).unwrap();
    assert_eq!(line["level"], "info");
    assert_eq!(
        (&line["method"], &line["route"], &line["status"]),
        (&json!("GET"), &json!("/credentials"), &json!(200))
    );
    assert_eq!((&line["token"], &line["id"]), (&json!("admin"), &json!("mine")));
    assert!(line["time"].as_str().unwrap().ends_with('Z') && line["ms"].as_f64().unwrap() > 0.0, "{line}");
    assert!(!log.contains("canary"), "{log}");
}

#[test]
fn concurrent_writers_of_one_server_take_turns() {
    const WRITERS: usize = 16;
    const EACH: usize = 20;
    let directory = TempDir::new();
    let server = start(&directory);
    let client = server.client();
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let client = &client;
            scope.spawn(move || {
                for n in 0..EACH {
                    let answer = client.post("/credentials", &credential(&format!("{writer}-{n}")));
                    assert_eq!(answer.status, 201, "nobody is told to try again: {answer:?}");
                }
            });
        }
    });
    let verified = Program::on(directory.path()).run(&["verify"]);
    assert!(verified.stdout.starts_with(&format!("sound: {} credentials", WRITERS * EACH)), "{verified:?}");
    assert!(verified.stdout.contains(" 0 orphans"), "nobody did work in vain: {verified:?}");
}

#[test]
fn sigterm_ends_it_cleanly_and_finishes_what_runs() {
    let directory = TempDir::new();
    let program = Program::on(directory.path());
    let server = program.serve();
    // An idle connection must not delay the end.
    let mut idle = TcpStream::connect(server.address()).unwrap();
    idle.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    assert!(idle.read(&mut [0; 1024]).unwrap() > 0);
    // A request whose body is still on its way when the signal comes is answered.
    let body = credential("late").to_string();
    let head = head(
        &server,
        "POST /credentials",
        &format!("Content-Type: application/json\r\nContent-Length: {}\r\nExpect: 100-continue\r\n", body.len()),
    );
    let mut late = TcpStream::connect(server.address()).unwrap();
    late.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    late.write_all(head.as_bytes()).unwrap();
    let mut go_on = [0; 25];
    late.read_exact(&mut go_on).unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n", "the server waits for the body");
    let begin = Instant::now();
    server.ask_to_stop();
    while TcpStream::connect(server.address()).is_ok() {
        std::thread::sleep(Duration::from_millis(5));
        assert!(begin.elapsed() < Duration::from_secs(30), "it goes on taking connections");
    }
    late.write_all(body.as_bytes()).unwrap();
    let mut answer = String::new();
    late.read_to_string(&mut answer).unwrap();
    let (status, output) = server.ended();
    assert!(status.success(), "{output:?}");
    // The idle connection would have had 30 seconds.
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    assert!(program.call(&json!({ "action": "get", "id_or_name": "late" })).is_ok());
}

#[test]
fn a_client_that_goes_away_does_not_interrupt_its_change() {
    const CLIENTS: u64 = 60;
    let directory = TempDir::new();
    let program = Program::on(directory.path());
    let server = program.serve();
    for n in 0..CLIENTS {
        let body = credential(&format!("n{n}")).to_string();
        let length = format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
        let head = head(&server, "POST /credentials", &length);
        let mut stream = TcpStream::connect(server.address()).unwrap();
        stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
        // From "not yet received" to "answered".
        std::thread::sleep(Duration::from_micros(n * 100));
        drop(stream);
    }
    let (status, output) = server.stop();
    assert!(status.success(), "{output:?}");
    let verified = program.run(&["verify"]);
    assert!(verified.stdout.starts_with("sound: "), "{verified:?}");
    assert!(verified.stdout.contains(" 0 orphans"), "a change was broken off: {verified:?}");
    assert!(!verified.stdout.starts_with("sound: 0 "), "some have arrived: {verified:?}");
}
