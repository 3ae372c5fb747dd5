//! The clock an instance sees.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Tells the time since 1970-01-01T00:00:00Z.
pub trait Clock: Send + Sync {
    fn now(&self) -> Duration;
}

/// The machine's own clock; the epoch itself if it stands before that.
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }
}

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
