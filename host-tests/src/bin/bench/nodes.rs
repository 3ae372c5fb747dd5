//! Sizes of the nodes of the indexes.

use crate::counted::Counted;
use crate::measure::{medians, micros, ratio, scattered};
use crate::vaults::{BUCKET, floor, in_memory, in_sqlite};
use std::fmt::Write as _;
use std::time::{Duration, Instant};
use strongroom_host::Component;
use strongroom_host::keyvalue::{Expected, KeyValue, SqliteStore};
use strongroom_host_tests::{Counts, Native, TempDir, block_on, sample};

/// Calls of which the median is taken.
const ROUNDS: u64 = 101;
const NODE_BYTES: [u32; 5] = [2048, 4096, 6144, 8192, 16_384];

pub fn run(component: &Component) {
    let (_directory, floor) = floor(component);
    let only = sample(0).name;
    println!("\n## Node sizes\n");
    println!(
        "| credentials | node bytes | depth (id, name, domain) | get by name: reads, bytes | page of 20: reads, bytes | \
         create: writes, bytes | stored per credential | floor, get, page | floor, create | search | get / floor | \
         page / floor | create / floor |"
    );
    println!("|---{}", "|---".repeat(12) + "|");
    for size in [1_000, 10_000, 100_000] {
        for node_bytes in NODE_BYTES {
            let (store, caller) = in_memory(component, size, Some(node_bytes));
            let shape = Native::new(&*store, "default").shape().unwrap();
            let name = |round| sample(scattered(round, size)).name;
            let read = Counted::new(&store, ROUNDS, |round| _ = caller.get(&name(round)));
            let page = Counted::new(&store, ROUNDS, |round| _ = caller.list(None, None, 20, scattered(round, size)));
            let directory = TempDir::new();
            let (file_store, file) = in_sqlite(component, &store, &directory);
            let created = Counted::new(&store, ROUNDS, |round| _ = caller.create(2 * size + round));
            let stored: usize = store.entries(BUCKET).values().map(Vec::len).sum();
            drop((store, caller));
            let [floor_read, get, page_time] = medians::<3>(5 * ROUNDS, |at, round| match at {
                0 => floor.get(&only),
                1 => file.get(&name(round)),
                _ => file.list(None, None, 20, scattered(round, size)),
            });
            let [floor_write, create] = medians::<2>(ROUNDS, |at, round| match at {
                0 => durable_swap(&file_store, round),
                _ => file.create(3 * size + round),
            });
            let [search] = medians::<1>(3, |_, _| file.list(None, Some("no such text"), 20, 0));
            let mut row = format!("| {size} | {node_bytes} | {}, {}, {} ", shape.id, shape.name, shape.domain);
            let bytes_read = |counts: &Counts| counts.bytes_read;
            write!(row, "| {}, {} ", read.of(Counts::reads), read.of(bytes_read)).unwrap();
            write!(row, "| {}, {} ", page.of(Counts::reads), page.of(bytes_read)).unwrap();
            write!(row, "| {}, {} ", created.of(Counts::writes), created.of(|counts| counts.bytes_written)).unwrap();
            write!(row, "| {} ", stored as u64 / (size + 16 + ROUNDS)).unwrap();
            write!(row, "| {}, {}, {} ", micros(floor_read), micros(get), micros(page_time)).unwrap();
            write!(row, "| {}, {} | {} ", micros(floor_write), micros(create), micros(search)).unwrap();
            for (time, floor) in [(get, floor_read), (page_time, floor_read), (create, floor_write)] {
                write!(row, "| {} ", ratio(time, floor)).unwrap();
            }
            println!("{row}|");
        }
    }
}

/// One durable write of one KiB; SQLite does not write what is there already.
fn durable_swap(store: &SqliteStore, round: u64) -> Duration {
    let start = Instant::now();
    block_on(store.swap("other", "floor", Expected::Anything, &[round as u8; 1024])).unwrap();
    start.elapsed()
}
