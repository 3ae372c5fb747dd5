//! Calls by size of the vault.

use crate::caller::Caller;
use crate::counted::Counted;
use crate::measure::{micros, ratio, scattered};
use crate::vaults::{in_memory, with_secret};
use std::time::Duration;
use strongroom_host::Component;
use strongroom_host_tests::{Counts, SAMPLE_DOMAIN};

/// Calls of which the median is taken.
const ROUNDS: u64 = 101;

/// Each call in vaults of growing size, in turns.
pub fn run(component: &Component, most: u64) {
    println!("\n## Calls by size of the vault\n");
    let sizes: Vec<u64> = [100, 1_000, 10_000, 100_000, 1_000_000].into_iter().filter(|size| *size <= most).collect();
    let vaults: Vec<_> = sizes
        .iter()
        .map(|&size| {
            let (store, caller) = in_memory(component, size, None);
            let ids: Vec<String> = (0..ROUNDS).map(|round| caller.id(&with_secret(round, size))).collect();
            (size, store, caller, ids)
        })
        .collect();
    type Call = (&'static str, u64, fn(&Caller, u64, u64, &str) -> Duration);
    let calls: [Call; 6] = [
        ("code by id", ROUNDS, |caller, _, _, id| caller.code(id)),
        ("code by name", ROUNDS, |caller, size, round, _| caller.code(&with_secret(round, size))),
        ("get by id", ROUNDS, |caller, _, _, id| caller.get(id)),
        ("page of 20", ROUNDS, |caller, size, round, _| caller.list(None, None, 20, scattered(round, size))),
        ("page of 20 by origin", ROUNDS, |caller, _, _, _| caller.by_origin(&format!("https://{SAMPLE_DOMAIN}"))),
        ("search without matches", 3, |caller, _, _, _| caller.list(None, Some("no such text"), 20, 0)),
    ];
    println!("| call | credentials | reads | bytes read | time | throughput relative to {} |", sizes[0]);
    println!("|---|---|---|---|---|---|");
    for (what, rounds, call) in calls {
        let mut times = vec![Vec::new(); vaults.len()];
        for round in 0..rounds {
            for (times, (size, _, caller, ids)) in times.iter_mut().zip(&vaults) {
                times.push(call(caller, *size, round, &ids[round as usize]));
            }
        }
        let mut first = None;
        for (mut times, (size, store, caller, ids)) in times.into_iter().zip(&vaults) {
            let counts = Counted::new(store, 1, |round| _ = call(caller, *size, round, &ids[0]));
            times.sort_unstable();
            let time = times[times.len() / 2];
            let relative = ratio(*first.get_or_insert(time), time);
            let (reads, bytes) = (counts.of(Counts::reads), counts.of(|counts| counts.bytes_read));
            println!("| {what} | {size} | {reads} | {bytes} | {} | {relative} |", micros(time));
        }
    }
}
