//! Parts of two envelopes put together: sections of two roots, and chunks of two leaves, at the place where they belong
//! and with the length that they should have. The adversary here even knows the lengths, which are sealed too.

use super::{Answers, BUCKET, CHANGES, Entries, assert_clean, kind, reads};
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;
use strongroom::seal::{Keyring, Project, Purpose, Sealer};
use strongroom_host_tests::credentials::Changes;
use strongroom_host_tests::types::ErrorCode;
use strongroom_host_tests::{KEYS, MemoryStore, Native, Vault, World, no_changes, sample};

const TAG_BYTES: usize = 16;
const LOADED: u64 = 60;

/// A vault whose leaves have several chunks, after some changes of one credential that leave all lengths as they are.
struct Changed {
    vault: Vault,
    /// The store after each change.
    after: Vec<Entries>,
}

impl Changed {
    fn new() -> Self {
        let store = Arc::new(MemoryStore::new());
        let native = Native::new(&*store, "default");
        native.init(Some(4096)).unwrap();
        native.load(0..LOADED).unwrap();
        let vault = Vault::on(World::Vault, store.clone());
        let after = (10..14)
            .map(|pin| {
                let values = Some(vec![("pin".into(), pin.to_string())]);
                vault.update(&sample(1).name, &Changes { values, ..no_changes() }).unwrap();
                store.entries(BUCKET)
            })
            .collect();
        Self { vault, after }
    }

    fn now(&self) -> &Entries {
        self.after.last().unwrap()
    }

    fn reads(&self, key: &str, value: &[u8], context: &str) -> Answers {
        self.vault.store.replace(BUCKET, self.now().clone());
        self.vault.store.put(BUCKET, key, Some(value.to_vec()));
        reads(&self.vault, &BTreeSet::new()).unwrap_or_else(|trap| panic!("{context}: {trap:?}"))
    }

    /// Looks at the vault with this in the place of a record: whatever is answered is right or a clean error, `verify`
    /// and a change see it, and nothing is written. Returns which calls were refused.
    fn check(&self, right: &Answers, key: &str, value: &[u8], context: &str) -> Vec<String> {
        let answers = self.reads(key, value, context);
        assert!(answers["verify"].is_err(), "{context}: not noticed");
        let mut refused = Vec::new();
        for (call, answer) in answers {
            match &answer {
                Err(error) if Err(error.code) != right[&call].as_ref().map(|_| ()).map_err(|error| error.code) => {
                    assert_clean(error, kind(key), "", &format!("{context}, {call}"));
                    assert_eq!(error.code, ErrorCode::StorageCorrupt, "{context}, {call}");
                    refused.push(call);
                }
                _ => assert_eq!(format!("{answer:?}"), format!("{:?}", right[&call]), "{context}, {call}"),
            }
        }
        refused
    }
}

/// A record's parts: which one of the record's it is, and where it lies.
type Parts = Vec<(u8, Range<usize>)>;

/// Where the parts of a record lie, by what its head says.
fn parts(key: &str, envelope: &[u8]) -> Parts {
    let sealer = Sealer::new(Keyring::parse(KEYS).unwrap(), Project::parse("default").unwrap());
    let purpose = if kind(key) == "root" { Purpose::Root } else { Purpose::Node };
    let opened = sealer.open_head(purpose, &[key.as_bytes()], envelope.to_vec()).unwrap();
    let mut head = opened.head();
    let lengths: Vec<(u8, usize)> = if kind(key) == "root" {
        head = &head[4 + 8 + 8..];
        (0..number(&mut head)).map(|_| (take(&mut head, 1)[0], number(&mut head))).collect()
    } else if take(&mut head, 1) == [0] {
        let chunks = number(&mut head);
        let chunk = |at| {
            let first = number(&mut head);
            take(&mut head, first);
            number(&mut head);
            (at as u8, number(&mut head))
        };
        (0..chunks).map(chunk).collect()
    } else {
        return Vec::new();
    };
    let total: usize = lengths.iter().map(|(_, length)| length + TAG_BYTES).sum();
    let mut start = envelope.len() - total;
    let place = |(which, length): (u8, usize)| {
        let range = start..start + length + TAG_BYTES;
        start = range.end;
        (which, range)
    };
    lengths.into_iter().map(place).collect()
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> &'a [u8] {
    let (taken, rest) = bytes.split_at(count);
    *bytes = rest;
    taken
}

/// A number of seven bits a byte, the lowest first.
fn number(bytes: &mut &[u8]) -> usize {
    let (mut value, mut shift) = (0, 0);
    loop {
        let byte = take(bytes, 1)[0];
        value |= usize::from(byte & 0x7f) << shift;
        shift += 7;
        if byte < 0x80 {
            return value;
        }
    }
}

/// The newer envelope with each part of the older one in the place of its own, where both have the same length, and with
/// all of them.
fn mixtures(newer: &[u8], own: &Parts, older: &[u8], others: &Parts) -> Vec<(String, Vec<u8>)> {
    let mut mixtures = Vec::new();
    let mut all = newer.to_vec();
    for (which, place) in own {
        let same = others.iter().find(|(other, range)| other == which && range.len() == place.len());
        if let Some((_, range)) = same {
            let mut one = newer.to_vec();
            one[place.clone()].copy_from_slice(&older[range.clone()]);
            all[place.clone()].copy_from_slice(&older[range.clone()]);
            mixtures.push((format!("part {which}"), one));
        }
    }
    mixtures.push(("all parts".to_owned(), all));
    mixtures
}

#[test]
fn sections_of_two_roots_do_not_open_together() {
    let scene = Changed::new();
    let key = scene.now().keys().find(|key| kind(key) == "root").unwrap().clone();
    let newer = scene.now()[&key].clone();
    let own = parts(&key, &newer);
    let right = scene.reads(&key, &newer, "undamaged");
    let (mut mixed, mut refused) = (BTreeSet::new(), 0);
    for (age, entries) in scene.after.iter().rev().enumerate().skip(1) {
        let older = &entries[&key];
        for (what, mixture) in mixtures(&newer, &own, older, &parts(&key, older)) {
            let context = format!("{what} of the root {age} commits ago");
            refused += scene.check(&right, &key, &mixture, &context).len();
            scene.vault.store.replace(BUCKET, scene.now().clone());
            scene.vault.store.put(BUCKET, &key, Some(mixture));
            let before = scene.vault.store.entries(BUCKET);
            let error = CHANGES[0].1(&scene.vault).unwrap().unwrap_err();
            assert_clean(&error, "root", "", &context);
            assert_eq!(scene.vault.store.entries(BUCKET)[&key], before[&key], "{context}");
            mixed.insert(what);
        }
    }
    // The tops of the indexes by id, name and domain, which are as long as they were.
    for top in [17, 18, 19] {
        assert!(mixed.contains(&format!("part {top}")), "{mixed:?}");
    }
    println!("sections of two roots: {mixed:?}, {refused} answers refused");
    assert!(refused > 0);
}

#[test]
fn chunks_of_two_leaves_do_not_open_together() {
    let scene = Changed::new();
    let nodes = || scene.now().iter().filter(|(key, _)| kind(key) == "node");
    let leaves: Vec<(&String, &Vec<u8>, Parts)> = nodes()
        .map(|(key, envelope)| (key, envelope, parts(key, envelope)))
        .filter(|(_, _, parts)| parts.len() > 1)
        .collect();
    let (key, value) = nodes().next().unwrap();
    let right = scene.reads(key, value, "undamaged");
    let (mut cases, mut refused) = (0, 0);
    for (key, newer, own) in &leaves {
        // Whether anything is read in it: garbage is not.
        let mut broken = (*newer).clone();
        broken[own[0].1.start] ^= 1;
        if scene.reads(key, &broken, "broken")["verify"].is_ok() {
            continue;
        }
        for (other, older, others) in leaves.iter().filter(|(other, _, _)| other != key) {
            let mixtures = mixtures(newer, own, older, others);
            for (what, mixture) in mixtures.into_iter().filter(|(_, mixture)| mixture != *newer) {
                refused += scene.check(&right, key, &mixture, &format!("{key} with {what} of {other}")).len();
                cases += 1;
            }
        }
    }
    println!("chunks of two leaves: {cases} cases, {refused} answers refused");
    assert!(cases > 0 && refused > 0);
}
