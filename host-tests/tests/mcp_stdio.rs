//! `strongroom mcp`: nothing but protocol on standard output, scopes that hold, and an end with the input's.

use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use strongroom_host_tests::{Output, Program, TempDir, clients};

fn request(id: u32, method: &str, params: Value) -> String {
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string()
}

fn handshake() -> [String; 2] {
    let params = json!({
        "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"},
    });
    [request(0, "initialize", params), json!({"jsonrpc": "2.0", "method": "notifications/initialized"}).to_string()]
}

/// Sends these lines and the end of the input; the answers by id.
fn session(program: &Program, arguments: &[&str], lines: &[String]) -> (Vec<Value>, Output) {
    let input: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let output = program.run_with_input(&[&["mcp"], arguments].concat(), &input);
    let mut answers: Vec<Value> =
        output.stdout.lines().map(|line| serde_json::from_str(line).expect("only protocol")).collect();
    answers.sort_by_key(|answer| answer["id"].as_u64());
    assert!(answers.iter().all(|answer| answer["jsonrpc"] == "2.0"), "{output:?}");
    (answers, output)
}

fn call(id: u32, tool: &str, arguments: Value) -> String {
    request(id, "tools/call", json!({"name": tool, "arguments": arguments}))
}

#[test]
fn a_session_reads_and_ends_with_its_input() {
    let directory = TempDir::new();
    let program = Program::on(directory.path());
    assert_eq!(program.run(&["init"]).code, Some(0));
    let mut lines = handshake().to_vec();
    lines.push(request(1, "tools/list", json!({})));
    lines.push(call(2, "manage_credentials", json!({"action": "list"})));
    lines.push(call(3, "manage_credentials", json!({"action": "get", "id_or_name": "hunter2-canary"})));
    lines.push(call(4, "manage_credentials", json!({"action": "create", "name": "n"})));
    lines.push(call(5, "find_credentials", json!({"action": "list"})));
    let (answers, output) = session(&program, &[], &lines);
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""));
    assert!(!output.stdout.contains("canary"));
    let ids: Vec<_> = answers.iter().map(|answer| answer["id"].as_u64().unwrap()).collect();
    assert_eq!(ids, [0, 1, 2, 3, 4, 5]);
    assert_eq!(answers[0]["result"]["serverInfo"]["name"], "strongroom");
    let tools = answers[1]["result"]["tools"].as_array().unwrap();
    assert_eq!(tools.len(), 1);
    let actions = &tools[0]["inputSchema"]["properties"]["action"]["enum"];
    assert_eq!(actions, &json!(["list", "get", "totp_code"]));
    assert_eq!(answers[2]["result"]["structuredContent"]["items"], json!([]));
    let text = |answer: &Value| answer["result"]["content"][0]["text"].as_str().unwrap().to_owned();
    assert!(answers[3]["result"]["isError"] == true && text(&answers[3]).contains("[code: not_found]"));
    assert_eq!(text(&answers[4]), "Error: action must be one of list, get, totp_code");
    assert_eq!(answers[5]["error"]["code"], -32602);
}

/// A client that is set up before the vault is: its user is told by the model, and need not start anything anew.
#[test]
fn without_a_vault_it_says_which_command_begins_one_and_goes_on_from_there() {
    let directory = TempDir::new();
    let program = Program::on(&directory.path().join("it's my vault"));
    let mut command = program.command(&["mcp"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
    let [initialize, initialized] = handshake();
    let mut ask = |text: &str| -> Value {
        writeln!(input, "{text}").unwrap();
        serde_json::from_str(&output.next().unwrap().unwrap()).unwrap()
    };
    assert_eq!(ask(&initialize)["result"]["serverInfo"]["name"], "strongroom");
    let list = call(1, "manage_credentials", json!({"action": "list"}));
    let listed = ask(&format!("{initialized}\n{}", request(2, "tools/list", json!({}))));
    assert_eq!(listed["result"]["tools"][0]["name"], "manage_credentials");
    let refused = ask(&list);
    let text = refused["result"]["content"][0]["text"].as_str().unwrap();
    assert_eq!(refused["result"]["isError"], true, "{text}");
    assert!(text.contains("there is no vault in ") && text.ends_with("do not retry, tell the user."), "{text}");
    assert!(!program.state().exists(), "a session begins none");
    // The command that it names, word for word.
    let told = text.split('`').nth(1).unwrap();
    let command = told.replacen("strongroom", &format!("'{}'", Program::binary().display()), 1);
    assert!(Command::new("sh").args(["-c", &command]).output().unwrap().status.success(), "{told}");
    assert_eq!(ask(&list)["result"]["structuredContent"]["items"], json!([]));
    drop(input);
    let ended = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(ended.stderr).unwrap();
    assert!(ended.status.success() && stderr.lines().count() == 1, "{stderr}");
    assert!(stderr.starts_with("strongroom: there is no vault in ") && stderr.contains(told), "{stderr}");
}

/// The SDK reads numbers before we do, and not as texts.
#[test]
fn numbers_among_values_are_kept_as_they_were_written_or_refused() {
    let directory = TempDir::new();
    let program = Program::on(directory.path());
    assert_eq!(program.run(&["init"]).code, Some(0));
    let kept = ["0", "1234", "-5", "18446744073709551615"];
    let all = [&kept[..], &["1.50", "1e3", "18446744073709551616"]].concat();
    let mut lines = handshake().to_vec();
    for (id, number) in (1..).zip(&all) {
        let values = json!({"pin": "NUMBER"});
        let name = format!("with {number}");
        let arguments = json!({"action": "create", "name": name, "domain": "example.com", "values": values});
        lines.push(call(id, "manage_credentials", arguments).replace("\"NUMBER\"", number));
    }
    let (answers, _) = session(&program, &["--scopes", "write"], &lines);
    for (answer, number) in answers[1..].iter().zip(&all) {
        if !kept.contains(number) {
            let text = answer["result"]["content"][0]["text"].as_str().unwrap();
            assert!(text.starts_with("Error: values must be an object of strings: "), "{number}: {text}");
            continue;
        }
        assert_eq!(answer["result"]["isError"], false, "{number}: {answer}");
        let name = format!("with {number}");
        let supply = ["supply", &name, "--origin", "https://example.com", "--stdin", "--exec", "cat"];
        let values: Value = serde_json::from_str(&program.run(&supply).stdout).unwrap();
        assert!(values.to_string().contains(&format!(r#""pin":"{number}""#)), "{number}: {values}");
    }
}

#[test]
fn the_tools_are_those_of_the_server() {
    let directory = TempDir::new();
    let program = Program::on(directory.path());
    let server = program.serve();
    for scopes in ["read,totp", "read", "read,totp,write"] {
        let made = program.run(&["token", "new", "--name", &scopes.replace(',', "-"), "--scopes", scopes]);
        let client = server.client_with(made.stdout.trim());
        let over_http = client.post("/mcp", &json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})).json();
        let mut lines = handshake().to_vec();
        lines.push(request(1, "tools/list", json!({})));
        let (answers, _) = session(&program, &["--scopes", scopes], &lines);
        assert_eq!(answers[1]["result"]["tools"], over_http["result"]["tools"], "{scopes}");
    }
}

#[test]
fn what_is_no_handshake_ends_it_without_an_echo() {
    let directory = TempDir::new();
    let program = Program::on(directory.path());
    let output = program.run(&["mcp", "--scopes", "hunter2-canary"]);
    assert!(output.code == Some(1) && !output.stderr.contains("canary"), "{output:?}");
    let output = program.run(&["mcp", "--project", "hunter2 canary"]);
    assert!(output.code == Some(1) && !output.stderr.contains("canary"), "{output:?}");
    for input in ["", "hunter2-canary\n", "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"hunter2-canary\"}\n"] {
        let output = program.run_with_input(&["mcp"], input);
        assert!(!output.stdout.contains("canary") && !output.stderr.contains("canary"), "{output:?}");
    }
}

/// The official clients, in both eras.
#[test]
fn the_official_clients() {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients");
    let python = clients::python("the Python client of MCP over stdio", &["mcp==2.3.0"]);
    let typescript = ["@modelcontextprotocol/sdk@1.32.2", "@modelcontextprotocol/client@2.4.0"];
    for mode in ["legacy", "auto", "v1", "v2", "v2-auto"] {
        let mut client = match mode {
            "legacy" | "auto" => {
                let Some(version) = &python else { continue };
                let mut client = std::process::Command::new(version.get_program());
                client.env("TZ", "UTC").arg(scripts.join("mcp_client.py"));
                client
            }
            _ => {
                let Some(mut client) = clients::node("the TypeScript client of MCP over stdio", &typescript) else {
                    continue;
                };
                client.args(["--input-type=module", "-"]).stdin(File::open(scripts.join("mcp_client.mjs")).unwrap());
                client
            }
        };
        let directory = TempDir::new();
        let program = Program::on(directory.path());
        program.run(&["init"]);
        let server = program.command(&["mcp", "--scopes", "read,totp,write"]);
        client.arg(mode).arg("stdio").arg(server.get_program()).args(server.get_args());
        let output = client.output().unwrap();
        assert!(output.status.success(), "{mode}: {}", String::from_utf8_lossy(&output.stderr));
    }
}
