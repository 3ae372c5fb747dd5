//! The load generator: `wrk`, Debian's package, on the same machine.

use super::processor_time;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// A run of it.
pub struct Wrk<'a> {
    pub address: SocketAddr,
    /// The process that answers.
    pub server: u32,
    pub headers: &'a [String],
    pub path: &'a str,
    /// In Lua, where the requests differ.
    pub script: Option<&'a Path>,
    pub connections: u32,
    pub seconds: u32,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Requests a second.
    pub rate: f64,
    pub p99_ms: f64,
    /// Processor time of the server, per request.
    pub cost_us: f64,
    /// Near 1 the load generator would be what is measured.
    pub share_of_wrk: f64,
    /// Whether some answer was no success. A program that refuses is quick.
    pub has_refused: bool,
}

impl Wrk<'_> {
    /// Says what to do if it is missing.
    pub fn check() -> Result<(), &'static str> {
        let asked = Command::new("wrk").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        asked.map(drop).map_err(|_| "this needs `wrk`: apt-get install wrk")
    }

    pub fn run(&self) -> Measured {
        let mut wrk = Command::new("wrk");
        wrk.args(["-t1", "--latency", &format!("-c{}", self.connections), &format!("-d{}s", self.seconds)]);
        for header in self.headers {
            wrk.arg("-H").arg(header);
        }
        if let Some(script) = self.script {
            wrk.arg("-s").arg(script);
        }
        let before = processor_time(self.server);
        let wrk = wrk.arg(format!("http://{}{}", self.address, self.path));
        let child = wrk.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // Shortly before it ends, as nothing is known of it then.
        let looked_after = Duration::from_secs(u64::from(self.seconds)) - Duration::from_millis(200);
        std::thread::sleep(looked_after);
        let share_of_wrk = processor_time(child.id()).as_secs_f64() / looked_after.as_secs_f64();
        let output = child.wait_with_output().unwrap();
        let spent = processor_time(self.server) - before;
        let printed = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{printed}");
        let after = |mark: &str| printed.lines().find_map(|line| line.trim().strip_prefix(mark)).map(str::trim);
        let requests = printed.lines().find_map(|line| line.trim().split_once(" requests in ")).unwrap().0;
        Measured {
            rate: after("Requests/sec:").unwrap().parse().unwrap(),
            p99_ms: milliseconds(after("99%").unwrap()),
            cost_us: spent.as_secs_f64() * 1e6 / requests.parse::<f64>().unwrap(),
            share_of_wrk,
            has_refused: after("Non-2xx or 3xx responses:").is_some(),
        }
    }
}

/// A time with its unit.
fn milliseconds(text: &str) -> f64 {
    let unit = text.trim_start_matches(|char: char| char.is_ascii_digit() || char == '.');
    let scale = match unit {
        "us" => 0.001,
        "ms" => 1.0,
        "s" => 1000.0,
        _ => panic!("{text}"),
    };
    text.trim_end_matches(unit).parse::<f64>().unwrap() * scale
}
