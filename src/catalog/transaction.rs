//! Changing: a working copy of the indexes over one root, and the records it will publish.

use super::cell::CommitId;
use super::fault::Fault;
use super::mutation::Mutation;
use super::node::{Child, Entry, Link, Node};
use super::record::{Kind, RecordRef};
use super::records::Records;
use super::root::{Garbage, Index, Root};
use super::tree::{self, Cached, Editor, Source};
use crate::error::Result;
use crate::seal::Purpose;
use crate::secret::SecretBytes;
use alloc::vec::Vec;

/// Commits after which a superseded record may be deleted. Younger ones are kept so that readers of the last few roots
/// need not start over; a reader that meets a deleted one does, so no clock and no exact number matters here.
const GRACE_COMMITS: u64 = 8;
/// Garbage that the root remembers: about what `GRACE_COMMITS` changes of a vault of depth 4 leave behind, and some.
const GARBAGE_MAX: usize = 160;

/// An uncommitted change of the vault.
pub struct Transaction<'t> {
    records: &'t Records<'t>,
    source: Cached<'t>,
    root: Root,
    tops: [Option<Node>; 3],
    superseded: Vec<RecordRef>,
    pending: Vec<(RecordRef, SecretBytes)>,
    changed: bool,
}

impl<'t> Transaction<'t> {
    pub(super) fn new(records: &'t Records<'t>, root: Root) -> Self {
        Self {
            records,
            // Most nodes are looked at first and changed afterwards.
            source: Cached::new(records, usize::MAX),
            root,
            tops: [None, None, None],
            superseded: Vec::new(),
            pending: Vec::new(),
            changed: false,
        }
    }

    /// The entry of a key.
    pub fn get(&mut self, index: Index, key: &[u8]) -> Result<Option<Entry>, Fault> {
        let (top, source, ..) = self.parts(index)?;
        tree::get(source, top, key)
    }

    /// Stores an entry; returns the one it replaces. Records that only the replaced entry owned become garbage.
    pub fn insert(&mut self, index: Index, entry: Entry) -> Result<Option<Entry>, Fault> {
        let kept = entry.records.clone();
        let (top, source, node_bytes, superseded) = self.parts(index)?;
        let replaced = Editor { source, node_bytes, superseded }.insert(top, entry)?;
        self.changed = true;
        self.release(replaced.as_ref(), &kept);
        Ok(replaced)
    }

    /// Removes an entry and returns it. The records it owned become garbage.
    pub fn remove(&mut self, index: Index, key: &[u8]) -> Result<Option<Entry>, Fault> {
        let (top, source, node_bytes, superseded) = self.parts(index)?;
        let removed = Editor { source, node_bytes, superseded }.remove(top, key)?;
        self.changed |= removed.is_some();
        self.release(removed.as_ref(), &[]);
        Ok(removed)
    }

    /// Opens a record that an entry owns.
    pub fn record(&self, record: RecordRef) -> Result<SecretBytes, Fault> {
        match self.pending.iter().find(|(pending, _)| *pending == record) {
            Some((_, plain)) => Ok(plain.clone()),
            None => self.records.read(record),
        }
    }

    /// Adds a record, to be owned by an entry of this transaction.
    pub fn add_record(&mut self, kind: Kind, plaintext: SecretBytes) -> Result<RecordRef, Fault> {
        let record = self.records.fresh(kind)?;
        self.pending.push((record, plaintext));
        Ok(record)
    }

    pub fn newest_id(&self) -> [u8; 16] {
        self.root.newest_id
    }

    pub fn set_newest_id(&mut self, id: [u8; 16]) {
        self.root.newest_id = id;
    }

    /// Commits even if no entry changes.
    pub(super) fn touch(&mut self) {
        self.changed = true;
    }

    pub(super) fn is_changed(&self) -> bool {
        self.changed
    }

    pub(super) fn root(&self) -> &Root {
        &self.root
    }

    /// Writes all new records and returns the root that would publish them. What was written so far is in `written`
    /// even when this fails. `dead` are records of lost attempts, which become garbage with this commit.
    pub(super) fn write(mut self, dead: &[RecordRef], written: &mut Vec<RecordRef>) -> Result<Publication, Fault> {
        for (record, plaintext) in core::mem::take(&mut self.pending) {
            // One that was replaced within the transaction is not worth writing.
            if let Some(at) = self.superseded.iter().position(|superseded| *superseded == record) {
                self.superseded.swap_remove(at);
                continue;
            }
            written.push(record);
            match record.kind {
                Kind::Claim => super::claim::create(self.records, record, plaintext.expose())?,
                _ => self.records.write(record, plaintext.expose())?,
            }
        }
        for index in Index::ALL {
            if let Some(Some(top)) = self.tops.get_mut(index as usize) {
                self.records.write_fresh(top, written)?;
                self.root.set_top(index, top).ok_or_else(|| Fault::corrupt(Purpose::Node))?;
            }
        }
        let commit = self.records.fresh_commit_id()?;
        self.root.advance(commit);
        let overflow = if self.records.platform.store.has_atomics() { self.collect_garbage(dead) } else { Vec::new() };
        Ok(Publication { commit, root: self.root, overflow })
    }

    /// Deletes old garbage, at most twice as much as this commit adds, and remembers the new. Deleting comes before
    /// the swap that forgets: what is garbage in a committed root stays garbage, whatever becomes of this commit.
    fn collect_garbage(&mut self, dead: &[RecordRef]) -> Vec<RecordRef> {
        let seq = self.root.history.seq;
        let mut new = core::mem::take(&mut self.superseded);
        new.extend_from_slice(dead);
        if Mutation::DeleteBeforeCommit.is_on() {
            for record in &new {
                self.records.delete(*record);
            }
        }
        let mut allowance = 2 * new.len();
        let mut excess = (self.root.garbage.len() + new.len()).saturating_sub(GARBAGE_MAX);
        let records = self.records;
        self.root.garbage.retain(|old| {
            let due = old.seq + GRACE_COMMITS < seq || excess > 0;
            if !due || allowance == 0 {
                return true;
            }
            allowance -= 1;
            let deleted = records.delete(old.record);
            // Full: forget it even if the store refused; `sweep` finds it.
            let forget = deleted || excess > 0;
            excess = excess.saturating_sub(usize::from(forget));
            !forget
        });
        let room = GARBAGE_MAX.saturating_sub(self.root.garbage.len());
        let overflow = new.split_off(room.min(new.len()));
        self.root.garbage.extend(new.into_iter().map(|record| Garbage { seq, record }));
        overflow
    }

    fn release(&mut self, old: Option<&Entry>, kept: &[RecordRef]) {
        let records = old.map(|old| old.records.as_slice()).unwrap_or_default();
        self.superseded.extend(records.iter().filter(|record| !kept.contains(record)));
    }

    #[allow(clippy::type_complexity)] // Splits the borrow of `self`, nothing more.
    fn parts(&mut self, index: Index) -> Result<(&mut Node, &dyn Source, usize, &mut Vec<RecordRef>), Fault> {
        let top = self.tops.get_mut(index as usize).ok_or_else(|| Fault::corrupt(Purpose::Root))?;
        let top = match top {
            Some(top) => top,
            None => top.insert(self.root.top(index).ok_or_else(|| Fault::corrupt(Purpose::Root))?),
        };
        Ok((top, &self.source, self.root.node_bytes as usize, &mut self.superseded))
    }
}

/// A commit that is written but for its root.
pub(super) struct Publication {
    pub commit: CommitId,
    pub root: Root,
    /// Superseded records for which the root has no room: to be deleted once the commit is known to have happened.
    pub overflow: Vec<RecordRef>,
}

impl Records<'_> {
    /// Writes the fresh nodes below this one, children first.
    fn write_fresh(&self, node: &mut Node, written: &mut Vec<RecordRef>) -> Result<(), Fault> {
        let Node::Inner(children) = node else { return Ok(()) };
        for child in children {
            let Child { link: Link::Fresh(below), .. } = child else { continue };
            self.write_fresh(below, written)?;
            let encoded = below.encode().ok_or_else(|| Fault::corrupt(Purpose::Node))?;
            let record = self.fresh(Kind::Node)?;
            written.push(record);
            self.write(record, &encoded)?;
            child.link = Link::Stored(record);
        }
        Ok(())
    }
}
