//! SECURITY.md: no secret in any byte that leaves, and no name or domain in the store.
//!
//! Canaries stand in every field that a caller fills. Then everything that was written or said is searched for them, also
//! in the encodings that a secret could hide in: the database and its log, key names, a backup, answers of each face, the
//! audit, metrics, what commands print, and what the server logs in either form. The same in memory is in `memory.rs`.

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

    exercise_mcp(server, program, METADATA[1]);
    exercise_upkeep(server, program, METADATA[1]);

    // Supply is where values leave: they do, here and nowhere else.
    let supplied = client.post(&format!("{path}/supply"), &json!({"origin": format!("https://{}", METADATA[2])}));
    assert!(supplied.status == 200 && supplied.body.contains(SECRETS[3]), "{}", supplied.status);
    assert_absent("a supply", supplied.body.as_bytes(), &[SEED.as_bytes(), SEED_BYTES]);
    assert_eq!(searched(client.delete(&path)).status, 204);
}

/// Calls of the tool with secrets in every parameter: as values where they belong, as texts where they do not, and inside of
/// what is no text. What may be shown cannot be stored, as it holds a line feed.
fn calls(known: &str) -> Vec<Value> {
    let parameters = [
        "action",
        "id_or_name",
        "name",
        "domain",
        "additional_domains",
        "origin",
        "query",
        "archived",
        "limit",
        "offset",
        "min_valid_seconds",
        "exclusive",
        "values",
        "remove_value_keys",
        "description",
        "metadata",
        "sso_provider",
        "totp_secret",
        "totp_algorithm",
        "totp_digits",
        "totp_period",
        "project",
        "project_id",
        "unknown",
    ];
    let shown = format!("{}\n{}", SECRETS[0], SECRETS[1]);
    let mut calls = Vec::new();
    for action in ["list", "get", "totp_code", "create", "update", "delete"] {
        for parameter in parameters {
            for wrong in [
                json!(SECRETS[0]),
                json!(shown),
                json!([shown]),
                json!({"password": [SECRETS[1]]}),
                json!({"password": shown}),
                json!(format!("{{\"password\":\"{}\"", SECRETS[2])),
            ] {
                let is_shown = ["name", "domain", "additional_domains", "description", "metadata", "sso_provider"]
                    .contains(&parameter);
                if is_shown && wrong.as_str().is_some_and(|text| !text.contains('\n')) {
                    continue;
                }
                let mut call = json!({"action": action, "id_or_name": known});
                // A create that is complete but for the one parameter; its name is taken, so nothing is stored.
                if action == "create" {
                    call = json!({"action": "create", "name": known, "domain": "example.com", "values": {"p": SECRETS[3]}});
                }
                call[parameter] = wrong;
                // What is known stays: with another name nothing is deleted.
                if action == "delete" && parameter != "id_or_name" {
                    call["id_or_name"] = "missing".into();
                }
                calls.push(call);
            }
        }
    }
    calls
}

/// The tools over HTTP and over standard input and output: schemas, results, errors of the tools and of the protocol.
fn exercise_mcp(server: &Server, program: &Program, known: &str) {
    let client = server.client();
    let message = |id: usize, method: &str, params: Value| json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
    let call = |tool: &str, arguments: &Value| json!({"name": tool, "arguments": arguments});
    let mut messages = vec![
        message(1, "tools/list", json!({})),
        message(2, "tools/list", json!({"cursor": SECRETS[0]})),
        message(3, SECRETS[0], json!({"password": SECRETS[1]})),
        message(4, "tools/call", call(SECRETS[0], &json!({"action": "list"}))),
        message(5, "tools/call", json!({"name": {"x": SECRETS[0]}, "arguments": SECRETS[1]})),
        message(6, "tools/call", call("manage_credentials", &json!(SECRETS[0]))),
        message(7, "ping", json!({"_meta": {SECRETS[0]: SECRETS[1]}})),
    ];
    for arguments in calls(known) {
        messages.push(message(messages.len() + 1, "tools/call", call("manage_credentials", &arguments)));
    }
    // Values as they should be sent, and each kind of result.
    let values = json!({"password": SECRETS[0], "mail": SECRETS[4]});
    let good = [
        json!({"action": "create", "name": "mcp", "domain": "example.com", "values": values, "totp_secret": SEED}),
        json!({"action": "list", "origin": "https://example.com"}),
        json!({"action": "get", "id_or_name": "mcp"}),
        json!({"action": "totp_code", "id_or_name": "mcp"}),
        json!({"action": "update", "id_or_name": "mcp", "values": {"password": SECRETS[1]}, "totp_secret": SEED}),
        json!({"action": "delete", "id_or_name": "mcp"}),
    ];
    for arguments in &good {
        messages.push(message(messages.len() + 1, "tools/call", call("manage_credentials", arguments)));
    }
    let (mut results, mut refusals) = (0, 0);
    for message in &messages {
        let answer = searched(client.post("/mcp", message));
        let answer: Value = serde_json::from_str(&answer.body).unwrap();
        results += usize::from(answer["result"]["isError"] == false);
        refusals += usize::from(answer["result"]["isError"] == true);
    }
    assert!(results > good.len() && refusals > 400, "{results} {refusals}");
    for (name, value) in [
        ("mcp-protocol-version", SECRETS[0]),
        ("mcp-method", SECRETS[0]),
        ("origin", SECRETS[0]),
        ("host", SECRETS[0]),
        ("x-kernel-project", SECRETS[0]),
        ("authorization", SECRETS[0]),
    ] {
        let answer =
            searched(client.request("POST", "/mcp", &[(name, value)], Some(&message(1, "tools/list", json!({})))));
        assert!(answer.status >= 400 || name == "mcp-method", "{name}: {}", answer.status);
    }

    let offer = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": SECRETS[2], "version": "1"}});
    let mut input = format!("{}\n", message(0, "initialize", offer));
    input += "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n";
    messages.iter().for_each(|message| input += &format!("{message}\n"));
    input +=
        &format!("{}\n{{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"method\":5,\"params\":\"{}\"}}\n", SECRETS[0], SECRETS[1]);
    let output = program.run_with_input(&["mcp", "--scopes", "read,totp,write"], &input);
    assert_output(&output, Some(0));
    let count = |text: &str| output.stdout.matches(text).count();
    assert!(count("\"isError\":true") > 400 && count("\"isError\":false") > good.len(), "{}", output.stdout.len());
}

/// What operators ask for, over REST and by commands: versions, the audit, walks over the store, metrics, keys, tokens.
fn exercise_upkeep(server: &Server, program: &Program, known: &str) {
    let client = server.client();
    let (path, secret) = (format!("/credentials/{known}"), SECRETS[0]);
    for (route, status) in [
        ("/health", 200),
        ("/health?deep=true", 200),
        ("/openapi.json", 200),
        ("/metrics", 200),
        ("/audit", 200),
        (&format!("/audit?token={secret}"), 200),
        (&format!("/audit?credential={secret}"), 400),
        (&format!("/audit?cursor={secret}"), 400),
        (&format!("/audit?limit={secret}"), 400),
        (&format!("/audit?since={secret}"), 400),
        (&format!("{path}/versions"), 200),
        (&format!("/credentials/{secret}/versions"), 404),
        (&format!("{path}/totp-code?min_valid_seconds={secret}"), 400),
        (&format!("{path}/{secret}"), 404),
    ] {
        let answer = searched(client.get(route));
        assert_eq!(answer.status, status, "{answer:?}");
        assert!(!answer.body.is_empty());
    }
    // A version to go back to: the name of the first one is another's by now.
    assert_eq!(searched(client.patch(&path, &json!({"description": "of now"}))).status, 200);
    let audit = client.get("/audit").body;
    assert!(audit.contains("\"create\"") && audit.contains("\"update\""), "{audit}");
    for (route, body, status) in [
        (format!("{path}/restore"), json!({"version": 2}), 200),
        (format!("{path}/restore"), json!({"version": secret}), 400),
        (format!("{path}/restore"), json!({secret: [secret]}), 400),
        (format!("{path}/reset-exclusive"), json!({}), 200),
        (format!("{path}/fill"), json!({"browser": secret}), 400),
        ("/maintenance/verify".to_owned(), json!({}), 200),
        ("/maintenance/verify".to_owned(), json!({"cursor": secret}), 400),
        ("/maintenance/sweep".to_owned(), json!({}), 200),
        ("/maintenance/sweep".to_owned(), json!({"cursor": [secret]}), 400),
        ("/maintenance/rewrap".to_owned(), json!({}), 200),
        ("/maintenance/rewrap".to_owned(), json!({"cursor": secret}), 400),
    ] {
        let answer = searched(client.post(&route, &body));
        assert!(answer.status == status || status == 400 && answer.status > 400, "{route}: {answer:?}");
    }
    assert_eq!(searched(client.delete(&format!("{path}?purge={secret}"))).status, 400);
    for (arguments, code) in [
        (&["history", known][..], 0),
        (&["history"], 0),
        (&["history", secret], 1),
        (&["restore", secret, "--version", "1"], 1),
        (&["purge", secret], 1),
        (&["audit"], 0),
        (&["audit", "--token", secret], 0),
        (&["key", "list"], 0),
        (&["token", "list"], 0),
        (&["reset-exclusive", known], 0),
        (&["reset-exclusive", secret], 1),
        (&["sweep"], 0),
        (&["supply", known, "--origin", &format!("https://{secret}.example"), "--exec", "true"], 1),
    ] {
        let output = program.run(arguments);
        let shown = format!("{}{}", output.stdout, output.stderr);
        assert_absent(&format!("the output of {arguments:?}"), shown.as_bytes(), &secrets());
        assert_eq!(output.code, Some(code), "{arguments:?}: {}", output.stderr);
    }
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
    // No variable makes it log more: what libraries log can hold headers.
    let program = Program::on(directory.path()).with("RUST_LOG", "trace");
    let server = program.serve();
    // Whoever reads keeps the log of the database from being emptied.
    let reader = rusqlite::Connection::open(directory.path().join("sqlite_key_value.db")).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM spin_key_value").unwrap();
    exercise(&server, &program);
    let long = json!({"name": "long", "domain": METADATA[2], "values": {"note": SECRETS[0].repeat(200)}});
    assert_eq!(searched(server.client().post("/credentials", &long)).status, 201);
    let backup = TempDir::new();
    assert_output(&program.run(&["backup", backup.path().join("backup").to_str().unwrap()]), Some(0));

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
    assert_eq!(search_files(backup.path(), &needles), 1);
    let token = server.admin_token();
    drop(reader);
    let (status, output) = server.stop();
    assert!(status.success());
    search_files(directory.path(), &needles);

    let printed = format!("{}{}", output.stdout, output.stderr);
    assert!(printed.contains("POST /credentials 201"), "nothing was logged: {printed}");
    assert_absent("the server's output", printed.as_bytes(), &needles);
    assert_absent("the server's output", printed.as_bytes(), &[token.as_bytes()]);
    let key = fs::read_to_string(directory.path().join("master.key")).unwrap();
    let key = key.trim().split_once(':').unwrap().1;
    let copy = fs::read(backup.path().join("backup")).unwrap();
    assert!(copy.len() > 10_000, "there is little to search: {} bytes", copy.len());
    assert_absent("the backup", &copy, &[key.as_bytes(), token.as_bytes()]);
    assert_absent("the server's output", printed.as_bytes(), &[key.as_bytes()]);
    assert_absent("the database", &fs::read(&database).unwrap(), &[key.as_bytes(), token.as_bytes()]);
}

/// The other form of the log.
#[test]
fn no_secret_is_in_a_log_of_json() {
    let directory = TempDir::new();
    let program = Program::on(directory.path()).with("RUST_LOG", "trace");
    let server = program.serve_with(&["--log-format", "json"]);
    exercise(&server, &program);
    let token = server.admin_token();
    let (_, output) = server.stop();
    let printed = format!("{}{}", output.stdout, output.stderr);
    let lines = output.stderr.lines().filter(|line| serde_json::from_str::<Value>(line).is_ok()).count();
    assert!(lines > 500, "{lines} lines");
    let mut needles = secrets();
    needles.extend(METADATA.iter().map(|text| text.as_bytes()));
    needles.push(token.as_bytes());
    assert_absent("the server's output", printed.as_bytes(), &needles);
}

/// The searches find a secret where one is put: in an answer of each face, in a log, in the output of a command, in a file.
#[test]
fn a_planted_secret_is_found() {
    let directory = TempDir::new();
    let program = Program::on(directory.path());
    let server = program.serve();
    let client = server.client();
    let is_found = |search: &dyn Fn()| std::panic::catch_unwind(std::panic::AssertUnwindSafe(search)).is_err();
    let new = json!({
        "name": "planted", "domain": "example.com", "values": {"password": "x"}, "description": SECRETS[0],
        "metadata": {"note": SEED},
    });
    assert_eq!(client.post("/credentials", &new).status, 201);
    for path in ["/credentials", "/credentials/planted"] {
        assert!(is_found(&|| drop(searched(client.get(path)))), "{path}");
    }
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {"name": "manage_credentials", "arguments": {"action": "get", "id_or_name": "planted"}}});
    assert!(is_found(&|| drop(searched(client.post("/mcp", &call)))));
    let get = json!({"action": "get", "id_or_name": "planted"}).to_string();
    assert!(is_found(&|| assert_output(&program.run_with_input(&["call", "-"], &get), Some(0))));

    // The name of a token stands in the log and in the audit.
    let made = program.run(&["token", "new", "--name", SECRETS[1], "--scopes", "read,write"]);
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    let changed = server.client_with(made.stdout.trim()).patch("/credentials/planted", &json!({"description": "y"}));
    assert_eq!(changed.status, 200, "{changed:?}");
    assert!(is_found(&|| drop(searched(client.get("/audit")))));
    let log = server.log_with(SECRETS[1]);
    assert!(is_found(&|| assert_absent("the log", log.as_bytes(), &secrets())));
    assert!(is_found(&|| assert_output(&program.run(&["audit"]), Some(0))));

    let files = TempDir::new();
    let backup = files.path().join("backup");
    assert_eq!(program.run(&["backup", backup.to_str().unwrap()]).code, Some(0));
    assert_eq!(search_files(files.path(), &secrets()), 1);
    let mut bytes = fs::read(&backup).unwrap();
    let middle = bytes.len() / 2;
    bytes.splice(middle..middle, SECRETS[2].bytes());
    fs::write(&backup, bytes).unwrap();
    assert!(is_found(&|| _ = search_files(files.path(), &secrets())));
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
