//! A small client of the Chrome DevTools Protocol: one command after the other, the answers as JSON, unknown members
//! ignored.

mod endpoint;
mod message;

pub use endpoint::{BadAddress, Browser};

use crate::secret::SecretString;
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

/// How long one command may take.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(30);

/// The longest message that is read: a document's tree can be large.
const MAX_MESSAGE_BYTES: usize = 64 * 1024 * 1024;

/// How many events are kept until they are asked for. Only the few kinds that are waited for are kept at all.
const MAX_EVENTS: usize = 64;

/// The one kind of event that is waited for.
const SECURITY_EVENT: &str = "Security.visibleSecurityStateChanged";

/// Says that a session has ended. What was asked in it is never answered then.
const DETACHED_EVENT: &str = "Target.detachedFromTarget";

/// Why a command has no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// There is no connection, or not any more.
    Lost,
    /// No answer in time.
    Silent,
    /// The answer is not what the protocol says.
    Strange,
    /// The browser could not do it. Its message may hold text of the page; it is looked at and never passed on.
    Refused(String),
    /// The function threw.
    Threw,
    /// The frame or page went away before it answered; the browser may have done it or not.
    Detached,
}

impl Fault {
    /// Whether it says that the document, frame or page that was meant is no more.
    pub fn is_gone(&self) -> bool {
        const PHRASES: [&str; 7] = [
            "Cannot find context",
            "Could not find object",
            "Cannot find object",
            "Execution context was destroyed",
            "Inspected target navigated or closed",
            "Session with given id not found",
            "No target with given id",
        ];
        match self {
            Fault::Detached => true,
            Fault::Refused(message) => PHRASES.iter().any(|phrase| message.contains(phrase)),
            Fault::Lost | Fault::Silent | Fault::Strange | Fault::Threw => false,
        }
    }

    /// Whether the connection is of no more use.
    pub fn is_fatal(&self) -> bool {
        matches!(self, Fault::Lost | Fault::Silent)
    }
}

/// A connection to a browser.
pub struct Connection {
    socket: WebSocketStream<TcpStream>,
    last_id: u64,
    /// Session and parameters of [`SECURITY_EVENT`], the oldest first.
    events: VecDeque<(String, Value)>,
    /// Nothing is waited for longer than this.
    deadline: Instant,
}

impl Connection {
    pub async fn open(browser: &Browser, deadline: Instant) -> Result<Self, Fault> {
        let open = async {
            let (stream, url) = browser.connect().await?;
            let config = WebSocketConfig::default()
                .max_message_size(Some(MAX_MESSAGE_BYTES))
                .max_frame_size(Some(MAX_MESSAGE_BYTES))
                // Written through at once, so that no secret waits in it.
                .write_buffer_size(0);
            let handshake = tokio_tungstenite::client_async_with_config(url, stream, Some(config));
            handshake.await.map_err(|_| Fault::Lost)
        };
        let opened = tokio::time::timeout(until(deadline), open).await;
        let (socket, _) = opened.map_err(|_| Fault::Silent)??;
        Ok(Self { socket, last_id: 0, events: VecDeque::new(), deadline })
    }

    /// Gives the commands that follow more time, to clean up.
    pub fn extend(&mut self, by: Duration) {
        self.deadline = self.deadline.max(Instant::now()) + by;
    }

    /// Runs a command in a session, or, without one, in the browser.
    pub async fn command(&mut self, session: Option<&str>, method: &str, params: Value) -> Result<Value, Fault> {
        self.last_id += 1;
        let message = message::command(self.last_id, session, method, &params);
        self.run(session, Bytes::from(message)).await
    }

    /// Calls a method of an object in the page and gives its result by value.
    pub async fn call(
        &mut self,
        session: &str,
        object: &str,
        method: &str,
        arguments: Vec<Value>,
    ) -> Result<Value, Fault> {
        let mut params = call_params(object, method);
        params["arguments"] = arguments.into();
        let result = self.command(Some(session), "Runtime.callFunctionOn", params).await?;
        by_value(result)
    }

    /// The same with an argument and secrets after it.
    pub async fn call_with_secrets(
        &mut self,
        session: &str,
        object: &str,
        method: &str,
        argument: &Value,
        secrets: &[&SecretString],
    ) -> Result<Value, Fault> {
        self.last_id += 1;
        let params = call_params(object, method);
        let message =
            message::command_with_secrets(self.last_id, session, "Runtime.callFunctionOn", &params, argument, secrets);
        // Wiped when the socket has written it.
        by_value(self.run(Some(session), Bytes::from_owner(message)).await?)
    }

    async fn run(&mut self, session: Option<&str>, message: Bytes) -> Result<Value, Fault> {
        let id = self.last_id;
        let text = Utf8Bytes::try_from(message).map_err(|_| Fault::Strange)?;
        let limit = COMMAND_TIMEOUT.min(until(self.deadline));
        let answer = async {
            self.socket.send(Message::Text(text)).await.map_err(|_| Fault::Lost)?;
            loop {
                let message = self.next().await?;
                if message.get("id").and_then(Value::as_u64) == Some(id) {
                    return result(message);
                }
                if session.is_some() && ended_session(&message) == session {
                    return Err(Fault::Detached);
                }
            }
        };
        tokio::time::timeout(limit, answer).await.map_err(|_| Fault::Silent)?
    }

    /// The next security event of a session.
    pub async fn security_event(&mut self, session: &str, wait: Duration) -> Result<Value, Fault> {
        let limit = wait.min(until(self.deadline));
        let event = async {
            loop {
                if let Some(at) = self.events.iter().position(|(of, _)| of == session) {
                    return Ok(self.events.remove(at).map(|(_, params)| params).unwrap_or_default());
                }
                self.next().await?;
            }
        };
        tokio::time::timeout(limit, event).await.map_err(|_| Fault::Silent)?
    }

    /// Forgets what came up to now.
    pub fn forget_events(&mut self) {
        self.events.clear();
    }

    /// The next message. Events that are waited for are put aside, too.
    async fn next(&mut self) -> Result<Value, Fault> {
        loop {
            let text = match self.socket.next().await {
                Some(Ok(Message::Text(text))) => text,
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Binary(_) | Message::Frame(_))) => continue,
                Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(Fault::Lost),
            };
            let mut message: Value = serde_json::from_str(&text).map_err(|_| Fault::Strange)?;
            if message.get("method").and_then(Value::as_str) == Some(SECURITY_EVENT) {
                let session = message.get("sessionId").and_then(Value::as_str).unwrap_or_default().to_owned();
                let params = message.get_mut("params").map(Value::take).unwrap_or_default();
                self.events.push_back((session, params));
                if self.events.len() > MAX_EVENTS {
                    self.events.pop_front();
                }
            }
            return Ok(message);
        }
    }

    /// Ends the connection, and with it all sessions.
    pub async fn close(mut self) {
        let _ = tokio::time::timeout(Duration::from_secs(1), self.socket.close(None)).await;
    }
}

fn until(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

fn call_params(object: &str, method: &str) -> Value {
    json!({
        "objectId": object,
        "functionDeclaration": format!("function (...all) {{ return this.{method}(...all); }}"),
        "returnByValue": true,
        "silent": true,
    })
}

/// The session that an event says has ended.
fn ended_session(event: &Value) -> Option<&str> {
    let is_detached = event.get("method").and_then(Value::as_str) == Some(DETACHED_EVENT);
    event.pointer("/params/sessionId").and_then(Value::as_str).filter(|_| is_detached)
}

fn result(mut message: Value) -> Result<Value, Fault> {
    if let Some(error) = message.get("error") {
        let text = error.get("message").and_then(Value::as_str).unwrap_or_default();
        return Err(Fault::Refused(text.to_owned()));
    }
    match message.get_mut("result") {
        Some(result) if result.is_object() => Ok(result.take()),
        _ => Err(Fault::Strange),
    }
}

/// The value of a call's result.
fn by_value(mut result: Value) -> Result<Value, Fault> {
    if result.get("exceptionDetails").is_some() {
        return Err(Fault::Threw);
    }
    let value = result.get_mut("result").and_then(|result| result.get_mut("value"));
    value.map(Value::take).ok_or(Fault::Strange)
}
