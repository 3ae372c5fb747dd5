//! SECURITY.md: no secret in any byte that leaves, and no name or domain in the store.
//!
//! Canaries stand in every field that a caller fills. Then everything that was written or said is searched for them, also
//! in the encodings that a secret could hide in: the database and its log, key names, answers, and what the server prints.

use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use strongroom_host_tests::{Answer, Output, Program, Server, TempDir};

/// Values, in the order of fields and attempts.
const SECRETS: [&str; 5] = [
    "canary-hunter2-alpha",
    "canary-hunter2-beta",
    "canary-hunter2-gamma",
    "canary-hunter2-delta",
    "canary-hunter2-mail",
];
/// Base32, so the seed itself is a canary.
const SEED: &str = "KNSWG4TFOQQGGYLOMFZHSIDTMVSWI4Y";
const SEED_BYTES: &[u8] = b"Secret canary seeds";
/// What may be shown, but must not be stored in clear.
const METADATA: [&str; 5] =
    ["canary-name-one", "canary-name-two", "canary-domain.example.com", "canary-field", "canary-provider"];

/// The ways in which a text could stand in a file: as it is, in hexadecimal, and as UTF-16.
fn encodings(text: &[u8]) -> Vec<Vec<u8>> {
    let hex: String = text.iter().map(|byte| format!("{byte:02x}")).collect();
    let wide = text.iter().flat_map(|byte| [*byte, 0]).collect();
    vec![text.to_vec(), hex.to_uppercase().into_bytes(), hex.into_bytes(), wide]
}

#[track_caller]
fn assert_absent(place: &str, haystack: &[u8], needles: &[&[u8]]) {
    for needle in needles {
        for encoded in encodings(needle) {
            let found = haystack.windows(encoded.len()).any(|window| window.eq_ignore_ascii_case(&encoded));
            assert!(!found, "{place} holds {:?}", String::from_utf8_lossy(needle));
        }
    }
}

fn secrets() -> Vec<&'static [u8]> {
    SECRETS.iter().map(|secret| secret.as_bytes()).chain([SEED.as_bytes(), SEED_BYTES]).collect()
}

/// Searches an answer: it may show metadata, but no secret.
#[track_caller]
fn searched(answer: Answer) -> Answer {
    assert_absent("an answer", format!("{:?}{}", answer.headers, answer.body).as_bytes(), &secrets());
    answer
}

fn exercise(server: &Server, program: &Program) {
    let client = server.client();
    let name = METADATA[0];
    let path = format!("/credentials/{name}");
    let body = json!({
        "name": name, "domain": METADATA[2], "sso_provider": METADATA[4], "totp_secret": SEED,
        "values": {"password": SECRETS[0], METADATA[3]: SECRETS[1], "mail": SECRETS[4]},
    });
    assert_eq!(searched(client.post("/credentials", &body)).status, 201);
    assert_eq!(searched(client.post("/credentials", &body)).status, 409);
    assert_eq!(searched(client.get("/credentials")).status, 200);
    assert_eq!(searched(client.get(&path)).status, 200);
    assert_eq!(searched(client.get(&format!("{path}/totp-code"))).status, 200);
    let change = json!({"values": {"password": SECRETS[2]}, "name": METADATA[1]});
    assert_eq!(searched(client.patch(&path, &change)).status, 200);
    let replaced = json!({"domain": METADATA[2], "values": {"password": SECRETS[3]}, "totp_secret": SEED});
    assert_eq!(searched(client.put(&path, &replaced)).status, 201);

    // Secrets in all the wrong places.
    for wrong in [
        json!({"name": "n", "domain": "example.com", "values": SECRETS[0]}),
        json!({"name": "n", "domain": "example.com", "values": [SECRETS[0]]}),
        json!({"name": "n", "domain": "example.com", "values": {"p": [SECRETS[0]]}}),
        json!({"name": "n", "domain": format!("{} .", SECRETS[0]), "values": {"p": "x"}}),
        json!({"name": format!("{}\n{}", SECRETS[0], SECRETS[1]), "domain": "example.com", "values": {"p": "x"}}),
        json!({"name": "n", "domain": "example.com", "values": {"p": "x"}, "totp_secret": format!("{}-1", SECRETS[0])}),
        json!({"name": "n", "domain": "example.com", "values": {"p": "x"}, "totp_algorithm": SECRETS[0]}),
        json!({"name": "n", "domain": "example.com", "values": {"p": "x"}, "sso_provider": {"x": SECRETS[0]}}),
        Value::from(SECRETS[0]),
    ] {
        let answer = searched(client.post("/credentials", &wrong));
        assert_eq!(answer.status, 400, "{answer:?}");
    }
    assert_eq!(searched(client.get(&format!("/credentials/{}", SECRETS[0]))).status, 404);
    assert_eq!(searched(client.get(&format!("/credentials?limit={}", SECRETS[0]))).status, 400);
    assert_eq!(searched(client.get(&format!("/{}", SECRETS[0]))).status, 404);
    assert_eq!(searched(server.client_with(SECRETS[0]).get("/credentials")).status, 401);
    let refused = client.post(&format!("{path}/supply"), &json!({"origin": format!("https://{}.test", SECRETS[0])}));
    assert_eq!(searched(refused).status, 403);

    // The command line, beside the server.
    let output =
        program.run_with_input(&["call", "-"], &json!({"action": "get", "id_or_name": METADATA[1]}).to_string());
    assert_output(&output, Some(0));
    let output = program.run_with_input(&["call", "-"], &format!("{{\"action\":\"{}\"", SECRETS[0]));
    assert_output(&output, Some(1));
    assert_output(&program.run(&["verify"]), Some(0));

    // Supply is where values leave: they do, here and nowhere else.
    let supplied = client.post(&format!("{path}/supply"), &json!({"origin": format!("https://{}", METADATA[2])}));
    assert!(supplied.status == 200 && supplied.body.contains(SECRETS[3]), "{}", supplied.status);
    assert_absent("a supply", supplied.body.as_bytes(), &[SEED.as_bytes(), SEED_BYTES]);
    assert_eq!(searched(client.delete(&path)).status, 204);
}

#[track_caller]
fn assert_output(output: &Output, code: Option<i32>) {
    assert_eq!(output.code, code, "{}", output.stderr);
    assert_absent("a command's output", format!("{}{}", output.stdout, output.stderr).as_bytes(), &secrets());
}

/// Every file below the directory but those that are secret by their purpose.
fn search_files(directory: &Path, needles: &[&[u8]]) -> usize {
    let mut searched = 0;
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            searched += search_files(&path, needles);
        } else {
            assert_absent(&path.display().to_string(), &fs::read(&path).unwrap(), needles);
            searched += 1;
        }
    }
    searched
}

#[test]
fn no_secret_leaves_and_no_name_is_stored() {
    let directory = TempDir::new();
    let program = Program::on(directory.path());
    let server = program.serve();
    exercise(&server, &program);

    let mut needles = secrets();
    needles.extend(METADATA.iter().map(|text| text.as_bytes()));
    // While the log of the database is still there, and once more when it has been carried over.
    let database = directory.path().join("sqlite_key_value.db");
    assert!(
        fs::metadata(database.with_extension("db-wal")).is_ok_and(|log| log.len() > 0),
        "there is no log to search"
    );
    let files = search_files(directory.path(), &needles);
    assert!(files >= 6, "only {files} files");
    let token = server.admin_token();
    let (status, output) = server.stop();
    assert!(status.success());
    search_files(directory.path(), &needles);

    let printed = format!("{}{}", output.stdout, output.stderr);
    assert!(printed.contains("POST /credentials 201"), "nothing was logged: {printed}");
    assert_absent("the server's output", printed.as_bytes(), &needles);
    assert_absent("the server's output", printed.as_bytes(), &[token.as_bytes()]);
    let key = fs::read_to_string(directory.path().join("master.key")).unwrap();
    let key = key.trim().split_once(':').unwrap().1;
    assert_absent("the server's output", printed.as_bytes(), &[key.as_bytes()]);
    assert_absent("the database", &fs::read(&database).unwrap(), &[key.as_bytes(), token.as_bytes()]);
}

/// A search that finds nothing must be able to find something.
#[test]
fn the_search_finds_what_is_there() {
    for text in [
        "x canary-hunter2-alpha y",
        "63616E6172792d68756e746572322d616c706861",
        "c\0a\0n\0a\0r\0y\0-\0h\0u\0n\0t\0e\0r\x002\0-\0a\0l\0p\0h\0a\0",
    ] {
        let found = std::panic::catch_unwind(|| assert_absent("a text", text.as_bytes(), &[SECRETS[0].as_bytes()]));
        assert!(found.is_err(), "{text}");
    }
}
