//! What changes replaced: kept for some versions and some time, so that a person can undo what an agent did.
//!
//! An entry holds the credential as it was. The record of its values goes with it only when the next version has
//! another; else it stays with that one, and the entry names it. So every record has one owner, whatever is kept, and a
//! version whose record is gone with its owner can't be restored: its sites never get the values of another version.

use super::Vault;
use super::indexes::is_allowed;
use super::policy::Policy;
use super::stored::Stored;
use crate::catalog::mutation::Mutation;
use crate::catalog::{Entry, Fault, Index, RecordRef, Snapshot, Transaction};
use crate::credential::CredentialId;
use crate::error::{Code, Error, Result};
use crate::time::Timestamp;
use alloc::vec::Vec;
use core::ops::ControlFlow;

/// The key of a version.
pub fn key(id: CredentialId, version: u64) -> Vec<u8> {
    let mut key = id.as_bytes().to_vec();
    key.extend_from_slice(&version.to_be_bytes());
    key
}

/// Whether what ended then is over its time now.
pub fn is_over(policy: Policy, ended_at: Option<Timestamp>, now: Timestamp) -> bool {
    ended_at.is_none_or(|ended_at| now.0.saturating_sub(ended_at.0) >= policy.history_ms())
}

/// Keeps `old`, which `new` replaces. Entries beside it that are over their time go, and versions that are too many.
pub fn keep(vault: &Vault<'_>, transaction: &mut Transaction<'_>, old: &Stored, new: &Stored) -> Result<(), Fault> {
    let policy = vault.policy()?;
    if !policy.keeps_history() {
        return Ok(());
    }
    let now = vault.now();
    // It ended when the next one began, so that by no clock a version is over before an older one is.
    let mut kept = Stored { ended_at: Some(new.updated_at), stamp: None, ..old.clone() };
    if kept.body == new.body {
        kept.shared_body = kept.body.take();
    }
    if Mutation::HistoryWithoutBody.is_on() {
        kept.body = None;
    }
    if kept.claim == new.claim {
        kept.claim = None;
    }
    let oldest = key(old.id, old.version.saturating_sub(u64::from(policy.history_versions) - 1));
    let mut over = |entry: &Entry| {
        let is_surplus = entry.key.starts_with(old.id.as_bytes()) && entry.key < oldest;
        is_surplus || ended_at(entry).is_some_and(|at| is_over(policy, at, now))
    };
    transaction.insert_beside(Index::History, kept.entry(&key(old.id, old.version))?, &mut over)?;
    // The one that became too many just now can lie in another leaf.
    if let Some(surplus) = old.version.checked_sub(u64::from(policy.history_versions)) {
        transaction.remove(Index::History, &key(old.id, surplus))?;
    }
    Ok(())
}

/// When the version or the deleted credential of an entry ended; `None` when it can't be read.
pub fn ended_at(entry: &Entry) -> Option<Option<Timestamp>> {
    Stored::from_entry(entry).ok().map(|stored| stored.ended_at)
}

/// The versions that are kept of a credential, oldest first.
pub fn versions(vault: &Vault<'_>, snapshot: &Snapshot<'_>, current: &Stored) -> Result<Vec<Stored>, Fault> {
    let mut found = Vec::new();
    snapshot.walk_prefix(Index::History, current.id.as_bytes(), 0, &mut |entry| {
        found.push(Stored::from_entry(entry)?);
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(visible(vault, found, current)?)
}

/// A version as it was, with the records it used, whoever owns them now.
pub struct Version {
    pub stored: Stored,
    /// The claim record that has to be taken out of the history for it: the entry that owns it.
    pub claim_owner: Option<Stored>,
    /// Whether the credential was switched off at any time since, as far as is kept.
    pub was_switched_off: bool,
}

/// Finds a version that is kept, to be restored.
pub fn find(
    vault: &Vault<'_>,
    transaction: &mut Transaction<'_>,
    current: &Stored,
    version: u64,
) -> Result<Version, Fault> {
    let mut found = Vec::new();
    transaction.walk_prefix(Index::History, current.id.as_bytes(), &mut |entry| {
        found.push(Stored::from_entry(entry)?);
        Ok(ControlFlow::Continue(()))
    })?;
    found.retain(|old| old.version >= version);
    let was_switched_off =
        current.is_archived || found.iter().any(|newer| newer.is_archived && newer.version > version);
    let found = visible(vault, found, current)?;
    let Some(wanted) = found.first().filter(|first| first.version == version) else {
        return Err(no_such_version().into());
    };
    let mut bodies = found.iter().filter_map(|newer| newer.body).chain(current.body);
    let body = match wanted.shared_body {
        Some(shared) => Some(bodies.find(|body| *body == shared).ok_or_else(no_such_version)?),
        None => wanted.body,
    };
    let owner = found.iter().find(|newer| newer.claim.is_some() && newer.period() == wanted.period());
    let mut stored = wanted.clone();
    (stored.body, stored.shared_body) = (body, None);
    Ok(Version { stored, claim_owner: owner.cloned(), was_switched_off })
}

/// Takes the claim record out of an entry of the history, for another entry to own it.
pub fn give_up_claim(transaction: &mut Transaction<'_>, owner: &Stored) -> Result<Option<RecordRef>, Fault> {
    let without = Stored { claim: None, ..owner.clone() };
    transaction.insert(Index::History, without.entry(&key(owner.id, owner.version))?)?;
    Ok(owner.claim)
}

/// Removes all versions of a credential.
pub fn forget(transaction: &mut Transaction<'_>, id: CredentialId) -> Result<bool, Fault> {
    let mut keys = Vec::new();
    transaction.walk_prefix(Index::History, id.as_bytes(), &mut |entry| {
        keys.push(entry.key.clone());
        Ok(ControlFlow::Continue(()))
    })?;
    for key in &keys {
        transaction.remove(Index::History, key)?;
    }
    Ok(!keys.is_empty())
}

/// What is over its time, or beyond the number of versions, is not there, although it may still lie in the store.
fn visible(vault: &Vault<'_>, mut found: Vec<Stored>, current: &Stored) -> Result<Vec<Stored>> {
    let policy = vault.policy()?;
    let oldest = current.version.saturating_sub(u64::from(policy.history_versions));
    let now = vault.now();
    found.retain(|old| policy.keeps_history() && old.version >= oldest && !is_over(policy, old.ended_at, now));
    // A version can have had other sites.
    found.retain(|old| is_allowed(&vault.principal.restriction, old));
    Ok(found)
}

fn no_such_version() -> Error {
    Error::new(Code::NotFound, "the credential has no such version any more")
}
