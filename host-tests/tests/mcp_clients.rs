//! Independent clients of MCP, each in the eras of the protocol that it speaks: they list the tools, run all six actions,
//! and read structured content and errors. What they do is in `clients/mcp_client.py` and `clients/mcp_client.mjs`.

use serde_json::json;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use strongroom_host_tests::engines::{Etcd, Postgres};
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
    let directory = TempDir::new();
    over_http_on(&Program::on(directory.path()), client);
}

fn over_http_on(program: &Program, client: Option<Command>) {
    let Some(mut client) = client else { return };
    let server = program.serve();
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

#[test]
fn on_postgres() {
    let Some(server) = Postgres::start("the clients of MCP on PostgreSQL") else { return };
    for (database, client) in [("one", python("auto")), ("two", typescript("v2-auto"))] {
        server.query(&format!("CREATE DATABASE {database}"));
        let directory = TempDir::new();
        over_http_on(&Program::on(directory.path()).with_store(&server.url_of(database)), client);
    }
}

#[test]
fn on_etcd() {
    let Some(cluster) = Etcd::start("the clients of MCP on etcd", 1) else { return };
    for (prefix, client) in [("one", python("auto")), ("two", typescript("v2-auto"))] {
        let directory = TempDir::new();
        over_http_on(&Program::on(directory.path()).with_store(&format!("{}/{prefix}", cluster.url())), client);
    }
}

/// RFC 9728: a client without a token, or with an unknown one, learns that it cannot get one by itself.
#[test]
fn a_client_without_a_token_is_told_why() {
    let directory = TempDir::new();
    let server = Program::on(directory.path()).serve();
    let url = format!("http://{}", server.address());
    for token in ["", "unknown"] {
        let client = server.client_with(token);
        let answer = client.post("/mcp", &json!({"jsonrpc": "2.0", "id": 1, "method": "server/discover"}));
        assert_eq!((answer.status, answer.code().as_str()), (401, "unauthorized"));
        assert!(answer.body.contains("static token"), "{}", answer.body);
        let metadata = format!("{url}/.well-known/oauth-protected-resource/mcp");
        let challenge = format!(r#"Bearer realm="strongroom", resource_metadata="{metadata}""#);
        assert_eq!(answer.header("www-authenticate"), Some(challenge.as_str()));
        // Before anything about the method: some clients look for the challenge by GET.
        assert_eq!(client.get("/mcp").header("www-authenticate"), Some(challenge.as_str()));
        let metadata = client.get(metadata.strip_prefix(&url).unwrap()).json();
        assert_eq!(metadata["resource"], format!("{url}/mcp"));
        assert_eq!(metadata["bearer_methods_supported"], json!(["header"]));
        assert!(metadata.get("authorization_servers").is_none());
        for path in ["oauth-authorization-server", "oauth-authorization-server/mcp", "openid-configuration"] {
            let answer = client.get(&format!("/.well-known/{path}"));
            assert_eq!((answer.status, answer.code().as_str()), (404, "not_found"), "{path}");
        }
    }
}
