//! The commit: one replacement of the root publishes everything an action did, in all indexes. Before it, what was
//! written is invisible; after it, what was superseded is garbage.

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

/// How often an action is run again because another writer came first. There is no sleep in the component.
const REBASES_MAX: u32 = 16;

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
        let mut base = self.root_to_build_on()?;
        // Records of attempts that are lost for good.
        let mut dead: Vec<RecordRef> = Vec::new();
        for _ in 0..=REBASES_MAX {
            let mut transaction = Transaction::new(&self.records, base.state.clone());
            match change(&mut transaction) {
                Ok(()) => {}
                Err(Fault::Missing(kind)) => {
                    let newer = self.root_to_build_on()?;
                    if newer.bytes == base.bytes {
                        self.discard(&dead);
                        return Err(corrupt(kind.purpose()));
                    }
                    base = newer;
                    continue;
                }
                Err(Fault::Error(error)) => {
                    self.discard(&dead);
                    return Err(error);
                }
            }
            if !transaction.is_changed() {
                self.discard(&dead);
                return Ok(());
            }
            let mut written = Vec::new();
            let publication = match transaction.write(&dead, &mut written) {
                Ok(publication) => publication,
                Err(fault) => {
                    // Nothing refers to them, and no swap is under way.
                    self.discard(&dead);
                    self.discard(&written);
                    return Err(fault.into());
                }
            };
            let replaced = self.records.replace(&self.records.keys.root(), base, &publication.root, publication.commit);
            if replaced.is_err() && Mutation::CleanUpAfterUnknown.is_on() {
                self.discard(&written);
            }
            if replaced.is_err() && Mutation::RebaseAfterUnknown.is_on() {
                base = self.root_to_build_on()?;
                continue;
            }
            match replaced? {
                Replaced::Done => {
                    self.discard(&publication.overflow);
                    return Ok(());
                }
                Replaced::Lost(newer) => {
                    base = newer;
                    dead.append(&mut written);
                }
            }
        }
        self.discard(&dead);
        Err(Error::new(Code::Contended, "other writers came first too often; nothing was changed").retry_after(1))
    }

    /// The newest root; the first write of all creates it.
    fn root_to_build_on(&self) -> Result<Found<'a, Root>> {
        let key = self.records.keys.root();
        if let Some(found) = self.records.current(&key)? {
            return Ok(found);
        }
        self.create_root(Default::default())?;
        self.records.current(&key)?.ok_or_else(super::init::uninitialised)
    }

    /// Deletes records that nothing refers to or ever will. What can't be deleted is left to `sweep`.
    pub(super) fn discard(&self, records: &[RecordRef]) {
        if self.records.platform.store.has_atomics() {
            for record in records {
                self.records.delete(*record);
            }
        }
    }
}
