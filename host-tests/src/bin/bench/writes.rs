//! Durable creates: beside a plain loop of synced SQLite transactions, and by many writers at once.
//!
//! All of it goes to the folder for temporary files, which must be on the device that is meant.

use crate::caller::Caller;
use crate::calls::{Answered, Call, calls};
use crate::counting::{Changes, Counting};
use crate::vaults::{BUCKET, begun};
use rusqlite::Connection;
use serde_json::json;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use strongroom_host::keyvalue::{Change, Expected, KeyValue, Swap};
use strongroom_host::{Component, Services, SqliteStore};
use strongroom_host_tests::measuring::Spread;
use strongroom_host_tests::types::ErrorCode;
use strongroom_host_tests::{Program, Server, TempDir, block_on, sample};

/// Credentials of each vault at the beginning.
const SIZE: u64 = 1000;
/// Rounds in which the subjects take turns.
const ROUNDS: usize = 11;
/// How long each is measured in a round.
const TIME: Duration = Duration::from_secs(1);
/// Creates over which is counted what one writes.
const COUNTED: u64 = 500;
const WRITERS: usize = 16;
/// Rows of a file about as large as a vault's.
const ROWS: u64 = 100;

pub fn run(component: &Component) {
    beside_transactions(component);
    at_once(component);
}

/// What a create hands to its store, on average.
#[derive(Clone, Copy)]
struct Cost {
    synced: f64,
    relaxed: f64,
    sets: f64,
    deletions: f64,
    bytes: f64,
}

fn beside_transactions(component: &Component) {
    let directories = [(); 6].map(|()| TempDir::new());
    let [own, served, swapped, replayed, replaced, added] = &directories;
    let changes = Arc::default();
    let program = begun(own, SIZE);
    let store = Counting::new(SqliteStore::open(program.state()).unwrap(), true, &changes);
    let caller = Caller::new(component, Arc::new(store));
    let cost = cost(&caller, &changes);
    let server = begun(served, SIZE).serve_with(&["--quiet"]);
    let token = server.admin_token();
    let swapped = SqliteStore::open(swapped.path()).unwrap();
    let mut replay = Replay::new(SqliteStore::open(replayed.path()).unwrap(), cost);
    let [mut replaced, mut added] =
        [(replaced, ROWS), (added, u64::MAX)].map(|(directory, rows)| Plain::open(directory.path(), rows));
    // What goes with each synced transaction, in the loops.
    let length = (cost.bytes / cost.synced) as usize;

    let next = AtomicU64::new(0);
    let number = || 10 * SIZE + next.fetch_add(1, Ordering::Relaxed);
    let mut rates = [const { Vec::new() }; 6];
    for _ in 0..ROUNDS {
        let key = |n: u64| format!("k{}", n % ROWS);
        let round = [
            synced_loop(cost.synced, || replaced.write(&new_bytes(number(), length))),
            synced_loop(cost.synced, || added.write(&new_bytes(number(), length))),
            synced_loop(cost.synced, || {
                let n = number();
                block_on(swapped.swap(BUCKET, &key(n), Expected::Anything, &new_bytes(n, length))).unwrap();
            }),
            synced_loop(1.0, || replay.create()),
            synced_loop(1.0, || _ = caller.create(number())),
            over_http(&[&server], &token, 1, &number).rate,
        ];
        for (rates, rate) in rates.iter_mut().zip(round) {
            rates.push(rate);
        }
    }
    println!("\n## A durable create beside SQLite\n");
    println!(
        "A create in a vault of {SIZE}, of which every third has a TOTP secret: {:.0} bytes, {:.2} synced transactions and {:.2} \
         that are not; in them {:.2} sets and {:.2} deletions. Each line does as many synced transactions for a create, of the \
         same bytes. {ROUNDS} rounds of {TIME:.0?} in turns.\n",
        cost.bytes, cost.synced, cost.relaxed, cost.sets, cost.deletions
    );
    println!("| what | creates/s | of the first loop (lowest-highest) |\n|---|---|---|");
    let names = [
        "plain loop that replaces rows of a table, `synchronous = FULL`",
        "plain loop that adds rows, so that the file grows by all of it",
        "swaps of the host's store, nothing else",
        "swaps of the host's store with sets and deletions, as many as of a create",
        "create, called in the process",
        "create, over HTTP, one connection",
    ];
    for (name, of) in names.into_iter().zip(&rates) {
        let rate = Spread::of(of.iter().copied()).middle;
        println!("| {name} | {rate:.0} | {} |", Spread::of_ratios(of, &rates[0]));
    }
}

/// Never the same: SQLite does not write what is there already.
fn new_bytes(n: u64, length: usize) -> Vec<u8> {
    n.to_le_bytes().into_iter().cycle().take(length).collect()
}

fn cost(caller: &Caller, changes: &Changes) -> Cost {
    let Changes { synced, relaxed, sets, deletions, bytes, .. } = changes;
    let counters = [synced, relaxed, sets, deletions, bytes];
    (0..10).for_each(|n| _ = caller.create(2 * SIZE + n));
    counters.iter().for_each(|counter| counter.store(0, Ordering::Relaxed));
    (0..COUNTED).for_each(|n| _ = caller.create(3 * SIZE + n));
    let [synced, relaxed, sets, deletions, bytes] =
        counters.map(|counter| counter.load(Ordering::Relaxed) as f64 / COUNTED as f64);
    Cost { synced, relaxed, sets, deletions, bytes }
}

/// Creates a second, of which each would be so many of these.
fn synced_loop(per_create: f64, mut once: impl FnMut()) -> f64 {
    let start = Instant::now();
    let mut done = 0;
    while start.elapsed() < TIME {
        once();
        done += 1;
    }
    f64::from(done) / per_create / start.elapsed().as_secs_f64()
}

/// What SQLite does alone.
struct Plain {
    connection: Connection,
    /// How many there are at most.
    rows: u64,
    written: u64,
}

impl Plain {
    fn open(directory: &Path, rows: u64) -> Self {
        let connection = Connection::open(directory.join("plain.db")).unwrap();
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(())).unwrap();
        connection.pragma_update(None, "synchronous", "FULL").unwrap();
        connection.execute_batch("CREATE TABLE plain (key INTEGER PRIMARY KEY, value BLOB NOT NULL)").unwrap();
        Self { connection, rows, written: 0 }
    }

    /// One transaction.
    fn write(&mut self, bytes: &[u8]) {
        let sql = "INSERT OR REPLACE INTO plain (key, value) VALUES (?1, ?2)";
        let key = (self.written % self.rows).cast_signed();
        self.connection.prepare_cached(sql).unwrap().execute((key, bytes)).unwrap();
        self.written += 1;
    }
}

/// What a create does to the store, without the component.
struct Replay {
    store: SqliteStore,
    cost: Cost,
    /// Bytes of a value.
    length: usize,
    swapped: u64,
    /// Of each kind of change, what is to be done: a create has fractions.
    due: [f64; 3],
    /// The keys that are there.
    keys: Range<u64>,
}

impl Replay {
    fn new(store: SqliteStore, cost: Cost) -> Self {
        let length = (cost.bytes / (cost.sets + cost.synced)) as usize;
        Self { store, cost, length, swapped: 0, due: [0.0; 3], keys: 0..0 }
    }

    fn create(&mut self) {
        let Cost { sets, synced, deletions, .. } = self.cost;
        for (due, each) in self.due.iter_mut().zip([sets, synced, deletions]) {
            *due += each;
        }
        let [sets, swaps, deletions] = self.due.map(f64::floor);
        for (due, done) in self.due.iter_mut().zip([sets, swaps, deletions]) {
            *due -= done;
        }
        let mut changes = Vec::new();
        for _ in 0..sets as u64 {
            let value = Some(new_bytes(self.keys.end, self.length));
            changes.push(Change { key: format!("k{}", self.keys.end), value });
            self.keys.end += 1;
        }
        for _ in 0..deletions as u64 {
            changes.push(Change { key: format!("k{}", self.keys.start), value: None });
            self.keys.start += 1;
        }
        for _ in 0..swaps as u64 {
            let bytes = new_bytes(self.swapped, self.length);
            // With the first one.
            let changes = std::mem::take(&mut changes).into();
            let swap = self.store.swap_with(BUCKET, &changes, "root", Expected::Anything, &bytes);
            assert_eq!(block_on(swap), Ok(Swap::Done));
            self.swapped += 1;
        }
    }
}

/// Writers that work at the same time, each subject in a vault of its own.
fn at_once(component: &Component) {
    let kinds = [
        ("one writer", 1, 1, true),
        ("16 in one process", WRITERS, 1, true),
        ("16 in two processes", WRITERS, 2, true),
        ("16 that take no turns", WRITERS, 1, false),
    ];
    let directories: Vec<TempDir> = kinds.iter().map(|_| TempDir::new()).collect();
    let programs: Vec<Program> = directories.iter().map(|directory| begun(directory, SIZE)).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let groups: Vec<Writers> = kinds
        .iter()
        .zip(&programs)
        .map(|(&(_, count, processes, takes_turns), program)| {
            Writers::new(component, program, count, processes, takes_turns)
        })
        .collect();
    let mut rates = vec![Vec::new(); kinds.len()];
    for _ in 0..ROUNDS {
        for (rates, group) in rates.iter_mut().zip(&groups) {
            rates.push(runtime.block_on(group.work()));
        }
    }
    println!("\n## Creates by several writers at once, called in the process\n");
    println!("Two processes are two stores on one file. {ROUNDS} rounds of {TIME:.0?}.\n");
    println!(
        "| writers | creates/s | of one writer (lowest-highest) | rebases per create | synced transactions per create | gave up per create |"
    );
    println!("|---|---|---|---|---|---|");
    for ((of, group), (name, ..)) in rates.iter().zip(&groups).zip(kinds) {
        let rate = Spread::of(of.iter().copied()).middle;
        let made = group.made.load(Ordering::Relaxed) as f64;
        let each = |counter: &AtomicU64| counter.load(Ordering::Relaxed) as f64 / made;
        let (rebases, synced) = (each(&group.changes.refused), each(&group.changes.synced));
        let ratio = Spread::of_ratios(of, &rates[0]);
        println!("| {name} | {rate:.0} | {ratio} | {rebases:.3} | {synced:.2} | {:.3} |", each(&group.contended));
    }
    drop(groups);

    // The same vaults, which have grown alike.
    let [one, many, first, second] =
        [0, 1, 2, 2].map(|at: usize| programs[at].serve_with(&["--quiet", "--rate-limit", "0"]));
    let next = AtomicU64::new(1_000_000_000);
    let number = || next.fetch_add(1, Ordering::Relaxed);
    let kinds: [(&str, &[&Server], usize); 3] = [
        ("one connection", &[&one], 1),
        ("16 connections", &[&many], WRITERS),
        ("16 connections to two servers on one file", &[&first, &second], WRITERS),
    ];
    let mut answered = kinds.map(|_| Vec::new());
    for _ in 0..ROUNDS {
        for (answered, (_, servers, connections)) in answered.iter_mut().zip(&kinds) {
            answered.push(over_http(servers, &servers[0].admin_token(), *connections, &number));
        }
    }
    println!(
        "\n| over HTTP | creates/s | of one connection (lowest-highest) | answers 503 per create |\n|---|---|---|---|"
    );
    let rates = answered.each_ref().map(|of| of.iter().map(|of: &Answered| of.rate).collect::<Vec<f64>>());
    for (((name, ..), of), rate) in kinds.iter().zip(&answered).zip(&rates) {
        let sum = |what: fn(&Answered) -> u64| of.iter().map(what).sum::<u64>() as f64;
        let unavailable = sum(|of| of.unavailable) / sum(|of| of.successes);
        let ratio = Spread::of_ratios(rate, &rates[0]);
        println!("| {name} | {:.0} | {ratio} | {unavailable:.3} |", Spread::of(rate.iter().copied()).middle);
    }
}

/// Some writers on one file.
struct Writers {
    component: Component,
    /// One for each process that there would be.
    services: Vec<Services>,
    count: usize,
    changes: Arc<Changes>,
    next: Arc<AtomicU64>,
    made: AtomicU64,
    contended: AtomicU64,
}

impl Writers {
    fn new(component: &Component, program: &Program, count: usize, processes: usize, takes_turns: bool) -> Self {
        let changes = Arc::default();
        let services = (0..processes).map(|_| {
            let store = SqliteStore::open(program.state()).unwrap();
            Caller::new(component, Arc::new(Counting::new(store, takes_turns, &changes))).services
        });
        let services = services.collect();
        let (next, made, contended) = (Arc::new(AtomicU64::new(10 * SIZE)), AtomicU64::new(0), AtomicU64::new(0));
        Self { component: component.clone(), services, count, changes, next, made, contended }
    }

    /// One round of all of them; creates a second.
    async fn work(&self) -> f64 {
        let start = Instant::now();
        let tasks: Vec<_> = (0..self.count)
            .map(|number| {
                let services = self.services[number % self.services.len()].clone();
                tokio::spawn(creates(self.component.clone(), services, self.next.clone(), start))
            })
            .collect();
        let (mut made, mut contended) = (0, 0);
        for task in tasks {
            let (of_made, of_contended) = task.await.unwrap();
            made += of_made;
            contended += of_contended;
        }
        self.made.fetch_add(made, Ordering::Relaxed);
        self.contended.fetch_add(contended, Ordering::Relaxed);
        made as f64 / start.elapsed().as_secs_f64()
    }
}

/// Creates of one writer: those that were made, and those in which it gave up because others were always first.
async fn creates(component: Component, services: Services, next: Arc<AtomicU64>, start: Instant) -> (u64, u64) {
    let (mut made, mut contended) = (0, 0);
    while start.elapsed() < TIME {
        let new = sample(next.fetch_add(1, Ordering::Relaxed));
        let mut instance = component.vault(&services).await.unwrap();
        let credentials = instance.exports.strongroom_vault_credentials();
        match credentials.call_create(instance.store.call(), &new).await.unwrap() {
            Ok(_) => made += 1,
            Err(error) => {
                assert_eq!(error.code, ErrorCode::Contended, "{error:?}");
                contended += 1;
            }
        }
    }
    (made, contended)
}

/// Creates over so many connections, in one round.
fn over_http(servers: &[&Server], token: &str, connections: usize, number: &(dyn Fn() -> u64 + Sync)) -> Answered {
    let addresses: Vec<_> = servers.iter().map(|server| server.address()).collect();
    let create = |_| -> Call {
        let new = sample(number());
        let values: serde_json::Map<_, _> =
            new.values.into_iter().map(|(field, value)| (field, value.into())).collect();
        let mut body = json!({ "name": new.name, "domain": new.domain, "values": values });
        if let Some(secret) = new.totp_secret {
            body["totp_secret"] = secret.into();
        }
        ("/credentials".to_owned(), Some(body.to_string()))
    };
    calls(&addresses, connections, TIME, &|_| token, &create)
}
