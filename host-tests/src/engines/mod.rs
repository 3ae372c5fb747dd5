//! The engines behind `--store`, from Debian's packages: started on loopback with their data in a temporary folder, killed
//! and started again, and stopped when dropped.

mod etcd;
mod postgres;
mod proxy;

pub use etcd::Etcd;
pub use postgres::Postgres;
pub use proxy::{Fault, Proxy};

use std::net::TcpListener;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// Nobody waits as long as this for a server to start, for a leader to be elected, for a standby to catch up.
const PATIENCE: Duration = Duration::from_secs(60);

/// Ports of which each is free now.
fn free_ports<const N: usize>() -> [u16; N] {
    // All at once, so that none is given twice.
    let listeners: [TcpListener; N] = std::array::from_fn(|_| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

/// Asks until the answer is yes.
fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "{what}: not in {} s", PATIENCE.as_secs());
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Sends a signal to a process that a test has started.
fn signal(name: &str, pid: u32) {
    let _ = Command::new("kill").args([name, &pid.to_string()]).status();
}

/// Ends a server as a power failure would, with all processes that it has started.
fn kill(child: &mut Child) {
    let children = children_of(child.id());
    let _ = child.kill();
    children.into_iter().for_each(|pid| signal("-KILL", pid));
    let _ = child.wait();
}

fn children_of(parent: u32) -> Vec<u32> {
    let parent_of = |pid: u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse::<u32>().ok()
    };
    let pids = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| parent_of(*pid) == Some(parent)).collect()
}
