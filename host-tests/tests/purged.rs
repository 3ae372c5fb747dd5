//! What is purged is gone from the database file and from its write-ahead log, sealed as it was; and so is what a change
//! or a deletion superseded, once its time is over.

use serde_json::{Value, json};
use std::time::{Duration, Instant};
use strongroom_host_tests::remains::{Records, records, remains};
use strongroom_host_tests::{Program, TempDir};

/// The log is emptied a second after the last write.
const EMPTIED_IN: Duration = Duration::from_secs(30);

fn credential(name: &str) -> Value {
    json!({
        "name": name, "domain": format!("{name}.example.com"), "values": { "password": "p".repeat(700) },
        "totp_secret": "JBSWY3DPEHPK3PXP"
    })
}

/// Waits until nothing of these records is left.
fn assert_gone(program: &Program, before: &Records) {
    let begin = Instant::now();
    loop {
        let there = records(program);
        let gone: Records = before
            .iter()
            .filter(|(key, value)| there.get(*key) != Some(value))
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect();
        assert!(gone.len() > 1, "nothing was removed");
        let found = remains(program, &gone, &there);
        if found.is_empty() {
            return;
        }
        assert!(begin.elapsed() < EMPTIED_IN, "of {} records, still there: {found:?}", gone.len());
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn bodies(records: &Records) -> usize {
    records.keys().filter(|key| key.contains(".b.")).count()
}

#[test]
fn by_a_running_server() {
    let directory = TempDir::new();
    let program = Program::on(directory.path());
    let server = program.serve();
    let client = server.client();
    for n in 0..40 {
        assert_eq!(client.post("/credentials", &credential(&format!("n{n}"))).status, 201);
    }
    assert_eq!(client.patch("/credentials/n7", &json!({ "values": { "password": "q".repeat(700) } })).status, 200);
    assert_eq!(client.delete("/credentials/n8").status, 204);
    let before = records(&program);
    assert_eq!(bodies(&before), 41);
    // The search finds what is there.
    assert!(remains(&program, &before, &Records::new()).len() >= before.len() - 5);

    for name in ["n3", "n7"] {
        assert_eq!(client.delete(&format!("/credentials/{name}?purge=true")).status, 204);
    }
    assert_eq!(bodies(&records(&program)), 38, "with the version that was replaced");
    assert_gone(&program, &before);
    assert_eq!(client.get("/credentials/n9/totp-code").status, 200);
}

#[test]
fn from_the_command_line_with_and_without_a_server() {
    let directory = TempDir::new();
    let program = Program::on(directory.path());
    let create = |name: &str| {
        let mut request = credential(name);
        request["action"] = "create".into();
        program.call(&request).unwrap();
    };
    (0..12).for_each(|n| create(&format!("n{n}")));
    program.call(&json!({ "action": "delete", "id_or_name": "n5" })).unwrap();
    let before = records(&program);
    assert_eq!(program.run(&["purge", "--deleted"]).code, Some(0), "what was deleted");
    assert_eq!(bodies(&records(&program)), 11);
    assert_gone(&program, &before);

    let server = program.serve();
    assert_eq!(server.client().get("/credentials").status, 200);
    let before = records(&program);
    assert_eq!(program.run(&["purge", "n6"]).code, Some(0));
    assert_gone(&program, &before);
    drop(server);
    assert!(program.run(&["verify"]).stdout.starts_with("sound: 10 credentials"));
}
