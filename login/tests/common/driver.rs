//! What an agent does with the browser: opens pages, evaluates scripts, reads what is shown.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

/// How long a page may take.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A connection to the browser of an agent's own.
pub struct Agent {
    socket: WebSocketStream<TcpStream>,
    last_id: u64,
}

/// A page that the agent has opened.
#[derive(Clone)]
pub struct Tab {
    pub id: String,
    pub session: String,
}

impl Agent {
    pub async fn connect(port: u16) -> Self {
        let version = get(port, "/json/version").await;
        let url = version["webSocketDebuggerUrl"].as_str().unwrap().to_owned();
        let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let (socket, _) = tokio_tungstenite::client_async(url, stream).await.unwrap();
        Self { socket, last_id: 0 }
    }

    pub async fn try_command(&mut self, session: Option<&str>, method: &str, params: Value) -> Result<Value, String> {
        self.last_id += 1;
        let mut message = json!({ "id": self.last_id, "method": method, "params": params });
        if let Some(session) = session {
            message["sessionId"] = session.into();
        }
        self.socket.send(Message::text(message.to_string())).await.map_err(|error| error.to_string())?;
        loop {
            let message = match self.socket.next().await {
                Some(Ok(Message::Text(text))) => serde_json::from_str::<Value>(&text).unwrap(),
                Some(Ok(_)) => continue,
                other => return Err(format!("{other:?}")),
            };
            if message["id"].as_u64() == Some(self.last_id) {
                return match message.get("error") {
                    Some(error) => Err(error.to_string()),
                    None => Ok(message["result"].clone()),
                };
            }
        }
    }

    pub async fn command(&mut self, session: Option<&str>, method: &str, params: Value) -> Value {
        self.try_command(session, method, params).await.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// A new tab, when its page is loaded.
    pub async fn open(&mut self, url: &str) -> Tab {
        let target = self.command(None, "Target.createTarget", json!({ "url": "about:blank" })).await;
        let id = target["targetId"].as_str().unwrap().to_owned();
        let attached = self.command(None, "Target.attachToTarget", json!({ "targetId": id, "flatten": true })).await;
        let tab = Tab { id, session: attached["sessionId"].as_str().unwrap().to_owned() };
        self.go(&tab, url).await;
        tab
    }

    pub async fn go(&mut self, tab: &Tab, url: &str) {
        self.command(Some(&tab.session), "Page.navigate", json!({ "url": url })).await;
        let start = Instant::now();
        while start.elapsed() < TIMEOUT {
            let state =
                self.evaluate(tab, "document.readyState === 'complete' && location.href !== 'about:blank'").await;
            if state == Value::Bool(true) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(15)).await;
        }
        panic!("{url} is not loaded");
    }

    /// The same if the page can be reached at all.
    pub async fn try_go(&mut self, tab: &Tab, url: &str) -> bool {
        let answer = self.try_command(Some(&tab.session), "Page.navigate", json!({ "url": url })).await;
        if !answer.is_ok_and(|answer| answer.get("errorText").is_none()) {
            return false;
        }
        let start = Instant::now();
        while start.elapsed() < TIMEOUT {
            if self.evaluate(tab, "document.readyState === 'complete' && !!document.getElementById('pass')").await
                == true
            {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(15)).await;
        }
        false
    }

    /// Waits until an expression is true.
    pub async fn wait_for(&mut self, tab: &Tab, expression: &str) {
        let start = Instant::now();
        while self.evaluate(tab, expression).await != true {
            assert!(start.elapsed() < TIMEOUT, "not true in a minute: {expression}");
            tokio::time::sleep(Duration::from_millis(15)).await;
        }
    }

    /// The value of an expression, null if the page is between two documents.
    pub async fn evaluate(&mut self, tab: &Tab, expression: &str) -> Value {
        let params = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let result = self.try_command(Some(&tab.session), "Runtime.evaluate", params).await;
        result.map(|result| result["result"]["value"].clone()).unwrap_or_default()
    }

    pub async fn close(&mut self, tab: &Tab) {
        let _ = self.try_command(None, "Target.closeTarget", json!({ "targetId": tab.id })).await;
    }
}

/// JSON from the browser's HTTP endpoint.
pub async fn get(port: u16, path: &str) -> Value {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // The connection may stay open: the body is short and comes at once.
    while serde_json::from_slice::<Value>(body(&answer)).is_err() {
        assert_ne!(stream.read_buf(&mut answer).await.unwrap(), 0);
    }
    serde_json::from_slice(body(&answer)).unwrap()
}

fn body(answer: &[u8]) -> &[u8] {
    answer.windows(4).position(|four| four == b"\r\n\r\n").map_or(&[][..], |at| &answer[at + 4..])
}
