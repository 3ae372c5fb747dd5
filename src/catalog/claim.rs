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
use crate::error::{Code, Error};
use crate::seal::Purpose;
use crate::secret::SecretBytes;
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
pub(super) struct Claims {
    history: History,
    /// The newest step that was given to anybody.
    last_step: u64,
}

impl Cell for Claims {
    const PURPOSE: Purpose = Purpose::Claim;

    fn history(&self) -> &History {
        &self.history
    }

    fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        self.history.encode(&mut writer);
        writer.u64(self.last_step);
        writer.bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let claims = Self { history: History::decode(&mut reader)?, last_step: reader.u64()? };
        reader.end()?;
        Some(claims)
    }
}

/// The first state of a claim record: no step was given out.
pub fn unclaimed(id: CommitId) -> SecretBytes {
    SecretBytes::new(Claims { history: History::new(id), last_step: 0 }.encode())
}

/// Writes a claim record that nobody knows of yet.
pub(super) fn create(records: &Records<'_>, record: RecordRef, plaintext: &[u8]) -> Result<(), Fault> {
    let first = Claims::decode(plaintext).ok_or_else(|| Fault::corrupt(Purpose::Claim))?;
    // Nothing refers to the record yet: if it is not there, nothing happened.
    records
        .create_cell(&records.keys.record(record), &first)
        .map_err(|_| Error::from(StoreError::Other("a claim record could not be made".into())))?;
    Ok(())
}

/// Claims a time step. Errors: [`Code::OutcomeUnknown`], [`Code::Contended`] (both: no code), and those of the store.
pub(super) fn claim(records: &Records<'_>, record: RecordRef, step: u64) -> Result<Claim, Fault> {
    let key = records.keys.record(record);
    let mut found: Found<'_, Claims> = records.current(&key)?.ok_or(Fault::Missing(Kind::Claim))?;
    for _ in 0..=REBASES_MAX {
        let last_step = found.state.last_step;
        if last_step > step + STEPS_AHEAD_MAX {
            return Ok(Claim::ClockBehind);
        }
        if last_step >= step {
            return Ok(Claim::Taken { next_step: last_step + 1 });
        }
        let id = records.fresh_commit_id()?;
        let mut next = Claims { history: found.state.history.clone(), last_step: step };
        next.history.advance(id, CLAIMS_REMEMBERED);
        let replaced = records.replace(&key, found, &next, id);
        if replaced.is_err() && Mutation::CodeOnUnclearClaim.is_on() {
            return Ok(Claim::Granted);
        }
        match replaced? {
            Replaced::Done => return Ok(Claim::Granted),
            Replaced::Lost(seen) => found = seen,
        }
    }
    Err(Error::new(Code::Contended, "too many callers claim codes of this credential at once").retry_after(1).into())
}
