//! The thread that writes. Writers wait for the device and for other processes; here they do so without holding up a
//! thread of the server, and in the order in which they came.

use super::StoreError;
use rusqlite::Connection;
use std::path::Path;
use std::sync::{Arc, mpsc};
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
    file: File,
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
        let thread = Builder::new().name("strongroom-write".into()).spawn(move || {
            queue.into_iter().for_each(|job| job(&mut connections));
        })?;
        Ok(Self { file: File::at(path)?, jobs: Some(jobs), thread: Some(thread) })
    }

    /// Runs a job on the thread. If the caller goes away before its turn has come, the job is not run.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connections) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (sender, receiver) = oneshot::channel();
        let file = self.file.clone();
        let job: Job = Box::new(move |connections| {
            if !sender.is_closed() {
                let _ = sender.send(file.check().and_then(|()| work(connections)));
            }
        });
        let ended = || StoreError::Other("the thread that writes has ended".into());
        self.jobs.as_ref().and_then(|jobs| jobs.send(job).ok()).ok_or_else(ended)?;
        receiver.await.map_err(|_| ended())?
    }
}

/// The file that is written. If it is removed, or another put in its place, what is written goes where nobody finds it
/// again.
#[derive(Clone)]
struct File {
    path: Arc<Path>,
    /// Device and inode.
    place: (u64, u64),
}

impl File {
    fn at(path: &Path) -> anyhow::Result<Self> {
        Ok(Self { path: path.into(), place: place(path)? })
    }

    fn check(&self) -> Result<(), StoreError> {
        if place(&self.path).ok() == Some(self.place) {
            return Ok(());
        }
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        Err(StoreError::Other(format!("{name} was removed or replaced under the running program: start it again")))
    }
}

fn place(path: &Path) -> std::io::Result<(u64, u64)> {
    let metadata = std::fs::metadata(path)?;
    #[cfg(unix)]
    return Ok((std::os::unix::fs::MetadataExt::dev(&metadata), std::os::unix::fs::MetadataExt::ino(&metadata)));
    #[cfg(not(unix))]
    return Ok((0, metadata.is_file() as u64));
}

impl Writer {
    /// Waits for what is running, so that the database is closed afterwards.
    pub fn stop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }

    /// Whether the file is still where it was.
    pub fn is_in_place(&self) -> bool {
        self.file.check().is_ok()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.stop();
    }
}
