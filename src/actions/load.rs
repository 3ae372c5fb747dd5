//! Bulk loading, for imports and for large vaults in tests: many creates in one commit.

use super::create::add;
use super::indexes::find_by_name;
use super::{NewCredential, Vault};
use crate::error::Result;
use alloc::vec::Vec;

/// Stores all of the credentials or none of them, in this order. One commit holds all it changes in memory: some
/// thousands at a time are a good measure.
///
/// Errors: those of [`super::create()`].
pub fn load(vault: &Vault<'_>, new: Vec<NewCredential>) -> Result<()> {
    let parsed = new.into_iter().map(NewCredential::parse).collect::<Result<Vec<_>>>()?;
    vault.change(|change| {
        for credential in &parsed {
            find_by_name(vault, change, &credential.name)?.check_nobody()?;
            add(vault, change, credential, None)?;
        }
        Ok(())
    })
}
