//! Reading: one root is one snapshot.

use super::fault::Fault;
use super::node::{Entry, Node};
use super::record::RecordRef;
use super::records::Records;
use super::root::{Index, Root};
use super::tree::{self, Cached};
use crate::seal::Purpose;
use crate::secret::SecretBytes;
use core::cell::OnceCell;
use core::ops::ControlFlow;

/// Nodes that a query keeps for its next lookup: the upper levels of two indexes and some leaves, a quarter of a MiB.
const NODES_MAX: usize = 16;

/// The vault as one commit left it.
pub struct Snapshot<'s> {
    records: &'s Records<'s>,
    nodes: Cached<'s>,
    /// `None`: an empty vault that was never written.
    root: Option<&'s Root>,
    /// Top nodes that were looked at, by index.
    tops: [OnceCell<Node>; 3],
}

impl<'s> Snapshot<'s> {
    pub(super) fn new(records: &'s Records<'s>, root: Option<&'s Root>) -> Self {
        Self { records, nodes: Cached::new(records, NODES_MAX), root, tops: Default::default() }
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
    pub fn walk(
        &self,
        index: Index,
        mut skip: u32,
        visit: &mut dyn FnMut(&Entry) -> Result<ControlFlow<()>, Fault>,
    ) -> Result<(), Fault> {
        tree::walk(&self.nodes, self.top(index)?, &mut skip, visit).map(|_| ())
    }

    /// Opens a record that an entry owns.
    pub fn record(&self, record: RecordRef) -> Result<SecretBytes, Fault> {
        self.records.read(record)
    }

    pub(super) fn root(&self) -> Option<&Root> {
        self.root
    }

    fn top(&self, index: Index) -> Result<&Node, Fault> {
        let corrupt = || Fault::corrupt(Purpose::Root);
        let cell = self.tops.get(index as usize).ok_or_else(corrupt)?;
        if let Some(top) = cell.get() {
            return Ok(top);
        }
        let top = match self.root {
            None => Node::default(),
            Some(root) => root.top(index).ok_or_else(corrupt)?,
        };
        Ok(cell.get_or_init(|| top))
    }
}
