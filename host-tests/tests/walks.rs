//! Walks over the whole store finish beside busy writers, in bounded memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use strongroom_host_tests::credentials::ListQuery;
use strongroom_host_tests::{
    KEYS, MemoryStore, NEW_KEYS, Native, ROTATED_KEYS, Vault, World, everything, new_credential, sample,
};

const CREDENTIALS: u64 = 20_000;
const CREATES: u64 = 2_000;
/// Linear memory of the component, for any step.
const MEMORY_MAX_BYTES: usize = 16 << 20;

/// A walk, with what its largest step took.
type Walk = (&'static str, fn(&Vault) -> usize);

const WALKS: [Walk; 5] = [
    ("verify", |vault| {
        let (mut most, mut next, mut beginnings) = (0, None, 1);
        loop {
            let (bytes, step) = vault.call(async |i| {
                i.allow_maintenance();
                let verify = i.exports.strongroom_vault_maintenance().call_verify(i.store.call(), next.as_deref());
                let step = verify.await.unwrap();
                (i.store.memory_bytes(), step)
            });
            most = most.max(bytes);
            match step {
                Ok(step) if step.next.is_none() => return most,
                Ok(step) => next = step.next,
                // A purge beside it ends every pin.
                Err(error) => {
                    beginnings += 1;
                    assert!(beginnings <= 3, "{error:?}");
                    next = None;
                }
            }
        }
    }),
    ("sweep", |vault| {
        let (mut most, mut next) = (0, None);
        loop {
            let (bytes, step) = vault.call(async |i| {
                i.allow_maintenance();
                let sweep = i.exports.strongroom_vault_maintenance().call_sweep(i.store.call(), next.as_deref());
                let step = sweep.await.unwrap().unwrap();
                (i.store.memory_bytes(), step)
            });
            (most, next) = (most.max(bytes), step.next);
            if next.is_none() {
                return most;
            }
        }
    }),
    ("rewrap", |vault| {
        vault.settings.set("strongroom_keys", ROTATED_KEYS);
        let (mut most, mut next) = (0, None);
        loop {
            let (bytes, step) = vault.call(async |i| {
                i.allow_maintenance();
                let rewrap = i.exports.strongroom_vault_maintenance().call_rewrap(i.store.call(), next.as_deref());
                let step = rewrap.await.unwrap().unwrap();
                (i.store.memory_bytes(), step)
            });
            (most, next) = (most.max(bytes), step.next);
            if next.is_none() {
                return most;
            }
        }
    }),
    ("search without matches", |vault| {
        vault.call(async |i| {
            let query = ListQuery { query: Some("no such text".into()), ..everything() };
            let page = i.exports.strongroom_vault_credentials().call_list(i.store.call(), &query).await;
            assert!(page.unwrap().unwrap().items.is_empty());
            i.store.memory_bytes()
        })
    }),
    ("purge of what was deleted", |vault| {
        for n in 0..200 {
            vault.delete(&sample(n).name, None).unwrap();
        }
        let mut most = 0;
        loop {
            let (bytes, (_, has_more)) = vault.call(async |i| {
                let step = i.exports.strongroom_vault_maintenance().call_purge_deleted(i.store.call()).await;
                (i.store.memory_bytes(), step.unwrap().unwrap())
            });
            most = most.max(bytes);
            if !has_more {
                return most;
            }
        }
    }),
];

#[test]
fn walks_finish_beside_two_thousand_creates() {
    println!("| walk | time alone | time beside creates | creates meanwhile | linear memory, KiB |");
    println!("|---|---|---|---|---|");
    for (what, walk) in WALKS {
        let store = Arc::new(MemoryStore::new());
        Native::new(&*store, "default").load(0..CREDENTIALS).unwrap();
        let start = Instant::now();
        if what != "purge of what was deleted" {
            walk(&Vault::on(World::Vault, store.clone()));
        }
        let alone = start.elapsed();
        let made = Arc::new(AtomicU64::new(0));
        let (bytes, time, meanwhile) = std::thread::scope(|scope| {
            let writer = {
                let (store, made) = (store.clone(), made.clone());
                scope.spawn(move || {
                    let vault = Vault::on(World::Vault, store);
                    vault.settings.set("strongroom_keys", if what == "rewrap" { ROTATED_KEYS } else { KEYS });
                    for n in 0..CREATES {
                        vault.create(&new_credential(&format!("beside-{n}"), "example.com", &[("a", "b")])).unwrap();
                        made.fetch_add(1, Ordering::Relaxed);
                    }
                })
            };
            let vault = Vault::on(World::Vault, store.clone());
            let start = Instant::now();
            let bytes = walk(&vault);
            let (time, meanwhile) = (start.elapsed(), made.load(Ordering::Relaxed));
            writer.join().unwrap();
            (bytes, time, meanwhile)
        });
        println!("| {what} | {alone:.1?} | {time:.1?} | {meanwhile} | {} |", bytes >> 10);
        assert!(bytes <= MEMORY_MAX_BYTES, "{what}: {bytes}");
        let vault = Vault::on(World::Vault, store);
        vault.settings.set("strongroom_keys", if what == "rewrap" { NEW_KEYS } else { KEYS });
        let report = vault.verify().unwrap();
        let deleted = if what == "purge of what was deleted" { 200 } else { 0 };
        assert_eq!(report.credentials, CREDENTIALS + CREATES - deleted, "{what}");
        vault.sweep().unwrap();
        assert_eq!(vault.verify().unwrap().orphans, 0, "{what}");
    }
}
