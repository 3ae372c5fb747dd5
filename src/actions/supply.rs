//! `supply`: releases the values for the page of an origin. For the host side of a login flow only.

use super::audit::Outcome;
use super::indexes::find;
use super::stored::Stored;
use super::totp_code::{CodeOptions, check_in_use, code};
use super::{Action, Vault};
use crate::catalog::{Fault, Snapshot};
use crate::credential::{Selector, Values};
use crate::error::Result;
use crate::totp::OneTimeCode;
use alloc::borrow::ToOwned;
use alloc::string::String;

/// What a login form needs.
pub struct Supplied {
    pub id: String,
    pub name: String,
    pub values: Values,
    pub sso_provider: Option<String>,
    /// The current code, when there is a TOTP secret. The secret itself never leaves.
    pub totp: Option<OneTimeCode>,
}

/// Releases a credential's values, if the origin may have them.
///
/// Errors: [`Code::OriginRefused`](crate::error::Code::OriginRefused) with the rule that refused, and those of
/// [`super::totp_code()`] but for the missing secret.
pub fn supply(vault: &Vault<'_>, id_or_name: &str, origin: &str, options: CodeOptions) -> Result<Supplied> {
    let (stored, supplied) = release(vault, id_or_name, origin, options, |_, _| Ok(()))?;
    let outcome = supplied.as_ref().map_or_else(|error| Outcome::Refused(error.code()), |_| Outcome::Done);
    vault.record_use(Action::Supply, &stored, outcome)?;
    supplied
}

/// What [`supply`] does, unrecorded: the credential, and what of it the origin may have. `check` comes before all that
/// could tell of the credential.
pub(super) fn release(
    vault: &Vault<'_>,
    id_or_name: &str,
    origin: &str,
    options: CodeOptions,
    check: impl Fn(&Snapshot<'_>, &Stored) -> Result<(), Fault>,
) -> Result<(Stored, Result<Supplied>)> {
    let selector = Selector::parse(id_or_name)?;
    let origin = vault.origin(origin)?;
    vault.catalog.read(|snapshot| {
        let stored = find(vault, snapshot, &selector)?;
        check(snapshot, &stored)?;
        if let Err(refusal) = check_in_use(&stored).and_then(|()| origin.check(stored.hosts())) {
            return Ok((stored, Err(refusal)));
        }
        let values = stored.values(|record| snapshot.record(record))?;
        // Last: a code that is claimed must not be lost to another error.
        let totp = match stored.totp(vault.sealer)? {
            Some(totp) => Some(code(vault, &stored, &totp, options)?),
            None => None,
        };
        let supplied = Supplied {
            id: stored.id.to_text(),
            name: stored.name.as_str().to_owned(),
            values,
            sso_provider: stored.sso_provider.as_ref().map(|provider| provider.as_str().to_owned()),
            totp,
        };
        Ok((stored, Ok(supplied)))
    })
}
