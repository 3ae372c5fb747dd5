//! A store that was put back to an earlier state is noticed by what the state directory remembers, and a restored backup
//! is not taken for one. An embedder can tell the same by what it remembers itself.

use serde_json::{Value, json};
use std::fs;
use strongroom_host_tests::maintenance::Standing;
use strongroom_host_tests::remains::{Records, files, records};
use strongroom_host_tests::{Output, Program, TempDir, Vault, World, mcp_session, new_credential};

const SAID: &str = "ROLL-BACK: the store is older than it was";

fn credential(name: &str) -> Value {
    json!({ "name": name, "domain": "example.com", "values": { "password": "p" } })
}

fn create_in(program: &Program, project: &str, name: &str) -> Output {
    let mut request = credential(name);
    request["action"] = "create".into();
    program.run_with_input(&["call", "-", "--quiet", "--project", project], &request.to_string())
}

#[track_caller]
fn create(program: &Program, name: &str) {
    let output = create_in(program, "default", name);
    assert!(output.code == Some(0) && output.stderr.is_empty(), "{output:?}");
}

#[track_caller]
fn succeeds(program: &Program, arguments: &[&str]) -> Output {
    let output = program.run(arguments);
    assert_eq!(output.code, Some(0), "{output:?}");
    output
}

/// Replaces the database and its log by what they were.
fn put_back(program: &Program, files: &[(String, Vec<u8>); 2]) {
    for (name, bytes) in files {
        let path = program.state().join(name);
        if bytes.is_empty() { drop(fs::remove_file(path)) } else { fs::write(path, bytes).unwrap() }
    }
    let _ = fs::remove_file(program.state().join(format!("{}-shm", files[0].0)));
}

/// Does the same beneath a running server.
fn put_back_rows(program: &Program, records: &Records) {
    let mut database = rusqlite::Connection::open(program.state().join(files(program)[0].0.as_str())).unwrap();
    let store: String = database.query_row("SELECT store FROM spin_key_value LIMIT 1", [], |row| row.get(0)).unwrap();
    let transaction = database.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).unwrap();
    transaction.execute("DELETE FROM spin_key_value", []).unwrap();
    for (key, value) in records {
        let sql = "INSERT INTO spin_key_value (store, key, value) VALUES (?1, ?2, ?3)";
        transaction.execute(sql, (&store, key, value)).unwrap();
    }
    transaction.commit().unwrap();
}

/// How often something is told of a roll-back.
fn told(text: &str) -> usize {
    text.matches(SAID).count()
}

#[test]
fn a_store_that_was_put_back_is_told_of_once() {
    let directory = TempDir::new();
    let program = Program::on(directory.path());
    let server = program.serve();
    assert_eq!(server.client().post("/credentials", &credential("a")).status, 201);
    let (_, output) = server.stop();
    assert_eq!(told(&output.stderr), 0, "{output:?}");
    let earlier = files(&program);
    create(&program, "b");
    create(&program, "c");
    put_back(&program, &earlier);

    let server = program.serve();
    let log = server.log_with(SAID);
    assert!(log.contains("project default has 2 commits, and had 4"), "{log}");
    let client = server.client();
    assert_eq!(client.get("/credentials/a").status, 200);
    assert_eq!(client.get("/credentials/b").status, 404);
    assert!(client.get("/metrics").body.contains("strongroom_rollbacks_total 1"));
    let health = server.client_with("").get("/health");
    assert!(health.status == 200 && !health.body.contains("older"), "nothing for strangers: {health:?}");
    let (_, output) = server.stop();
    assert_eq!(told(&output.stderr), 1, "{output:?}");
    create(&program, "d");

    // Put back and written to: as far as before, and further.
    let earlier = files(&program);
    create(&program, "e");
    let commits = fs::read(program.state().join("commits")).unwrap();
    put_back(&program, &earlier);
    fs::remove_file(program.state().join("commits")).unwrap();
    for name in ["f", "g"] {
        create(&program, name);
    }
    fs::write(program.state().join("commits"), &commits).unwrap();
    let output = succeeds(&program, &["verify"]);
    assert!(told(&output.stderr) == 1 && output.stderr.contains("has another commit of the number 4"), "{output:?}");
    assert_eq!(told(&succeeds(&program, &["verify"]).stderr), 0);
}

#[test]
fn where_it_shall_be_refused_nothing_is_done() {
    let directory = TempDir::new();
    let program = Program::on(directory.path());
    create(&program, "a");
    let earlier = files(&program);
    create(&program, "b");
    put_back(&program, &earlier);
    let refusing = program.clone().with("STRONGROOM_ROLLBACK", "refuse");
    let way_out = "run the program once with STRONGROOM_ROLLBACK=warn";
    for arguments in [&["serve", "--listen", "127.0.0.1:0"][..], &["call", r#"{"action":"list"}"#], &["verify"]] {
        let output = refusing.run(arguments);
        assert!(output.code == Some(1) && output.stdout.is_empty(), "{output:?}");
        assert!(output.stderr.starts_with("strongroom: ROLL-BACK: ") && output.stderr.contains(way_out), "{output:?}");
        assert_eq!(output.stderr.lines().count(), 1, "{output:?}");
    }
    // A session begins and says it at every call.
    let session = refusing.run_with_input(&["mcp"], &mcp_session());
    assert!(session.stdout.contains("ROLL-BACK: ") && session.stdout.contains(way_out), "{session:?}");
    // The first that shall go on takes it as it is.
    assert_eq!(told(&succeeds(&program, &["verify"]).stderr), 1);
    succeeds(&refusing, &["verify"]);
    let output = program.clone().with("STRONGROOM_ROLLBACK", "yes").run(&["verify"]);
    assert!(output.stderr.contains("STRONGROOM_ROLLBACK must be warn or refuse"), "{output:?}");
}

#[test]
fn beneath_a_running_server_it_is_told_of_or_ends_it() {
    for on_rollback in ["warn", "refuse"] {
        let directory = TempDir::new();
        let program = Program::on(directory.path()).with("STRONGROOM_ROLLBACK", on_rollback);
        create(&program, "a");
        let earlier = records(&program);
        create(&program, "b");
        let server = program.serve();
        let client = server.client();
        assert_eq!(client.get("/credentials/b").status, 200);
        put_back_rows(&program, &earlier);
        if on_rollback == "warn" {
            server.log_with(SAID);
            assert_eq!(client.get("/credentials/b").status, 404);
            let (status, output) = server.stop();
            assert!(status.success() && told(&output.stderr) == 1, "{output:?}");
        } else {
            let (status, output) = server.ended();
            assert!(status.code() == Some(1) && told(&output.stderr) == 1, "{output:?}");
        }
    }
}

#[test]
fn each_project_is_remembered() {
    let directory = TempDir::new();
    let program = Program::on(directory.path());
    create(&program, "a");
    succeeds(&program, &["token", "new", "--name", "side", "--project", "side", "--scopes", "read"]);
    let earlier = records(&program);
    for name in ["a", "b"] {
        assert_eq!(create_in(&program, "side", name).code, Some(0));
    }
    let commits = fs::read_to_string(program.state().join("commits")).unwrap();
    let projects: Vec<_> = commits.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(projects, ["default", "side"]);
    put_back_rows(&program, &earlier);
    assert_eq!(told(&succeeds(&program, &["verify"]).stderr), 0, "the other project is as it was");
    let server = program.serve();
    let log = server.log_with(SAID);
    assert!(told(&log) == 1 && log.contains("project side has 0 commits, and had 3"), "{log}");
}

#[test]
fn a_restored_backup_is_not_taken_for_one() {
    let directory = TempDir::new();
    let program = Program::on(&directory.path().join("state")).with("STRONGROOM_ROLLBACK", "refuse");
    create(&program, "a");
    let file = directory.path().join("backup");
    let file = file.to_str().unwrap();
    succeeds(&program, &["backup", file]);
    for name in ["b", "c", "d"] {
        create(&program, name);
    }
    // The store is lost; the directory remembers a commit that the backup has not.
    for (name, _) in files(&program) {
        let _ = fs::remove_file(program.state().join(name));
    }
    let restored = succeeds(&program, &["restore-backup", file]);
    assert!(restored.stderr.is_empty(), "{restored:?}");
    for name in ["e", "f", "g", "h"] {
        create(&program, name);
    }
    let (status, output) = program.serve().stop();
    assert!(status.success() && told(&output.stderr) == 0, "{output:?}");

    // Neither is a vault that was begun anew over a loss.
    for (name, _) in files(&program) {
        let _ = fs::remove_file(program.state().join(name));
    }
    let output = succeeds(&program, &["init", "--force"]);
    assert_eq!(told(&output.stderr), 0, "{output:?}");
    create(&program, "a");
}

#[test]
fn what_is_not_remembered_is_no_alarm_and_what_is_damaged_is_one() {
    let directory = TempDir::new();
    let program = Program::on(directory.path());
    let refusing = program.clone().with("STRONGROOM_ROLLBACK", "refuse");
    create(&program, "a");
    let commits = program.state().join("commits");
    let good = fs::read_to_string(&commits).unwrap();
    assert!(good.starts_with("default 2 ") && good.lines().count() == 1, "{good}");
    fs::remove_file(&commits).unwrap();
    assert!(succeeds(&refusing, &["audit"]).stderr.is_empty());
    assert_eq!(fs::read_to_string(&commits).unwrap(), good);
    for damaged in ["default", "default x 00", "default 2 xyz", "default 2 00 00", "\u{0}"] {
        fs::write(&commits, damaged).unwrap();
        let output = refusing.run(&["audit"]);
        assert!(output.code == Some(1) && output.stderr.contains("commits is damaged"), "{output:?}");
        assert_eq!(fs::read_to_string(&commits).unwrap(), damaged, "left for who looks into it");
        let output = succeeds(&program, &["audit"]);
        assert!(output.stderr.contains("commits is damaged"), "{output:?}");
        assert_eq!(fs::read_to_string(&commits).unwrap(), good);
    }
}

#[test]
fn two_servers_on_one_directory_raise_no_false_alarm() {
    let directory = TempDir::new();
    let program = Program::on(directory.path()).with("STRONGROOM_ROLLBACK", "refuse");
    let servers = [program.serve(), program.serve()];
    std::thread::scope(|scope| {
        for (number, server) in servers.iter().enumerate() {
            scope.spawn(move || {
                for n in 0..30 {
                    let name = format!("s{number}-{n}");
                    assert_eq!(server.client().post("/credentials", &credential(&name)).status, 201);
                }
            });
        }
        for n in 0..8 {
            create(&program, &format!("c{n}"));
        }
    });
    for server in servers {
        let (status, output) = server.stop();
        assert!(status.success() && told(&output.stderr) == 0, "{output:?}");
    }
    let commits = fs::read_to_string(program.state().join("commits")).unwrap();
    let number: u64 = commits.split(' ').nth(1).unwrap().parse().unwrap();
    assert!(number > 60 + 8, "what the last one saw at its end: {commits}");
}

/// What an embedder does that remembers commits elsewhere.
#[test]
fn an_embedder_can_tell() {
    let vault = Vault::new(World::Edge);
    assert!(vault.progress(None).unwrap().0.is_none());
    let create = |name| vault.create(&new_credential(name, "example.com", &[("password", "p")])).unwrap();
    create("a");
    let first = vault.progress(None).unwrap().0.unwrap();
    let earlier = vault.store.entries("default");
    create("b");
    let (second, standing) = vault.progress(Some(first)).unwrap();
    let second = second.unwrap();
    assert!(standing == Standing::Continued && second.number == first.number + 1 && second.id != first.id);
    vault.store.replace("default", earlier);
    assert_eq!(vault.progress(Some(second)).unwrap().1, Standing::Older);
    create("c");
    assert_eq!(vault.progress(Some(second)).unwrap().1, Standing::Other);
    assert_eq!(vault.progress(Some(first)).unwrap().1, Standing::Continued);
}
