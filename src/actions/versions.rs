//! `versions`: what changes replaced. Metadata only.

use super::indexes::find;
use super::{CredentialView, Vault, history};
use crate::credential::Selector;
use crate::error::Result;
use alloc::vec::Vec;

/// The versions of a credential that can be restored, newest first; not the current one.
///
/// Errors: [`Code::BadRequest`](crate::error::Code::BadRequest), [`Code::NotFound`](crate::error::Code::NotFound), those
/// of a read.
pub fn versions(vault: &Vault<'_>, id_or_name: &str) -> Result<Vec<CredentialView>> {
    let selector = Selector::parse(id_or_name)?;
    let found = vault.catalog.read(|snapshot| {
        let current = find(vault, snapshot, &selector)?;
        history::versions(vault, snapshot, &current)
    })?;
    Ok(found.into_iter().rev().map(|old| CredentialView::single(old, None)).collect())
}
