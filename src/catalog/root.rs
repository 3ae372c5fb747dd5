//! The root record: the one place from which everything else is found, and whose replacement is a commit.

use super::cell::{Cell, CommitId, History};
use super::node::Node;
use super::record::RecordRef;
use crate::codec::{Reader, Writer};
use crate::seal::Purpose;
use alloc::vec::Vec;

/// How many commits back a writer can find out what became of its own.
const COMMITS_REMEMBERED: usize = 256;
/// Bounds and default of [`Root::node_bytes`].
pub const NODE_BYTES: core::ops::RangeInclusive<u32> = 256..=65_536;
pub const NODE_BYTES_DEFAULT: u32 = 8192;

/// The indexes of the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Index {
    /// Credential id to credential: creation order.
    Id,
    /// Name to id.
    Name,
    /// Domain, zero byte, id; without values.
    Domain,
}

impl Index {
    pub const ALL: [Index; 3] = [Index::Id, Index::Name, Index::Domain];
}

/// Records that a commit stopped referring to.
#[derive(Clone)]
pub struct Garbage {
    /// The commit that did.
    pub seq: u64,
    pub record: RecordRef,
}

/// The decoded root record.
#[derive(Clone)]
pub struct Root {
    /// The largest encoded size of a node; fixed at `init`.
    pub node_bytes: u32,
    /// This commit and the last 256.
    pub history: History,
    /// Never assigned again: the id of the newest credential there ever was.
    pub newest_id: [u8; 16],
    /// Oldest first.
    pub garbage: Vec<Garbage>,
    /// The encoded top nodes, in the order of [`Index::ALL`]. They are decoded when they are needed.
    tops: [Vec<u8>; 3],
}

impl Root {
    /// The root of an empty vault.
    pub fn new(node_bytes: u32, commit: CommitId) -> Option<Self> {
        let empty = Node::default().encode()?;
        Some(Self {
            node_bytes,
            history: History::new(commit),
            newest_id: [0; 16],
            garbage: Vec::new(),
            tops: [empty.clone(), empty.clone(), empty],
        })
    }

    /// Makes this the root of the next commit.
    pub fn advance(&mut self, commit: CommitId) {
        self.history.advance(commit, COMMITS_REMEMBERED);
    }

    pub fn top(&self, index: Index) -> Option<Node> {
        Node::decode(self.tops.get(index as usize)?)
    }

    /// `None` when the node still has fresh children.
    pub fn set_top(&mut self, index: Index, node: &Node) -> Option<()> {
        *self.tops.get_mut(index as usize)? = node.encode()?;
        Some(())
    }
}

impl Cell for Root {
    const PURPOSE: Purpose = Purpose::Root;

    fn history(&self) -> &History {
        &self.history
    }

    fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.u32(self.node_bytes);
        self.history.encode(&mut writer);
        writer.raw(&self.newest_id);
        writer.u16(self.garbage.len() as u16);
        for garbage in &self.garbage {
            writer.u64(garbage.seq);
            writer.raw(&garbage.record.to_bytes());
        }
        writer.u8(self.tops.len() as u8);
        for top in &self.tops {
            writer.long(top);
        }
        writer.bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let node_bytes = reader.u32().filter(|bytes| NODE_BYTES.contains(bytes))?;
        let history = History::decode(&mut reader)?;
        let newest_id = reader.array()?;
        let garbage = (0..reader.u16()?)
            .map(|_| Some(Garbage { seq: reader.u64()?, record: RecordRef::from_bytes(reader.array()?)? }))
            .collect::<Option<Vec<Garbage>>>()?;
        if usize::from(reader.u8()?) != Index::ALL.len() {
            return None;
        }
        let tops = [reader.long()?.to_vec(), reader.long()?.to_vec(), reader.long()?.to_vec()];
        reader.end()?;
        Some(Self { node_bytes, history, newest_id, garbage, tops })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoding_reads_back_whole_or_not_at_all() {
        let mut root = Root::new(NODE_BYTES_DEFAULT, [1; 8]).unwrap();
        root.advance([2; 8]);
        let bytes = root.encode();
        assert_eq!(Root::decode(&bytes).unwrap().encode(), bytes);
        for cut in 0..bytes.len() {
            assert!(Root::decode(&bytes[..cut]).is_none());
        }
    }
}
