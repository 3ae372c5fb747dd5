//! `create`: stores a new credential.

use super::change::Change;
use super::indexes::{Holder, add as enter, find_by_name, place};
use super::stamp::{Caller, Comparison, Stamp, Stamps};
use super::stored::Stored;
use super::{Action, CredentialView, Vault};
use crate::catalog::{Fault, RecordRef, Transaction};
use crate::credential::{AdditionalDomains, CredentialId, Description, Domain, Metadata, Name, SsoProvider, Values};
use crate::error::{Code, Error, Result};
use crate::secret::SecretString;
use crate::totp::{Algorithm, NewTotp, Totp};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// What to store, as the caller gave it; the bounds are those of the domain types.
#[derive(Clone, Default)]
pub struct NewCredential {
    pub name: String,
    pub domain: String,
    /// Further sites that the values belong to.
    pub additional_domains: Vec<String>,
    pub values: Vec<(String, SecretString)>,
    /// Empty is the same as absent.
    pub description: Option<String>,
    /// Pairs of key and text, in this order.
    pub metadata: Vec<(String, String)>,
    /// Whether the credential starts out switched off; absent: it does not.
    pub archived: Option<bool>,
    /// Empty is the same as absent.
    pub sso_provider: Option<String>,
    /// Empty is the same as absent.
    pub totp_secret: Option<SecretString>,
    pub totp_algorithm: Option<Algorithm>,
    pub totp_digits: Option<i64>,
    pub totp_period: Option<i64>,
}

/// A new credential whose every part is valid.
pub(super) struct Parsed {
    pub name: Name,
    pub domain: Domain,
    pub additional_domains: AdditionalDomains,
    pub values: Values,
    pub description: Option<Description>,
    pub metadata: Metadata,
    pub is_archived: bool,
    pub sso_provider: Option<SsoProvider>,
    pub totp: Option<Totp>,
}

impl NewCredential {
    pub(super) fn parse(self) -> Result<Parsed> {
        let totp = parse_totp(&self)?;
        let domain = Domain::parse(&self.domain)?;
        Ok(Parsed {
            name: Name::parse(&self.name)?,
            additional_domains: AdditionalDomains::parse(&self.additional_domains, &domain)?,
            domain,
            description: given(self.description.as_deref()).map(Description::parse).transpose()?,
            metadata: Metadata::parse(self.metadata)?,
            is_archived: self.archived.unwrap_or(false),
            sso_provider: given(self.sso_provider.as_deref()).map(SsoProvider::parse).transpose()?,
            values: Values::for_create(self.values)?,
            totp,
        })
    }
}

/// A text that is there and not empty.
fn given(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

/// Stores a new credential. `caller` lets the repetition of a request be recognised; see [`Caller`].
///
/// Errors: [`Code::BadRequest`], [`Code::Forbidden`] for a restricted principal, [`Code::NameTaken`],
/// [`Code::IdempotencyMismatch`], those of a commit.
pub fn create(vault: &Vault<'_>, new: NewCredential, caller: Option<Caller<'_>>) -> Result<CredentialView> {
    let stamps = caller.map(|caller| Stamps::new(vault, caller, &new)).transpose()?;
    let parsed = new.parse()?;
    vault.principal.restriction.check_new(parsed.hosts())?;
    let made = vault.change(|change| {
        let existing = match find_by_name(vault, change, &parsed.name)? {
            Holder::Nobody => return add(vault, change, &parsed, stamps.as_ref()).map(Ok),
            Holder::Hidden => return Err(name_taken().into()),
            Holder::One(existing) => existing,
        };
        let compare = |stamps: &Stamps<'_>| stamps.compare(existing.stamp.as_ref(), existing.created_at, vault.now());
        match stamps.as_ref().map_or(Comparison::Unrelated, compare) {
            Comparison::Same => Ok(Ok(existing)),
            Comparison::Unrelated => Err(name_taken().into()),
            Comparison::Other => {
                let error = stamps.as_ref().map_or_else(name_taken, Stamps::mismatch);
                let stamp = existing.stamp.clone().and_then(Stamp::missed);
                let missed = Stored { stamp, ..existing };
                change.insert(place(&missed), missed.entry(missed.id.as_bytes())?)?;
                change.note_refused(Action::Create, &missed, &error);
                Ok(Err(error))
            }
        }
    })?;
    Ok(parsed.view(vault, made?))
}

impl Parsed {
    /// The answer: with the current code, when there is a secret and the clock is set.
    pub fn view(&self, vault: &Vault<'_>, stored: Stored) -> CredentialView {
        let code = self.totp.as_ref().and_then(|totp| totp.code_at(vault.now()).ok());
        CredentialView::single(stored, code)
    }

    /// All hosts it will belong to.
    pub fn hosts(&self) -> impl Iterator<Item = &str> {
        core::iter::once(&self.domain).chain(self.additional_domains.iter()).map(Domain::as_str)
    }
}

/// Adds a credential whose name is free.
pub(super) fn add(
    vault: &Vault<'_>,
    change: &mut Change<'_, '_>,
    parsed: &Parsed,
    stamps: Option<&Stamps<'_>>,
) -> Result<Stored, Fault> {
    let id = next_id(vault, change)?;
    let mut stored = Stored::new(id, parsed.name.clone(), parsed.domain.clone(), vault.now());
    stored.additional_domains = parsed.additional_domains.clone();
    stored.description = parsed.description.clone();
    stored.metadata = parsed.metadata.clone();
    stored.is_archived = parsed.is_archived;
    stored.sso_provider = parsed.sso_provider.clone();
    stored.set_values(&parsed.values, |body| change.add_body(body))?;
    stored.set_totp(vault.sealer, vault.platform.random, parsed.totp.as_ref())?;
    stored.claim = new_claim(vault, change, &stored)?;
    stored.stamp = stamps.and_then(|stamps| stamps.first().cloned());
    enter(&stored, change)?;
    change.note(Action::Create, &stored);
    Ok(stored)
}

/// A claim record for a credential with a TOTP secret.
pub(super) fn new_claim(
    vault: &Vault<'_>,
    transaction: &mut Transaction<'_>,
    stored: &Stored,
) -> Result<Option<RecordRef>, Fault> {
    if stored.totp.is_some() && vault.platform.store.has_atomics() {
        return transaction.add_claim().map(Some);
    }
    Ok(None)
}

pub(super) fn name_taken() -> Error {
    Error::new(Code::NameTaken, "name is taken by another credential of the project")
}

/// The id of a new credential: made of the clock and random bits, but never below the newest there ever was, which the
/// root remembers.
fn next_id(vault: &Vault<'_>, transaction: &mut Transaction<'_>) -> Result<CredentialId, Fault> {
    let mut random = [0; 10];
    vault.platform.random.fill(&mut random)?;
    let newest: [u8; 16] = transaction.note()?.try_into().unwrap_or_default();
    let id = CredentialId::new(vault.now().0, random).max(CredentialId::from_bytes(newest).successor());
    transaction.set_note(id.as_bytes().to_vec());
    Ok(id)
}

fn parse_totp(new: &NewCredential) -> Result<Option<Totp>> {
    let request =
        |secret| NewTotp { secret, algorithm: new.totp_algorithm, digits: new.totp_digits, period: new.totp_period };
    match new.totp_secret.as_ref().map(SecretString::expose) {
        Some(secret) if !secret.is_empty() => Totp::parse(request(secret), None).map(Some),
        _ => match first_setting(new.totp_algorithm, new.totp_digits, new.totp_period) {
            None => Ok(None),
            Some(field) => Err(needs_secret(field)),
        },
    }
}

/// The name of the first TOTP setting that is given.
pub(super) fn first_setting(
    algorithm: Option<Algorithm>,
    digits: Option<i64>,
    period: Option<i64>,
) -> Option<&'static str> {
    algorithm.map(|_| "totp_algorithm").or(digits.map(|_| "totp_digits")).or(period.map(|_| "totp_period"))
}

pub(super) fn needs_secret(field: &'static str) -> Error {
    Error::bad_request(format!("{field} needs a totp_secret in the same request"))
}
