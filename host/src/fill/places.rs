//! How many logins run at a time. Each takes seconds, in which the component works milliseconds.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Logins at a time.
const ALL: usize = 16;

/// Those of one caller, so that others are never kept out by one.
const OF_ONE: usize = ALL / 2;

/// The places of all logins. A clone is the same.
#[derive(Clone, Default)]
pub struct Places(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Tells of each place that is given back.
    given_back: Notify,
}

#[derive(Default)]
struct State {
    /// How many each caller has; those that have none are not in it.
    taken: HashMap<String, usize>,
    is_closed: bool,
}

/// The right to run a login, until it is dropped.
pub struct Place {
    places: Places,
    caller: String,
}

impl Places {
    /// A place, or why there is none.
    pub fn take(&self, caller: &str) -> Result<Place, &'static str> {
        let mut state = self.state();
        if state.is_closed {
            return Err("the program is about to end; nothing was filled");
        }
        if state.taken.values().sum::<usize>() >= ALL {
            return Err("too many logins are running; nothing was filled");
        }
        let own = state.taken.entry(caller.to_owned()).or_default();
        if *own >= OF_ONE {
            return Err("too many logins of this caller are running; nothing was filled");
        }
        *own += 1;
        Ok(Place { places: self.clone(), caller: caller.to_owned() })
    }

    /// From now on nobody gets one. Ready when all are given back.
    pub async fn close(&self) {
        self.state().is_closed = true;
        loop {
            // Before the look, so that none is missed.
            let given_back = self.0.given_back.notified();
            tokio::pin!(given_back);
            given_back.as_mut().enable();
            if self.state().taken.is_empty() {
                return;
            }
            given_back.await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.places.state();
        if let Some(own) = state.taken.get_mut(&self.caller) {
            *own -= 1;
            if *own == 0 {
                state.taken.remove(&self.caller);
            }
        }
        drop(state);
        self.places.0.given_back.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take_all(places: &Places, caller: &str) -> (Vec<Place>, &'static str) {
        let mut taken = Vec::new();
        loop {
            match places.take(caller) {
                Ok(place) => taken.push(place),
                Err(why) => return (taken, why),
            }
        }
    }

    #[test]
    fn one_caller_leaves_half_to_others() {
        let places = Places::default();
        let (mut first, why) = take_all(&places, "a");
        assert!(first.len() == 8 && why.contains("of this caller"), "{why}");
        let (second, _) = take_all(&places, "b");
        assert_eq!(second.len(), 8);
        assert!(!places.take("c").err().unwrap().contains("of this caller"));
        first.pop();
        let third = places.take("c").unwrap();
        drop((first, second, third));
        assert!(places.state().taken.is_empty(), "names that come and go do not stay");
    }

    #[tokio::test]
    async fn closed_when_all_are_given_back() {
        let places = Places::default();
        let running = [places.take("a").unwrap(), places.take("b").unwrap()];
        let closing = tokio::spawn({
            let places = places.clone();
            async move { places.close().await }
        });
        while !places.state().is_closed {
            tokio::task::yield_now().await;
        }
        assert!(places.take("c").err().unwrap().contains("about to end"));
        assert!(!closing.is_finished());
        drop(running);
        closing.await.unwrap();
        assert!(places.take("c").is_err());
    }
}
