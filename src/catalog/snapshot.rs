//! Reading: one root is one snapshot.

use super::fault::Fault;
use super::index::{Index, PerIndex};
use super::node::{Entry, Node};
use super::record::RecordRef;
use super::records::Records;
use super::root::Root;
use super::tree::{self, Cached, Visit};
use crate::error::Result;
use crate::seal::{Opened, Purpose};
use core::cell::OnceCell;

/// Nodes that a query keeps for its next lookup: the upper levels of two indexes and some leaves, a quarter of a MiB.
const NODES_MAX: usize = 16;

/// The vault as one commit left it.
pub struct Snapshot<'s> {
    records: &'s Records<'s>,
    nodes: Cached<'s>,
    /// `None`: an empty vault that was never written.
    root: Option<&'s Root>,
    /// Top nodes that were looked at.
    tops: PerIndex<OnceCell<Node>>,
}

impl<'s> Snapshot<'s> {
    pub(super) fn new(records: &'s Records<'s>, root: Option<&'s Root>) -> Self {
        Self { records, nodes: Cached::new(records, NODES_MAX), root, tops: PerIndex::default() }
    }

    /// How many entries an index has.
    pub fn count(&self, index: Index) -> Result<u32, Fault> {
        Ok(self.top(index)?.count())
    }

    /// The entry of a key.
    pub fn get(&self, index: Index, key: &[u8]) -> Result<Option<Entry>, Fault> {
        tree::get(&self.nodes, self.top(index)?, key)
    }

    /// How many keys of an index are below this one.
    pub fn rank(&self, index: Index, key: &[u8]) -> Result<u32, Fault> {
        tree::rank(&self.nodes, self.top(index)?, key)
    }

    /// Visits the entries of an index in order, from the `skip`-th on, until `visit` breaks.
    pub fn walk(&self, index: Index, skip: u32, visit: Visit<'_>) -> Result<(), Fault> {
        tree::walk(&self.nodes, self.top(index)?, skip, visit)
    }

    /// Visits the entries of an index in order, from the first that is not below `from`, until `visit` breaks.
    pub fn walk_from(&self, index: Index, from: &[u8], visit: Visit<'_>) -> Result<(), Fault> {
        self.walk(index, self.rank(index, from)?, visit)
    }

    /// Visits the entries of an index whose keys begin like this, from the `skip`-th of them on, until `visit` breaks.
    pub fn walk_prefix(&self, index: Index, prefix: &[u8], skip: u32, visit: Visit<'_>) -> Result<(), Fault> {
        tree::walk_prefix(&self.nodes, self.top(index)?, prefix, skip, visit)
    }

    /// Opens a record that an entry owns.
    pub fn record(&self, record: RecordRef) -> Result<Opened, Fault> {
        self.records.read(record)
    }

    pub(super) fn source(&self) -> &dyn tree::Source {
        self.records
    }

    pub(super) fn top(&self, index: Index) -> Result<&Node, Fault> {
        let cell = self.tops.get(index).ok_or_else(|| Fault::corrupt(Purpose::Root))?;
        if let Some(top) = cell.get() {
            return Ok(top);
        }
        let top = match self.root {
            None => Node::default(),
            Some(root) => root.top(index)?,
        };
        Ok(cell.get_or_init(|| top))
    }
}
