//! The hosts that a run can be played on: what each does to a request, one file per kind.
//!
//! A host is a policy: it draws a [`Fate`] for each request; [`crate::world`] carries it out.

mod bad_increment;
mod correct;
mod failover;
mod flaky;
mod hostile;
mod late;
mod losing;
mod lost_ack;
mod lost_swap;
mod no_atomics;
mod spin_redis;
mod spin_sqlite;
mod stale_get;

use crate::dice::Dice;
use crate::world::StoreCall;

/// What becomes of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Done and answered as the interface says.
    Honest,
    /// Nothing is done, the answer is an error.
    Refused,
    /// Done, but the answer is an error.
    AckLost,
    /// Nothing is done, but the answer is success.
    EffectLost,
    /// The answer is an error; done later, at a moment of the scheduler's choice, or never.
    Late,
    /// Done and visible, but the answer is an error; may be taken back as long as no `current` has shown it.
    Unsettled,
    /// Done, but the answer is "conflict".
    SaysConflict,
    /// A read answers with an older version of the key, or of the list of keys.
    Stale,
    /// An increment that another one came close to answers with a total that is one off.
    WrongTotal,
}

/// A kind of host.
pub trait Host: Sync {
    /// As `--host` takes it and the report shows it.
    fn name(&self) -> &'static str;

    /// What becomes of this request. `luck` says when misfortune strikes.
    fn fate(&self, _request: &StoreCall<'_>, _luck: &mut Luck) -> Fate {
        Fate::Honest
    }

    /// Whether the host offers `increment` and `compare_and_swap`.
    fn has_atomics(&self) -> bool {
        true
    }

    /// Whether a swap whose handle saw no value overwrites whatever is there.
    fn overwrites_absent(&self) -> bool {
        false
    }

    /// Whether reads can be older than the newest version.
    fn is_stale(&self) -> bool {
        false
    }

    /// Whether `current` makes durable what it shows.
    fn settles(&self) -> bool {
        true
    }

    /// Whether a key disappears at this moment.
    fn loses_a_key(&self, _luck: &mut Luck) -> bool {
        false
    }
}

/// Every kind, in the order of the report.
pub static ALL: [&dyn Host; 13] = [
    &correct::Correct,
    &spin_sqlite::SpinSqlite,
    &spin_redis::SpinRedis,
    &lost_swap::LostSwap,
    &lost_ack::LostAck,
    &late::Late,
    &stale_get::StaleGet,
    &bad_increment::BadIncrement,
    &losing::Losing,
    &flaky::Flaky,
    &failover::Failover,
    &no_atomics::NoAtomics,
    &hostile::Hostile,
];

/// A host that breaks what HOSTS.md demands: the runs on it must fail.
pub static UNSAFE: &dyn Host = &failover::DirtyFailover;

pub fn by_name(name: &str) -> Option<&'static dyn Host> {
    ALL.into_iter().find(|host| host.name() == name)
}

/// Decides how often a host misbehaves in one run.
pub struct Luck {
    pub dice: Dice,
    /// One request in so many is struck; those about the root and claims twice as often as others. 0: none.
    pub one_in: usize,
}

impl Luck {
    pub fn strikes(&mut self, request: &StoreCall<'_>) -> bool {
        let rarer = if request.is_in_place() { 1 } else { 2 };
        self.one_in > 0 && self.dice.one_in(self.one_in * rarer)
    }
}
