//! One run: actors as coroutines, one request to the store at a time, in an order drawn from the seed.

use crate::checker::{Checker, Circumstances};
use crate::dice::Dice;
use crate::driver::{self, Verified};
use crate::history::{Caller, Reply, Seen};
use crate::hosts::{self, Luck};
use crate::model::{Action, Cred, Expected, Snapshot, Target, Values};
use crate::plan::{self, Call, Demand, Plan, Whom};
use crate::platform::{ClockFaults, Pause, SimClock, SimRandom, SimStore};
use crate::stats::Stats;
use crate::trace::Trace;
use crate::world::{Bytes, Key, OpId, World};
use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult, Yielder};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use strongroom::error::Code;
use strongroom::platform::{Clock, Platform};
use strongroom::seal::Sealer;
use strongroom::time::Timestamp;

/// Stack of one actor. The component makes do with 64 KiB; unwinding a dead actor needs some more.
const STACK_BYTES: usize = 256 * 1024;
/// Far above what any run needs: reaching it means that an actor never ends.
const STEPS_MAX: u64 = 100_000;

/// How often a create with an idempotency key is repeated after an unknown outcome.
const REPEATS_MAX: u32 = 2;

/// What others keep in the same bucket: an application, and a vault of another project.
const FOREIGN: [(&str, &[u8]); 3] = [
    ("settings", b"{}"),
    ("sr1.aaaaaaaaaaaaaaaa.n.aaaaaaaaaaaaaaaaaaaaaaaaaa", b"a node of another project"),
    ("sr1.aaaaaaaaaaaaaaaa.seed", &[1, 0, 0, 0, 0, 0, 0, 0]),
];
/// In the end all values are read again in one run out of so many.
const VALUES_READ_AGAIN_ONE_IN: usize = 8;
/// The checks at the end are no operations of the history.
const NO_OP: OpId = OpId::MAX;

/// What became of a run.
pub struct Outcome {
    pub stats: Stats,
    /// What was wrong, if anything was.
    pub failure: Option<String>,
    /// Every step, when it was asked for.
    pub trace: Vec<String>,
}

/// Plays a plan.
pub fn run(plan: &Plan, trace: bool) -> Outcome {
    let trace = if trace { Trace::on() } else { Trace::default() };
    let stage = Stage::new(plan, trace);
    // A panic of the code under test is a failure like any other.
    let played = catch_unwind(AssertUnwindSafe(|| {
        stage.play();
        if stage.failure.borrow().is_none() {
            stage.finish();
        }
    }));
    if played.is_err() {
        stage.fail("panicked".into());
    }
    let mut world = stage.world.borrow_mut();
    world.stats.seeds = 1;
    world.stats.commits = stage.checker.borrow().commits() as u64;
    Outcome {
        stats: world.stats,
        failure: stage.failure.borrow_mut().take(),
        trace: std::mem::take(&mut world.trace).into_lines(),
    }
}

thread_local! {
    static STACKS: RefCell<Vec<DefaultStack>> = const { RefCell::new(Vec::new()) };
    static SEALER: Rc<Sealer> = Rc::new(driver::sealer());
    static STARTS: RefCell<Starts> = const { RefCell::new(Starts::new()) };
}

/// By size of nodes and number of credentials.
type Starts = BTreeMap<(Option<u32>, usize), Rc<Start>>;

/// The store and the vault before a run.
struct Start {
    entries: BTreeMap<Key, Bytes>,
    snapshot: Snapshot,
}

/// What all actors of a run share.
struct Stage {
    plan: Plan,
    world: Rc<RefCell<World>>,
    checker: RefCell<Checker>,
    failure: RefCell<Option<String>>,
    sealer: Rc<Sealer>,
}

/// An actor between two lives, and the process it lives in.
struct Actor {
    number: usize,
    life: usize,
    /// The next call; shared with the process, which advances it.
    next_call: Rc<Cell<usize>>,
    process: Option<Coroutine<(), Pause, ()>>,
}

impl Stage {
    fn new(plan: &Plan, trace: Trace) -> Rc<Self> {
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
            checker: RefCell::new(Checker::new(plan.host, snapshot, has_root)),
            failure: RefCell::new(None),
            sealer: SEALER.with(Rc::clone),
        })
    }

    /// Lets the actors act until all are done.
    fn play(self: &Rc<Self>) {
        let mut dice = Dice::stream(self.plan.seed, 3);
        let mut actors: Vec<Actor> = (0..self.plan.actors.len())
            .map(|number| Actor { number, life: 0, next_call: Rc::default(), process: None })
            .collect();
        for actor in &mut actors {
            self.start_process(actor);
        }
        let mut running: Option<usize> = None;
        while !actors.is_empty() && self.failure.borrow().is_none() {
            {
                let mut world = self.world.borrow_mut();
                world.step += 1;
                if world.step > STEPS_MAX {
                    drop(world);
                    self.fail("an actor never ends".into());
                    break;
                }
                // Who is about to create the root can't tell one that was lost at once from a swap that was.
                world.maybe_lose(self.plan.preloaded.is_some());
                if world.pending() > 0 && dice.one_in(self.plan.land_one_in) {
                    world.land_one(&mut dice);
                }
            }
            self.observe();
            let index = match running {
                Some(index) if !dice.one_in(self.plan.switch_one_in) => index,
                _ => dice.below(actors.len()),
            };
            let actors_left = actors.len();
            let actor = &mut actors[index];
            // A slow actor mostly passes its turn on, as long as there is anybody else.
            let sloth = self.plan.actors[actor.number].sloth;
            if sloth > 1 && actors_left > 1 && !dice.one_in(sloth) {
                running = None;
                continue;
            }
            let Some(process) = &mut actor.process else { break };
            let result = process.resume(());
            self.observe();
            running = Some(index);
            match result {
                CoroutineResult::Yield(Pause::Ready) => continue,
                CoroutineResult::Yield(Pause::Dead) => {
                    end_process(actor);
                    actor.life += 1;
                    let died_in = self.plan.actors[actor.number].calls.get(actor.next_call.get());
                    // With an idempotency key the successor can safely repeat the call.
                    if !matches!(died_in, Some(Call::Create { keyed: true, .. })) {
                        actor.next_call.set(actor.next_call.get() + 1);
                    }
                    self.start_process(actor);
                }
                CoroutineResult::Return(()) => {
                    end_process(actor);
                    actors.swap_remove(index);
                    running = None;
                }
            }
        }
        actors.iter_mut().for_each(end_process);
    }

    fn start_process(self: &Rc<Self>, actor: &mut Actor) {
        let stack = STACKS.with_borrow_mut(Vec::pop);
        let stack = stack.unwrap_or_else(|| DefaultStack::new(STACK_BYTES).expect("memory for a stack"));
        let (stage, number, life, next_call) = (self.clone(), actor.number, actor.life, actor.next_call.clone());
        actor.process = Some(Coroutine::with_stack(stack, move |yielder, ()| {
            stage.live(yielder, number, life, &next_call);
        }));
    }

    /// One life of an actor: its calls, from the next one on, until it is done or dies.
    fn live(&self, yielder: &Yielder<(), Pause>, number: usize, life: usize, next_call: &Cell<usize>) {
        let plan = &self.plan.actors[number];
        let store = SimStore::actor(&self.world, yielder, plan.deaths.get(life).copied());
        let clock = SimClock::new(self.world.clone(), plan.clock, self.plan.ms_per_step);
        let random = SimRandom::new(Dice::stream(self.plan.seed, 1000 + 100 * number as u64 + life as u64));
        let platform = Platform { store: &store, clock: &clock, random: &random };
        while let Some(call) = plan.calls.get(next_call.get()) {
            let mut follow_up = Some(call.clone());
            let mut repeats = 0;
            while let Some(call) = follow_up.take() {
                // So that a call may come at any time after the answer to the one before.
                yielder.suspend(Pause::Ready);
                let action = self.action(&call);
                let op = self.invoked(Caller::Actor(number), action.clone());
                store.begin(op);
                let outcome = driver::perform(platform, &self.sealer, &action).map_err(|error| error.code());
                follow_up = next_page(&call, &outcome);
                if matches!(call, Call::Create { keyed: true, .. })
                    && outcome == Err(Code::OutcomeUnknown)
                    && repeats < REPEATS_MAX
                {
                    repeats += 1;
                    follow_up = Some(call);
                }
                self.returned(op, outcome, clock.now() < Timestamp::CLOCK_SET);
            }
            next_call.set(next_call.get() + 1);
        }
    }

    /// The call's details, as the vault is now.
    fn action(&self, call: &Call) -> Action {
        let checker = self.checker.borrow();
        let target = |whom: &Whom| match whom {
            Whom::Name(name) => Target::Name(name.clone()),
            Whom::KnownId(number) => match checker.known_ids.len() {
                0 => Target::Name("nobody".to_owned()),
                count => Target::Id(checker.known_ids[number % count].clone()),
            },
        };
        let expected = |conditional: bool, target: &Target| {
            conditional.then(|| target.find(checker.snapshot()).map_or(1, |cred| cred.version))
        };
        match call.clone() {
            Call::Init => Action::Init { node_bytes: self.plan.node_bytes, force: false },
            Call::Sweep => Action::Sweep,
            Call::Verify => Action::Verify,
            Call::Create { draft, keyed } => {
                // The values are the call's own, so they can name it.
                let key = keyed.then(|| draft.values.values().cloned().collect::<String>());
                Action::Create { draft, key }
            }
            Call::Put { draft, demand } => {
                let found = Target::Name(draft.name.clone()).find(checker.snapshot()).map(|cred| cred.version);
                let expected = match demand {
                    Demand::Nothing => Expected::Nothing,
                    Demand::Anything => Expected::Anything,
                    Demand::Newest => Expected::Version(found.unwrap_or(1)),
                };
                Action::Put { draft, expected }
            }
            Call::Update { whom, change, conditional } => {
                let target = target(&whom);
                Action::Update { expected: expected(conditional, &target), target, change }
            }
            Call::Delete { whom, conditional } => {
                let target = target(&whom);
                Action::Delete { expected: expected(conditional, &target), target }
            }
            Call::Get(whom) => Action::Get { target: target(&whom) },
            Call::List { domain, limit, offset } => Action::List { domain, limit, offset },
            Call::ListAll { limit } => Action::List { domain: None, limit, offset: 0 },
            Call::Code { whom, exclusive } => Action::Code { target: target(&whom), exclusive },
            Call::Supply { whom, exclusive } => Action::Supply { target: target(&whom), exclusive },
        }
    }

    fn invoked(&self, caller: Caller, action: Action) -> OpId {
        self.observe();
        let mut world = self.world.borrow_mut();
        let op = self.checker.borrow_mut().invoked(action, world.has_root());
        world.stats.operations += 1;
        if world.trace.is_on() {
            let step = world.step;
            world.trace.owner(op, &caller.to_string());
            let checker = self.checker.borrow();
            world.trace.note(step, op, || checker.record(op).action.to_string());
        }
        op
    }

    fn returned(&self, op: OpId, outcome: Result<Reply, Code>, clock_unset: bool) {
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
            clock_unset,
        };
        let out_of_interface = world.out_of_interface;
        drop(world);
        let checked = self.checker.borrow_mut().returned(op, outcome, circumstances);
        if let Err(why) = checked {
            self.fail(why);
        }
        if let Some(why) = out_of_interface {
            self.fail(format!("#{op}: {why}"));
        }
    }

    /// Looks at what a change of the root made of the vault, if there was one since the last look.
    fn observe(&self) {
        let Some(op) = self.world.borrow_mut().take_root_change() else { return };
        // Without atomics two credentials of the same id and version can differ: both came from one, and one is lost.
        let before =
            if self.plan.host.has_atomics() { self.checker.borrow().snapshot().clone() } else { Rc::default() };
        let shown = match self.shown(&before) {
            Ok(shown) => shown,
            Err(code) => {
                return self.fail(format!("after a commit of #{op} the vault can't be read: {}", code.as_str()));
            }
        };
        let committed = self.checker.borrow_mut().committed(op, shown);
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

    fn shown(&self, before: &Snapshot) -> Result<driver::Shown, Code> {
        let store = SimStore::checker(&self.world);
        let random = SimRandom::new(Dice::new(0));
        let platform = Platform { store: &store, clock: &Midsummer, random: &random };
        driver::show(platform, &self.sealer, before).map_err(|error| error.code())
    }

    fn fail(&self, why: String) {
        let mut world = self.world.borrow_mut();
        let step = world.step;
        if world.trace.is_on() {
            world.trace.say(step, &why);
        }
        self.failure.borrow_mut().get_or_insert(why);
    }

    /// After the actors are gone and everything that was under way has landed or is lost: the operator looks at what
    /// is there, on a host that behaves.
    fn finish(&self) {
        if let Err(why) = self.checked_end() {
            self.fail(why);
        }
    }

    fn checked_end(&self) -> Result<(), String> {
        let mut dice = Dice::stream(self.plan.seed, 4);
        while self.world.borrow().pending() > 0 {
            self.world.borrow_mut().land_one(&mut dice);
            self.observe();
        }
        let is_untouched =
            |(key, value): &(&str, &[u8])| self.world.borrow().entries().get(*key).is_some_and(|v| **v == **value);
        if !FOREIGN.iter().all(is_untouched) {
            return Err("keys of others were touched".into());
        }
        if self.world.borrow().lost_keys().next().is_some() {
            return self.checked_loss();
        }
        if !self.world.borrow().has_root() {
            let nobody_wrote = || self.world.borrow().entries().len() == FOREIGN.len();
            if nobody_wrote() {
                // An empty vault, which reading does not create.
                self.check_contents()?;
                return if nobody_wrote() { Ok(()) } else { Err("a read wrote".into()) };
            }
            self.operate(Action::Init { node_bytes: self.plan.node_bytes, force: true })?;
        }
        // What a verify would find now it finds after the sweep too, which only takes unreachable records away.
        self.check_listed()?;
        if self.plan.host.has_atomics() {
            self.operate(Action::Sweep)?;
        }
        let verified = self.verified()?;
        if self.plan.host.has_atomics() && verified.orphans > 0 {
            return Err(format!("{} orphans after the sweep", verified.orphans));
        }
        // Records are sealed and written once, so values that were right when they were committed stay right.
        if dice.one_in(VALUES_READ_AGAIN_ONE_IN) {
            self.check_contents()?;
        }
        let draft = plan::preloaded(1000, &mut dice);
        self.operate(Action::Create { draft, key: None })
    }

    /// A lost key is reported, or it did not matter.
    fn checked_loss(&self) -> Result<(), String> {
        let root_is_lost = !self.world.borrow().has_root();
        match (self.as_operator(|platform| driver::verify(platform, &self.sealer)), root_is_lost) {
            (Err(Code::StorageUninitialised), true) => self.loss_is_reported_to_readers(),
            (Err(Code::StorageCorrupt), false) => Ok(()),
            (Ok(_), false) => self.check_contents(),
            (Ok(_), true) => Err("verify is clean though the root is lost".into()),
            (Err(code), _) => Err(format!("verify of a vault that lost a key answers {}", code.as_str())),
        }
    }

    fn loss_is_reported_to_readers(&self) -> Result<(), String> {
        let list = Action::List { domain: None, limit: 10, offset: 0 };
        match self.as_operator(|platform| driver::perform(platform, &self.sealer, &list)) {
            Err(Code::StorageUninitialised) => Ok(()),
            other => Err(format!("a list without a root answers {other:?}")),
        }
    }

    /// The vault lists what it should.
    fn check_listed(&self) -> Result<(), String> {
        let expected = self.checker.borrow().snapshot().clone();
        self.check_against(&expected, &expected)
    }

    /// The vault lists what it should, and each credential has the values it should have.
    fn check_contents(&self) -> Result<(), String> {
        let expected = self.checker.borrow().snapshot().clone();
        self.check_against(&expected, &Snapshot::new())
    }

    /// The values of what is in `trusted` are not read.
    fn check_against(&self, expected: &Snapshot, trusted: &Snapshot) -> Result<(), String> {
        let shown = self.as_operator(|platform| driver::show(platform, &self.sealer, trusted));
        let shown = shown.map_err(|code| format!("the vault can't be read in the end: {}", code.as_str()))?;
        let is_right = |(seen, values): &(Seen, Option<Values>), cred: &Cred| {
            seen.shows(cred) && values.as_ref().is_none_or(|values| *values == cred.values)
        };
        let same = shown.len() == expected.len()
            && shown.iter().zip(expected.iter()).all(|(shown, cred)| is_right(shown, cred));
        if same { Ok(()) } else { Err("the vault holds in the end something else than after the last commit".into()) }
    }

    fn verified(&self) -> Result<Verified, String> {
        let verified = self
            .as_operator(|platform| driver::verify(platform, &self.sealer))
            .map_err(|code| format!("verify in the end: {}", code.as_str()))?;
        let credentials = self.checker.borrow().snapshot().len() as u64;
        if verified.credentials != credentials {
            return Err(format!("verify counts {} credentials of {credentials}", verified.credentials));
        }
        Ok(verified)
    }

    /// An action that must succeed.
    fn operate(&self, action: Action) -> Result<(), String> {
        let op = self.invoked(Caller::Operator, action.clone());
        let outcome = self.as_operator_of(op, |platform| driver::perform(platform, &self.sealer, &action));
        self.returned(op, outcome.clone(), false);
        outcome.map(|_| ()).map_err(|code| format!("the operator's `{action}` answers {}", code.as_str()))
    }

    fn as_operator<T>(&self, act: impl FnOnce(Platform<'_>) -> strongroom::error::Result<T>) -> Result<T, Code> {
        self.as_operator_of(NO_OP, act)
    }

    fn as_operator_of<T>(
        &self,
        op: OpId,
        act: impl FnOnce(Platform<'_>) -> strongroom::error::Result<T>,
    ) -> Result<T, Code> {
        let store = SimStore::operator(&self.world, op);
        let clock = SimClock::new(self.world.clone(), ClockFaults::default(), self.plan.ms_per_step);
        // Few operators, many operations: the number keeps their streams apart.
        let random = SimRandom::new(Dice::stream(self.plan.seed, 1 << 40 | (op as u64 & 0xffff)));
        act(Platform { store: &store, clock: &clock, random: &random }).map_err(|error| error.code())
    }
}

fn end_process(actor: &mut Actor) {
    if let Some(mut process) = actor.process.take() {
        // Of a process that is not done only the memory is given back: no code of ours asks the store while unwinding.
        process.force_unwind();
        STACKS.with_borrow_mut(|stacks| stacks.push(process.into_stack()));
    }
}

fn next_page(call: &Call, outcome: &Result<Reply, Code>) -> Option<Call> {
    match (call, outcome) {
        (Call::ListAll { limit } | Call::List { domain: None, limit, .. }, Ok(Reply::Page { next_offset, .. })) => {
            next_offset.map(|offset| Call::List { domain: None, limit: *limit, offset })
        }
        _ => None,
    }
}

/// A vault with that many credentials, made once per thread.
fn start(node_bytes: Option<u32>, credentials: usize) -> Rc<Start> {
    if let Some(start) = STARTS.with_borrow(|starts| starts.get(&(node_bytes, credentials)).cloned()) {
        return start;
    }
    let host = hosts::by_name("correct").expect("it is in the list");
    let plan = Plan {
        seed: 0,
        host,
        node_bytes,
        preloaded: None,
        actors: Vec::new(),
        fault_one_in: 0,
        switch_one_in: 1,
        land_one_in: 1,
        ms_per_step: 1,
    };
    let stage = Stage::new(&plan, Trace::default());
    let mut dice = Dice::new(0);
    let made = stage.operate(Action::Init { node_bytes, force: false }).and_then(|()| {
        (0..credentials).try_for_each(|position| {
            stage.operate(Action::Create { draft: plan::preloaded(position, &mut dice), key: None })
        })
    });
    made.expect("a quiet vault takes credentials");
    stage.observe();
    let entries = stage.world.borrow().entries().clone();
    let snapshot = Snapshot::clone(stage.checker.borrow().snapshot());
    let start = Rc::new(Start { entries, snapshot });
    STARTS.with_borrow_mut(|starts| starts.insert((node_bytes, credentials), start.clone()));
    start
}

/// The checker's clock.
struct Midsummer;

impl Clock for Midsummer {
    fn now(&self) -> Timestamp {
        Timestamp(SimClock::START_MS)
    }
}
