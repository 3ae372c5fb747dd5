//! A clock for tests.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use strongroom_host::Clock;

/// A clock that stands still until it is set.
pub struct FixedClock(AtomicU64);

impl FixedClock {
    /// Shows this many milliseconds since the epoch.
    pub fn new(milliseconds: u64) -> Self {
        Self(AtomicU64::new(milliseconds))
    }

    /// Shows this many milliseconds since the epoch from now on; backwards is allowed.
    pub fn set(&self, milliseconds: u64) {
        self.0.store(milliseconds, Ordering::SeqCst);
    }

    /// Moves on.
    pub fn advance(&self, milliseconds: u64) {
        self.0.fetch_add(milliseconds, Ordering::SeqCst);
    }
}

impl Clock for FixedClock {
    fn now(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::SeqCst))
    }
}
