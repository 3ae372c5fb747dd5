//! The sessions of a store.

use super::super::remote::url::RemoteUrl;
use super::session::{Door, Session};
use anyhow::Result;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout_at};

/// Sessions for reading and for writing at most, each. Apart, so that writes that wait for a standby leave readers theirs.
const SESSIONS: usize = 8;

/// How long to wait before all hosts are tried again.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);

/// What a statement is for.
#[derive(Clone, Copy)]
pub enum Purpose {
    Read,
    Write,
}

pub struct Pool {
    doors: Vec<Door>,
    /// The host that was the primary last.
    primary: AtomicUsize,
    idle: Mutex<Vec<Session>>,
    reads: Arc<Semaphore>,
    writes: Arc<Semaphore>,
}

/// A session that nobody else uses. It is closed unless it is [given back](Lease::give_back): then nothing of the last
/// statement is on its way any more.
pub struct Lease {
    pub session: Session,
    pool: Arc<Pool>,
    _place: OwnedSemaphorePermit,
}

impl Lease {
    pub fn give_back(self) {
        if !self.session.client.is_closed() {
            self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner).push(self.session);
        }
    }
}

impl Pool {
    pub fn new(url: &RemoteUrl) -> Result<Self> {
        Ok(Self {
            doors: url.hosts.iter().map(|host| Door::new(url, host)).collect::<Result<_>>()?,
            primary: AtomicUsize::new(0),
            idle: Mutex::default(),
            reads: Arc::new(Semaphore::new(SESSIONS)),
            writes: Arc::new(Semaphore::new(SESSIONS)),
        })
    }

    /// A session that is there already, or a new one. `None` at the deadline, with what went wrong last.
    pub async fn lease(self: &Arc<Self>, purpose: Purpose, deadline: Instant) -> Result<Lease, String> {
        let places = match purpose {
            Purpose::Read => self.reads.clone(),
            Purpose::Write => self.writes.clone(),
        };
        let place = timeout_at(deadline, places.acquire_owned()).await;
        let place = place.map_err(|_| "every session is waiting for the server".to_owned())?;
        let place = place.map_err(|error| error.to_string())?;
        let session = match self.idle_session() {
            Some(session) => session,
            None => {
                let mut failure = "no host answered in time".to_owned();
                let open = async {
                    loop {
                        match self.open().await {
                            Ok(session) => break session,
                            Err(error) => failure = format!("{error:#}"),
                        }
                        sleep(RETRY_INTERVAL).await;
                    }
                };
                match timeout_at(deadline, open).await {
                    Ok(session) => session,
                    Err(_) => return Err(failure),
                }
            }
        };
        Ok(Lease { session, pool: self.clone(), _place: place })
    }

    fn idle_session(&self) -> Option<Session> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        std::iter::from_fn(|| idle.pop()).find(|session| !session.client.is_closed())
    }

    /// A session with the primary. It begins with a write ([`super::doubt`]).
    async fn open(&self) -> Result<Session> {
        let session = self.open_quietly().await?;
        super::barrier(&session).await.map_err(|failed| anyhow::anyhow!(failed.text()))?;
        Ok(session)
    }

    /// The same without the write, for which there may be no table yet. The host that was the primary last is tried first.
    pub async fn open_quietly(&self) -> Result<Session> {
        let first = self.primary.load(Ordering::Relaxed);
        let mut failures = Vec::new();
        for number in (0..self.doors.len()).map(|number| (first + number) % self.doors.len()) {
            match self.doors[number].open().await {
                Ok(session) => {
                    self.primary.store(number, Ordering::Relaxed);
                    return Ok(session);
                }
                Err(error) => failures.push(format!("{error:#}")),
            }
        }
        anyhow::bail!("{}", failures.join("; "))
    }
}
