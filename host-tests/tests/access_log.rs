//! Each request leaves one line in the log, over HTTP and from the command line: with the name of the token and the id of
//! the credential, and with nothing that a client has said.

use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use strongroom_host_tests::{Program, Server, TempDir};

const SEED: &str = "JBSWY3DPEHPK3PXP";

fn credential(name: &str) -> Value {
    json!({ "name": name, "domain": "example.com", "values": { "password": "canary-value" }, "totp_secret": SEED })
}

/// The line with this id of a request.
fn line(server: &Server, id: &str) -> String {
    let log = server.log_with(id);
    log.lines().find(|line| line.contains(id)).unwrap().to_owned()
}

#[test]
fn has_the_credential_where_there_is_one() {
    let directory = TempDir::new();
    let server = Program::on(directory.path()).serve();
    let client = server.client();
    let id = client.post("/credentials", &credential("canary-name")).json()["id"].as_str().unwrap().to_owned();
    client.post("/credentials", &credential("canary-gone"));
    let supply = json!({ "origin": "https://example.com" });
    let elsewhere = json!({ "origin": "https://canary.example.org" });
    let code = json!({
        "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": { "name": "find_credentials", "arguments": { "action": "totp_code", "id_or_name": "canary-name" } }
    });
    let change = json!({ "sso_provider": "canary" });
    let whole = json!({ "domain": "a.example", "values": { "p": "x" } });
    let restore = format!("/credentials/{id}/restore");
    let cases: [(&str, &str, Option<&Value>, u16, &str); 12] = [
        ("GET", "/credentials/canary-name", None, 200, "GET /credentials/{id_or_name}"),
        ("GET", "/credentials/canary-name/totp-code", None, 200, "GET /credentials/{id_or_name}/totp-code"),
        ("GET", "/credentials/canary-name/totp-code?min_valid_seconds=90", None, 400, "/totp-code"),
        ("POST", "/credentials/canary-name/supply", Some(&supply), 200, "/supply"),
        ("POST", "/credentials/canary-name/supply", Some(&elsewhere), 403, "/supply"),
        ("PATCH", "/credentials/canary-name", Some(&change), 200, "PATCH "),
        ("GET", "/credentials/canary-name/versions", None, 200, "/versions"),
        ("PUT", "/credentials/canary-name", Some(&whole), 200, "PUT "),
        ("POST", "/mcp", Some(&code), 200, "POST /mcp"),
        ("DELETE", "/credentials/canary-name", None, 204, "DELETE "),
        ("POST", &restore, None, 200, "/restore"),
        ("DELETE", "/credentials/canary-name?purge=true", None, 204, "DELETE "),
    ];
    for (number, (method, path, body, status, part)) in cases.into_iter().enumerate() {
        let request = format!("request-{number}");
        let answer = client.request(method, path, &[("X-Request-Id", &request)], body);
        assert_eq!(answer.status, status, "{method} {path}: {answer:?}");
        assert_eq!(answer.header("x-strongroom-credential"), None, "for the log only");
        let line = line(&server, &format!("id={request}"));
        assert!(line.contains(part) && line.contains(&format!("credential={id} ")), "{method} {path}: {line}");
        assert!(line.contains("token=admin"), "{line}");
    }
    client.request("GET", "/credentials/canary-name", &[("X-Request-Id", "request-last")], None);
    assert!(line(&server, "id=request-last").contains("credential=- "));
    assert!(!server.log().contains("canary"), "{}", server.log());
}

#[test]
fn is_the_same_from_the_command_line() {
    let directory = TempDir::new();
    let program = Program::on(directory.path());
    let mut create = credential("canary-name");
    create["action"] = "create".into();
    let id = program.call(&create).unwrap()["id"].as_str().unwrap().to_owned();
    let call = |action: &str| format!(r#"{{"action":"{action}","id_or_name":"canary-name"}}"#);
    let supply = ["supply", "canary-name", "--origin", "https://example.com", "--stdin", "--exec", "true"];
    let refused = ["supply", "canary-name", "--origin", "https://canary.example.org", "--stdin", "--exec", "true"];
    let (get, code, unknown) = (call("GET"), call("totp_code"), call("canary"));
    let cases: [(&[&str], &str, u64, bool); 6] = [
        (&["call", &get], "call get", 200, true),
        (&["call", &code], "call totp_code", 200, true),
        (&["call", r#"{"action":"get","id_or_name":"canary-none"}"#], "call get", 404, false),
        (&["call", &unknown], "call (other)", 400, true),
        (&supply, "supply supply", 200, true),
        (&refused, "supply supply", 403, true),
    ];
    for (arguments, what, status, has_id) in cases {
        let expected = if has_id { id.as_str() } else { "-" };
        let text = program.run(arguments).stderr;
        let line = text.lines().next().unwrap_or_default();
        let part = format!(" INFO {what} {status} ");
        assert!(
            line.contains(&part) && line.contains(&format!("token=- credential={expected} id=")),
            "{arguments:?} {text}"
        );
        assert!(!text.contains("canary"), "{text}");

        let with: Vec<&str> = [arguments[0], "--log-format", "json"].iter().chain(&arguments[1..]).copied().collect();
        let text = program.run(&with).stderr;
        let json: Value = serde_json::from_str(text.lines().next().unwrap_or_default()).unwrap();
        let (method, route) = what.split_once(' ').unwrap();
        assert_eq!((&json["method"], &json["route"], &json["status"]), (&json!(method), &json!(route), &json!(status)));
        assert_eq!((&json["credential"], &json["level"]), (&json!(expected), &json!("info")), "{text}");
        assert!(json["ms"].as_f64().is_some() && json["time"].as_str().unwrap().ends_with('Z'), "{text}");

        let with: Vec<&str> = [arguments[0], "--quiet"].iter().chain(&arguments[1..]).copied().collect();
        assert!(!program.run(&with).stderr.contains("INFO"), "{arguments:?}");
    }
}

/// Names of headers that clients and what stands between them and us send, and some that nobody does.
const HEADERS: &str = "accept accept-charset accept-encoding accept-language access-control-request-headers \
    access-control-request-method authentication-info cache-control content-disposition content-encoding \
    content-language content-location cookie cookie2 date dnt etag expect-ct forwarded from idempotency-key if-match \
    if-modified-since if-none-match if-range if-unmodified-since last-event-id last-modified link mcp-method mcp-name \
    mcp-protocol-version mcp-session-id max-forwards origin origin-agent-cluster pragma prefer priority proxy-authorization \
    range referer sec-fetch-site server set-cookie sourcemap traceparent tracestate upgrade-insecure-requests \
    user-agent via warning www-authenticate x-api-key x-auth-token x-correlation-id x-forwarded-for \
    x-forwarded-host x-forwarded-proto x-http-method-override x-idempotency-key x-kernel-project x-kernel-project-id \
    x-original-url x-real-ip x-request-id x-rewrite-url x-stainless-retry-count x-strongroom-credential x-unheard-of";

/// A canary in each header, in cookies, in names and values of parameters, in the path and in the method: nothing of it
/// in the log, in any answer, or in what is counted.
#[test]
fn shows_nothing_that_a_client_has_said() {
    const CANARY: &str = "canary-7f3a";
    let directory = TempDir::new();
    let program = Program::on(directory.path());
    for format in ["text", "json"] {
        let server = program.serve_with(&["--log-format", format, "--rate-limit", "0"]);
        let token = server.admin_token();
        let known = format!("Authorization: Bearer {token}\r\n");
        let mut lines = 0;
        let mut send = |first: &str, headers: &str| {
            let mut stream = TcpStream::connect(server.address()).unwrap();
            let request = format!("{first} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n");
            stream.write_all(request.as_bytes()).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            assert!(answer.starts_with("HTTP/1.1 "), "{first} {headers}: {answer:?}");
            assert!(!answer.to_lowercase().contains(CANARY), "{first} {headers}: {answer}");
            lines += 1;
        };
        for name in HEADERS.split_whitespace() {
            for who in [known.as_str(), ""] {
                for first in ["GET /credentials", "GET /credentials/x/totp-code", "POST /mcp"] {
                    // An id of modest form is the one thing of a client's that is meant to come back.
                    if name != "x-request-id" {
                        send(first, &format!("{who}{name}: {CANARY}\r\n"));
                    }
                    if first == "GET /credentials" {
                        send(first, &format!("{who}{name}: a={CANARY}; b=\"{CANARY}\", {CANARY};q=0.1\r\n"));
                    }
                }
            }
        }
        for value in [format!("Bearer {CANARY}"), format!("Basic {CANARY}"), CANARY.to_owned(), format!("{CANARY} x")] {
            send("GET /credentials", &format!("Authorization: {value}\r\n"));
        }
        for who in [known.as_str(), ""] {
            for path in
                ["/credentials", "/credentials/x/totp-code", "/audit", "/health", "/metrics", "/mcp", "/nowhere"]
            {
                for query in [
                    format!("{CANARY}=1"),
                    format!("limit={CANARY}"),
                    format!("query={CANARY}"),
                    format!("?%26{CANARY}"),
                ] {
                    send(&format!("GET {path}?{query}"), who);
                }
            }
            send(&format!("GET /{CANARY}"), who);
            send(&format!("GET /credentials/{CANARY}"), who);
            send(&format!("GET /credentials/{CANARY}/supply"), who);
            send(&format!("CANARY-7F3A /credentials/{CANARY}"), who);
            send("GET /health", &format!("{who}{CANARY}: 1\r\n"));
        }
        let metrics = server.client().get("/metrics");
        assert!(metrics.status == 200 && !metrics.body.contains(CANARY), "{}", metrics.body);
        lines += 1;
        let (status, output) = server.stop();
        assert!(status.success());
        // One each; none is lost when it ends.
        assert_eq!(output.stderr.lines().count(), lines, "{}", output.stderr);
        for printed in [&output.stderr, &output.stdout] {
            assert!(!printed.to_lowercase().contains(CANARY) && !printed.contains(&token), "{printed}");
        }
    }
}
