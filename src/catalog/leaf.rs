//! Stored nodes. A leaf is sealed in chunks of about a kilobyte: its head says where each begins, and a lookup opens the
//! one that can hold the key. An inner node is a head without parts.

use super::node::{Child, Entry, EntryReader, EntryRef, INNER, LEAF, Node};
use crate::codec::{Reader, Writer};
use crate::error::Result;
use crate::seal::{Opened, Purpose, corrupt};
use alloc::vec::Vec;

/// A chunk is closed when it has this many bytes.
const CHUNK_BYTES: usize = 1024;

/// A node as it was read.
pub enum StoredNode {
    Inner(Vec<Child>),
    Leaf(StoredLeaf),
}

/// A leaf whose chunks are opened when they are needed.
pub struct StoredLeaf {
    opened: Opened,
    chunks: Vec<Chunk>,
}

struct Chunk {
    first: Vec<u8>,
    /// Entries in the chunks before.
    rank: u32,
    count: u32,
    /// Bytes of the chunks before.
    before: usize,
    bytes: usize,
}

/// The head and the parts of a node's record.
pub struct Encoded {
    pub head: Vec<u8>,
    pub parts: Vec<Vec<u8>>,
}

/// `None` when a child is still fresh.
pub fn encode(node: &Node) -> Option<Encoded> {
    let Node::Leaf(entries) = node else { return Some(Encoded { head: node.encode()?, parts: Vec::new() }) };
    let mut parts: Vec<Vec<u8>> = Vec::new();
    let mut chunks: Vec<(&[u8], u64)> = Vec::new();
    let mut previous: &[u8] = &[];
    for entry in entries {
        if parts.last().is_none_or(|part| part.len() >= CHUNK_BYTES) {
            parts.push(Vec::with_capacity(CHUNK_BYTES + CHUNK_BYTES / 4));
            chunks.push((&entry.key, 0));
            // Its first key stands in the head.
            previous = &entry.key;
        }
        if let (Some(part), Some((_, count))) = (parts.last_mut(), chunks.last_mut()) {
            let mut writer = Writer { bytes: core::mem::take(part) };
            entry.encode(previous, &mut writer);
            *part = writer.bytes;
            *count += 1;
        }
        previous = &entry.key;
    }
    let mut head = Writer::default();
    head.u8(LEAF);
    head.number(chunks.len() as u64);
    for ((first, count), part) in chunks.into_iter().zip(&parts) {
        head.bytes(first);
        head.number(count);
        head.number(part.len() as u64);
    }
    Some(Encoded { head: head.bytes, parts })
}

impl StoredNode {
    pub fn of(opened: Opened) -> Result<Self> {
        Self::decode(opened).ok_or_else(|| corrupt(Purpose::Node))
    }

    fn decode(opened: Opened) -> Option<Self> {
        if opened.head().first() == Some(&INNER) {
            opened.expect(0, 0).ok()?;
            return match Node::decode(opened.head())? {
                Node::Inner(children) => Some(StoredNode::Inner(children)),
                Node::Leaf(_) => None,
            };
        }
        let mut reader = Reader::new(opened.head());
        if reader.u8()? != LEAF {
            return None;
        }
        let mut chunks = Vec::new();
        let (mut rank, mut before) = (0u32, 0usize);
        for _ in 0..reader.count()? {
            let first = reader.bytes()?.to_vec();
            let (count, bytes) = (u32::try_from(reader.number()?).ok()?, reader.count()?);
            chunks.push(Chunk { first, rank, count, before, bytes });
            rank = rank.checked_add(count)?;
            before = before.checked_add(bytes)?;
        }
        reader.end()?;
        opened.expect(chunks.len(), before).ok()?;
        Some(StoredNode::Leaf(StoredLeaf { opened, chunks }))
    }

    /// All of it, to be changed.
    pub fn to_node(&self) -> Result<Node> {
        Ok(match self {
            StoredNode::Inner(children) => Node::Inner(children.clone()),
            StoredNode::Leaf(leaf) => {
                let mut entries = Vec::new();
                for at in 0..leaf.chunks.len() {
                    entries.extend(leaf.open(at)?);
                }
                Node::Leaf(entries)
            }
        })
    }
}

impl StoredLeaf {
    /// How many chunks there are.
    pub fn chunks(&self) -> usize {
        self.chunks.len()
    }

    /// The chunk that holds or would hold a key, and how many entries lie before it; `None` in an empty leaf.
    pub fn chunk_of(&self, key: &[u8]) -> Option<(usize, u32)> {
        let at = self.chunks.partition_point(|chunk| chunk.first.as_slice() <= key).saturating_sub(1);
        self.chunks.get(at).map(|chunk| (at, chunk.rank))
    }

    /// The chunk that holds the entry of this number, and how many entries lie before it.
    pub fn chunk_at(&self, rank: u32) -> Option<(usize, u32)> {
        let at = self.chunks.partition_point(|chunk| chunk.rank <= rank).saturating_sub(1);
        self.chunks.get(at).map(|chunk| (at, chunk.rank))
    }

    /// The entries of a chunk.
    pub fn open(&self, at: usize) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        self.visit(at, |entry| entry.to_entry().map(|entry| entries.push(entry)))?;
        Ok(entries)
    }

    /// The entry of this key in a chunk.
    pub fn find(&self, at: usize, key: &[u8]) -> Result<Option<Entry>> {
        let mut found = None;
        self.visit(at, |entry| {
            if entry.key == key {
                found = Some(entry.to_entry()?);
            }
            Some(())
        })?;
        Ok(found)
    }

    /// How many keys of a chunk are below this one.
    pub fn below(&self, at: usize, key: &[u8]) -> Result<u32> {
        let mut below = 0;
        self.visit(at, |entry| {
            below += u32::from(entry.key < key);
            Some(())
        })?;
        Ok(below)
    }

    /// Shows all entries of a chunk where they are, whether or not they are wanted: a chunk is whole or damaged.
    fn visit(&self, at: usize, mut visit: impl FnMut(EntryRef<'_>) -> Option<()>) -> Result<()> {
        let corrupt = || corrupt(Purpose::Node);
        let chunk = self.chunks.get(at).ok_or_else(corrupt)?;
        let plain = self.opened.part(at as u64 + 1, chunk.before, chunk.bytes)?;
        let mut reader = EntryReader::new(&chunk.first, Reader::new(plain.expose()));
        let mut is_whole = chunk.count > 0;
        for number in 0..chunk.count {
            let entry = reader.next().ok_or_else(corrupt)?;
            is_whole &= number > 0 || entry.key == chunk.first;
            visit(entry).ok_or_else(corrupt)?;
        }
        reader.end().filter(|()| is_whole).ok_or_else(corrupt)
    }
}
