//! The tools of a running `strongroom serve`. Here are a token and no key: whoever drives the session can read neither the
//! store nor what keeps it. The server decides what the token may do, and makes the logins in its own browsers.

use super::Tools;
use anyhow::{Context, ensure};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderValue, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use rmcp::ErrorData;
use rmcp::model::{ErrorCode, JsonObject};
use serde_json::{Value, json};
use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;
use strongroom::tool::ToolResult;
use strongroom_host::Result;
use strongroom_host::fill;
use tokio::net::TcpStream;

/// Where the server speaks the protocol.
const MCP_PATH: &str = "/mcp";

/// Longer than any login.
const TIMEOUT: Duration = Duration::from_secs(120);

/// The largest answer: a page of 100 credentials is below 2 MiB.
const MAX_ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// A server, and the token for it.
pub struct Remote {
    /// Host and port, as in the URL.
    authority: String,
    authorization: HeaderValue,
}

impl Remote {
    /// The server must be on this machine: over plain http the token could be read on the way.
    pub fn open(url: &str, token_file: &Path) -> Result<Self> {
        let rule = "--url must be http://, a loopback address or localhost, and a port, such as http://127.0.0.1:3000";
        let uri: Uri = url.parse().ok().context(rule)?;
        let authority = uri.authority().context(rule)?;
        let host = authority.host();
        let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let loopback = host == "localhost" || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        let plain = uri.scheme_str() == Some("http") && uri.path() == "/" && uri.query().is_none();
        ensure!(plain && loopback && authority.port().is_some() && !authority.as_str().contains('@'), rule);
        let token = fs::read_to_string(token_file).context("--token-file cannot be read")?;
        let mut authorization = HeaderValue::from_str(&format!("Bearer {}", token.trim()))
            .ok()
            .filter(|_| !token.trim().is_empty())
            .context("--token-file must hold one token")?;
        authorization.set_sensitive(true);
        Ok(Self { authority: authority.as_str().to_owned(), authorization })
    }

    /// The server's answer. Errors hold nothing of it: not everything that listens there need be ours.
    async fn post(&self, path: &str, body: &Value) -> Result<(StatusCode, Value), ErrorData> {
        let answer = async {
            let stream = TcpStream::connect(&self.authority).await?;
            let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
            tokio::spawn(connection);
            let request = Request::post(path)
                .header(HOST, &self.authority)
                .header(AUTHORIZATION, &self.authorization)
                .header(CONTENT_TYPE, "application/json")
                .body(Full::new(Bytes::from(body.to_string())))?;
            let response = sender.send_request(request).await?;
            let status = response.status();
            let whole = Limited::new(response.into_body(), MAX_ANSWER_BYTES).collect().await;
            let bytes = whole.map_err(|_| anyhow::anyhow!("the answer is cut off"))?.to_bytes();
            anyhow::Ok((status, serde_json::from_slice(&bytes)?))
        };
        let error = |message: &'static str| Err(ErrorData::internal_error(message, None));
        match tokio::time::timeout(TIMEOUT, answer).await {
            Ok(Ok((StatusCode::UNAUTHORIZED, _))) => {
                error("the vault's server does not know the token of --token-file")
            }
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => error("the vault's server did not answer; see that it runs, where --url says"),
            Err(_) => error("the vault's server did not answer in time"),
        }
    }

    /// A request of the protocol, of the era that needs no handshake before it.
    async fn ask(&self, method: &str, params: Value) -> Result<Value, ErrorData> {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let (_, mut answer) = self.post(MCP_PATH, &request).await?;
        if let Some(result) = answer.get_mut("result") {
            return Ok(result.take());
        }
        let code = answer.pointer("/error/code").and_then(Value::as_i64).and_then(|code| i32::try_from(code).ok());
        let message = answer.pointer("/error/message").or(answer.get("message")).and_then(Value::as_str);
        let message = message.unwrap_or("the vault's server refused it").to_owned();
        Err(ErrorData::new(code.map_or(ErrorCode::INTERNAL_ERROR, ErrorCode), message, None))
    }

    /// Whether the token has the scope and the server a browser. A body that is none ends the call after both were looked
    /// at and before a credential is.
    async fn can_log_in(&self) -> Result<bool, ErrorData> {
        let (status, _) = self.post(&path("-"), &json!([])).await?;
        match status {
            StatusCode::BAD_REQUEST => Ok(true),
            StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => Ok(false),
            // Not "no": the tool would be missing, and nobody would know why.
            _ => {
                let message = format!("the vault's server answered {} when asked for logins", status.as_u16());
                Err(ErrorData::internal_error(message, None))
            }
        }
    }

    async fn log_in(&self, arguments: JsonObject) -> Result<ToolResult, ErrorData> {
        let credential = match fill::Arguments::parse_all(&arguments) {
            Ok(read) => read.credential,
            Err(failure) => return Ok(fill::tool::result(&Err(failure))),
        };
        let (status, answer) = self.post(&path(&credential), &Value::Object(arguments)).await?;
        Ok(ToolResult { text: answer.to_string(), is_error: status != StatusCode::OK })
    }
}

impl Tools for Remote {
    async fn list(&self) -> Result<Vec<Value>, ErrorData> {
        let listed = self.ask("tools/list", json!({})).await?;
        let mut tools = listed["tools"].as_array().cloned().unwrap_or_default();
        if self.can_log_in().await? {
            tools.push(fill::tool::definition());
        }
        Ok(tools)
    }

    async fn call(&self, name: &str, arguments: JsonObject) -> Result<ToolResult, ErrorData> {
        if name == fill::tool::NAME {
            return self.log_in(arguments).await;
        }
        let result = self.ask("tools/call", json!({ "name": name, "arguments": arguments })).await?;
        let text = result["content"][0]["text"].as_str().unwrap_or_default().to_owned();
        Ok(ToolResult { text, is_error: result["isError"] == true })
    }
}

/// The route of a login; whatever the credential's name is, it is one segment.
fn path(credential: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let segment: String = credential
        .bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect();
    format!("/credentials/{segment}/fill")
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[test]
    fn only_a_server_of_this_machine() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "sr_canary\n").unwrap();
        for good in ["http://127.0.0.1:3000", "http://localhost:3000/", "http://[::1]:1"] {
            assert!(Remote::open(good, file.path()).is_ok(), "{good}");
        }
        for bad in [
            "127.0.0.1:3000",
            "http://127.0.0.1",
            "https://127.0.0.1:3000",
            "http://192.0.2.1:3000",
            "http://localhost.example.com:3000",
            "http://user@127.0.0.1:3000",
            "http://127.0.0.1:3000/mcp",
        ] {
            assert!(Remote::open(bad, file.path()).is_err(), "{bad}");
        }
        fs::write(file.path(), "sr_canary\nsr_other\n").unwrap();
        let error = Remote::open("http://127.0.0.1:3000", file.path()).err().unwrap();
        assert!(!format!("{error:#}").contains("canary"));
        fs::write(file.path(), "\n").unwrap();
        assert!(Remote::open("http://127.0.0.1:3000", file.path()).is_err());
    }

    /// A server that answers each request to list tools, and this to each for a login.
    async fn listed(status: &'static str) -> Result<Vec<Value>, ErrorData> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let authority = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = Vec::new();
                // The body is the last that comes, and short.
                while !request.ends_with(b"}") && !request.ends_with(b"[]") {
                    assert_ne!(stream.read_buf(&mut request).await.unwrap(), 0);
                }
                let is_login = request.windows(7).any(|part| part == b"/-/fill");
                let body = if is_login { r#"{"code":"canary"}"# } else { r#"{"result":{"tools":[{"name":"a"}]}}"# };
                let status = if is_login { status } else { "200 OK" };
                let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        Remote { authority, authorization: HeaderValue::from_static("Bearer sr_canary") }.list().await
    }

    #[tokio::test]
    async fn whether_there_are_logins_is_known_or_an_error() {
        for (status, tools) in [("400 Bad Request", 2), ("403 Forbidden", 1), ("404 Not Found", 1)] {
            assert_eq!(listed(status).await.unwrap().len(), tools, "{status}");
        }
        for status in [
            "200 OK",
            "401 Unauthorized",
            "429 Too Many Requests",
            "500 Internal Server Error",
            "503 Service Unavailable",
            "302 Found",
        ] {
            let error = listed(status).await.unwrap_err();
            let named = error.message.contains(&status[..3]) || status.starts_with("401");
            assert!(named && !error.message.contains("canary"), "{status}: {}", error.message);
        }
    }

    #[test]
    fn a_name_is_one_segment() {
        assert_eq!(path("a/b ä%"), "/credentials/a%2Fb%20%C3%A4%25/fill");
        assert_eq!(path("../admin"), "/credentials/%2E%2E%2Fadmin/fill");
    }
}
