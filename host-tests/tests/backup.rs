//! A backup of a running vault is one of its states, comes back elsewhere, on another engine too, and only whole and
//! unchanged; exclusive codes that were given since are not given again.

use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use strongroom_host::backup::Backup;
use strongroom_host_tests::engines::{Etcd, Postgres};
use strongroom_host_tests::{Output, Program, Stop, TempDir};

const WRITERS: usize = 3;

/// A directory with the master key of another, and nothing else.
fn elsewhere(from: &Program) -> (TempDir, Program) {
    let directory = TempDir::new();
    fs::copy(from.state().join("master.key"), directory.path().join("master.key")).unwrap();
    let program = Program::on(directory.path());
    (directory, program)
}

fn backup(program: &Program, file: &Path) -> String {
    let output = program.run(&["backup", file.to_str().unwrap()]);
    assert_eq!(output.code, Some(0), "{output:?}");
    output.stdout
}

fn restore(program: &Program, file: &Path) -> Output {
    program.run(&["restore-backup", file.to_str().unwrap()])
}

fn create(program: &Program, name: &str, secret: bool) {
    let mut request = json!({
        "action": "create", "name": name, "domain": "example.com", "values": { "password": format!("{name} password") },
    });
    if secret {
        request["totp_secret"] = "JBSWY3DPEHPK3PXP".into();
    }
    program.call(&request).unwrap();
}

/// The number that a writer has written last into this credential, by its description.
fn number(credential: &Value) -> u64 {
    credential["description"].as_str().unwrap_or("0").parse().unwrap()
}

#[test]
fn under_load_it_is_one_state_of_the_time_it_was_made_in() {
    let directory = TempDir::new();
    let program = Program::on(&directory.path().join("state"));
    under_load(&program, elsewhere, 200);
}

#[test]
fn of_postgres_it_comes_back_on_etcd() {
    let Some(from) = Postgres::start("a backup of PostgreSQL") else { return };
    let Some(to) = Etcd::start("a backup that comes back on etcd", 1) else { return };
    from_one_to_another(&from.url(&[]), &to.url());
}

#[test]
fn of_etcd_it_comes_back_on_postgres() {
    let Some(from) = Etcd::start("a backup of etcd", 1) else { return };
    let Some(to) = Postgres::start("a backup that comes back on PostgreSQL") else { return };
    from_one_to_another(&from.url(), &to.url(&[]));
}

fn from_one_to_another(from: &str, to: &str) {
    let directory = TempDir::new();
    let program = Program::on(&directory.path().join("state")).with_store(from);
    let other = |program: &Program| {
        let (directory, other) = elsewhere(program);
        (directory, other.with_store(to))
    };
    under_load(&program, other, 20);
}

/// Each writer counts in one credential, and then in another: at any time the first is at most one ahead.
fn under_load(program: &Program, elsewhere: impl Fn(&Program) -> (TempDir, Program), others: usize) {
    let directory = TempDir::new();
    let server = program.serve();
    let client = server.client();
    for writer in 0..WRITERS {
        for half in ["first", "second"] {
            let new = json!({
                "name": format!("{half}-{writer}"), "domain": "example.com", "values": { "password": "0" },
                "totp_secret": "JBSWY3DPEHPK3PXP",
            });
            assert_eq!(client.post("/credentials", &new).status, 201);
        }
    }
    for n in 0..others {
        let new =
            json!({ "name": format!("n{n}"), "domain": "example.com", "values": { "password": "p".repeat(300) } });
        assert_eq!(client.post("/credentials", &new).status, 201);
    }
    let is_over = AtomicBool::new(false);
    // What each has begun to write, and what was acknowledged.
    let begun: [AtomicU64; WRITERS] = Default::default();
    let done: [AtomicU64; WRITERS] = Default::default();
    let numbers = |of: &[AtomicU64; WRITERS]| [0, 1, 2].map(|writer: usize| of[writer].load(Ordering::SeqCst));
    let file = directory.path().join("backup");
    let (before, after) = std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (client, is_over, begun, done) = (server.client(), &is_over, &begun, &done);
            scope.spawn(move || {
                for count in 1.. {
                    if is_over.load(Ordering::SeqCst) {
                        return;
                    }
                    begun[writer].store(count, Ordering::SeqCst);
                    for half in ["first", "second"] {
                        let change =
                            json!({ "description": count.to_string(), "values": { "password": count.to_string() } });
                        let changed = client.patch(&format!("/credentials/{half}-{writer}"), &change);
                        assert_eq!(changed.status, 200, "{changed:?}");
                    }
                    done[writer].store(count, Ordering::SeqCst);
                }
            });
        }
        let _stop = Stop(&is_over);
        while numbers(&done).iter().any(|done| *done < 3) {
            std::thread::sleep(Duration::from_millis(10));
        }
        let before = numbers(&done);
        let said = backup(program, &file);
        let after = numbers(&begun);
        assert!(said.contains("The master key is NOT in it"), "{said}");
        (before, after)
    });
    let key = fs::read_to_string(program.state().join("master.key")).unwrap();
    let secret = key.trim().split_once(':').unwrap().1;
    let bytes = fs::read(&file).unwrap();
    assert!(!bytes.windows(16).any(|window| window == &secret.as_bytes()[..16]), "the key is not in it");
    assert!(program.run(&["backup", file.to_str().unwrap()]).stderr.contains("is there already"));

    let (_directory, restored) = elsewhere(program);
    let output = restore(&restored, &file);
    assert_eq!(output.code, Some(0), "{output:?}");
    let found = restored.serve();
    let client = found.client();
    for writer in 0..WRITERS {
        let [first, second] = ["first", "second"].map(|half| {
            let credential = client.get(&format!("/credentials/{half}-{writer}")).json();
            let origin = json!({ "origin": "https://example.com" });
            let supplied = client.post(&format!("/credentials/{half}-{writer}/supply"), &origin).json();
            let count = number(&credential);
            assert_eq!(supplied["values"]["password"], count.to_string(), "values and description are of one commit");
            assert_eq!(client.get(&format!("/credentials/{half}-{writer}/versions")).status, 200);
            count
        });
        assert!(first == second || first == second + 1, "{first} {second}");
        assert!((before[writer]..=after[writer]).contains(&first), "{before:?} {first} {after:?}");
        assert!(second + 1 >= before[writer], "{before:?} {second}");
    }
    let events = client.get("/audit?limit=1").json();
    assert_eq!(events["events"][0]["action"], "restore_backup", "{events}");
    drop(found);
    let verified = restored.run(&["verify"]).stdout;
    assert!(
        verified.starts_with(&format!("sound: {} credentials", others + 6)) && verified.contains(" 0 orphans"),
        "{verified}"
    );
    // It goes on as a vault like any other, and is not overwritten.
    create(&restored, "new", false);
    let again = restore(&restored, &file);
    assert!(again.code == Some(1) && again.stderr.contains("has the project default already"), "{again:?}");
    assert!(restored.run(&["verify"]).stdout.starts_with(&format!("sound: {} credentials", others + 7)));
}

#[test]
fn one_that_was_changed_or_cut_anywhere_is_refused_before_anything_is_written() {
    let directory = TempDir::new();
    let program = Program::on(&directory.path().join("state"));
    (0..12).for_each(|n| create(&program, &format!("n{n}"), n % 3 == 0));
    let file = directory.path().join("backup");
    backup(&program, &file);
    let whole = fs::read(&file).unwrap();
    let keys = fs::read_to_string(program.state().join("master.key")).unwrap();
    let changed = directory.path().join("changed");
    let opens = |bytes: &[u8]| {
        fs::write(&changed, bytes).unwrap();
        Backup::open(&changed, &keys)
    };
    let records = opens(&whole).unwrap().records;
    assert!(records > 12, "{records}");
    // Every byte of the head and of the seal's, and some of everything in between.
    let step = (whole.len() / 400).max(1);
    let ends = (0..200).chain(whole.len() - 200..whole.len());
    let places: Vec<usize> = ends.chain((0..whole.len()).step_by(step)).collect();
    for &at in &places {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        assert!(opens(&bytes).is_err(), "byte {at} of {}", whole.len());
        assert!(opens(&whole[..at]).is_err(), "cut at {at} of {}", whole.len());
    }
    assert!(opens(&[&whole[..], b"x"].concat()).is_err(), "something was added");
    // A record of it left out, and one twice.
    let record = record_of(&whole);
    assert!(opens(&[&whole[..record.start], &whole[record.end..]].concat()).is_err());
    assert!(opens(&[&whole[..record.end], &whole[record.start..]].concat()).is_err());
    // The seal of another one of the same vault.
    create(&program, "later", false);
    let other = directory.path().join("other");
    backup(&program, &other);
    let (seal, other) = (seal_of(&whole), fs::read(&other).unwrap());
    assert!(opens(&[&other[..other.len() - seal_of(&other).len()], &seal[..]].concat()).is_err());

    // Through the program, nothing is there afterwards.
    for (what, at) in [("the head", 25), ("a record", record.start + 60), ("the seal", whole.len() - 40)] {
        let (place, restored) = elsewhere(&program);
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        fs::write(&changed, &bytes).unwrap();
        let output = restore(&restored, &changed);
        assert_eq!(output.code, Some(1), "{what}: {output:?}");
        assert!(output.stderr.contains("cannot be restored"), "{what}: {output:?}");
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1, "{what}: the key alone");
    }
    let another = TempDir::new();
    let restored = Program::on(another.path());
    assert!(restore(&restored, &file).stderr.contains("master.key"), "without a key");
    assert_eq!(restored.run(&["init"]).code, Some(0));
    let output = restore(&restored, &file);
    assert!(output.code == Some(1) && output.stderr.contains("another key of the same id"), "{output:?}");
}

/// The first record.
fn record_of(backup: &[u8]) -> std::ops::Range<usize> {
    let start = b"strongroom backup 1\n".len() + 1 + "default".len();
    let key = usize::from(backup[start]);
    let length = backup[start + 1 + key..][..4].try_into().unwrap();
    start..start + 1 + key + 4 + u32::from_le_bytes(length) as usize
}

/// The seal with its length.
fn seal_of(backup: &[u8]) -> Vec<u8> {
    let mut at = record_of(backup).start;
    while backup[at] != 0 {
        let key = usize::from(backup[at]);
        let length = backup[at + 1 + key..][..4].try_into().unwrap();
        at += 1 + key + 4 + u32::from_le_bytes(length) as usize;
    }
    backup[at + 1..].to_vec()
}

#[test]
fn a_code_that_was_given_since_is_not_given_again() {
    let directory = TempDir::new();
    let program = Program::on(&directory.path().join("state"));
    create(&program, "n", true);
    let file: PathBuf = directory.path().join("backup");
    backup(&program, &file);
    let exclusive = |program: &Program| {
        let request = json!({ "action": "totp_code", "id_or_name": "n", "exclusive": true });
        program.call(&request)
    };
    // It can be the end of a time step.
    let given = (0..3).find_map(|_| exclusive(&program).ok()).expect("a code");
    let (_place, restored) = elsewhere(&program);
    assert_eq!(restore(&restored, &file).code, Some(0));
    match exclusive(&restored) {
        Err(error) => assert_eq!(error["code"], "code_taken"),
        Ok(code) => assert_ne!(code["expires_at"], given["expires_at"]),
    }
    let request = json!({ "action": "totp_code", "id_or_name": "n" });
    assert!(restored.call(&request).is_ok());
}
