//! Counts of what happened, so that one can see that the faults really occurred.

use std::ops::AddAssign;
use strongroom::error::Code;

/// Ways in which a run differs from a quiet one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// An error, nothing done.
    Refused,
    /// Done, but answered with an error.
    AckLost,
    /// Answered as stored, but not done.
    EffectLost,
    /// Answered with an error and put off.
    Late,
    /// A write that was put off took effect.
    LateLanded,
    /// Stored, but answered as a conflict.
    SaysConflict,
    /// A read answered with an older version.
    Stale,
    /// An increment with a wrong total.
    WrongTotal,
    /// A swap from absent overwrote a value.
    AbsentOverwritten,
    /// The host lost a key.
    KeyLost,
    /// A swap that was visible, and answered with an error.
    Unsettled,
    /// A failover took such a swap back.
    TakenBack,
    /// An actor died.
    Crash,
    /// An actor's clock stepped back.
    ClockBack,
}

impl Fault {
    pub const ALL: [Fault; 14] = [
        Fault::Refused,
        Fault::AckLost,
        Fault::EffectLost,
        Fault::Late,
        Fault::LateLanded,
        Fault::SaysConflict,
        Fault::Stale,
        Fault::WrongTotal,
        Fault::AbsentOverwritten,
        Fault::KeyLost,
        Fault::Unsettled,
        Fault::TakenBack,
        Fault::Crash,
        Fault::ClockBack,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Fault::Refused => "refused",
            Fault::AckLost => "acknowledgements lost",
            Fault::EffectLost => "effects lost",
            Fault::Late => "put off",
            Fault::LateLanded => "landed late",
            Fault::SaysConflict => "stored but conflict",
            Fault::Stale => "stale reads",
            Fault::WrongTotal => "wrong totals",
            Fault::AbsentOverwritten => "overwritten from absent",
            Fault::KeyLost => "keys lost",
            Fault::Unsettled => "unsettled",
            Fault::TakenBack => "taken back",
            Fault::Crash => "crashes",
            Fault::ClockBack => "clocks set back",
        }
    }
}

/// What one run, or many, did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    pub seeds: u64,
    /// Requests to the store.
    pub requests: u64,
    /// Actions that were called.
    pub operations: u64,
    /// Actions that returned success.
    pub succeeded: u64,
    /// Changes of the root.
    pub commits: u64,
    /// Commits that another one preceded between their action's call and themselves.
    pub overlapped: u64,
    /// One-time codes given to exclusive callers.
    pub exclusive_codes: u64,
    /// Errors by [`Code::ALL`].
    pub errors: [u64; Code::ALL.len()],
    faults: [u64; Fault::ALL.len()],
}

impl Stats {
    pub fn count(&mut self, fault: Fault) {
        self.faults[fault as usize] += 1;
    }

    pub fn faults(&self, fault: Fault) -> u64 {
        self.faults[fault as usize]
    }

    pub fn count_error(&mut self, code: Code) {
        self.errors[code as usize] += 1;
    }

    pub fn errors(&self, code: Code) -> u64 {
        self.errors[code as usize]
    }
}

impl AddAssign<&Stats> for Stats {
    fn add_assign(&mut self, other: &Stats) {
        self.seeds += other.seeds;
        self.requests += other.requests;
        self.operations += other.operations;
        self.succeeded += other.succeeded;
        self.commits += other.commits;
        self.overlapped += other.overlapped;
        self.exclusive_codes += other.exclusive_codes;
        for (sum, count) in self.errors.iter_mut().zip(other.errors) {
            *sum += count;
        }
        for (sum, count) in self.faults.iter_mut().zip(other.faults) {
            *sum += count;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_those_of_the_lists() {
        for (position, fault) in Fault::ALL.into_iter().enumerate() {
            assert_eq!(fault as usize, position);
        }
        for (position, code) in Code::ALL.into_iter().enumerate() {
            assert_eq!(code as usize, position);
        }
    }
}
