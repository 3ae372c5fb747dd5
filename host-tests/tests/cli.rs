//! The `strongroom` program, as a person at a terminal meets it.

use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use strongroom_host_tests::{Output, Program, TempDir};

fn credential(name: &str) -> Value {
    json!({ "name": name, "domain": "example.com", "values": { "username": "u", "password": "p" } })
}

fn create(name: &str) -> Value {
    let mut request = credential(name);
    request["action"] = "create".into();
    request
}

fn list(program: &Program) -> Vec<String> {
    let (mut names, mut offset) = (Vec::new(), 0);
    loop {
        let page = program.call(&json!({ "action": "list", "limit": 100, "offset": offset })).unwrap();
        let items = page["items"].as_array().unwrap();
        names.extend(items.iter().map(|item| item["name"].as_str().unwrap().to_owned()));
        if page["has_more"] == false {
            return names;
        }
        offset = page["next_offset"].as_u64().unwrap();
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Exit code 1, nothing on standard output, one line on standard error, no back-trace.
fn assert_one_clear_line(output: &Output, parts: &[&str]) {
    assert_eq!((output.code, output.stdout.as_str()), (Some(1), ""), "{output:?}");
    assert!(output.stderr.starts_with("strongroom: ") && output.stderr.lines().count() == 1, "{output:?}");
    assert!(parts.iter().all(|part| output.stderr.contains(part)), "{parts:?} not in {output:?}");
    for noise in ["Backtrace", "backtrace", "panicked", "Error {"] {
        assert!(!output.stderr.contains(noise), "{output:?}");
    }
}

#[test]
fn the_first_start_prints_lines_that_work() {
    let directory = TempDir::new();
    // A path that the printed lines must quote.
    let program = Program::on(&directory.path().join("it's my vault"));
    let server = program.serve();
    let server = {
        for (name, expected) in [("", 0o700), ("master.key", 0o600), ("admin.token", 0o600), ("tokens", 0o600)] {
            assert_eq!(mode(&program.state().join(name)), expected, "{name}");
        }
        server
    };
    // The lines are printed after the address, which is all that `serve` waits for.
    while !server.stdout().contains("/totp-code\n") {
        std::thread::sleep(Duration::from_millis(5));
    }
    let printed = server.stdout();
    assert!(printed.contains(&server.address().to_string()) && printed.contains("master.key"), "{printed}");
    let lines: Vec<&str> = printed.lines().filter(|line| line.contains("| curl ")).collect();
    let [first, second] = lines.as_slice() else { panic!("{printed}") };

    let run = |line: &str| {
        let output = Command::new("bash").args(["-c", line]).current_dir("/").output().unwrap();
        assert!(output.status.success(), "{line}: {output:?}");
        serde_json::from_slice::<Value>(&output.stdout).unwrap_or_else(|_| panic!("{line}: {output:?}"))
    };
    assert_eq!(run(first)["name"], "example-work-login");
    let code = run(second);
    assert_eq!(code["code"].as_str().unwrap().len(), 6, "{code}");

    // A later start says less, and nothing secret was ever printed.
    let token = server.admin_token();
    let (_, output) = server.stop();
    let again = program.serve();
    assert!(!again.stdout().contains("curl"));
    let key = fs::read_to_string(program.state().join("master.key")).unwrap();
    for text in [output.stdout, output.stderr, again.stdout(), again.log()] {
        assert!(!text.contains(&token) && !text.contains(key.trim()));
    }
}

#[test]
fn call_runs_the_documented_request() {
    let directory = TempDir::new();
    let program = Program::on(directory.path());
    let request = r#"{"action":"create","domain":"accounts.example.com","name":"example-work-login","values":{"username":"ops@example.com","password":"fake-password-for-docs"},"totp_secret":"JBSWY3DPEHPK3PXP"}"#;
    let created = program.run(&["call", "--quiet", request]);
    assert_eq!((created.code, created.stderr.as_str()), (Some(0), ""), "{created:?}");
    let answer: Value = serde_json::from_str(&created.stdout).unwrap();
    assert_eq!(answer["value_keys"], json!(["username", "password"]));
    assert!(!created.stdout.contains("fake-password-for-docs") && !created.stdout.contains("JBSWY3DPEHPK3PXP"));

    let again = program.run(&["call", "--quiet", request]);
    assert_eq!((again.code, again.stdout.as_str()), (Some(1), ""), "{again:?}");
    assert_eq!(serde_json::from_str::<Value>(&again.stderr).unwrap()["code"], "name_taken");

    let code = program.call(&json!({ "action": "totp_code", "id_or_name": "example-work-login" })).unwrap();
    assert_eq!(code["code"].as_str().unwrap().len(), 6);
}

#[test]
fn errors_are_one_clear_line() {
    let directory = TempDir::new();
    let good = Program::on(&directory.path().join("good"));
    good.call(&create("a")).unwrap();
    let copy = |name: &str| {
        let to = directory.path().join(name);
        let copied = Command::new("cp").arg("-r").args([good.state(), &to]).status().unwrap();
        assert!(copied.success());
        Program::on(&to)
    };
    let list = &["call", r#"{"action":"list"}"#];
    let serve = &["serve", "--listen", "127.0.0.1:0"];

    let wrong_key = copy("wrong-key");
    fs::write(wrong_key.state().join("master.key"), format!("k1:{}\n", "A".repeat(43))).unwrap();
    assert_one_clear_line(&wrong_key.run(list), &["master.key is not the key"]);
    assert_one_clear_line(&wrong_key.run(serve), &["master.key is not the key"]);

    let other_id = copy("other-key-id");
    fs::write(other_id.state().join("master.key"), format!("k2:{}\n", "A".repeat(43))).unwrap();
    assert_one_clear_line(&other_id.run(list), &["master.key is not the key"]);

    let no_key = copy("no-key");
    fs::remove_file(no_key.state().join("master.key")).unwrap();
    assert_one_clear_line(&no_key.run(serve), &["master.key is missing", "backup"]);
    assert!(!no_key.state().join("master.key").exists(), "no new key over an old store");

    let damaged_key = copy("damaged-key");
    fs::write(damaged_key.state().join("master.key"), "k1:tooshort\n").unwrap();
    assert_one_clear_line(&damaged_key.run(serve), &["master.key is damaged"]);

    let open_key = copy("open-key");
    fs::set_permissions(open_key.state().join("master.key"), fs::Permissions::from_mode(0o644)).unwrap();
    assert_one_clear_line(&open_key.run(serve), &["master.key is open to other users", "chmod 600"]);

    let not_a_store = copy("not-a-store");
    let database = not_a_store.state().join("sqlite_key_value.db");
    for name in ["sqlite_key_value.db-wal", "sqlite_key_value.db-shm"] {
        let _ = fs::remove_file(not_a_store.state().join(name));
    }
    fs::write(&database, "certainly no database ".repeat(100)).unwrap();
    assert_one_clear_line(&not_a_store.run(serve), &["sqlite_key_value.db is not a SQLite database"]);

    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    assert_one_clear_line(&Program::on(&file).run(serve), &["file"]);

    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = address.local_addr().unwrap().to_string();
    assert_one_clear_line(&good.run(&["serve", "--listen", &taken]), &["cannot be listened on", &taken]);
    assert_one_clear_line(&good.run(&["serve", "--listen", "0.0.0.0:0"]), &["--insecure-http"]);
    assert_one_clear_line(&good.run(&["serve", "--listen", "nowhere"]), &["--listen nowhere"]);

    let missing = good.run(&["call", "{}", "--component", "/nonexistent.wasm"]);
    assert_one_clear_line(&missing, &["/nonexistent.wasm cannot be read"]);
    let key = good.state().join("master.key");
    let no_component = good.run(&["call", "{}", "--component", key.to_str().unwrap()]);
    assert_one_clear_line(&no_component, &["not a WebAssembly component"]);

    assert_one_clear_line(&good.run(&["call", "{}", "--project", "a b"]), &["the project"]);
}

#[test]
fn a_read_only_folder_is_one_clear_line() {
    const NOBODY: u32 = 65534;
    let directory = TempDir::new();
    let program = Program::on(&directory.path().join("state"));
    program.call(&create("a")).unwrap();
    // Modes do not bind root, so root runs the program as somebody else, from where that one can reach it.
    let is_root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
    let binary = directory.path().join("strongroom");
    fs::copy(Program::binary(), &binary).unwrap();
    if is_root {
        let owner = format!("{NOBODY}:{NOBODY}");
        assert!(Command::new("chown").args(["-R", &owner]).arg(program.state()).status().unwrap().success());
    }
    fs::set_permissions(program.state(), fs::Permissions::from_mode(0o500)).unwrap();
    for request in [&["call", r#"{"action":"list"}"#][..], &["serve", "--listen", "127.0.0.1:0"]] {
        let mut command = Command::new(&binary);
        command.args(request).arg("--state-dir").arg(program.state()).env("RUST_BACKTRACE", "1");
        if is_root {
            std::os::unix::process::CommandExt::uid(&mut command, NOBODY);
        }
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let output = Output { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) };
        assert_one_clear_line(&output, &["cannot be written"]);
    }
    fs::set_permissions(program.state(), fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn call_beside_serve_loses_nothing() {
    const EACH: usize = 40;
    let directory = TempDir::new();
    let program = Program::on(directory.path());
    let server = program.serve();
    let client = server.client();
    std::thread::scope(|scope| {
        for writer in 0..2 {
            let (program, client) = (&program, &client);
            scope.spawn(move || {
                for n in 0..EACH {
                    program.call(&create(&format!("call-{writer}-{n}"))).unwrap();
                }
            });
            scope.spawn(move || {
                for n in 0..EACH {
                    let answer = client.post("/credentials", &credential(&format!("serve-{writer}-{n}")));
                    assert_eq!(answer.status, 201, "{answer:?}");
                    assert_eq!(client.get(&format!("/credentials/serve-{writer}-{n}")).status, 200);
                }
            });
        }
    });
    let mut names = list(&program);
    names.sort();
    let mut expected: Vec<String> =
        (0..2).flat_map(|w| (0..EACH).flat_map(move |n| [format!("call-{w}-{n}"), format!("serve-{w}-{n}")])).collect();
    expected.sort();
    assert_eq!(names, expected);
    let verified = program.run(&["verify"]);
    assert_eq!(verified.code, Some(0), "{verified:?}");
    assert!(!server.log().contains("WARN") && !server.log().contains("ERROR"), "{}", server.log());
}

#[test]
fn a_restart_keeps_everything() {
    let directory = TempDir::new();
    let program = Program::on(directory.path());
    let server = program.serve();
    let before = server.client().post("/credentials", &credential("kept")).json();
    let (status, output) = server.stop();
    assert!(status.success(), "{output:?}");
    let server = program.serve();
    let after = server.client().get("/credentials/kept").json();
    assert_eq!(after, before);
    assert_eq!(program.call(&json!({ "action": "get", "id_or_name": "kept" })).unwrap()["id"], before["id"]);
}

#[test]
fn kill_9_amid_1000_creates_loses_nothing_acknowledged() {
    const WRITERS: usize = 4;
    const CREATES: usize = 1000;
    let directory = TempDir::new();
    let program = Program::on(directory.path());
    let acknowledged = Mutex::new(Vec::new());
    let next = AtomicUsize::new(0);
    let mut kills = 0;
    while next.load(Ordering::SeqCst) < CREATES {
        let server = program.serve_with(&["--quiet"]);
        let (client, done) = (server.client(), AtomicBool::new(false));
        // Killed twice on the way, at about a third and two thirds; the rest is then created in peace.
        let stop_at = if kills < 2 { (kills + 1) * CREATES / 3 } else { usize::MAX };
        std::thread::scope(|scope| {
            let writers = [(); WRITERS].map(|()| {
                scope.spawn(|| {
                    while !done.load(Ordering::SeqCst) {
                        let n = next.fetch_add(1, Ordering::SeqCst);
                        if n >= CREATES {
                            break;
                        }
                        let name = format!("n{n:04}");
                        match client.try_request("POST", "/credentials", &[], Some(&credential(&name))) {
                            Ok(answer) if answer.status == 201 => acknowledged.lock().unwrap().push(name),
                            Ok(answer) => panic!("{answer:?}"),
                            // The connection broke: the credential is there or not.
                            Err(_) => break,
                        }
                    }
                })
            });
            while acknowledged.lock().unwrap().len() < stop_at && next.load(Ordering::SeqCst) < CREATES {
                std::thread::sleep(Duration::from_millis(1));
            }
            if stop_at < CREATES {
                kills += 1;
                server.kill();
                done.store(true, Ordering::SeqCst);
            } else {
                // The writers end by themselves; then only the server may.
                writers.into_iter().for_each(|writer| writer.join().unwrap());
            }
        });
    }
    assert_eq!(kills, 2);
    let acknowledged = acknowledged.into_inner().unwrap();
    assert!(acknowledged.len() > CREATES - 3 * WRITERS, "{} acknowledged", acknowledged.len());

    let stored = list(&program);
    let mut unique = stored.clone();
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), stored.len(), "nothing is there twice");
    let lost: Vec<_> = acknowledged.iter().filter(|name| unique.binary_search(name).is_err()).collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
    assert!(stored.len() <= CREATES);
    let verified = program.run(&["verify"]);
    assert_eq!(verified.code, Some(0), "{verified:?}");
    assert!(verified.stdout.starts_with(&format!("sound: {} credentials", stored.len())), "{verified:?}");
}

#[test]
fn tokens_come_and_go_without_a_restart() {
    let directory = TempDir::new();
    let program = Program::on(directory.path());
    let server = program.serve();
    server.client().post("/credentials", &credential("a"));

    let made = program.run(&["token", "new", "--name", "reader", "--scopes", "read", "--expires", "30"]);
    let token = made.stdout.trim();
    assert!(
        made.code == Some(0) && token.starts_with("sr_") && made.stderr.contains("reader:default:read:"),
        "{made:?}"
    );
    let reader = server.client_with(token);
    assert_eq!(reader.get("/credentials/a").status, 200);
    assert_eq!(reader.post("/credentials", &credential("b")).status, 403);
    server.log_with("token=reader");

    let listed = program.run(&["token", "list"]);
    assert!(listed.stdout.contains("reader") && !listed.stdout.contains(token), "{listed:?}");
    assert_one_clear_line(&program.run(&["token", "new", "--name", "reader", "--scopes", "read"]), &["of this name"]);
    assert_one_clear_line(&program.run(&["token", "new", "--name", "x", "--scopes", "root"]), &["--scopes", "totp"]);

    assert_eq!(program.run(&["token", "revoke", "reader"]).code, Some(0));
    assert_eq!(reader.get("/credentials/a").status, 401);
    assert_one_clear_line(&program.run(&["token", "revoke", "reader"]), &["no token of this name"]);
}

#[test]
fn supply_hands_values_to_a_program_and_to_nobody_else() {
    let directory = TempDir::new();
    let program = Program::on(directory.path());
    let mut request = create("login");
    request["totp_secret"] = "JBSWY3DPEHPK3PXP".into();
    program.call(&request).unwrap();
    let supply = |origin: &str, rest: &[&str]| {
        let mut arguments = vec!["supply", "login", "--quiet", "--origin", origin];
        arguments.extend(rest);
        program.run(&arguments)
    };
    let script = r#"test "$STRONGROOM_VALUE_USERNAME:$STRONGROOM_VALUE_PASSWORD" = u:p && test ${#STRONGROOM_TOTP_CODE} = 6 && exit 7"#;
    let ran = supply("https://login.example.com/path", &["--exec", "sh", "-c", script]);
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (Some(7), "", ""));

    let ran = supply("https://example.com", &["--stdin", "--exec", "cat"]);
    let object: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(object["values"], json!({ "username": "u", "password": "p" }));
    assert_eq!(object["totp_code"].as_str().unwrap().len(), 6);

    assert!(object["totp_valid_for_seconds"].as_u64().unwrap() <= 30);

    // How long the code lives is said, and can be asked for; an exclusive one is given once.
    let script = r#"test "$STRONGROOM_TOTP_VALID_FOR_SECONDS" -ge 0 && exit 7"#;
    assert_eq!(supply("https://example.com", &["--exec", "sh", "-c", script]).code, Some(7));
    let short = supply("https://example.com", &["--min-valid-seconds", "30", "--exec", "true"]);
    assert_one_clear_line(&short, &["min_valid_seconds"]);
    let codes: Vec<_> = (0..2)
        .map(|_| supply("https://example.com", &["--exclusive", "--stdin", "--exec", "cat"]))
        .filter(|ran| ran.code == Some(0))
        .map(|ran| serde_json::from_str::<Value>(&ran.stdout).unwrap()["totp_code"].clone())
        .collect();
    // Two only where a time step ended in between.
    assert!(codes.len() == 1 || codes.len() == 2 && codes[0] != codes[1], "{codes:?}");

    // What ends `clock_behind` says when there is a code to be had; a code that was given it does not give again.
    let reset = program.run(&["reset-exclusive", "login"]);
    assert!(
        reset.code == Some(0) && reset.stdout.starts_with("exclusive codes are to be had again from 20"),
        "{reset:?}"
    );
    assert_one_clear_line(&program.run(&["reset-exclusive", "nobody"]), &["credential not found"]);

    let marker = directory.path().join("ran");
    for origin in ["http://example.com", "https://example.org", "https://evil-example.com", "example.com"] {
        let refused = supply(origin, &["--exec", "touch", marker.to_str().unwrap()]);
        assert_one_clear_line(&refused, &["origin"]);
        assert!(!marker.exists(), "nothing runs after a refusal");
    }
    assert_one_clear_line(&supply("https://example.com", &["--exec", "/nonexistent"]), &["cannot be run"]);
}

/// No field is taken for a setting, and what an outer call has supplied does not reach the program of an inner one.
#[test]
fn supplied_variables_are_those_of_one_credential() {
    let directory = TempDir::new();
    let program = Program::on(directory.path())
        .with("STRONGROOM_VALUE_OUTER", "outer")
        .with("STRONGROOM_TOTP_CODE", "123456")
        .with("STRONGROOM_AUDIT", "changes");
    let mut request = create("odd");
    request["values"] = json!({ "state-dir": "/elsewhere" });
    program.call(&request).unwrap();
    let script = r#"
        test "$STRONGROOM_VALUE_STATE_DIR" = /elsewhere && test -z "$STRONGROOM_STATE_DIR" &&
        test -z "$STRONGROOM_VALUE_OUTER$STRONGROOM_TOTP_CODE" && test "$STRONGROOM_AUDIT" = changes && exit 7"#;
    let arguments = ["supply", "odd", "--quiet", "--origin", "https://example.com", "--exec", "sh", "-c", script];
    let ran = program.run(&arguments);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(7), ""), "{ran:?}");
}

/// A model that empties what it was not asked to, and one that deletes: each is undone by one command.
#[test]
fn what_an_agent_did_is_undone_by_one_command() {
    let directory = TempDir::new();
    let program = Program::on(directory.path());
    let create = json!({
        "action": "create", "domain": "accounts.example.com", "name": "work",
        "values": {"username": "ops", "password": "canary-of-undo"}, "totp_secret": "JBSWY3DPEHPK3PXP",
    });
    let created = program.call(&create).unwrap();
    program.call(&json!({"action": "update", "id_or_name": "work", "totp_secret": ""})).unwrap();
    let code = json!({"action": "totp_code", "id_or_name": "work"});
    assert_eq!(program.call(&code).unwrap_err()["code"], "totp_not_configured");
    let lines = |arguments: &[&str]| -> Vec<Value> {
        let output = program.run(arguments);
        assert_eq!(output.code, Some(0), "{output:?}");
        assert!(!output.stdout.contains("canary-of-undo") && !output.stdout.contains("JBSWY3DPEHPK3PXP"));
        output.stdout.lines().map(|line| serde_json::from_str(line).unwrap_or(Value::from(line))).collect()
    };
    let versions = lines(&["history", "work"]);
    assert_eq!(
        (versions.len(), &versions[0]["version"], &versions[0]["has_totp_secret"]),
        (1, &json!(1), &json!(true))
    );
    assert_eq!(lines(&["restore", "work", "--version", "1"])[0]["version"], 3);
    assert_eq!(program.call(&code).unwrap()["code"].as_str().unwrap().len(), 6);

    program.call(&json!({"action": "delete", "id_or_name": "work"})).unwrap();
    let id = created["id"].as_str().unwrap();
    assert_eq!(lines(&["history"])[0]["id"], id);
    assert_eq!(lines(&["restore", id])[0]["name"], "work");
    assert_eq!(program.call(&code).unwrap()["code"].as_str().unwrap().len(), 6);
    assert!(lines(&["history"]).is_empty(), "nothing is restored twice");
    assert_eq!(program.run(&["restore", id]).code, Some(1));

    let actions: Vec<_> = lines(&["audit"]).into_iter().map(|event| event["action"].clone()).collect();
    assert_eq!(actions, ["restore", "delete", "restore", "update", "create"]);
    lines(&["purge", "work"]);
    assert_eq!(program.run(&["restore", id]).code, Some(1));
}
