//! Changing: a working copy of the indexes over one root, and the records it will publish.

use super::by_record::ByRecord;
use super::cell::CommitId;
use super::fault::Fault;
use super::index::{Index, PerIndex};
use super::leaf;
use super::mutation::Mutation;
use super::node::{Child, Entry, Link, Node};
use super::pin::Pin;
use super::record::{Kind, RecordRef};
use super::records::Records;
use super::root::{Garbage, Queue, Root};
use super::tree::{self, Cached, Displaced, Editor, IsOver, Source};
use crate::error::Result;
use crate::seal::{Opened, Purpose};
use crate::secret::SecretBytes;
use alloc::rc::Rc;
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
    tops: PerIndex<Option<Node>>,
    /// Nodes that are in use no more, and records that belonged to no entry.
    superseded: Vec<RecordRef>,
    /// By how many entries more, or fewer, a record is owned than before: what moves from one to another is no garbage.
    owners: ByRecord<i32>,
    pending: Vec<(RecordRef, Pending)>,
    is_changed: bool,
    forgets_all: bool,
    /// The oldest commit that is held by a pin which ends with this commit, and not before.
    was_pinned: Option<u64>,
}

/// A record that is not written yet.
enum Pending {
    Body(SecretBytes),
    Claim,
    Snapshot(Root),
}

impl<'t> Transaction<'t> {
    pub(super) fn new(records: &'t Records<'t>, root: Root) -> Self {
        Self {
            records,
            // Most nodes are looked at first and changed afterwards.
            source: Cached::new(records, usize::MAX),
            root,
            tops: PerIndex::default(),
            superseded: Vec::new(),
            owners: ByRecord::default(),
            pending: Vec::new(),
            is_changed: false,
            forgets_all: false,
            was_pinned: None,
        }
    }

    /// The number that this commit will have.
    pub fn seq(&self) -> u64 {
        self.root.seq + 1
    }

    /// How many entries an index has.
    pub fn count(&mut self, index: Index) -> Result<u32, Fault> {
        Ok(self.parts(index)?.0.count())
    }

    /// The entry of a key.
    pub fn get(&mut self, index: Index, key: &[u8]) -> Result<Option<Entry>, Fault> {
        let (top, editor) = self.parts(index)?;
        tree::get(editor.source, top, key)
    }

    /// Visits entries in order, from that of `from` on.
    pub fn walk(&mut self, index: Index, from: &[u8], visit: tree::Visit<'_>) -> Result<(), Fault> {
        let (top, editor) = self.parts(index)?;
        let skip = tree::rank(editor.source, top, from)?;
        tree::walk(editor.source, top, skip, visit)
    }

    /// Visits the entries whose keys begin like this.
    pub fn walk_prefix(&mut self, index: Index, prefix: &[u8], visit: tree::Visit<'_>) -> Result<(), Fault> {
        let (top, editor) = self.parts(index)?;
        tree::walk_prefix(editor.source, top, prefix, 0, visit)
    }

    /// Stores an entry; returns the one it replaces. Records that only the replaced entry owned become garbage.
    pub fn insert(&mut self, index: Index, entry: Entry) -> Result<Option<Entry>, Fault> {
        self.insert_beside(index, entry, &mut |_| false)
    }

    /// Stores an entry, and removes those of the same leaf that are over.
    pub fn insert_beside(&mut self, index: Index, entry: Entry, is_over: IsOver<'_>) -> Result<Option<Entry>, Fault> {
        self.own(&entry, 1);
        let (top, mut editor) = self.parts(index)?;
        let Displaced { replaced, over } = editor.insert(top, entry, is_over)?;
        self.is_changed = true;
        for gone in replaced.iter().chain(&over) {
            self.own(gone, -1);
        }
        Ok(replaced)
    }

    /// Removes an entry and returns it. The records it owned become garbage, unless another entry takes them over.
    pub fn remove(&mut self, index: Index, key: &[u8]) -> Result<Option<Entry>, Fault> {
        let (top, mut editor) = self.parts(index)?;
        let removed = editor.remove(top, key)?;
        self.is_changed |= removed.is_some();
        if let Some(removed) = &removed {
            self.own(removed, -1);
        }
        Ok(removed)
    }

    /// Removes the first leaf of an index, unread, if that is wanted of so many entries whose keys all lie below the
    /// given one. Its entries own no records.
    pub fn drop_first_leaf(
        &mut self,
        index: Index,
        is_over: &mut dyn FnMut(u32, &[u8]) -> bool,
    ) -> Result<bool, Fault> {
        let (top, mut editor) = self.parts(index)?;
        let dropped = editor.drop_first_leaf(top, is_over)?;
        self.is_changed |= dropped;
        Ok(dropped)
    }

    /// Opens a record that an entry owns.
    pub fn record(&self, record: RecordRef) -> Result<Opened, Fault> {
        self.records.read(record)
    }

    /// Adds a record of values, to be owned by an entry of this transaction.
    pub fn add_body(&mut self, plaintext: SecretBytes) -> Result<RecordRef, Fault> {
        self.add(Kind::Body, Pending::Body(plaintext))
    }

    /// Adds a claim record, to be owned by an entry of this transaction.
    pub fn add_claim(&mut self) -> Result<RecordRef, Fault> {
        self.add(Kind::Claim, Pending::Claim)
    }

    /// What the layer above keeps in the root.
    pub fn note(&self) -> Result<&[u8], Fault> {
        Ok(self.root.note()?)
    }

    pub fn set_note(&mut self, note: Vec<u8>) {
        self.root.set_note(note);
    }

    /// Deletes everything that is garbage as soon as this is committed, this commit's and older, however many readers
    /// have to start over; pins end.
    pub fn forget_all(&mut self) {
        self.forgets_all = true;
    }

    /// Commits even if no entry changes.
    pub fn touch(&mut self) {
        self.is_changed = true;
    }

    pub fn is_changed(&self) -> bool {
        self.is_changed
    }

    pub(super) fn root(&self) -> &Root {
        &self.root
    }

    pub(super) fn records(&self) -> &'t Records<'t> {
        self.records
    }

    pub(super) fn set_queue(&mut self, queue: Queue) {
        self.root.set_queue(queue);
    }

    pub(super) fn add_snapshot(&mut self, tops: Root) -> Result<RecordRef, Fault> {
        self.add(Kind::Snapshot, Pending::Snapshot(tops))
    }

    /// What belongs to pins that are gone becomes garbage.
    pub(super) fn set_pins(&mut self, pins: Vec<Pin>) -> Result<(), Fault> {
        let old = self.root.pins()?;
        for ended in old.iter().filter(|old| pins.iter().all(|pin| pin.tops != old.tops)) {
            self.superseded.push(ended.tops);
            self.was_pinned = Some(self.was_pinned.map_or(ended.seq, |seq| seq.min(ended.seq)));
        }
        self.is_changed |= !(old.is_empty() && pins.is_empty());
        self.root.set_pins(&pins);
        Ok(())
    }

    /// Writes all new records and returns the root that would publish them. What was written so far is in `written`
    /// even when this fails.
    pub(super) fn write(mut self, written: &mut Vec<RecordRef>) -> Result<Publication, Fault> {
        self.superseded.extend(self.owners.iter().filter(|(_, more)| *more < 0).map(|(record, _)| *record));
        for (record, content) in core::mem::take(&mut self.pending) {
            // What was added and replaced again is not worth writing.
            if record.kind != Kind::Snapshot && self.owners.get(record).is_none_or(|more| *more == 0) {
                continue;
            }
            written.push(record);
            match content {
                Pending::Body(plaintext) => self.records.write(record, plaintext.expose(), &[])?,
                Pending::Claim => self.records.create_claim(record)?,
                Pending::Snapshot(tops) => {
                    let (key, platform) = (self.records.keys.record(record), self.records.platform);
                    let sealed = tops.seal(self.records.sealer, platform.random, Purpose::Snapshot, &key)?;
                    platform.store.set(&key, &sealed)?;
                }
            }
        }
        for index in Index::ALL {
            if let Some(Some(top)) = self.tops.get_mut(index) {
                self.records.write_fresh(top, written)?;
                self.root.set_top(index, top)?;
            }
        }
        let commit = self.records.random()?;
        self.root.advance(commit)?;
        let doomed = if self.records.platform.store.has_atomics() { self.collect_garbage()? } else { Vec::new() };
        Ok(Publication { commit, root: self.root, doomed })
    }

    /// Remembers the new garbage, and deletes and forgets old: at most twice as much as is new. What is garbage in a
    /// committed root stays garbage, so what no pin of it holds need not wait for this commit: a store that can makes its
    /// deletions part of the swap. Returns what may be deleted only once the commit is known to have happened.
    fn collect_garbage(&mut self) -> Result<Vec<RecordRef>, Fault> {
        let seq = self.root.seq;
        let now = self.records.platform.clock.now();
        let mut pins = self.root.pins()?;
        if !pins.is_empty() {
            pins.retain(|pin| pin.holds(now) && !self.forgets_all);
            self.set_pins(pins.clone())?;
        }
        // A pinned root refers to nothing that was superseded up to its own commit.
        let pinned = pins.iter().map(|pin| pin.seq).min().filter(|_| !Mutation::IgnorePins.is_on());
        let new = core::mem::take(&mut self.superseded);
        if Mutation::DeleteBeforeCommit.is_on() {
            self.records.discard(&new);
        }
        let mut garbage = self.root.garbage()?;
        if self.forgets_all {
            // They are deleted right after the commit, and remembered all the same: a writer can die before it, fail at
            // it, or not learn that it committed. The next commits delete them again. When there is no room for all, it
            // is for what belongs to entries.
            let (mut doomed, owned): (Vec<_>, Vec<_>) =
                garbage.iter().map(|old| old.record).chain(new).partition(|record| record.kind == Kind::Node);
            doomed.extend(owned);
            let excess = doomed.len().saturating_sub(GARBAGE_MAX);
            let kept: Vec<_> = doomed.iter().skip(excess).copied().map(Garbage::purged).collect();
            self.root.set_garbage(&kept);
            return Ok(doomed);
        }
        let is_free = |old: &Garbage| pinned.is_none_or(|pinned| old.seq <= pinned);
        // A pin that ends with this commit lasts if this one does not come about.
        let was_free = |old: &Garbage| self.was_pinned.is_none_or(|pinned| old.seq <= pinned);
        let mut doomed = Vec::new();
        // Whether it can be forgotten: what the store fails to delete is tried again.
        let mut delete = |old: &Garbage| {
            if was_free(old) {
                return self.records.delete(old.record);
            }
            doomed.push(old.record);
            true
        };
        let mut allowance = 2 * new.len();
        garbage.retain(|old| {
            let goes = old.seq + GRACE_COMMITS < seq && is_free(old) && allowance > 0;
            if goes {
                allowance -= 1;
            }
            !(goes && delete(old))
        });
        // The oldest go when there is no more room, whatever their age. Those that a pin holds are left to `sweep`.
        let room = GARBAGE_MAX.saturating_sub(new.len());
        for old in garbage.drain(..garbage.len().saturating_sub(room)).filter(is_free) {
            delete(&old);
        }
        let new: Vec<_> = new.into_iter().map(|record| Garbage { seq, record }).collect();
        let (gone, kept) = new.split_at(new.len().saturating_sub(GARBAGE_MAX));
        doomed.extend(gone.iter().filter(|gone| is_free(gone)).map(|gone| gone.record));
        garbage.extend(kept);
        self.root.set_garbage(&garbage);
        Ok(doomed)
    }

    fn add(&mut self, kind: Kind, content: Pending) -> Result<RecordRef, Fault> {
        let record = self.records.fresh(kind)?;
        self.pending.push((record, content));
        Ok(record)
    }

    fn own(&mut self, entry: &Entry, more: i32) {
        for record in &entry.records {
            if let Some(count) = self.owners.get_or_insert(*record, 0) {
                *count += more;
            }
        }
    }

    /// The top node of an index and what changes it.
    fn parts(&mut self, index: Index) -> Result<(&mut Node, Editor<'_>), Fault> {
        let top = self.tops.get_mut(index).ok_or_else(|| Fault::corrupt(Purpose::Root))?;
        let top = match top {
            Some(top) => top,
            None => top.insert(self.root.top(index)?),
        };
        let node_bytes = self.root.node_bytes as usize;
        Ok((top, Editor { source: &self.source, node_bytes, superseded: &mut self.superseded }))
    }
}

/// A commit that is written but for its root.
pub(super) struct Publication {
    pub commit: CommitId,
    pub root: Root,
    /// Records to delete once the commit is known to have happened.
    pub doomed: Vec<RecordRef>,
}

impl Records<'_> {
    /// Writes the fresh nodes below this one, children first.
    fn write_fresh(&self, node: &mut Node, written: &mut Vec<RecordRef>) -> Result<(), Fault> {
        let Node::Inner(children) = node else { return Ok(()) };
        for child in children {
            let Child { link: Link::Fresh(below), .. } = child else { continue };
            self.write_fresh(below, written)?;
            let encoded = leaf::encode(below).ok_or_else(|| Fault::corrupt(Purpose::Node))?;
            let parts: Vec<&[u8]> = encoded.parts.iter().map(Vec::as_slice).collect();
            let record = self.fresh(Kind::Node)?;
            written.push(record);
            self.write(record, &encoded.head, &parts)?;
            child.link = Link::Stored(record);
        }
        Ok(())
    }
}

impl Source for Records<'_> {
    fn node(&self, record: RecordRef) -> Result<Rc<leaf::StoredNode>, Fault> {
        Ok(Rc::new(leaf::StoredNode::of(self.read(record)?)?))
    }
}
