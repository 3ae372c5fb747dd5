//! Backups: what a host has to copy, and how a copy becomes a vault again.
//!
//! The host copies records as they are, sealed; this says which, and keeps them there meanwhile by a pin. In the end the
//! host tells a digest of all that it has copied, and gets the snapshot's root, sealed and bound to the digest. So what was
//! changed afterwards, cut or put together of two backups is known before anything of it is used.

use super::stored::Stored;
use super::verify::Walk as Verification;
use super::{Action, Vault, cursor};
use crate::catalog::{Entry, Index, Kind, PinId, Pinned, RecordRef};
use crate::codec::{Reader, Writer};
use crate::error::{Error, Result};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::ControlFlow;

/// Leaves that a step looks at. What they refer to has to be copied before the pin ends, a minute later.
const LEAVES: u32 = 16;
/// Entries whose claims a step counts as given.
const CLAIMS_AT_ONCE: usize = 128;
/// Bytes of a digest: SHA-256, or as good.
const DIGEST_BYTES: usize = 32;
/// Those of credentials: what owns claim records.
const OWNERS: [Index; 4] = [Index::Id, Index::Archive, Index::Trash, Index::History];

/// A step of a backup.
pub struct BackingUp {
    /// Keys of records, to be copied as they are.
    pub records: Vec<String>,
    /// For the next step.
    pub next: String,
    /// Whether all were named: the next step is [`seal_backup`].
    pub is_over: bool,
}

/// Names some of the records that a backup consists of. Begins without a cursor.
///
/// Errors: [`Code::BadRequest`](crate::error::Code::BadRequest) for a foreign cursor,
/// [`Code::Contended`](crate::error::Code::Contended) when the snapshot is gone and it has to be begun anew,
/// [`Code::StorageUninitialised`](crate::error::Code::StorageUninitialised) where there is no vault, those of a commit.
pub fn backup(vault: &Vault<'_>, cursor: Option<&str>) -> Result<BackingUp> {
    let mut walk = match cursor {
        Some(text) => cursor::read(vault, "backup", text, Walk::decode)?,
        None => Walk { pin: vault.catalog.pin()?, index: Index::of(1), from: Vec::new() },
    };
    let pinned = vault.catalog.pinned(walk.pin)?;
    let mut records = Vec::new();
    if let Some(index) = walk.index {
        let (keys, next) = vault.catalog.keys_of(&pinned, index, &walk.from, LEAVES)?;
        records = keys;
        walk.index = if next.is_some() { Some(index) } else { Index::of(index.number() + 1) };
        walk.from = next.unwrap_or_default();
    }
    let next = cursor::write(vault, "backup", &walk.encode())?;
    Ok(BackingUp { records, next, is_over: walk.index.is_none() })
}

/// Ends a backup: the root of its snapshot, sealed, for whoever has the records that `digest` tells of.
///
/// Errors: as of [`backup`].
pub fn seal_backup(vault: &Vault<'_>, cursor: &str, digest: &[u8]) -> Result<Vec<u8>> {
    let walk = cursor::read(vault, "backup", cursor, Walk::decode)?;
    if walk.index.is_some() {
        return Err(Error::bad_request("cursor must be that of the last step"));
    }
    let sealed = vault.catalog.pinned(walk.pin)?.seal_backup(&text_of(digest)?)?;
    vault.catalog.unpin(walk.pin)?;
    vault.change(|change| {
        change.touch();
        change.note_upkeep(Action::Backup);
        Ok(())
    })?;
    Ok(sealed)
}

/// Whether a backup is one of this project under these keys, and whole, and can be restored here.
///
/// Errors: [`Code::StorageCorrupt`](crate::error::Code::StorageCorrupt) when it was changed,
/// [`Code::KeyUnavailable`](crate::error::Code::KeyUnavailable), [`Code::KeyMismatch`](crate::error::Code::KeyMismatch) also
/// for another project's, [`Code::PreconditionFailed`](crate::error::Code::PreconditionFailed) when the store has the project.
pub fn check_backup(vault: &Vault<'_>, sealed: &[u8], digest: &[u8]) -> Result<()> {
    vault.catalog.of_backup(sealed, &text_of(digest)?)?;
    vault.catalog.check_absent()
}

/// A step of restoring a backup.
pub struct Restoring {
    /// Credentials in it, as far as they were looked at.
    pub credentials: u64,
    /// For the next step; `None` when the vault is there.
    pub next: Option<String>,
}

/// Goes a step on with making a vault of a backup whose records have all been written to the store. Every record is checked
/// first, and the time step of now counts as given for every exclusive code: nobody knows which were given since the backup.
/// The vault is there with the last step.
///
/// Errors: those of [`check_backup`], of a verification and of a claim.
pub fn restore_backup(vault: &Vault<'_>, sealed: &[u8], digest: &[u8], cursor: Option<&str>) -> Result<Restoring> {
    vault.check_conditional(true)?;
    let pinned = vault.catalog.of_backup(sealed, &text_of(digest)?)?;
    vault.catalog.check_absent()?;
    let mut walk = match cursor {
        Some(text) => cursor::read(vault, "restore_backup", text, Restore::decode)?,
        None => Restore { checks: Verification::new(PinId::default()), owner: None, from: Vec::new() },
    };
    let is_over = walk.step(vault, &pinned)?;
    let next = if is_over { None } else { Some(cursor::write(vault, "restore_backup", &walk.encode())?) };
    Ok(Restoring { credentials: walk.checks.report.credentials, next })
}

/// What goes from step to step of a backup.
struct Walk {
    pin: PinId,
    /// `None`: all were looked at.
    index: Option<Index>,
    from: Vec<u8>,
}

impl Walk {
    fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.raw(&self.pin);
        writer.u8(self.index.map_or(0, Index::number));
        writer.bytes(&self.from);
        writer.bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let walk = Self { pin: reader.array()?, index: Index::of(reader.u8()?), from: reader.bytes()?.to_vec() };
        reader.end()?;
        Some(walk)
    }
}

/// What goes from step to step of a restore.
struct Restore {
    checks: Verification,
    /// Where in [`OWNERS`], when everything was checked.
    owner: Option<u8>,
    from: Vec<u8>,
}

impl Restore {
    /// True when this was the last one.
    fn step(&mut self, vault: &Vault<'_>, pinned: &Pinned<'_>) -> Result<bool> {
        let Some(owner) = self.owner else {
            if self.checks.look_at_index(vault, pinned)? {
                self.owner = Some(0);
            }
            return Ok(false);
        };
        if let Some(index) = OWNERS.get(usize::from(owner)).copied() {
            self.use_up(vault, pinned, index)?;
            return Ok(false);
        }
        pinned.publish()?;
        vault.change(|change| {
            change.touch();
            change.note_upkeep(Action::RestoreBackup);
            Ok(())
        })?;
        Ok(true)
    }

    /// Counts the time step of now as given for some of an index.
    fn use_up(&mut self, vault: &Vault<'_>, pinned: &Pinned<'_>, index: Index) -> Result<()> {
        let mut claims: Vec<(RecordRef, u64)> = Vec::new();
        let (mut looked_at, mut next) = (0, None);
        let now = vault.now().seconds();
        pinned.walk(|snapshot| {
            snapshot.walk_from(index, &self.from, &mut |entry: &Entry| {
                if looked_at == CLAIMS_AT_ONCE {
                    next = Some(entry.key.clone());
                    return Ok(ControlFlow::Break(()));
                }
                looked_at += 1;
                if let Some(claim) = entry.owned(Kind::Claim) {
                    let period = Stored::from_entry(entry)?.period().unwrap_or(1);
                    claims.push((claim, now / u64::from(period)));
                }
                Ok(ControlFlow::Continue(()))
            })
        })?;
        for (claim, step) in claims {
            vault.catalog.use_up(claim, step)?;
        }
        self.owner = self.owner.map(|owner| owner + u8::from(next.is_none()));
        self.from = next.unwrap_or_default();
        Ok(())
    }

    fn encode(&mut self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.bytes(&self.checks.encode());
        writer.u8(self.owner.map_or(0, |owner| owner + 1));
        writer.bytes(&self.from);
        writer.bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let checks = Verification::decode(reader.bytes()?)?;
        let walk = Self { checks, owner: reader.u8()?.checked_sub(1), from: reader.bytes()?.to_vec() };
        reader.end()?;
        Some(walk)
    }
}

fn text_of(digest: &[u8]) -> Result<String> {
    if digest.len() != DIGEST_BYTES {
        return Err(Error::bad_request("digest must have 32 bytes"));
    }
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Principal;
    use crate::actions::{
        Changes, CodeOptions, NewCredential, create, delete, get, purge, restore, totp_code, update, verify,
    };
    use crate::catalog::InitOptions;
    use crate::error::Code;
    use crate::platform::{Clock, Platform, SystemRandom};
    use crate::seal::{Keyring, Project, Sealer};
    use crate::secret::SecretString;
    use crate::store::Store;
    use crate::store::memory::MemoryStore;
    use crate::time::Timestamp;
    use alloc::collections::BTreeMap;
    use alloc::string::ToString;
    use core::cell::Cell;

    const KEY: &str = "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    const OTHER_KEY: &str = "k1:BAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    const DIGEST: [u8; 32] = [7; 32];
    const EXCLUSIVE: CodeOptions = CodeOptions { min_valid_seconds: 0, exclusive: true };

    struct At(Cell<u64>);

    impl Clock for At {
        fn now(&self) -> Timestamp {
            Timestamp(self.0.get())
        }
    }

    struct World {
        store: MemoryStore,
        clock: At,
        sealer: Sealer,
        host: Principal,
    }

    impl World {
        fn empty(keys: &str) -> Self {
            let sealer = Sealer::new(Keyring::parse(keys).unwrap(), Project::parse("default").unwrap());
            let clock = At(Cell::new(1_800_000_000_000));
            Self { store: MemoryStore::default(), clock, sealer, host: Principal::host() }
        }

        fn new() -> Self {
            let world = Self::empty(KEY);
            let vault = world.vault();
            vault.init(InitOptions { force: false, node_bytes: Some(512) }).unwrap();
            for number in 0..30 {
                let new = NewCredential {
                    name: format!("name {number}"),
                    domain: "example.com".to_string(),
                    values: Vec::from([("password".to_string(), SecretString::new(format!("password {number}")))]),
                    totp_secret: Some(SecretString::new("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ".to_string())),
                    ..NewCredential::default()
                };
                create(&vault, new, None).unwrap();
            }
            update(&vault, "name 3", &Changes { description: Some("d".to_string()), ..Changes::default() }).unwrap();
            update(&vault, "name 4", &Changes { archived: Some(true), ..Changes::default() }).unwrap();
            delete(&vault, "name 5", None).unwrap();
            world
        }

        fn vault(&self) -> Vault<'_> {
            let platform = Platform { store: &self.store, clock: &self.clock, random: &SystemRandom };
            Vault::new(platform, &self.sealer, &self.host)
        }

        /// The records and the seal of a backup; `between` is called after each step.
        fn backup(&self, mut between: impl FnMut()) -> Result<(BTreeMap<String, Vec<u8>>, Vec<u8>)> {
            let (mut records, mut next) = (BTreeMap::new(), None);
            loop {
                let step = backup(&self.vault(), next.as_deref())?;
                for key in step.records {
                    let value = self.store.get(&key).unwrap().expect("a pinned record is there");
                    assert!(records.insert(key, value).is_none(), "once");
                }
                between();
                if step.is_over {
                    return Ok((records, seal_backup(&self.vault(), &step.next, &DIGEST)?));
                }
                next = Some(step.next);
            }
        }

        fn take(&self, records: &BTreeMap<String, Vec<u8>>) {
            self.store.entries.borrow_mut().extend(records.clone());
        }

        fn restore(&self, seal: &[u8]) -> Result<u64> {
            let mut next = None;
            loop {
                let step = restore_backup(&self.vault(), seal, &DIGEST, next.as_deref())?;
                next = step.next;
                if next.is_none() {
                    return Ok(step.credentials);
                }
            }
        }

        fn is_sound(&self) -> bool {
            let mut next = None;
            loop {
                let step = verify(&self.vault(), next.as_deref()).unwrap();
                next = step.next;
                if next.is_none() {
                    return step.report.orphans == 0;
                }
            }
        }
    }

    fn code_of<T>(result: Result<T>) -> Code {
        result.err().expect("it was refused").code()
    }

    #[test]
    fn a_backup_comes_back_as_it_was_when_it_was_begun() {
        let world = World::new();
        let mut written = 0;
        let (records, seal) = world
            .backup(|| {
                // More than the garbage that is kept for readers.
                for _ in 0..12 {
                    written += 1;
                    let description = Some(format!("{written}"));
                    update(&world.vault(), "name 7", &Changes { description, ..Changes::default() }).unwrap();
                }
                drop(delete(&world.vault(), &format!("name {}", written / 12 + 8), None));
            })
            .unwrap();
        assert!(written > 12);
        let other = World::empty(KEY);
        check_backup(&other.vault(), &seal, &DIGEST).unwrap();
        other.take(&records);
        assert_eq!(other.restore(&seal).unwrap(), 29);
        assert!(other.is_sound());
        let vault = other.vault();
        assert_eq!(get(&vault, "name 7").unwrap().description, None);
        assert_eq!(get(&vault, "name 9").unwrap().version, 1);
        assert_eq!(restore(&vault, "name 3", Some(1), None).unwrap().version, 3);
        assert_eq!(code_of(check_backup(&vault, &seal, &DIGEST)), Code::PreconditionFailed);
        assert_eq!(code_of(other.restore(&seal)), Code::PreconditionFailed);
        // New ids come after the old ones.
        let new = NewCredential {
            name: "new".to_string(),
            domain: "example.com".to_string(),
            values: Vec::from([("a".to_string(), SecretString::new("b".to_string()))]),
            ..NewCredential::default()
        };
        other.clock.0.set(1_500_000_000_000);
        assert!(create(&vault, new, None).unwrap().id > get(&vault, "name 29").unwrap().id);
    }

    #[test]
    fn a_step_that_was_given_since_is_not_given_again() {
        let world = World::new();
        let (records, seal) = world.backup(|| ()).unwrap();
        world.clock.0.set(world.clock.now().0 + 300_000);
        totp_code(&world.vault(), "name 9", EXCLUSIVE).unwrap();
        let other = World::empty(KEY);
        other.clock.0.set(world.clock.now().0);
        other.take(&records);
        other.restore(&seal).unwrap();
        for name in ["name 9", "name 10"] {
            assert_eq!(code_of(totp_code(&other.vault(), name, EXCLUSIVE)), Code::CodeTaken);
        }
        other.clock.0.set(world.clock.now().0 + 30_000);
        totp_code(&other.vault(), "name 9", EXCLUSIVE).unwrap();
    }

    #[test]
    fn what_is_not_whole_becomes_no_vault() {
        let world = World::new();
        let (records, seal) = world.backup(|| ()).unwrap();
        let other = World::empty(KEY);
        for (at, _) in seal.iter().enumerate().step_by(7) {
            let mut changed = seal.clone();
            changed[at] ^= 1;
            assert!(check_backup(&other.vault(), &changed, &DIGEST).is_err(), "byte {at}");
            assert!(check_backup(&other.vault(), &seal[..at], &DIGEST).is_err(), "cut at {at}");
        }
        assert_eq!(code_of(check_backup(&other.vault(), &seal, &[8; 32])), Code::StorageCorrupt);
        assert_eq!(code_of(check_backup(&World::empty(OTHER_KEY).vault(), &seal, &DIGEST)), Code::KeyMismatch);
        // The seal holds, and a record is missing or another one.
        for key in records.keys().step_by(records.len() / 9) {
            for value in [None, records.values().next().cloned()] {
                let other = World::empty(KEY);
                let mut records = records.clone();
                if value.as_ref() == records.get(key) {
                    continue;
                }
                records.remove(key);
                records.extend(value.map(|value| (key.clone(), value)));
                other.take(&records);
                let code = code_of(other.restore(&seal));
                assert!(matches!(code, Code::StorageCorrupt | Code::KeyMismatch), "{key}: {code:?}");
                assert!(other.store.entries.borrow().keys().all(|key| !key.ends_with(".root")));
            }
        }
    }

    #[test]
    fn a_purge_ends_a_backup() {
        let world = World::new();
        let mut has_purged = false;
        let ended = world.backup(|| {
            if !core::mem::replace(&mut has_purged, true) {
                purge(&world.vault(), "name 9", None).unwrap();
            }
        });
        assert_eq!(code_of(ended), Code::Contended);
    }
}
