//! The provider of `strongroom-standalone.wasm` as a store of the host, on a real directory: for what every store promises.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use strongroom_host::keyvalue::{Expected, KeyPage, KeyValue, StoreError, Swap, VaultStore, Versioned, async_trait};
use strongroom_provider::bucket::{self, Base, Bucket};
use strongroom_provider::files::{Fault, Files, Names};

/// Linux: an open of a symbolic link fails.
const O_NOFOLLOW: i32 = 0o400_000;

/// A directory in which a standalone vault could keep its records.
pub struct Directory(PathBuf);

impl Directory {
    pub fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    fn bucket(&self, name: &str) -> Result<Bucket<Disk>, StoreError> {
        Bucket::open(Disk(self.0.clone()), name).ok_or(StoreError::NoSuchStore)
    }
}

fn plain(fault: Fault) -> StoreError {
    StoreError::Other(format!("{fault:?}"))
}

/// What was seen of a cell is the same only if its version is; a record has none.
fn version(base: &Base) -> u64 {
    if let Base::Version(version) = base { *version } else { 0 }
}

#[async_trait]
impl KeyValue for Directory {
    async fn get(&self, bucket: &str, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.bucket(bucket)?.get(key).map_err(plain)
    }

    async fn set(&self, bucket: &str, key: &str, value: &[u8]) -> Result<(), StoreError> {
        self.bucket(bucket)?.set(key, value).map_err(plain)
    }

    async fn delete(&self, bucket: &str, key: &str) -> Result<(), StoreError> {
        self.bucket(bucket)?.delete(key).map_err(plain)
    }

    async fn list_keys(&self, bucket: &str, _: Option<&str>) -> Result<KeyPage, StoreError> {
        Ok(KeyPage { keys: self.bucket(bucket)?.list_keys().map_err(plain)?, cursor: None })
    }

    async fn increment(&self, bucket: &str, key: &str, delta: i64) -> Result<i64, StoreError> {
        self.bucket(bucket)?.increment(key, delta).map_err(plain)
    }

    async fn current(&self, bucket: &str, key: &str) -> Result<Option<Versioned>, StoreError> {
        let (value, base) = self.bucket(bucket)?.durable(key).map_err(plain)?;
        Ok(value.map(|value| Versioned { value, version: version(&base) }))
    }

    async fn swap(&self, bucket: &str, key: &str, expected: Expected<'_>, value: &[u8]) -> Result<Swap, StoreError> {
        let bucket = self.bucket(bucket)?;
        let base = match expected {
            Expected::Anything => Base::Anything,
            _ => {
                let (found, base) = bucket.durable(key).map_err(plain)?;
                let is_expected = match (expected, &found) {
                    (Expected::Value(seen), Some(found)) => {
                        seen.value == *found && (seen.version == 0 || seen.version == version(&base))
                    }
                    (Expected::Absent, None) => true,
                    _ => false,
                };
                if !is_expected {
                    return Ok(Swap::Refused);
                }
                base
            }
        };
        Ok(match bucket.swap(key, &base, value).map_err(plain)? {
            bucket::Swap::Done => Swap::Done,
            bucket::Swap::Refused => Swap::Refused,
            bucket::Swap::Unknown => Swap::Unknown("it was overtaken".to_owned()),
        })
    }
}

impl VaultStore for Directory {
    fn id(&self) -> &'static str {
        "directory"
    }
}

/// The directory as the provider sees it.
struct Disk(PathBuf);

impl Disk {
    fn at(&self, path: &str) -> PathBuf {
        self.0.join(path)
    }
}

fn fault(error: &std::io::Error) -> Fault {
    match error.kind() {
        ErrorKind::NotFound => Fault::Missing,
        ErrorKind::AlreadyExists | ErrorKind::DirectoryNotEmpty => Fault::Exists,
        _ => Fault::Other(error.kind().to_string()),
    }
}

type FileResult<T> = strongroom_provider::files::Result<T>;

impl Files for Disk {
    fn read(&self, path: &str) -> FileResult<Vec<u8>> {
        let read = || {
            let mut content = Vec::new();
            OpenOptions::new().read(true).custom_flags(O_NOFOLLOW).open(self.at(path))?.read_to_end(&mut content)?;
            Ok(content)
        };
        read().map_err(|error: std::io::Error| fault(&error))
    }

    fn create(&self, path: &str, content: &[u8]) -> FileResult<()> {
        let create = || {
            let mut file = File::create_new(self.at(path))?;
            file.write_all(content)?;
            file.sync_all()
        };
        create().map_err(|error| fault(&error))
    }

    fn link(&self, from: &str, to: &str) -> FileResult<()> {
        std::fs::hard_link(self.at(from), self.at(to)).map_err(|error| fault(&error))
    }

    fn rename(&self, from: &str, to: &str) -> FileResult<()> {
        std::fs::rename(self.at(from), self.at(to)).map_err(|error| fault(&error))
    }

    fn remove(&self, path: &str) -> FileResult<()> {
        std::fs::remove_file(self.at(path)).map_err(|error| fault(&error))
    }

    fn make_directory(&self, path: &str) -> FileResult<()> {
        std::fs::create_dir(self.at(path)).map_err(|error| fault(&error))
    }

    fn remove_directory(&self, path: &str) -> FileResult<()> {
        std::fs::remove_dir(self.at(path)).map_err(|error| fault(&error))
    }

    fn list(&self, path: &str) -> FileResult<Vec<String>> {
        let list = || {
            std::fs::read_dir(self.at(path))?
                .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
                .collect::<std::io::Result<_>>()
        };
        list().map_err(|error| fault(&error))
    }

    fn sync_directory(&self, path: &str) -> FileResult<()> {
        File::open(self.at(path)).and_then(|directory| directory.sync_all()).map_err(|error| fault(&error))
    }

    fn age(&self, path: &str) -> FileResult<u64> {
        let changed = std::fs::symlink_metadata(self.at(path)).and_then(|found| found.modified());
        Ok(changed.map_err(|error| fault(&error))?.elapsed().map_or(0, |age| age.as_secs()))
    }
}

impl Names for Disk {
    fn now(&self) -> u64 {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        u64::try_from(now.as_nanos()).unwrap()
    }

    fn random(&self) -> u128 {
        let mut bytes = [0; 16];
        File::open("/dev/urandom").and_then(|mut random| random.read_exact(&mut bytes)).unwrap();
        u128::from_le_bytes(bytes)
    }
}
