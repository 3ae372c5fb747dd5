//! A proxy between a vault and its engine that cuts connections, and counts round trips.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// What happens to the next request, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It does not arrive: the connection is cut.
    CutBefore,
    /// It arrives, and the connection is cut when the answer comes.
    CutAfter,
    /// It does not arrive, and neither does anything else, until [`Proxy::heal`].
    Silence,
}

/// Listens on a port of its own until it is dropped.
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    server: u16,
    fault: Mutex<Option<Fault>>,
    is_silent: AtomicBool,
    is_closed: AtomicBool,
    turns: AtomicU64,
    connections: Mutex<Vec<TcpStream>>,
}

impl Proxy {
    /// To a port of this machine.
    pub fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            server,
            fault: Mutex::default(),
            is_silent: AtomicBool::new(false),
            is_closed: AtomicBool::new(false),
            turns: AtomicU64::new(0),
            connections: Mutex::default(),
        });
        let accepting = shared.clone();
        thread::spawn(move || {
            for client in listener.incoming() {
                if accepting.is_closed.load(Ordering::SeqCst) {
                    return;
                }
                if let Ok(client) = client {
                    accepting.clone().connect(client);
                }
            }
        });
        Self { port, shared }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Arms a fault for the next request.
    pub fn arm(&self, fault: Fault) {
        *self.shared.fault.lock().unwrap() = Some(fault);
    }

    /// Whether the fault has happened.
    pub fn has_struck(&self) -> bool {
        self.shared.fault.lock().unwrap().is_none()
    }

    /// Ends a silence; connections of before are cut.
    pub fn heal(&self) {
        *self.shared.fault.lock().unwrap() = None;
        self.shared.is_silent.store(false, Ordering::SeqCst);
        self.shared.cut();
    }

    /// How often the server was sent something after it had answered, on all connections: round trips.
    pub fn round_trips(&self) -> u64 {
        self.shared.turns.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.is_closed.store(true, Ordering::SeqCst);
        self.shared.cut();
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

impl Shared {
    fn cut(&self) {
        for connection in self.connections.lock().unwrap().drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }

    fn connect(self: Arc<Self>, client: TcpStream) {
        let Ok(server) = TcpStream::connect(("127.0.0.1", self.server)) else { return };
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let copy = |stream: &TcpStream| stream.try_clone().unwrap();
        self.connections.lock().unwrap().extend([copy(&client), copy(&server)]);
        // Whether the server spoke last, and whether its next words are not passed on.
        let (answered, is_doomed) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(false)));
        let (requests, answers) = ((copy(&client), copy(&server)), (server, client));
        let (shared, state) = (self.clone(), (answered.clone(), is_doomed.clone()));
        thread::spawn(move || {
            let ((mut client, mut server), (answered, is_doomed)) = (requests, state);
            pass_on(&mut client, &mut server, |_| {
                if shared.is_silent.load(Ordering::SeqCst) {
                    return Passing::Dropped;
                }
                if answered.swap(false, Ordering::SeqCst) {
                    shared.turns.fetch_add(1, Ordering::SeqCst);
                }
                match shared.fault.lock().unwrap().take() {
                    None => Passing::On,
                    Some(Fault::CutBefore) => Passing::Cut,
                    Some(Fault::CutAfter) => {
                        is_doomed.store(true, Ordering::SeqCst);
                        Passing::On
                    }
                    Some(Fault::Silence) => {
                        shared.is_silent.store(true, Ordering::SeqCst);
                        Passing::Dropped
                    }
                }
            });
        });
        let shared = self;
        thread::spawn(move || {
            let (mut server, mut client) = answers;
            pass_on(&mut server, &mut client, |_| {
                answered.store(true, Ordering::SeqCst);
                match () {
                    () if is_doomed.load(Ordering::SeqCst) => Passing::Cut,
                    () if shared.is_silent.load(Ordering::SeqCst) => Passing::Dropped,
                    () => Passing::On,
                }
            });
        });
    }
}

enum Passing {
    On,
    Dropped,
    Cut,
}

fn pass_on(from: &mut TcpStream, to: &mut TcpStream, mut decide: impl FnMut(&[u8]) -> Passing) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        match decide(&buffer[..length]) {
            Passing::On if to.write_all(&buffer[..length]).is_ok() => {}
            Passing::Dropped => {}
            _ => break,
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}
