//! The tree and the commit against a model: a `BTreeMap` that does the same.

use super::{Catalog, Entry, Fault, Index, InitOptions, Kind};
use crate::error::{Code, Error};
use crate::platform::{Clock, Platform, SystemRandom};
use crate::seal::{Keyring, Project, Sealer};
use crate::secret::SecretBytes;
use crate::store::Store;
use crate::store::memory::MemoryStore;
use crate::time::Timestamp;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::ControlFlow;

struct NoClock;

impl Clock for NoClock {
    fn now(&self) -> Timestamp {
        Timestamp::default()
    }
}

fn sealer() -> Sealer {
    let keyring = Keyring::parse("k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8").unwrap();
    Sealer::new(keyring, Project::parse("p").unwrap())
}

fn catalog<'a>(store: &'a MemoryStore, sealer: &'a Sealer, node_bytes: u32) -> Catalog<'a> {
    let catalog = Catalog::new(Platform { store, clock: &NoClock, random: &SystemRandom }, sealer);
    catalog.init(InitOptions { force: false, node_bytes: Some(node_bytes) }).unwrap();
    catalog
}

fn contents(catalog: &Catalog<'_>) -> Vec<(Vec<u8>, Vec<u8>)> {
    let read = catalog.read(|snapshot| {
        let mut found = Vec::new();
        snapshot.walk(Index::Name, 0, &mut |entry| {
            found.push((entry.key.clone(), entry.value.clone()));
            Ok(ControlFlow::Continue(()))
        })?;
        catalog.structure(snapshot)?;
        Ok(found)
    });
    read.unwrap()
}

/// A small generator of numbers that look random: the test repeats itself exactly.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

#[test]
fn behaves_like_a_sorted_map() {
    for (node_bytes, keys) in [(256, 300), (1024, 2000), (8192, 3000)] {
        let (store, sealer) = (MemoryStore::default(), sealer());
        let catalog = catalog(&store, &sealer, node_bytes);
        let mut model = BTreeMap::new();
        let mut dice = Dice(u64::from(node_bytes));
        for round in 0..60 {
            // Grow, then shrink.
            let removals = if round < 30 { 3 } else { 7 };
            catalog
                .commit(|transaction| {
                    for _ in 0..40 {
                        let key = alloc::format!("{:x}", dice.below(keys)).into_bytes();
                        if dice.below(10) < removals {
                            let removed = transaction.remove(Index::Name, &key)?.map(|entry| entry.value);
                            assert_eq!(removed, model.remove(&key));
                        } else {
                            let value = alloc::vec![7; dice.below(60) as usize];
                            let replaced = transaction.insert(Index::Name, Entry::new(&key, &value))?;
                            assert_eq!(replaced.map(|entry| entry.value), model.insert(key.clone(), value));
                        }
                        assert_eq!(
                            transaction.get(Index::Name, &key)?.map(|entry| entry.value),
                            model.get(&key).cloned()
                        );
                    }
                    Ok(())
                })
                .unwrap();
            let expected: Vec<_> = model.clone().into_iter().collect();
            assert_eq!(contents(&catalog), expected);
            catalog
                .read(|snapshot| {
                    assert_eq!(snapshot.count(Index::Name)? as usize, expected.len());
                    let probe = alloc::format!("{:x}", dice.below(keys)).into_bytes();
                    let rank = expected.iter().filter(|(key, _)| *key < probe).count();
                    assert_eq!(snapshot.rank(Index::Name, &probe)? as usize, rank);
                    let skip = dice.below(expected.len() as u64 + 2) as u32;
                    let mut first = None;
                    snapshot.walk(Index::Name, skip, &mut |entry| {
                        first = Some(entry.key.clone());
                        Ok(ControlFlow::Break(()))
                    })?;
                    assert_eq!(first.as_ref(), expected.get(skip as usize).map(|(key, _)| key));
                    Ok(())
                })
                .unwrap();
        }
        // Nothing but what the root knows of is left in the store.
        let swept = catalog.sweep().unwrap();
        assert_eq!(swept.deleted, 0, "orphans at {node_bytes}");
    }
}

#[test]
fn an_empty_tree_is_one_level_again() {
    let (store, sealer) = (MemoryStore::default(), sealer());
    let catalog = catalog(&store, &sealer, 256);
    let keys: Vec<_> = (0..600u32).map(u32::to_be_bytes).collect();
    catalog.commit(|t| keys.iter().try_for_each(|k| t.insert(Index::Id, Entry::new(k, b"")).map(|_| ()))).unwrap();
    let depths = |catalog: &Catalog<'_>| catalog.read(|s| Ok(catalog.structure(s)?.depths)).unwrap();
    assert!(depths(&catalog)[0] > 2);
    for key in &keys {
        catalog.commit(|t| t.remove(Index::Id, key)).unwrap();
    }
    assert_eq!(depths(&catalog), [1; 3]);
}

#[test]
fn records_live_and_die_with_their_entry() {
    let (store, sealer) = (MemoryStore::default(), sealer());
    let catalog = catalog(&store, &sealer, 256);
    let body = |text: &[u8]| SecretBytes::new(text.to_vec());
    for round in 0..40u8 {
        catalog
            .commit(|t| {
                let record = t.add_record(Kind::Body, body(&[round]))?;
                t.insert(Index::Id, Entry { key: Vec::from(b"k"), records: Vec::from([record]), value: Vec::new() })
            })
            .unwrap();
        let bodies = store.entries.borrow().keys().filter(|key| key.contains(".b.")).count();
        assert!(bodies <= 12, "{bodies} bodies after {round} changes");
    }
    let opened = catalog
        .read(|s| {
            let entry = s.get(Index::Id, b"k")?.unwrap();
            s.record(entry.records[0])
        })
        .unwrap();
    assert!(opened.expose() == [39]);
    catalog.commit(|t| t.remove(Index::Id, b"k")).unwrap();
    assert_eq!(catalog.sweep().unwrap().deleted, 0);
}

#[test]
fn a_failed_change_leaves_nothing_behind() {
    let (store, sealer) = (MemoryStore::default(), sealer());
    let catalog = catalog(&store, &sealer, 256);
    let before = store.entries.borrow().clone();
    let failed = catalog.commit(|t| -> Result<(), Fault> {
        t.add_record(Kind::Body, SecretBytes::new(Vec::from(b"x")))?;
        t.insert(Index::Id, Entry::new(b"k", b""))?;
        Err(Error::not_found().into())
    });
    assert_eq!(failed.unwrap_err().code(), Code::NotFound);
    assert_eq!(*store.entries.borrow(), before);
    catalog.commit(|_| Ok(())).unwrap();
    assert_eq!(*store.entries.borrow(), before, "a change that changes nothing writes nothing");
}

#[test]
fn a_lost_root_fails_closed() {
    let (store, sealer) = (MemoryStore::default(), sealer());
    let empty = Catalog::new(Platform { store: &store, clock: &NoClock, random: &SystemRandom }, &sealer);
    assert!(contents(&empty).is_empty());
    assert!(store.entries.borrow().is_empty(), "a read creates nothing");
    let catalog = catalog(&store, &sealer, 256);
    catalog.commit(|t| t.insert(Index::Id, Entry::new(b"k", b""))).unwrap();
    let root = store.entries.borrow().keys().find(|key| key.ends_with(".root")).cloned().unwrap();
    store.delete(&root).unwrap();
    assert_eq!(catalog.read(|_| Ok(())).unwrap_err().code(), Code::StorageUninitialised);
    let write = catalog.commit(|t| t.insert(Index::Id, Entry::new(b"k", b"")));
    assert_eq!(write.err().unwrap().code(), Code::StorageUninitialised);
    assert_eq!(catalog.init(InitOptions::default()).unwrap_err().code(), Code::StorageUninitialised);
    assert!(catalog.init(InitOptions { force: true, node_bytes: None }).unwrap());
    assert!(contents(&catalog).is_empty());
}
