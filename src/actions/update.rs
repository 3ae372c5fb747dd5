//! `update`: changes a credential. Values are merged; what is not named stays.

use super::create::{first_setting, name_taken, needs_secret, not_stored_yet};
use super::stored::{LookUp, Stored};
use super::{CredentialView, Vault};
use crate::catalog::{Fault, Transaction};
use crate::credential::{Name, Selector, SsoProvider, Values};
use crate::error::{Code, Error, Result};
use crate::secret::SecretString;
use crate::totp::{Algorithm, Request, Totp, TotpSettings};
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

/// What to change, as the caller gave it; absent fields stay as they are.
#[derive(Clone, Default)]
pub struct Changes {
    pub name: Option<String>,
    pub domain: Option<String>,
    /// All of them anew; empty clears.
    pub additional_domains: Option<Vec<String>>,
    pub values: Option<Vec<(String, SecretString)>>,
    /// Removed before the merge; unknown names are ignored.
    pub remove_value_keys: Option<Vec<String>>,
    /// Empty clears.
    pub description: Option<String>,
    /// All pairs anew; empty clears.
    pub metadata: Option<Vec<(String, String)>>,
    /// Switches the credential off or on again.
    pub archived: Option<bool>,
    /// Empty clears.
    pub sso_provider: Option<String>,
    /// Empty removes the secret and its settings.
    pub totp_secret: Option<SecretString>,
    pub totp_algorithm: Option<Algorithm>,
    pub totp_digits: Option<i64>,
    pub totp_period: Option<i64>,
    /// Change only this version.
    pub expected_version: Option<u64>,
}

/// Changes a credential.
///
/// Errors: [`Code::BadRequest`], [`Code::NotFound`], [`Code::NameTaken`], [`Code::PreconditionFailed`], those of a
/// commit.
pub fn update(vault: &Vault<'_>, id_or_name: &str, changes: &Changes) -> Result<CredentialView> {
    let selector = Selector::parse(id_or_name)?;
    changes.check()?;
    vault.check_conditional(changes.expected_version.is_some())?;
    let name = changes.name.as_deref().map(Name::parse).transpose()?;
    let sso_provider = match changes.sso_provider.as_deref() {
        None => None,
        Some("") => Some(None),
        Some(text) => Some(Some(SsoProvider::parse(text)?)),
    };
    let secret = changes.totp_secret.as_ref().map(SecretString::expose);
    // Before the store is asked: a secret that can't be parsed is an error whatever is stored.
    changes.parse_totp(None)?;
    let (stored, code) = vault.catalog.commit(|transaction| {
        let old = Stored::find_to_change(vault, transaction, &selector)?;
        check_version(&old, changes.expected_version)?;
        let mut new = old.clone();
        if let Some(name) = name.as_ref().filter(|name| name.as_str() != old.name) {
            if !matches!(Stored::find_by_name(vault, transaction, name)?, LookUp::Nothing) {
                return Err(name_taken().into());
            }
            new.name = name.as_str().to_owned();
        }
        if let Some(provider) = &sso_provider {
            new.sso_provider = provider.as_ref().map(|provider| provider.as_str().to_owned());
        }
        let values = if changes.values.is_some() || changes.remove_value_keys.is_some() {
            let mut values = old.values(|record| transaction.record(record))?;
            let remove = changes.remove_value_keys.as_deref().unwrap_or_default();
            let changed = values.merge(remove, changes.values.clone().unwrap_or_default())?;
            changed.then_some(values)
        } else {
            None
        };
        let totp = changes.parse_totp(old.totp.as_ref().map(|totp| totp.settings))?;
        let code = totp.as_ref().and_then(|totp| totp.code_at(vault.now()).ok());
        let totp_change = secret.map(|_| totp.as_ref());
        let stored = commit_if_changed(vault, transaction, old, new, values.as_ref(), totp_change)?;
        Ok((stored, code))
    })?;
    Ok(CredentialView::single(stored, code))
}

impl Changes {
    fn check(&self) -> Result<()> {
        if self.domain.is_some()
            || self.additional_domains.is_some()
            || self.description.is_some()
            || self.metadata.is_some()
            || self.archived.is_some()
        {
            return Err(not_stored_yet());
        }
        let has_secret = self.totp_secret.as_ref().is_some_and(|secret| !secret.expose().is_empty());
        if !has_secret && let Some(field) = first_setting(self.totp_algorithm, self.totp_digits, self.totp_period) {
            return Err(needs_secret(field));
        }
        let is_empty = self.name.is_none()
            && self.values.is_none()
            && self.remove_value_keys.is_none()
            && self.sso_provider.is_none()
            && self.totp_secret.is_none();
        if is_empty {
            return Err(Error::bad_request(
                "at least one update field is required: name, values, remove_value_keys, sso_provider or totp_secret",
            ));
        }
        Ok(())
    }

    fn parse_totp(&self, stored: Option<TotpSettings>) -> Result<Option<Totp>> {
        match self.totp_secret.as_ref().map(SecretString::expose) {
            None | Some("") => Ok(None),
            Some(secret) => {
                let request = Request {
                    secret,
                    algorithm: self.totp_algorithm,
                    digits: self.totp_digits,
                    period: self.totp_period,
                };
                Totp::parse(request, stored).map(Some)
            }
        }
    }
}

pub(super) fn check_version(stored: &Stored, expected: Option<u64>) -> Result<()> {
    if expected.is_none_or(|expected| expected == stored.version) {
        return Ok(());
    }
    Err(Error::new(Code::PreconditionFailed, "the credential has another version than the expected one"))
}

/// Puts `new` in the place of `old`, with other values and with a TOTP secret (`Some(None)`: without one) where given.
/// When that changes nothing, nothing is written, and version and time stay.
pub(super) fn commit_if_changed(
    vault: &Vault<'_>,
    transaction: &mut Transaction<'_>,
    old: Stored,
    mut new: Stored,
    values: Option<&Values>,
    totp: Option<Option<&Totp>>,
) -> Result<Stored, Fault> {
    vault.principal.restriction.check_hosts(new.hosts())?;
    let old_totp = old.totp(vault.sealer)?;
    let totp_changes = totp.is_some_and(|totp| totp != old_totp.as_ref());
    let is_changed = values.is_some()
        || totp_changes
        || (&new.name, &new.domain, &new.sso_provider) != (&old.name, &old.domain, &old.sso_provider);
    if !is_changed {
        return Ok(old);
    }
    if let Some(values) = values {
        new.set_values(transaction, values)?;
    }
    if values.is_some() || totp_changes {
        new.set_totp(vault, totp.unwrap_or(old_totp.as_ref()))?;
    }
    // A credential keeps its claim record as long as its time steps are the same: setting a secret once more must not
    // give a step out once more.
    let period = |stored: &Stored| stored.totp.as_ref().map(|totp| totp.settings.period());
    if totp_changes && (new.claim.is_none() || period(&new) != period(&old)) {
        new.set_claim(vault, transaction)?;
    }
    new.version += 1;
    new.updated_at = vault.now().max(old.updated_at);
    new.replace(&old, transaction)?;
    Ok(new)
}
