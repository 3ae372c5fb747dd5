//! Lookups and changes in one index. Nodes are loaded from a [`Source`]; changed ones stay in memory as fresh children
//! until the transaction writes them.

use super::by_record::ByRecord;
use super::fault::Fault;
use super::leaf::{StoredLeaf, StoredNode};
use super::node::{Child, Entry, Link, Node};
use super::record::RecordRef;
use crate::seal::Purpose;
use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::ops::ControlFlow;

/// Where stored nodes come from.
pub trait Source {
    fn node(&self, record: RecordRef) -> Result<Rc<StoredNode>, Fault>;
}

/// Keeps nodes that were read, up to a number of them. A stored node never changes.
pub struct Cached<'s> {
    source: &'s dyn Source,
    nodes: RefCell<ByRecord<Rc<StoredNode>>>,
    nodes_max: usize,
}

impl<'s> Cached<'s> {
    pub fn new(source: &'s dyn Source, nodes_max: usize) -> Self {
        Self { source, nodes: RefCell::default(), nodes_max }
    }
}

impl Source for Cached<'_> {
    fn node(&self, record: RecordRef) -> Result<Rc<StoredNode>, Fault> {
        if let Some(node) = self.nodes.borrow().get(record) {
            return Ok(node.clone());
        }
        let node = self.source.node(record)?;
        let mut nodes = self.nodes.borrow_mut();
        // To forget all is as good as to forget the oldest, for walks as for lookups side by side.
        if nodes.len() >= self.nodes_max {
            nodes.clear();
        }
        nodes.get_or_insert(record, node.clone());
        Ok(node)
    }
}

/// A node to look into, wherever it is.
#[derive(Clone, Copy)]
enum View<'n> {
    Inner(&'n [Child]),
    Leaf(&'n [Entry]),
    /// Its chunks are opened on the way.
    Stored(&'n StoredLeaf),
}

impl Node {
    fn view(&self) -> View<'_> {
        match self {
            Node::Inner(children) => View::Inner(children),
            Node::Leaf(entries) => View::Leaf(entries),
        }
    }
}

impl StoredNode {
    fn view(&self) -> View<'_> {
        match self {
            StoredNode::Inner(children) => View::Inner(children),
            StoredNode::Leaf(leaf) => View::Stored(leaf),
        }
    }
}

/// Runs `f` on a child's node.
fn with_child<T>(source: &dyn Source, child: &Child, f: impl FnOnce(View<'_>) -> Result<T, Fault>) -> Result<T, Fault> {
    match &child.link {
        Link::Stored(record) => f(source.node(*record)?.view()),
        Link::Fresh(node) => f(node.view()),
    }
}

/// The entry of this key.
pub fn get(source: &dyn Source, node: &Node, key: &[u8]) -> Result<Option<Entry>, Fault> {
    get_in(source, node.view(), key)
}

fn get_in(source: &dyn Source, view: View<'_>, key: &[u8]) -> Result<Option<Entry>, Fault> {
    match view {
        View::Leaf(entries) => Ok(find(entries, key).ok().and_then(|at| entries.get(at)).cloned()),
        View::Stored(leaf) => match leaf.chunk_of(key) {
            Some((chunk, _)) => Ok(leaf.find(chunk, key)?),
            None => Ok(None),
        },
        View::Inner(children) => match children.get(position(children, key)) {
            Some(child) => with_child(source, child, |view| get_in(source, view, key)),
            None => Ok(None),
        },
    }
}

/// How many keys are below this one.
pub fn rank(source: &dyn Source, node: &Node, key: &[u8]) -> Result<u32, Fault> {
    rank_in(source, node.view(), key)
}

fn rank_in(source: &dyn Source, view: View<'_>, key: &[u8]) -> Result<u32, Fault> {
    match view {
        View::Leaf(entries) => Ok(find(entries, key).unwrap_or_else(|at| at) as u32),
        View::Stored(leaf) => match leaf.chunk_of(key) {
            Some((chunk, before)) => Ok(before + leaf.below(chunk, key)?),
            None => Ok(0),
        },
        View::Inner(children) => {
            let at = position(children, key);
            let before: u32 = children.iter().take(at).map(|child| child.count).sum();
            match children.get(at) {
                Some(child) => Ok(before + with_child(source, child, |view| rank_in(source, view, key))?),
                None => Ok(before),
            }
        }
    }
}

/// What a walk does with each entry.
pub type Visit<'v> = &'v mut dyn FnMut(&Entry) -> Result<ControlFlow<()>, Fault>;

/// Visits the entries in order, from the `skip`-th on, until `visit` breaks. Whole subtrees are skipped unread.
pub fn walk(source: &dyn Source, node: &Node, mut skip: u32, visit: Visit<'_>) -> Result<(), Fault> {
    walk_in(source, node.view(), &mut skip, visit).map(|_| ())
}

/// Visits the entries whose keys begin like this, in order, from the `skip`-th of them on, until `visit` breaks.
pub fn walk_prefix(source: &dyn Source, node: &Node, prefix: &[u8], skip: u32, visit: Visit<'_>) -> Result<(), Fault> {
    let first = rank(source, node, prefix)?.saturating_add(skip);
    walk(source, node, first, &mut |entry| {
        if entry.key.starts_with(prefix) { visit(entry) } else { Ok(ControlFlow::Break(())) }
    })
}

fn walk_in(source: &dyn Source, view: View<'_>, skip: &mut u32, visit: Visit<'_>) -> Result<ControlFlow<()>, Fault> {
    match view {
        View::Leaf(entries) => visit_all(entries, skip, visit),
        View::Stored(leaf) => {
            let (first, before) = leaf.chunk_at(*skip).unwrap_or_default();
            *skip -= before;
            for chunk in first..leaf.chunks() {
                if visit_all(&leaf.open(chunk)?, skip, visit)?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            Ok(ControlFlow::Continue(()))
        }
        View::Inner(children) => {
            for child in children {
                if *skip >= child.count {
                    *skip -= child.count;
                } else if with_child(source, child, |view| walk_in(source, view, skip, visit))?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            Ok(ControlFlow::Continue(()))
        }
    }
}

fn visit_all(entries: &[Entry], skip: &mut u32, visit: Visit<'_>) -> Result<ControlFlow<()>, Fault> {
    for entry in entries.iter().skip(core::mem::take(skip) as usize) {
        if visit(entry)?.is_break() {
            return Ok(ControlFlow::Break(()));
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

/// Says of an entry that lies beside a new one whether it is to go.
pub type IsOver<'o> = &'o mut dyn FnMut(&Entry) -> bool;

/// What an insertion took out of an index.
#[derive(Default)]
pub struct Displaced {
    /// The entry that had the key.
    pub replaced: Option<Entry>,
    /// Entries of the same leaf that were over.
    pub over: Vec<Entry>,
}

impl Editor<'_> {
    /// Stores an entry. Entries that lie in the same leaf and are over go with it: it is written anyway.
    pub fn insert(&mut self, top: &mut Node, entry: Entry, is_over: IsOver<'_>) -> Result<Displaced, Fault> {
        let mut at_end = true;
        let displaced = self.insert_below(top, entry, is_over, &mut at_end)?;
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
        Ok(displaced)
    }

    /// Removes the first leaf of a tree without reading it, if that is wanted of so many entries whose keys all lie below
    /// the given one; for entries that own no records. The only leaf of a tree stays.
    pub fn drop_first_leaf(
        &mut self,
        top: &mut Node,
        is_over: &mut dyn FnMut(u32, &[u8]) -> bool,
    ) -> Result<bool, Fault> {
        let levels = levels(self.source, top.view())?;
        let is_dropped = first_leaf(self.source, top.view(), levels, None, is_over)?;
        if is_dropped {
            self.drop_first_leaf_below(top, levels)?;
            self.shorten(top)?;
        }
        Ok(is_dropped)
    }

    fn drop_first_leaf_below(&mut self, node: &mut Node, levels: u32) -> Result<(), Fault> {
        let Node::Inner(children) = node else { return Ok(()) };
        let Some(first) = children.first_mut() else { return Ok(()) };
        if levels > 2 {
            let below = self.open(first)?;
            self.drop_first_leaf_below(below, levels - 1)?;
            first.count = below.count();
        } else {
            if let Link::Stored(record) = first.link {
                self.superseded.push(record);
            }
            first.count = 0;
        }
        if first.count == 0 {
            children.remove(0);
        }
        Ok(())
    }

    /// Removes the entry of this key and returns it.
    pub fn remove(&mut self, top: &mut Node, key: &[u8]) -> Result<Option<Entry>, Fault> {
        // Look first: a path that is not changed must not be superseded.
        if get(self.source, top, key)?.is_none() {
            return Ok(None);
        }
        let removed = self.remove_below(top, key)?;
        self.shorten(top)?;
        Ok(removed)
    }

    /// An inner node of one child says nothing: the child takes its place.
    fn shorten(&mut self, top: &mut Node) -> Result<(), Fault> {
        loop {
            match top {
                Node::Inner(children) if children.is_empty() => *top = Node::default(),
                Node::Inner(children) if children.len() == 1 => {
                    let Some(mut child) = children.pop() else { return Ok(()) };
                    *top = core::mem::take(self.open(&mut child)?);
                }
                _ => return Ok(()),
            }
        }
    }

    fn insert_below(
        &mut self,
        node: &mut Node,
        entry: Entry,
        is_over: IsOver<'_>,
        at_end: &mut bool,
    ) -> Result<Displaced, Fault> {
        let children = match node {
            Node::Leaf(entries) => {
                let mut displaced = Displaced::default();
                let (over, mut kept) = core::mem::take(entries).into_iter().partition(|old| is_over(old));
                displaced.over = over;
                match find(&kept, &entry.key) {
                    Ok(at) => {
                        *at_end = false;
                        displaced.replaced = kept.get_mut(at).map(|old| core::mem::replace(old, entry));
                    }
                    Err(at) => {
                        *at_end &= at == kept.len();
                        kept.insert(at, entry);
                    }
                }
                *entries = kept;
                return Ok(displaced);
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
        let displaced = self.insert_below(below, entry, is_over, at_end)?;
        let (count, pieces) = (below.count(), (below.bytes() > limit).then(|| core::mem::take(below)));
        child.count = count;
        if let Some(node) = pieces {
            let low = core::mem::take(&mut child.low);
            children.splice(at..=at, node.split(low, limit, *at_end));
        }
        Ok(displaced)
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
            let node = self.source.node(record)?.to_node()?;
            self.superseded.push(record);
            child.link = Link::Fresh(Box::new(node));
        }
        match &mut child.link {
            Link::Fresh(node) => Ok(node),
            Link::Stored(_) => Err(Fault::corrupt(Purpose::Node)),
        }
    }
}

/// How deep a tree is, seen along its end: where entries were just added, nothing needs to be read for it.
fn levels(source: &dyn Source, view: View<'_>) -> Result<u32, Fault> {
    let View::Inner(children) = view else { return Ok(1) };
    let last = children.last().ok_or_else(|| Fault::corrupt(Purpose::Node))?;
    Ok(1 + with_child(source, last, |view| levels(source, view))?)
}

/// Whether `is_over` wants the first leaf of a tree of so many levels to go; the leaf is not read. `high` is above all
/// keys of this node; `None`: it is the last of its level.
fn first_leaf(
    source: &dyn Source,
    view: View<'_>,
    levels: u32,
    high: Option<&[u8]>,
    is_over: &mut dyn FnMut(u32, &[u8]) -> bool,
) -> Result<bool, Fault> {
    let View::Inner(children) = view else { return Ok(false) };
    let next = children.get(1).map(|second| second.low.as_slice()).or(high);
    match (children.first(), next) {
        (Some(first), Some(next)) if levels == 2 => Ok(is_over(first.count, next)),
        (Some(first), next) if levels > 2 => {
            with_child(source, first, |view| first_leaf(source, view, levels - 1, next, is_over))
        }
        _ => Ok(false),
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
