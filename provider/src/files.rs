//! What the store needs of a file system.

use alloc::string::String;
use alloc::vec::Vec;

/// Why an operation was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The file, or a directory above it, is not there.
    Missing,
    /// The name is taken.
    Exists,
    /// Anything else, in words that name no file.
    Other(String),
}

pub type Result<T> = core::result::Result<T, Fault>;

/// A directory. Paths are relative to it.
pub trait Files {
    /// The whole content of a regular file; symbolic links are not followed.
    fn read(&self, path: &str) -> Result<Vec<u8>>;

    /// Makes a new file with this content, which is on the device when this returns.
    fn create(&self, path: &str, content: &[u8]) -> Result<()>;

    /// Gives a file a second name, at once and only if that name is free.
    fn link(&self, from: &str, to: &str) -> Result<()>;

    /// Moves a file, over another if there is one; or a directory, unless there is one with something in it.
    fn rename(&self, from: &str, to: &str) -> Result<()>;

    /// Removes a file.
    fn remove(&self, path: &str) -> Result<()>;

    fn make_directory(&self, path: &str) -> Result<()>;

    /// Removes an empty directory.
    fn remove_directory(&self, path: &str) -> Result<()>;

    /// The names in a directory, in any order.
    fn list(&self, path: &str) -> Result<Vec<String>>;

    /// Brings the names in a directory to the device.
    fn sync_directory(&self, path: &str) -> Result<()>;

    /// For how many seconds nothing was changed in this file or directory.
    fn age(&self, path: &str) -> Result<u64>;
}

/// Clock and randomness, for names that nobody else has.
pub trait Names {
    /// Nanoseconds since 1970.
    fn now(&self) -> u64;

    fn random(&self) -> u128;
}
