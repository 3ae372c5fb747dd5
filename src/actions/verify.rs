//! `verify`: reads everything and checks every rule of the store, in steps.
//!
//! The first step pins a snapshot, which stays beside any number of writers; the last one unpins it. In between lie the
//! indexes, some leaves at a time, and then the records, a share of their keys at a time.

use super::indexes::domain_keys;
use super::named::name_entry;
use super::stored::Stored;
use super::{Vault, cursor, history};
use crate::catalog::{Entry, Fault, Index, KeyUse, PinId, Pinned, RecordRef, Share, Visitor};
use crate::codec::{Reader, Writer};
use crate::error::Result;
use crate::seal::{Purpose, corrupt};
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use strongroom_crypto::Sha256;

/// Leaves that a step looks at, with all that their entries own.
const LEAVES: u32 = 64;

/// What a walk over the whole store found, so far. The fields are those of `report` in `wit/maintenance.wit`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub credentials: u64,
    pub versions: u64,
    pub deleted: u64,
    pub events: u64,
    pub depth: u64,
    pub nodes: u64,
    pub bodies: u64,
    pub claims: u64,
    pub garbage: u64,
    pub orphans: u64,
    pub bytes: u64,
    /// By which master key how much is sealed: the root, every record that lies in the store, whoever refers to it, and
    /// the TOTP secrets, which are sealed by themselves within records. What writers add meanwhile is sealed by the first
    /// key of theirs.
    pub keys: KeyUse,
}

impl Report {
    fn numbers(&mut self) -> [&mut u64; 11] {
        [
            &mut self.credentials,
            &mut self.versions,
            &mut self.deleted,
            &mut self.events,
            &mut self.depth,
            &mut self.nodes,
            &mut self.bodies,
            &mut self.claims,
            &mut self.garbage,
            &mut self.orphans,
            &mut self.bytes,
        ]
    }
}

/// What a step found, together with the steps before.
pub struct Verification {
    pub report: Report,
    /// For the next step; `None` when everything was checked.
    pub next: Option<String>,
}

/// Goes a step on with checking the structure of all indexes, that they agree with each other, and that every record
/// opens. Begins without a cursor, and ends when there is none any more.
///
/// Errors: [`Code::BadRequest`](crate::error::Code::BadRequest) for a foreign cursor,
/// [`Code::StorageCorrupt`](crate::error::Code::StorageCorrupt) for the first broken rule,
/// [`Code::Contended`](crate::error::Code::Contended) when the snapshot is gone and it has to be begun anew, those of a
/// read and of a commit.
pub fn verify(vault: &Vault<'_>, cursor: Option<&str>) -> Result<Verification> {
    let has_atomics = vault.platform.store.has_atomics();
    let mut walk = match cursor {
        Some(text) => cursor::read(vault, "verify", text, Walk::decode)?,
        None if !vault.catalog.is_written()? => return Ok(Verification { report: Report::default(), next: None }),
        None => Walk::new(if has_atomics { vault.catalog.pin()? } else { PinId::default() }),
    };
    let pinned = if has_atomics { vault.catalog.pinned(walk.pin)? } else { vault.catalog.unpinned()? };
    let step = loop {
        let step = walk.step(vault, &pinned);
        // Nothing keeps a snapshot there from one call to the next.
        if has_atomics || !matches!(step, Ok(false)) {
            break step;
        }
    };
    let is_over = !matches!(step, Ok(false));
    if is_over && has_atomics {
        let unpinned = vault.catalog.unpin(walk.pin);
        step?;
        unpinned?;
    } else {
        step?;
    }
    let next = if is_over { None } else { Some(cursor::write(vault, "verify", &walk.encode())?) };
    Ok(Verification { report: walk.report, next })
}

/// What goes from step to step.
pub(super) struct Walk {
    pin: PinId,
    pub report: Report,
    /// The index to go on with; `None`: the records.
    index: Option<Index>,
    /// Where in the index.
    from: Vec<u8>,
    share: Option<Share>,
    /// What the index of names holds, and what it should; the same of domains.
    sums: [Sum; 4],
}

impl Walk {
    pub fn new(pin: PinId) -> Self {
        let report = Report::default();
        Self { pin, report, index: Some(Index::Id), from: Vec::new(), share: None, sums: Default::default() }
    }

    /// True when this was the last one.
    fn step(&mut self, vault: &Vault<'_>, pinned: &Pinned<'_>) -> Result<bool> {
        if self.index.is_none() {
            self.look_at_records(vault, pinned)
        } else {
            self.look_at_index(vault, pinned).map(|_| false)
        }
    }

    /// Goes on with the indexes; true when all were looked at.
    pub fn look_at_index(&mut self, vault: &Vault<'_>, pinned: &Pinned<'_>) -> Result<bool> {
        let Some(index) = self.index else { return Ok(true) };
        let from = core::mem::take(&mut self.from);
        let mut checks = Checks { vault, pinned, index, report: &mut self.report, sums: &mut self.sums };
        let examined = pinned.walk(|snapshot| snapshot.examine(index, &from, LEAVES, &mut checks))?;
        self.report.depth = self.report.depth.max(examined.depth.into());
        match examined.next {
            Some(next) => self.from = next,
            None => self.index = Index::of(index.number() + 1),
        }
        if self.index.is_none() {
            let [names, expected_names, domains, expected_domains] = &self.sums;
            if names != expected_names || domains != expected_domains {
                return Err(corrupt(Purpose::Node));
            }
            self.report.bytes += pinned.root_bytes()?;
        }
        Ok(self.index.is_none())
    }

    fn look_at_records(&mut self, vault: &Vault<'_>, pinned: &Pinned<'_>) -> Result<bool> {
        let Report { nodes, bodies, claims, .. } = self.report;
        let share = self.share.unwrap_or_else(|| Share::first(nodes + bodies + claims));
        self.report.orphans += vault.catalog.orphans(pinned, share, &mut self.report.keys)?;
        self.share = share.next();
        if self.share.is_none() {
            self.report.garbage = vault.catalog.garbage()?;
            vault.catalog.root_key(&mut self.report.keys)?;
            for id in vault.sealer.key_ids() {
                self.report.keys.0.entry(id.to_owned()).or_default();
            }
        }
        Ok(self.share.is_none())
    }

    pub fn encode(&mut self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.raw(&self.pin);
        writer.u8(self.index.map_or(0, Index::number));
        writer.bytes(&self.from);
        let Share { number, of } = self.share.unwrap_or(Share { number: 0, of: 0 });
        writer.number(number);
        writer.number(of);
        for number in self.report.numbers() {
            writer.number(*number);
        }
        for sum in &self.sums {
            writer.number(sum.count);
            writer.raw(&sum.hashes.to_le_bytes());
        }
        for (id, count) in &self.report.keys.0 {
            writer.bytes(id.as_bytes());
            writer.number(*count);
        }
        writer.bytes
    }

    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let mut walk = Self::new(reader.array()?);
        walk.index = Index::of(reader.u8()?);
        walk.from = reader.bytes()?.to_vec();
        let (number, of) = (reader.number()?, reader.number()?);
        walk.share = (of > 0).then_some(Share { number, of });
        for number in walk.report.numbers() {
            *number = reader.number()?;
        }
        for sum in &mut walk.sums {
            *sum = Sum { count: reader.number()?, hashes: u128::from_le_bytes(reader.array()?) };
        }
        while !reader.is_empty() {
            let id = core::str::from_utf8(reader.bytes()?).ok()?;
            walk.report.keys.0.insert(id.to_owned(), reader.number()?);
        }
        Some(walk)
    }
}

/// Looks at the entries of one index. That the indexes agree is seen by sums of hashes, which do not depend on the order
/// and take no memory.
struct Checks<'c> {
    vault: &'c Vault<'c>,
    pinned: &'c Pinned<'c>,
    index: Index,
    report: &'c mut Report,
    sums: &'c mut [Sum; 4],
}

impl Visitor for Checks<'_> {
    fn node(&mut self, _: RecordRef, bytes: usize) -> Result<(), Fault> {
        self.report.nodes += 1;
        self.report.bytes += bytes as u64;
        Ok(())
    }

    fn entry(&mut self, entry: &Entry) -> Result<(), Fault> {
        match self.index {
            Index::Name => self.sums[0].add(&entry.key, &entry.value),
            Index::Domain => self.sums[2].add(&entry.key, &entry.value),
            Index::Audit => self.report.events += 1,
            Index::Id | Index::Archive | Index::Trash | Index::History => return self.credential(entry),
        }
        if entry.records.is_empty() { Ok(()) } else { Err(broken()) }
    }
}

impl Checks<'_> {
    fn credential(&mut self, entry: &Entry) -> Result<(), Fault> {
        let stored = Stored::from_entry(entry)?;
        let is_current = matches!(self.index, Index::Id | Index::Archive);
        let (count, key) = match self.index {
            Index::History => (&mut self.report.versions, history::key(stored.id, stored.version)),
            Index::Trash => (&mut self.report.deleted, stored.id.as_bytes().to_vec()),
            _ => (&mut self.report.credentials, stored.id.as_bytes().to_vec()),
        };
        *count += 1;
        self.report.keys.extend(stored.sealed_totp());
        let owned = usize::from(stored.body.is_some()) + usize::from(stored.claim.is_some());
        let is_in_place = entry.key == key
            && entry.records.len() == owned
            && stored.ended_at.is_none() == is_current
            && (!is_current || stored.is_archived == (self.index == Index::Archive));
        if !is_in_place {
            return Err(broken());
        }
        if is_current {
            let named = name_entry(&stored);
            self.sums[1].add(&named.key, &named.value);
            domain_keys(&stored).for_each(|key| self.sums[3].add(&key, &[]));
        }
        // The values of a version can lie with a later one.
        let has_its_own = stored.body.is_some() || stored.value_keys.is_empty();
        if self.index != Index::History || has_its_own {
            let report = &mut *self.report;
            self.pinned.walk(|snapshot| {
                stored.values(|record| {
                    let opened = snapshot.record(record)?;
                    report.bodies += 1;
                    report.bytes += opened.head().len() as u64;
                    Ok(opened)
                })
            })?;
            stored.totp(self.vault.sealer)?;
        }
        if let Some(claim) = stored.claim {
            self.report.claims += 1;
            self.report.bytes += self.vault.catalog.claim_bytes(claim)?;
        }
        Ok(())
    }
}

fn broken() -> Fault {
    Fault::corrupt(Purpose::Node)
}

/// A sum of SHA-256 hashes, cut to 128 bits, and their number.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Sum {
    count: u64,
    hashes: u128,
}

impl Sum {
    fn add(&mut self, key: &[u8], value: &[u8]) {
        let mut hash = Sha256::default();
        hash.update(&(key.len() as u64).to_le_bytes());
        hash.update(key);
        hash.update(value);
        let half = hash.finalize().first_chunk::<16>().copied().unwrap_or_default();
        self.count += 1;
        self.hashes = self.hashes.wrapping_add(u128::from_le_bytes(half));
    }
}
