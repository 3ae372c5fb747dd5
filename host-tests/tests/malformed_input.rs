//! Malformed requests over real connections: refused by a 4xx, quickly, in bounded memory, and nothing of them comes back
//! or reaches the log. What single rules refuse is tested in `src/http/tests/malformed.rs`.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use strongroom_host_tests::{Program, Server, TempDir};

const CANARY: &str = "hunter2-canary";
/// Far beyond what a request takes, far below what the bodies sent here would take.
const MEMORY_BYTES: u64 = 96 << 20;

fn start(directory: &TempDir) -> Server {
    // The first start compiles the component, and keeps some of the 60 MiB that this takes.
    drop(Program::on(directory.path()).serve());
    // More releases than a token gets in a minute.
    Program::on(directory.path()).serve_with(&["--supply-limit", "100000"])
}

fn head(server: &Server, first: &str, more: &str) -> String {
    let token = server.admin_token();
    format!(
        "{first} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n{more}\r\n"
    )
}

/// Resident memory of the server, in bytes; 0 where that can't be asked for.
fn memory(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0 kB");
    line.trim().split(' ').next().and_then(|number| number.parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// Bodies that no operation accepts.
fn bodies() -> Vec<Vec<u8>> {
    let valid = format!(
        r#"{{"name":"n","domain":"example.com","origin":"https://example.com","values":{{"user":"{CANARY}","p":"\u00e9{CANARY}"}}}}"#
    );
    let mut bodies: Vec<Vec<u8>> = (0..valid.len()).map(|length| valid.as_bytes()[..length].to_vec()).collect();
    let with = |field: &str, value: &str| format!(r#"{},"{field}":{value}}}"#, &valid[..valid.len() - 1]).into_bytes();
    for (field, values) in [
        ("sso_provider", &["1", "[]", "{}", "true", r#""\u0000hunter2-canary""#][..]),
        ("totp_secret", &["1", r#"["hunter2-canary"]"#, r#"{"a":"hunter2-canary"}"#]),
        ("totp_digits", &["1e400", "6.5", r#""6""#, "[6]", "1234567890123456789012345678901234567890"]),
        ("totp_period", &["-1e400", "0.1", r#""hunter2-canary""#, "{}"]),
        ("totp_algorithm", &["1", r#""hunter2-canary""#]),
        ("values", &[r#""hunter2-canary""#, "null", "{}"]),
        ("name", &[r#""hunter2-canary""#]),
    ] {
        // Some are wrong by their kind, the last two because the member is there twice.
        bodies.extend(values.iter().map(|value| with(field, value)));
    }
    let strings = ["\\ud800", "\\udc00\\ud800", "\\u12", "\\x41", "\u{1}", "\n", "\\"];
    bodies.extend(strings.iter().map(|text| with("x", &format!("\"{CANARY}{text}\""))));
    bodies.extend([&b"\xff"[..], b"\xc0\x80", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80"].map(|bytes| {
        let mut body = valid.as_bytes()[..20].to_vec();
        body.extend_from_slice(bytes);
        body.extend_from_slice(&valid.as_bytes()[20..]);
        body
    }));
    for levels in [33, 1000, 100_000] {
        bodies.push("[".repeat(levels).into_bytes());
        bodies.push("{\"values\":".repeat(levels).into_bytes());
        bodies.push(with("x", &format!("{}{}", "[".repeat(levels), "]".repeat(levels))));
    }
    bodies.push(with("x", &format!("[{}1]", "1,".repeat(300_000))));
    let many: Vec<String> = (0..20_000).map(|number| format!("\"{number}\":\"\"")).collect();
    bodies.push(with("x", &format!("{{{}}}", many.join(","))));
    bodies
}

#[test]
fn hundreds_of_bodies() {
    let directory = TempDir::new();
    let server = start(&directory);
    let routes = ["POST /credentials", "PUT /credentials/n", "PATCH /credentials/n", "POST /credentials/n/supply"];
    let bodies = bodies();
    assert!(bodies.len() > 150, "{}", bodies.len());
    for (number, body) in bodies.iter().enumerate() {
        // Supply has none of the fields that only the others refuse.
        for first in &routes[..if number < 100 { 4 } else { 2 }] {
            let headers = format!("Connection: close\r\nContent-Length: {}\r\n", body.len());
            let mut request = head(&server, first, &headers).into_bytes();
            request.extend_from_slice(body);
            let start = Instant::now();
            let answer = String::from_utf8(server.client().raw(&request).unwrap()).unwrap();
            let sent = String::from_utf8_lossy(&body[..body.len().min(200)]);
            assert!(answer.starts_with("HTTP/1.1 400 "), "{first} {sent}: {answer}");
            assert!(!answer.contains("canary"), "{first} {sent}: {answer}");
            assert!(start.elapsed() < Duration::from_secs(2), "{first} {sent}: took {:?}", start.elapsed());
        }
    }
    assert!(!server.log().contains("canary"));
    let memory = memory(&server);
    println!("{} bodies, afterwards {} MiB resident", bodies.len(), memory >> 20);
    assert!(memory < MEMORY_BYTES, "{memory}");
    assert_eq!(server.client().get("/credentials").body, "[]");
}

#[test]
fn bodies_of_ten_megabytes_and_bodies_without_end() {
    let directory = TempDir::new();
    let server = start(&directory);
    let before = memory(&server);
    let start = Instant::now();
    let peak = std::thread::scope(|scope| {
        let senders: Vec<_> = (0..16)
            .map(|number| {
                let server = &server;
                scope.spawn(move || match number % 2 {
                    0 => send(server, "Content-Length: 10485760\r\n", |_| vec![b' '; 64 << 10]),
                    _ => send(server, "Transfer-Encoding: chunked\r\n", |_| {
                        let mut chunk = b"10000\r\n".to_vec();
                        chunk.resize(chunk.len() + (64 << 10), b'[');
                        chunk.extend(b"\r\n");
                        chunk
                    }),
                })
            })
            .collect();
        let mut peak = 0;
        while !senders.iter().all(|sender| sender.is_finished()) {
            peak = peak.max(memory(&server));
            std::thread::sleep(Duration::from_millis(2));
        }
        for sender in senders {
            let answer = sender.join().unwrap();
            assert!(answer.starts_with("HTTP/1.1 413 ") || answer.is_empty(), "{answer}");
        }
        peak
    });
    println!("16 senders: {:?}, {} MiB resident before, {} MiB at most", start.elapsed(), before >> 20, peak >> 20);
    assert!(start.elapsed() < Duration::from_secs(12));
    assert!(peak < before + MEMORY_BYTES, "{peak}");
    assert_eq!(server.client().get("/credentials").status, 200);
}

/// Sends pieces of a body, 10 MiB of them, until the server has enough, and returns its answer: empty where the cut
/// connection took it along.
fn send(server: &Server, headers: &str, piece: impl Fn(u64) -> Vec<u8>) -> String {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
    stream.write_all(head(server, "POST /credentials", headers).as_bytes()).unwrap();
    let was_cut = (0..160).any(|number| stream.write_all(&piece(number)).is_err());
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = stream.read(&mut buffer) {
        answer.extend_from_slice(&buffer[..length]);
    }
    assert!(was_cut || !answer.is_empty(), "the server waits for more");
    String::from_utf8_lossy(&answer).into_owned()
}
