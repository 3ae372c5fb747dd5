//! What the actors of a run share: the world, the checker, and the way from one to the other.

use crate::checker::{Checker, Circumstances};
use crate::dice::Dice;
use crate::driver::{self, Ring};
use crate::history::{Caller, Reply};
use crate::hosts::Luck;
use crate::model::{Action, Rules, Snapshot};
use crate::plan::Plan;
use crate::platform::{ClockFaults, SimClock, SimRandom, SimStore};
use crate::run::Outcome;
use crate::start::start;
use crate::trace::Trace;
use crate::world::{Bytes, Key, OpId, World};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use strongroom::catalog::RecordRef;
use strongroom::error::Code;
use strongroom::platform::{Clock, Platform};
use strongroom::seal::Sealer;
use strongroom::time::Timestamp;

/// What others keep in the same bucket: an application, and a vault of another project.
pub const FOREIGN: [(&str, &[u8]); 3] = [
    ("settings", b"{}"),
    ("sr1.aaaaaaaaaaaaaaaa.n.aaaaaaaaaaaaaaaaaaaaaaaaaa", b"a node of another project"),
    ("sr1.aaaaaaaaaaaaaaaa.seed", &[1, 0, 0, 0, 0, 0, 0, 0]),
];
/// How long a walk keeps its snapshot without looking after it.
const PIN_MS: u64 = 60_000;
/// The checks at the end are no operations of the history.
const NO_OP: OpId = OpId::MAX;

thread_local! {
    // It keeps the derived keys.
    static SEALERS: [Rc<Sealer>; 4] = Ring::ALL.map(|ring| Rc::new(driver::sealer(ring)));
}

/// What seals for somebody with these keys.
pub fn sealer(ring: Ring) -> Rc<Sealer> {
    SEALERS.with(|sealers| sealers[ring as usize].clone())
}

pub struct Stage {
    pub plan: Plan,
    pub world: Rc<RefCell<World>>,
    pub checker: RefCell<Checker>,
    /// The keys of the operator and of the checker.
    pub ring: Cell<Ring>,
    /// Who called each operation, and at which step.
    callers: RefCell<Vec<(Caller, u64)>>,
    failure: RefCell<Option<String>>,
}

impl Stage {
    pub fn new(plan: &Plan, trace: Trace) -> Rc<Self> {
        let start = plan.preloaded.map(|count| start(plan.node_bytes, count));
        let (mut entries, snapshot) = match &start {
            Some(start) => (start.entries.clone(), start.snapshot.clone()),
            None => Default::default(),
        };
        entries.extend(FOREIGN.map(|(key, value)| (Key::from(key), Bytes::from(value))));
        let luck = Luck { dice: Dice::stream(plan.seed, 2), one_in: plan.fault_one_in };
        let has_root = plan.preloaded.is_some();
        Rc::new(Self {
            plan: plan.clone(),
            world: Rc::new(RefCell::new(World::new(entries, plan.host, luck, trace))),
            checker: RefCell::new(Checker::new(plan.host, snapshot, has_root, plan.audit_ends())),
            ring: Cell::new(if plan.rotates { Ring::NewFirst } else { Ring::Old }),
            callers: RefCell::default(),
            failure: RefCell::new(None),
        })
    }

    /// The operator's and the checker's.
    pub fn sealer(&self) -> Rc<Sealer> {
        sealer(self.ring.get())
    }

    pub fn has_failed(&self) -> bool {
        self.failure.borrow().is_some()
    }

    /// What became of the run.
    pub fn outcome(&self) -> Outcome {
        let mut world = self.world.borrow_mut();
        world.stats.seeds = 1;
        world.stats.commits = self.checker.borrow().commits() as u64;
        Outcome {
            stats: world.stats,
            failure: self.failure.borrow_mut().take(),
            trace: std::mem::take(&mut world.trace).into_lines(),
        }
    }

    /// An action is called.
    pub fn invoked(&self, caller: Caller, action: Action, rules: Rules) -> OpId {
        self.observe();
        let mut world = self.world.borrow_mut();
        let op = self.checker.borrow_mut().invoked(action, rules, world.has_root());
        self.callers.borrow_mut().push((caller, world.step));
        world.stats.operations += 1;
        if world.trace.is_on() {
            let step = world.step;
            world.trace.owner(op, &caller.to_string());
            let checker = self.checker.borrow();
            world.trace.note(step, op, || checker.record(op).action.to_string());
        }
        op
    }

    /// An action has answered; `clock`: the earliest and the latest time that its caller's clock showed meanwhile.
    pub fn returned(&self, op: OpId, outcome: Result<Reply, Code>, clock: (Timestamp, Timestamp)) {
        self.observe();
        let mut world = self.world.borrow_mut();
        let step = world.step;
        match &outcome {
            Ok(reply) => {
                world.stats.succeeded += 1;
                let code = matches!(reply, Reply::Code(_) | Reply::Supplied(_, Some(_)));
                let exclusive = self.checker.borrow().record(op).action.is_exclusive();
                world.stats.exclusive_codes += u64::from(code && exclusive);
                world.trace.note(step, op, || format!("=> {reply}"));
            }
            Err(code) => {
                world.stats.count_error(*code);
                world.trace.note(step, op, || format!("=> error {}", code.as_str()));
            }
        }
        let circumstances = Circumstances {
            strikes: world.strikes(op),
            key_lost: world.lost_keys().next().is_some(),
            has_root: world.has_root(),
            clock_unset: clock.0 < Timestamp::CLOCK_SET,
            clock_moved_on: driver::time_step(clock.0) != driver::time_step(clock.1),
            clock_ms: (clock.0.0, clock.1.0),
            has_leapt: self.plan.time.leap.is_some(),
            pins_end: self.plan.clocks_differ() || clock.1.0 - clock.0.0 >= PIN_MS / 2,
        };
        let out_of_interface = world.out_of_interface;
        let is_excused = outcome.is_err() || world.strikes(op) > 0;
        let left = |record: &RecordRef| world.key_of(*record).cloned();
        let left = if is_excused { None } else { self.checker.borrow().record(op).purged.iter().find_map(left) };
        drop(world);
        if let Some(key) = left {
            return self.fail(format!("#{op} purged, and left {key} behind"));
        }
        let checked = self.checker.borrow_mut().returned(op, outcome, circumstances);
        if let Err(why) = checked {
            self.fail(why);
        }
        if let Some(why) = out_of_interface {
            self.fail(format!("#{op}: {why}"));
        }
    }

    /// The host takes back what nothing made durable.
    pub fn fail_over(&self) {
        self.observe();
        let Some(op) = self.world.borrow_mut().fail_over() else { return };
        let taken_back = self.checker.borrow_mut().taken_back(op);
        if let Err(why) = taken_back {
            self.fail(why);
        }
    }

    /// Looks at what a change of the root made of the vault, if there was one since the last look.
    pub fn observe(&self) {
        let Some(op) = self.world.borrow_mut().take_root_change() else { return };
        // Without atomics two credentials of the same id and version can differ: both came from one, and one is lost.
        let before =
            if self.plan.host.has_atomics() { self.checker.borrow().snapshot().clone() } else { Rc::default() };
        let rules = self.checker.borrow().record(op).rules;
        let shown = match self.shown(&before, rules) {
            Ok(shown) => shown,
            Err(code) => {
                return self.fail(format!("after a commit of #{op} the vault can't be read: {}", code.as_str()));
            }
        };
        let committed = self.checker.borrow_mut().committed(op, shown, self.clock_of(op));
        let mut world = self.world.borrow_mut();
        match committed {
            Ok(overlapped) => {
                world.stats.overlapped += u64::from(overlapped);
                let (step, number) = (world.step, self.checker.borrow().commits());
                world.trace.note(step, op, || format!("    == commit {number} =="));
            }
            Err(why) => {
                drop(world);
                self.fail(why);
            }
        }
    }

    /// The earliest and the latest time that the clock of an operation's caller can have shown, in milliseconds.
    fn clock_of(&self, op: OpId) -> (u64, u64) {
        let (caller, begun) = self.callers.borrow()[op];
        let faults = match caller {
            Caller::Actor(number) => self.plan.actors[number].clock,
            Caller::Operator => ClockFaults::default(),
        };
        let shown =
            |step: u64, back_ms: i64| (self.plan.time.at(step) as i64 + faults.ahead_ms - back_ms).max(0) as u64;
        (shown(begun, faults.back.map_or(0, |(_, ms)| ms)), shown(self.world.borrow().step, 0))
    }

    fn shown(&self, before: &Snapshot, rules: Rules) -> Result<driver::Shown, Code> {
        let store = SimStore::checker(&self.world);
        let random = SimRandom::new(Dice::new(0));
        let platform = Platform { store: &store, clock: &Midsummer, random: &random };
        driver::show(platform, &LongAgo, &self.sealer(), before, rules).map_err(|error| error.code())
    }

    pub fn fail(&self, why: String) {
        let mut world = self.world.borrow_mut();
        let step = world.step;
        if world.trace.is_on() {
            world.trace.say(step, &why);
        }
        self.failure.borrow_mut().get_or_insert(why);
    }

    /// An action that must succeed.
    pub fn operate(&self, action: Action) -> Result<Reply, String> {
        self.tried(action.clone()).map_err(|code| format!("the operator's `{action}` answers {}", code.as_str()))
    }

    /// An action of the operator, with whatever it answers.
    pub fn tried(&self, action: Action) -> Result<Reply, Code> {
        let op = self.invoked(Caller::Operator, action.clone(), self.rules());
        let outcome =
            self.as_operator_of(op, |platform| driver::perform(platform, &self.sealer(), &action, self.rules()));
        self.returned(op, outcome.clone(), (Midsummer.now(), Midsummer.now()));
        outcome
    }

    /// Those of the operator.
    pub fn rules(&self) -> Rules {
        Rules { versions: self.plan.versions, is_trusted: true }
    }

    /// Something done by the operator, alone and on a host that behaves.
    pub fn as_operator<T>(&self, act: impl FnOnce(Platform<'_>) -> strongroom::error::Result<T>) -> Result<T, Code> {
        self.as_operator_of(NO_OP, act)
    }

    fn as_operator_of<T>(
        &self,
        op: OpId,
        act: impl FnOnce(Platform<'_>) -> strongroom::error::Result<T>,
    ) -> Result<T, Code> {
        let store = SimStore::operator(&self.world, op);
        let clock = SimClock::new(self.world.clone(), ClockFaults::default(), self.plan.time);
        // Few operators, many operations: the number keeps their streams apart.
        let random = SimRandom::new(Dice::stream(self.plan.seed, 1 << 40 | (op as u64 & 0xffff)));
        act(Platform { store: &store, clock: &clock, random: &random }).map_err(|error| error.code())
    }
}

/// The checker's clock.
struct Midsummer;

impl Clock for Midsummer {
    fn now(&self) -> Timestamp {
        Timestamp(SimClock::START_MS)
    }
}

/// A clock for which nothing is over.
pub struct LongAgo;

impl Clock for LongAgo {
    fn now(&self) -> Timestamp {
        Timestamp(0)
    }
}
