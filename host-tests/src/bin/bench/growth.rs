//! What a create takes in a large vault. The only section that can fail.

use crate::measure::{medians, micros, ratio};
use crate::vaults::{in_memory, in_sqlite};
use std::process::ExitCode;
use strongroom_host::Component;
use strongroom_host_tests::TempDir;

/// What a create may take in a vault of 10^5 credentials, relative to one of 10^2.
const CREATE_RATIO_MAX: f64 = 3.0;

const ROUNDS: u64 = 101;

pub fn run(component: &Component) -> ExitCode {
    println!("\n## A create in a small and in a large vault\n");
    println!("| store | 10^2 credentials | 10^5 credentials | ratio |\n|---|---|---|---|");
    let [(small, in_small), (large, in_large)] = [100, 100_000].map(|size| in_memory(component, size, None));
    let directories = [TempDir::new(), TempDir::new()];
    let (_, small_file) = in_sqlite(component, &small, &directories[0]);
    let (_, large_file) = in_sqlite(component, &large, &directories[1]);
    let mut worst: f64 = 0.0;
    for (store, small, large) in [("memory", in_small, in_large), ("SQLite", small_file, large_file)] {
        let callers = [small, large];
        let [small, large] = medians::<2>(ROUNDS, |at, round| callers[at].create(1_000_000 + round));
        println!("| {store} | {} | {} | {} |", micros(small), micros(large), ratio(large, small));
        worst = worst.max(large.as_secs_f64() / small.as_secs_f64());
    }
    if worst > CREATE_RATIO_MAX {
        eprintln!("a create in the large vault takes {worst:.2} times as long, more than {CREATE_RATIO_MAX}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
