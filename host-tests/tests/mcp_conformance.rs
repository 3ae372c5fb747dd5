//! The official conformance tool of MCP against the running server, for the revisions of both eras. What it may fail is in
//! `clients/conformance-*.yml`, with a reason for each.

use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;
use strongroom_host_tests::{Program, TempDir, adapter, clients};

const CURRENT: &str = "@modelcontextprotocol/conformance@0.2.0-alpha.12";
/// Under a name of its own beside the current one.
const EARLIER: &str = "conformance-0.1@npm:@modelcontextprotocol/conformance@0.1.16";
/// Both need a later Node.js than systems have.
const NODE_VERSION: &str = "22.23.3";

/// Runs a release of the tool and returns how many scenarios had their messages held against the protocol's schema.
fn conforms(package: &str, folder: &str, arguments: &[&str], baseline: &str) -> Option<usize> {
    let test = format!("the conformance tool for {baseline}");
    let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };
    let node = format!("node-{}-{arch}", std::env::consts::OS);
    let installed = clients::node(&test, &[&format!("{node}@{NODE_VERSION}"), package])?;
    let packages = installed.get_current_dir()?.join("node_modules");
    let directory = TempDir::new();
    let server = Program::on(&directory.path().join("state")).serve();
    let (address, _) = adapter::start(server.address(), &server.admin_token());
    let baseline = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("clients/conformance-{baseline}.yml"));
    let results = directory.path().join("results");
    let output = Command::new(packages.join(node).join("bin/node"))
        .current_dir(directory.path())
        .arg(packages.join(folder).join("dist/index.js"))
        .args(["server", "--url", &format!("http://{address}/mcp")])
        .args(arguments)
        .arg("--expected-failures")
        .arg(baseline)
        .arg("--output-dir")
        .arg(&results)
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let (_, output) = server.stop();
    assert!(!output.stderr.contains(" 500 ") && !output.stderr.contains(" 503 "), "{}", output.stderr);
    let scenarios = fs::read_dir(results).unwrap().map(|entry| entry.unwrap().path().join("checks.json"));
    Some(scenarios.filter(|checks| holds_the_schema(checks)).count())
}

fn holds_the_schema(checks: &Path) -> bool {
    let checks: Value = serde_json::from_str(&fs::read_to_string(checks).unwrap()).unwrap();
    let mut found = checks.as_array().unwrap().iter().filter(|check| check["id"] == "wire-schema-valid").peekable();
    found.peek().is_some() && found.all(|check| check["status"] == "SUCCESS")
}

#[test]
fn to_2026_07_28() {
    let arguments = ["--requirements", "2026-07-28"];
    if let Some(scenarios) = conforms(CURRENT, "@modelcontextprotocol/conformance", &arguments, "2026-07-28") {
        assert!(scenarios > 30, "{scenarios}");
    }
}

#[test]
fn to_2025_11_25() {
    let arguments = ["--requirements", "2025-11-25"];
    if let Some(scenarios) = conforms(CURRENT, "@modelcontextprotocol/conformance", &arguments, "2025-11-25") {
        assert!(scenarios > 20, "{scenarios}");
    }
}

#[test]
fn to_2025_11_25_by_the_earlier_release() {
    conforms(EARLIER, "conformance-0.1", &[], "0.1");
}
