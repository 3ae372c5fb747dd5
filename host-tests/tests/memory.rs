//! SECURITY.md: of a value that went through the server nothing is left in its memory, once it was answered and the
//! connection is closed; and nobody else of the same user can look into that memory.

#![cfg(target_os = "linux")]

use serde_json::json;
use std::fs::{self, Permissions};
use std::io::Write;
use std::net::TcpStream;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use strongroom_host_tests::{Program, TempDir};

/// Two parts, so that no constant of anybody is what is searched for.
fn canary() -> String {
    ["canary-9b41-", "password-in-memory"].concat()
}

#[test]
fn holds_no_value_when_it_was_answered() {
    let directory = TempDir::new();
    let (server, mut inside) = Program::on(directory.path()).serve_seen(&[]);
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
    while inside.count(&canary) == 0 {
        assert!(begin.elapsed() < Duration::from_secs(30), "the search finds nothing");
        std::thread::sleep(Duration::from_millis(20));
    }
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
        let left = inside.count(&canary);
        if left == 0 {
            break;
        }
        assert!(begin.elapsed() < Duration::from_secs(30), "{left} times in the server's memory");
        std::thread::sleep(Duration::from_millis(100));
    }
    println!("nothing left {:?} after the last answer", begin.elapsed());
}

/// Someone who is not root: ourselves, or user 65534.
const NOBODY: u32 = 65534;

/// A command that this one runs, in a directory that he can read.
fn as_somebody(mut command: Command) -> Command {
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

fn is_root() -> bool {
    fs::read_to_string("/proc/self/status").unwrap().lines().any(|line| line.starts_with("Uid:\t0\t"))
}

struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whether another process of the same user can read the environment of this one. To the kernel that is the same question as
/// for its memory.
fn can_be_looked_into(process: u32) -> bool {
    let mut command = Command::new("cat");
    command.arg(format!("/proc/{process}/environ"));
    let output = as_somebody(command).output().unwrap();
    assert!(
        output.status.success() || String::from_utf8_lossy(&output.stderr).contains("Permission denied"),
        "{output:?}"
    );
    output.status.success()
}

#[test]
fn is_closed_to_other_processes_of_the_same_user() {
    let directory = TempDir::new();
    let place = directory.path().join("place");
    fs::create_dir(&place).unwrap();
    // A copy, as not everybody may enter the folder of the build.
    let binary = directory.path().join("strongroom");
    fs::copy(Program::binary(), &binary).unwrap();
    fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
    if is_root() {
        chown(&place, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    let start = |mut command: Command| {
        command.current_dir(&place).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        Ended(as_somebody(command).spawn().unwrap())
    };
    let mut sleep = Command::new("sleep");
    sleep.arg("600");
    let other = start(sleep);
    let mut serve = Command::new(&binary);
    serve.args(["serve", "--listen", "127.0.0.1:0", "--state-dir"]).arg(place.join("state"));
    let mut server = start(serve);
    let mut first = [0; 10];
    std::io::Read::read_exact(server.0.stdout.as_mut().unwrap(), &mut first).unwrap();
    assert_eq!(&first, b"Strongroom");
    assert!(can_be_looked_into(other.0.id()), "else this would show nothing");
    assert!(!can_be_looked_into(server.0.id()));
}
