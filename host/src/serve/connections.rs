//! Who is connected. When all places are taken, somebody idle has to go, so that nobody is kept out by those who only sit
//! there: of whoever has most connections the one that has been idle for the longest.
//!
//! Who has a connection is known by the token of its last request: a peer's address says nothing on a loopback interface or
//! behind a proxy. Those that never sent a known token count as one. Busy connections stay, as each of them has an end that
//! its client can't put off, and one token has only so many requests at once ([`MAX_REQUESTS_OF_TOKEN`]).
//!
//! [`MAX_REQUESTS_OF_TOKEN`]: super::MAX_REQUESTS_OF_TOKEN

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// How long a connection that was asked to leave may take before another one is asked.
const LEAVE_TIMEOUT: Duration = Duration::from_millis(100);

/// How long a connection that does nothing stays at least: one that was just made, or answered, may have sent what nobody
/// has had the time to read, or not have got all of its answer.
const STAY: Duration = Duration::from_millis(500);

/// The places for connections.
pub struct Connections {
    max: u32,
    places: Arc<Semaphore>,
    guests: Mutex<HashMap<u64, Arc<Presence>>>,
}

/// One connection's place, given back when it is dropped.
pub struct Guest {
    number: u64,
    presence: Arc<Presence>,
    all: Arc<Connections>,
    _place: OwnedSemaphorePermit,
}

struct Presence {
    doing: Mutex<Doing>,
    leave: Notify,
}

#[derive(Clone)]
struct Doing {
    /// Requests that are being answered; at most one with HTTP/1.1.
    requests: u32,
    /// Whether there ever was a request.
    has_asked: bool,
    /// The name of its last request's token, if the server knows it.
    token: Option<Arc<str>>,
    is_leaving: bool,
    /// Since when there is no request, or the connection.
    since: Instant,
}

impl Connections {
    pub fn new(max: u32) -> Arc<Self> {
        Arc::new(Self { max, places: Arc::new(Semaphore::new(max as usize)), guests: Mutex::default() })
    }

    /// A place for a connection that was just accepted. Waits only if nobody is idle.
    pub async fn admit(self: &Arc<Self>, number: u64) -> Guest {
        let place = loop {
            if let Ok(place) = self.places.clone().try_acquire_owned() {
                break place;
            }
            self.ask_somebody_to_leave();
            let next = tokio::time::timeout(LEAVE_TIMEOUT, self.places.clone().acquire_owned());
            if let Ok(Ok(place)) = next.await {
                break place;
            }
        };
        let doing = Doing { requests: 0, has_asked: false, token: None, is_leaving: false, since: Instant::now() };
        let presence = Arc::new(Presence { doing: Mutex::new(doing), leave: Notify::new() });
        self.guests().insert(number, presence.clone());
        Guest { number, presence, all: self.clone(), _place: place }
    }

    /// Ready when nobody is connected any more.
    pub async fn all_gone(&self) {
        let _ = self.places.acquire_many(self.max).await;
    }

    fn ask_somebody_to_leave(&self) {
        let guests = self.guests();
        let staying = || guests.values().filter(|guest| !guest.doing().is_leaving);
        let mut connections: HashMap<Option<Arc<str>>, u32> = HashMap::new();
        for guest in staying() {
            *connections.entry(guest.doing().token.clone()).or_default() += 1;
        }
        let idle = staying().filter(|guest| {
            let doing = guest.doing();
            doing.requests == 0 && doing.since.elapsed() >= STAY
        });
        let longest = idle.min_by_key(|guest| {
            let doing = guest.doing();
            (Reverse(connections.get(&doing.token).copied()), doing.since)
        });
        if let Some(guest) = longest {
            guest.doing().is_leaving = true;
            guest.leave.notify_one();
        }
    }

    fn guests(&self) -> MutexGuard<'_, HashMap<u64, Arc<Presence>>> {
        self.guests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Presence {
    fn doing(&self) -> MutexGuard<'_, Doing> {
        self.doing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Guest {
    /// Marks the time in which a request is answered, until the result is dropped.
    pub fn request(&self) -> Answering {
        let mut doing = self.presence.doing();
        doing.requests += 1;
        doing.has_asked = true;
        Answering(self.presence.clone())
    }

    /// Whether there ever was a request.
    pub fn has_asked(&self) -> bool {
        self.presence.doing().has_asked
    }

    /// How long there has been no request; `None` while there is one.
    pub fn idle(&self) -> Option<Duration> {
        let doing = self.presence.doing();
        (doing.requests == 0).then(|| doing.since.elapsed())
    }

    /// Ready when the connection shall make room for another.
    pub async fn asked_to_leave(&self) {
        loop {
            self.presence.leave.notified().await;
            let mut doing = self.presence.doing();
            if doing.requests == 0 {
                return;
            }
            // A request has come meanwhile.
            doing.is_leaving = false;
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.all.guests().remove(&self.number);
    }
}

/// A request is being answered.
pub struct Answering(Arc<Presence>);

impl Answering {
    /// Says of which of the server's tokens the request is.
    pub fn set_token(&self, name: Option<&str>) {
        let mut doing = self.0.doing();
        if doing.token.as_deref() != name {
            doing.token = name.map(Arc::from);
        }
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        let mut doing = self.0.doing();
        doing.requests -= 1;
        doing.since = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Somebody new, for whom somebody else must go.
    fn admit_one_more(connections: &Arc<Connections>, number: u64) -> tokio::task::JoinHandle<Guest> {
        let connections = connections.clone();
        tokio::spawn(async move { connections.admit(number).await })
    }

    #[tokio::test]
    async fn of_whoever_has_most_the_longest_idle_makes_room() {
        let connections = Connections::new(5);
        let of = async |number, token| {
            let guest = connections.admit(number).await;
            guest.request().set_token(token);
            guest
        };
        let unknown = of(0, None).await;
        let single = of(1, Some("a")).await;
        let busy = of(2, Some("b")).await;
        let answering = busy.request();
        let (first, second) = (of(3, Some("b")).await, of(4, Some("b")).await);

        let mut come = Vec::new();
        for leaving in [first, second] {
            let newcomer = admit_one_more(&connections, 5);
            leaving.asked_to_leave().await;
            drop(leaving);
            let newcomer = newcomer.await.unwrap();
            assert!(!newcomer.has_asked() && newcomer.idle().is_some() && busy.idle().is_none());
            // It becomes the token's again, as when the same client comes back.
            newcomer.request().set_token(Some("b"));
            come.push(newcomer);
        }
        drop((unknown, single));
        drop(answering);
        assert!(busy.idle().is_some() && busy.has_asked());
    }

    #[tokio::test]
    async fn of_those_without_a_token_the_longest_idle_makes_room() {
        let connections = Connections::new(3);
        let known = connections.admit(0).await;
        known.request().set_token(Some("a"));
        let (first, second) = (connections.admit(1).await, connections.admit(2).await);
        let newcomer = admit_one_more(&connections, 3);
        first.asked_to_leave().await;
        drop(first);
        let newcomer = newcomer.await.unwrap();
        // Whoever is busy stays: of the tokens' the idle one goes.
        let _answering = (second.request(), newcomer.request());
        let next = admit_one_more(&connections, 4);
        known.asked_to_leave().await;
        drop(known);
        next.await.unwrap();
    }

    #[tokio::test]
    async fn a_request_that_comes_meanwhile_is_answered() {
        let connections = Connections::new(1);
        let guest = connections.admit(0).await;
        let newcomer = tokio::spawn({
            let connections = connections.clone();
            async move { connections.admit(1).await }
        });
        tokio::time::sleep(LEAVE_TIMEOUT / 2).await;
        let answering = guest.request();
        assert!(tokio::time::timeout(LEAVE_TIMEOUT * 2, guest.asked_to_leave()).await.is_err());
        drop(answering);
        guest.asked_to_leave().await;
        drop(guest);
        newcomer.await.unwrap();
    }
}
