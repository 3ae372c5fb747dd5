//! Reading, on connections of its own.

use super::StoreError;
use super::file::{Place, connect};
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

/// A read that takes longer went to the device, not to memory.
const SLOW: Duration = Duration::from_millis(2);

/// What a slow read counts, where a quick one counts back by 1. A thread that had to wait for a processor looks slow, too, but
/// not several times in a few reads.
const SLOW_COUNTS: u32 = 8;

/// From this count on reads are slow.
const ARE_SLOW: u32 = 2 * SLOW_COUNTS;

/// So many reads are then made on other threads.
const READS_ELSEWHERE: u32 = 64;

/// Connections for reading.
///
/// A read of 8 KiB from the page cache took 7 microseconds, and 28 when it was handed to another thread and back, so it
/// is made where it is asked for. While reads are slow, as on a cold or an overloaded disk, they are made on the
/// runtime's threads for blocking work, so that they don't hold up the others.
pub struct Readers {
    path: PathBuf,
    place: Place,
    /// Those that nobody reads with at the moment.
    idle: Mutex<Vec<Connection>>,
    slowness: AtomicU32,
    /// How many more reads are made elsewhere.
    elsewhere: AtomicU32,
}

impl Readers {
    pub fn new(path: PathBuf, place: Place) -> Self {
        Self { path, place, idle: Mutex::default(), slowness: AtomicU32::new(0), elsewhere: AtomicU32::new(0) }
    }

    /// Closes the connections.
    pub fn close(&self) {
        self.idle.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clear();
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether reads are made where they are asked for.
    pub fn are_quick(&self) -> bool {
        self.elsewhere.load(Ordering::Relaxed) == 0
    }

    /// Reads in this thread, while that is quick.
    pub fn try_read<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Option<Result<T, StoreError>> {
        self.are_quick().then(|| self.read_here(read))
    }

    pub async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        if self.are_quick() {
            return self.read_here(read);
        }
        let Ok(runtime) = Handle::try_current() else { return self.read_here(read) };
        self.elsewhere.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |reads| reads.checked_sub(1)).ok();
        let readers = self.clone();
        let done = runtime.spawn_blocking(move || readers.read_here(read)).await;
        done.map_err(|_| StoreError::Other("a read broke off".into()))?
    }

    fn read_here<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let idle = || self.idle.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let pooled = idle().pop();
        let connection = match pooled {
            Some(connection) => connection,
            None => {
                self.place.check()?;
                connect(&self.path).map_err(|error| StoreError::Other(format!("{error:#}")))?
            }
        };
        let start = Instant::now();
        let result = read(&connection)?;
        idle().push(connection);
        self.count(start.elapsed() > SLOW);
        Ok(result)
    }

    fn count(&self, is_slow: bool) {
        let slowness = self.slowness.load(Ordering::Relaxed);
        match is_slow {
            // Counts that are lost among threads do no harm.
            true if slowness + SLOW_COUNTS >= ARE_SLOW => {
                self.slowness.store(0, Ordering::Relaxed);
                self.elsewhere.store(READS_ELSEWHERE, Ordering::Relaxed);
            }
            true => self.slowness.store(slowness + SLOW_COUNTS, Ordering::Relaxed),
            false if slowness > 0 => self.slowness.store(slowness - 1, Ordering::Relaxed),
            false => {}
        }
    }
}
