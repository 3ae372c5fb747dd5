//! A master key is exchanged under load: nobody gets an error, everything is sealed by the new key, the old one is retired,
//! and then the file and its log hold nothing that it opens.

use serde_json::{Value, json};
use std::collections::HashSet;
use std::fs;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use strongroom::platform::SystemRandom;
use strongroom::seal::{Keyring, Project, Purpose, Sealer};
use strongroom_host_tests::remains::{Records, files, records, remains};
use strongroom_host_tests::{Program, Stop, TempDir};

const CREDENTIALS: usize = 150;
/// Bytes of the commitment to a derived key, which stands in clear in each envelope behind the key's id.
const COMMITMENT_BYTES: usize = 32;
const PURPOSES: [Purpose; 6] =
    [Purpose::Root, Purpose::Node, Purpose::Body, Purpose::Totp, Purpose::Claim, Purpose::Snapshot];

fn credential(name: &str) -> Value {
    json!({
        "name": name, "domain": format!("{name}.example.com"), "values": { "password": format!("{name} password") },
        "totp_secret": "JBSWY3DPEHPK3PXP"
    })
}

/// The database and its log.
fn bytes(program: &Program) -> Vec<u8> {
    files(program).map(|(_, bytes)| bytes).concat()
}

/// What stands in clear in every envelope that this key has sealed for the project.
fn commitments(key: &str, project: &str) -> Vec<Vec<u8>> {
    let sealer = Sealer::new(Keyring::parse(key).unwrap(), Project::parse(project).unwrap());
    let id = key.split(':').next().unwrap();
    let of = |purpose| {
        let envelope = sealer.seal(&SystemRandom, purpose, &[b"place"], b"").unwrap();
        envelope[2 + id.len()..][..COMMITMENT_BYTES].to_vec()
    };
    PURPOSES.into_iter().map(of).collect()
}

fn times(bytes: &[u8], wanted: &[Vec<u8>]) -> usize {
    let wanted: HashSet<&[u8]> = wanted.iter().map(Vec::as_slice).collect();
    bytes.windows(COMMITMENT_BYTES).filter(|window| wanted.contains(window)).count()
}

fn key(program: &Program, arguments: &[&str]) -> String {
    let output = program.run(&[&["key"], arguments].concat());
    assert_eq!(output.code, Some(0), "key {arguments:?}: {output:?}");
    output.stdout
}

#[track_caller]
fn refused(program: &Program, arguments: &[&str], why: &str) {
    let output = program.run(&[&["key"], arguments].concat());
    assert!(output.code == Some(1) && output.stderr.contains(why), "key {arguments:?}: {output:?}");
}

#[test]
fn under_load_and_then_nothing_is_left_of_the_old_key() {
    let directory = TempDir::new();
    let program = Program::on(directory.path());
    assert_eq!(program.run(&["init", "--node-bytes", "1024"]).code, Some(0));
    let old_key = fs::read_to_string(program.state().join("master.key")).unwrap().trim().to_owned();
    let server = program.serve();
    let client = server.client();
    for n in 0..CREDENTIALS {
        assert_eq!(client.post("/credentials", &credential(&format!("n{n}"))).status, 201);
    }
    assert_eq!(client.get("/credentials/n3/totp-code?exclusive=true").status, 200);
    assert_eq!(client.delete("/credentials/n4").status, 204);
    assert_eq!(client.patch("/credentials/n5", &json!({ "archived": true })).status, 200);
    assert_eq!(client.patch("/credentials/n7", &json!({ "values": { "password": "another" } })).status, 200);
    let tag = client.get("/credentials/n6").header("etag").unwrap().to_owned();
    let before = records(&program);
    let commitments = commitments(&old_key, "default");
    assert!(times(&bytes(&program), &commitments) > CREDENTIALS, "the search finds what is there");

    let (is_over, reads, writes) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for writer in 0..2 {
            let (client, is_over, writes) = (server.client(), &is_over, &writes);
            scope.spawn(move || {
                for round in 0.. {
                    if is_over.load(Ordering::Relaxed) {
                        return;
                    }
                    let name = format!("n{}", 10 + (round * 7 + writer * 50) % 100);
                    let values = json!({ "values": { "password": format!("{name} by {writer} in {round}") } });
                    let changed = client.patch(&format!("/credentials/{name}"), &values);
                    assert_eq!(changed.status, 200, "{changed:?}");
                    let created = client.post("/credentials", &credential(&format!("w{writer}-{round}")));
                    assert_eq!(created.status, 201, "{created:?}");
                    writes.fetch_add(2, Ordering::Relaxed);
                    std::thread::sleep(Duration::from_millis(20));
                }
            });
        }
        for reader in 0..2 {
            let (client, is_over, reads) = (server.client(), &is_over, &reads);
            scope.spawn(move || {
                for round in 0.. {
                    if is_over.load(Ordering::Relaxed) {
                        return;
                    }
                    let name = format!("n{}", 10 + (round * 3 + reader) % 100);
                    for path in ["", "/totp-code"] {
                        let read = client.get(&format!("/credentials/{name}{path}"));
                        assert_eq!(read.status, 200, "{read:?}");
                    }
                    let page = client.get("/credentials?query=n1&limit=50");
                    assert_eq!(page.status, 200, "{page:?}");
                    reads.fetch_add(3, Ordering::Relaxed);
                    std::thread::sleep(Duration::from_millis(10));
                }
            });
        }
        let _stop = Stop(&is_over);
        assert!(key(&program, &["new"]).starts_with("k2 is in "));
        refused(&program, &["retire", "k1"], "k1 is the key that seals");
        key(&program, &["use", "k2"]);
        // Killed at some time or other.
        for ms in [300, 900] {
            let mut command = program.command(&["key", "rewrap"]);
            let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            std::thread::sleep(Duration::from_millis(ms));
            child.kill().unwrap();
            child.wait().unwrap();
        }
        key(&program, &["rewrap"]);
        let retired = key(&program, &["retire", "k1"]);
        assert!(retired.contains("k1 is retired"), "{retired}");
    });
    let (reads, writes) = (reads.into_inner(), writes.into_inner());
    println!("{reads} reads and {writes} changes meanwhile");
    assert!(reads > 50 && writes > 20);

    assert_eq!(client.get("/credentials/n6").header("etag").unwrap(), tag, "nobody has changed it");
    assert_eq!(client.post("/credentials/n7/restore", &json!({ "version": 1 })).status, 200);
    let deleted = client.get("/credentials?deleted=true").json()[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(client.post(&format!("/credentials/{deleted}/restore"), &json!({})).status, 200);
    assert_eq!(client.patch("/credentials/n5", &json!({ "archived": false })).status, 200);
    let listed = key(&program, &["list"]);
    assert!(listed.lines().count() == 1 && listed.starts_with("k2  seals  "), "{listed}");

    let compacted = program.run(&["compact"]);
    assert_eq!(compacted.code, Some(0), "{compacted:?}");
    let (bytes, there) = (bytes(&program), records(&program));
    assert_eq!(times(&bytes, &commitments), 0);
    let gone = before.into_iter().filter(|(key, value)| there.get(key) != Some(value)).collect::<Records>();
    assert!(gone.len() > CREDENTIALS);
    assert_eq!(remains(&program, &gone, &there), Vec::<String>::new());
    assert_eq!(fs::read_to_string(program.state().join("master.key")).unwrap().lines().count(), 1);
    drop(server);
    assert!(program.run(&["verify"]).stdout.starts_with("sound: "));
}

#[test]
fn a_key_that_another_project_needs_is_not_retired() {
    let directory = TempDir::new();
    let program = Program::on(directory.path());
    for project in ["default", "side"] {
        let request = json!({ "action": "create", "name": "n", "domain": "example.com", "values": { "a": "b" } });
        let output = program.run_with_input(&["call", "-", "--quiet", "--project", project], &request.to_string());
        assert_eq!(output.code, Some(0), "{output:?}");
    }
    refused(&program, &["list"], "the store has 1 projects that no token is for");
    let listed = key(&program, &["list", "--projects", "side"]);
    assert!(listed.starts_with("k1  seals  "), "{listed}");
    key(&program, &["new"]);
    refused(&program, &["use", "k3"], "there is no key k3");
    key(&program, &["use", "k2"]);
    refused(&program, &["retire", "k1"], "no token is for");
    refused(&program, &["retire", "k1", "--projects", "side"], "k1 is still needed: ");
    let rewrapped = key(&program, &["rewrap", "--projects", "side"]);
    assert_eq!(rewrapped.lines().count(), 2, "{rewrapped}");
    key(&program, &["retire", "k1", "--projects", "side"]);
    for project in ["default", "side"] {
        let request = json!({ "action": "get", "id_or_name": "n" });
        let output = program.run_with_input(&["call", "-", "--quiet", "--project", project], &request.to_string());
        assert_eq!(output.code, Some(0), "{output:?}");
    }
}
