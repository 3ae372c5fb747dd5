//! Counting what calls do to their store.

use strongroom_host_tests::{Counts, MemoryStore};

/// Operations of some calls.
pub struct Counted(Vec<Counts>);

impl Counted {
    pub fn new(store: &MemoryStore, rounds: u64, mut call: impl FnMut(u64)) -> Self {
        let count = |round| {
            store.reset();
            call(round);
            store.counts()
        };
        Self((0..rounds).map(count).collect())
    }

    /// The mean.
    pub fn of(&self, of: impl Fn(&Counts) -> u64) -> u64 {
        let rounds = self.0.len() as u64;
        (self.0.iter().map(of).sum::<u64>() + rounds / 2) / rounds
    }
}
