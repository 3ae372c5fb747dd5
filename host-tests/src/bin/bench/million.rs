//! Operations, bytes and times in a vault of a million credentials.

use crate::counted::Counted;
use crate::measure::{medians, micros, scattered};
use crate::vaults::{BUCKET, in_memory, with_secret};
use std::time::{Duration, Instant};
use strongroom_host::Component;
use strongroom_host_tests::{Counts, Kind, Native, SAMPLE_DOMAIN, sample};

/// Calls of which the median is taken.
const ROUNDS: u64 = 101;

pub fn run(component: &Component) {
    const SIZE: u64 = 1_000_000;
    println!("\n## A million credentials\n");
    let start = Instant::now();
    let (store, caller) = in_memory(component, SIZE, None);
    let native = Native::new(&*store, "default");
    println!("Loaded natively in {:.0?}; {:?}.\n", start.elapsed(), native.shape().unwrap());
    println!(
        "| call | reads | bytes read | writes | bytes written | deletes | time in memory |\n|---|---|---|---|---|---|---|"
    );
    let name = |round| sample(scattered(round, SIZE)).name;
    type Call<'a> = (&'a str, u64, Box<dyn Fn(u64) -> Duration + 'a>);
    let calls: [Call<'_>; 7] = [
        ("get by name", ROUNDS, Box::new(|round| caller.get(&name(round)))),
        ("code by name", ROUNDS, Box::new(|round| caller.code(&with_secret(round, SIZE)))),
        ("page of 20", ROUNDS, Box::new(|round| caller.list(None, None, 20, scattered(round, SIZE)))),
        ("page of 100", ROUNDS, Box::new(|round| caller.list(None, None, 100, scattered(round, SIZE)))),
        (
            "page of 20 of a domain",
            ROUNDS,
            Box::new(|round| caller.list(Some(SAMPLE_DOMAIN), None, 20, scattered(round, SIZE / 10))),
        ),
        ("create", ROUNDS, Box::new(|round| caller.create(2 * SIZE + round))),
        ("search that finds nothing", 1, Box::new(|_| caller.list(None, Some("no such text"), 20, 0))),
    ];
    for (what, rounds, call) in calls {
        let counts = Counted::new(&store, rounds, |round| _ = call(round));
        let [time] = medians::<1>(rounds, |_, round| call(round + ROUNDS));
        let numbers = [
            counts.of(Counts::reads),
            counts.of(|counts| counts.bytes_read),
            counts.of(Counts::writes),
            counts.of(|counts| counts.bytes_written),
            counts.of(|counts| counts.of(Kind::Delete)),
        ];
        println!("| {what} | {} | {} |", numbers.map(|number| number.to_string()).join(" | "), micros(time));
    }
    let stored: usize = store.entries(BUCKET).values().map(Vec::len).sum();
    println!("\nStored: {} bytes per credential.", stored as u64 / SIZE);
    let start = Instant::now();
    let bytes = caller.maintain(async |i, next| {
        let step = i.exports.strongroom_vault_maintenance().call_verify(i.store.call(), next.as_deref()).await?;
        Ok(step.map(|step| step.next))
    });
    println!("verify: {:.0?}, {} MiB of linear memory.", start.elapsed(), bytes >> 20);
    let start = Instant::now();
    let bytes = caller.maintain(async |i, next| {
        let step = i.exports.strongroom_vault_maintenance().call_sweep(i.store.call(), next.as_deref()).await?;
        Ok(step.map(|step| step.next))
    });
    println!("sweep: {:.0?}, {} MiB of linear memory.", start.elapsed(), bytes >> 20);
}
