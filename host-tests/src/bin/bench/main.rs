//! What calls cost in time, bytes and operations, by size of the vault and by size of the index nodes. The tables of
//! ARCHITECTURE.md are made by it; it fails if a create in a large vault takes more than three times as long as in a
//! small one.
//!
//! Absolute times are those of one machine. What carries over are the ratios, so each time stands beside its floor,
//! measured in the same run: for reads the same call in a vault of one credential, which is one read of a small root;
//! for writes one durable swap of one KiB.

mod engines;
mod requests;
mod serve;
mod wasm;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use strongroom_host::bindings::vault::Vault;
use strongroom_host::keyvalue::{Expected, KeyValue, SqliteStore};
use strongroom_host::{Component, Config, Engine, Instance, Services, SystemClock};
use strongroom_host_tests::credentials::ListQuery;
use strongroom_host_tests::types::Error;
use strongroom_host_tests::{
    ADMIN_TOKEN, Counts, KEYS, Kind, MemoryStore, Native, SAMPLE_DOMAIN, TempDir, World, block_on, everything, sample,
};

/// What a create may take in a vault of 10^5 credentials, relative to one of 10^2.
const CREATE_RATIO_MAX: f64 = 3.0;
/// Calls of which the median is taken.
const ROUNDS: u64 = 101;
const NODE_BYTES: [u32; 5] = [2048, 4096, 6144, 8192, 16_384];
const BUCKET: &str = "default";

const HELP: &str = "\
bench                     `nodes`, `million` and `growth` (some minutes)
bench growth              time of a create at 10^2 and at 10^5 credentials
bench nodes               node sizes
bench million             operations, bytes and times at 10^6 credentials (3 GB of memory)
bench serve FILE DIRECTORY
                          serves any component with the exports that the server looks for, on a vault that was begun; logs nothing
bench sizes [MOST]        calls at 10^2 to 10^6 credentials, relative to 10^2 (3 GB of memory at 10^6)
bench requests [ONE]      requests answered at once, without a network, beside floors; ONE: some seconds of that one only
bench wasm                what computes in a request, beside native code; how long an instance takes to make
bench engines             throughput on SQLite, PostgreSQL and etcd, beside that of the engines themselves
bench variants FILE...    several builds of the component against each other";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (section, files) = arguments.split_first().map_or(("all", &[][..]), |(first, rest)| (first.as_str(), rest));
    let edge = World::Edge.component();
    match section {
        "growth" => return growth(&edge),
        "nodes" => nodes(&edge),
        "million" => million(&edge),
        "sizes" => sizes(&edge, files.first().map_or(1_000_000, |most| most.parse().expect("a number"))),
        "wasm" => compare_with_native(&edge),
        "requests" => requests::run(&edge, files.first().map(String::as_str)),
        "engines" => engines::run(),
        "variants" => variants(files),
        "serve" if files.len() == 2 => serve::run(&files[0], &files[1]),
        "all" => {
            nodes(&edge);
            million(&edge);
            return growth(&edge);
        }
        _ => {
            eprintln!("{HELP}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// The component over some store. Every call has a fresh instance, as in the server.
struct Caller {
    component: Component,
    services: Services,
    runtime: tokio::runtime::Runtime,
}

/// The settings of a vault for tests.
struct Keys;

impl Config for Keys {
    fn get(&self, key: &str) -> Result<Option<String>, String> {
        Ok(match key {
            "strongroom_keys" => Some(KEYS.to_owned()),
            "strongroom_tokens" => {
                Some(format!("admin:default:read+totp:{}", strongroom_host::token::hash(ADMIN_TOKEN)))
            }
            _ => None,
        })
    }
}

impl Caller {
    fn new(component: &Component, store: Arc<dyn KeyValue>) -> Self {
        let services = Services { store, config: Arc::new(Keys), clock: Arc::new(SystemClock) };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        Self { component: component.clone(), services, runtime }
    }

    /// Runs a call that must succeed, and returns how long it took with its instance.
    fn time<T>(&self, call: impl AsyncFnOnce(&mut Instance<Vault>) -> wasmtime::Result<Result<T, Error>>) -> Duration {
        let start = Instant::now();
        self.runtime.block_on(async {
            let mut instance = self.component.vault(&self.services).await.unwrap();
            call(&mut instance).await.unwrap().unwrap();
        });
        start.elapsed()
    }

    /// Runs the steps of a walk over the whole store, and returns how much linear memory the largest took.
    fn maintain(
        &self,
        mut step: impl AsyncFnMut(&mut Instance<Vault>, Option<String>) -> wasmtime::Result<Result<Option<String>, Error>>,
    ) -> usize {
        self.runtime.block_on(async {
            let (mut next, mut most) = (None, 0);
            loop {
                let mut instance = self.component.vault(&self.services).await.unwrap();
                instance.allow_maintenance();
                next = step(&mut instance, next).await.unwrap().unwrap();
                most = most.max(instance.store.memory_bytes());
                if next.is_none() {
                    return most;
                }
            }
        })
    }

    /// A call that is refused before it looks at anything.
    fn nothing(&self) -> Duration {
        let start = Instant::now();
        self.runtime.block_on(async {
            let mut instance = self.component.vault(&self.services).await.unwrap();
            instance
                .exports
                .strongroom_vault_manage()
                .call_manage(instance.store.call(), "{}")
                .await
                .unwrap()
                .unwrap_err();
        });
        start.elapsed()
    }

    /// An instance by itself.
    fn instance(&self) -> Duration {
        let start = Instant::now();
        self.runtime.block_on(async { drop(self.component.vault(&self.services).await.unwrap()) });
        start.elapsed()
    }

    fn id(&self, name: &str) -> String {
        self.runtime.block_on(async {
            let mut instance = self.component.vault(&self.services).await.unwrap();
            let credentials = instance.exports.strongroom_vault_credentials();
            credentials.call_get(instance.store.call(), name).await.unwrap().unwrap().id
        })
    }

    fn by_origin(&self, origin: &str) -> Duration {
        let query = ListQuery { origin: Some(origin.into()), limit: Some(20), ..everything() };
        self.time(async |i| i.exports.strongroom_vault_credentials().call_list(i.store.call(), &query).await)
    }

    fn get(&self, name: &str) -> Duration {
        self.time(async |i| i.exports.strongroom_vault_credentials().call_get(i.store.call(), name).await)
    }

    fn code(&self, name: &str) -> Duration {
        self.time(async |i| i.exports.strongroom_vault_credentials().call_totp_code(i.store.call(), name, None).await)
    }

    fn list(&self, domain: Option<&str>, query: Option<&str>, limit: u32, offset: u64) -> Duration {
        let query = ListQuery {
            domain: domain.map(Into::into),
            query: query.map(Into::into),
            limit: Some(limit),
            offset: Some(offset as u32),
            ..everything()
        };
        self.time(async |i| i.exports.strongroom_vault_credentials().call_list(i.store.call(), &query).await)
    }

    fn create(&self, n: u64) -> Duration {
        let new = sample(n);
        self.time(async |i| i.exports.strongroom_vault_credentials().call_create(i.store.call(), &new).await)
    }
}

/// Runs each of several calls in turn, so that what disturbs the machine disturbs them alike; the median of each.
fn medians<const N: usize>(rounds: u64, mut call: impl FnMut(usize, u64) -> Duration) -> [Duration; N] {
    let mut times = [(); N].map(|()| Vec::new());
    for round in 0..rounds {
        for (at, times) in times.iter_mut().enumerate() {
            times.push(call(at, round));
        }
    }
    times.map(|mut times| {
        times.sort_unstable();
        times[times.len() / 2]
    })
}

fn micros(time: Duration) -> String {
    let micros = time.as_secs_f64() * 1e6;
    if micros < 100.0 { format!("{micros:.1} µs") } else { format!("{micros:.0} µs") }
}

fn ratio(time: Duration, floor: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() / floor.as_secs_f64())
}

/// A number that looks random, below the bound.
fn scattered(n: u64, bound: u64) -> u64 {
    (n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) % bound
}

/// A loaded vault in memory, with the garbage of some commits.
fn in_memory(component: &Component, size: u64, node_bytes: Option<u32>) -> (Arc<MemoryStore>, Caller) {
    let store = Arc::new(MemoryStore::new());
    let native = Native::new(&*store, "default");
    native.init(node_bytes).unwrap();
    native.load(0..size).unwrap();
    let caller = Caller::new(component, store.clone());
    (0..16).for_each(|n| _ = caller.create(size + n));
    (store, caller)
}

/// The same vault in a SQLite file.
fn in_sqlite(component: &Component, from: &MemoryStore, directory: &TempDir) -> (Arc<SqliteStore>, Caller) {
    let store = Arc::new(SqliteStore::open(directory.path()).unwrap());
    for (key, value) in from.entries(BUCKET) {
        block_on(store.set(BUCKET, &key, &value)).unwrap();
    }
    let caller = Caller::new(component, store.clone());
    (store, caller)
}

/// One durable write of one KiB; SQLite does not write what is there already.
fn durable_swap(store: &SqliteStore, round: u64) -> Duration {
    let start = Instant::now();
    block_on(store.swap("other", "floor", Expected::Anything, &[round as u8; 1024])).unwrap();
    start.elapsed()
}

/// A vault of one credential, whose reads are the floor.
fn floor(component: &Component) -> (TempDir, Caller) {
    let directory = TempDir::new();
    let memory = MemoryStore::new();
    let native = Native::new(&memory, "default");
    native.init(None).unwrap();
    native.load(0..1).unwrap();
    let (_, caller) = in_sqlite(component, &memory, &directory);
    (directory, caller)
}

/// Operations of some calls.
struct Counted(Vec<Counts>);

impl Counted {
    fn new(store: &MemoryStore, rounds: u64, mut call: impl FnMut(u64)) -> Self {
        let count = |round| {
            store.reset();
            call(round);
            store.counts()
        };
        Self((0..rounds).map(count).collect())
    }

    /// The mean.
    fn of(&self, of: impl Fn(&Counts) -> u64) -> u64 {
        let rounds = self.0.len() as u64;
        (self.0.iter().map(of).sum::<u64>() + rounds / 2) / rounds
    }
}

fn growth(component: &Component) -> ExitCode {
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

fn nodes(component: &Component) {
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

fn million(component: &Component) {
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
    let with_secret = |round| sample(scattered(round, SIZE) / 3 * 3).name;
    type Call<'a> = (&'a str, u64, Box<dyn Fn(u64) -> Duration + 'a>);
    let calls: [Call<'_>; 7] = [
        ("get by name", ROUNDS, Box::new(|round| caller.get(&name(round)))),
        ("code by name", ROUNDS, Box::new(|round| caller.code(&with_secret(round)))),
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

/// What computes in a request beside native code, and what an instance takes of a call.
fn compare_with_native(component: &Component) {
    wasm::kernels();
    let (_store, caller) = in_memory(component, 1000, None);
    let by_name = sample(0).name;
    let [made, refused, called] = medians::<3>(10 * ROUNDS, |at, _| match at {
        0 => caller.instance(),
        1 => caller.nothing(),
        _ => caller.code(&by_name),
    });
    println!("\n| an instance made and dropped | and refused at once | and a code by name | share of the instance |");
    println!("|---|---|---|---|");
    println!("| {} | {} | {} | {} |", micros(made), micros(refused), micros(called), ratio(made, called));
}

/// Each call in vaults of growing size, in turns.
fn sizes(component: &Component, most: u64) {
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

/// The name of a credential that has a TOTP secret.
fn with_secret(round: u64, size: u64) -> String {
    sample(scattered(round, size) / 3 * 3).name
}

/// Several builds, each with the same vault of 10^4 credentials in memory.
fn variants(files: &[String]) {
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
    let name = |round| sample(scattered(round, size) / 3 * 3).name;
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
