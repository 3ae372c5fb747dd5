//! Sealed records in the bucket: reading, writing and deleting them one by one.

use super::cell::CommitId;
use super::fault::Fault;
use super::node::Node;
use super::record::{KeySpace, Kind, RecordRef};
use super::root::Root;
use super::tree::Source;
use crate::error::Result;
use crate::platform::Platform;
use crate::seal::{Purpose, Sealer};
use crate::secret::SecretBytes;
use alloc::rc::Rc;
use alloc::vec::Vec;

/// The records of one project.
pub struct Records<'a> {
    pub platform: Platform<'a>,
    pub sealer: &'a Sealer,
    pub keys: KeySpace,
}

impl<'a> Records<'a> {
    pub fn new(platform: Platform<'a>, sealer: &'a Sealer) -> Self {
        Self { platform, sealer, keys: KeySpace::new(sealer.project()) }
    }

    /// The root as a plain read shows it: possibly not the newest.
    pub fn root_bytes(&self) -> Result<Option<Vec<u8>>> {
        Ok(self.platform.store.get(&self.keys.root())?)
    }

    pub fn open_root(&self, bytes: &[u8]) -> Result<Root> {
        self.open_cell(&self.keys.root(), bytes)
    }

    /// Opens a record. A plain read may not show it yet, so a miss is checked by a handle before it counts.
    pub fn read(&self, record: RecordRef) -> Result<SecretBytes, Fault> {
        let key = self.keys.record(record);
        let store = self.platform.store;
        let bytes = match store.get(&key)? {
            Some(bytes) => bytes,
            None if store.has_atomics() => {
                store.compare_and_swap(&key)?.current()?.ok_or(Fault::Missing(record.kind))?
            }
            None => return Err(Fault::Missing(record.kind)),
        };
        Ok(self.sealer.open(record.kind.purpose(), &[key.as_bytes()], &bytes)?)
    }

    /// Writes a record that was never written before.
    pub fn write(&self, record: RecordRef, plaintext: &[u8]) -> Result<()> {
        let key = self.keys.record(record);
        let sealed = self.seal(record.kind.purpose(), &key, plaintext)?;
        Ok(self.platform.store.set(&key, &sealed)?)
    }

    /// Deletes a record; false when the store said no.
    pub fn delete(&self, record: RecordRef) -> bool {
        self.platform.store.delete(&self.keys.record(record)).is_ok()
    }

    pub fn seal(&self, purpose: Purpose, key: &str, plaintext: &[u8]) -> Result<Vec<u8>> {
        self.sealer.seal(self.platform.random, purpose, &[key.as_bytes()], plaintext)
    }

    /// A name for a record that was never used before.
    pub fn fresh(&self, kind: Kind) -> Result<RecordRef> {
        let mut random = [0; 16];
        self.platform.random.fill(&mut random)?;
        Ok(RecordRef { kind, random })
    }

    pub fn fresh_commit_id(&self) -> Result<CommitId> {
        let mut id = CommitId::default();
        self.platform.random.fill(&mut id)?;
        Ok(id)
    }
}

impl Source for Records<'_> {
    fn node(&self, record: RecordRef) -> Result<Rc<Node>, Fault> {
        let plain = self.read(record)?;
        Node::decode(plain.expose()).map(Rc::new).ok_or_else(|| Fault::corrupt(Purpose::Node))
    }
}
