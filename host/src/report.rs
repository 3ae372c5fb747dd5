//! What goes wrong below the component, in the log: its cause, but not a line for each of a thousand calls that fail
//! alike.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// One line at most in this time for each kind of failure.
const INTERVAL: Duration = Duration::from_secs(1);

/// When a kind was reported last, and how often it happened since.
static REPORTED: Mutex<BTreeMap<&'static str, (Instant, u64)>> = Mutex::new(BTreeMap::new());

static FAULTS: AtomicU64 = AtomicU64::new(0);
static OPERATIONS: AtomicU64 = AtomicU64::new(0);

/// Counts an operation of the store.
pub fn operation() {
    OPERATIONS.fetch_add(1, Ordering::Relaxed);
}

/// How many operations of the store there were.
pub fn operations() -> u64 {
    OPERATIONS.load(Ordering::Relaxed)
}

/// How many failures there were.
pub fn faults() -> u64 {
    FAULTS.load(Ordering::Relaxed)
}

/// Reports a failure. The cause must hold nothing of a caller's input and nothing secret.
pub fn fault(what: &'static str, cause: &dyn Display) {
    FAULTS.fetch_add(1, Ordering::Relaxed);
    if let Some(unseen) = is_due(what, Instant::now()) {
        let more = if unseen == 0 { String::new() } else { format!(" ({unseen} more like it were not shown)") };
        let cause = cause.to_string().replace(['\n', '\r'], " ");
        tracing::error!(target: "strongroom", "{what}: {cause}{more}");
    }
}

/// If it is time for a line: how many had none.
fn is_due(what: &'static str, now: Instant) -> Option<u64> {
    let mut reported = REPORTED.lock().unwrap_or_else(PoisonError::into_inner);
    match reported.get_mut(what) {
        Some((last, unseen)) if now.saturating_duration_since(*last) < INTERVAL => {
            *unseen += 1;
            None
        }
        Some(entry) => {
            let unseen = entry.1;
            *entry = (now, 0);
            Some(unseen)
        }
        None => {
            reported.insert(what, (now, 0));
            Some(0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_one_line_a_second() {
        let start = Instant::now();
        assert_eq!(is_due("test", start), Some(0));
        for _ in 0..1000 {
            assert_eq!(is_due("test", start + INTERVAL / 2), None);
        }
        assert_eq!(is_due("another test", start), Some(0));
        assert_eq!(is_due("test", start + INTERVAL), Some(1000));
        assert_eq!(is_due("test", start + INTERVAL * 3), Some(0));
    }
}
