//! Records that are replaced in place: the root and the claims. Here is the rule that turns the hosts' answers, which
//! can be wrong in every way, into facts.
//!
//! A cell carries its own history: its number, and the ids of the replacements that led to it. A writer that built on
//! number `b` finds out what became of its replacement by looking, through a fresh handle, at who made `b + 1`.

use super::mutation::Mutation;
use super::records::Records;
use crate::codec::{Reader, Writer};
use crate::error::{Code, Error, Result};
use crate::seal::{Purpose, corrupt};
use crate::store::{CompareAndSwap, Swap};
use alloc::boxed::Box;
use alloc::vec::Vec;

/// Names one replacement. 64 random bits: two writers that build on the same number must not draw the same.
pub type CommitId = [u8; 8];

/// How often the same bytes are swapped in, and how often a read-back that shows too old a state is repeated.
const SWAPS_MAX: u32 = 4;
const READ_BACKS_MAX: u32 = 3;

/// The state of a record that is replaced in place.
pub trait Cell: Sized {
    const PURPOSE: Purpose;
    fn history(&self) -> &History;
    fn encode(&self) -> Vec<u8>;
    fn decode(bytes: &[u8]) -> Option<Self>;
}

/// The number of a cell's state and the ids of the replacements up to it.
#[derive(Clone)]
pub struct History {
    /// 1 for the first state, one more with each replacement.
    pub seq: u64,
    /// Oldest first; the last is the one that made `seq`.
    commits: Vec<CommitId>,
}

impl History {
    pub fn new(commit: CommitId) -> Self {
        Self { seq: 1, commits: Vec::from([commit]) }
    }

    /// Adds a replacement and forgets all but the last `remembered`.
    pub fn advance(&mut self, commit: CommitId, remembered: usize) {
        self.seq += 1;
        self.commits.push(commit);
        let excess = self.commits.len().saturating_sub(remembered);
        self.commits.drain(..excess);
    }

    /// Who made this number; `None` when it lies too far back or has not happened.
    pub fn commit_at(&self, seq: u64) -> Option<CommitId> {
        let back = usize::try_from(self.seq.checked_sub(seq)?).ok()?;
        self.commits.iter().rev().nth(back).copied()
    }

    pub fn encode(&self, writer: &mut Writer) {
        writer.u64(self.seq);
        writer.u16(self.commits.len() as u16);
        for commit in &self.commits {
            writer.raw(commit);
        }
    }

    pub fn decode(reader: &mut Reader) -> Option<Self> {
        let seq = reader.u64()?;
        let commits = (0..reader.u16()?).map(|_| reader.array()).collect::<Option<_>>()?;
        Some(Self { seq, commits })
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
        Ok(Some(Found { state: self.open_cell(key, &bytes)?, bytes, handle }))
    }

    pub fn open_cell<C: Cell>(&self, key: &str, bytes: &[u8]) -> Result<C> {
        let plain = self.sealer.open(C::PURPOSE, &[key.as_bytes()], bytes)?;
        C::decode(plain.expose()).ok_or_else(|| corrupt(C::PURPOSE))
    }

    /// Replaces what was found by `next`, whose last replacement is `commit`.
    ///
    /// Errors: [`Code::OutcomeUnknown`]: the store does not tell, and the replacement may even happen later. The caller
    /// must not delete anything it refers to and must not try again by itself.
    pub fn replace<C: Cell>(
        &self,
        key: &str,
        found: Found<'a, C>,
        next: &C,
        commit: CommitId,
    ) -> Result<Replaced<'a, C>> {
        let bytes = self.seal(C::PURPOSE, key, &next.encode())?;
        let (base, seq) = (found.bytes, found.state.history().seq);
        let mut handle = found.handle;
        for _ in 0..SWAPS_MAX {
            let is_plain = !self.platform.store.has_atomics() || Mutation::SetInsteadOfSwap.is_on();
            let answer = match handle.take() {
                Some(handle) if !is_plain => handle.swap(&bytes),
                _ if is_plain => self.platform.store.set(key, &bytes).map(|()| Swap::Stored),
                _ => return Err(outcome_unknown()),
            };
            // The answer decides nothing: hosts report failures that were written and successes that were lost.
            if Mutation::SkipReadBack.is_on() && answer == Ok(Swap::Stored) {
                return Ok(Replaced::Done);
            }
            let seen = self.read_back::<C>(key, seq).ok_or_else(outcome_unknown)?;
            if Mutation::TrustConflict.is_on() && answer == Ok(Swap::Conflict)
                || Mutation::NewCommitIdOnRetry.is_on() && seen.bytes == base
            {
                return Ok(Replaced::Lost(seen));
            }
            if seen.state.history().seq > seq {
                return match seen.state.history().commit_at(seq + 1) {
                    Some(made) if made == commit => Ok(Replaced::Done),
                    Some(_) => Ok(Replaced::Lost(seen)),
                    None if Mutation::RebaseWhenForgotten.is_on() => Ok(Replaced::Lost(seen)),
                    None => Err(outcome_unknown()),
                };
            }
            if seen.bytes != base {
                return Err(outcome_unknown());
            }
            handle = if Mutation::SwapWithoutCurrent.is_on() {
                self.platform.store.compare_and_swap(key).ok()
            } else {
                seen.handle
            };
        }
        Err(outcome_unknown())
    }

    /// The first state through a fresh handle that is not older than `seq`.
    fn read_back<C: Cell>(&self, key: &str, seq: u64) -> Option<Found<'a, C>> {
        if Mutation::ReadBackByGet.is_on() {
            let bytes = self.platform.store.get(key).ok()??;
            let handle = self.current::<C>(key).ok()??.handle;
            return Some(Found { state: self.open_cell(key, &bytes).ok()?, bytes, handle });
        }
        (0..READ_BACKS_MAX).find_map(|_| self.current::<C>(key).ok().flatten().filter(|f| f.state.history().seq >= seq))
    }

    /// Creates a cell under a key that nobody else writes: swap from absent, then read back.
    ///
    /// Returns the state that is there afterwards, which can be another one's.
    pub fn create_cell<C: Cell>(&self, key: &str, first: &C) -> Result<Found<'a, C>> {
        let bytes = self.seal(C::PURPOSE, key, &first.encode())?;
        let store = self.platform.store;
        for _ in 0..SWAPS_MAX {
            if !store.has_atomics() || Mutation::SetFirstRoot.is_on() {
                let _ = store.set(key, &bytes);
            } else if let Ok(mut handle) = store.compare_and_swap(key)
                && let Ok(None) = handle.current()
            {
                let _ = handle.swap(&bytes);
            }
            if let Ok(Some(found)) = self.current(key) {
                return Ok(found);
            }
        }
        Err(outcome_unknown())
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
        assert_eq!((history.commit_at(0), history.commit_at(1), history.commit_at(2)), (None, Some([1; 8]), None));
        for n in 0..256u64 {
            history.advance(n.to_le_bytes(), 256);
        }
        assert_eq!(history.commit_at(1), None);
        assert_eq!(history.commit_at(2), Some(0u64.to_le_bytes()));
        assert_eq!(history.commit_at(history.seq), Some(255u64.to_le_bytes()));
    }
}
