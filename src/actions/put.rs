//! `put`: creates a credential, or replaces the one of the same name whole.

use super::create::{Parsed, add, name_taken};
use super::stored::{LookUp, Stored};
use super::update::commit_if_changed;
use super::{CredentialView, NewCredential, Vault};
use crate::catalog::{Fault, Transaction};
use crate::credential::CredentialId;
use crate::error::{Code, Error, Result};
use alloc::borrow::ToOwned;

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
/// nothing differs.
///
/// Errors: [`Code::BadRequest`], [`Code::PreconditionFailed`], those of a commit.
pub fn put(vault: &Vault<'_>, new: &NewCredential, condition: PutCondition) -> Result<(CredentialView, bool)> {
    let parsed = new.parse()?;
    let restriction = &vault.principal.restriction;
    restriction.check_hosts(parsed.hosts())?;
    vault.check_conditional(condition != PutCondition::Always)?;
    let (stored, created) =
        vault.catalog.commit(|transaction| match Stored::find_by_name(vault, transaction, &parsed.name)? {
            LookUp::Found(existing) => {
                condition.check(Some(&existing))?;
                Ok((replace(vault, transaction, existing, &parsed)?, false))
            }
            absent => {
                condition.check(None)?;
                restriction.check_new(parsed.hosts())?;
                if matches!(absent, LookUp::Hidden) {
                    return Err(name_taken().into());
                }
                Ok((add(vault, transaction, &parsed, |_| ())?, true))
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

fn replace(
    vault: &Vault<'_>,
    transaction: &mut Transaction<'_>,
    old: Stored,
    parsed: &Parsed,
) -> Result<Stored, Fault> {
    let mut new = old.clone();
    new.domain = parsed.domain.as_str().to_owned();
    new.sso_provider = parsed.sso_provider.as_ref().map(|provider| provider.as_str().to_owned());
    let old_values = old.values(|record| transaction.record(record))?;
    let values = (old_values != parsed.values).then_some(&parsed.values);
    commit_if_changed(vault, transaction, old, new, values, Some(parsed.totp.as_ref()))
}
