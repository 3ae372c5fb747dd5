//! The root record: the one place from which everything else is found, and whose replacement is a commit.
//!
//! A root is a short head and sections: the ids of the last commits, the garbage, the pins, a note of the layer above, the
//! queue of writers, and the top node of each index. They are the parts of one envelope, so a reader opens those it needs, and sections of
//! two commits never open together. A section that is not there is empty; one of a number that this build does not know
//! is [`Code::FormatTooNew`](crate::error::Code::FormatTooNew).

use super::cell::{Cell, CommitId, History};
use super::index::Index;
use super::node::Node;
use super::pin::Pin;
use super::record::RecordRef;
use crate::codec::{Reader, Writer};
use crate::error::Result;
use crate::platform::Random;
use crate::seal::{Opened, Purpose, Sealer, corrupt, too_new};
use crate::secret::SecretBytes;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::OnceCell;

/// How many commits back a writer can find out what became of its own.
const COMMITS_REMEMBERED: usize = 256;
/// Bounds and default of [`Root::node_bytes`].
pub const NODE_BYTES: core::ops::RangeInclusive<u32> = 256..=65_536;
pub const NODE_BYTES_DEFAULT: u32 = 8192;

/// Numbers of sections; never used again for anything else. That of an index is 16 and its own number.
const COMMITS: u8 = 1;
const GARBAGE: u8 = 2;
const PINS: u8 = 3;
const NOTE: u8 = 4;
const QUEUE: u8 = 5;
const FIRST_TOP: u8 = 16;

/// Records that a commit stopped referring to.
#[derive(Clone, Copy)]
pub struct Garbage {
    /// The commit that did; 0 when it was a purge, which spares no reader.
    pub seq: u64,
    pub record: RecordRef,
}

impl Garbage {
    pub fn purged(record: RecordRef) -> Self {
        Self { seq: 0, record }
    }

    pub fn is_purged(&self) -> bool {
        self.seq == 0
    }
}

/// How far the queue of writers has come; see [`super::queue`].
#[derive(Clone, Copy, Default)]
pub struct Queue {
    /// The highest number whose turn it was.
    pub served: u64,
    /// Whether its holder met others.
    pub is_busy: bool,
}

/// The decoded root record.
#[derive(Clone)]
pub struct Root {
    /// The largest encoded size of a node; fixed at `init`.
    pub node_bytes: u32,
    /// The number of this commit: 1 for the first.
    pub seq: u64,
    /// The id of this commit.
    commit: CommitId,
    /// In ascending order of their numbers.
    sections: Vec<Section>,
}

#[derive(Clone)]
struct Section {
    number: u8,
    content: OnceCell<Rc<SecretBytes>>,
    /// Where the content is opened from, if it was read.
    sealed: Option<Sealed>,
}

#[derive(Clone)]
struct Sealed {
    opened: Rc<Opened>,
    part: u64,
    before: usize,
    bytes: usize,
}

impl Root {
    /// The root of an empty vault.
    pub fn new(node_bytes: u32, commit: CommitId) -> Self {
        let mut root = Self { node_bytes, seq: 1, commit, sections: Vec::new() };
        root.set_commits(&History::new(commit));
        root
    }

    /// Makes this the root of the next commit.
    pub fn advance(&mut self, commit: CommitId) -> Result<()> {
        let mut commits = self.commits()?;
        commits.advance(commit, COMMITS_REMEMBERED);
        self.set_commits(&commits);
        self.seq += 1;
        self.commit = commit;
        Ok(())
    }

    pub fn top(&self, index: Index) -> Result<Node> {
        match self.section(FIRST_TOP + index.number())? {
            None => Ok(Node::default()),
            Some(bytes) => Node::decode(bytes).ok_or_else(|| corrupt(Purpose::Root)),
        }
    }

    /// Fails when the node still has fresh children.
    pub fn set_top(&mut self, index: Index, node: &Node) -> Result<()> {
        let bytes = node.encode().ok_or_else(|| corrupt(Purpose::Node))?;
        self.set_section(FIRST_TOP + index.number(), if node.count() == 0 { Vec::new() } else { bytes });
        Ok(())
    }

    /// Oldest first.
    pub fn garbage(&self) -> Result<Vec<Garbage>> {
        self.list(GARBAGE, |reader| {
            Some(Garbage { seq: reader.number()?, record: RecordRef::from_bytes(reader.array()?)? })
        })
    }

    pub fn set_garbage(&mut self, garbage: &[Garbage]) {
        self.set_list(GARBAGE, garbage, |garbage, writer| {
            writer.number(garbage.seq);
            writer.raw(&garbage.record.to_bytes());
        });
    }

    pub fn pins(&self) -> Result<Vec<Pin>> {
        self.list(PINS, Pin::decode)
    }

    pub fn set_pins(&mut self, pins: &[Pin]) {
        self.set_list(PINS, pins, Pin::encode);
    }

    /// What the layer above keeps here; empty at first.
    pub fn note(&self) -> Result<&[u8]> {
        Ok(self.section(NOTE)?.unwrap_or_default())
    }

    pub fn set_note(&mut self, note: Vec<u8>) {
        self.set_section(NOTE, note);
    }

    pub fn queue(&self) -> Result<Queue> {
        let Some(bytes) = self.section(QUEUE)? else { return Ok(Queue::default()) };
        let mut reader = Reader::new(bytes);
        let queue = reader.number().zip(reader.u8());
        queue.map(|(served, busy)| Queue { served, is_busy: busy != 0 }).ok_or_else(|| corrupt(Purpose::Root))
    }

    pub fn set_queue(&mut self, queue: Queue) {
        let mut writer = Writer::default();
        writer.number(queue.served);
        writer.u8(queue.is_busy.into());
        self.set_section(QUEUE, writer.bytes);
    }

    /// The indexes and the note: what a pinned snapshot needs, and what a backup is.
    pub fn contents_only(&self) -> Self {
        let is_content = |section: &&Section| section.number >= FIRST_TOP || section.number == NOTE;
        Self { sections: self.sections.iter().filter(is_content).cloned().collect(), ..self.clone() }
    }

    /// The first root of a store that a backup is restored into: the next number, and no commits that anybody could have
    /// built on.
    pub fn of_backup(mut self, commit: CommitId) -> Self {
        self.set_commits(&History::new(commit));
        Self { seq: self.seq + 1, commit, ..self }
    }

    /// Bytes before they are sealed.
    pub fn bytes(&self) -> Result<u64> {
        let (head, contents) = self.encode()?;
        Ok((head.len() + contents.iter().map(|content| content.expose().len()).sum::<usize>()) as u64)
    }

    pub fn seal(&self, sealer: &Sealer, random: &dyn Random, purpose: Purpose, key: &str) -> Result<Vec<u8>> {
        let (head, contents) = self.encode()?;
        let parts: Vec<&[u8]> = contents.iter().map(|content| content.expose()).collect();
        sealer.seal_parts(random, purpose, &[key.as_bytes()], &head, &parts)
    }

    /// Reads what [`Root::seal`] made. Errors: those of the seal, [`Code::FormatTooNew`](crate::error::Code::FormatTooNew).
    pub fn of(opened: Opened, purpose: Purpose) -> Result<Self> {
        let mut root = Self::decode(opened).ok_or_else(|| corrupt(purpose))?;
        let is_known = |section: &Section| {
            (COMMITS..=QUEUE).contains(&section.number)
                || section.number.checked_sub(FIRST_TOP).is_some_and(|number| Index::of(number).is_some())
        };
        if !root.sections.iter().all(is_known) {
            return Err(too_new(purpose));
        }
        root.sections.shrink_to_fit();
        Ok(root)
    }

    fn encode(&self) -> Result<(Vec<u8>, Vec<Rc<SecretBytes>>)> {
        let contents = self.sections.iter().map(Section::content).collect::<Result<Vec<_>>>()?;
        let mut head = Writer::default();
        head.u32(self.node_bytes);
        head.u64(self.seq);
        head.raw(&self.commit);
        head.number(contents.len() as u64);
        for (section, content) in self.sections.iter().zip(&contents) {
            head.u8(section.number);
            head.number(content.expose().len() as u64);
        }
        Ok((head.bytes, contents))
    }

    fn decode(opened: Opened) -> Option<Self> {
        let opened = Rc::new(opened);
        let mut reader = Reader::new(opened.head());
        let node_bytes = reader.u32().filter(|bytes| NODE_BYTES.contains(bytes))?;
        // There has to be a next one.
        let (seq, commit) = (reader.u64().filter(|seq| *seq < u64::MAX)?, reader.array()?);
        let mut sections: Vec<Section> = Vec::new();
        let mut before = 0usize;
        for part in 1..=reader.number()? {
            let (number, bytes) = (reader.u8()?, reader.count()?);
            if sections.last().is_some_and(|last| last.number >= number) {
                return None;
            }
            let sealed = Some(Sealed { opened: opened.clone(), part, before, bytes });
            sections.push(Section { number, content: OnceCell::new(), sealed });
            before = before.checked_add(bytes)?;
        }
        reader.end()?;
        opened.expect(sections.len(), before).ok()?;
        Some(Self { node_bytes, seq, commit, sections })
    }

    fn commits(&self) -> Result<History> {
        let bytes = self.section(COMMITS)?.unwrap_or_default();
        let mut reader = Reader::new(bytes);
        History::decode(&mut reader).filter(|_| reader.is_empty()).ok_or_else(|| corrupt(Purpose::Root))
    }

    fn set_commits(&mut self, commits: &History) {
        let mut writer = Writer::default();
        commits.encode(&mut writer);
        self.set_section(COMMITS, writer.bytes);
    }

    fn list<T>(&self, number: u8, mut item: impl FnMut(&mut Reader<'_>) -> Option<T>) -> Result<Vec<T>> {
        let mut reader = Reader::new(self.section(number)?.unwrap_or_default());
        let mut items = Vec::new();
        while !reader.is_empty() {
            items.push(item(&mut reader).ok_or_else(|| corrupt(Purpose::Root))?);
        }
        Ok(items)
    }

    fn set_list<T>(&mut self, number: u8, items: &[T], mut item: impl FnMut(&T, &mut Writer)) {
        let mut writer = Writer::default();
        items.iter().for_each(|one| item(one, &mut writer));
        self.set_section(number, writer.bytes);
    }

    /// `None` when there is no such section.
    fn section(&self, number: u8) -> Result<Option<&[u8]>> {
        let Ok(at) = self.sections.binary_search_by_key(&number, |section| section.number) else { return Ok(None) };
        let Some(section) = self.sections.get(at) else { return Ok(None) };
        section.content()?;
        Ok(section.content.get().map(|content| content.expose()))
    }

    /// An empty section is left out.
    fn set_section(&mut self, number: u8, content: Vec<u8>) {
        let found = self.sections.binary_search_by_key(&number, |section| section.number);
        let section = Section { number, content: OnceCell::from(Rc::new(SecretBytes::new(content))), sealed: None };
        let is_empty = section.content.get().is_some_and(|content| content.expose().is_empty());
        match found {
            Ok(at) if is_empty => drop(self.sections.remove(at)),
            Ok(at) => drop(self.sections.get_mut(at).map(|old| core::mem::replace(old, section))),
            Err(_) if is_empty => {}
            Err(at) => self.sections.insert(at, section),
        }
    }
}

impl Section {
    fn content(&self) -> Result<Rc<SecretBytes>> {
        if let Some(content) = self.content.get() {
            return Ok(content.clone());
        }
        let Some(Sealed { opened, part, before, bytes }) = &self.sealed else { return Err(corrupt(Purpose::Root)) };
        let content = Rc::new(opened.part(*part, *before, *bytes)?);
        Ok(self.content.get_or_init(|| content).clone())
    }
}

impl Cell for Root {
    fn seal(&self, sealer: &Sealer, random: &dyn Random, key: &str) -> Result<Vec<u8>> {
        Root::seal(self, sealer, random, Purpose::Root, key)
    }

    fn open(sealer: &Sealer, key: &str, bytes: &[u8]) -> Result<Self> {
        Self::of(sealer.open_head(Purpose::Root, &[key.as_bytes()], bytes.to_vec())?, Purpose::Root)
    }

    fn seq(&self) -> u64 {
        self.seq
    }

    fn commit_at(&self, seq: u64) -> Result<Option<CommitId>> {
        match self.seq.checked_sub(seq) {
            None => Ok(None),
            // Told by the head.
            Some(0) => Ok(Some(self.commit)),
            Some(back) => Ok(self.commits()?.back(back)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::node::Entry;
    use crate::catalog::record::Kind;
    use crate::error::Code;
    use crate::platform::SystemRandom;
    use crate::seal::{Keyring, Project};

    fn sealer() -> Sealer {
        let keyring = Keyring::parse("k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8").unwrap();
        Sealer::new(keyring, Project::parse("p").unwrap())
    }

    fn sealed(root: &Root) -> Vec<u8> {
        Cell::seal(root, &sealer(), &SystemRandom, "root").unwrap()
    }

    fn opened(bytes: &[u8]) -> Result<Root> {
        <Root as Cell>::open(&sealer(), "root", bytes)
    }

    fn full() -> Root {
        let mut root = Root::new(NODE_BYTES_DEFAULT, [1; 8]);
        root.advance([2; 8]).unwrap();
        root.set_garbage(&[Garbage { seq: 2, record: RecordRef { kind: Kind::Node, random: [7; 16] } }]);
        root.set_note(Vec::from(b"note"));
        root.set_top(Index::Domain, &Node::Leaf(Vec::from([Entry::new(b"k", b"v")]))).unwrap();
        root
    }

    #[test]
    fn a_root_reads_back() {
        let root = opened(&sealed(&full())).unwrap();
        assert_eq!((root.seq, root.node_bytes, root.note().unwrap()), (2, NODE_BYTES_DEFAULT, &b"note"[..]));
        assert_eq!(root.commit_at(1).unwrap(), Some([1; 8]));
        assert_eq!(root.commit_at(2).unwrap(), Some([2; 8]));
        assert_eq!((root.commit_at(0).unwrap(), root.commit_at(3).unwrap()), (None, None));
        assert_eq!(root.garbage().unwrap().len(), 1);
        assert_eq!(root.top(Index::Domain).unwrap().count(), 1);
    }

    #[test]
    fn an_index_that_is_not_there_is_empty() {
        let root = opened(&sealed(&full())).unwrap();
        assert_eq!(root.top(Index::Audit).unwrap().count(), 0);
        assert!(root.pins().unwrap().is_empty());
        let mut emptied = root.clone();
        emptied.set_top(Index::Domain, &Node::default()).unwrap();
        assert_eq!(opened(&sealed(&emptied)).unwrap().top(Index::Domain).unwrap().count(), 0);
    }

    #[test]
    fn a_section_of_a_later_version_stops_this_one() {
        for number in [6, 15, FIRST_TOP, FIRST_TOP + 200] {
            let mut root = full();
            root.set_section(number, Vec::from(b"from the future"));
            let error = opened(&sealed(&root)).err().unwrap();
            assert_eq!(
                (error.code(), error.message()),
                (Code::FormatTooNew, "a stored root record was written by a newer version")
            );
        }
    }

    #[test]
    fn a_cut_root_does_not_open() {
        let bytes = sealed(&full());
        for cut in 0..bytes.len() {
            assert!(opened(&bytes[..cut]).is_err());
        }
    }
}
