//! `purge`: removes at once and for good, with everything that was ever stored for it.

use super::indexes::{find_to_change, remove};
use super::stored::Stored;
use super::{Action, Vault, history, trash};
use crate::catalog::mutation::Mutation;
use crate::catalog::{Entry, Index};
use crate::credential::{CredentialId, Selector};
use crate::error::{Code, Error, Result};
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::ControlFlow;

/// Deleted credentials that one commit removes: with ten versions each their records have room in the garbage of the
/// root. Fewer when other writers come first too often, as they are faster.
const AT_ONCE: [usize; 3] = [12, 4, 1];

/// Removes a credential, deleted or not, and all its versions; returns its id. What is garbage goes with it, however many
/// readers have to start over, so that nothing of it is left in the store. What the store fails to delete goes with the
/// next changes, or with a sweep.
///
/// Errors: [`Code::BadRequest`], [`Code::NotFound`], [`Code::PreconditionFailed`], [`Code::NotSupported`] without
/// compare-and-swap, those of a commit.
pub fn purge(vault: &Vault<'_>, id_or_name: &str, expected_version: Option<u64>) -> Result<String> {
    let selector = Selector::parse(id_or_name)?;
    vault.check_conditional(true)?;
    vault.change(|change| {
        let stored = match find_to_change(vault, change, &selector) {
            Ok(stored) => {
                super::replace::check_version(&stored, expected_version)?;
                remove(&stored, change)?;
                history::forget(change, stored.id)?;
                stored
            }
            Err(crate::catalog::Fault::Error(error)) if error.code() == Code::NotFound => {
                let Selector::Id(id) = selector else { return Err(error.into()) };
                let deleted = change.get(Index::Trash, id.as_bytes())?.ok_or(error)?;
                let deleted = Stored::from_entry(&deleted)?;
                super::replace::check_version(&deleted, expected_version)?;
                trash::forget(change, id)?;
                deleted
            }
            Err(fault) => return Err(fault),
        };
        if !Mutation::PurgeForgetsBody.is_on() {
            change.forget_all();
        }
        change.note(Action::Purge, &stored);
        Ok(stored.id.to_text())
    })
}

/// Removes some of what was deleted, and its versions; how many are gone, and whether more are left.
///
/// Errors: [`Code::NotSupported`] without compare-and-swap, those of a commit.
pub fn purge_deleted(vault: &Vault<'_>) -> Result<(u64, bool)> {
    if !vault.platform.store.has_atomics() {
        return Err(Error::new(Code::NotSupported, "purge needs a key-value store with compare-and-swap"));
    }
    let mut outcome = Ok((0, true));
    for at_once in AT_ONCE {
        outcome = purge_some(vault, at_once);
        if !outcome.as_ref().is_err_and(|error| error.code() == Code::Contended) {
            break;
        }
    }
    outcome
}

fn purge_some(vault: &Vault<'_>, at_once: usize) -> Result<(u64, bool)> {
    vault.change(|change| {
        let mut deleted: Vec<Entry> = Vec::new();
        change.walk(Index::Trash, &[], &mut |entry| {
            deleted.push(entry.clone());
            Ok(if deleted.len() > at_once { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        let has_more = deleted.len() > at_once;
        deleted.truncate(at_once);
        for entry in &deleted {
            let stored = Stored::from_entry(entry)?;
            trash::forget(change, CredentialId::from_bytes(*stored.id.as_bytes()))?;
            change.note(Action::Purge, &stored);
        }
        if !deleted.is_empty() {
            change.forget_all();
        }
        Ok((deleted.len() as u64, has_more))
    })
}
