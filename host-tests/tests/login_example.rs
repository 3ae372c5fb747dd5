//! The example of a login runs as the README says, through the program: a site of three pages, Chromium, the vault, and
//! an agent that sees no value.

use std::io::Write;
use std::path::Path;
use std::process::Command;
use strongroom_host_tests::Program;

/// Whether a program can be started. If not, one line says that the test is skipped; with `CI=true` it fails.
fn is_there(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success());
    let in_ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(found || !in_ci, "the example of a login must not be skipped with CI=true: there is no {program}");
    if !found {
        // Not by `eprintln!`, which the test harness catches.
        let _ = writeln!(std::io::stderr(), "SKIPPED the example of a login: there is no {program}");
    }
    found
}

#[test]
fn the_agent_logs_in_and_sees_no_value() {
    let chromium = std::env::var("STRONGROOM_CHROMIUM").unwrap_or_else(|_| "chromium".into());
    if !is_there("node") || !is_there(&chromium) {
        return;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/login/run.mjs");
    let output = Command::new("node").arg(script).env("STRONGROOM_BINARY", Program::binary()).output().unwrap();
    let (said, complaints) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}{complaints}");
    for part in ["fill_login", "\"submitted\"", "\"username\"", "\"password\"", "\"totp\"", "/ledger"] {
        assert!(said.contains(part), "{part} is missing: {said}");
    }
}
