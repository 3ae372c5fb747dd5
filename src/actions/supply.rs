//! `supply`: releases the values for the page of an origin. For the host side of a login flow only.

use super::Vault;
use super::stored::Stored;
use super::totp_code::{CodeOptions, code};
use crate::credential::{Domain, Selector, Values};
use crate::error::Result;
use crate::totp::OneTimeCode;
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
    let selector = Selector::parse(id_or_name)?;
    let origin = vault.origin(origin)?;
    vault.catalog.read(|snapshot| {
        let stored = Stored::find(vault, snapshot, &selector)?;
        origin.check([Domain::parse(&stored.domain)?].iter())?;
        let values = stored.values(|record| snapshot.record(record))?;
        // Last: a code that is claimed must not be lost to another error.
        let totp = match stored.totp(vault.sealer)? {
            Some(totp) => Some(code(vault, &stored, &totp, options)?),
            None => None,
        };
        Ok(Supplied { id: stored.id.to_text(), name: stored.name, values, sso_provider: stored.sso_provider, totp })
    })
}
