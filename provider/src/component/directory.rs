//! The preopened directory.

use super::bindings::wasi::clocks::wall_clock;
use super::bindings::wasi::filesystem::preopens;
use super::bindings::wasi::filesystem::types::{
    Descriptor, DescriptorFlags, DescriptorType, ErrorCode, OpenFlags, PathFlags,
};
use super::bindings::wasi::random::random;
use crate::files::{Fault, Files, Names, Result};
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

/// The name under which the directory is given to the component.
const NAME: &str = "/data";
/// More than any value or setting has; so nobody can fill the memory with a file.
const FILE_MAX_BYTES: u64 = 64 * 1024 * 1024;

/// See the module.
pub struct Directory(Descriptor);

impl Directory {
    pub fn open() -> core::result::Result<Self, &'static str> {
        let directory = preopens::get_directories().into_iter().find(|(_, name)| name == NAME);
        directory
            .map(|(descriptor, _)| Self(descriptor))
            .ok_or("the host gives no directory under the name /data (wasmtime: --dir DIRECTORY::/data)")
    }

    /// Symbolic links are never followed: what is read lies in the directory.
    fn at(&self, path: &str, open: OpenFlags, flags: DescriptorFlags) -> Result<Descriptor> {
        Ok(self.0.open_at(PathFlags::empty(), path, open, flags)?)
    }

    fn directory(&self, path: &str) -> Result<Descriptor> {
        self.at(path, OpenFlags::DIRECTORY, DescriptorFlags::READ)
    }
}

impl Files for Directory {
    fn read(&self, path: &str) -> Result<Vec<u8>> {
        let file = self.at(path, OpenFlags::empty(), DescriptorFlags::READ)?;
        let stat = file.stat()?;
        if stat.type_ != DescriptorType::RegularFile {
            return Err(Fault::Other("it is not a file".to_owned()));
        }
        if stat.size > FILE_MAX_BYTES {
            return Err(Fault::Other("it is too large".to_owned()));
        }
        let mut content = Vec::new();
        loop {
            // One byte more than is there, so that the end is met at once.
            let (bytes, at_end) =
                file.read(stat.size - (content.len() as u64).min(stat.size) + 1, content.len() as u64)?;
            content.extend_from_slice(&bytes);
            if at_end || bytes.is_empty() {
                return Ok(content);
            }
        }
    }

    fn create(&self, path: &str, content: &[u8]) -> Result<()> {
        let file = self.at(path, OpenFlags::CREATE | OpenFlags::EXCLUSIVE, DescriptorFlags::WRITE)?;
        let mut written = 0;
        while let Some(rest) = content.get(written..).filter(|rest| !rest.is_empty()) {
            match file.write(rest, written as u64)? {
                0 => return Err(Fault::Other("the file system takes no more".to_owned())),
                length => written += usize::try_from(length).unwrap_or(usize::MAX),
            }
        }
        Ok(file.sync()?)
    }

    fn link(&self, from: &str, to: &str) -> Result<()> {
        Ok(self.0.link_at(PathFlags::empty(), from, &self.0, to)?)
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        Ok(self.0.rename_at(from, &self.0, to)?)
    }

    fn remove(&self, path: &str) -> Result<()> {
        Ok(self.0.unlink_file_at(path)?)
    }

    fn make_directory(&self, path: &str) -> Result<()> {
        Ok(self.0.create_directory_at(path)?)
    }

    fn remove_directory(&self, path: &str) -> Result<()> {
        Ok(self.0.remove_directory_at(path)?)
    }

    fn list(&self, path: &str) -> Result<Vec<String>> {
        let entries = self.directory(path)?.read_directory()?;
        let mut names = Vec::new();
        loop {
            match entries.read_directory_entry() {
                Ok(Some(entry)) => names.push(entry.name),
                Ok(None) => return Ok(names),
                // Hosts look at each entry before they name it, and it may be gone by then.
                Err(ErrorCode::NoEntry) => {}
                Err(code) => return Err(code.into()),
            }
        }
    }

    fn sync_directory(&self, path: &str) -> Result<()> {
        Ok(self.directory(path)?.sync()?)
    }

    fn age(&self, path: &str) -> Result<u64> {
        let changed = self.0.stat_at(PathFlags::empty(), path)?.data_modification_timestamp;
        let changed = changed.ok_or_else(|| Fault::Other("its age is not known".to_owned()))?;
        Ok(wall_clock::now().seconds.saturating_sub(changed.seconds))
    }
}

impl Names for Directory {
    fn now(&self) -> u64 {
        let now = wall_clock::now();
        now.seconds.saturating_mul(1_000_000_000).saturating_add(u64::from(now.nanoseconds))
    }

    fn random(&self) -> u128 {
        u128::from(random::get_random_u64()) << 64 | u128::from(random::get_random_u64())
    }
}

impl From<ErrorCode> for Fault {
    fn from(code: ErrorCode) -> Self {
        match code {
            ErrorCode::NoEntry => Fault::Missing,
            ErrorCode::Exist | ErrorCode::NotEmpty => Fault::Exists,
            ErrorCode::Loop => Fault::Other("it is a symbolic link".to_owned()),
            ErrorCode::Unsupported => Fault::Other("the file system has no hard links".to_owned()),
            // A word such as `access`: neither names nor content.
            other => Fault::Other(other.name().to_owned()),
        }
    }
}
