//! Walking over all nodes of an index and checking the rules of the structure, a bounded part at a time.

use super::fault::Fault;
use super::index::Index;
use super::leaf::StoredNode;
use super::node::{Child, Entry, Link, Node};
use super::record::RecordRef;
use super::snapshot::Snapshot;
use super::tree::Source;
use crate::error::Result;
use crate::seal::Purpose;
use alloc::vec::Vec;
use core::ops::ControlFlow;

/// What looks at everything on the way.
pub trait Visitor {
    /// A node outside the root, of this many bytes before it is sealed.
    fn node(&mut self, record: RecordRef, bytes: usize) -> Result<(), Fault>;
    fn entry(&mut self, entry: &Entry) -> Result<(), Fault>;
}

/// How far a walk came.
pub struct Examined {
    /// Levels of the index, the top in the root included.
    pub depth: u32,
    /// Where to go on; `None` at the end of the index.
    pub next: Option<Vec<u8>>,
}

/// What holds for a walk as a whole.
struct Walk<'w> {
    source: &'w dyn Source,
    visitor: &'w mut dyn Visitor,
    /// Leaves that may still be looked at.
    leaves: u32,
    depth: Option<u32>,
}

impl Snapshot<'_> {
    /// Visits everything in the leaves from that of the key `from` on, `leaves` of them at most, and checks that keys
    /// ascend, that counts are true and that leaves are equally deep.
    pub fn examine(
        &self,
        index: Index,
        from: &[u8],
        leaves: u32,
        visitor: &mut dyn Visitor,
    ) -> Result<Examined, Fault> {
        let mut walk = Walk { source: self.source(), visitor, leaves, depth: None };
        let flow = match self.top(index)? {
            Node::Leaf(entries) => walk.leaf(entries, 1, None, None)?,
            Node::Inner(children) => walk.inner(children, 1, None, None, from)?,
        };
        let next = match flow {
            ControlFlow::Break(next) => Some(next),
            ControlFlow::Continue(()) => None,
        };
        Ok(Examined { depth: walk.depth.unwrap_or(1), next })
    }

    /// Levels of an index, the top in the root included.
    pub fn depth(&self, index: Index) -> Result<u32, Fault> {
        struct Nothing;
        impl Visitor for Nothing {
            fn node(&mut self, _: RecordRef, _: usize) -> Result<(), Fault> {
                Ok(())
            }
            fn entry(&mut self, _: &Entry) -> Result<(), Fault> {
                Ok(())
            }
        }
        Ok(self.examine(index, &[], 1, &mut Nothing)?.depth)
    }
}

fn broken() -> Fault {
    Fault::corrupt(Purpose::Node)
}

impl Walk<'_> {
    /// `low` and `high` bound the keys below this node.
    fn inner(
        &mut self,
        children: &[Child],
        level: u32,
        low: Option<&[u8]>,
        high: Option<&[u8]>,
        from: &[u8],
    ) -> Result<ControlFlow<Vec<u8>>, Fault> {
        if children.is_empty() {
            return Err(broken());
        }
        let first = children.partition_point(|child| child.low.as_slice() <= from).saturating_sub(1);
        for (at, child) in children.iter().enumerate().skip(first) {
            if self.leaves == 0 {
                return Ok(ControlFlow::Break(child.low.clone()));
            }
            let Link::Stored(record) = child.link else { return Err(broken()) };
            let next = children.get(at + 1).map(|next| next.low.as_slice());
            let low = if at == 0 { low } else { Some(child.low.as_slice()) };
            let is_in_order = low.is_none_or(|low| next.is_none_or(|next| low <= next));
            let stored = self.source.node(record)?;
            let node = stored.to_node()?;
            if !is_in_order || node.count() != child.count || child.count == 0 {
                return Err(broken());
            }
            // One that the walk goes on in was visited when it got there first.
            if child.low.as_slice() >= from {
                self.visitor.node(record, node.bytes())?;
            }
            let high = next.or(high);
            let flow = match (&*stored, &node) {
                (StoredNode::Inner(below), _) => self.inner(below, level + 1, low, high, from)?,
                (_, Node::Leaf(entries)) => self.leaf(entries, level + 1, low, high)?,
                _ => return Err(broken()),
            };
            if flow.is_break() {
                return Ok(flow);
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn leaf(
        &mut self,
        entries: &[Entry],
        level: u32,
        low: Option<&[u8]>,
        high: Option<&[u8]>,
    ) -> Result<ControlFlow<Vec<u8>>, Fault> {
        if *self.depth.get_or_insert(level) != level {
            return Err(broken());
        }
        let mut previous: Option<&[u8]> = None;
        for entry in entries {
            let key = entry.key.as_slice();
            let is_in_order = previous.is_none_or(|previous| previous < key)
                && low.is_none_or(|low| low <= key)
                && high.is_none_or(|high| key < high);
            if !is_in_order {
                return Err(broken());
            }
            previous = Some(key);
            self.visitor.entry(entry)?;
        }
        self.leaves = self.leaves.saturating_sub(1);
        Ok(ControlFlow::Continue(()))
    }
}
