//! `delete`: removes a credential. It goes into the trash, from which it can be restored for some time.

use super::indexes::{find_to_change, remove};
use super::replace::check_version;
use super::stored::Stored;
use super::{Action, Vault, history, trash};
use crate::credential::Selector;
use crate::error::Result;
use alloc::string::String;

/// Removes a credential; returns its id. Where no history is kept, everything stored for it is gone.
///
/// Errors: [`Code::BadRequest`](crate::error::Code::BadRequest), [`Code::NotFound`](crate::error::Code::NotFound),
/// [`Code::PreconditionFailed`](crate::error::Code::PreconditionFailed), those of a commit.
pub fn delete(vault: &Vault<'_>, id_or_name: &str, expected_version: Option<u64>) -> Result<String> {
    let selector = Selector::parse(id_or_name)?;
    vault.check_conditional(expected_version.is_some())?;
    vault.change(|change| {
        let stored = find_to_change(vault, change, &selector)?;
        check_version(&stored, expected_version)?;
        remove(&stored, change)?;
        if vault.policy()?.keeps_history() {
            trash::keep(
                vault,
                change,
                Stored { ended_at: Some(vault.now().max(stored.updated_at)), ..stored.clone() },
            )?;
        } else {
            history::forget(change, stored.id)?;
        }
        change.note(Action::Delete, &stored);
        Ok(stored.id.to_text())
    })
}
