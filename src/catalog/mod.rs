//! An ordered, transactional index over a key-value store that has no transactions.
//!
//! One [`root`] record per project refers to everything else. Three copy-on-write B+trees ([`node`], [`tree`]) lie below
//! it; a change writes new nodes under fresh keys and then replaces the root in one compare-and-swap ([`cell`],
//! [`commit`]). The catalog knows keys, values and the records they own, nothing of credentials.

mod cell;
mod claim;
mod commit;
mod fault;
mod init;
#[cfg(feature = "mutations")]
pub mod mutation;
#[cfg(not(feature = "mutations"))]
mod mutation;
mod node;
mod record;
mod records;
mod root;
mod snapshot;
mod sweep;
mod transaction;
mod tree;

pub use claim::{Claim, unclaimed};
pub use fault::Fault;
pub use init::InitOptions;
pub use node::Entry;
pub use record::{Kind, RecordRef};
pub use root::{Index, NODE_BYTES_DEFAULT};
pub use snapshot::Snapshot;
pub use sweep::{Structure, Swept};
pub use transaction::Transaction;

use crate::error::{Code, Error, Result};
use crate::platform::Platform;
use crate::seal::{Sealer, corrupt};
use mutation::Mutation;
use records::Records;
use root::Root;

/// A key that no record has: asking for it tells whether the host's compare-and-swap answers at all.
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

    /// Not generic, so that there is one copy of it in the component.
    fn run_query(&self, query: &mut dyn FnMut(&Snapshot<'_>) -> Result<(), Fault>) -> Result<()> {
        let mut bytes = match self.records.root_bytes()? {
            Some(bytes) => Some(bytes),
            None => self.newest_root_bytes()?,
        };
        for _ in 0..=RESTARTS_MAX {
            let root: Option<Root> = bytes.as_deref().map(|bytes| self.records.open_root(bytes)).transpose()?;
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
        claim::claim(&self.records, record, step)
    }

    /// A fresh claim record's content.
    pub fn new_claim(&self) -> Result<crate::secret::SecretBytes> {
        Ok(unclaimed(self.records.fresh_commit_id()?))
    }

    /// The newest root; `None` when the vault was never written.
    fn newest_root_bytes(&self) -> Result<Option<alloc::vec::Vec<u8>>> {
        if let Some(found) = self.records.current::<Root>(&self.records.keys.root())? {
            return Ok(Some(found.bytes));
        }
        if self.is_seeded()? { Err(init::uninitialised()) } else { Ok(None) }
    }
}

#[cfg(test)]
mod tests;
