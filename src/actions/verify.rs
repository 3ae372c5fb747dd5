//! `verify`: reads everything and checks every rule of the store.

use super::Vault;
use super::stored::Stored;
use crate::catalog::{Entry, Fault, Index, Snapshot};
use crate::error::Result;
use crate::seal::Purpose;
use alloc::vec::Vec;
use core::ops::ControlFlow;
use sha2::{Digest, Sha256};

/// What a walk over the whole store found. The fields are those of `report` in `wit/maintenance.wit`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub credentials: u64,
    pub depth: u32,
    pub nodes: u64,
    pub bodies: u64,
    pub claims: u64,
    pub garbage: u64,
    pub orphans: u64,
    pub bytes: u64,
}

/// Checks the structure of all indexes, that they agree with each other, and that every record opens.
///
/// Errors: [`Code::StorageCorrupt`](crate::error::Code::StorageCorrupt) for the first broken rule, those of a read.
pub fn verify(vault: &Vault<'_>) -> Result<Report> {
    vault.catalog.read(|snapshot| {
        let structure = vault.catalog.structure(snapshot)?;
        let mut report = Report {
            depth: structure.depths.into_iter().max().unwrap_or_default(),
            nodes: structure.nodes,
            bytes: structure.bytes,
            garbage: structure.garbage.len() as u64,
            ..Report::default()
        };
        indexes_agree(vault, snapshot, &mut report)?;
        // Listing last: what a writer adds meanwhile is no orphan of this snapshot, but a count is all this is.
        vault.catalog.for_each_listed(|record| report.orphans += u64::from(!structure.refers_to(&record)))?;
        Ok(report)
    })
}

/// The name and domain indexes hold exactly what the id index implies: compared by sums of hashes, which do not depend
/// on the order and take no memory.
fn indexes_agree(vault: &Vault<'_>, snapshot: &Snapshot<'_>, report: &mut Report) -> Result<(), Fault> {
    let broken = || Fault::corrupt(Purpose::Node);
    let (mut names, mut domains) = (Sum::default(), Sum::default());
    snapshot.walk(Index::Id, 0, &mut |entry| {
        let stored = Stored::from_entry(entry)?;
        report.credentials += 1;
        names.add(stored.name.as_bytes(), stored.id.as_bytes());
        domains.add(&stored.domain_key(), &[]);
        let values = stored.values(|record| {
            let plain = snapshot.record(record)?;
            report.bodies += 1;
            report.bytes += plain.expose().len() as u64;
            Ok(plain)
        })?;
        if !values.keys().eq(stored.value_keys.iter().map(|key| key.as_str())) {
            return Err(Fault::corrupt(Purpose::Body));
        }
        stored.totp(vault.sealer)?;
        if let Some(claim) = stored.claim {
            report.claims += 1;
            report.bytes += vault.catalog.claim_bytes(claim)?;
        }
        if entry.records.len() != usize::from(stored.body.is_some()) + usize::from(stored.claim.is_some()) {
            return Err(broken());
        }
        Ok(ControlFlow::Continue(()))
    })?;
    for (index, expected) in [(Index::Name, names), (Index::Domain, domains)] {
        let mut found = Sum::default();
        snapshot.walk(index, 0, &mut |Entry { key, value, .. }| {
            found.add(key, value);
            Ok(ControlFlow::Continue(()))
        })?;
        if found != expected {
            return Err(broken());
        }
    }
    Ok(())
}

/// A sum of SHA-256 hashes, cut to 128 bits, and their number.
#[derive(Default, PartialEq, Eq)]
struct Sum {
    count: u64,
    hashes: u128,
}

impl Sum {
    fn add(&mut self, key: &[u8], value: &[u8]) {
        let mut hash = Sha256::new();
        hash.update((key.len() as u64).to_le_bytes());
        hash.update(key);
        hash.update(value);
        let digest: Vec<u8> = hash.finalize().to_vec();
        let half = digest.first_chunk::<16>().copied().unwrap_or_default();
        self.count += 1;
        self.hashes = self.hashes.wrapping_add(u128::from_le_bytes(half));
    }
}
