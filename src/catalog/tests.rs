//! The tree and the commit against a model: a `BTreeMap` that does the same.

use super::{Catalog, Entry, Fault, Index, InitOptions, RecordRef, Share, Snapshot, Swept, Visitor};
use crate::error::{Code, Error};
use crate::platform::{Clock, Platform, SystemRandom};
use crate::seal::{Keyring, Project, Sealer};
use crate::secret::SecretBytes;
use crate::store::memory::MemoryStore;
use crate::store::watched::{Operation, Watch, Watched};
use crate::store::{Store, StoreError};
use crate::time::Timestamp;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::ops::ControlFlow;

pub(super) struct NoClock;

impl Clock for NoClock {
    fn now(&self) -> Timestamp {
        Timestamp::default()
    }
}

pub(super) fn sealer() -> Sealer {
    let keyring = Keyring::parse("k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8").unwrap();
    Sealer::new(keyring, Project::parse("p").unwrap())
}

pub(super) fn catalog<'a>(store: &'a MemoryStore, sealer: &'a Sealer, node_bytes: u32) -> Catalog<'a> {
    let catalog = Catalog::new(Platform { store, clock: &NoClock, random: &SystemRandom }, sealer);
    catalog.init(InitOptions { force: false, node_bytes: Some(node_bytes) }).unwrap();
    catalog
}

/// Checks the structure of an index, a few leaves at a time.
fn examine(snapshot: &Snapshot<'_>, index: Index) -> Result<u32, Fault> {
    struct Count(u32, BTreeSet<RecordRef>);
    impl Visitor for Count {
        fn node(&mut self, record: RecordRef, _: usize) -> Result<(), Fault> {
            assert!(self.1.insert(record), "a node was visited twice");
            Ok(())
        }
        fn entry(&mut self, _: &Entry) -> Result<(), Fault> {
            self.0 += 1;
            Ok(())
        }
    }
    let mut count = Count(0, BTreeSet::new());
    let mut next = Some(Vec::new());
    while let Some(from) = next {
        next = snapshot.examine(index, &from, 3, &mut count)?.next;
    }
    assert_eq!(count.0, snapshot.count(index)?);
    snapshot.depth(index)
}

fn sweep(catalog: &Catalog<'_>) -> Swept {
    catalog.sweep(Share { number: 0, of: 1 }).unwrap()
}

fn contents(catalog: &Catalog<'_>) -> Vec<(Vec<u8>, Vec<u8>)> {
    let read = catalog.read(|snapshot| {
        let mut found = Vec::new();
        snapshot.walk(Index::Name, 0, &mut |entry| {
            found.push((entry.key.clone(), entry.value.clone()));
            Ok(ControlFlow::Continue(()))
        })?;
        examine(snapshot, Index::Name)?;
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
        assert_eq!(sweep(&catalog).deleted, 0, "orphans at {node_bytes}");
    }
}

#[test]
fn an_empty_tree_is_one_level_again() {
    let (store, sealer) = (MemoryStore::default(), sealer());
    let catalog = catalog(&store, &sealer, 256);
    let keys: Vec<_> = (0..600u32).map(u32::to_be_bytes).collect();
    catalog.commit(|t| keys.iter().try_for_each(|k| t.insert(Index::Id, Entry::new(k, b"")).map(|_| ()))).unwrap();
    let depth = |catalog: &Catalog<'_>| catalog.read(|s| examine(s, Index::Id)).unwrap();
    assert!(depth(&catalog) > 2);
    for key in &keys {
        catalog.commit(|t| t.remove(Index::Id, key)).unwrap();
    }
    assert_eq!(depth(&catalog), 1);
}

#[test]
fn records_live_and_die_with_their_entry() {
    let (store, sealer) = (MemoryStore::default(), sealer());
    let catalog = catalog(&store, &sealer, 256);
    let body = |text: &[u8]| SecretBytes::new(text.to_vec());
    for round in 0..40u8 {
        catalog
            .commit(|t| {
                let record = t.add_body(body(&[round]))?;
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
    assert_eq!(opened.head(), [39]);
    catalog.commit(|t| t.remove(Index::Id, b"k")).unwrap();
    assert_eq!(sweep(&catalog).deleted, 0);
}

#[test]
fn a_failed_change_leaves_nothing_behind() {
    let (store, sealer) = (MemoryStore::default(), sealer());
    let catalog = catalog(&store, &sealer, 256);
    let before = store.entries.borrow().clone();
    let failed = catalog.commit(|t| -> Result<(), Fault> {
        t.add_body(SecretBytes::new(Vec::from(b"x")))?;
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

#[test]
fn records_without_seed_and_root_are_no_empty_vault() {
    let (store, sealer) = (MemoryStore::default(), sealer());
    let catalog = catalog(&store, &sealer, 256);
    let keys: Vec<_> = (0..100u32).map(u32::to_be_bytes).collect();
    catalog.commit(|t| keys.iter().try_for_each(|k| t.insert(Index::Id, Entry::new(k, b"")).map(|_| ()))).unwrap();
    store.entries.borrow_mut().retain(|key, _| !key.ends_with(".root") && !key.ends_with(".seed"));
    let before = store.entries.borrow().clone();
    assert_eq!(catalog.read(|_| Ok(())).unwrap_err().code(), Code::StorageUninitialised);
    let write = catalog.commit(|t| t.insert(Index::Id, Entry::new(b"k", b"")));
    assert_eq!(write.err().unwrap().code(), Code::StorageUninitialised);
    assert_eq!(catalog.init(InitOptions::default()).unwrap_err().code(), Code::StorageUninitialised);
    assert_eq!(*store.entries.borrow(), before);
}

#[test]
fn what_moves_from_one_entry_to_another_stays() {
    let (store, sealer) = (MemoryStore::default(), sealer());
    let catalog = catalog(&store, &sealer, 256);
    let bodies = || store.entries.borrow().keys().filter(|key| key.contains(".b.")).count();
    let owning =
        |key: &[u8], records: &[RecordRef]| Entry { key: key.to_vec(), records: records.to_vec(), value: Vec::new() };
    let record = catalog
        .commit(|t| {
            let record = t.add_body(SecretBytes::new(Vec::from(b"x")))?;
            t.insert(Index::Id, owning(b"k", &[record]))?;
            Ok(record)
        })
        .unwrap();
    // In either order, and back again within one transaction.
    catalog
        .commit(|t| {
            t.insert(Index::History, owning(b"h", &[record]))?;
            t.remove(Index::Id, b"k")
        })
        .unwrap();
    catalog
        .commit(|t| {
            t.remove(Index::History, b"h")?;
            t.insert(Index::Trash, owning(b"t", &[record]))?;
            t.remove(Index::Trash, b"t")?;
            t.insert(Index::Id, owning(b"k", &[record]))
        })
        .unwrap();
    for round in 0..20u8 {
        catalog.commit(|t| t.insert(Index::Name, Entry::new(b"n", &[round]))).unwrap();
    }
    assert_eq!((bodies(), sweep(&catalog).deleted), (1, 0));
    catalog
        .commit(|t| {
            t.remove(Index::Id, b"k")?;
            t.forget_all();
            Ok(())
        })
        .unwrap();
    assert_eq!(bodies(), 0, "gone at once");
}

#[test]
fn what_a_purge_failed_to_delete_goes_with_a_sweep_or_the_next_changes() {
    let (store, sealer) = (MemoryStore::default(), sealer());
    let catalog = catalog(&store, &sealer, 256);
    let write = |round: u8| catalog.commit(|t| t.insert(Index::Name, Entry::new(&[round], &[round]))).unwrap();
    for round in 0..30 {
        write(round);
    }
    catalog
        .commit(|t| {
            (0..40u8).try_for_each(|n| {
                let records = alloc::vec![t.add_body(SecretBytes::new(Vec::from(b"x")))?];
                t.insert(Index::Id, Entry { key: alloc::vec![n], records, value: Vec::new() }).map(|_| ())
            })
        })
        .unwrap();
    let before = store.entries.borrow().clone();
    catalog
        .commit(|t| {
            t.forget_all();
            (0..40u8).try_for_each(|n| t.remove(Index::Id, &[n]).map(|_| ()))
        })
        .unwrap();
    let after = store.entries.borrow().clone();
    let deleted: Vec<_> = before.into_iter().filter(|(key, _)| !after.contains_key(key)).collect();
    assert!(deleted.len() > 40);
    let is_left = |(key, _): &&(_, _)| store.entries.borrow().contains_key(key);
    // As after a crash, or where the store said no.
    store.entries.borrow_mut().extend(deleted.iter().cloned());
    let interrupted = store.entries.borrow().clone();
    sweep(&catalog);
    assert_eq!(deleted.iter().filter(is_left).count(), 0);
    *store.entries.borrow_mut() = interrupted;
    for round in 30..80 {
        write(round);
    }
    assert_eq!(deleted.iter().filter(is_left).count(), 0);
    assert_eq!(sweep(&catalog).deleted, 0);
}

#[test]
fn the_first_leaf_goes_unread() {
    /// Entries in a leaf, each of four bytes at least.
    const LEAF_MAX: usize = 64;
    let (store, sealer) = (MemoryStore::default(), sealer());
    let catalog = catalog(&store, &sealer, 256);
    let mut model = BTreeMap::new();
    for n in 0..800u32 {
        let key = n.to_be_bytes();
        model.insert(key.to_vec(), Vec::new());
        catalog
            .commit(|t| {
                t.insert(Index::Name, Entry::new(&key, b""))?;
                let excess = t.count(Index::Name)?.saturating_sub(300);
                t.drop_first_leaf(Index::Name, &mut |entries, _| entries <= excess)
            })
            .unwrap();
        let left = contents(&catalog);
        assert!(left.len() <= 300 + LEAF_MAX, "{}", left.len());
        let gone = model.len() - left.len();
        assert!(model.iter().skip(gone).map(|(k, v)| (k.clone(), v.clone())).eq(left));
    }
    // All at once, leaf by leaf, down to the last.
    for _ in 0..800 {
        catalog.commit(|t| t.drop_first_leaf(Index::Name, &mut |_, _| true)).unwrap();
    }
    assert!(contents(&catalog).len() <= LEAF_MAX);
    assert_eq!(sweep(&catalog).deleted, 0);
}

#[test]
fn a_pinned_snapshot_stays_beside_writers_and_ends_with_its_pin() {
    let (store, sealer) = (MemoryStore::default(), sealer());
    let catalog = catalog(&store, &sealer, 256);
    let write = |round: u32| {
        let change = |n: u32| (n.to_be_bytes(), round.to_be_bytes());
        catalog
            .commit(|t| {
                (0..60).try_for_each(|n| {
                    let (key, value) = change(n);
                    t.insert(Index::Name, Entry::new(&key, &value)).map(|_| ())
                })
            })
            .unwrap();
    };
    write(1);
    let pin = catalog.pin().unwrap();
    for round in 2..60 {
        write(round);
    }
    let pinned = catalog.pinned(pin).unwrap();
    let look = || {
        let mut values = Vec::new();
        pinned
            .walk(|snapshot| {
                snapshot.walk(Index::Name, 0, &mut |entry| {
                    values.push(entry.value.clone());
                    Ok(ControlFlow::Continue(()))
                })
            })
            .unwrap();
        assert_eq!(values, alloc::vec![1u32.to_be_bytes().to_vec(); 60]);
    };
    look();
    // The garbage that the root had no room for goes, but not what is pinned.
    assert!(sweep(&catalog).deleted > 0);
    look();
    catalog.unpin(pin).unwrap();
    assert_eq!(catalog.pinned(pin).err().unwrap().code(), Code::Contended);
    assert!(sweep(&catalog).deleted > 0);
    assert_eq!(sweep(&catalog).deleted, 0);
    assert_eq!(contents(&catalog).len(), 60);
}

/// Swaps come to nothing, while everything else happens.
struct NoSwaps;

impl Watch for NoSwaps {
    fn before(&self, operation: Operation) -> Result<(), StoreError> {
        if operation == Operation::Swap { Err(StoreError::Other("of the test".into())) } else { Ok(()) }
    }
}

/// A clock by which every pin is over.
struct Late;

impl Clock for Late {
    fn now(&self) -> Timestamp {
        Timestamp(1_000_000_000)
    }
}

/// Of garbage that a change deletes before its swap nothing is held by a pin that only the change would have ended.
#[test]
fn what_a_pin_holds_outlives_a_change_that_failed_to_end_it() {
    let (store, sealer) = (MemoryStore::default(), sealer());
    let catalog = catalog(&store, &sealer, 256);
    let write = |catalog: &Catalog<'_>, round: u8| {
        catalog.commit(|t| (0..40).try_for_each(|n| t.insert(Index::Name, Entry::new(&[n], &[round; 20])).map(|_| ())))
    };
    write(&catalog, 0).unwrap();
    let pin = catalog.pin().unwrap();
    for round in 1..14 {
        write(&catalog, round).unwrap();
    }
    let look = || {
        let mut values = Vec::new();
        catalog
            .pinned(pin)
            .unwrap()
            .walk(|snapshot| {
                snapshot.walk(Index::Name, 0, &mut |entry| {
                    values.push(entry.value.clone());
                    Ok(ControlFlow::Continue(()))
                })
            })
            .unwrap();
        assert_eq!(values, alloc::vec![[0; 20]; 40]);
    };
    look();
    let failing = Watched { store: &store, watch: NoSwaps };
    let late = |store| Catalog::new(Platform { store, clock: &Late, random: &SystemRandom }, &sealer);
    assert_eq!(write(&late(&failing), 20).unwrap_err().code(), Code::OutcomeUnknown);
    look();
    write(&late(&store), 21).unwrap();
    assert_eq!(catalog.pinned(pin).err().unwrap().code(), Code::Contended);
    assert!(contents(&catalog).iter().all(|(_, value)| *value == [21; 20]));
    // Without a pin old garbage is gone whatever becomes of the change.
    for round in 22..32 {
        write(&late(&store), round).unwrap();
    }
    let before = store.entries.borrow().len();
    let written = write(&late(&failing), 33).unwrap_err();
    assert_eq!(written.code(), Code::OutcomeUnknown);
    let in_vain = store.entries.borrow().len();
    assert!(contents(&catalog).iter().all(|(_, value)| *value == [31; 20]));
    for round in 34..54 {
        write(&late(&store), round).unwrap();
    }
    assert!(in_vain <= before, "{in_vain} records, {before} before");
    sweep(&catalog);
    assert_eq!(sweep(&catalog).deleted, 0);
}

#[test]
fn a_walk_goes_on_where_it_was_beside_writers() {
    let (store, sealer) = (MemoryStore::default(), sealer());
    let catalog = catalog(&store, &sealer, 256);
    let keys: Vec<_> = (0..500u32).map(u32::to_be_bytes).collect();
    catalog.commit(|t| keys.iter().try_for_each(|k| t.insert(Index::Name, Entry::new(k, b"")).map(|_| ()))).unwrap();
    let mut seen = Vec::new();
    catalog
        .walk(Index::Name, &[], &mut |entry| {
            seen.push(entry.key.clone());
            if seen.len() % 7 == 0 {
                // Enough to have every node deleted that the walk has not come to yet.
                for round in 0..30u8 {
                    catalog.commit(|t| {
                        keys.iter()
                            .step_by(3)
                            .try_for_each(|k| t.insert(Index::Name, Entry::new(k, &[round])).map(|_| ()))
                    })?;
                }
            }
            Ok(ControlFlow::Continue(()))
        })
        .unwrap();
    assert!(seen.iter().eq(keys.iter()));
}
