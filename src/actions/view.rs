//! A credential as callers see it: without any stored value.

use super::stored::Stored;
use crate::time::Timestamp;
use crate::totp::{OneTimeCode, TotpSettings};
use alloc::string::String;
use alloc::vec::Vec;

/// The answer of most actions. The fields are those of the `credential` record in `wit/types.wit`.
#[derive(Clone, PartialEq)]
pub struct CredentialView {
    pub id: String,
    pub name: String,
    pub domain: String,
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
}

impl CredentialView {
    /// One of many: without the names of the values.
    pub(super) fn listed(stored: Stored) -> Self {
        Self {
            id: stored.id.to_text(),
            name: stored.name,
            domain: stored.domain,
            created_at: stored.created_at,
            updated_at: stored.updated_at,
            version: stored.version,
            has_values: !stored.value_keys.is_empty(),
            value_keys: None,
            sso_provider: stored.sso_provider,
            weak_totp_secret: stored.totp.as_ref().is_some_and(|totp| totp.is_weak),
            totp: stored.totp.map(|totp| totp.settings),
            totp_code: None,
        }
    }

    /// A single one; with the code when its secret was just set.
    pub(super) fn single(stored: Stored, code: Option<OneTimeCode>) -> Self {
        let value_keys = Some(stored.value_keys.clone());
        Self { value_keys, totp_code: code.map(|code| (code.code, code.expires_at)), ..Self::listed(stored) }
    }
}
