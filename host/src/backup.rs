//! The file of a backup: the records of a project, sealed as they lie in the store, and the seal of the whole.
//!
//! `strongroom backup 1\n | project | record | ... | 0 | seal`, where a project is a length (1) and bytes, a record a length of the
//! key (1), the key, a length of the value (4) and the value, and the seal a length (4) and bytes; lengths are little-endian.
//! The seal is the snapshot's root, sealed by the component and bound to the SHA-256 of everything before it. So whoever has the
//! master key knows whether anything was changed, left out or added, before any of it is used. The key is not in it.

use crate::Result;
use anyhow::{Context, bail, ensure};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{BufReader, ErrorKind, Read, Write};
use std::path::Path;
use strongroom::catalog::{KeySpace, check_backup};
use strongroom::seal::{Keyring, Project, Sealer};

const MAGIC: &[u8] = b"strongroom backup 1\n";
/// A record is never larger: values have 128 KiB, and nodes 64 KiB.
const VALUE_MAX_BYTES: usize = 16 << 20;

/// Writes a backup.
pub struct Writer<W> {
    out: W,
    digest: Sha256,
    pub records: u64,
    pub bytes: u64,
}

impl<W: Write> Writer<W> {
    pub fn new(out: W, project: &Project) -> Result<Self> {
        let mut writer = Self { out, digest: Sha256::new(), records: 0, bytes: 0 };
        writer.write(MAGIC)?;
        writer.short(project.as_str().as_bytes())?;
        Ok(writer)
    }

    pub fn record(&mut self, key: &str, value: &[u8]) -> Result<()> {
        ensure!(!key.is_empty() && value.len() <= VALUE_MAX_BYTES, "a record is too large for a backup");
        self.short(key.as_bytes())?;
        self.write(&(value.len() as u32).to_le_bytes())?;
        self.write(value)?;
        self.records += 1;
        self.bytes += value.len() as u64;
        Ok(())
    }

    /// No record comes any more. What the seal is to be bound to.
    pub fn end(&mut self) -> Result<[u8; 32]> {
        self.write(&[0])?;
        Ok(self.digest.clone().finalize().into())
    }

    /// The last thing in the file.
    pub fn seal(mut self, seal: &[u8]) -> Result<W> {
        self.out.write_all(&(seal.len() as u32).to_le_bytes())?;
        self.out.write_all(seal)?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn short(&mut self, bytes: &[u8]) -> Result<()> {
        self.write(&[u8::try_from(bytes.len()).context("a key is too long")?])?;
        self.write(bytes)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.digest.update(bytes);
        Ok(self.out.write_all(bytes)?)
    }
}

/// A backup that is whole and unchanged.
pub struct Backup {
    pub project: Project,
    /// The digest of what is before the seal.
    pub digest: [u8; 32],
    pub seal: Vec<u8>,
    pub records: u64,
}

impl Backup {
    /// Reads all of a file, and checks its seal by these keys (the setting `strongroom_keys`). Errors say what is wrong.
    pub fn open(path: &Path, keys: &str) -> Result<Self> {
        let read = || -> Result<Self> {
            let backup = Self::read(path, |_, _| Ok(()))?;
            let keyring = Keyring::parse(keys).map_err(|error| anyhow::anyhow!("{}", error.message()))?;
            let sealer = Sealer::new(keyring, backup.project.clone());
            let digest: String = backup.digest.iter().map(|byte| format!("{byte:02x}")).collect();
            check_backup(&sealer, &backup.seal, &digest).map_err(|error| match error.code() {
                strongroom::error::Code::StorageCorrupt => anyhow::anyhow!("was changed since it was made"),
                _ => anyhow::anyhow!("{}", error.message()),
            })?;
            Ok(backup)
        };
        read().with_context(|| format!("{} cannot be restored", path.display()))
    }

    /// Reads all of a file, unchecked, and hands each record to `each`.
    pub fn read(path: &Path, mut each: impl FnMut(&str, Vec<u8>) -> Result<()>) -> Result<Self> {
        let mut reader = Reader { from: BufReader::new(File::open(path)?), digest: Sha256::new() };
        ensure!(reader.bytes(MAGIC.len())? == MAGIC, "it is no backup of Strongroom, or one of a later version");
        let project = reader.short()?;
        let project = Project::parse(&project).context("it is damaged")?;
        let keys = KeySpace::new(&project);
        let mut records = 0;
        loop {
            let key = reader.short()?;
            if key.is_empty() {
                break;
            }
            // Neither the root nor anything of somebody else.
            ensure!(keys.parse(&key).is_some(), "it is damaged");
            let length = u32::from_le_bytes(reader.array()?) as usize;
            ensure!(length <= VALUE_MAX_BYTES, "it is damaged");
            each(&key, reader.bytes(length)?)?;
            records += 1;
        }
        let digest = reader.digest.clone().finalize().into();
        let length = u32::from_le_bytes(reader.array()?) as usize;
        ensure!(length <= VALUE_MAX_BYTES, "it is damaged");
        let seal = reader.bytes(length)?;
        ensure!(reader.from.read(&mut [0])? == 0, "it is damaged: something was added");
        Ok(Self { project, digest, seal, records })
    }
}

struct Reader {
    from: BufReader<File>,
    digest: Sha256,
}

impl Reader {
    fn bytes(&mut self, length: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        match self.from.read_exact(&mut bytes) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => bail!("it is cut off"),
            Err(error) => return Err(error.into()),
        }
        self.digest.update(&bytes);
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        self.bytes(N)?.try_into().ok().context("it is cut off")
    }

    fn short(&mut self) -> Result<String> {
        let [length] = self.array()?;
        String::from_utf8(self.bytes(length.into())?).ok().context("it is damaged")
    }
}
