//! Writers side by side on hosts where nobody makes them take turns: all end, none starves, and together they are not
//! much slower than one alone.
//!
//! In virtual time: each writer is a coroutine, each store operation takes what it takes on such a store, and nothing
//! depends on the machine that runs the test.

use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult, Yielder};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::rc::Rc;
use strongroom::access::Principal;
use strongroom::actions::{NewCredential, Vault, create};
use strongroom::error::Result;
use strongroom::platform::{Clock, Platform, Random};
use strongroom::seal::{Keyring, Project, Sealer};
use strongroom::secret::SecretString;
use strongroom::store::memory::MemoryStore;
use strongroom::store::{CompareAndSwap, KeyPage, Store, StoreError, Swap};
use strongroom::time::Timestamp;

const CREATES: usize = 50;
/// A writer's own work between two operations, in microseconds, at least.
const WORK_US: u64 = 10;
const STACK_BYTES: usize = 512 * 1024;

/// How long an operation takes.
#[derive(Clone, Copy)]
struct Delays {
    name: &'static str,
    read_us: u64,
    write_us: u64,
    /// One operation at a time, whoever asked first.
    is_serial: bool,
}

/// A file with one lock, as of SQLite: reads are quick, a write waits for the disk.
const SQLITE: Delays =
    Delays { name: "one lock, reads 20 us, writes 1 ms", read_us: 20, write_us: 1000, is_serial: true };
/// A store over a network, with room for everybody.
const NETWORK: Delays = Delays { name: "parallel, 1 ms each", read_us: 1000, write_us: 1000, is_serial: false };

/// What a writer waits for, in microseconds.
enum Pause {
    /// Its turn at the store, and so much of an operation.
    Store(u64),
    /// Its own work, or an answer on its way.
    Time(u64),
}

/// The store as one writer sees it.
struct Slow<'w> {
    store: &'w MemoryStore,
    yielder: &'w Yielder<(), Pause>,
    delays: Delays,
    counts: &'w Counts,
    dice: Cell<u64>,
    /// The writer's own work between two operations: this, and at most five times as long.
    work_us: u64,
}

#[derive(Default)]
struct Counts {
    currents: Cell<u64>,
    swaps: Cell<u64>,
    writes: Cell<u64>,
}

impl Slow<'_> {
    /// Carries an operation out: under the lock at the end of its time, over a network in the middle.
    fn timed<T>(&self, micros: u64, operation: impl FnOnce() -> T) -> T {
        // The work between two operations, so that no two writers stay in step.
        self.dice.set(next(self.dice.get()));
        self.yielder.suspend(Pause::Time(self.work_us * (10 + (self.dice.get() >> 33) % 40) / 10));
        let answer = if self.delays.is_serial { 0 } else { micros / 2 };
        self.yielder.suspend(Pause::Store(micros - answer));
        let result = operation();
        self.yielder.suspend(Pause::Time(answer));
        result
    }
}

/// A linear congruential generator (Knuth, MMIX): the high bits look random.
fn next(state: u64) -> u64 {
    state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407)
}

impl Store for Slow<'_> {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.timed(self.delays.read_us, || self.store.get(key))
    }

    fn set(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        self.counts.writes.set(self.counts.writes.get() + 1);
        self.timed(self.delays.write_us, || self.store.set(key, value))
    }

    fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.counts.writes.set(self.counts.writes.get() + 1);
        self.timed(self.delays.write_us, || self.store.delete(key))
    }

    fn increment(&self, key: &str, delta: i64) -> Result<i64, StoreError> {
        self.timed(self.delays.write_us, || self.store.increment(key, delta))
    }

    fn compare_and_swap<'a>(&'a self, key: &str) -> Result<Box<dyn CompareAndSwap + 'a>, StoreError> {
        Ok(Box::new(Handle { slow: self, handle: self.store.compare_and_swap(key)? }))
    }

    fn list_keys(&self, cursor: Option<&str>) -> Result<KeyPage, StoreError> {
        self.store.list_keys(cursor)
    }

    fn has_atomics(&self) -> bool {
        true
    }
}

struct Handle<'a> {
    slow: &'a Slow<'a>,
    handle: Box<dyn CompareAndSwap + 'a>,
}

impl CompareAndSwap for Handle<'_> {
    fn current(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
        self.slow.counts.currents.set(self.slow.counts.currents.get() + 1);
        self.slow.timed(self.slow.delays.read_us, || self.handle.current())
    }

    fn swap(self: Box<Self>, value: &[u8]) -> Result<Swap, StoreError> {
        self.slow.counts.swaps.set(self.slow.counts.swaps.get() + 1);
        self.slow.timed(self.slow.delays.write_us, || self.handle.swap(value))
    }
}

/// The time of all writers, in microseconds.
#[derive(Default)]
struct Now(Cell<u64>);

impl Clock for Now {
    fn now(&self) -> Timestamp {
        Timestamp(1_748_736_000_000 + self.0.get() / 1000)
    }
}

struct Numbers(RefCell<u64>);

impl Random for Numbers {
    fn fill(&self, buffer: &mut [u8]) -> Result<()> {
        let mut state = self.0.borrow_mut();
        for byte in buffer {
            *state = next(*state);
            *byte = (*state >> 56) as u8;
        }
        Ok(())
    }
}

fn sealer() -> Sealer {
    let keyring = Keyring::parse("k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8").unwrap();
    Sealer::new(keyring, Project::parse("default").unwrap())
}

/// What the writers of one run did.
struct Outcome {
    refused: usize,
    micros: u64,
    slowest_us: u64,
    currents: u64,
    swaps: u64,
    writes: u64,
}

/// Lets so many writers create `CREATES` credentials each at once.
fn play(delays: Delays, writers: usize) -> Outcome {
    play_for(delays, writers, 1, |_, number| number < CREATES)
}

/// Lets so many writers create credentials at once, each as long as `goes_on` with its number and the credential's says;
/// the first one's own work takes `slowness` times as long.
fn play_for(
    delays: Delays,
    writers: usize,
    slowness: u64,
    goes_on: impl Fn(usize, usize) -> bool + Clone + 'static,
) -> Outcome {
    let (store, sealer, counts) = (Rc::new(MemoryStore::default()), Rc::new(sealer()), Rc::new(Counts::default()));
    let now = Rc::new(Now::default());
    prepare(&store, &sealer);
    let (refused, slowest) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let mut coroutines: Vec<_> = (0..writers)
        .map(|writer| {
            let (store, sealer, counts, now) = (store.clone(), sealer.clone(), counts.clone(), now.clone());
            let (refused, slowest, goes_on) = (refused.clone(), slowest.clone(), goes_on.clone());
            let stack = DefaultStack::new(STACK_BYTES).unwrap();
            Some(Coroutine::with_stack(stack, move |yielder, ()| {
                let dice = Cell::new(writer as u64 + 1);
                let work_us = if writer == 0 { WORK_US * slowness } else { WORK_US };
                let slow = Slow { store: &store, yielder, delays, counts: &counts, dice, work_us };
                let random = Numbers(RefCell::new(1000 + writer as u64));
                let host = Principal::host();
                for number in (0..).take_while(|number| goes_on(writer, *number)) {
                    let vault = Vault::new(Platform { store: &slow, clock: &*now, random: &random }, &sealer, &host);
                    let begin = now.0.get();
                    if create(&vault, credential(writer, number), None).is_err() {
                        refused.set(refused.get() + 1);
                    }
                    slowest.set(slowest.get().max(now.0.get() - begin));
                }
            }))
        })
        .collect();
    // When which writer goes on; the second number is the order in which they began to wait.
    let mut due: BTreeMap<(u64, u64), usize> = (0..writers).map(|writer| ((0, writer as u64), writer)).collect();
    let (mut tickets, mut free_at) = (writers as u64, 0);
    while let Some(((at, _), writer)) = due.pop_first() {
        now.0.set(at);
        let Some(coroutine) = coroutines[writer].as_mut() else { continue };
        let until = match coroutine.resume(()) {
            CoroutineResult::Return(()) => {
                coroutines[writer] = None;
                continue;
            }
            CoroutineResult::Yield(Pause::Time(micros)) => at + micros,
            CoroutineResult::Yield(Pause::Store(micros)) if delays.is_serial => {
                free_at = free_at.max(at) + micros;
                free_at
            }
            CoroutineResult::Yield(Pause::Store(micros)) => at + micros,
        };
        due.insert((until, tickets), writer);
        tickets += 1;
    }
    Outcome {
        refused: refused.get(),
        micros: now.0.get(),
        slowest_us: slowest.get(),
        currents: counts.currents.get(),
        swaps: counts.swaps.get(),
        writes: counts.writes.get(),
    }
}

/// Some credentials are there already: the indexes have more than one node.
fn prepare(store: &MemoryStore, sealer: &Sealer) {
    let (now, random, host) = (Now::default(), Numbers(RefCell::new(1)), Principal::host());
    let vault = Vault::new(Platform { store, clock: &now, random: &random }, sealer, &host);
    for number in 0..200 {
        create(&vault, credential(99, number), None).unwrap();
    }
}

fn credential(writer: usize, number: usize) -> NewCredential {
    NewCredential {
        name: format!("login {number} of {writer}"),
        domain: "accounts.example.com".into(),
        values: vec![("password".into(), SecretString::new(format!("fake password {writer} {number}")))],
        ..NewCredential::default()
    }
}

#[test]
fn writers_side_by_side_end_and_are_half_as_fast_as_one() {
    let mut table = String::new();
    let mut is_slow = false;
    for delays in [SQLITE, NETWORK] {
        let _ = writeln!(table, "{}", delays.name);
        let _ = writeln!(
            table,
            "{:>8} {:>10} {:>12} {:>13} {:>17} {:>16} {:>9}",
            "writers", "creates/s", "swaps/create", "writes/create", "currents/create", "slowest ms", "refused"
        );
        let mut alone = None;
        for writers in [1, 2, 4, 8, 16] {
            let outcome = play(delays, writers);
            let creates = (writers * CREATES) as f64;
            let rate = creates / (outcome.micros as f64 / 1e6);
            let _ = writeln!(
                table,
                "{writers:>8} {rate:>10.0} {:>12.2} {:>13.2} {:>17.2} {:>16} {:>9}",
                outcome.swaps as f64 / creates,
                outcome.writes as f64 / creates,
                outcome.currents as f64 / creates,
                outcome.slowest_us / 1000,
                outcome.refused
            );
            is_slow |= outcome.refused > 0 || rate < *alone.get_or_insert(rate) / 2.0;
        }
    }
    // Past the capture of the test harness.
    let _ = write!(std::io::stdout(), "{table}");
    assert!(!is_slow, "{table}");
}

/// A purge or a long update beside quick creates, or a writer on a busy machine.
#[test]
fn a_writer_many_times_slower_than_the_others_ends() {
    for delays in [SQLITE, NETWORK] {
        let is_done = Rc::new(Cell::new(false));
        let outcome = play_for(delays, 2, 20, move |writer, number| {
            is_done.set(is_done.get() || (writer == 0 && number == 1));
            !is_done.get()
        });
        assert_eq!(outcome.refused, 0, "{}", delays.name);
    }
}
