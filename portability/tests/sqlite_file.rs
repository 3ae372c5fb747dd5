//! One SQLite file for `strongroom serve` and for Spin: what the one wrote the other reads and changes, and back. Spin is
//! played by its own statements on the file, in Python, and a store that does what Spin's does.

use serde_json::Value;
use std::fs;
use std::path::Path;
use strongroom_portability::host::{self, Host};
use strongroom_portability::hosts::Node;
use strongroom_portability::{ADMIN_TOKEN, KEYS, Program, TempDir, clients, tokens};

const TEST: &str = "sqlite_file";
const SECRET: &str = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";

/// `None` where there is no Python.
fn convert(direction: &str, database: &Path, rows: &Path) -> Option<()> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("stores/sqlite.py");
    let output = clients::python(TEST, &[])?.arg(script).arg(direction).arg(database).arg(rows).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    Some(())
}

fn rows(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn what_the_program_wrote_is_a_vault_under_spin_and_back() {
    let directory = TempDir::new();
    let state = directory.path().join("state");
    let program = Program::on(&state);
    let (database, file) = (state.join("sqlite_key_value.db"), directory.path().join("rows.json"));
    let (again, keys) = (directory.path().join("again.json"), state.join("master.key"));

    let server = program.serve();
    let client = server.client();
    for name in ["a", "b"] {
        host::create(&client, name, "canary", Some(SECRET)).unwrap();
    }
    let before = host::get(&client, "a").unwrap();
    assert!(server.stop().0.success());

    if convert("read", &database, &file).is_none() {
        return;
    }
    // Spin has the same keys and, for this test, a token of its own.
    assert!(!fs::read_to_string(&file).unwrap().contains("canary"));
    let found = fs::read_to_string(&keys).unwrap();
    let Some(mut spin) = Node::with_spins(TEST, "sqlite", &file) else { return };
    spin.set_keys(found.trim());
    assert_eq!(spin.get("a").unwrap(), before);
    spin.update("a", "changed under Spin", None).unwrap();
    spin.create("c", "made under Spin", None).unwrap();
    spin.delete("b").unwrap();
    drop(spin);

    convert("write", &database, &file).unwrap();
    convert("read", &database, &again).unwrap();
    assert_eq!(rows(&again), rows(&file), "the same bytes under the same keys");
    let server = program.serve();
    let client = server.client();
    assert_eq!(host::get(&client, "a").unwrap()["description"], "changed under Spin");
    assert_eq!(host::get(&client, "b"), Err("not_found".to_owned()));
    assert_eq!(host::get(&client, "c").unwrap()["version"], 1);
    host::totp_code(&client, "a").unwrap();
    assert!(server.stop().0.success());
    let verified = program.run(&["verify"]);
    assert!(verified.stdout.starts_with("sound: 2 credentials"), "{verified:?}");
}

#[test]
fn a_vault_that_was_begun_under_spin_is_one_of_the_program() {
    let directory = TempDir::new();
    let (state, file) = (directory.path().join("state"), directory.path().join("rows.json"));
    let Some(spin) = Node::with_spins(TEST, "sqlite", &file) else { return };
    spin.create("a", "made under Spin", Some(SECRET)).unwrap();
    spin.update("a", "changed", None).unwrap();
    drop(spin);

    fs::create_dir(&state).unwrap();
    if convert("write", &state.join("sqlite_key_value.db"), &file).is_none() {
        return;
    }
    for (name, content) in [("master.key", KEYS.to_owned()), ("tokens", tokens())] {
        fs::write(state.join(name), content + "\n").unwrap();
    }
    #[cfg(unix)]
    for (path, mode) in [("", 0o700), ("master.key", 0o600), ("tokens", 0o600), ("sqlite_key_value.db", 0o600)] {
        fs::set_permissions(state.join(path), std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    }
    let program = Program::on(&state);
    let server = program.serve();
    let client = server.client_with(ADMIN_TOKEN);
    let found = host::get(&client, "a").unwrap();
    assert_eq!((&found["description"], &found["version"]), (&"changed".into(), &2.into()));
    assert_eq!(host::versions(&client, "a").unwrap().as_array().unwrap().len(), 1);
}
