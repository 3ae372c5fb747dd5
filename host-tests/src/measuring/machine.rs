//! The machine and its processes, as `/proc` shows them; where there is none, nothing is known.

use std::fmt::{self, Display, Formatter};
use std::fs;
use std::time::Duration;

/// Processors of this machine, and what else it has to do.
pub fn machine() -> String {
    let model = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = model.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ").map(|(_, name)| name));
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!("{cores} cores ({}), load average {}", model.unwrap_or("unknown"), load.trim())
}

/// What a process has had of the processors until now.
pub fn processor_time(id: u32) -> Duration {
    let threads = fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten();
    let times = threads.map(|thread| fs::read_to_string(thread.path().join("schedstat")).unwrap_or_default());
    times.filter_map(|text| text.split(' ').next()?.parse().ok()).map(Duration::from_nanos).sum()
}

/// What a process takes of the memory, in KiB.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    pub resident: u64,
    /// Of that, what is its own: not of a file, nor of memory that is mapped several times.
    pub anonymous: u64,
    /// The most that was ever resident.
    pub most: u64,
}

impl Memory {
    /// Zeros if nothing is known.
    pub fn of(id: u32) -> Self {
        let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
        let kib = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
        };
        Self { resident: kib("VmRSS:"), anonymous: kib("RssAnon:"), most: kib("VmHWM:") }
    }
}

impl Display for Memory {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let mib = |kib: u64| kib as f64 / 1024.0;
        let (resident, anonymous, most) = (mib(self.resident), mib(self.anonymous), mib(self.most));
        write!(formatter, "{resident:.1} MiB ({anonymous:.1} its own), at most {most:.1}")
    }
}
