//! `delete`: removes a credential.

use super::Vault;
use super::stored::Stored;
use super::update::check_version;
use crate::credential::Selector;
use crate::error::Result;
use alloc::string::String;

/// Removes a credential and everything stored for it; returns its id.
///
/// Errors: [`Code::BadRequest`](crate::error::Code::BadRequest), [`Code::NotFound`](crate::error::Code::NotFound),
/// [`Code::PreconditionFailed`](crate::error::Code::PreconditionFailed), those of a commit.
pub fn delete(vault: &Vault<'_>, id_or_name: &str, expected_version: Option<u64>) -> Result<String> {
    let selector = Selector::parse(id_or_name)?;
    vault.check_conditional(expected_version.is_some())?;
    vault.catalog.commit(|transaction| {
        let stored = Stored::find_to_change(vault, transaction, &selector)?;
        check_version(&stored, expected_version)?;
        stored.remove(transaction)?;
        Ok(stored.id.to_text())
    })
}
