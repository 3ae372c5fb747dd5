//! Many runs on all cores, and what to print about them.

use crate::hosts::{self, Host};
use crate::plan::Plan;
use crate::run::run;
use crate::shrink::shrink;
use crate::stats::{Fault, Stats};
use std::fmt::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use strongroom::error::Code;

/// Seeds that a thread takes at a time.
const CHUNK: u64 = 64;

/// Which runs to play.
#[derive(Clone, Copy)]
pub struct Campaign {
    /// How many; they go round the hosts.
    pub seeds: u64,
    /// The first.
    pub first: u64,
    /// Only this kind of host.
    pub host: Option<&'static dyn Host>,
    pub threads: usize,
}

/// What the runs did.
pub struct Report {
    pub elapsed: Duration,
    /// By host, in the order of [`hosts::ALL`].
    pub stats: Vec<Stats>,
    pub failure: Option<Failure>,
}

/// A failed run.
pub struct Failure {
    pub seed: u64,
    pub host: &'static str,
    pub why: String,
    /// Of the smallest run that was found to fail.
    pub history: Vec<String>,
}

impl Campaign {
    /// The host that a seed is played on.
    fn host_of(&self, seed: u64) -> &'static dyn Host {
        self.host.unwrap_or_else(|| hosts::ALL[(seed % hosts::ALL.len() as u64) as usize])
    }

    /// Plays until all seeds are done or one fails. Each thread sets up what `prepare` sets up first.
    pub fn play(&self, prepare: impl Fn() + Sync) -> Report {
        let begin = Instant::now();
        let next = AtomicU64::new(self.first);
        let end = self.first.saturating_add(self.seeds);
        let stop = AtomicBool::new(false);
        let stats = Mutex::new(vec![Stats::default(); hosts::ALL.len()]);
        // The lowest failing seed that was met.
        let failed: Mutex<Option<u64>> = Mutex::new(None);
        std::thread::scope(|scope| {
            for _ in 0..self.threads {
                scope.spawn(|| {
                    prepare();
                    let mut own = vec![Stats::default(); hosts::ALL.len()];
                    while !stop.load(Ordering::Relaxed) {
                        let chunk = next.fetch_add(CHUNK, Ordering::Relaxed);
                        if chunk >= end {
                            break;
                        }
                        for seed in chunk..end.min(chunk + CHUNK) {
                            let host = self.host_of(seed);
                            let outcome = run(&Plan::draw(seed, host), false);
                            if let Some(position) = hosts::ALL.iter().position(|known| known.name() == host.name()) {
                                own[position] += &outcome.stats;
                            }
                            if outcome.failure.is_some() {
                                stop.store(true, Ordering::Relaxed);
                                let mut failed = failed.lock().expect("no thread panics while it holds this");
                                *failed = Some(failed.map_or(seed, |other| other.min(seed)));
                                break;
                            }
                        }
                    }
                    let mut stats = stats.lock().expect("no thread panics while it holds this");
                    stats.iter_mut().zip(&own).for_each(|(sum, own)| *sum += own);
                });
            }
        });
        let elapsed = begin.elapsed();
        let failed = failed.into_inner().expect("no thread panics while it holds this");
        let failure = failed.map(|seed| {
            prepare();
            explain(&Plan::draw(seed, self.host_of(seed)))
        });
        Report { elapsed, stats: stats.into_inner().expect("all threads are done"), failure }
    }
}

/// Finds the shortest history of a failing plan.
fn explain(plan: &Plan) -> Failure {
    let why = run(plan, false).failure.unwrap_or_else(|| "did not fail again".into());
    let smallest = shrink(plan);
    let history = run(&smallest, true).trace;
    Failure { seed: plan.seed, host: plan.host.name(), why, history }
}

impl Report {
    pub fn seeds(&self) -> u64 {
        self.stats.iter().map(|stats| stats.seeds).sum()
    }

    pub fn rate(&self) -> f64 {
        self.seeds() as f64 / self.elapsed.as_secs_f64()
    }

    /// Tables of what happened, and the failure if there was one.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let _ = writeln!(text, "{} seeds in {:.1?}: {:.0} seeds/s", self.seeds(), self.elapsed, self.rate());
        let _ = writeln!(
            text,
            "{:<14}{:>9}{:>11}{:>10}{:>10}{:>10}{:>11}{:>11}{:>9}{:>11}",
            "host", "seeds", "requests", "calls", "ok", "commits", "overlapped", "contended", "unknown", "exclusive"
        );
        for (host, stats) in hosts::ALL.iter().zip(&self.stats).filter(|(_, stats)| stats.seeds > 0) {
            let _ = writeln!(
                text,
                "{:<14}{:>9}{:>11}{:>10}{:>10}{:>10}{:>11}{:>11}{:>9}{:>11}",
                host.name(),
                stats.seeds,
                stats.requests,
                stats.operations,
                stats.succeeded,
                stats.commits,
                stats.overlapped,
                stats.errors(Code::Contended),
                stats.errors(Code::OutcomeUnknown),
                stats.exclusive_codes,
            );
        }
        let _ = writeln!(text, "faults:");
        for (host, stats) in hosts::ALL.iter().zip(&self.stats).filter(|(_, stats)| stats.seeds > 0) {
            let counts: Vec<String> = Fault::ALL
                .into_iter()
                .filter(|fault| stats.faults(*fault) > 0)
                .map(|fault| format!("{} {}", stats.faults(fault), fault.name()))
                .collect();
            let _ = writeln!(text, "  {:<14}{}", host.name(), counts.join(", "));
        }
        let _ = writeln!(text, "errors answered:");
        for (host, stats) in hosts::ALL.iter().zip(&self.stats).filter(|(_, stats)| stats.seeds > 0) {
            let counts: Vec<String> = Code::ALL
                .into_iter()
                .filter(|code| stats.errors(*code) > 0)
                .map(|code| format!("{} {}", stats.errors(code), code.as_str()))
                .collect();
            let _ = writeln!(text, "  {:<14}{}", host.name(), counts.join(", "));
        }
        if let Some(failure) = &self.failure {
            let _ = write!(text, "{failure}");
        }
        text
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "FAILED: seed {} on host {}: {}", self.seed, self.host, self.why)?;
        writeln!(f, "shortest history found:")?;
        for line in &self.history {
            writeln!(f, "{line}")?;
        }
        writeln!(f, "repeat: cargo xtask simulate --seeds 1 --seed {} --host {}", self.seed, self.host)
    }
}
