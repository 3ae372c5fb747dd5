//! What a pinned snapshot consists of, a part at a time: the records that a backup has to have.

use super::examine::Visitor;
use super::fault::Fault;
use super::index::Index;
use super::node::Entry;
use super::record::RecordRef;
use super::root::Root;
use super::{Catalog, Pinned};
use crate::error::Result;
use crate::seal::{Purpose, Sealer};
use alloc::string::String;
use alloc::vec::Vec;

/// Opens what [`Pinned::seal_backup`] sealed, all of it. Errors: those of a seal.
pub(super) fn root_of(sealer: &Sealer, sealed: &[u8], digest: &str) -> Result<Root> {
    let opened = sealer.open_head(Purpose::Backup, &[digest.as_bytes()], sealed.to_vec())?;
    let root = Root::of(opened, Purpose::Backup)?;
    // Its sections are opened one by one.
    root.bytes()?;
    Ok(root)
}

/// Whether a backup is whole and unchanged, by its seal and the digest of its records in hexadecimal; for hosts that want to
/// know before they open a store. Errors: those of a seal.
pub fn check_backup(sealer: &Sealer, sealed: &[u8], digest: &str) -> Result<()> {
    root_of(sealer, sealed, digest).map(drop)
}

impl Catalog<'_> {
    /// The keys of the records that some leaves of an index, the nodes above them and their entries refer to; and where to go
    /// on.
    pub fn keys_of(
        &self,
        pinned: &Pinned<'_>,
        index: Index,
        from: &[u8],
        leaves: u32,
    ) -> Result<(Vec<String>, Option<Vec<u8>>)> {
        let mut records = Records(Vec::new());
        let next = pinned.walk(|snapshot| snapshot.examine(index, from, leaves, &mut records))?.next;
        Ok((records.0.into_iter().map(|record| self.records.keys.record(record)).collect(), next))
    }

    /// Counts a time step of a claim record, and all before it, as given.
    pub fn use_up(&self, record: RecordRef, step: u64) -> Result<()> {
        Ok(self.records.use_up(record, step)?)
    }
}

struct Records(Vec<RecordRef>);

impl Visitor for Records {
    fn node(&mut self, record: RecordRef, _: usize) -> Result<(), Fault> {
        self.0.push(record);
        Ok(())
    }

    fn entry(&mut self, entry: &Entry) -> Result<(), Fault> {
        self.0.extend(&entry.records);
        Ok(())
    }
}
