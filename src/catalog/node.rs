//! Nodes of an index: a B+tree whose inner nodes know how many entries are below each child (order statistics), so
//! that a page at any offset costs one descent.
//!
//! A child is either stored under its record key, or fresh: changed by the running transaction and not written yet. A
//! stored leaf is sealed in chunks ([`super::leaf`]), so that a lookup opens a part of it.

use super::record::{Kind, RecordRef};
use crate::codec::{Reader, Writer, field_bytes, number_bytes};
use alloc::boxed::Box;
use alloc::vec::Vec;

/// One entry of a leaf.
#[derive(Clone, Default)]
pub struct Entry {
    pub key: Vec<u8>,
    /// The records that live and die with this entry: dropping them from it makes them garbage, unless another entry
    /// takes them over in the same transaction.
    pub records: Vec<RecordRef>,
    pub value: Vec<u8>,
}

impl Entry {
    /// An entry that owns no records.
    pub fn new(key: &[u8], value: &[u8]) -> Self {
        Self { key: key.to_vec(), records: Vec::new(), value: value.to_vec() }
    }

    /// The record of a kind that it owns.
    pub fn owned(&self, kind: Kind) -> Option<RecordRef> {
        self.records.iter().copied().find(|record| record.kind == kind)
    }

    /// Bytes in an encoded leaf, behind an entry of the key `previous`.
    pub fn bytes(&self, previous: &[u8]) -> usize {
        let shared = common(previous, &self.key);
        let records = match self.records.len() {
            0 => 0,
            count => number_bytes(count) + count * RecordRef::BYTES,
        };
        number_bytes(shared << 1 | 1) + field_bytes(self.key.len() - shared) + records + field_bytes(self.value.len())
    }

    /// Of the key only what differs from the one before is written: keys of neighbours begin alike.
    pub fn encode(&self, previous: &[u8], writer: &mut Writer) {
        let shared = common(previous, &self.key);
        writer.number((shared as u64) << 1 | u64::from(!self.records.is_empty()));
        writer.bytes(self.key.get(shared..).unwrap_or_default());
        if !self.records.is_empty() {
            writer.number(self.records.len() as u64);
        }
        for record in &self.records {
            writer.raw(&record.to_bytes());
        }
        writer.bytes(&self.value);
    }
}

/// An entry where it is encoded: what is only looked at needs no memory of its own.
pub struct EntryRef<'r> {
    pub key: &'r [u8],
    records: &'r [u8],
    value: &'r [u8],
}

impl EntryRef<'_> {
    pub fn to_entry(&self) -> Option<Entry> {
        let (records, _) = self.records.as_chunks();
        let records = records.iter().copied().map(RecordRef::from_bytes).collect::<Option<_>>()?;
        Some(Entry { key: self.key.to_vec(), records, value: self.value.to_vec() })
    }
}

/// Takes encoded entries off a buffer, each with what its key has in common with the one before.
pub struct EntryReader<'a> {
    key: Vec<u8>,
    reader: Reader<'a>,
}

impl<'a> EntryReader<'a> {
    /// `previous` is the key that the first one builds on.
    pub fn new(previous: &[u8], reader: Reader<'a>) -> Self {
        Self { key: previous.to_vec(), reader }
    }

    pub fn next(&mut self) -> Option<EntryRef<'_>> {
        let shared = self.reader.number()?;
        let length = usize::try_from(shared >> 1).ok().filter(|&length| length <= self.key.len())?;
        self.key.truncate(length);
        self.key.extend_from_slice(self.reader.bytes()?);
        let count = if shared & 1 == 1 { self.reader.count()? } else { 0 };
        let records = self.reader.raw(count.checked_mul(RecordRef::BYTES)?)?;
        Some(EntryRef { key: &self.key, records, value: self.reader.bytes()? })
    }

    /// `Some` if everything was taken.
    pub fn end(self) -> Option<()> {
        self.reader.end()
    }
}

/// Each entry, and the key of the one before it.
fn with_previous(entries: &[Entry]) -> impl ExactSizeIterator<Item = (&Entry, &[u8])> {
    let mut previous: &[u8] = &[];
    entries.iter().map(move |entry| (entry, core::mem::replace(&mut previous, &entry.key)))
}

/// What each entry takes in an encoded leaf.
fn entry_bytes(entries: &[Entry]) -> impl ExactSizeIterator<Item = usize> {
    with_previous(entries).map(|(entry, previous)| entry.bytes(previous))
}

/// How many bytes two keys have in common at their beginning.
fn common(left: &[u8], right: &[u8]) -> usize {
    left.iter().zip(right).take_while(|(a, b)| a == b).count()
}

/// A subtree of an inner node.
#[derive(Clone)]
pub struct Child {
    /// Not above any key of this subtree, above all keys of the one before.
    pub low: Vec<u8>,
    /// Entries in this subtree.
    pub count: u32,
    pub link: Link,
}

#[derive(Clone)]
pub enum Link {
    Stored(RecordRef),
    Fresh(Box<Node>),
}

impl Child {
    pub fn fresh(low: Vec<u8>, node: Node) -> Self {
        Self { low, count: node.count(), link: Link::Fresh(Box::new(node)) }
    }

    /// Bytes in an encoded inner node: the separator, the count and the random part of the key.
    fn bytes(&self) -> usize {
        field_bytes(self.low.len()) + 4 + 16
    }
}

#[derive(Clone)]
pub enum Node {
    Leaf(Vec<Entry>),
    Inner(Vec<Child>),
}

/// Most bytes before the first item of an encoded node.
const HEADER_BYTES: usize = 4;
/// The first byte of an encoded node.
pub const LEAF: u8 = 0;
pub const INNER: u8 = 1;

impl Default for Node {
    fn default() -> Self {
        Node::Leaf(Vec::new())
    }
}

impl Node {
    /// Entries below.
    pub fn count(&self) -> u32 {
        match self {
            Node::Leaf(entries) => u32::try_from(entries.len()).unwrap_or(u32::MAX),
            Node::Inner(children) => children.iter().fold(0, |sum, child| sum.saturating_add(child.count)),
        }
    }

    /// Encoded size, at most.
    pub fn bytes(&self) -> usize {
        HEADER_BYTES
            + match self {
                Node::Leaf(entries) => entry_bytes(entries).sum::<usize>(),
                Node::Inner(children) => children.iter().map(Child::bytes).sum(),
            }
    }

    /// In one piece. `None` when a child is still fresh.
    pub fn encode(&self) -> Option<Vec<u8>> {
        let mut writer = Writer { bytes: Vec::with_capacity(self.bytes()) };
        match self {
            Node::Leaf(entries) => {
                writer.u8(LEAF);
                writer.number(entries.len() as u64);
                with_previous(entries).for_each(|(entry, previous)| entry.encode(previous, &mut writer));
            }
            Node::Inner(children) => {
                writer.u8(INNER);
                writer.number(children.len() as u64);
                for child in children {
                    let Link::Stored(record) = &child.link else { return None };
                    writer.bytes(&child.low);
                    writer.u32(child.count);
                    writer.raw(&record.random);
                }
            }
        }
        Some(writer.bytes)
    }

    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let kind = reader.u8()?;
        // Not to be reserved: a length is only believed as far as the bytes go.
        let length = reader.count()?;
        match kind {
            LEAF => {
                let mut reader = EntryReader::new(&[], reader);
                let mut entries = Vec::new();
                for _ in 0..length {
                    entries.push(reader.next()?.to_entry()?);
                }
                reader.end()?;
                Some(Node::Leaf(entries))
            }
            INNER => {
                let mut children = Vec::new();
                for _ in 0..length {
                    children.push(Child {
                        low: reader.bytes()?.to_vec(),
                        count: reader.u32()?,
                        link: Link::Stored(RecordRef { kind: Kind::Node, random: reader.array()? }),
                    });
                }
                reader.end()?;
                Some(Node::Inner(children))
            }
            _ => None,
        }
    }

    /// Cuts a node that has grown beyond `limit` bytes into pieces, each with the lowest key that may be looked up in
    /// it; `low` is that of the whole. Halves it by bytes, or, when it grew at its end as an index of increasing keys
    /// does, leaves the first piece nearly full.
    pub fn split(self, low: Vec<u8>, limit: usize, grew_at_end: bool) -> Vec<Child> {
        let target = if grew_at_end { limit - limit / 8 } else { self.bytes() / 2 };
        let (first, second, separator) = match self {
            Node::Leaf(mut entries) => {
                let Some(at) = cut(entry_bytes(&entries), target, 1) else {
                    return Vec::from([Child::fresh(low, Node::Leaf(entries))]);
                };
                let rest = entries.split_off(at);
                let separator = match (entries.last(), rest.first()) {
                    (Some(left), Some(right)) => separator(&left.key, &right.key),
                    _ => Vec::new(),
                };
                (Node::Leaf(entries), Node::Leaf(rest), separator)
            }
            Node::Inner(mut children) => {
                let Some(at) = cut(children.iter().map(Child::bytes), target, 2) else {
                    return Vec::from([Child::fresh(low, Node::Inner(children))]);
                };
                let rest = children.split_off(at);
                let separator = rest.first().map(|child| child.low.clone()).unwrap_or_default();
                (Node::Inner(children), Node::Inner(rest), separator)
            }
        };
        let mut pieces = Vec::from([Child::fresh(low, first)]);
        // A leaf of two large entries and one that grew at its end can leave more than the limit behind the cut.
        if second.bytes() > limit {
            pieces.extend(second.split(separator, limit, grew_at_end));
        } else {
            pieces.push(Child::fresh(separator, second));
        }
        pieces
    }
}

/// Where to cut items of these sizes so that the first part has about `target` bytes and both parts have at least
/// `minimum` items; `None` when there are too few.
fn cut(sizes: impl ExactSizeIterator<Item = usize>, target: usize, minimum: usize) -> Option<usize> {
    let length = sizes.len();
    let last = length.checked_sub(minimum).filter(|&last| last >= minimum)?;
    let mut sum = HEADER_BYTES;
    let mut at = 0;
    for size in sizes {
        sum += size;
        if sum > target {
            break;
        }
        at += 1;
    }
    Some(at.clamp(minimum, last))
}

/// The shortest key that is above `left` and not above `right`.
fn separator(left: &[u8], right: &[u8]) -> Vec<u8> {
    right.iter().take(common(left, right) + 1).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(sizes: &[usize]) -> Node {
        let entry = |(i, &size): (usize, &usize)| Entry::new(&[i as u8], &[0u8; 5000][..size]);
        Node::Leaf(sizes.iter().enumerate().map(entry).collect())
    }

    #[test]
    fn encoding_reads_back_and_has_about_the_stated_size() {
        let records = Vec::from([RecordRef { kind: Kind::Claim, random: [7; 16] }]);
        let entry = Entry { key: Vec::from(b"k"), records, value: Vec::from(b"value") };
        let stored = Link::Stored(RecordRef { kind: Kind::Node, random: [9; 16] });
        let child = Child { low: Vec::from(b"low"), count: 3, link: stored };
        let alike = Entry::new(&[b'k'; 200], b"");
        let longer = Entry { key: [&[b'k'; 100][..], b"l"].concat(), ..entry.clone() };
        let entries = Vec::from([entry, alike, longer]);
        for node in [Node::default(), Node::Leaf(entries), Node::Inner(Vec::from([child]))] {
            let bytes = node.encode().unwrap();
            assert!((node.bytes() - 3..=node.bytes()).contains(&bytes.len()));
            assert_eq!(Node::decode(&bytes).unwrap().encode().unwrap(), bytes);
            for cut in 0..bytes.len() {
                assert!(Node::decode(&bytes[..cut]).is_none());
            }
        }
        assert!(Node::Inner(Vec::from([Child::fresh(Vec::new(), Node::default())])).encode().is_none());
    }

    #[test]
    fn pieces_of_a_split_keep_all_entries_within_the_limit() {
        for sizes in [&[90; 12][..], &[10, 500, 10, 500], &[4000, 4000, 100], &[900], &[2000, 10]] {
            for at_end in [false, true] {
                let node = leaf(sizes);
                let pieces = node.clone().split(Vec::new(), 1000, at_end);
                assert_eq!(pieces.iter().map(|piece| piece.count).sum::<u32>(), node.count());
                for piece in pieces {
                    let Link::Fresh(node) = piece.link else { panic!("stored") };
                    assert!(node.count() == 1 || node.bytes() <= 1000 || sizes.iter().any(|&size| size > 450));
                }
            }
        }
    }

    #[test]
    fn separators_are_short_and_separate() {
        for (left, right, expected) in [("a", "b", "b"), ("abc", "abd", "abd"), ("ab", "abcd", "abc"), ("", "zz", "z")]
        {
            assert_eq!(separator(left.as_bytes(), right.as_bytes()), expected.as_bytes());
        }
    }
}
