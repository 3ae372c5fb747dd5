//! Who is connected. When all places are taken, the connection that has been idle for the longest has to go, so that
//! nobody is kept out by those who only sit there.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// How long a connection that was asked to leave may take before another one is asked.
const LEAVE_TIMEOUT: Duration = Duration::from_millis(100);

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

#[derive(Clone, Copy)]
struct Doing {
    /// Requests that are being answered; at most one with HTTP/1.1.
    requests: u32,
    /// Whether there ever was a request.
    has_asked: bool,
    /// Whether its last request came with a token that the server knows.
    is_known: bool,
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
            self.ask_the_longest_idle_to_leave();
            let next = tokio::time::timeout(LEAVE_TIMEOUT, self.places.clone().acquire_owned());
            if let Ok(Ok(place)) = next.await {
                break place;
            }
        };
        let doing = Doing { requests: 0, has_asked: false, is_known: false, is_leaving: false, since: Instant::now() };
        let presence = Arc::new(Presence { doing: Mutex::new(doing), leave: Notify::new() });
        self.guests().insert(number, presence.clone());
        Guest { number, presence, all: self.clone(), _place: place }
    }

    /// Ready when nobody is connected any more.
    pub async fn all_gone(&self) {
        let _ = self.places.acquire_many(self.max).await;
    }

    /// Those whose token is known come last.
    fn ask_the_longest_idle_to_leave(&self) {
        let guests = self.guests();
        let idle = guests.values().filter(|guest| {
            let doing = guest.doing();
            doing.requests == 0 && !doing.is_leaving
        });
        let longest = idle.min_by_key(|guest| {
            let doing = guest.doing();
            (doing.is_known, doing.since)
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
        let doing = *self.presence.doing();
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
    /// Says whether the request's token is one of the server's.
    pub fn set_known(&self, is_known: bool) {
        self.0.doing().is_known = is_known;
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

    #[tokio::test]
    async fn the_longest_idle_makes_room_and_those_with_a_token_last() {
        let connections = Connections::new(3);
        let known = connections.admit(0).await;
        known.request().set_known(true);
        let busy = connections.admit(1).await;
        let answering = busy.request();
        let idle = connections.admit(2).await;

        let newcomer = tokio::spawn({
            let connections = connections.clone();
            async move { connections.admit(3).await }
        });
        idle.asked_to_leave().await;
        drop(idle);
        let newcomer = newcomer.await.unwrap();
        let _answering = newcomer.request();

        let next = tokio::spawn({
            let connections = connections.clone();
            async move { connections.admit(4).await }
        });
        known.asked_to_leave().await;
        drop(known);
        let next = next.await.unwrap();
        assert!(!next.has_asked() && next.idle().is_some() && busy.idle().is_none());
        drop(answering);
        assert!(busy.idle().is_some() && busy.has_asked());
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
