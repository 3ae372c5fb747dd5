//! The thread that writes. Writers wait for the device and for other processes; here they do so without holding up a
//! thread of the server, and in the order in which they came.

use super::StoreError;
use super::file::{BUSY_TIMEOUT, Place};
use rusqlite::Connection;
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// What the thread writes with.
pub struct Connections {
    /// `synchronous = NORMAL`.
    pub relaxed: Connection,
    /// `synchronous = FULL`.
    pub durable: Connection,
}

type Job = Box<dyn FnOnce(&mut Connections) + Send>;

/// When nobody has written for this long, what the write-ahead log holds is brought into the file, and the log is
/// emptied: it has old versions of what was overwritten in the file.
const QUIET: Duration = Duration::from_secs(1);

/// The longest time until then while others go on writing.
const BUSY: Duration = Duration::from_secs(60);

/// How long emptying the log waits for those who still read from it.
const READERS_TIMEOUT: Duration = Duration::from_millis(100);

pub struct Writer {
    place: Place,
    /// `None` when it was stopped. Nobody queues more than one job at a time, so callers bound the queue.
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Writes to the file at this path as long as it is the one that is there now.
    pub fn start(path: &Path, relaxed: Connection, durable: Connection) -> anyhow::Result<Self> {
        relaxed.pragma_update(None, "synchronous", "NORMAL")?;
        durable.pragma_update(None, "synchronous", "FULL")?;
        let (jobs, queue) = mpsc::channel::<Job>();
        let mut connections = Connections { relaxed, durable };
        let thread = Builder::new().name("strongroom-write".into()).spawn(move || write(&queue, &mut connections))?;
        Ok(Self { place: Place::of(path)?, jobs: Some(jobs), thread: Some(thread) })
    }

    /// Runs a job on the thread. If the caller goes away before its turn has come, the job is not run.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connections) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (sender, receiver) = oneshot::channel();
        let place = self.place.clone();
        let job: Job = Box::new(move |connections| {
            if !sender.is_closed() {
                let _ = sender.send(place.check().and_then(|()| work(connections)));
            }
        });
        let ended = || StoreError::Other("the thread that writes has ended".into());
        self.jobs.as_ref().and_then(|jobs| jobs.send(job).ok()).ok_or_else(ended)?;
        receiver.await.map_err(|_| ended())?
    }
}

impl Writer {
    /// Where the file is that is written.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Waits for what is running, so that the database is closed afterwards.
    pub fn stop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }

    /// Whether the file is still where it was.
    pub fn is_in_place(&self) -> bool {
        self.place.check().is_ok()
    }
}

/// Runs jobs until there can be no more.
fn write(queue: &mpsc::Receiver<Job>, connections: &mut Connections) {
    // Since when the log holds anything.
    let mut filled: Option<Instant> = None;
    loop {
        let job = match filled {
            Some(_) => queue.recv_timeout(QUIET),
            None => queue.recv().map_err(Into::into),
        };
        let is_due = match job {
            Ok(job) => {
                job(connections);
                filled.get_or_insert_with(Instant::now).elapsed() > BUSY
            }
            Err(RecvTimeoutError::Timeout) => true,
            // Closing the connections empties the log.
            Err(RecvTimeoutError::Disconnected) => return,
        };
        if is_due {
            filled = if empty_log(&connections.relaxed) { None } else { Some(Instant::now()) };
        }
    }
}

/// False if somebody still reads what is in it. If it fails, so do the next writes, which say why.
fn empty_log(connection: &Connection) -> bool {
    let waits = |time| connection.busy_timeout(time).is_ok();
    let empty = || connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0));
    let is_busy = !waits(READERS_TIMEOUT) || empty().unwrap_or(1) != 0;
    waits(BUSY_TIMEOUT) && !is_busy
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.stop();
    }
}
