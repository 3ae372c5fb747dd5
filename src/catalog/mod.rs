//! An ordered, transactional index over a key-value store that has no transactions.
//!
//! One [`root`] record per project refers to everything else. Copy-on-write B+trees ([`node`], [`tree`]) lie below
//! it; a change writes new nodes under fresh keys and then replaces the root in one compare-and-swap ([`cell`],
//! [`commit`]). The catalog knows keys, values and the records they own, nothing of credentials.

mod backup;
mod by_record;
mod cell;
mod claim;
mod commit;
mod examine;
mod fault;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod index;
mod init;
mod leaf;
#[cfg(feature = "mutations")]
pub mod mutation;
#[cfg(not(feature = "mutations"))]
pub(crate) mod mutation;
mod node;
mod pin;
mod progress;
mod queue;
mod record;
mod records;
mod rewrap;
mod root;
mod snapshot;
mod sweep;
mod transaction;
mod tree;

pub use backup::check_backup;
pub use claim::Claim;
pub use examine::{Examined, Visitor};
pub use fault::Fault;
pub use index::{Index, PerIndex};
pub use init::InitOptions;
pub use node::Entry;
#[cfg(any(not(target_arch = "wasm32"), feature = "kernels"))]
pub(crate) use node::Node;
pub use pin::{PinId, Pinned};
pub use progress::{Commit, Standing};
pub use record::{KeySpace, Kind, RecordRef, is_written_once};
pub use root::NODE_BYTES_DEFAULT;
pub use snapshot::Snapshot;
pub use sweep::{KeyUse, Share, Swept};
pub use transaction::Transaction;

use crate::error::{Code, Error, Result};
use crate::platform::Platform;
use crate::seal::{Sealer, corrupt};
use alloc::vec::Vec;
use cell::Cell;
use core::ops::ControlFlow;
use mutation::Mutation;
use records::Records;
use root::Root;

/// A key that no record has, for finding out whether the host's store answers and takes writes.
pub const PROBE_KEY: &str = "sr1.probe";

/// How often a reader starts over on a newer root.
const RESTARTS_MAX: u32 = 3;

/// The index of one project.
pub struct Catalog<'a> {
    records: Records<'a>,
}

impl<'a> Catalog<'a> {
    pub fn new(platform: Platform<'a>, sealer: &'a Sealer) -> Self {
        Self { records: Records::new(platform, sealer) }
    }

    /// Runs `query` on one snapshot; again on a newer one when it met a record that has been deleted since.
    ///
    /// Errors: those of `query`; [`Code::StorageUninitialised`]; [`Code::StorageCorrupt`] when a record is missing
    /// though the root did not change; [`Code::Contended`] when it changed three times.
    pub fn read<T>(&self, mut query: impl FnMut(&Snapshot<'_>) -> Result<T, Fault>) -> Result<T> {
        let mut value = None;
        self.run_query(&mut |snapshot| {
            value = Some(query(snapshot)?);
            Ok(())
        })?;
        value.ok_or_else(|| Error::new(Code::Internal, "a read without a result"))
    }

    /// Visits the entries of an index in order, from `from` on, until `visit` breaks. Beside writers: where a record has
    /// been deleted meanwhile, the walk goes on where it was, on a newer root. So it sees each entry that is there all
    /// the time, once, and needs no snapshot to stay; what comes and goes meanwhile it may see or not.
    ///
    /// Errors: those of `visit`; [`Code::StorageCorrupt`]; [`Code::Contended`] when it can't get past an entry.
    pub fn walk(
        &self,
        index: Index,
        from: &[u8],
        visit: &mut dyn FnMut(&Entry) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        let mut next = from.to_vec();
        loop {
            let (mut is_over, mut has_moved) = (false, false);
            let walked = self.read(|snapshot| {
                let from = next.clone();
                snapshot.walk_from(index, &from, &mut |entry| {
                    let flow = visit(entry)?;
                    // The next key there can be.
                    next.clone_from(&entry.key);
                    next.push(0);
                    has_moved = true;
                    is_over |= flow.is_break();
                    Ok(flow)
                })?;
                is_over = true;
                Ok(())
            });
            match walked {
                Ok(()) if is_over => return Ok(()),
                // A walk that gets on is not contended, however many writers there are.
                Err(error) if error.code() == Code::Contended && has_moved => {}
                other => return other,
            }
        }
    }

    /// Not generic, so that there is one copy of it in the component.
    fn run_query(&self, query: &mut dyn FnMut(&Snapshot<'_>) -> Result<(), Fault>) -> Result<()> {
        let key = self.records.keys.root();
        let mut bytes = match self.records.cell_bytes(&key)? {
            Some(bytes) => Some(bytes),
            None => self.newest_root_bytes()?,
        };
        for _ in 0..=RESTARTS_MAX {
            let open = |bytes: &[u8]| <Root as Cell>::open(self.records.sealer, &key, bytes);
            let root: Option<Root> = bytes.as_deref().map(open).transpose()?;
            match query(&Snapshot::new(&self.records, root.as_ref())) {
                Ok(()) => return Ok(()),
                Err(Fault::Error(error)) => return Err(error),
                Err(Fault::Missing(kind)) => {
                    let newest = self.newest_root_bytes()?;
                    if newest == bytes || Mutation::ReadOnce.is_on() {
                        return Err(corrupt(kind.purpose()));
                    }
                    bytes = newest;
                }
            }
        }
        Err(Error::new(Code::Contended, "the vault changes too fast to be read").retry_after(1))
    }

    /// Claims a time step of a claim record; see [`Claim`]. The record is one that a snapshot referred to: if it is
    /// gone since, that is [`Fault::Missing`].
    pub fn claim(&self, record: RecordRef, step: u64) -> Result<Claim, Fault> {
        self.records.claim(record, step)
    }

    /// Takes back what a clock that was ahead did to a claim record; see [`Records::reset_claim`].
    pub fn reset_claim(&self, record: RecordRef, step: u64) -> Result<u64, Fault> {
        self.records.reset_claim(record, step)
    }

    /// Whether the vault was ever written to. Errors: those of a read.
    pub fn is_written(&self) -> Result<bool> {
        Ok(self.newest_root_bytes()?.is_some())
    }

    /// The size of a claim record; it must open.
    pub fn claim_bytes(&self, record: RecordRef) -> Result<u64, Fault> {
        self.records.claim_bytes(record)
    }

    /// The newest root; `None` when the vault was never written.
    fn newest_root_bytes(&self) -> Result<Option<Vec<u8>>> {
        if let Some(found) = self.records.current::<Root>(&self.records.keys.root())? {
            return Ok(Some(found.bytes));
        }
        if self.is_seeded()? || self.has_remains()? { Err(self.uninitialised()) } else { Ok(None) }
    }
}

#[cfg(test)]
mod tests;
