//! A connection to the primary, used by one statement at a time.

use super::super::remote::url::{Host, RemoteUrl};
use super::tls::Tls;
use anyhow::{Context, Result, anyhow, bail};
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::timeout;
use tokio_postgres::config::SslMode;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{AsyncMessage, Client, Config, Connection, NoTls, SimpleQueryMessage, Socket};

/// How long one host may take until a session with it is ready.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// How long a host may take none of what is sent to it, and how long it may be silent between two statements.
const SILENCE_MAX: Duration = Duration::from_secs(10);

/// What every session begins with. A server or a role may have other defaults.
///
/// `synchronous_commit`: a commit is acknowledged when it is on the device here and at the standbys that are to have it.
/// `lock_timeout`: a statement that finds its row locked by a writer who waits for a standby ends, and has done nothing.
const SETTINGS: &str = "SET synchronous_commit = on; SET lock_timeout = '4s'; SET client_min_messages = notice";

/// What must hold then: not a standby, settings as they were set, and a server that writes to the device.
/// Servers that only speak this protocol have no settings of how they write.
const CHECK: &str = "SELECT pg_is_in_recovery(), current_setting('synchronous_commit'), current_setting('lock_timeout'), \
                     coalesce(current_setting('fsync', true), 'on'), \
                     coalesce(current_setting('full_page_writes', true), 'on')";

pub struct Session {
    pub client: Client,
    notices: Arc<AtomicU64>,
}

impl Session {
    /// How many notices the server has sent. A wait for a standby that was cancelled ends in success and a notice.
    pub fn notices(&self) -> u64 {
        self.notices.load(Ordering::Acquire)
    }
}

/// How sessions with one host are made.
pub struct Door {
    config: Config,
    tls: Option<Tls>,
    shown: String,
}

impl Door {
    pub fn new(url: &RemoteUrl, host: &Host) -> Result<Self> {
        let mut config = Config::new();
        if host.name.starts_with('/') {
            config.host_path(&host.name)
        } else {
            config.host(&host.name)
        };
        config
            .port(host.port)
            .application_name("strongroom")
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_user_timeout(SILENCE_MAX)
            .keepalives_idle(SILENCE_MAX)
            .keepalives_interval(SILENCE_MAX / 5)
            .keepalives_retries(3);
        config.user(url.user.clone().context("--store: the URL names no user")?);
        if let Some(password) = &url.password {
            config.password(password);
        }
        if !url.path.is_empty() {
            config.dbname(&url.path);
        }
        let tls = url.tls.is_wanted(host).then(|| Tls::new(&url.tls)).transpose()?;
        config.ssl_mode(if tls.is_some() { SslMode::Require } else { SslMode::Disable });
        Ok(Self { config, tls, shown: format!("{}:{}", host.name, host.port) })
    }

    /// A session with this host, if it is the primary.
    pub async fn open(&self) -> Result<Session> {
        let open = async {
            match &self.tls {
                Some(tls) => self.connect(tls.clone()).await,
                None => self.connect(NoTls).await,
            }
        };
        let opened = timeout(CONNECT_TIMEOUT, open).await.map_err(|_| anyhow!("no answer in time"));
        opened.and_then(|opened| opened).with_context(|| self.shown.clone())
    }

    async fn connect<T>(&self, tls: T) -> Result<Session>
    where
        T: MakeTlsConnect<Socket>,
        T::Stream: Send + 'static,
    {
        let (client, connection) =
            self.config.connect(tls).await.map_err(|error| anyhow!(super::outcome::text(&error)))?;
        let notices = Arc::new(AtomicU64::new(0));
        tokio::spawn(drive(connection, notices.clone()));
        let session = Session { client, notices };
        session.prepare().await?;
        Ok(session)
    }
}

/// Moves what is sent and received. A notice is counted before the end of its statement is passed on.
async fn drive<S, T>(mut connection: Connection<S, T>, notices: Arc<AtomicU64>)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
        if let AsyncMessage::Notice(_) = message {
            notices.fetch_add(1, Ordering::Release);
        }
    }
}

impl Session {
    async fn prepare(&self) -> Result<()> {
        let simple =
            async |sql| self.client.simple_query(sql).await.map_err(|error| anyhow!(super::outcome::text(&error)));
        simple(SETTINGS).await?;
        let answer = simple(CHECK).await?;
        let row =
            answer.iter().find_map(|message| if let SimpleQueryMessage::Row(row) = message { Some(row) } else { None });
        let row = row.context("the server does not tell its settings")?;
        match ["f", "on", "4s", "on", "on"].iter().zip(0..).find(|(wanted, column)| row.get(*column) != Some(**wanted))
        {
            None => Ok(()),
            Some((_, 0)) => bail!("a standby: it can't be written to, and what it shows may be old"),
            Some((_, 1)) => bail!("synchronous_commit can't be set to `on`"),
            Some((_, 2)) => bail!("lock_timeout can't be set"),
            Some((_, 3)) => bail!("fsync is off: the server would acknowledge what it has not stored"),
            Some(_) => bail!("full_page_writes is off: a power failure would damage what is stored"),
        }
    }
}
