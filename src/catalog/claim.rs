//! Exclusive one-time codes: a time step's code goes to one caller only.
//!
//! One small cell per credential with a TOTP secret, written before the commit that installs the secret. The same rule
//! as for the root decides who got a step; an unclear outcome means no code. Steps only grow, so a clock that is set
//! back gives no step twice.

use super::cell::{Cell, CommitId, Found, History, Replaced};
use super::fault::Fault;
use super::mutation::Mutation;
use super::record::{Kind, RecordRef};
use super::records::Records;
use crate::codec::{Reader, Writer};
use crate::error::{Code, Error, Result};
use crate::platform::Random;
use crate::seal::{Purpose, Sealer, corrupt};
use crate::store::StoreError;
use alloc::vec::Vec;

/// How many claims back a caller can find out what became of its own.
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
    /// A step far ahead was given out already.
    ClockBehind,
}

/// Which steps were given out.
#[derive(Clone)]
struct Claims {
    seq: u64,
    history: History,
    /// The newest step that was given to anybody.
    last_step: u64,
}

impl Claims {
    fn new(id: CommitId) -> Self {
        Self { seq: 1, history: History::new(id), last_step: 0 }
    }

    fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.u64(self.seq);
        self.history.encode(&mut writer);
        writer.u64(self.last_step);
        writer.bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let (seq, history) = (reader.u64()?, History::decode(&mut reader)?);
        let claims = Self { seq, history, last_step: reader.u64()? };
        reader.end()?;
        Some(claims)
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
        self.create_cell(&self.keys.record(record), &first)
            .map_err(|_| Error::from(StoreError::Other("a claim record could not be made".into())))?;
        Ok(())
    }

    /// The size of a claim record; it must open.
    pub fn claim_bytes(&self, record: RecordRef) -> Result<u64, Fault> {
        Ok(self.claims(record)?.state.encode().len() as u64)
    }

    /// Claims a time step. Errors: [`Code::OutcomeUnknown`], [`Code::Contended`] (both: no code), and those of the store.
    pub fn claim(&self, record: RecordRef, step: u64) -> Result<Claim, Fault> {
        let key = self.keys.record(record);
        let mut found = self.claims(record)?;
        for _ in 0..=REBASES_MAX {
            let last_step = found.state.last_step;
            if last_step > step.saturating_add(STEPS_AHEAD_MAX) {
                return Ok(Claim::ClockBehind);
            }
            if last_step >= step {
                return Ok(Claim::Taken { next_step: last_step + 1 });
            }
            let id = self.random()?;
            let mut next = Claims { last_step: step, seq: found.state.seq + 1, ..found.state.clone() };
            next.history.advance(id, CLAIMS_REMEMBERED);
            let replaced = self.replace(&key, found, &next, id);
            if replaced.is_err() && Mutation::CodeOnUnclearClaim.is_on() {
                return Ok(Claim::Granted);
            }
            match replaced? {
                Replaced::Done => return Ok(Claim::Granted),
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
