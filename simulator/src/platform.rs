//! What an actor's process sees: the store, whose every request is a scheduling point, a clock that may be wrong, and
//! randomness from the seed.

use crate::dice::Dice;
use crate::stats::Fault;
use crate::world::{Answer, Bytes, OpId, StoreCall, World, refused};
use corosensei::Yielder;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use strongroom::error::Result;
use strongroom::platform::{Clock, Random};
use strongroom::store::{CompareAndSwap, KeyPage, Store, StoreError, Swap};
use strongroom::time::Timestamp;

/// What an actor hands over with the control.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// Wants to go on.
    Ready,
    /// Dies here: never to be resumed.
    Dead,
}

/// The store as one caller sees it.
pub struct SimStore<'a> {
    world: &'a RefCell<World>,
    caller: Caller<'a>,
    /// The operation the requests belong to.
    op: Cell<OpId>,
    /// Requests until the process dies in the middle of one.
    dies_in: Cell<Option<u32>>,
}

enum Caller<'a> {
    /// A process among others, on a host that misbehaves.
    Actor(&'a Yielder<(), Pause>),
    /// Alone, on a host that behaves.
    Operator,
    /// Looks at what is stored, lost keys included, and writes nothing.
    Checker,
}

impl<'a> SimStore<'a> {
    pub fn actor(world: &'a RefCell<World>, yielder: &'a Yielder<(), Pause>, dies_in: Option<u32>) -> Self {
        Self { world, caller: Caller::Actor(yielder), op: Cell::new(0), dies_in: Cell::new(dies_in) }
    }

    pub fn operator(world: &'a RefCell<World>, op: OpId) -> Self {
        Self { world, caller: Caller::Operator, op: Cell::new(op), dies_in: Cell::new(None) }
    }

    pub fn checker(world: &'a RefCell<World>) -> Self {
        Self { world, caller: Caller::Checker, op: Cell::new(0), dies_in: Cell::new(None) }
    }

    /// The requests from now on belong to this operation.
    pub fn begin(&self, op: OpId) {
        self.op.set(op);
    }

    fn request(&self, request: StoreCall<'_>) -> Result<Answer, StoreError> {
        let op = self.op.get();
        match self.caller {
            Caller::Actor(yielder) => {
                let asked = self.world.borrow().step;
                yielder.suspend(Pause::Ready);
                let answer = match self.dies_in.get() {
                    Some(0) => {
                        self.die(&request, asked);
                        yielder.suspend(Pause::Dead);
                        Err(refused())
                    }
                    dies_in => {
                        self.dies_in.set(dies_in.map(|requests| requests - 1));
                        self.world.borrow_mut().execute(op, &request, asked)
                    }
                };
                let mut world = self.world.borrow_mut();
                let step = world.step;
                world.trace.request(step, op, &request, &answer);
                answer
            }
            Caller::Operator => {
                let mut world = self.world.borrow_mut();
                let answer = world.honest(op, &request);
                let step = world.step;
                world.trace.request(step, op, &request, &answer);
                answer
            }
            Caller::Checker => match request {
                StoreCall::Get { key } | StoreCall::Current { key } => {
                    Ok(Answer::Value(self.world.borrow().unlost(key)))
                }
                _ => panic!("the checker's reads must not write"),
            },
        }
    }

    /// The process dies after it sent the request: the host has carried it out or not.
    fn die(&self, request: &StoreCall<'_>, asked: u64) {
        let op = self.op.get();
        let mut world = self.world.borrow_mut();
        let step = world.step;
        world.fault(op, Fault::Crash);
        if world.coin() {
            let answer = world.execute(op, request, asked);
            world.trace.request(step, op, request, &answer);
        }
        world.trace.note(step, op, || "dies".to_owned());
    }
}

impl Store for SimStore<'_> {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        value(self.request(StoreCall::Get { key })?)
    }

    fn set(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        self.request(StoreCall::Set { key, value }).map(|_| ())
    }

    fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.request(StoreCall::Delete { key }).map(|_| ())
    }

    fn increment(&self, key: &str, delta: i64) -> Result<i64, StoreError> {
        match self.request(StoreCall::Increment { key, delta })? {
            Answer::Total(total) => Ok(total),
            _ => Err(refused()),
        }
    }

    fn compare_and_swap<'a>(&'a self, key: &str) -> Result<Box<dyn CompareAndSwap + 'a>, StoreError> {
        Ok(Box::new(Handle { store: self, key: key.to_owned(), seen: None }))
    }

    fn list_keys(&self, cursor: Option<&str>) -> Result<KeyPage, StoreError> {
        match self.request(StoreCall::ListKeys { cursor })? {
            Answer::Keys(page) => Ok(page),
            _ => Err(refused()),
        }
    }

    fn has_atomics(&self) -> bool {
        self.world.borrow().host().has_atomics()
    }
}

struct Handle<'a> {
    store: &'a SimStore<'a>,
    key: String,
    seen: Option<Option<Bytes>>,
}

impl CompareAndSwap for Handle<'_> {
    fn current(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
        let Answer::Value(seen) = self.store.request(StoreCall::Current { key: &self.key })? else {
            return Err(refused());
        };
        let value = seen.as_ref().map(|bytes| bytes.to_vec());
        self.seen = Some(seen);
        Ok(value)
    }

    fn swap(self: Box<Self>, value: &[u8]) -> Result<Swap, StoreError> {
        match self.store.request(StoreCall::Swap { key: &self.key, seen: self.seen.as_ref(), value })? {
            Answer::Swapped(swap) => Ok(swap),
            _ => Err(refused()),
        }
    }
}

fn value(answer: Answer) -> Result<Option<Vec<u8>>, StoreError> {
    match answer {
        Answer::Value(value) => Ok(value.map(|bytes| bytes.to_vec())),
        _ => Err(refused()),
    }
}

/// How a process's clock goes wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClockFaults {
    /// How far it is ahead of the run's time, in milliseconds.
    pub ahead_ms: i64,
    /// From this step on it shows that many milliseconds less.
    pub back: Option<(u64, i64)>,
}

/// The time of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time {
    /// Between two steps, in milliseconds.
    pub ms_per_step: u64,
    /// At this step so many milliseconds go by at once.
    pub leap: Option<(u64, u64)>,
}

impl Time {
    /// What a clock without faults shows at a step, in milliseconds since 1970.
    pub fn at(self, step: u64) -> u64 {
        let leap = self.leap.filter(|(leap, _)| step >= *leap).map_or(0, |(_, ms)| ms);
        SimClock::START_MS + step * self.ms_per_step + leap
    }
}

/// The clock of one process.
pub struct SimClock {
    world: Rc<RefCell<World>>,
    faults: ClockFaults,
    time: Time,
    /// What it showed since the newest call, earliest and latest.
    shown: Cell<Option<(Timestamp, Timestamp)>>,
}

impl SimClock {
    /// The run's time at step 0: 2025-06-01T00:00:00Z.
    pub const START_MS: u64 = 1_748_736_000_000;

    pub fn new(world: Rc<RefCell<World>>, faults: ClockFaults, time: Time) -> Self {
        Self { world, faults, time, shown: Cell::new(None) }
    }

    /// The earliest and the latest time it showed since this was last asked.
    pub fn take_shown(&self) -> (Timestamp, Timestamp) {
        let now = self.now();
        self.shown.take().unwrap_or((now, now))
    }
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        let mut world = self.world.borrow_mut();
        let mut ms = self.time.at(world.step) as i64 + self.faults.ahead_ms;
        if let Some((step, back_ms)) = self.faults.back
            && world.step >= step
        {
            world.stats.count(Fault::ClockBack);
            ms -= back_ms;
        }
        let now = Timestamp(ms.max(0) as u64);
        let (earliest, latest) = self.shown.get().unwrap_or((now, now));
        self.shown.set(Some((earliest.min(now), latest.max(now))));
        now
    }
}

/// The randomness of one process: never the same stream twice in a run.
pub struct SimRandom(RefCell<Dice>);

impl SimRandom {
    pub fn new(dice: Dice) -> Self {
        Self(RefCell::new(dice))
    }
}

impl Random for SimRandom {
    fn fill(&self, buffer: &mut [u8]) -> Result<()> {
        self.0.borrow_mut().fill(buffer);
        Ok(())
    }
}
