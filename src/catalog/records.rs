//! Sealed records in the bucket that are written once: reading, writing and deleting them one by one.

use super::fault::Fault;
use super::record::{KeySpace, Kind, RecordRef};
use crate::error::Result;
use crate::platform::Platform;
use crate::seal::{Opened, Sealer};
use alloc::string::String;
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

    /// Opens a record.
    pub fn read(&self, record: RecordRef) -> Result<Opened, Fault> {
        let bytes = self.sealed(record)?.ok_or(Fault::Missing(record.kind))?;
        let key = self.keys.record(record);
        Ok(self.sealer.open_head(record.kind.purpose(), &[key.as_bytes()], bytes)?)
    }

    /// A record as it lies in the store. A plain read may not show it yet, so a miss is checked by a handle before it
    /// counts.
    pub fn sealed(&self, record: RecordRef) -> Result<Option<Vec<u8>>> {
        let key = self.keys.record(record);
        let store = self.platform.store;
        match store.get(&key)? {
            None if store.has_atomics() => Ok(store.compare_and_swap(&key)?.current()?),
            found => Ok(found),
        }
    }

    /// Writes a record that was never written before.
    pub fn write(&self, record: RecordRef, head: &[u8], parts: &[&[u8]]) -> Result<()> {
        let key = self.keys.record(record);
        let random = self.platform.random;
        let sealed = self.sealer.seal_parts(random, record.kind.purpose(), &[key.as_bytes()], head, parts)?;
        Ok(self.platform.store.set(&key, &sealed)?)
    }

    /// Deletes a record; false when the store said no.
    pub fn delete(&self, record: RecordRef) -> bool {
        self.platform.store.delete(&self.keys.record(record)).is_ok()
    }

    /// Deletes records that nothing refers to or ever will. What can't be deleted is left to `sweep`; without
    /// compare-and-swap nothing ever is.
    pub fn discard(&self, records: &[RecordRef]) {
        if self.platform.store.has_atomics() {
            for record in records {
                self.delete(*record);
            }
        }
    }

    /// A name for a record that was never used before.
    pub fn fresh(&self, kind: Kind) -> Result<RecordRef> {
        Ok(RecordRef { kind, random: self.random()? })
    }

    /// Random bytes that nobody draws again.
    pub fn random<const N: usize>(&self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.platform.random.fill(&mut bytes)?;
        Ok(bytes)
    }

    /// Visits each record of the project that the bucket lists. Keys of others and keys that are no record are passed
    /// over.
    pub fn for_each_listed(&self, mut visit: impl FnMut(RecordRef)) -> Result<()> {
        let mut cursor: Option<String> = None;
        loop {
            let page = self.platform.store.list_keys(cursor.as_deref())?;
            page.keys.iter().filter_map(|key| self.keys.parse(key)).for_each(&mut visit);
            match page.cursor {
                Some(next) => cursor = Some(next),
                None => return Ok(()),
            }
        }
    }

    /// Whether the bucket lists any record of the project. Errors: those of the store.
    pub fn any_listed(&self) -> Result<bool> {
        let mut found = false;
        self.for_each_listed(|_| found = true)?;
        Ok(found)
    }
}
