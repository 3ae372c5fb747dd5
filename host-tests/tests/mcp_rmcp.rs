//! The Rust SDK as a client of MCP, over HTTP and over standard input and output: it lists the tools, runs all six actions
//! and reads structured content and errors. Its handshake offers a revision that has none.

use rmcp::ServiceExt;
use rmcp::model::CallToolRequestParams;
use rmcp::service::{RoleClient, RunningService};
use rmcp::transport::child_process::TokioChildProcess;
use rmcp::transport::streamable_http_client::{StreamableHttpClientTransport, StreamableHttpClientTransportConfig};
use serde_json::{Value, json};
use strongroom_host_tests::{Program, TempDir, adapter};

const SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

type Client = RunningService<RoleClient, ()>;

fn block_on(future: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future);
}

/// Structured content, or the text of an error.
async fn call(client: &Client, tool: &'static str, arguments: Value) -> Result<Value, String> {
    let arguments = arguments.as_object().unwrap().clone();
    let result = client.call_tool(CallToolRequestParams::new(tool).with_arguments(arguments)).await.unwrap();
    let text = result.content[0].as_text().unwrap().text.clone();
    assert!(!text.contains("value-canary") && !text.contains(SECRET), "{text}");
    if result.is_error == Some(true) {
        assert!(result.structured_content.is_none());
        return Err(text);
    }
    let structured = result.structured_content.unwrap();
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), structured);
    Ok(structured)
}

async fn all_six_actions(client: Client) {
    let tools = client.list_all_tools().await.unwrap();
    let names: Vec<_> = tools.iter().map(|tool| tool.name.as_ref()).collect();
    assert_eq!(names, ["manage_credentials", "find_credentials"]);
    let run = async |arguments: Value| call(&client, "manage_credentials", arguments).await;
    let created = run(json!({
        "action": "create", "name": "login", "domain": "netflix.com", "totp_secret": SECRET,
        "values": {"username": "u", "password": "value-canary"},
    }))
    .await
    .unwrap();
    let page = json!({"action": "list", "origin": "https://netflix.com/login"});
    let listed = call(&client, "find_credentials", page).await.unwrap();
    assert_eq!(listed["items"][0]["id"], created["id"]);
    assert_eq!(run(json!({"action": "get", "id_or_name": "login"})).await.unwrap()["id"], created["id"]);
    assert_eq!(run(json!({"action": "totp_code", "id_or_name": "login"})).await.unwrap()["period"], 30);
    let renamed = run(json!({"action": "update", "id_or_name": "login", "name": "renamed"})).await.unwrap();
    assert_eq!(renamed["name"], "renamed");
    assert!(run(json!({"action": "get", "id_or_name": "login"})).await.unwrap_err().contains("[code: not_found]"));
    assert!(run(json!({})).await.unwrap_err().starts_with("Error: action must be one of list"));
    assert_eq!(run(json!({"action": "delete", "id_or_name": "renamed"})).await.unwrap()["deleted"], true);
    assert!(client.call_tool(CallToolRequestParams::new("unknown")).await.is_err());
    client.cancel().await.unwrap();
}

#[test]
fn over_http() {
    let directory = TempDir::new();
    let server = Program::on(directory.path()).serve();
    let url = format!("http://{}/mcp", server.address());
    let config = StreamableHttpClientTransportConfig::with_uri(url).auth_header(server.admin_token());
    block_on(async {
        let client = ().serve(StreamableHttpClientTransport::from_config(config)).await.unwrap();
        all_six_actions(client).await;
    });
}

/// The component's own tests answer the first requests of many clients from a record. This client is at hand, so its part of
/// the record is held against what it sends.
#[test]
fn its_first_requests_are_those_of_the_record() {
    let record: Value = serde_json::from_str(include_str!("../../src/http/mcp/tests/recorded.json")).unwrap();
    let of_rmcp = |entry: &&Value| entry["client"].as_str().is_some_and(|client| client.starts_with("rmcp "));
    let recorded = record.as_array().unwrap().iter().find(of_rmcp).unwrap()["requests"].as_array().unwrap();
    let directory = TempDir::new();
    let server = Program::on(directory.path()).serve();
    let (address, sent) = adapter::start(server.address(), &server.admin_token());
    block_on(async {
        let config = StreamableHttpClientTransportConfig::with_uri(format!("http://{address}/mcp"));
        let client = ().serve(StreamableHttpClientTransport::from_config(config)).await.unwrap();
        client.list_all_tools().await.unwrap();
        client.cancel().await.unwrap();
    });
    let sent = sent.lock().unwrap();
    for expected in recorded {
        let headers = expected["headers"].as_object().unwrap();
        // Neither the order of requests nor that of members is promised.
        let json = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
        let found = sent.iter().any(|one| {
            let has = |name: &String, value: &Value| one.headers.iter().any(|(n, v)| n == name && value == v);
            expected["method"] == one.method.as_str()
                && json(expected["body"].as_str().unwrap()) == json(&one.body)
                && headers.iter().all(|(name, value)| has(name, value))
        });
        assert!(found, "it does not send {expected}, but {sent:#?}");
    }
}

#[test]
fn over_standard_input_and_output_beside_a_running_server() {
    let directory = TempDir::new();
    let program = Program::on(directory.path());
    let server = program.serve();
    block_on(async {
        let command = program.command(&["mcp", "--scopes", "read,totp,write"]);
        let client = ().serve(TokioChildProcess::new(tokio::process::Command::from(command)).unwrap()).await.unwrap();
        // One vault: each sees what the other stored.
        let body = json!({"name": "shared", "domain": "example.com", "values": {"a": "value-canary"}});
        assert_eq!(server.client().post("/credentials", &body).status, 201);
        let get = json!({"action": "get", "id_or_name": "shared"});
        assert_eq!(call(&client, "manage_credentials", get).await.unwrap()["name"], "shared");
        assert_eq!(server.client().delete("/credentials/shared").status, 204);
        all_six_actions(client).await;
    });
}
