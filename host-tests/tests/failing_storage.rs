//! What is wrong with the storage is said: callers get a code that tells whether trying again helps, health with a token
//! finds it by a write of its own, and the log names the cause, but not a line for each call.

use serde_json::{Value, json};
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::process::Command;
use std::time::{Duration, Instant};
use strongroom_host_tests::{Answer, Client, Program, Server, TempDir};

const DATABASE: &str = "sqlite_key_value.db";
const PAGE_BYTES: u64 = 4096;

fn credential(name: &str) -> Value {
    json!({ "name": name, "domain": "example.com", "values": { "password": "p" }, "totp_secret": "JBSWY3DPEHPK3PXP" })
}

/// A server with some credentials.
fn start(directory: &TempDir) -> (Program, Server) {
    let program = Program::on(directory.path());
    let server = program.serve();
    for n in 0..30 {
        assert_eq!(server.client().post("/credentials", &credential(&format!("n{n}"))).status, 201);
    }
    (program, server)
}

fn database(program: &Program) -> rusqlite::Connection {
    rusqlite::Connection::open(program.state().join(DATABASE)).unwrap()
}

/// A failure that does not pass: trying again is pointless, and the answer says so.
#[track_caller]
fn assert_final(answer: &Answer, code: &str) {
    assert_eq!((answer.status, answer.code().as_str()), (500, code), "{answer:?}");
    assert_eq!((answer.header("x-should-retry"), answer.header("retry-after")), (Some("false"), None), "{answer:?}");
}

/// What health says to those with a token and to those without.
#[track_caller]
fn assert_not_ready(client: &Client, check: &str, code: &str) {
    let answer = client.get("/health");
    let json = answer.json();
    assert_eq!((answer.status, &json["status"]), (503, &json!("not_ready")), "{answer:?}");
    assert_eq!((&json["check"], &json["code"]), (&json!(check), &json!(code)), "{answer:?}");
}

#[track_caller]
fn assert_ready(client: &Client) {
    let answer = client.get("/health");
    assert_eq!((answer.status, &answer.json()["status"]), (200, &json!("ready")), "{answer:?}");
}

/// The same call many times, and the lines of the log about it: a few at most.
fn assert_logged(server: &Server, cause: &str, call: impl Fn()) {
    let begin = Instant::now();
    for _ in 0..50 {
        call();
    }
    let log = server.log_with(cause);
    let lines = log.lines().filter(|line| line.contains("ERROR") && line.contains(cause)).count() as u64;
    // Of each kind of failure one in a second; a swap whose end is unknown is another kind.
    assert!(lines <= 2 * (begin.elapsed().as_secs() + 2), "{lines} lines: {log}");
}

#[test]
fn a_full_disk() {
    let directory = TempDir::new();
    let (program, server) = start(&directory);
    let client = server.client();
    assert_ready(&client);
    // No file may grow any more: to the program that is a device that takes nothing.
    let limit = |bytes: &str| {
        let (id, limit) = (server.id().to_string(), format!("--fsize={bytes}:unlimited"));
        let output = Command::new("prlimit").args(["--pid", &id, &limit]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    limit("1");
    assert_logged(&server, "disk I/O error (SQLite error 778)", || {
        assert_final(&client.post("/credentials", &credential("new")), "storage_failed");
    });
    assert_not_ready(&client, "write", "storage_failed");
    // What only reads goes on.
    assert_eq!(client.get("/credentials/n3/totp-code").status, 200);
    assert_eq!(server.client_with("").get("/health").status, 200, "who has no token has nothing written");

    limit("unlimited");
    assert_ready(&client);
    assert_eq!(client.post("/credentials", &credential("new")).status, 201);
    let (status, output) = server.stop();
    assert!(status.success(), "{output:?}");
    assert!(program.run(&["verify"]).stdout.starts_with("sound: 31 credentials"));
}

#[test]
fn damaged_pages() {
    let directory = TempDir::new();
    let (program, server) = start(&directory);
    server.stop();
    let server = program.serve();
    let client = server.client();
    assert_ready(&client);
    // Everything is in the file, and nobody's cache is up to date.
    let other = database(&program);
    other.execute_batch("CREATE TABLE another (a)").unwrap();
    other.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    let file = OpenOptions::new().write(true).open(program.state().join(DATABASE)).unwrap();
    let pages = file.metadata().unwrap().len() / PAGE_BYTES;
    for page in 1..pages {
        file.write_all_at(&[0xa5; PAGE_BYTES as usize], page * PAGE_BYTES).unwrap();
    }
    assert_logged(&server, "malformed (SQLite error 11)", || {
        assert_final(&client.get("/credentials/n3"), "storage_failed");
    });
    let answer = client.get("/health");
    assert_eq!((answer.status, &answer.json()["code"]), (503, &json!("storage_failed")), "{answer:?}");
    assert_eq!(server.client_with("").get("/health").status, 503);
}

#[test]
fn a_renamed_table() {
    let directory = TempDir::new();
    let (program, server) = start(&directory);
    let client = server.client();
    let other = database(&program);
    other.execute_batch("ALTER TABLE spin_key_value RENAME TO renamed").unwrap();
    assert_logged(&server, "no such table: spin_key_value", || {
        assert_final(&client.get("/credentials"), "storage_failed");
    });
    assert_not_ready(&client, "atomics", "storage_failed");
    other.execute_batch("ALTER TABLE renamed RENAME TO spin_key_value").unwrap();
    assert_eq!(client.get("/credentials").status, 200);
    assert_ready(&client);
}

#[test]
fn an_unreadable_tokens_file() {
    let directory = TempDir::new();
    let (program, server) = start(&directory);
    let client = server.client();
    let path = program.state().join("tokens");
    let tokens = fs::read_to_string(&path).unwrap();
    for damage in ["missing", "damaged", "a directory"] {
        fs::remove_file(&path).unwrap();
        match damage {
            "damaged" => fs::write(&path, "nonsense").unwrap(),
            "a directory" => fs::create_dir(&path).unwrap(),
            _ => {}
        }
        assert_logged(&server, "the tokens cannot be told: ", || {
            assert_final(&client.get("/credentials"), "misconfigured");
        });
        assert_eq!(server.client_with("").get("/credentials").status, 401);
        match damage {
            "missing" => {}
            "damaged" => fs::remove_file(&path).unwrap(),
            _ => fs::remove_dir(&path).unwrap(),
        }
        fs::write(&path, &tokens).unwrap();
        assert_eq!(client.get("/credentials").status, 200, "{damage}");
    }
}

/// Whoever holds SQLite's lock holds up those who write, for as long as they have, and nobody else.
#[test]
fn another_program_that_holds_the_database() {
    let directory = TempDir::new();
    let (program, server) = start(&directory);
    let client = server.client();
    let other = database(&program);
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..24)
            .map(|n| {
                let client = &client;
                scope.spawn(move || client.post("/credentials", &credential(&format!("w{n}"))))
            })
            .collect();
        std::thread::sleep(Duration::from_millis(500));
        let mut times = Vec::new();
        while !writers.iter().all(|writer| writer.is_finished()) {
            let begin = Instant::now();
            assert_eq!(client.get("/credentials/n3/totp-code").status, 200);
            times.push(begin.elapsed());
            std::thread::sleep(Duration::from_millis(20));
        }
        times.sort_unstable();
        println!("24 writers wait: {} codes, p99 {:?}", times.len(), times[times.len() * 99 / 100]);
        // Half as long as the writers do.
        assert!(times[times.len() * 99 / 100] < Duration::from_secs(5), "readers wait for writers");
        for writer in writers {
            let answer = writer.join().unwrap();
            assert_eq!(answer.status, 503, "{answer:?}");
            match answer.code().as_str() {
                // It may still happen: trying again unseen is no good idea.
                "outcome_unknown" => assert_eq!(answer.header("x-should-retry"), Some("false"), "{answer:?}"),
                _ => assert!(answer.header("retry-after").is_some(), "{answer:?}"),
            }
        }
    });
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(client.post("/credentials", &credential("afterwards")).status, 201);
    assert!(program.run(&["verify"]).stdout.starts_with("sound: "));
}
