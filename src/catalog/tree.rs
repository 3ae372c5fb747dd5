//! Lookups and changes in one index. Nodes are loaded from a [`Source`]; changed ones stay in memory as fresh children
//! until the transaction writes them.

use super::fault::Fault;
use super::node::{Child, Entry, Link, Node};
use super::record::RecordRef;
use crate::seal::Purpose;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::ops::ControlFlow;

/// Where stored nodes come from.
pub trait Source {
    fn node(&self, record: RecordRef) -> Result<Rc<Node>, Fault>;
}

/// Keeps nodes that were read, up to a number of them. A stored node never changes.
pub struct Cached<'s> {
    source: &'s dyn Source,
    nodes: RefCell<BTreeMap<RecordRef, Rc<Node>>>,
    nodes_max: usize,
}

impl<'s> Cached<'s> {
    pub fn new(source: &'s dyn Source, nodes_max: usize) -> Self {
        Self { source, nodes: RefCell::default(), nodes_max }
    }
}

impl Source for Cached<'_> {
    fn node(&self, record: RecordRef) -> Result<Rc<Node>, Fault> {
        if let Some(node) = self.nodes.borrow().get(&record) {
            return Ok(node.clone());
        }
        let node = self.source.node(record)?;
        let mut nodes = self.nodes.borrow_mut();
        // To forget all is as good as to forget the oldest, for walks as for lookups side by side.
        if nodes.len() >= self.nodes_max {
            nodes.clear();
        }
        nodes.insert(record, node.clone());
        Ok(node)
    }
}

/// Runs `f` on a child's node, wherever it is.
fn with_child<T>(source: &dyn Source, child: &Child, f: impl FnOnce(&Node) -> Result<T, Fault>) -> Result<T, Fault> {
    match &child.link {
        Link::Stored(record) => f(&*source.node(*record)?),
        Link::Fresh(node) => f(node),
    }
}

/// The entry of this key.
pub fn get(source: &dyn Source, node: &Node, key: &[u8]) -> Result<Option<Entry>, Fault> {
    match node {
        Node::Leaf(entries) => Ok(find(entries, key).ok().and_then(|at| entries.get(at)).cloned()),
        Node::Inner(children) => match children.get(position(children, key)) {
            Some(child) => with_child(source, child, |node| get(source, node, key)),
            None => Ok(None),
        },
    }
}

/// How many keys are below this one.
pub fn rank(source: &dyn Source, node: &Node, key: &[u8]) -> Result<u32, Fault> {
    match node {
        Node::Leaf(entries) => Ok(find(entries, key).unwrap_or_else(|at| at) as u32),
        Node::Inner(children) => {
            let at = position(children, key);
            let before: u32 = children.iter().take(at).map(|child| child.count).sum();
            match children.get(at) {
                Some(child) => Ok(before + with_child(source, child, |node| rank(source, node, key))?),
                None => Ok(before),
            }
        }
    }
}

/// Visits the entries in order, from the `skip`-th on, until `visit` breaks. Whole subtrees are skipped unread.
pub fn walk(
    source: &dyn Source,
    node: &Node,
    skip: &mut u32,
    visit: &mut dyn FnMut(&Entry) -> Result<ControlFlow<()>, Fault>,
) -> Result<ControlFlow<()>, Fault> {
    match node {
        Node::Leaf(entries) => {
            for entry in entries.iter().skip(core::mem::take(skip) as usize) {
                if visit(entry)?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
        Node::Inner(children) => {
            for child in children {
                if *skip >= child.count {
                    *skip -= child.count;
                } else if with_child(source, child, |node| walk(source, node, skip, visit))?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// Changes one index within a transaction.
pub struct Editor<'a> {
    pub source: &'a dyn Source,
    /// The largest encoded size of a node.
    pub node_bytes: usize,
    /// Stored nodes that the changed tree no longer refers to.
    pub superseded: &'a mut Vec<RecordRef>,
}

impl Editor<'_> {
    /// Stores an entry and returns the one it replaces.
    pub fn insert(&mut self, top: &mut Node, entry: Entry) -> Result<Option<Entry>, Fault> {
        let mut at_end = true;
        let replaced = self.insert_below(top, entry, &mut at_end)?;
        while top.bytes() > self.node_bytes {
            let mut pieces = core::mem::take(top).split(Vec::new(), self.node_bytes, at_end);
            if pieces.len() == 1 {
                if let Some(Child { link: Link::Fresh(node), .. }) = pieces.pop() {
                    *top = *node;
                }
                break;
            }
            *top = Node::Inner(pieces);
        }
        Ok(replaced)
    }

    /// Removes the entry of this key and returns it.
    pub fn remove(&mut self, top: &mut Node, key: &[u8]) -> Result<Option<Entry>, Fault> {
        // Look first: a path that is not changed must not be superseded.
        if get(self.source, top, key)?.is_none() {
            return Ok(None);
        }
        let removed = self.remove_below(top, key)?;
        // An inner node of one child says nothing: the child takes its place.
        loop {
            match top {
                Node::Inner(children) if children.is_empty() => *top = Node::default(),
                Node::Inner(children) if children.len() == 1 => {
                    let Some(mut child) = children.pop() else { break };
                    *top = core::mem::take(self.open(&mut child)?);
                }
                _ => break,
            }
        }
        Ok(removed)
    }

    fn insert_below(&mut self, node: &mut Node, entry: Entry, at_end: &mut bool) -> Result<Option<Entry>, Fault> {
        let children = match node {
            Node::Leaf(entries) => {
                return Ok(match find(entries, &entry.key) {
                    Ok(at) => {
                        *at_end = false;
                        entries.get_mut(at).map(|old| core::mem::replace(old, entry))
                    }
                    Err(at) => {
                        *at_end &= at == entries.len();
                        entries.insert(at, entry);
                        None
                    }
                });
            }
            Node::Inner(children) => children,
        };
        let at = position(children, &entry.key);
        *at_end &= at + 1 == children.len();
        let limit = self.node_bytes;
        let child = children.get_mut(at).ok_or_else(|| Fault::corrupt(Purpose::Node))?;
        if entry.key < child.low {
            child.low.clone_from(&entry.key);
        }
        let below = self.open(child)?;
        let replaced = self.insert_below(below, entry, at_end)?;
        let pieces = (below.bytes() > limit).then(|| core::mem::take(below));
        if replaced.is_none() {
            child.count += 1;
        }
        if let Some(node) = pieces {
            let low = core::mem::take(&mut child.low);
            children.splice(at..=at, node.split(low, limit, *at_end));
        }
        Ok(replaced)
    }

    fn remove_below(&mut self, node: &mut Node, key: &[u8]) -> Result<Option<Entry>, Fault> {
        let children = match node {
            Node::Leaf(entries) => return Ok(find(entries, key).ok().map(|at| entries.remove(at))),
            Node::Inner(children) => children,
        };
        let at = position(children, key);
        let Some(child) = children.get_mut(at) else { return Ok(None) };
        let below = self.open(child)?;
        let removed = self.remove_below(below, key)?;
        let (left, bytes) = (below.count(), below.bytes());
        child.count = left;
        if left == 0 {
            children.remove(at);
        } else if bytes < self.node_bytes / 4 && children.len() > 1 {
            self.merge(children, at.saturating_sub(1))?;
        }
        Ok(removed)
    }

    /// Joins the child at `at` with the next one, and cuts them anew if they don't fit into one node.
    fn merge(&mut self, children: &mut Vec<Child>, at: usize) -> Result<(), Fault> {
        let mut pair = children.drain(at..at + 2);
        let (Some(mut left), Some(mut right)) = (pair.next(), pair.next()) else {
            return Err(Fault::corrupt(Purpose::Node));
        };
        drop(pair);
        let mut joined = core::mem::take(self.open(&mut left)?);
        match (&mut joined, core::mem::take(self.open(&mut right)?)) {
            (Node::Leaf(entries), Node::Leaf(more)) => entries.extend(more),
            (Node::Inner(grandchildren), Node::Inner(more)) => grandchildren.extend(more),
            _ => return Err(Fault::corrupt(Purpose::Node)),
        }
        let pieces = if joined.bytes() > self.node_bytes {
            joined.split(left.low, self.node_bytes, false)
        } else {
            Vec::from([Child::fresh(left.low, joined)])
        };
        children.splice(at..at, pieces);
        Ok(())
    }

    /// The node of a child, made fresh if it was stored.
    fn open<'c>(&mut self, child: &'c mut Child) -> Result<&'c mut Node, Fault> {
        if let Link::Stored(record) = child.link {
            let node = Rc::unwrap_or_clone(self.source.node(record)?);
            self.superseded.push(record);
            child.link = Link::Fresh(Box::new(node));
        }
        match &mut child.link {
            Link::Fresh(node) => Ok(node),
            Link::Stored(_) => Err(Fault::corrupt(Purpose::Node)),
        }
    }
}

/// The place of a key in a leaf: `Ok` where it is, `Err` where it would be.
fn find(entries: &[Entry], key: &[u8]) -> Result<usize, usize> {
    entries.binary_search_by(|entry| entry.key.as_slice().cmp(key))
}

/// The child below which a key is or would be.
fn position(children: &[Child], key: &[u8]) -> usize {
    children.partition_point(|child| child.low.as_slice() <= key).saturating_sub(1)
}
