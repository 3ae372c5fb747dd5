//! When what the primary shows may still be lost.
//!
//! A transaction that waits for a standby is invisible. It becomes visible without being at the standby when its wait is
//! cancelled, and when the server is started again in the middle of it. Whoever reads it then and says what he read, as the
//! commit protocol's read-back does, acknowledges what a failover takes back. The cure is a write that is acknowledged
//! plainly: the log is replicated in order, so whatever was visible before is at the standby too. It is made
//!
//! - at the beginning of every session ([`super::pool`]): after a restart there are only new ones;
//! - before the next read, when a write of this process ended otherwise than plainly;
//! - before each `current`, as long as a write runs on whose caller has gone away: how it ends is not known yet.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

#[derive(Default)]
pub struct Doubt {
    /// Writes that did not end plainly, and how many of them are settled.
    raised: AtomicU64,
    settled: AtomicU64,
    /// Writes that run on without a caller.
    abandoned: AtomicU64,
}

impl Doubt {
    pub fn raise(&self) {
        self.raised.fetch_add(1, Ordering::SeqCst);
    }

    /// What a plain write from now on settles, if there is anything to settle. `strictly` counts abandoned writes too.
    pub fn open(&self, strictly: bool) -> Option<u64> {
        let raised = self.raised.load(Ordering::SeqCst);
        let is_open = self.settled.load(Ordering::SeqCst) < raised;
        (is_open || strictly && self.abandoned.load(Ordering::SeqCst) > 0).then_some(raised)
    }

    /// A write that began after [`open`](Self::open) was acknowledged plainly.
    pub fn settle(&self, raised: u64) {
        self.settled.fetch_max(raised, Ordering::SeqCst);
    }

    /// A write begins: the first is for who waits for it, the second for what carries it out.
    pub fn watch(self: &Arc<Self>) -> (Caller, Running) {
        let state = Arc::new(Mutex::new(State::default()));
        (Caller { doubt: self.clone(), state: state.clone() }, Running { doubt: self.clone(), state })
    }
}

#[derive(Default)]
struct State {
    is_over: bool,
    is_abandoned: bool,
}

fn lock(state: &Mutex<State>) -> std::sync::MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Who waits for a write. If he goes before it is over it is abandoned.
pub struct Caller {
    doubt: Arc<Doubt>,
    state: Arc<Mutex<State>>,
}

impl Drop for Caller {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        if !state.is_over {
            state.is_abandoned = true;
            self.doubt.abandoned.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// What carries a write out. It raises the doubt, if there is any, before it is over.
pub struct Running {
    doubt: Arc<Doubt>,
    state: Arc<Mutex<State>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        state.is_over = true;
        if state.is_abandoned {
            self.doubt.abandoned.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_doubt_is_settled_by_what_began_after_it() {
        let doubt = Doubt::default();
        assert_eq!(doubt.open(true), None);
        doubt.raise();
        let before = doubt.open(false).unwrap();
        doubt.raise();
        doubt.settle(before);
        let both = doubt.open(false).unwrap();
        doubt.settle(both);
        assert_eq!(doubt.open(true), None);
    }

    #[test]
    fn an_abandoned_write_is_doubtful_until_it_is_over() {
        let doubt = Arc::new(Doubt::default());
        let (caller, running) = doubt.watch();
        assert_eq!(doubt.open(true), None, "somebody waits for it");
        drop(caller);
        assert_eq!((doubt.open(true), doubt.open(false)), (Some(0), None));
        doubt.settle(0);
        assert!(doubt.open(true).is_some(), "it may still end badly");
        drop(running);
        assert_eq!(doubt.open(true), None);
        let (caller, running) = doubt.watch();
        drop(running);
        drop(caller);
        assert_eq!(doubt.open(true), None, "in the usual order");
    }
}
