//! `restore`: makes a version current again, or brings back what was deleted. Values and sites come back together, as they
//! were in one version: so nothing is released where it could not go then.

use super::change::Change;
use super::indexes::{add, find_by_name, find_to_change};
use super::replace::{Secrets, check_switch, replace_if_changed};
use super::stored::Stored;
use super::{Action, CredentialView, Vault, history, trash};
use crate::catalog::mutation::Mutation;
use crate::catalog::{Fault, Index};
use crate::credential::{Domain, Selector};
use crate::error::{Code, Error, Result};

/// Restores a credential: with `version` that version of it, whether or not it was deleted; without, what was deleted.
/// The result is a new version.
///
/// Errors: [`Code::BadRequest`], [`Code::NotFound`], [`Code::NameTaken`] when another credential has the name by now,
/// [`Code::PreconditionFailed`] when `expected_version` is not the current one, [`Code::Forbidden`] for a restricted
/// principal, those of a commit.
pub fn restore(
    vault: &Vault<'_>,
    id_or_name: &str,
    version: Option<u64>,
    expected_version: Option<u64>,
) -> Result<CredentialView> {
    let selector = Selector::parse(id_or_name)?;
    vault.check_conditional(expected_version.is_some())?;
    let stored = vault.change(|change| {
        let current = match find_to_change(vault, change, &selector) {
            Err(Fault::Error(error)) if error.code() == Code::NotFound => {
                let deleted = bring_back(vault, change, &selector, expected_version, error)?;
                return match version.filter(|version| *version != deleted.version - 1) {
                    None => Ok(deleted),
                    Some(version) => make_current(vault, change, deleted, version),
                };
            }
            found => found?,
        };
        super::replace::check_version(&current, expected_version)?;
        let Some(version) = version else {
            return Err(Error::bad_request("version is required for a credential that was not deleted").into());
        };
        make_current(vault, change, current, version)
    })?;
    Ok(CredentialView::single(stored, None))
}

/// Takes a credential out of the trash, as a new version.
fn bring_back(
    vault: &Vault<'_>,
    change: &mut Change<'_, '_>,
    selector: &Selector,
    expected_version: Option<u64>,
    not_found: Error,
) -> Result<Stored, Fault> {
    // What was deleted has no name: it can be given to another one.
    let Selector::Id(id) = selector else { return Err(not_found.into()) };
    let deleted = trash::find(vault, change, *id)?.ok_or(not_found)?;
    super::replace::check_version(&deleted, expected_version)?;
    find_by_name(vault, change, &deleted.name)?.check_nobody()?;
    if !Mutation::RestoreTwice.is_on() {
        change.remove(Index::Trash, id.as_bytes())?;
    }
    let version = deleted.version + 1;
    let updated_at = vault.now().max(deleted.updated_at);
    let restored = Stored { version, updated_at, ended_at: None, stamp: None, ..deleted };
    add(&restored, change)?;
    change.note(Action::Restore, &restored);
    Ok(restored)
}

/// Makes an older version current, as a new one.
fn make_current(
    vault: &Vault<'_>,
    change: &mut Change<'_, '_>,
    current: Stored,
    version: u64,
) -> Result<Stored, Fault> {
    let history::Version { stored: old, claim_owner, was_switched_off } =
        history::find(vault, change, &current, version)?;
    vault.principal.restriction.check_hosts(old.hosts().map(Domain::as_str))?;
    // Not by what is current alone: whoever writes could put something else there first.
    check_switch(vault, was_switched_off, old.is_archived)?;
    if old.name != current.name {
        find_by_name(vault, change, &old.name)?.check_nobody()?;
    }
    let totp = old.totp(vault.sealer)?;
    let values = old.values(|record| change.record(record))?;
    let has_values = current.body != old.body;
    // A step that was given out under the version stays given out.
    let is_claimless = old.totp.is_some() && (current.claim.is_none() || current.period() != old.period());
    let claim = match claim_owner.filter(|_| is_claimless) {
        Some(owner) => history::give_up_claim(change, &owner)?,
        None => None,
    };
    let mut new = Stored { body: current.body, claim: current.claim, totp: current.totp.clone(), ..old };
    new.value_keys.clone_from(&current.value_keys);
    (new.created_at, new.updated_at) = (current.created_at, current.updated_at);
    let secrets = Secrets { values: has_values.then_some(&values), totp: Some(totp.as_ref()), claim };
    replace_if_changed(vault, change, Action::Restore, current, new, secrets)
}
