//! `totp_code`: the current one-time code. Reads neither the body nor any value.

use super::audit::Outcome;
use super::indexes::find;
use super::stored::Stored;
use super::{Action, Vault};
use crate::catalog::{Claim, Fault, RecordRef};
use crate::credential::Selector;
use crate::error::{Code, Error, Result};
use crate::time::Timestamp;
use crate::totp::{OneTimeCode, Totp};

/// What `min_valid_seconds` must be.
pub const MIN_VALID_RULE: &str = "a whole number from 0 to the period minus 1";

/// Wishes about a code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CodeOptions {
    /// Least remaining life in seconds: 0 to the period minus 1.
    pub min_valid_seconds: i64,
    /// Each time step's code goes to one exclusive caller only.
    pub exclusive: bool,
}

/// The current code.
///
/// Errors: [`Code::BadRequest`], [`Code::NotFound`], [`Code::Archived`], [`Code::TotpNotConfigured`], [`Code::ClockUnset`],
/// [`Code::CodeExpiring`], those of a read; if exclusive also [`Code::CodeTaken`], [`Code::ClockBehind`],
/// [`Code::NotSupported`], [`Code::Contended`], [`Code::OutcomeUnknown`].
pub fn totp_code(vault: &Vault<'_>, id_or_name: &str, options: CodeOptions) -> Result<OneTimeCode> {
    let selector = Selector::parse(id_or_name)?;
    let (stored, code) = vault.catalog.read(|snapshot| {
        let stored = find(vault, snapshot, &selector)?;
        check_in_use(&stored)?;
        let totp = stored.totp(vault.sealer)?.ok_or_else(not_configured)?;
        let code = code(vault, &stored, &totp, options)?;
        Ok((stored, code))
    })?;
    vault.record_use(Action::TotpCode, &stored, Outcome::Done)?;
    Ok(code)
}

pub(super) fn not_configured() -> Error {
    Error::new(Code::TotpNotConfigured, "the credential has no totp_secret")
}

/// Errors: [`Code::Archived`].
pub(super) fn check_in_use(stored: &Stored) -> Result<()> {
    if stored.is_archived {
        return Err(Error::new(Code::Archived, "the credential is archived: it gives no codes and no values"));
    }
    Ok(())
}

/// The current code of a credential that was found, within the caller's wishes.
pub(super) fn code(
    vault: &Vault<'_>,
    stored: &Stored,
    totp: &Totp,
    options: CodeOptions,
) -> Result<OneTimeCode, Fault> {
    let code = fresh_enough(vault, totp, options)?;
    if !options.exclusive {
        return Ok(code);
    }
    // What can't be recorded is not given, and must use nothing up.
    vault.records_uses()?;
    claim(vault, stored, &code)?;
    // The claim may have taken its time. What it got is used up, whether or not it still lives.
    let now = fresh_enough(vault, totp, options)?;
    if now.step != code.step {
        return Err(expiring(vault, &now).into());
    }
    Ok(now)
}

/// The current code, if it lives long enough.
fn fresh_enough(vault: &Vault<'_>, totp: &Totp, options: CodeOptions) -> Result<OneTimeCode> {
    let code = totp.code_at(vault.now())?;
    let min_valid = u16::try_from(options.min_valid_seconds).ok().filter(|&seconds| seconds < code.period);
    let Some(min_valid) = min_valid else {
        return Err(Error::must_be("min_valid_seconds", MIN_VALID_RULE));
    };
    if code.valid_for_seconds < min_valid { Err(expiring(vault, &code)) } else { Ok(code) }
}

fn expiring(vault: &Vault<'_>, code: &OneTimeCode) -> Error {
    Error::new(Code::CodeExpiring, "the current code has less life left than min_valid_seconds")
        .retry_after(seconds_until(vault.now(), code.expires_at))
}

fn claim(vault: &Vault<'_>, stored: &Stored, code: &OneTimeCode) -> Result<(), Fault> {
    let (error, next_step) = match vault.catalog.claim(claim_record(vault, stored)?, code.step)? {
        Claim::Granted => return Ok(()),
        Claim::Taken { next_step } => {
            (Error::new(Code::CodeTaken, "an exclusive caller already got the code of this time step"), next_step)
        }
        Claim::ClockBehind { next_step } => {
            let message = "an exclusive caller already got a code of more than two time steps ahead: this clock runs \
                           behind, or another one ran ahead, after which reset_exclusive (scope admin; on the command \
                           line: strongroom reset-exclusive) makes codes available again";
            (Error::new(Code::ClockBehind, message), next_step)
        }
    };
    Err(error.retry_after(seconds_until(vault.now(), step_begins(next_step, code.period))).into())
}

/// The record in which time steps are claimed. Errors: [`Code::NotSupported`].
pub(super) fn claim_record(vault: &Vault<'_>, stored: &Stored) -> Result<RecordRef> {
    // A secret that was stored by a build without compare-and-swap has no claim record.
    stored
        .claim
        .filter(|_| vault.platform.store.has_atomics())
        .ok_or_else(|| Error::new(Code::NotSupported, "exclusive needs a key-value store with compare-and-swap"))
}

pub(super) fn step_begins(step: u64, period: u16) -> Timestamp {
    Timestamp::from_seconds(step.saturating_mul(u64::from(period)))
}

/// Whole seconds, rounded up and at least 1.
fn seconds_until(now: Timestamp, then: Timestamp) -> u32 {
    u32::try_from(then.0.saturating_sub(now.0).div_ceil(1000)).unwrap_or(u32::MAX).max(1)
}
