//! Upkeep: walking over everything, and removing what interrupted writers left behind.

use super::Catalog;
use super::cell::Cell;
use super::fault::Fault;
use super::mutation::Mutation;
use super::node::{Link, Node};
use super::record::{Kind, RecordRef};
use super::root::{Index, Root};
use super::snapshot::Snapshot;
use super::tree::Source;
use crate::error::{Code, Error, Result};
use crate::seal::Purpose;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

/// What a sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Records of this project that were looked at.
    pub examined: u64,
    /// Unreachable records that were deleted.
    pub deleted: u64,
}

/// What a walk over the whole structure found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Structure {
    /// Levels of each index in the order of [`Index::ALL`], the top in the root included.
    pub depths: [u32; 3],
    /// Nodes outside the root.
    pub nodes: u64,
    /// Bytes of the root and the nodes before they are sealed.
    pub bytes: u64,
    /// Everything the root refers to, its garbage excluded.
    pub reachable: BTreeSet<RecordRef>,
    /// Garbage the root remembers.
    pub garbage: Vec<RecordRef>,
}

impl Structure {
    /// Whether a record is in use, or known to be garbage.
    pub fn refers_to(&self, record: &RecordRef) -> bool {
        self.reachable.contains(record) || self.garbage.contains(record)
    }
}

impl Catalog<'_> {
    /// Deletes the records that neither the root nor its garbage refers to.
    ///
    /// The keys are listed first; then an empty commit is made on a root that refers to none of the doomed; only then
    /// are they deleted. A writer that was under way builds on an older root: its swap can no longer land, and when it
    /// builds on the new one it writes everything anew.
    ///
    /// Errors: [`Code::NotSupported`] without compare-and-swap; those of [`Catalog::commit`].
    pub fn sweep(&self) -> Result<Swept> {
        if !self.records.platform.store.has_atomics() {
            return Err(Error::new(Code::NotSupported, "sweep needs a key-value store with compare-and-swap"));
        }
        let listed = self.listed()?;
        let doomed = self.commit(|transaction| {
            let mut structure = Structure::default();
            self.examine(transaction.root(), &mut structure)?;
            let doomed: Vec<RecordRef> = listed.iter().filter(|record| !structure.refers_to(record)).copied().collect();
            if !doomed.is_empty() && !Mutation::SweepWithoutCommit.is_on() {
                transaction.touch();
            }
            Ok(doomed)
        })?;
        let deleted = doomed.iter().filter(|record| self.records.delete(**record)).count();
        Ok(Swept { examined: listed.len() as u64, deleted: deleted as u64 })
    }

    /// All records of the project that the bucket lists.
    fn listed(&self) -> Result<BTreeSet<RecordRef>> {
        let mut listed = BTreeSet::new();
        self.for_each_listed(|record| {
            listed.insert(record);
        })?;
        Ok(listed)
    }

    /// Visits each record of the project that the bucket lists. Keys of others and keys that are no record are passed
    /// over.
    pub fn for_each_listed(&self, mut visit: impl FnMut(RecordRef)) -> Result<()> {
        let mut cursor = None;
        loop {
            let page = self.records.platform.store.list_keys(cursor.as_deref())?;
            page.keys.iter().filter_map(|key| self.records.keys.parse(key)).for_each(&mut visit);
            match page.cursor {
                Some(next) => cursor = Some(next),
                None => return Ok(()),
            }
        }
    }

    /// Walks over all nodes of a snapshot and checks the rules of the structure.
    pub fn structure(&self, snapshot: &Snapshot<'_>) -> Result<Structure, Fault> {
        let mut structure = Structure::default();
        if let Some(root) = snapshot.root() {
            self.examine(root, &mut structure)?;
        }
        Ok(structure)
    }

    /// The size of a claim record; it must open.
    pub fn claim_bytes(&self, record: RecordRef) -> Result<u64, Fault> {
        let found = self.records.current::<super::claim::Claims>(&self.records.keys.record(record))?;
        Ok(found.ok_or(Fault::Missing(Kind::Claim))?.state.encode().len() as u64)
    }

    fn examine(&self, root: &Root, structure: &mut Structure) -> Result<(), Fault> {
        structure.bytes += root.encode().len() as u64;
        let mut depths = [0; 3];
        for (index, depth) in Index::ALL.into_iter().zip(&mut depths) {
            let top = root.top(index).ok_or_else(|| Fault::corrupt(Purpose::Root))?;
            *depth = self.examine_node(&top, None, None, structure)?;
        }
        structure.depths = depths;
        structure.garbage = root.garbage.iter().map(|garbage| garbage.record).collect();
        if structure.garbage.iter().any(|record| structure.reachable.contains(record)) {
            return Err(Fault::corrupt(Purpose::Root));
        }
        Ok(())
    }

    /// Checks that keys ascend between `low` and `high`, that counts are true and that leaves are equally deep;
    /// returns the depth.
    fn examine_node(
        &self,
        node: &Node,
        low: Option<&[u8]>,
        high: Option<&[u8]>,
        structure: &mut Structure,
    ) -> Result<u32, Fault> {
        let broken = || Fault::corrupt(Purpose::Node);
        match node {
            Node::Leaf(entries) => {
                let mut previous: Option<&[u8]> = None;
                for entry in entries {
                    let key = entry.key.as_slice();
                    let in_order = previous.is_none_or(|previous| previous < key)
                        && low.is_none_or(|low| low <= key)
                        && high.is_none_or(|high| key < high);
                    if !in_order {
                        return Err(broken());
                    }
                    previous = Some(key);
                    for record in &entry.records {
                        if !structure.reachable.insert(*record) {
                            return Err(broken());
                        }
                    }
                }
                Ok(1)
            }
            Node::Inner(children) => {
                let mut depth = None;
                for (at, child) in children.iter().enumerate() {
                    let Link::Stored(record) = child.link else { return Err(broken()) };
                    if !structure.reachable.insert(record) {
                        return Err(broken());
                    }
                    let below = self.records.node(record)?;
                    structure.nodes += 1;
                    structure.bytes += below.bytes() as u64;
                    if below.count() != child.count || child.count == 0 {
                        return Err(broken());
                    }
                    let low = if at == 0 { low } else { Some(child.low.as_slice()) };
                    let next = children.get(at + 1).map(|next| next.low.as_slice()).or(high);
                    let below_depth = self.examine_node(&below, low, next, structure)?;
                    if depth.is_some_and(|depth| depth != below_depth) {
                        return Err(broken());
                    }
                    depth = Some(below_depth);
                }
                Ok(1 + depth.ok_or_else(broken)?)
            }
        }
    }
}
