//! `get`: one credential's metadata.

use super::indexes::find;
use super::{CredentialView, Vault};
use crate::credential::Selector;
use crate::error::Result;

/// Looks a credential up. No value and no secret is read, let alone returned.
///
/// Errors: [`Code::BadRequest`](crate::error::Code::BadRequest), [`Code::NotFound`](crate::error::Code::NotFound), those
/// of a read.
pub fn get(vault: &Vault<'_>, id_or_name: &str) -> Result<CredentialView> {
    let selector = Selector::parse(id_or_name)?;
    let stored = vault.catalog.read(|snapshot| find(vault, snapshot, &selector))?;
    Ok(CredentialView::single(stored, None))
}
