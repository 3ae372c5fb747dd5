//! `reset_exclusive`: makes exclusive codes of a credential available again after a clock was far ahead. A code that it
//! gave out then blocks all exclusive callers until its time step is reached.

use super::indexes::find;
use super::totp_code::{claim_record, not_configured, step_begins};
use super::{Action, Vault};
use crate::catalog::{Fault, Snapshot};
use crate::credential::Selector;
#[allow(unused_imports, reason = "for the documentation")]
use crate::error::Code;
use crate::error::Result;
use crate::time::Timestamp;

/// Makes the current time step the newest that counts as given, if later ones were; returns when the first one begins
/// that can be had. None of the 64 latest steps that were ever given is given twice, whatever this clock says.
///
/// Errors: [`Code::BadRequest`], [`Code::NotFound`], [`Code::TotpNotConfigured`], [`Code::ClockUnset`],
/// [`Code::NotSupported`], [`Code::Contended`], [`Code::OutcomeUnknown`], those of a read.
pub fn reset_exclusive(vault: &Vault<'_>, id_or_name: &str) -> Result<Timestamp> {
    let selector = Selector::parse(id_or_name)?;
    let found = |snapshot: &Snapshot<'_>, selector: &Selector| -> Result<_, Fault> {
        let stored = find(vault, snapshot, selector)?;
        let totp = stored.totp(vault.sealer)?.ok_or_else(not_configured)?;
        let step = totp.code_at(vault.now())?.step;
        Ok((claim_record(vault, &stored)?, step, totp.settings().period(), stored))
    };
    let (.., stored) = vault.catalog.read(|snapshot| found(snapshot, &selector))?;
    vault.record_upkeep(Action::ResetExclusive, &stored)?;
    // The same one, whatever has the name by now.
    let selector = Selector::Id(stored.id);
    vault.catalog.read(|snapshot| {
        let (record, step, period, _) = found(snapshot, &selector)?;
        Ok(step_begins(vault.catalog.reset_claim(record, step)?, period))
    })
}
