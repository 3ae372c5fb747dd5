//! What an actor does: its calls, one after the other, with the details that depend on the vault.

use crate::dice::Dice;
use crate::driver::{self, Ring};
use crate::history::{Caller, Reply};
use crate::model::{Action, Expected, Rules, Target};
use crate::plan::{Call, Demand, Whom};
use crate::platform::{Pause, SimClock, SimRandom, SimStore};
use crate::stage::{Stage, sealer};
use corosensei::Yielder;
use std::cell::Cell;
use strongroom::error::Code;
use strongroom::platform::Platform;

/// How often a create with an idempotency key is repeated after an unknown outcome.
const REPEATS_MAX: u32 = 2;

impl Stage {
    /// One life of an actor: its calls, from the next one on, until it is done or dies.
    pub fn live(&self, yielder: &Yielder<(), Pause>, number: usize, life: usize, next_call: &Cell<usize>) {
        let plan = &self.plan.actors[number];
        let store = SimStore::actor(&self.world, yielder, plan.deaths.get(life).copied());
        let clock = SimClock::new(self.world.clone(), plan.clock, self.plan.time);
        let random = SimRandom::new(Dice::stream(self.plan.seed, 1000 + 100 * number as u64 + life as u64));
        let platform = Platform { store: &store, clock: &clock, random: &random };
        let ring = match (self.plan.rotates, number) {
            (false, _) => Ring::Old,
            (true, 0) => Ring::OldFirst,
            (true, _) => Ring::NewFirst,
        };
        let sealer = sealer(ring);
        let rules = Rules { versions: self.plan.versions, is_trusted: plan.is_trusted };
        while let Some(call) = plan.calls.get(next_call.get()) {
            let mut follow_up = Some(call.clone());
            let mut repeats = 0;
            while let Some(call) = follow_up.take() {
                // So that a call may come at any time after the answer to the one before.
                yielder.suspend(Pause::Ready);
                let action = self.action(&call);
                let op = self.invoked(Caller::Actor(number), action.clone(), rules);
                store.begin(op);
                clock.take_shown();
                let outcome = driver::perform(platform, &sealer, &action, rules).map_err(|error| error.code());
                follow_up = next_page(&call, &outcome);
                if matches!(call, Call::Create { keyed: true, .. })
                    && outcome == Err(Code::OutcomeUnknown)
                    && repeats < REPEATS_MAX
                {
                    repeats += 1;
                    follow_up = Some(call);
                }
                self.returned(op, outcome, clock.take_shown());
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
            Whom::Deleted(number) => match checker.snapshot().trash.len() {
                0 => Target::Name("nobody".to_owned()),
                count => Target::Id(checker.snapshot().trash[number % count].cred.id.clone()),
            },
        };
        let newest = |target: &Target| {
            let snapshot = checker.snapshot();
            let cred = target.find(snapshot).or(snapshot.deleted(target).map(|kept| &kept.cred));
            cred.map_or(1, |cred| cred.version)
        };
        let expected = |conditional: bool, target: &Target| {
            conditional.then(|| target.find(checker.snapshot()).map_or(1, |cred| cred.version))
        };
        match call.clone() {
            Call::Init => Action::Init { node_bytes: self.plan.node_bytes, force: false },
            Call::Sweep => Action::Sweep,
            Call::Rewrap => Action::Rewrap,
            Call::Verify => Action::Verify,
            Call::Backup => Action::Backup,
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
            Call::Restore { whom, back, conditional } => {
                let target = target(&whom);
                let version = back.map(|back| newest(&target).saturating_sub(back));
                Action::Restore { expected: expected(conditional, &target), target, version }
            }
            Call::Purge { whom, conditional } => {
                let target = target(&whom);
                Action::Purge { expected: expected(conditional, &target), target }
            }
            Call::PurgeDeleted => Action::PurgeDeleted,
            Call::Versions(whom) => Action::Versions { target: target(&whom) },
            Call::ListDeleted => Action::ListDeleted,
            Call::Get(whom) => Action::Get { target: target(&whom) },
            Call::List { domain, limit, offset } => Action::List { domain, limit, offset },
            Call::ListAll { limit } => Action::List { domain: None, limit, offset: 0 },
            Call::Code { whom, exclusive } => Action::Code { target: target(&whom), exclusive },
            Call::Supply { whom, exclusive } => Action::Supply { target: target(&whom), exclusive },
        }
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
