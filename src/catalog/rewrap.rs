//! Finding what is sealed by another key than the one that seals now.
//!
//! Nodes need no function of their own to be sealed anew: an entry that is stored again as it is makes its leaf and
//! everything above it fresh, and the commit writes that under fresh keys, as any other.

use super::Catalog;
use super::cell::Found;
use super::fault::Fault;
use super::index::Index;
use super::leaf::StoredNode;
use super::node::{Child, Entry, Link, Node};
use super::record::RecordRef;
use super::records::Records;
use super::root::Garbage;
use super::transaction::Transaction;
use crate::error::{Code, Result};
use crate::seal::Purpose;
use alloc::vec::Vec;

/// Gets each entry, and whether it is the first of a leaf that must be sealed anew, or that lies below a node that must.
type Survey<'v> = &'v mut dyn FnMut(&Entry, bool);

impl Catalog<'_> {
    /// Whether the newest root and what walks have pinned are sealed as they would be now, and all garbage was deleted.
    pub fn is_rewrapped(&self) -> Result<bool> {
        let Some(Found { bytes, state, .. }) = self.newest()? else { return Ok(true) };
        let sealer = self.records.sealer;
        for pin in state.pins()? {
            if self.records.sealed(pin.tops)?.is_some_and(|bytes| !sealer.is_current(&bytes)) {
                return Ok(false);
            }
        }
        Ok(sealer.is_current(&bytes) && state.garbage()?.iter().all(Garbage::is_purged))
    }

    /// Seals a claim record anew, by a swap like a claim; false where that is not needed, or the record is gone with its
    /// credential. Errors: those of a claim.
    pub fn rewrap_claim(&self, record: RecordRef) -> Result<bool> {
        match self.records.rewrap_claim(record) {
            Err(Fault::Missing(_)) => Ok(false),
            // It can have been deleted while it was swapped.
            Err(Fault::Error(error)) if error.code() == Code::OutcomeUnknown => match self.records.sealed(record) {
                Ok(None) => Ok(false),
                _ => Err(error),
            },
            other => Ok(other?),
        }
    }
}

impl Transaction<'_> {
    /// Visits all entries of the leaves of an index from that of the key `from` on, `leaves` of them at most; where to go on,
    /// `None` at the end. To be called before anything is changed: it looks at what is stored.
    pub fn survey(&self, index: Index, from: &[u8], leaves: u32, visit: Survey<'_>) -> Result<Option<Vec<u8>>, Fault> {
        match self.root().top(index)? {
            // It lies in the root, which each commit seals.
            Node::Leaf(entries) => {
                entries.iter().for_each(|entry| visit(entry, false));
                Ok(None)
            }
            Node::Inner(children) => self.records().survey(&children, false, from, &mut { leaves }, visit),
        }
    }
}

impl Records<'_> {
    fn survey(
        &self,
        children: &[Child],
        is_stale: bool,
        from: &[u8],
        leaves: &mut u32,
        visit: Survey<'_>,
    ) -> Result<Option<Vec<u8>>, Fault> {
        let first = children.partition_point(|child| child.low.as_slice() <= from).saturating_sub(1);
        for child in children.iter().skip(first) {
            if *leaves == 0 {
                return Ok(Some(child.low.clone()));
            }
            let Link::Stored(record) = child.link else { return Err(Fault::corrupt(Purpose::Node)) };
            let opened = self.read(record)?;
            let is_stale = is_stale || !opened.is_current();
            match StoredNode::of(opened)? {
                StoredNode::Inner(below) => {
                    let next = self.survey(&below, is_stale, from, leaves, visit)?;
                    if next.is_some() {
                        return Ok(next);
                    }
                }
                StoredNode::Leaf(leaf) => {
                    let mut is_first_of_stale = is_stale;
                    for chunk in 0..leaf.chunks() {
                        for entry in &leaf.open(chunk)? {
                            visit(entry, core::mem::take(&mut is_first_of_stale));
                        }
                    }
                    *leaves -= 1;
                }
            }
        }
        Ok(None)
    }
}
