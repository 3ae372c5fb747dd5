//! Several builds of the component against each other.

use crate::caller::Caller;
use crate::measure::{micros, scattered};
use crate::vaults::{in_memory, with_secret};
use std::path::{Path, PathBuf};
use std::time::Duration;
use strongroom_host::{Component, Engine};

/// Calls of which the median is taken.
const ROUNDS: u64 = 101;

/// Several builds, each with the same vault of 10^4 credentials in memory.
pub fn run(files: &[String]) {
    println!("\n## Builds of the component\n");
    println!(
        "| build | bytes | refused at once | get | code | page of 100 | create | search |\n|---|---|---|---|---|---|---|---|"
    );
    let engine = Engine::new(None).unwrap();
    let size = 10_000;
    let builds: Vec<(PathBuf, usize, Caller)> = files
        .iter()
        .map(|file| {
            let wasm = std::fs::read(file).unwrap();
            let component = Component::load(&engine, &wasm).unwrap();
            (Path::new(file).to_owned(), wasm.len(), in_memory(&component, size, None).1)
        })
        .collect();
    let name = |round| with_secret(round, size);
    let measure = |rounds, call: &dyn Fn(&Caller, u64) -> Duration| -> Vec<Duration> {
        let mut times = vec![Vec::new(); builds.len()];
        for round in 0..rounds {
            for (times, (.., caller)) in times.iter_mut().zip(&builds) {
                times.push(call(caller, round));
            }
        }
        times
            .into_iter()
            .map(|mut times: Vec<Duration>| {
                times.sort_unstable();
                times[times.len() / 2]
            })
            .collect()
    };
    let columns = [
        measure(ROUNDS, &|caller, _| caller.nothing()),
        measure(ROUNDS, &|caller, round| caller.get(&name(round))),
        measure(ROUNDS, &|caller, round| caller.code(&name(round))),
        measure(ROUNDS, &|caller, round| caller.list(None, None, 100, scattered(round, size))),
        measure(ROUNDS, &|caller, round| caller.create(2 * size + round)),
        measure(5, &|caller, _| caller.list(None, Some("no such text"), 20, 0)),
    ];
    for (at, (file, bytes, _)) in builds.iter().enumerate() {
        let times = columns.iter().map(|times| micros(times[at])).collect::<Vec<_>>().join(" | ");
        println!("| {} | {bytes} | {times} |", file.file_stem().unwrap_or_default().to_string_lossy());
    }
}
