//! The thread that writes. Writers wait for the device and for other processes; here they do so without holding up a
//! thread of the server, and in the order in which they came.

use super::StoreError;
use rusqlite::Connection;
use std::sync::mpsc;
use std::thread::{Builder, JoinHandle};
use tokio::sync::oneshot;

/// What the thread writes with.
pub struct Connections {
    /// `synchronous = NORMAL`.
    pub relaxed: Connection,
    /// `synchronous = FULL`.
    pub durable: Connection,
}

type Job = Box<dyn FnOnce(&mut Connections) + Send>;

pub struct Writer {
    /// `None` only while it is dropped. Nobody queues more than one job at a time, so callers bound the queue.
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub fn start(relaxed: Connection, durable: Connection) -> anyhow::Result<Self> {
        relaxed.pragma_update(None, "synchronous", "NORMAL")?;
        durable.pragma_update(None, "synchronous", "FULL")?;
        let (jobs, queue) = mpsc::channel::<Job>();
        let mut connections = Connections { relaxed, durable };
        let thread = Builder::new().name("strongroom-write".into()).spawn(move || {
            queue.into_iter().for_each(|job| job(&mut connections));
        })?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Runs a job on the thread. If the caller goes away before its turn has come, the job is not run.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connections) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (sender, receiver) = oneshot::channel();
        let job: Job = Box::new(move |connections| {
            if !sender.is_closed() {
                let _ = sender.send(work(connections));
            }
        });
        let ended = || StoreError::Other("the thread that writes has ended".into());
        self.jobs.as_ref().and_then(|jobs| jobs.send(job).ok()).ok_or_else(ended)?;
        receiver.await.map_err(|_| ended())?
    }
}

impl Drop for Writer {
    /// Waits for what is running, so that the database is closed afterwards.
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
