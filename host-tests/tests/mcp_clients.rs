//! Independent clients of MCP, each in the eras of the protocol that it speaks: they list the tools, run all six actions,
//! and read structured content and errors. What they do is in `clients/mcp_client.py` and `clients/mcp_client.mjs`.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use strongroom_host_tests::{Program, TempDir, clients};

const PYTHON: &str = "mcp==2.3.0";
const TYPESCRIPT: [&str; 2] = ["@modelcontextprotocol/sdk@1.32.2", "@modelcontextprotocol/client@2.4.0"];

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients").join(name)
}

fn python(mode: &str) -> Option<Command> {
    let mut command = clients::python(&format!("the Python client of MCP ({mode})"), &[PYTHON])?;
    command.arg(script("mcp_client.py")).arg(mode);
    Some(command)
}

fn typescript(version: &str) -> Option<Command> {
    let mut command = clients::node(&format!("the TypeScript client of MCP ({version})"), &TYPESCRIPT)?;
    // Modules are looked for from where the script is; one from standard input is where the packages are.
    command.args(["--input-type=module", "-", version]).stdin(File::open(script("mcp_client.mjs")).unwrap());
    Some(command)
}

/// The client, over HTTP.
fn over_http(client: Option<Command>) {
    let Some(mut client) = client else { return };
    let directory = TempDir::new();
    let server = Program::on(directory.path()).serve();
    let token = server.admin_token();
    client.args(["http", &format!("http://{}/mcp", server.address()), &token]);
    let output = client.env_remove("HTTP_PROXY").env_remove("http_proxy").output().unwrap();
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    let (status, output) = server.stop();
    assert!(status.success(), "{output:?}");
    assert!(output.stderr.matches("POST /mcp 200").count() > 10, "{}", output.stderr);
    for secret in [&token, "value-canary", "GEZDGNBVGY3TQOJQ"] {
        assert!(!output.stderr.contains(secret) && !output.stdout.contains(secret), "a secret is in the log");
    }
}

#[test]
fn python_with_a_handshake() {
    over_http(python("legacy"));
}

#[test]
fn python_without_one() {
    over_http(python("auto"));
}

#[test]
fn typescript_v1() {
    over_http(typescript("v1"));
}

#[test]
fn typescript_v2_with_a_handshake() {
    over_http(typescript("v2"));
}

#[test]
fn typescript_v2_without_one() {
    over_http(typescript("v2-auto"));
}
