//! A credential as callers see it: without any stored value.

use super::stored::Stored;
use crate::credential::Domain;
use crate::time::Timestamp;
use crate::totp::{OneTimeCode, TotpSettings};
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

/// The answer of most actions. The fields are those of the `credential` record in `wit/types.wit`.
#[derive(Clone, PartialEq)]
pub struct CredentialView {
    pub id: String,
    pub name: String,
    pub domain: String,
    pub additional_domains: Vec<String>,
    pub description: Option<String>,
    /// Empty in lists.
    pub metadata: Vec<(String, String)>,
    pub is_archived: bool,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub version: u64,
    pub has_values: bool,
    /// `None` in lists.
    pub value_keys: Option<Vec<String>>,
    pub sso_provider: Option<String>,
    /// Present when there is a TOTP secret.
    pub totp: Option<TotpSettings>,
    pub weak_totp_secret: bool,
    /// Only in the answer to the call that set the TOTP secret: the code and the end of its time step.
    pub totp_code: Option<(String, Timestamp)>,
    /// When a version was replaced, or a credential deleted; `None` of what is current.
    pub ended_at: Option<Timestamp>,
}

impl CredentialView {
    /// One of many: without the names of the values and the metadata.
    pub(super) fn listed(stored: Stored) -> Self {
        Self {
            id: stored.id.to_text(),
            name: stored.name.as_str().to_owned(),
            domain: stored.domain.as_str().to_owned(),
            additional_domains: stored.additional_domains.iter().map(Domain::as_str).map(ToOwned::to_owned).collect(),
            description: stored.description.as_ref().map(|description| description.as_str().to_owned()),
            metadata: Vec::new(),
            is_archived: stored.is_archived,
            created_at: stored.created_at,
            updated_at: stored.updated_at,
            version: stored.version,
            has_values: !stored.value_keys.is_empty(),
            value_keys: None,
            sso_provider: stored.sso_provider.as_ref().map(|provider| provider.as_str().to_owned()),
            weak_totp_secret: stored.totp.as_ref().is_some_and(|totp| totp.is_weak),
            totp: stored.totp.as_ref().map(|totp| totp.settings),
            totp_code: None,
            ended_at: stored.ended_at,
        }
    }

    /// A single one; with the code when its secret was just set.
    pub(super) fn single(stored: Stored, code: Option<OneTimeCode>) -> Self {
        let value_keys = Some(stored.value_keys.clone());
        let metadata = stored.metadata.iter().map(|(key, text)| (key.to_owned(), text.to_owned())).collect();
        let totp_code = code.map(|code| (code.code, code.expires_at));
        Self { value_keys, metadata, totp_code, ..Self::listed(stored) }
    }
}
