//! Deleted credentials: kept whole for some time, with their values and their claim record.

use super::Vault;
use super::history::{self, ended_at, is_over};
use super::indexes::is_allowed;
use super::stored::Stored;
use crate::catalog::{Entry, Fault, Index, Transaction};
use crate::credential::CredentialId;
use crate::error::Result;

/// Keeps a deleted credential. Entries beside it that are over their time go.
pub fn keep(vault: &Vault<'_>, transaction: &mut Transaction<'_>, deleted: Stored) -> Result<(), Fault> {
    let (policy, now) = (vault.policy()?, vault.now());
    let mut over = |entry: &Entry| ended_at(entry).is_some_and(|at| is_over(policy, at, now));
    transaction.insert_beside(Index::Trash, deleted.entry(deleted.id.as_bytes())?, &mut over)?;
    Ok(())
}

/// A deleted credential that can be restored; `None` when it is over its time, or none of the principal's.
pub fn find(vault: &Vault<'_>, transaction: &mut Transaction<'_>, id: CredentialId) -> Result<Option<Stored>, Fault> {
    let entry = transaction.get(Index::Trash, id.as_bytes())?;
    let stored = entry.as_ref().map(Stored::from_entry).transpose()?;
    Ok(match stored {
        Some(stored) if is_visible(vault, &stored)? => Some(stored),
        _ => None,
    })
}

pub fn is_visible(vault: &Vault<'_>, stored: &Stored) -> Result<bool> {
    let policy = vault.policy()?;
    Ok(policy.keeps_history()
        && !is_over(policy, stored.ended_at, vault.now())
        && is_allowed(&vault.principal.restriction, stored))
}

/// Removes a deleted credential and all its versions; false when there is none.
pub fn forget(transaction: &mut Transaction<'_>, id: CredentialId) -> Result<bool, Fault> {
    let was_there = transaction.remove(Index::Trash, id.as_bytes())?.is_some();
    Ok(history::forget(transaction, id)? | was_there)
}
