//! Lines on their way to where they are written.
//!
//! The thread that writes rests after it has written, and takes what has come meanwhile in one piece: to wake it for each
//! line cost a sixth of a request.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tracing_subscriber::fmt::MakeWriter;

/// Lines that wait for the thread; at some 150 bytes each this bounds the memory.
const MAX_LINES: usize = 8192;

/// How long the thread rests.
const REST: Duration = Duration::from_millis(10);

/// How long the end waits for what is still to be written.
const LAST_LINES_TIMEOUT: Duration = Duration::from_secs(1);

/// The queue's end where lines come in.
#[derive(Clone)]
pub struct Queue(Arc<Shared>);

/// The thread that writes; it ends with this.
pub struct Thread {
    queue: Queue,
    thread: Option<JoinHandle<()>>,
}

/// How many lines were dropped.
#[derive(Clone)]
pub struct Dropped(Queue);

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    text: Vec<u8>,
    lines: usize,
    dropped: usize,
    /// Nothing more comes.
    is_over: bool,
    /// All is written.
    is_done: bool,
}

impl Queue {
    /// Starts writing to this.
    pub fn start(to: impl Write + Send + 'static) -> Thread {
        let queue = Self(Arc::default());
        let own = queue.clone();
        let started = thread::Builder::new().name("strongroom-log".into()).spawn(move || own.write_all_to(to));
        // Without it the lines are dropped, and counted.
        Thread { queue, thread: started.ok() }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_all_to(&self, mut to: impl Write) {
        let mut text = Vec::new();
        loop {
            let mut waiting = self.waiting();
            while waiting.text.is_empty() && !waiting.is_over {
                waiting = self.0.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
            }
            std::mem::swap(&mut text, &mut waiting.text);
            waiting.lines = 0;
            let is_over = waiting.is_over;
            drop(waiting);
            // Whoever reads it is gone: there is nobody to tell.
            let _ = to.write_all(&text).and_then(|()| to.flush());
            text.clear();
            if is_over {
                self.waiting().is_done = true;
                self.0.changed.notify_all();
                return;
            }
            self.rest();
        }
    }

    fn rest(&self) {
        let over = self.0.changed.wait_timeout_while(self.waiting(), REST, |waiting| !waiting.is_over);
        drop(over.unwrap_or_else(PoisonError::into_inner));
    }
}

/// One line each time.
impl Write for Queue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut waiting = self.waiting();
        if waiting.lines == MAX_LINES {
            waiting.dropped += 1;
        } else {
            waiting.lines += 1;
            waiting.text.extend_from_slice(line);
            if waiting.lines == 1 {
                self.0.changed.notify_one();
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Queue {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl Thread {
    pub fn queue(&self) -> Queue {
        self.queue.clone()
    }

    pub fn dropped(&self) -> Dropped {
        Dropped(self.queue.clone())
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        let mut waiting = self.queue.waiting();
        waiting.is_over = true;
        self.queue.0.changed.notify_all();
        let done = self.queue.0.changed.wait_timeout_while(waiting, LAST_LINES_TIMEOUT, |waiting| !waiting.is_done);
        if done.is_ok_and(|(waiting, _)| waiting.is_done) {
            let _ = thread.join();
        }
    }
}

impl Dropped {
    pub fn count(&self) -> usize {
        self.0.waiting().dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    /// Takes a text only when it is let.
    struct Slow {
        begun: mpsc::Sender<()>,
        may: mpsc::Receiver<()>,
        written: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Slow {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            let _ = self.begun.send(());
            let _ = self.may.recv();
            self.written.lock().unwrap().extend_from_slice(text);
            Ok(text.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_come_in_order_and_whole_and_what_is_too_much_is_counted() {
        let ((begun, has_begun), (let_it, may)) = (mpsc::channel(), mpsc::channel());
        let written = Arc::new(Mutex::default());
        let thread = Queue::start(Slow { begun, may, written: written.clone() });
        let line = |n: usize| thread.queue().write_all(format!("{n}\n").as_bytes()).unwrap();
        line(0);
        has_begun.recv().unwrap();
        (1..=MAX_LINES + 5).for_each(line);
        assert_eq!(thread.dropped().count(), 5);
        drop(let_it);
        drop(thread);
        let expected: String = (0..=MAX_LINES).map(|n| format!("{n}\n")).collect();
        assert_eq!(*written.lock().unwrap(), expected.into_bytes());
    }
}
