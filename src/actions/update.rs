//! `update`: changes a credential. Values are merged; what is not named stays.

use super::create::{first_setting, needs_secret};
use super::indexes::{find_by_name, find_to_change};
use super::replace::{Secrets, check_reach, check_version, replace_if_changed};
use super::{Action, CredentialView, Vault};
use crate::credential::{AdditionalDomains, Description, Domain, Metadata, Name, Selector, SsoProvider};
#[allow(unused_imports, reason = "for the documentation")]
use crate::error::Code;
use crate::error::{Error, Result};
use crate::secret::SecretString;
use crate::totp::{Algorithm, NewTotp, Totp, TotpSettings};
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

/// The changes but for the secrets, each valid by itself.
struct Parsed {
    name: Option<Name>,
    domain: Option<Domain>,
    /// `Some(None)`: cleared.
    description: Option<Option<Description>>,
    metadata: Option<Metadata>,
    sso_provider: Option<Option<SsoProvider>>,
}

/// Changes a credential.
///
/// Errors: [`Code::BadRequest`], [`Code::NotFound`], [`Code::NameTaken`], [`Code::PreconditionFailed`],
/// [`Code::Forbidden`] (see [`check_reach`]), those of a commit.
pub fn update(vault: &Vault<'_>, id_or_name: &str, changes: &Changes) -> Result<CredentialView> {
    let selector = Selector::parse(id_or_name)?;
    changes.check()?;
    vault.check_conditional(changes.expected_version.is_some())?;
    let parsed = changes.parse()?;
    // Before the store is asked: a secret that can't be parsed is an error whatever is stored.
    changes.parse_totp(None)?;
    let (stored, code) = vault.change(|change| {
        let old = find_to_change(vault, change, &selector)?;
        check_version(&old, changes.expected_version)?;
        let mut new = old.clone();
        if let Some(name) = parsed.name.as_ref().filter(|name| **name != old.name) {
            find_by_name(vault, change, name)?.check_nobody()?;
            new.name = name.clone();
        }
        if let Some(domain) = &parsed.domain {
            new.domain = domain.clone();
        }
        new.additional_domains = match &changes.additional_domains {
            Some(domains) => AdditionalDomains::parse(domains, &new.domain)?,
            None => new.additional_domains.without(&new.domain),
        };
        if let Some(description) = &parsed.description {
            new.description.clone_from(description);
        }
        if let Some(metadata) = &parsed.metadata {
            new.metadata = metadata.clone();
        }
        if let Some(provider) = &parsed.sso_provider {
            new.sso_provider.clone_from(provider);
        }
        new.is_archived = changes.archived.unwrap_or(old.is_archived);
        vault.principal.restriction.check_hosts(new.hosts().map(Domain::as_str))?;
        check_reach(vault, &old, &new)?;
        let values = if changes.values.is_some() || changes.remove_value_keys.is_some() {
            let mut values = old.values(|record| change.record(record))?;
            let remove = changes.remove_value_keys.as_deref().unwrap_or_default();
            let is_changed = values.merge(remove, changes.values.as_deref().unwrap_or_default())?;
            is_changed.then_some(values)
        } else {
            None
        };
        let totp = changes.parse_totp(old.totp.as_ref().map(|totp| totp.settings))?;
        let code = totp.as_ref().and_then(|totp| totp.code_at(vault.now()).ok());
        let secrets =
            Secrets { values: values.as_ref(), totp: changes.totp_secret.as_ref().map(|_| totp.as_ref()), claim: None };
        let stored = replace_if_changed(vault, change, Action::Update, old, new, secrets)?;
        Ok((stored, code))
    })?;
    Ok(CredentialView::single(stored, code))
}

impl Changes {
    fn check(&self) -> Result<()> {
        let has_secret = self.totp_secret.as_ref().is_some_and(|secret| !secret.expose().is_empty());
        if !has_secret && let Some(field) = first_setting(self.totp_algorithm, self.totp_digits, self.totp_period) {
            return Err(needs_secret(field));
        }
        let is_empty = self.name.is_none()
            && self.domain.is_none()
            && self.additional_domains.is_none()
            && self.values.is_none()
            && self.remove_value_keys.is_none()
            && self.description.is_none()
            && self.metadata.is_none()
            && self.archived.is_none()
            && self.sso_provider.is_none()
            && self.totp_secret.is_none();
        if is_empty {
            return Err(Error::bad_request(
                "at least one update field is required: name, domain, additional_domains, values, remove_value_keys, \
                 description, metadata, archived, sso_provider or totp_secret",
            ));
        }
        Ok(())
    }

    fn parse(&self) -> Result<Parsed> {
        let domain = self.domain.as_deref().map(Domain::parse).transpose()?;
        if let Some(domains) = &self.additional_domains {
            // Beside which domain they stand is only known later; what is wrong with them is wrong before.
            let beside = domain.clone().unwrap_or_else(|| Domain::trusted(String::new()));
            AdditionalDomains::parse(domains, &beside)?;
        }
        Ok(Parsed {
            name: self.name.as_deref().map(Name::parse).transpose()?,
            domain,
            description: clearable(self.description.as_deref(), Description::parse)?,
            metadata: self.metadata.clone().map(Metadata::parse).transpose()?,
            sso_provider: clearable(self.sso_provider.as_deref(), SsoProvider::parse)?,
        })
    }

    fn parse_totp(&self, stored: Option<TotpSettings>) -> Result<Option<Totp>> {
        match self.totp_secret.as_ref().map(SecretString::expose) {
            None | Some("") => Ok(None),
            Some(secret) => {
                let request = NewTotp {
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

/// `Some(None)` for the empty text, which clears.
fn clearable<T>(text: Option<&str>, parse: impl FnOnce(&str) -> Result<T>) -> Result<Option<Option<T>>> {
    match text {
        None => Ok(None),
        Some("") => Ok(Some(None)),
        Some(text) => parse(text).map(|value| Some(Some(value))),
    }
}
