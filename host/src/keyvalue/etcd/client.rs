//! The HTTP client: one request at a time on a connection, none ever sent twice by itself.

use super::super::remote::tls;
use super::super::remote::url::{Host, RemoteUrl};
use anyhow::{Context, Result, anyhow};
use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

/// How long a connection to one member may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// How long one try of a read may take, before another member is asked.
const READ_TIMEOUT: Duration = Duration::from_millis(1500);

/// How long a read may take with all its tries. Longer than an election.
const READ_PATIENCE: Duration = Duration::from_secs(5);

/// How long an answer to a write is waited for, and how long it is tried to connect to any member before.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);

/// Connections that are kept to a member while nobody uses them.
const IDLE_MAX: usize = 16;

/// Largest answer. A page of keys takes some 100 KB, a value at most 2 MB.
const ANSWER_MAX_BYTES: usize = 16 << 20;

/// Codes of gRPC's by which etcd says that it has not even proposed a change, or that its members refused it alike:
/// InvalidArgument, PermissionDenied, ResourceExhausted, FailedPrecondition, Unauthenticated.
const REFUSALS: [u64; 5] = [INVALID, 7, 8, 9, UNAUTHENTICATED];
const INVALID: u64 = 3;
const UNAUTHENTICATED: u64 = 16;

/// Why there was no answer.
#[derive(Debug)]
pub enum Failed {
    /// Nothing was done, and nothing will be done later.
    Certainly(String),
    /// The same, and it does not pass by itself.
    ForGood(String),
    /// The same: it can't be done as it was asked for.
    Invalid(String),
    /// The engine's space is used up: what it said so of was done all the same, or was not.
    Full(String),
    /// Nobody knows.
    Perhaps(String),
    /// The same as certainly: the token that was sent is not valid any more.
    Unauthenticated,
}

impl Failed {
    pub fn text(self) -> String {
        match self {
            Self::Certainly(text) | Self::ForGood(text) | Self::Invalid(text) => text,
            Self::Full(text) | Self::Perhaps(text) => text,
            Self::Unauthenticated => "etcd does not accept user and password".into(),
        }
    }
}

pub struct Client {
    members: Vec<Member>,
    /// The member that answered last.
    preferred: AtomicUsize,
    user: Option<(String, String)>,
    token: Mutex<Option<String>>,
}

struct Member {
    host: Host,
    tls: Option<TlsConnector>,
    idle: Mutex<Vec<SendRequest<Full<Bytes>>>>,
}

impl Client {
    pub fn new(url: &RemoteUrl) -> Result<Self> {
        let member = |host: &Host| {
            let tls = url.tls.is_wanted(host).then(|| tls::connector(&url.tls)).transpose()?;
            Ok(Member { host: host.clone(), tls, idle: Mutex::default() })
        };
        Ok(Self {
            members: url.hosts.iter().map(member).collect::<Result<_>>()?,
            preferred: AtomicUsize::new(0),
            user: url.user.clone().map(|user| (user, url.password.clone().unwrap_or_default())),
            token: Mutex::default(),
        })
    }

    /// A request that changes nothing: members are asked in turn until one answers.
    pub async fn read(&self, path: &str, body: &Value) -> Result<Value, Failed> {
        let deadline = Instant::now() + READ_PATIENCE;
        loop {
            let first = self.preferred.load(Ordering::Relaxed);
            for number in 0..self.members.len() {
                let number = (first + number) % self.members.len();
                match self.authorized(number, path, body, READ_TIMEOUT).await {
                    Ok(answer) => {
                        self.preferred.store(number, Ordering::Relaxed);
                        return Ok(answer);
                    }
                    Err(failed @ (Failed::ForGood(_) | Failed::Unauthenticated)) => return Err(failed),
                    Err(failed) if Instant::now() >= deadline => return Err(failed),
                    Err(_) => {}
                }
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// A request that may change something. Members are asked in turn until one could be sent it.
    pub async fn write(&self, path: &str, body: &Value) -> Result<Value, Failed> {
        let deadline = Instant::now() + WRITE_TIMEOUT;
        loop {
            let first = self.preferred.load(Ordering::Relaxed);
            let mut failed = String::new();
            for number in 0..self.members.len() {
                let number = (first + number) % self.members.len();
                // A connection first: what fails until there is one was not sent.
                let connection = match self.members[number].connection().await {
                    Ok(connection) => connection,
                    Err(error) => {
                        failed = format!("{error:#}");
                        continue;
                    }
                };
                let sent = self.authorized_on(connection, number, path, body, WRITE_TIMEOUT).await;
                // The next write goes elsewhere if this member did not answer.
                let next = if matches!(sent, Err(Failed::Perhaps(_))) { number + 1 } else { number };
                self.preferred.store(next % self.members.len(), Ordering::Relaxed);
                return sent;
            }
            if Instant::now() >= deadline {
                return Err(Failed::Certainly(failed));
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    async fn authorized(&self, member: usize, path: &str, body: &Value, limit: Duration) -> Result<Value, Failed> {
        let connection =
            self.members[member].connection().await.map_err(|error| Failed::Certainly(format!("{error:#}")))?;
        self.authorized_on(connection, member, path, body, limit).await
    }

    /// With a token, if there is a user; a new one if it is over. A request that was refused for its token did nothing.
    async fn authorized_on(
        &self,
        connection: SendRequest<Full<Bytes>>,
        member: usize,
        path: &str,
        body: &Value,
        limit: Duration,
    ) -> Result<Value, Failed> {
        let member = &self.members[member];
        let token = self.token.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if token.is_some() || self.user.is_none() {
            match member.send(connection, path, body, token.as_deref(), limit).await {
                Err(Failed::Unauthenticated) if self.user.is_some() => {}
                done => return done,
            }
        }
        let Some((name, password)) = &self.user else { return Err(Failed::Unauthenticated) };
        let certain = |error: anyhow::Error| Failed::Certainly(format!("{error:#}"));
        let connection = member.connection().await.map_err(certain)?;
        let asked = json!({ "name": name, "password": password });
        let answer = member.send(connection, "/v3/auth/authenticate", &asked, None, limit).await;
        let answer = answer.map_err(|failed| Failed::Certainly(failed.text()))?;
        let token = answer["token"].as_str().map(str::to_owned);
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = token.clone();
        let connection = member.connection().await.map_err(certain)?;
        member.send(connection, path, body, token.as_deref(), limit).await
    }
}

impl Member {
    /// A connection that is there already and still open, or a new one.
    async fn connection(&self) -> Result<SendRequest<Full<Bytes>>> {
        loop {
            let Some(mut idle) = self.idle().pop() else { break };
            if idle.ready().await.is_ok() {
                return Ok(idle);
            }
        }
        let connected = timeout(CONNECT_TIMEOUT, self.connect()).await.map_err(|_| anyhow!("no connection in time"));
        connected.and_then(|connected| connected).with_context(|| format!("{}:{}", self.host.name, self.host.port))
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<SendRequest<Full<Bytes>>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>> {
        let stream = TcpStream::connect((self.host.name.as_str(), self.host.port)).await?;
        // Requests are small, and somebody waits for each.
        stream.set_nodelay(true)?;
        match &self.tls {
            Some(connector) => {
                let name = ServerName::try_from(self.host.name.clone())?;
                speak(connector.connect(name, stream).await?).await
            }
            None => speak(stream).await,
        }
    }

    async fn send(
        &self,
        mut connection: SendRequest<Full<Bytes>>,
        path: &str,
        body: &Value,
        token: Option<&str>,
        limit: Duration,
    ) -> Result<Value, Failed> {
        let mut request = Request::post(path)
            .header(header::HOST, format!("{}:{}", self.host.name, self.host.port))
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, token);
        }
        let request = request.body(Full::new(Bytes::from(body.to_string())));
        let request = request.map_err(|error| Failed::Certainly(error.to_string()))?;
        let exchange = async {
            let answer = match connection.try_send_request(request).await {
                Ok(answer) => answer,
                // It was given back: not a byte of it was sent.
                Err(error) if error.message().is_some() => return Err(Failed::Certainly(error.error().to_string())),
                Err(error) => return Err(Failed::Perhaps(error.error().to_string())),
            };
            let status = answer.status();
            let body = Limited::new(answer.into_body(), ANSWER_MAX_BYTES).collect().await;
            let body = body.map_err(|error| Failed::Perhaps(format!("the answer broke off: {error}")))?.to_bytes();
            let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
            match status.is_success() && answer.is_object() {
                true => Ok(answer),
                false => Err(refusal(status.as_u16(), &answer)),
            }
        };
        let done = timeout(limit, exchange).await.map_err(|_| Failed::Perhaps("no answer in time".into()));
        if let Ok(done) = &done
            && !matches!(done, Err(Failed::Perhaps(_)))
        {
            let mut idle = self.idle();
            if idle.len() < IDLE_MAX && !connection.is_closed() {
                idle.push(connection);
            }
        }
        done?
    }
}

async fn speak<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(stream: S) -> Result<SendRequest<Full<Bytes>>> {
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    sender.ready().await?;
    Ok(sender)
}

/// What an error of etcd says. Its messages name no keys and no values.
fn refusal(status: u16, answer: &Value) -> Failed {
    let message = answer["message"].as_str().or(answer["error"].as_str()).unwrap_or("no reason was given");
    let text = format!("{message} (HTTP status {status})");
    match answer["code"].as_u64() {
        Some(UNAUTHENTICATED) => Failed::Unauthenticated,
        // Users or roles have changed since the token was made.
        Some(INVALID) if message.ends_with("revision in header is old") => Failed::Unauthenticated,
        Some(INVALID) => Failed::Invalid(text),
        Some(7) => Failed::ForGood(text),
        // It comes for the change that used up the space, which is in it, and for those that came after.
        Some(8) if message.ends_with("database space exceeded") => Failed::Full(text),
        Some(code) if REFUSALS.contains(&code) => Failed::Certainly(text),
        _ => Failed::Perhaps(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_never_proposed_is_certain() {
        let judged = |code: u64| refusal(503, &json!({ "error": "e", "message": "m", "code": code }));
        assert!(matches!(judged(16), Failed::Unauthenticated));
        assert!(matches!(judged(3), Failed::Invalid(_)), "request is too large");
        assert!(matches!(judged(8), Failed::Certainly(_)), "too many requests");
        let said = |code: u64, message: &str| refusal(503, &json!({ "message": message, "code": code }));
        assert!(matches!(said(8, "etcdserver: mvcc: database space exceeded"), Failed::Full(_)));
        assert!(matches!(said(7, "etcdserver: permission denied"), Failed::ForGood(_)));
        assert!(matches!(said(3, "auth: revision in header is old"), Failed::Unauthenticated));
        for code in [1, 2, 4, 10, 13, 14] {
            assert!(matches!(judged(code), Failed::Perhaps(_)), "{code}");
        }
        assert!(matches!(refusal(502, &Value::Null), Failed::Perhaps(_)));
    }
}
