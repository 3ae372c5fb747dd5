//! Where a browser listens, and the address of its WebSocket.

use super::Fault;
use serde_json::Value;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, lookup_host};

/// How long a browser may take to say where its WebSocket is.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The largest answer to that; it is some hundred bytes.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// A browser that offers the Chrome DevTools Protocol. Named by the operator only: whoever could name one could name a
/// program that poses as a browser and is given values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Browser {
    /// Host and port, as in the URL.
    authority: String,
    /// The path of the WebSocket; absent: asked for at `/json/version`.
    path: Option<String>,
}

/// What is wrong with the address of a browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadAddress(&'static str);

impl std::fmt::Display for BadAddress {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.0)
    }
}

impl std::error::Error for BadAddress {}

impl Browser {
    /// Parses `http://127.0.0.1:9222` or `ws://127.0.0.1:9222/devtools/browser/...`. The host must be this machine's
    /// loopback interface: the protocol has neither encryption nor passwords.
    pub fn parse(url: &str) -> Result<Self, BadAddress> {
        let (scheme, rest) = url.split_once("://").ok_or(BadAddress("a browser's address is a URL"))?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (host, port) = authority.rsplit_once(':').ok_or(BadAddress("a browser's address needs a port"))?;
        if port.parse::<u16>().is_err() {
            return Err(BadAddress("a browser's address needs a port"));
        }
        let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let loopback = host == "localhost" || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        if !loopback {
            return Err(BadAddress("a browser's address must be localhost or a loopback address"));
        }
        if !path.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(BadAddress("a browser's address must not hold spaces or control characters"));
        }
        let path = match (scheme, path) {
            ("http", "" | "/") => None,
            ("http", _) => return Err(BadAddress("a browser's address by http has no path")),
            ("ws", path) if path.starts_with("/devtools/browser/") => Some(path.to_owned()),
            ("ws", _) => return Err(BadAddress("a browser's address by ws has a path /devtools/browser/...")),
            _ => return Err(BadAddress("a browser's address begins with http:// or ws://")),
        };
        Ok(Self { authority: authority.to_owned(), path })
    }

    /// A connection, and the URL for the handshake on it.
    pub(super) async fn connect(&self) -> Result<(TcpStream, String), Fault> {
        let path = match &self.path {
            Some(path) => path.clone(),
            None => tokio::time::timeout(TIMEOUT, self.ask_path()).await.map_err(|_| Fault::Silent)??,
        };
        let url = format!("ws://{}{path}", self.authority);
        Ok((self.dial().await?, url))
    }

    async fn dial(&self) -> Result<TcpStream, Fault> {
        // `localhost` is whatever the system says it is.
        let mut addresses: Vec<SocketAddr> = lookup_host(&self.authority).await.map_err(|_| Fault::Lost)?.collect();
        addresses.retain(|address| address.ip().is_loopback());
        let stream = TcpStream::connect(&*addresses).await.map_err(|_| Fault::Lost)?;
        stream.set_nodelay(true).map_err(|_| Fault::Lost)?;
        Ok(stream)
    }

    /// The path only: the connection goes where the operator said, whatever the answer says.
    async fn ask_path(&self) -> Result<String, Fault> {
        let mut stream = self.dial().await?;
        // No Origin header: Chrome refuses foreign ones.
        let request = format!("GET /json/version HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.authority);
        stream.write_all(request.as_bytes()).await.map_err(|_| Fault::Lost)?;
        let mut answer = Vec::new();
        while !is_whole(&answer) {
            if answer.len() > MAX_ANSWER_BYTES {
                return Err(Fault::Strange);
            }
            if stream.read_buf(&mut answer).await.map_err(|_| Fault::Lost)? == 0 {
                break;
            }
        }
        let (status, body) = split(&answer).ok_or(Fault::Strange)?;
        let version: Value = serde_json::from_slice(body).map_err(|_| Fault::Strange)?;
        let url = version.get("webSocketDebuggerUrl").and_then(Value::as_str).ok_or(Fault::Strange)?;
        let path = url.find("/devtools/browser/").and_then(|start| url.get(start..)).ok_or(Fault::Strange)?;
        if status != 200 || !path.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Fault::Strange);
        }
        Ok(path.to_owned())
    }
}

fn is_whole(answer: &[u8]) -> bool {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut headers);
    let Ok(httparse::Status::Complete(head)) = response.parse(answer) else { return false };
    let length = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let length = length.and_then(|header| std::str::from_utf8(header.value).ok()?.trim().parse::<usize>().ok());
    length.is_some_and(|length| answer.len() - head >= length)
}

fn split(answer: &[u8]) -> Option<(u16, &[u8])> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head) = response.parse(answer).ok()? else { return None };
    Some((response.code?, answer.get(head..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_a_browser() {
        for good in ["http://127.0.0.1:9222", "http://localhost:1/", "http://[::1]:9222", "http://127.9.9.9:1"] {
            assert!(Browser::parse(good).is_ok(), "{good}");
        }
        assert!(Browser::parse("ws://127.0.0.1:9222/devtools/browser/0-1-2").is_ok());
        for bad in [
            "127.0.0.1:9222",
            "http://127.0.0.1",
            "http://127.0.0.1:99999",
            "http://127.0.0.1:9222/x",
            "https://127.0.0.1:9222",
            "http://192.168.0.1:9222",
            "http://0.0.0.0:9222",
            "http://localhost.example.com:9222",
            "http://user@127.0.0.1:9222",
            "ws://127.0.0.1:9222",
            "ws://127.0.0.1:9222/devtools/page/1",
            "ws://127.0.0.1:9222/devtools/browser/a b",
            "wss://127.0.0.1:9222/devtools/browser/1",
        ] {
            assert!(Browser::parse(bad).is_err(), "{bad}");
        }
    }
}
