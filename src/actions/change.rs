//! The one way a vault is changed, and the audit that is written there.

use super::audit::{Event, FilledStep, Outcome, append, complete, read_key};
use super::stored::Stored;
use super::{Action, Vault};
use crate::catalog::{Fault, Transaction};
use crate::error::{Error, Result};
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::{Deref, DerefMut};

/// A change under way: a transaction, and what the audit will say about it.
pub struct Change<'c, 't> {
    transaction: &'c mut Transaction<'t>,
    events: Vec<Event>,
}

impl Change<'_, '_> {
    /// Notes what was done to a credential.
    pub fn note(&mut self, action: Action, stored: &Stored) {
        self.events.push(Event::of(action, Some((stored.id, stored.version)), Outcome::Done));
    }

    /// Notes what was refused, where that changed something all the same.
    pub fn note_refused(&mut self, action: Action, stored: &Stored, error: &Error) {
        let outcome = Outcome::Refused(error.code());
        self.events.push(Event::of(action, Some((stored.id, stored.version)), outcome));
    }

    /// Notes what was done to the store as a whole.
    pub fn note_upkeep(&mut self, action: Action) {
        self.events.push(Event::of(action, None, Outcome::Done));
    }
}

impl<'t> Deref for Change<'_, 't> {
    type Target = Transaction<'t>;

    fn deref(&self) -> &Self::Target {
        self.transaction
    }
}

impl DerefMut for Change<'_, '_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        self.transaction
    }
}

impl Vault<'_> {
    /// Commits what `change` does, and in the same commit what the audit says about it. **Every change of a vault goes
    /// through here.** `change` runs again on a newer root when another writer came first; what it noted before is
    /// forgotten then. A change that changes nothing leaves no trace.
    pub(super) fn change<T>(&self, mut change: impl FnMut(&mut Change<'_, '_>) -> Result<T, Fault>) -> Result<T> {
        self.catalog.commit(|transaction| {
            let mut under_way = Change { transaction, events: Vec::new() };
            let value = change(&mut under_way)?;
            let events = under_way.events;
            if transaction.is_changed() {
                append(self, transaction, &events)?;
            }
            Ok(value)
        })
    }

    /// Records what is about to be done to a record that no commit replaces. That comes first, whatever becomes of it: what
    /// can't be recorded is not done.
    pub(super) fn record_upkeep(&self, action: Action, stored: &Stored) -> Result<()> {
        let event = Event::of(action, Some((stored.id, stored.version)), Outcome::Done);
        self.catalog.commit(|transaction| append(self, transaction, core::slice::from_ref(&event))).map(drop)
    }

    /// Records that something was given out, or was refused, where the policy wants that. What can't be recorded is not
    /// given.
    pub(super) fn record_use(&self, action: Action, stored: &Stored, outcome: Outcome) -> Result<()> {
        self.record(Event::of(action, Some((stored.id, stored.version)), outcome)).map(drop)
    }

    /// The same for an event of any kind. What stands for it in [`Self::complete_login`].
    pub(super) fn record(&self, event: Event) -> Result<Option<String>> {
        if !self.records_uses()? {
            return Ok(None);
        }
        let recorded = self.catalog.commit(|transaction| append(self, transaction, core::slice::from_ref(&event)));
        recorded.map(Some)
    }

    /// Says of a login that has begun how it ended. Only for whoever began it.
    pub(super) fn complete_login(&self, event: &str, outcome: &str, steps: &[FilledStep]) -> Result<()> {
        let key = read_key(event).ok_or_else(|| Error::bad_request("event must be what the login began with"))?;
        self.catalog.commit(|transaction| complete(self, transaction, &key, outcome, steps))
    }
}
