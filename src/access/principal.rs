//! On whose behalf an action runs.

use super::token::HASH_BYTES;
use super::{Grant, Restriction, Scope, Scopes};
use crate::error::{Code, Error, Result};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;

/// Whoever asks for an action.
pub struct Principal {
    /// Stands for them in the log and the audit.
    pub name: String,
    /// The SHA-256 of the bearer token; none for callers without one.
    pub token_hash: Option<[u8; HASH_BYTES]>,
    pub scopes: Scopes,
    pub restriction: Restriction,
    /// The id of the request, where it has one.
    pub request_id: Option<String>,
}

impl Principal {
    /// The host itself: the typed functions run for it unless the setting `strongroom_caller` says for whom. It may do
    /// everything.
    pub fn host() -> Self {
        Self {
            name: "host".to_owned(),
            token_hash: None,
            scopes: Scopes::ALL,
            restriction: Restriction::NONE,
            request_id: None,
        }
    }

    /// What tells this principal from others: of tokens the hash, as names are given anew.
    pub fn identity(&self) -> &[u8] {
        self.token_hash.as_ref().map_or(self.name.as_bytes(), |hash| hash.as_slice())
    }

    /// Errors: [`Code::Forbidden`].
    pub fn check(&self, scope: Scope) -> Result<()> {
        if self.scopes.contains(scope) {
            return Ok(());
        }
        Err(Error::new(Code::Forbidden, format!("the caller has not the scope {}", scope.as_str())))
    }
}

/// Somebody without a token.
impl From<Grant> for Principal {
    fn from(grant: Grant) -> Self {
        Self {
            name: grant.name,
            token_hash: None,
            scopes: grant.scopes,
            restriction: grant.restriction,
            request_id: None,
        }
    }
}
