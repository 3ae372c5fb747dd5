//! A proxy for the conformance tool of MCP, which can send no token and calls tools by names of its own. It adds the
//! token and turns the names into calls of the real tool; every answer is the server's, to the byte.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// Names that the conformance tool calls, and the arguments that the real tool is called with: texts, and an error.
const DIAGNOSTIC_TOOLS: [(&str, &str); 4] = [
    ("test_simple_text", r#"{"action":"list"}"#),
    ("test_logging_tool", r#"{"action":"list"}"#),
    ("test_streaming_elicitation", r#"{"action":"list"}"#),
    ("test_error_handling", r#"{"action":"get"}"#),
];
const TOOL: &str = "manage_credentials";

/// A request as a client sent it.
#[derive(Clone, Debug)]
pub struct Sent {
    pub method: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

/// What was sent up to now.
pub type Record = Arc<Mutex<Vec<Sent>>>;

/// Starts it in front of a server; ends with the process. It records what it passes on.
pub fn start(server: SocketAddr, token: &str) -> (SocketAddr, Record) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let token = token.to_owned();
    let record = Record::default();
    let seen = record.clone();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let (token, seen) = (token.clone(), seen.clone());
            // A client that goes away is none of our business.
            thread::spawn(move || pass_on(client, server, &token, &seen).ok());
        }
    });
    (address, record)
}

/// One request and its answer; then the connection ends.
fn pass_on(mut client: TcpStream, server: SocketAddr, token: &str, seen: &Record) -> std::io::Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let (mut first, mut headers) = (String::new(), Vec::new());
    reader.read_line(&mut first)?;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length").and_then(|(_, value)| value.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body)?;
    let mut body = String::from_utf8_lossy(&body).into_owned();
    let method = first.split(' ').next().unwrap_or_default().to_owned();
    seen.lock().unwrap().push(Sent { method, headers: headers.clone(), body: body.clone() });
    rename(&mut headers, &mut body);
    headers.retain(|(name, _)| !["connection", "content-length", "authorization"].contains(&name.as_str()));
    let mut head = first;
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    head += &format!("authorization: Bearer {token}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
    let mut upstream = TcpStream::connect(server)?;
    upstream.write_all(head.as_bytes())?;
    upstream.write_all(body.as_bytes())?;
    let mut answer = Vec::new();
    upstream.read_to_end(&mut answer)?;
    client.write_all(&answer)?;
    client.shutdown(Shutdown::Write)
}

fn rename(headers: &mut [(String, String)], body: &mut String) {
    let Ok(mut message) = serde_json::from_str::<serde_json::Value>(body) else { return };
    let called = message["params"]["name"].as_str().unwrap_or_default().to_owned();
    let Some((name, arguments)) = DIAGNOSTIC_TOOLS.iter().find(|(name, _)| *name == called) else { return };
    message["params"]["name"] = TOOL.into();
    message["params"]["arguments"] = serde_json::from_str(arguments).unwrap();
    *body = message.to_string();
    for (_, value) in headers.iter_mut().filter(|(header, value)| header == "mcp-name" && value == name) {
        *value = TOOL.to_owned();
    }
}
