//! SECURITY.md: of a value that went through the server nothing is left in its memory, once it was answered and the
//! connection is closed; and nobody else of the same user can look into that memory.

#![cfg(target_os = "linux")]

use serde_json::json;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::net::TcpStream;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};
use strongroom_host_tests::{Program, Server, TempDir};

/// Two parts, so that no constant of anybody is what is searched for.
fn canary() -> String {
    ["canary-9b41-", "password-in-memory"].concat()
}

/// How many times a text stands in what the process may write to. `None` where we may not look.
fn times_in_memory(server: &Server, text: &str) -> Option<usize> {
    let path = format!("/proc/{}", server.id());
    let memory = match File::open(format!("{path}/mem")) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => return None,
        memory => memory.unwrap(),
    };
    let mut found = 0;
    for line in fs::read_to_string(format!("{path}/maps")).unwrap().lines() {
        let mut words = line.split_whitespace();
        let (range, mode) = (words.next().unwrap(), words.next().unwrap());
        if !mode.starts_with("rw") || line.ends_with("[vvar]") {
            continue;
        }
        let (from, to) = range.split_once('-').unwrap();
        let (from, to) = (u64::from_str_radix(from, 16).unwrap(), u64::from_str_radix(to, 16).unwrap());
        let mut part = vec![0; 1 << 20];
        let mut at = from;
        while at < to {
            let length = part.len().min((to - at) as usize);
            // Some mappings can't be read.
            let Ok(read @ 1..) = memory.read_at(&mut part[..length], at) else { break };
            found += count(&part[..read], text.as_bytes());
            // What stands across the end of a part is found in the next one.
            at += if read < length || read <= text.len() { read as u64 } else { (read - text.len() + 1) as u64 };
        }
    }
    Some(found)
}

fn count(haystack: &[u8], needle: &[u8]) -> usize {
    let firsts = haystack.iter().enumerate().filter(|(_, byte)| **byte == needle[0]);
    firsts.filter(|(at, _)| haystack[*at..].starts_with(needle)).count()
}

#[test]
fn holds_no_value_when_it_was_answered() {
    let directory = TempDir::new();
    let server = Program::on(directory.path()).serve();
    let (client, canary) = (server.client(), canary());
    let new = |name: &str| json!({ "name": name, "domain": "example.com", "values": { "password": canary, "other": canary.repeat(40) } });
    // A connection on which a body is on its way: the search finds what is there.
    let mut open = TcpStream::connect(server.address()).unwrap();
    let head = format!(
        "POST /credentials HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nContent-Length: 5000\r\n\r\n",
        client.token
    );
    open.write_all(format!("{head}{{\"name\":\"{canary}").as_bytes()).unwrap();
    let begin = Instant::now();
    let there = loop {
        match times_in_memory(&server, &canary) {
            Some(0) if begin.elapsed() < Duration::from_secs(5) => std::thread::sleep(Duration::from_millis(20)),
            times => break times,
        }
    };
    if there.is_none() {
        eprintln!("the memory of another process can't be read here, which is half of the promise");
        return;
    }
    assert!(there > Some(0), "the search finds nothing");
    drop(open);

    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (client, new) = (&client, &new);
            scope.spawn(move || {
                for n in 0..10 {
                    let name = format!("n{thread}-{n}");
                    assert_eq!(client.post("/credentials", &new(&name)).status, 201);
                    let supply = json!({ "origin": "https://example.com" });
                    let supplied = client.post(&format!("/credentials/{name}/supply"), &supply);
                    assert!(supplied.status == 200 && supplied.body.contains("canary"));
                    assert_eq!(
                        client.patch(&format!("/credentials/{name}"), &json!({ "values": { "password": "x" } })).status,
                        200
                    );
                }
            });
        }
    });
    let begin = Instant::now();
    loop {
        let left = times_in_memory(&server, &canary);
        if left == Some(0) {
            break;
        }
        assert!(begin.elapsed() < Duration::from_secs(10), "{left:?} times in the server's memory");
        std::thread::sleep(Duration::from_millis(100));
    }
    println!("nothing left {:?} after the last answer", begin.elapsed());
}
