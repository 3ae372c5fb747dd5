//! A bucket of the store: records, which are replaced whole, and cells, which are compared and swapped.
//!
//! # Records
//!
//! A value is written under a name of its own, brought to the device and moved to its place, so a reader finds the old
//! value or the new one. That it has its place is on the device after the next swap of the bucket: a swap syncs the
//! directory of records before it publishes.
//!
//! # Cells
//!
//! The value of a cell is the file with the highest number in its directory. A swap from version *n* writes a file,
//! brings it to the device and links it as *n* + 1: of two that do so, the file system lets one through.
//!
//! The last [`KEPT`] versions stay, for whoever is slow: a swap that comes after many others may find the number *n* + 1
//! free again, because it was used and removed. It then sees that the newest version is far beyond it, and says that it does
//! not know, which is true: its file is never read, and the next swap removes it. Numbers of a cell begin at the time at
//! which it was made and so go on where those of a deleted one ended.
//!
//! A new cell is a directory with its first version in it, moved to its place: a directory that has something in it is not
//! moved over. A deleted one is moved away before it is emptied.
//!
//! A key can be written in both ways; what was swapped then counts. Only a `set` at the very moment of the first
//! swap of the same key can be lost.

use crate::files::{Fault, Files, Names, Result};
use crate::name;
use alloc::borrow::ToOwned;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// Versions of a cell that stay.
const KEPT: u64 = 16;
/// How often an operation begins anew because others were faster.
const ATTEMPTS: usize = 1000;
/// When what lies in `new/` was left by somebody who died.
const LEFT_BEHIND_SECONDS: u64 = 3600;

/// See the module.
pub struct Bucket<F> {
    files: F,
    path: String,
}

/// What a swap is compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Base {
    /// Nothing.
    Anything,
    /// No cell, and this record or none.
    Record(Option<Vec<u8>>),
    /// This version of the cell.
    Version(u64),
}

/// How a swap ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Swap {
    Done,
    /// Somebody else was faster; nothing was changed.
    Refused,
    /// It was done and overtaken, or never done.
    Unknown,
}

impl<F: Files + Names> Bucket<F> {
    /// The bucket need not be there. `None` if it can't have this name.
    pub fn open(files: F, bucket: &str) -> Option<Self> {
        Some(Self { files, path: format!("keyvalue.v1/{}", name::encode(bucket)?) })
    }

    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.current(key)?.0)
    }

    pub fn set(&self, key: &str, value: &[u8]) -> Result<()> {
        if optional(self.files.list(&self.cell(key)?))?.is_some() {
            return self.replace(key, value);
        }
        let new = self.create(value)?;
        self.files.rename(&new, &self.place("records", key)?)
    }

    pub fn delete(&self, key: &str) -> Result<()> {
        // The record first: as long as there is a cell it is not read.
        optional(self.files.remove(&self.place("records", key)?))?;
        let cell = self.cell(key)?;
        if optional(self.files.list(&cell))?.is_some() {
            self.sync_records()?;
            let away = self.new_path();
            optional(self.files.rename(&cell, &away))?;
            // Or a failure of power could bring it back without its newest version.
            self.sync_cells()?;
            self.remove_all(&away);
        }
        Ok(())
    }

    /// All keys, in order. Also removes what was left behind by processes that died.
    pub fn list_keys(&self) -> Result<Vec<String>> {
        let mut keys = BTreeSet::new();
        for kind in ["records", "cells"] {
            let names = optional(self.files.list(&format!("{}/{kind}", self.path)))?.unwrap_or_default();
            keys.extend(names.iter().filter_map(|name| name::decode(name)));
        }
        self.tidy();
        Ok(keys.into_iter().collect())
    }

    /// The newest value, and what to compare with in a swap. What it shows is on the device.
    pub fn current(&self, key: &str) -> Result<(Option<Vec<u8>>, Base)> {
        let cell = self.cell(key)?;
        for _ in 0..ATTEMPTS {
            let Some(newest) = self.newest(&cell)? else {
                let record = self.record(key)?;
                return Ok((record.clone(), Base::Record(record)));
            };
            // It may be removed while we look.
            if let Some(value) = optional(self.files.read(&format!("{cell}/{newest:020}")))? {
                return Ok((Some(value), Base::Version(newest)));
            }
        }
        Err(Fault::Other("others were always faster".to_owned()))
    }

    /// Like [`current`](Self::current) for what shall be built upon: no failure of power takes it back.
    pub fn durable(&self, key: &str) -> Result<(Option<Vec<u8>>, Base)> {
        let found = self.current(key)?;
        if let (_, Base::Version(_)) = &found {
            optional(self.files.sync_directory(&self.cell(key)?))?;
        }
        Ok(found)
    }

    pub fn swap(&self, key: &str, base: &Base, value: &[u8]) -> Result<Swap> {
        match base {
            Base::Anything => self.replace(key, value).map(|()| Swap::Done),
            Base::Record(record) => self.begin(key, record.as_deref(), value),
            Base::Version(version) => self.follow(key, *version, value),
        }
    }

    /// The number is kept as 8 bytes, little-endian.
    pub fn increment(&self, key: &str, delta: i64) -> Result<i64> {
        for _ in 0..ATTEMPTS {
            let (value, base) = self.durable(key)?;
            let old = match value {
                None => 0,
                Some(bytes) => i64::from_le_bytes(
                    bytes.try_into().map_err(|_| Fault::Other("the value is not a number".to_owned()))?,
                ),
            };
            let sum = old.checked_add(delta).ok_or_else(|| Fault::Other("the sum is out of range".to_owned()))?;
            match self.swap(key, &base, &sum.to_le_bytes())? {
                Swap::Done => return Ok(sum),
                Swap::Refused => {}
                Swap::Unknown => return Err(Fault::Other("it is not known whether the number was added".to_owned())),
            }
        }
        Err(Fault::Other("others were always faster".to_owned()))
    }

    /// The first version of a cell.
    fn begin(&self, key: &str, record: Option<&[u8]>, value: &[u8]) -> Result<Swap> {
        let (cell, place) = (self.cell(key)?, self.place("records", key)?);
        let new = self.new_path();
        self.with_directories(|| self.files.make_directory(&new))?;
        let result = (|| {
            self.files.create(&format!("{new}/{:020}", self.files.now()), value)?;
            self.files.sync_directory(&new)?;
            self.sync_records()?;
            if self.record(key)?.as_deref() != record {
                return Ok(Swap::Refused);
            }
            match self.files.rename(&new, &cell) {
                Ok(()) => {}
                Err(Fault::Exists) => return Ok(Swap::Refused),
                Err(fault) => return Err(fault),
            }
            self.sync_cells()?;
            if record.is_some() {
                optional(self.files.remove(&place))?;
            }
            Ok(Swap::Done)
        })();
        if result != Ok(Swap::Done) {
            self.remove_all(&new);
        }
        result
    }

    /// The version after this one.
    fn follow(&self, key: &str, version: u64, value: &[u8]) -> Result<Swap> {
        let cell = self.cell(key)?;
        if self.newest(&cell)? != Some(version) {
            return Ok(Swap::Refused);
        }
        let new = self.create(value)?;
        self.sync_records()?;
        let linked = self.files.link(&new, &format!("{cell}/{:020}", version + 1));
        // What is left behind there goes one day.
        let _ = self.files.remove(&new);
        match linked {
            Ok(()) => {}
            // The cell is gone where its directory is.
            Err(Fault::Exists | Fault::Missing) => return Ok(Swap::Refused),
            Err(fault) => return Err(fault),
        }
        let Some(versions) = optional(self.files.list(&cell))? else { return Ok(Swap::Unknown) };
        let mut versions: Vec<u64> = versions.iter().filter_map(|name| name.parse().ok()).collect();
        versions.sort_unstable();
        let Some(&newest) = versions.last() else { return Ok(Swap::Unknown) };
        if newest > version + KEPT {
            return Ok(Swap::Unknown);
        }
        optional(self.files.sync_directory(&cell))?;
        for old in versions.iter().take_while(|old| **old + KEPT <= newest) {
            // Another who removes it, too, does no harm.
            let _ = self.files.remove(&format!("{cell}/{old:020}"));
        }
        Ok(Swap::Done)
    }

    /// Swaps whatever is there.
    fn replace(&self, key: &str, value: &[u8]) -> Result<()> {
        for _ in 0..ATTEMPTS {
            let (_, base) = self.current(key)?;
            // One that was done and overtaken is as good as any.
            if self.swap(key, &base, value)? == Swap::Done {
                return Ok(());
            }
        }
        Err(Fault::Other("others were always faster".to_owned()))
    }

    fn record(&self, key: &str) -> Result<Option<Vec<u8>>> {
        optional(self.files.read(&self.place("records", key)?))
    }

    /// The number of the newest version; `None` if there is no cell.
    fn newest(&self, cell: &str) -> Result<Option<u64>> {
        let versions = optional(self.files.list(cell))?.unwrap_or_default();
        Ok(versions.iter().filter_map(|name| name.parse().ok()).max())
    }

    /// A file of this content under a name of its own.
    fn create(&self, content: &[u8]) -> Result<String> {
        let path = self.new_path();
        let result = self.with_directories(|| self.files.create(&path, content));
        if result.is_err() {
            let _ = self.files.remove(&path);
        }
        result.map(|()| path)
    }

    /// Tries again with the directories of the bucket where they are missing. `new` is made when the others are on
    /// the device: where it is, all are.
    fn with_directories<T>(&self, operation: impl Fn() -> Result<T>) -> Result<T> {
        match operation() {
            Err(Fault::Missing) => {}
            result => return result,
        }
        let make = |path: &str| match self.files.make_directory(path) {
            Ok(()) | Err(Fault::Exists) => Ok(()),
            Err(fault) => Err(fault),
        };
        make("keyvalue.v1")?;
        make(&self.path)?;
        make(&format!("{}/records", self.path))?;
        make(&format!("{}/cells", self.path))?;
        for directory in [".", "keyvalue.v1", &self.path] {
            self.files.sync_directory(directory)?;
        }
        make(&format!("{}/new", self.path))?;
        operation()
    }

    fn sync_records(&self) -> Result<()> {
        self.files.sync_directory(&format!("{}/records", self.path))
    }

    fn sync_cells(&self) -> Result<()> {
        self.files.sync_directory(&format!("{}/cells", self.path))
    }

    fn cell(&self, key: &str) -> Result<String> {
        self.place("cells", key)
    }

    fn place(&self, kind: &str, key: &str) -> Result<String> {
        let name = name::encode(key).ok_or_else(|| Fault::Other("the key is empty or too long".to_owned()))?;
        Ok(format!("{}/{kind}/{name}", self.path))
    }

    fn new_path(&self) -> String {
        format!("{}/new/{:032x}", self.path, self.files.random())
    }

    /// Removes what lies in `new/` since long ago. Whatever fails here can be done another time.
    fn tidy(&self) {
        let new = format!("{}/new", self.path);
        for name in self.files.list(&new).unwrap_or_default() {
            let path = format!("{new}/{name}");
            if self.files.age(&path).is_ok_and(|age| age > LEFT_BEHIND_SECONDS) {
                self.remove_all(&path);
            }
        }
    }

    /// Removes a file, or a directory with the files in it. What fails is left for [`tidy`](Self::tidy).
    fn remove_all(&self, path: &str) {
        match self.files.list(path) {
            Ok(names) => {
                for name in names {
                    let _ = self.files.remove(&format!("{path}/{name}"));
                }
                let _ = self.files.remove_directory(path);
            }
            Err(_) => _ = self.files.remove(path),
        }
    }
}

/// What is missing is no fault here.
fn optional<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Fault::Missing) => Ok(None),
        Err(fault) => Err(fault),
    }
}
