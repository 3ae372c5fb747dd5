//! `create`: stores a new credential.

use super::stamp::{Caller, Stamps};
use super::stored::{LookUp, Stored};
use super::{CredentialView, Vault};
use crate::catalog::{Fault, Transaction};
use crate::credential::{CredentialId, Domain, Name, SsoProvider, Values};
use crate::error::{Code, Error, Result};
use crate::secret::SecretString;
use crate::totp::{Algorithm, Request, Totp};
use alloc::borrow::ToOwned;
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
    pub values: Values,
    pub sso_provider: Option<SsoProvider>,
    pub totp: Option<Totp>,
}

impl NewCredential {
    pub(super) fn parse(&self) -> Result<Parsed> {
        self.refuse_later_fields()?;
        Ok(Parsed {
            name: Name::parse(&self.name)?,
            domain: Domain::parse(&self.domain)?,
            values: Values::for_create(self.values.clone())?,
            sso_provider: match self.sso_provider.as_deref() {
                None | Some("") => None,
                Some(text) => Some(SsoProvider::parse(text)?),
            },
            totp: parse_totp(self)?,
        })
    }
}

impl NewCredential {
    /// Fields that the stored form has no place for yet are refused, never dropped in silence.
    fn refuse_later_fields(&self) -> Result<()> {
        let is_given = !self.additional_domains.is_empty()
            || self.description.as_deref().is_some_and(|text| !text.is_empty())
            || !self.metadata.is_empty()
            || self.archived == Some(true);
        if is_given { Err(not_stored_yet()) } else { Ok(()) }
    }
}

pub(super) fn not_stored_yet() -> Error {
    Error::new(
        Code::NotSupported,
        "additional_domains, description, metadata, archived and a change of domain can't be stored yet",
    )
}

/// Stores a new credential. `caller` lets the repetition of a request be recognised; see [`Caller`].
///
/// Errors: [`Code::BadRequest`], [`Code::NameTaken`], [`Code::IdempotencyMismatch`], those of a commit.
pub fn create(vault: &Vault<'_>, new: &NewCredential, caller: Option<Caller<'_>>) -> Result<CredentialView> {
    let parsed = new.parse()?;
    vault.principal.restriction.check_new(parsed.hosts())?;
    let stamps = caller.map(|caller| Stamps::new(vault, caller, new)).transpose()?;
    let now = vault.now();
    let stored = vault.catalog.commit(|transaction| {
        match Stored::find_by_name(vault, transaction, &parsed.name)? {
            LookUp::Nothing => {}
            LookUp::Hidden => return Err(name_taken().into()),
            LookUp::Found(existing) => {
                if let (Some(stamps), Some(caller)) = (&stamps, caller)
                    && stamps.made(&existing, caller, now)?
                {
                    return Ok(existing);
                }
                return Err(name_taken().into());
            }
        }
        add(vault, transaction, &parsed, |stored| {
            stored.stamp = stamps.as_ref().and_then(|stamps| stamps.first().cloned());
        })
    })?;
    // A repetition that comes after later changes must not show a code of a secret that is gone.
    if stored.version > 1 {
        return Ok(CredentialView::single(stored, None));
    }
    Ok(parsed.view(vault, stored))
}

impl Parsed {
    /// All hosts it shall belong to.
    pub(super) fn hosts(&self) -> impl Iterator<Item = &str> {
        core::iter::once(self.domain.as_str())
    }

    /// The answer: with the current code, when there is a secret and the clock is set.
    pub(super) fn view(&self, vault: &Vault<'_>, stored: Stored) -> CredentialView {
        let code = self.totp.as_ref().and_then(|totp| totp.code_at(vault.now()).ok());
        CredentialView::single(stored, code)
    }
}

/// Adds a credential whose name is free.
pub(super) fn add(
    vault: &Vault<'_>,
    transaction: &mut Transaction<'_>,
    parsed: &Parsed,
    adjust: impl FnOnce(&mut Stored),
) -> Result<Stored, Fault> {
    let now = vault.now();
    let mut stored = Stored {
        id: next_id(vault, transaction)?,
        name: parsed.name.as_str().to_owned(),
        domain: parsed.domain.as_str().to_owned(),
        created_at: now,
        updated_at: now,
        version: 1,
        value_keys: Vec::new(),
        sso_provider: parsed.sso_provider.as_ref().map(|provider| provider.as_str().to_owned()),
        totp: None,
        stamp: None,
        body: None,
        claim: None,
    };
    stored.set_values(transaction, &parsed.values)?;
    stored.set_totp(vault, parsed.totp.as_ref())?;
    stored.set_claim(vault, transaction)?;
    adjust(&mut stored);
    stored.add(transaction)?;
    Ok(stored)
}

pub(super) fn name_taken() -> Error {
    Error::new(Code::NameTaken, "name is taken by another credential of the project")
}

/// The id of a new credential: made of the clock and random bits, but never below the newest there ever was.
fn next_id(vault: &Vault<'_>, transaction: &mut Transaction<'_>) -> Result<CredentialId, Fault> {
    let mut random = [0; 10];
    vault.platform.random.fill(&mut random)?;
    let newest = CredentialId::from_bytes(transaction.newest_id());
    let id = CredentialId::new(vault.now().0, random).max(newest.successor());
    transaction.set_newest_id(*id.as_bytes());
    Ok(id)
}

fn parse_totp(new: &NewCredential) -> Result<Option<Totp>> {
    let request =
        |secret| Request { secret, algorithm: new.totp_algorithm, digits: new.totp_digits, period: new.totp_period };
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
    Error::bad_request(alloc::format!("{field} needs a totp_secret in the same request"))
}
