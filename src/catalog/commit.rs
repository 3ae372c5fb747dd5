//! Committing: many writers, one root.

use super::Catalog;
use super::cell::{Found, Replaced};
use super::fault::Fault;
use super::mutation::Mutation;
use super::record::RecordRef;
use super::root::Root;
use super::transaction::Transaction;
use crate::error::{Code, Error, Result};
use crate::seal::corrupt;
use alloc::vec::Vec;

/// How often an action is run again because another writer came first. There is no sleep in the component. Measured in
/// ARCHITECTURE.md, Writers side by side.
const REBASES_MAX: u32 = 64;

impl<'a> Catalog<'a> {
    /// Runs `change` on the newest root and commits what it did; again on a newer root whenever another writer came
    /// first. Each run starts from nothing and writes everything anew, so nothing it wrote for an older root is ever
    /// referred to by a newer one (`sweep` relies on it).
    ///
    /// Errors: those of `change`; [`Code::Contended`] and [`Code::StorageUnavailable`]: nothing happened;
    /// [`Code::OutcomeUnknown`]: wholly or not at all.
    pub fn commit<T>(&self, mut change: impl FnMut(&mut Transaction<'_>) -> Result<T, Fault>) -> Result<T> {
        let mut value = None;
        self.run(&mut |transaction| {
            value = Some(change(transaction)?);
            Ok(())
        })?;
        value.ok_or_else(|| Error::new(Code::Internal, "a commit without a result"))
    }

    /// Not generic, so that there is one copy of it in the component.
    fn run(&self, change: &mut dyn FnMut(&mut Transaction<'_>) -> Result<(), Fault>) -> Result<()> {
        // Records of attempts that are lost for good.
        let mut dead: Vec<RecordRef> = Vec::new();
        let outcome = self.attempt(change, &mut dead);
        // At the end, where nobody waits for it: nothing refers to them, and nothing ever will.
        self.records.discard(&dead);
        outcome
    }

    fn attempt(
        &self,
        change: &mut dyn FnMut(&mut Transaction<'_>) -> Result<(), Fault>,
        dead: &mut Vec<RecordRef>,
    ) -> Result<()> {
        let key = self.records.keys.root();
        let mut base = self.root_to_build_on()?;
        let mut turn = None;
        for _ in 0..=REBASES_MAX {
            let mut transaction = Transaction::new(&self.records, base.state.clone());
            match change(&mut transaction) {
                Ok(()) => {}
                Err(Fault::Missing(kind)) => {
                    let newer = self.root_to_build_on()?;
                    if newer.bytes == base.bytes {
                        return Err(corrupt(kind.purpose()));
                    }
                    base = newer;
                    continue;
                }
                Err(Fault::Error(error)) => return Err(error),
            }
            if !transaction.is_changed() {
                return Ok(());
            }
            if turn.is_none() && base.state.queue()?.is_busy {
                // Only now that there is something to commit: a number that nobody uses makes the others wait.
                let seq = base.state.seq;
                base = self.queue_up(base, &mut turn, false)?;
                if base.state.seq != seq {
                    continue;
                }
            }
            if let Some(turn) = &turn {
                transaction.set_queue(turn.served(base.state.queue()?));
            }
            let mut written = Vec::new();
            let publication = match transaction.write(&mut written) {
                Ok(publication) => publication,
                Err(fault) => {
                    // No swap is under way.
                    dead.append(&mut written);
                    return Err(fault.into());
                }
            };
            let replaced = self.records.replace(&key, base, &publication.root, publication.commit);
            if replaced.is_err() && Mutation::CleanUpAfterUnknown.is_on() {
                self.records.discard(&written);
            }
            if replaced.is_err() && Mutation::RebaseAfterUnknown.is_on() {
                base = self.root_to_build_on()?;
                continue;
            }
            match replaced? {
                Replaced::Done => {
                    dead.extend(publication.doomed);
                    return Ok(());
                }
                Replaced::Lost(newer) => {
                    dead.append(&mut written);
                    let had_turn = turn.is_some();
                    base = self.queue_up(newer, &mut turn, true)?;
                    if had_turn && !base.state.queue()?.is_busy {
                        self.announce(base);
                        base = self.root_to_build_on()?;
                    }
                }
            }
        }
        Err(Error::new(Code::Contended, "other writers came first too often; nothing was changed").retry_after(1))
    }

    /// The newest root; the first write of all creates it.
    fn root_to_build_on(&self) -> Result<Found<'a, Root>> {
        let key = self.records.keys.root();
        if let Some(found) = self.records.current(&key)? {
            return Ok(found);
        }
        self.create_root(Default::default())?;
        self.records.current(&key)?.ok_or_else(|| self.uninitialised())
    }
}
