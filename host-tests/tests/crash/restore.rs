//! A restore of a backup that is cut off at any store operation leaves no vault, or all of it, and another one brings it to
//! its end; one whose records are not all there is refused.

use super::{BUCKET, Entries, assert_tidy, at_every_operation, exclusive_code, leave_orphans, vault_of_depth};
use std::sync::Arc;
use strongroom_host_tests::types::ErrorCode;
use strongroom_host_tests::{Called, MemoryStore, NOW, Vault, World, everything, sample};

/// The host's digest of the file, which is its own matter.
const DIGEST: [u8; 32] = [7; 32];

/// The records and the seal.
fn backup(vault: &Vault) -> (Entries, Vec<u8>) {
    let (mut records, mut next) = (Entries::new(), None);
    let stored = vault.store.entries(BUCKET);
    loop {
        let step = vault.call(async |i| {
            i.exports.strongroom_vault_maintenance().call_backup(i.store.call(), next.as_deref()).await
        });
        let step = step.unwrap().unwrap();
        records.extend(step.records.into_iter().map(|key| (key.clone(), stored[&key].clone())));
        next = Some(step.next);
        if step.is_over {
            break;
        }
    }
    let seal = vault.call(async |i| {
        let maintenance = i.exports.strongroom_vault_maintenance();
        maintenance.call_seal_backup(i.store.call(), next.as_deref().unwrap(), &DIGEST).await
    });
    (records, seal.unwrap().unwrap())
}

fn restore(vault: &Vault, seal: &[u8]) -> Called<()> {
    let mut next: Option<String> = None;
    loop {
        let step = vault.call(async |i| {
            let maintenance = i.exports.strongroom_vault_maintenance();
            maintenance.call_restore_backup(i.store.call(), seal, &DIGEST, next.as_deref()).await
        });
        match step? {
            Ok(step) if step.next.is_none() => return Ok(Ok(())),
            Ok(step) => next = step.next,
            Err(error) => return Ok(Err(error)),
        }
    }
}

/// What is not there yet can't be taken for an empty vault.
fn assert_absent(vault: &Vault, context: &str) {
    let error = vault.list(everything()).map(drop).unwrap_err();
    assert_eq!(error.code, ErrorCode::StorageUninitialised, "{context}");
}

#[test]
fn a_restore_that_is_cut_off_leaves_no_vault_or_all_of_it() {
    for depth in 1..=3 {
        let from = vault_of_depth(depth);
        exclusive_code(&from).unwrap().unwrap();
        from.delete(&sample(2).name, None).unwrap();
        leave_orphans(&from);
        let (records, seal) = backup(&from);
        let known = from.ids();
        let old = from.contents(&known);

        let vault = Vault::on(World::Vault, Arc::new(MemoryStore::new()));
        let (mut absent, mut there) = (0, 0);
        let crashes = at_every_operation(
            &vault,
            &records,
            |vault| restore(vault, &seal),
            |at| {
                let context = format!("depth {depth}, restore, crash {at}");
                let is_there = vault.store.entries(BUCKET).keys().any(|key| key.ends_with(".root"));
                if is_there {
                    there += 1;
                    assert_eq!(vault.contents(&known), old, "{context}");
                    let again = restore(&vault, &seal).unwrap().unwrap_err();
                    assert_eq!(again.code, ErrorCode::PreconditionFailed, "{context}");
                } else {
                    absent += 1;
                    assert_absent(&vault, &context);
                    restore(&vault, &seal).unwrap().unwrap_or_else(|error| panic!("{context}: {error:?}"));
                }
                assert_eq!(vault.contents(&known), old, "{context}");
                vault.sweep().unwrap();
                assert_tidy(&vault, &context);
                // Somebody may have got it from the vault that is gone.
                assert_eq!(exclusive_code(&vault).unwrap().unwrap_err().code, ErrorCode::CodeTaken, "{context}");
                vault.clock.set(NOW + 30_000);
                exclusive_code(&vault).unwrap().unwrap_or_else(|error| panic!("{context}: {error:?}"));
                vault.clock.set(NOW);
            },
        );
        println!("depth {depth}, restore: {crashes} crashes, no vault after {absent}, all of it after {there}");
        assert!(absent > there && there > 0);
    }
}

#[test]
fn a_backup_without_one_of_its_records_is_not_restored() {
    let from = vault_of_depth(2);
    let (records, seal) = backup(&from);
    let vault = Vault::on(World::Vault, Arc::new(MemoryStore::new()));
    for missing in records.keys() {
        let mut records = records.clone();
        records.remove(missing);
        vault.store.replace(BUCKET, records);
        assert_eq!(restore(&vault, &seal).unwrap().unwrap_err().code, ErrorCode::StorageCorrupt, "{missing}");
        assert_absent(&vault, missing);
    }
}
