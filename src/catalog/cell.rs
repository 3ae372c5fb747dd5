//! Records that are replaced in place: the root and the claims. Here is the rule that turns the hosts' answers, which
//! can be wrong in every way, into facts.
//!
//! A cell carries its own history: its number, and the ids of the replacements that led to it. A writer that built on
//! number `b` finds out what became of its replacement by looking, through a fresh handle, at who made `b + 1`.

use super::mutation;
use super::records::Records;
use crate::codec::{Reader, Writer};
use crate::error::{Code, Error, Result};
use crate::platform::Random;
use crate::seal::Sealer;
use crate::store::{CompareAndSwap, StoreError, Swap};
use alloc::boxed::Box;
use alloc::vec::Vec;

/// Names one replacement. 64 random bits: two writers that build on the same number must not draw the same.
pub type CommitId = [u8; 8];

/// How often the same bytes are swapped in, and how often a read-back that shows too old a state is repeated.
const SWAPS_MAX: u32 = 4;
const READ_BACKS_MAX: u32 = 3;

/// The state of a record that is replaced in place.
pub trait Cell: Sized {
    fn seal(&self, sealer: &Sealer, random: &dyn Random, key: &str) -> Result<Vec<u8>>;
    fn open(sealer: &Sealer, key: &str, bytes: &[u8]) -> Result<Self>;
    /// 1 for the first state, one more with each replacement.
    fn seq(&self) -> u64;
    /// Who made this number; `None` when it lies too far back or has not happened.
    fn commit_at(&self, seq: u64) -> Result<Option<CommitId>>;
}

/// The ids of the last replacements, oldest first: the last one made the state they are found in.
#[derive(Clone)]
pub struct History(Vec<CommitId>);

impl History {
    pub fn new(commit: CommitId) -> Self {
        Self(Vec::from([commit]))
    }

    /// Adds a replacement and forgets all but the last `remembered`.
    pub fn advance(&mut self, commit: CommitId, remembered: usize) {
        self.0.push(commit);
        let excess = self.0.len().saturating_sub(remembered);
        self.0.drain(..excess);
    }

    /// Who made the number that lies this far back.
    pub fn back(&self, back: u64) -> Option<CommitId> {
        self.0.iter().rev().nth(usize::try_from(back).ok()?).copied()
    }

    pub fn encode(&self, writer: &mut Writer) {
        writer.number(self.0.len() as u64);
        self.0.iter().for_each(|commit| writer.raw(commit));
    }

    pub fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        (0..reader.count()?).map(|_| reader.array()).collect::<Option<_>>().map(Self)
    }
}

/// A cell as it was found, with the handle that replaces exactly it. Without compare-and-swap there is no handle, and a
/// replacement is a plain set.
pub struct Found<'a, C> {
    pub bytes: Vec<u8>,
    pub state: C,
    handle: Option<Box<dyn CompareAndSwap + 'a>>,
}

/// What became of a replacement. An unknown outcome is an error.
pub enum Replaced<'a, C> {
    /// It happened.
    Done,
    /// Another one took its number: it never happened and never will. This is the state to build on now.
    Lost(Found<'a, C>),
}

impl<'a> Records<'a> {
    /// A cell as a plain read shows it: possibly not the newest.
    pub fn cell_bytes(&self, key: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.platform.store.get(key)?)
    }

    /// The newest state of a cell, through a fresh handle: one handle, one `current`, at most one `swap`.
    pub fn current<C: Cell>(&self, key: &str) -> Result<Option<Found<'a, C>>> {
        let store = self.platform.store;
        let (bytes, handle) = if store.has_atomics() {
            let mut handle = store.compare_and_swap(key)?;
            (handle.current()?, Some(handle))
        } else {
            (store.get(key)?, None)
        };
        let Some(bytes) = bytes else { return Ok(None) };
        Ok(Some(Found { state: C::open(self.sealer, key, &bytes)?, bytes, handle }))
    }

    /// Replaces what was found by `next`, whose last replacement is `commit`.
    ///
    /// Errors: [`Code::OutcomeUnknown`]: the store does not tell, and the replacement may even happen later. The caller
    /// must not delete anything it refers to and must not try again by itself. Those of a store that is certain that nothing
    /// happened.
    pub fn replace<C: Cell>(
        &self,
        key: &str,
        found: Found<'a, C>,
        next: &C,
        commit: CommitId,
    ) -> Result<Replaced<'a, C>> {
        let bytes = next.seal(self.sealer, self.platform.random, key)?;
        let (base, seq) = (found.bytes, found.state.seq());
        let mut handle = found.handle;
        for round in 0..SWAPS_MAX {
            let answer = self.publish(key, handle.take(), &bytes);
            if mutation::believes(&answer) {
                return Ok(Replaced::Done);
            }
            if let Ok(Swap::NothingStored(error)) = &answer
                && round == 0
            {
                // No other round may still have its effect.
                return Err(error.clone().into());
            }
            // All other answers decide nothing: hosts report failures that were written and successes that were lost.
            let seen = self.read_back::<C>(key, seq).ok_or_else(outcome_unknown)?;
            if mutation::gives_up(&answer, seen.bytes == base) {
                return Ok(Replaced::Lost(seen));
            }
            if seen.state.seq() > seq {
                return match seen.state.commit_at(seq + 1)? {
                    Some(made) if made == commit => Ok(Replaced::Done),
                    Some(_) => Ok(Replaced::Lost(seen)),
                    None if mutation::forgets() => Ok(Replaced::Lost(seen)),
                    None => Err(outcome_unknown()),
                };
            }
            if seen.bytes != base {
                return Err(outcome_unknown());
            }
            handle = mutation::next_handle(self.platform.store, key, seen.handle);
        }
        Err(outcome_unknown())
    }

    /// Swaps the bytes in through a handle, or sets them where there is no compare-and-swap.
    fn publish(
        &self,
        key: &str,
        handle: Option<Box<dyn CompareAndSwap + 'a>>,
        bytes: &[u8],
    ) -> Result<Swap, StoreError> {
        match mutation::handle_to_use(handle) {
            Some(handle) => handle.swap(bytes),
            None => self.platform.store.set(key, bytes).map(|()| Swap::Stored),
        }
    }

    /// The first state through a fresh handle that is not older than `seq`.
    fn read_back<C: Cell>(&self, key: &str, seq: u64) -> Option<Found<'a, C>> {
        let look = || {
            let found = self.current::<C>(key).ok().flatten()?;
            match mutation::bytes_by_get(self.platform.store, key) {
                Some(bytes) => Some(Found { state: C::open(self.sealer, key, &bytes).ok()?, bytes, ..found }),
                None => Some(found).filter(|found| found.state.seq() >= seq),
            }
        };
        (0..READ_BACKS_MAX).find_map(|_| look())
    }

    /// Creates a cell under a key that nobody else writes: swap from absent, then read back.
    ///
    /// Returns the state that is there afterwards, which can be another one's. Errors: that of the last swap; whether the
    /// cell was made is not known.
    pub fn create_cell<C: Cell>(&self, key: &str, first: &C) -> Result<Result<Found<'a, C>, StoreError>> {
        let bytes = first.seal(self.sealer, self.platform.random, key)?;
        let store = self.platform.store;
        let mut failure = StoreError::Other("a record could not be made".into());
        for _ in 0..SWAPS_MAX {
            if !store.has_atomics() || mutation::Mutation::SetFirstRoot.is_on() {
                let _ = store.set(key, &bytes);
            } else if let Ok(mut handle) = store.compare_and_swap(key)
                && let Ok(None) = handle.current()
            {
                match handle.swap(&bytes) {
                    Ok(Swap::NothingStored(error)) => return Ok(Err(error)),
                    Err(error) => failure = error,
                    Ok(_) => {}
                }
            }
            if let Ok(Some(found)) = self.current(key) {
                return Ok(Ok(found));
            }
        }
        Ok(Err(failure))
    }
}

pub(super) fn outcome_unknown() -> Error {
    Error::new(
        Code::OutcomeUnknown,
        "the store does not tell whether the change was made; it was made wholly or not at all: read before trying again",
    )
    .retry_after(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn history_remembers_the_last_replacements_only() {
        let mut history = History::new([1; 8]);
        assert_eq!((history.back(0), history.back(1)), (Some([1; 8]), None));
        for n in 0..256u64 {
            history.advance(n.to_le_bytes(), 256);
        }
        assert_eq!(history.back(256), None);
        assert_eq!(history.back(255), Some(0u64.to_le_bytes()));
        assert_eq!(history.back(0), Some(255u64.to_le_bytes()));
    }
}
