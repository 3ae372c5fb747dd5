//! Calls over HTTP, on connections that are kept.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// A path, and a body if it is a POST.
pub type Call = (String, Option<String>);

/// What became of calls.
pub struct Answered {
    /// Successes a second.
    pub rate: f64,
    pub successes: u64,
    /// Answers 503, whatever for.
    pub unavailable: u64,
}

/// Calls for some time over so many connections, which take turns in going to these servers.
pub fn calls<'a>(
    servers: &[SocketAddr],
    connections: usize,
    time: Duration,
    token: &(dyn Fn(usize) -> &'a str + Sync),
    call: &(dyn Fn(u64) -> Call + Sync),
) -> Answered {
    let rounds = AtomicU64::new(0);
    let next = || call(rounds.fetch_add(1, Ordering::Relaxed));
    // One round to warm up.
    servers.iter().for_each(|server| _ = Connection::open(*server).ask(token(0), &next()));
    let start = Instant::now();
    let (successes, unavailable) = thread::scope(|scope| {
        let threads: Vec<_> = (0..connections)
            .map(|number| {
                let next = &next;
                scope.spawn(move || {
                    let mut connection = Connection::open(servers[number % servers.len()]);
                    let (mut successes, mut unavailable) = (0, 0);
                    while start.elapsed() < time {
                        match connection.ask(token(number), &next()) {
                            200..300 => successes += 1,
                            503 => unavailable += 1,
                            status => panic!("{status}: {}", String::from_utf8_lossy(&connection.received)),
                        }
                    }
                    (successes, unavailable)
                })
            })
            .collect();
        let ended = threads.into_iter().map(|thread| thread.join().unwrap());
        ended.fold((0, 0), |sum, each| (sum.0 + each.0, sum.1 + each.1))
    });
    Answered { rate: successes as f64 / start.elapsed().as_secs_f64(), successes, unavailable }
}

/// A connection that is kept, with one request at a time.
pub struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Connection {
    pub fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, received: Vec::new() }
    }

    /// The status of the answer, which is read whole.
    pub fn ask(&mut self, token: &str, (path, body): &Call) -> u16 {
        let method = if body.is_some() { "POST" } else { "GET" };
        let body = body.as_deref().unwrap_or_default();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.stream.write_all(request.as_bytes()).unwrap();
        self.received.clear();
        let head = loop {
            if let Some(end) = self.received.windows(4).position(|window| window == b"\r\n\r\n") {
                break String::from_utf8_lossy(&self.received[..end + 4]).to_ascii_lowercase();
            }
            self.receive();
        };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let end = head.len() + length.expect("an answer has a length").parse::<usize>().unwrap();
        while self.received.len() < end {
            self.receive();
        }
        head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("an answer has a status")
    }

    fn receive(&mut self) {
        let mut buffer = [0; 4096];
        let length = self.stream.read(&mut buffer).unwrap();
        assert!(length > 0, "the server closed the connection");
        self.received.extend_from_slice(&buffer[..length]);
    }
}
