//! Putting a changed credential in the place of the old one: what `update`, `put` and `restore` have in common.

use super::change::Change;
use super::create::new_claim;
use super::stored::Stored;
use super::{Action, Vault, history, indexes};
use crate::access::Scope;
use crate::catalog::{Fault, RecordRef};
use crate::credential::Values;
use crate::error::{Code, Error, Result};
use crate::origin::Origin;
use crate::totp::Totp;

/// The secrets that a change gives; `None`: they stay.
pub struct Secrets<'s> {
    pub values: Option<&'s Values>,
    /// `Some(None)`: without one.
    pub totp: Option<Option<&'s Totp>>,
    /// A claim record that the changed credential takes over, if it has none and its time steps are those of the record.
    pub claim: Option<RecordRef>,
}

/// Puts `new` in the place of `old`, with the secrets that are given. When that changes nothing, nothing is written, and
/// version and time stay.
pub fn replace_if_changed(
    vault: &Vault<'_>,
    change: &mut Change<'_, '_>,
    action: Action,
    old: Stored,
    mut new: Stored,
    secrets: Secrets<'_>,
) -> Result<Stored, Fault> {
    let old_totp = old.totp(vault.sealer)?;
    let totp_changes = secrets.totp.is_some_and(|totp| totp != old_totp.as_ref());
    if secrets.values.is_none() && !totp_changes && has_same_metadata(&old, &new) {
        return Ok(old);
    }
    if let Some(values) = secrets.values {
        new.set_values(values, |body| change.add_body(body))?;
    }
    if secrets.values.is_some() || totp_changes {
        let totp = secrets.totp.unwrap_or(old_totp.as_ref());
        new.set_totp(vault.sealer, vault.platform.random, totp)?;
    }
    // A credential keeps its claim record as long as its time steps are the same: setting a secret once more must not
    // give a step out once more.
    if totp_changes && (old.claim.is_none() || new.period() != old.period()) {
        new.claim = match secrets.claim {
            Some(claim) if new.totp.is_some() => Some(claim),
            _ => new_claim(vault, change, &new)?,
        };
    }
    new.version = old.version + 1;
    new.updated_at = vault.now().max(old.updated_at);
    // What comes from now on is no repetition of the request that created it.
    new.stamp = None;
    new.ended_at = None;
    history::keep(vault, change, &old, &new)?;
    indexes::replace(&new, &old, change)?;
    change.note(action, &new);
    Ok(new)
}

fn has_same_metadata(old: &Stored, new: &Stored) -> bool {
    (&old.name, &old.domain, &old.additional_domains, &old.description)
        == (&new.name, &new.domain, &new.additional_domains, &new.description)
        && (&old.metadata, &old.sso_provider, old.is_archived) == (&new.metadata, &new.sso_provider, new.is_archived)
}

/// Values that are stored may go where they could go before, and nowhere else, unless whoever changes that may have them
/// released anyway. Without this, the right to write and somebody else's login flow together would release a password to
/// a site of the writer's choice.
///
/// Errors: [`Code::Forbidden`].
pub fn check_reach(vault: &Vault<'_>, old: &Stored, new: &Stored) -> Result<()> {
    let scopes = vault.principal.scopes;
    let has_secrets = old.body.is_some() || old.totp.is_some();
    if !has_secrets || scopes.contains(Scope::Supply) || scopes.contains(Scope::Admin) {
        return Ok(());
    }
    if new.hosts().any(|host| !old.hosts().any(|known| Origin::of(host).check(core::iter::once(known)).is_ok())) {
        return Err(Error::new(
            Code::Forbidden,
            "a domain to which stored values could not go before needs them given anew (put), or a caller with the \
             scope supply or admin",
        ));
    }
    check_switch(vault, old.is_archived, new.is_archived)
}

/// What was switched off is switched on by whoever may have its values released.
///
/// Errors: [`Code::Forbidden`].
pub fn check_switch(vault: &Vault<'_>, was_archived: bool, is_archived: bool) -> Result<()> {
    let scopes = vault.principal.scopes;
    if !was_archived || is_archived || scopes.contains(Scope::Supply) || scopes.contains(Scope::Admin) {
        return Ok(());
    }
    Err(Error::new(
        Code::Forbidden,
        "a credential that was switched off is switched on by a caller with the scope supply or admin",
    ))
}

/// The condition of a change on the version. Errors: [`Code::PreconditionFailed`].
pub fn check_version(stored: &Stored, expected: Option<u64>) -> Result<()> {
    if expected.is_none_or(|expected| expected == stored.version) {
        return Ok(());
    }
    Err(Error::new(Code::PreconditionFailed, "the credential has another version than the expected one"))
}
