//! Bulk loading, for imports and for large vaults in tests: many creates in one commit.

use super::create::{add, name_taken};
use super::stored::{LookUp, Stored};
use super::{NewCredential, Vault};
use crate::error::Result;
use alloc::vec::Vec;

/// Stores all of the credentials or none of them, in this order. One commit holds all it changes in memory: some
/// thousands at a time are a good measure.
///
/// Errors: those of [`super::create()`].
pub fn load(vault: &Vault<'_>, new: &[NewCredential]) -> Result<()> {
    let parsed = new.iter().map(NewCredential::parse).collect::<Result<Vec<_>>>()?;
    vault.catalog.commit(|transaction| {
        for credential in &parsed {
            if !matches!(Stored::find_by_name(vault, transaction, &credential.name)?, LookUp::Nothing) {
                return Err(name_taken().into());
            }
            add(vault, transaction, credential, |_| ())?;
        }
        Ok(())
    })
}
