//! A vault is never taken for an empty one: what is missing, damaged, copied in part or from elsewhere is refused with what
//! to do, and left as it is.

use serde_json::json;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use strongroom_host_tests::{Output, Program, TempDir};

const DATABASE: &str = "sqlite_key_value.db";

fn create(program: &Program, name: &str) {
    let request = json!({ "action": "create", "name": name, "domain": "example.com", "values": { "password": "p" } });
    program.call(&request).unwrap();
}

/// All files of a state directory but those that only processes among themselves use.
fn files(state: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(state).unwrap().map(Result::unwrap);
    let files = entries.filter(|entry| entry.file_type().unwrap().is_file());
    let named = files.map(|entry| (entry.file_name().into_string().unwrap(), entry.path()));
    named
        .filter(|(name, _)| name != "lock" && !name.ends_with("-shm"))
        .map(|(name, path)| (name, fs::read(path).unwrap()))
        // Whoever looks into a database makes a log for it, with nothing in it.
        .filter(|(name, content)| !(name.ends_with("-wal") && content.is_empty()))
        .collect()
}

/// Runs a command that must end by itself.
fn run(program: &Program, arguments: &[&str]) -> Output {
    let mut command = program.command(arguments);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() && start.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(10));
    }
    let _ = child.kill();
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Output { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

#[test]
fn that_is_not_whole_is_refused_and_left_alone() {
    let directory = TempDir::new();
    let good = Program::on(&directory.path().join("good"));
    for n in 0..30 {
        create(&good, &format!("n{n}"));
    }
    let other = Program::on(&directory.path().join("other"));
    create(&other, "other");
    // What a power failure leaves: the log is still there.
    let killed = Program::on(&directory.path().join("killed"));
    let server = killed.serve();
    let new = json!({ "name": "n", "domain": "example.com", "values": { "password": "p" } });
    assert_eq!(server.client().post("/credentials", &new).status, 201);
    server.kill();
    let spins = |path: &Path| {
        let sql = "CREATE TABLE spin_key_value (store TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY (store, key))";
        rusqlite::Connection::open(path.join(DATABASE)).unwrap().execute_batch(sql).unwrap();
    };
    let sql =
        |path: &Path, sql: &str| rusqlite::Connection::open(path.join(DATABASE)).unwrap().execute_batch(sql).unwrap();
    let remove = |path: &Path, name: &str| fs::remove_file(path.join(name)).unwrap();
    let overwrite = |path: &Path, change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = fs::read(path.join(DATABASE)).unwrap();
        change(&mut bytes);
        fs::write(path.join(DATABASE), bytes).unwrap();
    };
    type Damage<'a> = &'a (dyn Fn(&Path) + Sync);
    let cases: [(&str, &Program, Damage<'_>, &str); 20] = [
        ("removed", &good, &|path| remove(path, DATABASE), "put it back from a backup"),
        ("emptied", &good, &|path| overwrite(path, &|bytes| bytes.clear()), "put it back from a backup"),
        ("zeroed", &good, &|path| overwrite(path, &|bytes| bytes.fill(0)), "put it back from a backup"),
        ("cut", &good, &|path| overwrite(path, &|bytes| bytes.truncate(bytes.len() / 2)), "put it back from a backup"),
        (
            "a damaged page",
            &good,
            &|path| overwrite(path, &|bytes| (3 * 4096..4 * 4096).for_each(|at| bytes[at] = 0xa5)),
            "put it back from a backup",
        ),
        (
            "of another directory",
            &good,
            &|path| _ = fs::copy(other.state().join(DATABASE), path.join(DATABASE)).unwrap(),
            "belongs to another state directory",
        ),
        (
            "of nobody",
            &good,
            &|path| {
                remove(path, DATABASE);
                spins(path);
            },
            "has lost what it held",
        ),
        (
            "of another program",
            &good,
            &|path| {
                remove(path, DATABASE);
                let other = rusqlite::Connection::open(path.join(DATABASE)).unwrap();
                other.execute_batch("CREATE TABLE bookmarks (url TEXT)").unwrap();
            },
            "has lost what it held, or is a database from elsewhere",
        ),
        (
            "no database at all",
            &good,
            &|path| fs::write(path.join(DATABASE), "a note to myself, on more than sixteen bytes").unwrap(),
            "not a SQLite database",
        ),
        ("without its table", &good, &|path| sql(path, "DROP TABLE spin_key_value"), "has lost the root record"),
        (
            "without its root record",
            &good,
            &|path| sql(path, "DELETE FROM spin_key_value WHERE key GLOB '*.root'"),
            "has lost the root record",
        ),
        (
            "with the key of another",
            &good,
            &|path| _ = fs::copy(other.state().join("master.key"), path.join("master.key")).unwrap(),
            "master.key is not the key that this store was written with",
        ),
        ("with a damaged key", &good, &|path| fs::write(path.join("master.key"), "k1:AAAA").unwrap(), "is damaged"),
        (
            "copied without its log",
            &killed,
            &|path| remove(path, "sqlite_key_value.db-wal"),
            "copied without its -wal file",
        ),
        ("no key", &good, &|path| remove(path, "master.key"), "master.key is missing"),
        (
            "neither key nor store",
            &good,
            &|path| {
                remove(path, "master.key");
                remove(path, DATABASE);
            },
            "there",
        ),
        ("no tokens", &good, &|path| remove(path, "tokens"), "tokens is missing"),
        (
            "damaged tokens",
            &good,
            &|path| fs::write(path.join("tokens"), "x").unwrap(),
            "tokens: line 1: an entry must",
        ),
        (
            "a link to a database",
            &good,
            &|path| {
                fs::rename(path.join(DATABASE), path.join("moved.db")).unwrap();
                std::os::unix::fs::symlink(path.join("moved.db"), path.join(DATABASE)).unwrap();
            },
            "is a symbolic link",
        ),
        ("a damaged id", &good, &|path| fs::write(path.join("store.id"), "x").unwrap(), "store.id is damaged"),
    ];
    let check = |(name, from, damage, expected): &(&str, &Program, Damage<'_>, &str)| {
        let (name, expected) = (*name, *expected);
        let state = directory.path().join(name);
        assert!(Command::new("cp").arg("-r").args([from.state(), &state]).status().unwrap().success());
        damage(&state);
        let before = files(&state);
        let program = Program::on(&state);
        let output = run(&program, &["serve", "--listen", "127.0.0.1:0"]);
        println!("| {name} | {} |", output.stderr.trim().replace(directory.path().to_str().unwrap(), ""));
        assert_eq!((output.code, output.stdout.as_str()), (Some(1), ""), "{name}: {output:?}");
        assert!(output.stderr.lines().count() == 1 && output.stderr.contains(expected), "{name}: {output:?}");
        assert!(files(&state) == before, "{name}: something was changed");
        // Neither by what may begin a vault, nor by what may not.
        for command in [&["init"][..], &["call", r#"{"action":"list"}"#], &["verify"], &["purge", "--deleted"]] {
            let output = run(&program, command);
            // The structure of the whole file is looked at by the server only; these see what they meet.
            assert!(output.code == Some(1) || name == "a damaged page", "{name} {command:?}: {output:?}");
            assert!(files(&state) == before, "{name} {command:?}: something was changed");
        }
    };
    // Side by side: each refusal takes a moment, in which somebody who closes the database would be done.
    std::thread::scope(|scope| {
        for case in &cases {
            let check = &check;
            scope.spawn(move || check(case));
        }
    });
    // The same without damage.
    assert!(good.run(&["verify"]).stdout.starts_with("sound: 30 credentials"));
    assert!(killed.run(&["verify"]).stdout.starts_with("sound: 1 credentials"));
    assert!(killed.run(&["verify"]).stdout.starts_with("sound: 1 credentials"), "and again, after a clean end");
}

#[test]
fn that_is_lost_can_be_begun_anew() {
    let directory = TempDir::new();
    let program = Program::on(directory.path());
    create(&program, "lost");
    for name in [DATABASE, "sqlite_key_value.db-wal", "sqlite_key_value.db-shm"] {
        let _ = fs::remove_file(program.state().join(name));
    }
    let init = program.run(&["init"]);
    assert_eq!(init.code, Some(1), "{init:?}");
    let init = program.run(&["init", "--force"]);
    assert_eq!(init.code, Some(0), "{init:?}");
    assert!(program.run(&["verify"]).stdout.starts_with("sound: 0 credentials"));
    create(&program, "new");
}

/// Whether its store is there or was lost: what a running program has in its hands is not begun anew.
#[test]
fn that_is_in_use_is_not_begun_anew() {
    let directory = TempDir::new();
    let program = Program::on(directory.path());
    let server = program.serve();
    let new = json!({ "name": "kept", "domain": "example.com", "values": { "password": "p" } });
    assert_eq!(server.client().post("/credentials", &new).status, 201);
    let assert_refused = || {
        let before = files(program.state());
        let init = run(&program, &["init", "--force"]);
        assert!(init.code == Some(1) && init.stderr.contains("in use by a running program"), "{init:?}");
        let after = files(program.state());
        assert_eq!(before.get("store.id"), after.get("store.id"));
        assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
    };
    assert_refused();
    assert_eq!(server.client().get("/credentials/kept").status, 200);
    // All else goes on beside it.
    assert!(program.run(&["verify"]).stdout.starts_with("sound: 1 credentials"));
    assert_eq!(program.run(&["init"]).code, Some(0));
    for name in [DATABASE, "sqlite_key_value.db-wal", "sqlite_key_value.db-shm"] {
        let _ = fs::remove_file(program.state().join(name));
    }
    assert_refused();
    server.kill();
    assert_eq!(run(&program, &["init", "--force"]).code, Some(0));
    assert!(program.run(&["verify"]).stdout.starts_with("sound: 0 credentials"));
}

#[test]
fn key_and_store_can_be_brought_from_elsewhere() {
    let directory = TempDir::new();
    let old = Program::on(&directory.path().join("old"));
    create(&old, "kept");
    let new = Program::on(&directory.path().join("new"));
    fs::create_dir(new.state()).unwrap();
    for name in ["master.key", DATABASE] {
        fs::copy(old.state().join(name), new.state().join(name)).unwrap();
    }
    assert!(new.run(&["verify"]).stdout.starts_with("sound: 1 credentials"));
    let server = new.serve();
    assert_eq!(server.client().get("/credentials/kept").status, 200);
}

#[test]
fn a_typing_error_makes_no_vault() {
    let directory = TempDir::new();
    let program = Program::on(&directory.path().join("typo"));
    for command in [
        &["verify"][..],
        &["sweep"],
        &["token", "list"],
        &["token", "new", "--name", "a", "--scopes", "read"],
        &["token", "revoke", "a"],
        &["supply", "a", "--origin", "https://example.com", "--exec", "true"],
    ] {
        let output = program.run(command);
        assert_eq!((output.code, output.stdout.as_str()), (Some(1), ""), "{command:?} {output:?}");
        assert!(output.stderr.contains("there is no vault in"), "{output:?}");
        assert!(!program.state().exists());
    }
}

#[test]
fn that_is_removed_under_a_running_server_takes_no_more_writes() {
    let directory = TempDir::new();
    let program = Program::on(directory.path());
    let server = program.serve();
    let client = server.client();
    let new = |name: &str| json!({ "name": name, "domain": "example.com", "values": { "password": "p" } });
    assert_eq!(client.post("/credentials", &new("a")).status, 201);
    for name in [DATABASE, "sqlite_key_value.db-wal", "sqlite_key_value.db-shm"] {
        fs::remove_file(program.state().join(name)).unwrap();
    }
    for _ in 0..5 {
        let answer = client.post("/credentials", &new("b"));
        assert_eq!((answer.status, answer.code().as_str()), (500, "storage_failed"), "{answer:?}");
    }
    server.log_with("sqlite_key_value.db was removed or replaced");
    let (status, output) = server.stop();
    assert!(status.success(), "{output:?}");
    assert!(!program.state().join(DATABASE).exists(), "and none is made in its place");
}
