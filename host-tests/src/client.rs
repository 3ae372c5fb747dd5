//! A small HTTP client: one connection per request, no redirects, no surprises.

use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Talks to one server, with one token.
#[derive(Clone, Debug)]
pub struct Client {
    pub address: SocketAddr,
    /// Sent as a bearer token; none if empty.
    pub token: String,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    /// Names in lower case, in the order they came.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// The `code` of an error.
    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_else(|| panic!("no code: {self:?}")).to_owned()
    }
}

impl Client {
    pub fn get(&self, path: &str) -> Answer {
        self.request("GET", path, &[], None)
    }

    pub fn delete(&self, path: &str) -> Answer {
        self.request("DELETE", path, &[], None)
    }

    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.request("POST", path, &[], Some(body))
    }

    pub fn patch(&self, path: &str, body: &Value) -> Answer {
        self.request("PATCH", path, &[], Some(body))
    }

    pub fn put(&self, path: &str, body: &Value) -> Answer {
        self.request("PUT", path, &[], Some(body))
    }

    /// A request with a JSON body, if any.
    pub fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&Value>) -> Answer {
        self.try_request(method, path, headers, body).unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// Fails if the connection does, for instance because the server was killed.
    pub fn try_request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> std::io::Result<Answer> {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.address);
        if !self.token.is_empty() {
            head += &format!("Authorization: Bearer {}\r\n", self.token);
        }
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        let body = body.map(Value::to_string).unwrap_or_default();
        if !body.is_empty() {
            head += &format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
        }
        let answer = self.exchange(format!("{head}\r\n{body}").as_bytes(), |answer| {
            // Some servers keep the connection all the same.
            parse(answer, false).is_ok_and(|answer| answer.header("transfer-encoding").is_some())
        })?;
        parse(&answer, method == "HEAD")
    }

    /// Sends bytes as they are and returns what comes back until the server closes the connection.
    pub fn raw(&self, request: &[u8]) -> std::io::Result<Vec<u8>> {
        self.exchange(request, |_| false)
    }

    /// The same, or until the answer is complete.
    fn exchange(&self, request: &[u8], is_complete: impl Fn(&[u8]) -> bool) -> std::io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        // A server that has refused the head need not read the body; its answer counts.
        let sent = stream.write_all(request);
        let (mut answer, mut buffer) = (Vec::new(), [0; 16 * 1024]);
        while !is_complete(&answer) {
            match stream.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => answer.extend_from_slice(&buffer[..length]),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) if !answer.is_empty() => break,
                Err(error) => return Err(sent.err().unwrap_or(error)),
            }
        }
        Ok(answer)
    }
}

/// Takes an answer apart. Our host sends whole bodies with their `Content-Length`; others send them in chunks.
fn parse(answer: &[u8], without_body: bool) -> std::io::Result<Answer> {
    let bad = |what| std::io::Error::other(format!("{what}: {:?}", String::from_utf8_lossy(answer)));
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").ok_or_else(|| bad("no answer"))?;
    let head = std::str::from_utf8(&answer[..end]).map_err(|_| bad("head is not text"))?;
    let (first, rest) = head.split_once("\r\n").unwrap_or((head, ""));
    let status = first.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or_else(|| bad("no status"))?;
    let headers: Vec<_> = rest
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
        .collect();
    let chunked = headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked");
    let body = &answer[end + 4..];
    let body = if chunked { unchunk(body).ok_or_else(|| bad("body is cut off"))? } else { body.to_vec() };
    let body = String::from_utf8(body).map_err(|_| bad("body is not text"))?;
    let length = headers.iter().find(|(name, _)| name == "content-length").map(|(_, value)| value.as_str());
    let cut_off = !without_body && length.is_some_and(|length| length != body.len().to_string());
    if cut_off { Err(bad("body is cut off")) } else { Ok(Answer { status, headers, body }) }
}

/// A body of chunks, up to the empty one; `None` if that is missing.
fn unchunk(mut chunks: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = chunks.windows(2).position(|window| window == b"\r\n")?;
        let length = usize::from_str_radix(std::str::from_utf8(&chunks[..end]).ok()?, 16).ok()?;
        if length == 0 {
            return Some(body);
        }
        body.extend_from_slice(chunks.get(end + 2..end + 2 + length)?);
        chunks = chunks.get(end + 2 + length + 2..)?;
    }
}
