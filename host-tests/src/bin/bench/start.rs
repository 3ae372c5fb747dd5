//! How long it takes until something runs: an instance, a component, the server.

use crate::caller::Caller;
use crate::measure::{medians, micros};
use crate::requests::Requests;
use crate::vaults::{begun, in_memory};
use serde_json::json;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};
use strongroom_host::{Component, Engine};
use strongroom_host_tests::measuring::Spread;
use strongroom_host_tests::{Client, Program, TempDir, World, sample};

const WORLDS: [World; 3] = [World::Agent, World::Vault, World::Edge];
/// Rounds of what takes microseconds.
const ROUNDS: usize = 21;
/// Runs of that, of which the median is taken.
const TIMES: u64 = 51;
/// Rounds of what takes seconds.
const FEW_ROUNDS: usize = 5;

pub fn run() {
    components();
    instances();
    at_once();
    server();
}

/// Compilation, and what comes of it.
fn components() {
    println!("\n## From the file to a component that can be instantiated\n");
    println!("| world | file, bytes | in the cache, bytes | compiled, ms | from the cache, ms | cache / compiled |");
    println!("|---|---|---|---|---|---|");
    for world in WORLDS {
        let wasm = world.wasm();
        let (mut compiled, mut cached) = (Vec::new(), Vec::new());
        let mut kept = 0;
        for _ in 0..FEW_ROUNDS {
            // Into an empty cache, and from it.
            let directory = TempDir::new();
            compiled.push(load(directory.path(), &wasm));
            cached.push(load(directory.path(), &wasm));
            kept = bytes_below(directory.path());
        }
        let ratio = Spread::of_ratios(&cached, &compiled);
        let (compiled, cached) = (Spread::of(compiled).middle, Spread::of(cached).middle);
        println!("| {} | {} | {kept} | {compiled:.0} | {cached:.1} | {ratio} |", world.name(), wasm.len());
    }
}

/// Milliseconds.
fn load(cache: &Path, wasm: &[u8]) -> f64 {
    let engine = Engine::new(Some(cache)).unwrap();
    let start = Instant::now();
    drop(Component::load(&engine, wasm).unwrap());
    start.elapsed().as_secs_f64() * 1e3
}

/// Of the files in a folder and its folders. The cache compresses.
fn bytes_below(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries
        .map(|entry| if entry.path().is_dir() { bytes_below(&entry.path()) } else { entry.metadata().unwrap().len() })
        .sum()
}

/// The ordinary way, on a fiber.
fn instances() {
    println!("\n## Instances, each made and dropped, on a fiber\n");
    println!("Calls of `manage`, without HTTP, in a vault of 1,000 in memory.\n");
    println!(
        "| world | an instance | and refused at once | and a code by name | the instance's share of that |\n|---|---|---|---|---|"
    );
    let (store, _) = in_memory(&World::Edge.component(), 1000, None);
    let code = json!({ "action": "totp_code", "id_or_name": sample(0).name }).to_string();
    for world in WORLDS {
        let caller = Caller::new(&world.component(), store.clone());
        let rounds = in_turns([
            &|| assert!(manage(&caller, None).is_none()),
            &|| assert!(manage(&caller, Some("{}")).is_some_and(|answer| answer.is_err())),
            &|| assert!(manage(&caller, Some(&code)).is_some_and(|answer| answer.is_ok())),
        ]);
        println!(
            "| {} | {} | {} |",
            world.name(),
            middles(&rounds).join(" | "),
            Spread::of_ratios(&rounds[0], &rounds[2])
        );
    }
}

/// What is answered in the thread that asks: the whole request, as an instance can't be had alone there.
fn at_once() {
    println!("\n## Requests answered at once, instance and all\n");
    println!(
        "SQLite, 1,000 credentials. What an instance takes is in each of them, so an unknown route is its upper bound.\n"
    );
    println!("| request | time | of a code by id |\n|---|---|---|");
    let requests = Requests::new(&World::Edge.component());
    let kinds = ["floor: a constant", "unknown route", "get by id", "code by id"];
    let [constant, unknown, get, code] = kinds.map(|what| requests.kind(what));
    let rounds = in_turns([&|| requests.ask(constant), &|| requests.ask(unknown), &|| requests.ask(get), &|| {
        requests.ask(code)
    }]);
    for ((what, of), time) in kinds.into_iter().zip(&rounds).zip(middles(&rounds)) {
        println!("| {what} | {time} | {} |", Spread::of_ratios(of, &rounds[3]));
    }
}

/// The component's answer, or none if it was not asked.
fn manage(caller: &Caller, request: Option<&str>) -> Option<Result<String, String>> {
    caller.runtime.block_on(async {
        let mut agent = caller.component.agent(&caller.services).await.unwrap();
        let manage = agent.exports.strongroom_vault_manage();
        match request {
            Some(request) => Some(manage.call_manage(agent.store.call(), request).await.unwrap()),
            None => None,
        }
    })
}

/// Seconds that each of some calls takes: in each round the median of [`TIMES`], call by call in turns.
fn in_turns<const N: usize>(calls: [&dyn Fn(); N]) -> [Vec<f64>; N] {
    let mut rounds = [const { Vec::new() }; N];
    for _ in 0..ROUNDS {
        let medians = medians::<N>(TIMES, |at, _| {
            let start = Instant::now();
            calls[at]();
            start.elapsed()
        });
        for (times, median) in rounds.iter_mut().zip(medians) {
            times.push(median.as_secs_f64());
        }
    }
    rounds
}

fn middles<const N: usize>(rounds: &[Vec<f64>; N]) -> [String; N] {
    rounds.each_ref().map(|times| micros(Duration::from_secs_f64(Spread::of(times.iter().copied()).middle)))
}

/// From the start of the program to its first answer.
fn server() {
    println!("\n## `strongroom serve`: from its start to the first answer\n");
    println!("A page of one credential of 1,000, SQLite; {FEW_ROUNDS} rounds in turns.\n");
    println!("| start | it listens, ms (lowest-highest) | the answer is there, ms (lowest-highest) |\n|---|---|---|");
    let directory = TempDir::new();
    let program = begun(&directory, 1000);
    let cache = program.state().join("cache");
    drop(program.serve());
    let mut rounds = [const { [const { Vec::new() }; 2] }; 3];
    for _ in 0..FEW_ROUNDS {
        let fresh = TempDir::new();
        std::fs::remove_dir_all(&cache).unwrap();
        // The last one finds in the cache what the one before has left there.
        let starts = [&Program::on(&fresh.path().join("state")), &program, &program];
        for (times, program) in rounds.iter_mut().zip(starts) {
            for (times, time) in times.iter_mut().zip(first_answer(program)) {
                times.push(time.as_secs_f64() * 1e3);
            }
        }
    }
    let names =
        ["the first of all: a vault is begun", "a vault is there, nothing in the cache", "the same, from the cache"];
    for (name, times) in names.into_iter().zip(rounds) {
        let [listens, answered] = times.map(|times| {
            let Spread { low, middle, high } = Spread::of(times);
            format!("{middle:.0} ({low:.0}-{high:.0})")
        });
        println!("| {name} | {listens} | {answered} |");
    }
}

/// Until the server listens, and until it has answered.
fn first_answer(program: &Program) -> [Duration; 2] {
    let mut command = program.command(&["serve", "--listen", "127.0.0.1:0", "--quiet"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let start = Instant::now();
    let mut child = command.spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(|line| line.unwrap());
    let mut addresses = lines.filter_map(|line| line.strip_prefix("Strongroom listens on http://")?.parse().ok());
    let address = addresses.next().expect("the server listens");
    let listens = start.elapsed();
    let token = std::fs::read_to_string(program.state().join("admin.token")).unwrap().trim().to_owned();
    let answer = Client { address, token }.get("/credentials?limit=1");
    let answered = start.elapsed();
    assert_eq!(answer.status, 200, "{answer:?}");
    child.kill().unwrap();
    child.wait().unwrap();
    [listens, answered]
}
