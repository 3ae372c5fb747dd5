//! `put`: creates a credential, or replaces the one of the same name whole.

use super::change::Change;
use super::create::{Parsed, add};
use super::indexes::{Holder, find_by_name};
use super::replace::{Secrets, replace_if_changed};
use super::stored::Stored;
use super::{Action, CredentialView, NewCredential, Vault};
use crate::catalog::Fault;
use crate::credential::CredentialId;
use crate::error::{Code, Error, Result};

/// What must hold for a put to go ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutCondition {
    Always,
    /// The credential exists, with any version.
    Present,
    /// The credential exists with this version.
    Version(u64),
    /// The credential is this very one, with this version, and not another that was given its name since.
    Same(CredentialId, u64),
    /// There is no credential of this name.
    Absent,
}

/// Creates or replaces; true when created. A replaced credential keeps its id and creation time, and its version when
/// nothing differs. It may go to other sites than before: all its values are new.
///
/// Errors: [`Code::BadRequest`], [`Code::PreconditionFailed`], [`Code::Forbidden`] and [`Code::NameTaken`] for a
/// restricted principal, those of a commit.
pub fn put(vault: &Vault<'_>, new: NewCredential, condition: PutCondition) -> Result<(CredentialView, bool)> {
    let parsed = new.parse()?;
    let restriction = &vault.principal.restriction;
    restriction.check_hosts(parsed.hosts())?;
    vault.check_conditional(condition != PutCondition::Always)?;
    let (stored, created) = vault.change(|change| match find_by_name(vault, change, &parsed.name)? {
        Holder::One(existing) => {
            condition.check(Some(&existing))?;
            Ok((replace(vault, change, existing, &parsed)?, false))
        }
        absent => {
            condition.check(None)?;
            restriction.check_new(parsed.hosts())?;
            absent.check_nobody()?;
            Ok((add(vault, change, &parsed, None)?, true))
        }
    })?;
    Ok((parsed.view(vault, stored), created))
}

impl PutCondition {
    fn check(self, existing: Option<&Stored>) -> Result<()> {
        let message = match (existing, self) {
            (_, Self::Always) | (Some(_), Self::Present) | (None, Self::Absent) => return Ok(()),
            (Some(existing), Self::Version(version)) if existing.version == version => return Ok(()),
            (Some(existing), Self::Same(id, version)) if (existing.id, existing.version) == (id, version) => {
                return Ok(());
            }
            (Some(_), Self::Absent) => "a credential of this name exists",
            (Some(_), _) => "the credential has another version than the expected one",
            (None, _) => "there is no credential of this name",
        };
        Err(Error::new(Code::PreconditionFailed, message))
    }
}

fn replace(vault: &Vault<'_>, change: &mut Change<'_, '_>, old: Stored, parsed: &Parsed) -> Result<Stored, Fault> {
    let mut new = old.clone();
    new.domain = parsed.domain.clone();
    new.additional_domains = parsed.additional_domains.clone();
    new.description.clone_from(&parsed.description);
    new.metadata = parsed.metadata.clone();
    new.is_archived = parsed.is_archived;
    new.sso_provider.clone_from(&parsed.sso_provider);
    let old_values = old.values(|record| change.record(record))?;
    let values = (old_values != parsed.values).then_some(&parsed.values);
    let secrets = Secrets { values, totp: Some(parsed.totp.as_ref()), claim: None };
    replace_if_changed(vault, change, Action::Put, old, new, secrets)
}
