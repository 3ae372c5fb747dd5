//! Exclusive one-time codes: a time step's code goes to one caller only.
//!
//! One small cell per credential with a TOTP secret, written before the commit that installs the secret. The same rule
//! as for the root decides who got a step; an unclear outcome means no code. Steps only grow, so a clock that is set
//! back gives no step twice. After a clock that was far ahead, a reset makes the steps of now available again; the steps
//! that were given lately are remembered one by one, so that it gives none of them twice, whatever the clocks say.

use super::cell::{Cell, CommitId, Found, History, Replaced};
use super::fault::Fault;
use super::mutation::Mutation;
use super::record::{Kind, RecordRef};
use super::records::Records;
use crate::codec::{Reader, Writer};
use crate::error::{Code, Error, Result};
use crate::platform::Random;
use crate::seal::{Purpose, Sealer, corrupt};
use alloc::vec::Vec;

/// How many claims back a caller can find out what became of its own, and how many given steps outlive a reset.
const CLAIMS_REMEMBERED: usize = 64;
/// Tries before giving way to other callers.
const REBASES_MAX: u32 = 16;
/// How far a claimed step may lie ahead before the clock counts as wrong: clocks of hosts differ by a little.
const STEPS_AHEAD_MAX: u64 = 2;

/// The answer to a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The step is the caller's alone.
    Granted,
    /// Another caller has it; the first step that can be had is this one.
    Taken { next_step: u64 },
    /// A step far ahead was given out already; the first step that can be had is this one.
    ClockBehind { next_step: u64 },
}

/// Which steps were given out.
#[derive(Clone)]
struct Claims {
    seq: u64,
    history: History,
    /// The newest step that was given since the last reset: with all before it, it is used up.
    last_step: u64,
    /// The latest steps that were given, and the highest ones, whenever that was; in the order of giving. After a clock
    /// that was far ahead these are others.
    given: Vec<u64>,
}

impl Claims {
    fn new(id: CommitId) -> Self {
        Self { seq: 1, history: History::new(id), last_step: 0, given: Vec::new() }
    }

    /// The first step from this one on that nobody was given.
    fn first_free(&self, step: u64) -> u64 {
        let mut free = step.max(self.last_step + 1);
        while self.given.contains(&free) {
            free += 1;
        }
        free
    }

    /// The state in which this step is the newest that was given.
    fn with_given(&self, id: CommitId, step: u64) -> Self {
        let mut next = self.with_last_step(id, step);
        next.given.push(step);
        let given = &next.given;
        let is_high = |step: &u64| given.iter().filter(|other| *other > step).count() < CLAIMS_REMEMBERED;
        let earlier = given.len().saturating_sub(CLAIMS_REMEMBERED);
        let kept = given.iter().enumerate().filter(|(at, step)| *at >= earlier || is_high(step));
        next.given = kept.map(|(_, step)| *step).collect();
        next
    }

    fn with_last_step(&self, id: CommitId, last_step: u64) -> Self {
        let mut next = Self { seq: self.seq + 1, last_step, ..self.clone() };
        next.history.advance(id, CLAIMS_REMEMBERED);
        next
    }

    fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.u64(self.seq);
        self.history.encode(&mut writer);
        writer.u64(self.last_step);
        self.given.iter().for_each(|step| writer.number(*step));
        writer.bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let (seq, history) = (reader.u64()?, History::decode(&mut reader)?);
        let mut claims = Self { seq, history, last_step: reader.u64()?, given: Vec::new() };
        while !reader.is_empty() {
            claims.given.push(reader.number()?);
        }
        // There has to be a next one.
        let has_next = claims.seq < u64::MAX && claims.last_step < u64::MAX && !claims.given.contains(&u64::MAX);
        has_next.then_some(claims)
    }
}

impl Cell for Claims {
    fn seal(&self, sealer: &Sealer, random: &dyn Random, key: &str) -> Result<Vec<u8>> {
        sealer.seal(random, Purpose::Claim, &[key.as_bytes()], &self.encode())
    }

    fn open(sealer: &Sealer, key: &str, bytes: &[u8]) -> Result<Self> {
        let plain = sealer.open(Purpose::Claim, &[key.as_bytes()], bytes)?;
        Self::decode(plain.expose()).ok_or_else(|| corrupt(Purpose::Claim))
    }

    fn seq(&self) -> u64 {
        self.seq
    }

    fn commit_at(&self, seq: u64) -> Result<Option<CommitId>> {
        Ok(self.seq.checked_sub(seq).and_then(|back| self.history.back(back)))
    }
}

impl Records<'_> {
    /// Writes a claim record that nobody knows of yet: no step was given out.
    pub fn create_claim(&self, record: RecordRef) -> Result<()> {
        let first = Claims::new(self.random()?);
        // Nothing refers to the record yet: if it is not there, nothing happened.
        self.create_cell(&self.keys.record(record), &first)??;
        Ok(())
    }

    /// The size of a claim record; it must open.
    pub fn claim_bytes(&self, record: RecordRef) -> Result<u64, Fault> {
        Ok(self.claims(record)?.state.encode().len() as u64)
    }

    /// Claims a time step. Errors: [`Code::OutcomeUnknown`], [`Code::Contended`] (both: no code), and those of the store.
    pub fn claim(&self, record: RecordRef, step: u64) -> Result<Claim, Fault> {
        self.replace_claims(record, &mut |claims, id| {
            let next_step = claims.first_free(step);
            if claims.last_step > step.saturating_add(STEPS_AHEAD_MAX) {
                return (Claim::ClockBehind { next_step }, None);
            }
            if next_step > step {
                return (Claim::Taken { next_step }, None);
            }
            (Claim::Granted, Some(claims.with_given(id, step)))
        })
    }

    /// Makes this step the newest that counts as given, if later ones were; returns the first one that can be had.
    /// Errors: those of a claim.
    pub fn reset_claim(&self, record: RecordRef, step: u64) -> Result<u64, Fault> {
        self.replace_claims(record, &mut |claims, id| {
            if claims.last_step <= step {
                return (claims.first_free(step), None);
            }
            let reset = claims.with_last_step(id, step);
            (reset.first_free(step), Some(reset))
        })
    }

    /// Counts this time step, and all before it, as given. Errors: those of a claim.
    pub fn use_up(&self, record: RecordRef, step: u64) -> Result<(), Fault> {
        self.replace_claims(record, &mut |claims, id| {
            ((), (claims.last_step < step).then(|| claims.with_given(id, step)))
        })
    }

    /// Seals the record anew with what it holds; false if it is sealed as it would be now. Errors: those of a claim.
    pub fn rewrap_claim(&self, record: RecordRef) -> Result<bool, Fault> {
        if Mutation::RewrapForgetsClaims.is_on() || self.sealer.is_current(&self.claims(record)?.bytes) {
            return Ok(false);
        }
        let same = &mut |claims: &Claims, id| ((), Some(claims.with_last_step(id, claims.last_step)));
        self.replace_claims(record, same)?;
        Ok(true)
    }

    /// Replaces the state by what `change` makes of it, again when another one came first; nothing where it makes
    /// nothing of it.
    fn replace_claims<T>(
        &self,
        record: RecordRef,
        change: &mut dyn FnMut(&Claims, CommitId) -> (T, Option<Claims>),
    ) -> Result<T, Fault> {
        let key = self.keys.record(record);
        let mut found = self.claims(record)?;
        for _ in 0..=REBASES_MAX {
            let id = self.random()?;
            let (answer, next) = change(&found.state, id);
            let Some(next) = next else { return Ok(answer) };
            let replaced = self.replace(&key, found, &next, id);
            if replaced.is_err() && Mutation::CodeOnUnclearClaim.is_on() {
                return Ok(answer);
            }
            match replaced? {
                Replaced::Done => return Ok(answer),
                Replaced::Lost(seen) => found = seen,
            }
        }
        Err(Error::new(Code::Contended, "too many callers claim codes of this credential at once")
            .retry_after(1)
            .into())
    }

    fn claims(&self, record: RecordRef) -> Result<Found<'_, Claims>, Fault> {
        self.current(&self.keys.record(record))?.ok_or(Fault::Missing(Kind::Claim))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(last_step: u64, given: &[u64]) -> Claims {
        Claims { last_step, given: given.to_vec(), ..Claims::new([1; 8]) }
    }

    #[test]
    fn the_latest_steps_and_the_highest_are_remembered() {
        let mut claims = claims(0, &[]);
        // As many as are remembered by a clock far ahead, and then some after a reset.
        let remembered = CLAIMS_REMEMBERED as u64;
        let ahead = (1..=remembered + 10).map(|step| 90_000_000 + step);
        for step in ahead.chain((1..=remembered + 10).map(|step| 60_000_000 + step)) {
            claims = claims.with_given([2; 8], step);
        }
        let highest = (11..=remembered + 10).map(|step| 90_000_000 + step);
        let latest = (11..=remembered + 10).map(|step| 60_000_000 + step);
        assert_eq!(claims.given, highest.chain(latest).collect::<Vec<_>>());
        let read = Claims::decode(&claims.encode()).unwrap();
        assert_eq!((read.last_step, &read.given), (60_000_074, &claims.given));
        assert_eq!(read.history.back(0), Some([2; 8]));
    }

    #[test]
    fn the_first_free_step_is_none_that_was_given() {
        for (last_step, given, step, free) in
            [(0, &[][..], 5, 5), (5, &[5], 5, 6), (5, &[5], 3, 6), (5, &[5, 6, 8], 5, 7), (5, &[5, 6, 8], 8, 9)]
        {
            assert_eq!(claims(last_step, given).first_free(step), free, "{last_step} {given:?} {step}");
        }
    }

    #[test]
    fn a_record_of_before_the_steps_were_remembered_opens() {
        let bytes = claims(7, &[]).encode();
        assert_eq!(Claims::decode(&bytes).unwrap().last_step, 7);
        assert!(Claims::decode(&bytes[..bytes.len() - 1]).is_none());
    }
}
