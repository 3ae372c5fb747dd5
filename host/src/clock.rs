//! The clock an instance sees.

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
