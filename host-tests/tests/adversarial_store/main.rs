//! A store that changes what it holds can make the vault unreadable, never wrong.
//!
//! On a vault of depth 2, every stored blob in turn is flipped, cut, lengthened, emptied, deleted, and replaced by every
//! other blob of its kind, by its own older versions, and by every blob of its kind of another project. Then everything
//! that can be read is read, and everything that can be changed is changed. Each answer must be the right one or a clean
//! error that names the kind of the record; nothing traps; a change that goes through beside a damaged record is right
//! when the record is healed.
//!
//! What can't be noticed, by design: nodes and bodies are never written twice, so they have no older versions, but the
//! root and the claims do. A root that is rolled back shows the vault as it was after that commit, wholly, or, where a
//! record of that state is gone, an error. A claim that is rolled back gives the code of a time step once more. Whoever
//! operates the store can always put all of it back as it was yesterday.

mod parts;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::Arc;
use strongroom_host_tests::credentials::{Changes, ListQuery};
use strongroom_host_tests::types::{CodeOptions, Error, ErrorCode};
use strongroom_host_tests::{
    MemoryStore, NOW, Native, SAMPLE_DOMAIN, Vault, World, everything, maintenance, new_credential, no_changes, sample,
};

const BUCKET: &str = "default";
const CREDENTIALS: u64 = 14;
/// Two credentials with TOTP secrets; the first one's code of this time step was given to an exclusive caller already.
const CLAIMED: u64 = 0;
const UNCLAIMED: u64 = 3;

type Entries = BTreeMap<String, Vec<u8>>;
type Answer = Result<String, Error>;
/// What every reading call answers, by the call's name.
type Answers = BTreeMap<String, Answer>;

struct Scene {
    vault: Vault,
    known: BTreeSet<String>,
    /// The store as it is, and as it was after each commit before.
    now: Entries,
    before: Vec<Entries>,
    /// The same number of credentials in another project of the same bucket.
    other: Entries,
}

impl Scene {
    /// A vault of depth 2 with a history.
    fn new() -> Self {
        let store = Arc::new(MemoryStore::new());
        let other = MemoryStore::new();
        for (store, project) in [(&*store, "default"), (&other, "other")] {
            let native = Native::new(store, project);
            native.init(Some(384)).unwrap();
        }
        let vault = Vault::on(World::Vault, store.clone());
        let mut before = vec![store.entries(BUCKET)];
        let mut remember = || before.push(store.entries(BUCKET));
        Native::new(&*store, "default").load(0..CREDENTIALS).unwrap();
        remember();
        let values = Some(vec![("password".into(), "second version".into())]);
        vault.update(&sample(1).name, &Changes { values, ..no_changes() }).unwrap();
        remember();
        vault.delete(&sample(5).name, None).unwrap();
        remember();
        exclusive(&vault, CLAIMED).unwrap().unwrap();
        let shape = Native::new(&*store, "default").shape().unwrap();
        assert_eq!((shape.id, shape.name, shape.domain), (2, 2, 2));
        Native::new(&other, "other").load(0..CREDENTIALS).unwrap();
        let known = vault.ids();
        Self { now: store.entries(BUCKET), vault, known, before, other: other.entries(BUCKET) }
    }

    /// Runs `look` on the store as it is but for one record.
    fn with<T>(&self, key: &str, value: Option<&[u8]>, look: impl FnOnce() -> T) -> T {
        self.vault.store.replace(BUCKET, self.now.clone());
        self.vault.store.put(BUCKET, key, value.map(<[u8]>::to_vec));
        let seen = look();
        self.vault.store.replace(BUCKET, self.now.clone());
        seen
    }

    fn reads(&self, context: &str) -> Answers {
        reads(&self.vault, &self.known).unwrap_or_else(|trap| panic!("{context}: {trap:?}"))
    }
}

fn kind(key: &str) -> &'static str {
    match key.split('.').nth(2) {
        Some("root") => "root",
        Some("seed") => "seed",
        Some("n") => "node",
        Some("b") => "body",
        Some("x") => "claim",
        _ => panic!("{key}"),
    }
}

/// Everything that can be read. The outer error is a trap.
fn reads(vault: &Vault, known: &BTreeSet<String>) -> wasmtime::Result<Answers> {
    vault.call(async |instance| {
        let (exports, store) = (&instance.exports, &mut instance.store);
        let (credentials, supply) = (exports.strongroom_vault_credentials(), exports.strongroom_vault_supply());
        let mut answers = Answers::new();
        let queries = [
            ("list", None, None, 0),
            ("list from 7", None, None, 7),
            ("list of a domain", Some(SAMPLE_DOMAIN.to_owned()), None, 0),
            ("list by text", None, Some("MAIL".to_owned()), 0),
        ];
        for (name, domain, query, offset) in queries {
            let query = ListQuery { domain, query, limit: Some(100), offset: Some(offset), ..everything() };
            add(&mut answers, name, credentials.call_list(store.call(), &query).await?);
        }
        for n in 0..CREDENTIALS + 2 {
            let new = sample(n);
            add(&mut answers, &format!("get {n}"), credentials.call_get(store.call(), &new.name).await?);
            let code = credentials.call_totp_code(store.call(), &new.name, None).await?;
            add(&mut answers, &format!("code of {n}"), code);
            let origin = format!("https://{}/login", new.domain);
            let supplied = supply.call_supply(store.call(), &new.name, &origin, None).await?;
            add(&mut answers, &format!("supply {n}"), supplied);
        }
        for id in known.iter().map(String::as_str).chain(["cred_00000000000000000000000000"]) {
            add(&mut answers, &format!("get {id}"), credentials.call_get(store.call(), id).await?);
        }
        let mut next = None;
        let report = loop {
            match exports.strongroom_vault_maintenance().call_verify(store.call(), next.as_deref()).await? {
                Ok(step) if step.next.is_none() => break Ok(step.report),
                Ok(step) => next = step.next,
                Err(error) => break Err(error),
            }
        };
        // What each key sealed is counted over all that lies there, garbage and strangers too.
        add(&mut answers, "verify", report.map(|report| maintenance::Report { keys: Vec::new(), ..report }));
        Ok(answers)
    })
}

fn add<T: Debug>(answers: &mut Answers, name: &str, answer: Result<T, Error>) {
    answers.insert(name.to_owned(), answer.map(|value| format!("{value:?}")));
}

fn exclusive(vault: &Vault, n: u64) -> wasmtime::Result<Answer> {
    let (name, options) = (sample(n).name, Some(CodeOptions { min_valid_seconds: 0, exclusive: true }));
    let called = vault.call(async |i| {
        i.exports.strongroom_vault_credentials().call_totp_code(i.store.call(), &name, options).await
    })?;
    Ok(called.map(|code| format!("{code:?}")))
}

type Change = fn(&Vault) -> wasmtime::Result<Answer>;

/// Calls that change something. The ids of new credentials are random and not shown.
const CHANGES: [(&str, Change); 9] = [
    ("create", |vault| {
        let mut new = new_credential("new", SAMPLE_DOMAIN, &[("password", "p")]);
        new.totp_secret = Some("JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP".into());
        let called =
            vault.call(async |i| i.exports.strongroom_vault_credentials().call_create(i.store.call(), &new).await)?;
        Ok(called.map(|created| format!("{created:?}").replace(&created.id, "")))
    }),
    ("put", |vault| {
        let mut new = new_credential(&sample(0).name, "moved.example.com", &[("password", "p")]);
        new.totp_secret = Some("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ".into());
        let called = vault
            .call(async |i| i.exports.strongroom_vault_credentials().call_put(i.store.call(), &new, None).await)?;
        Ok(called.map(|put| format!("{put:?}")))
    }),
    ("update of a value", |vault| {
        let values = Some(vec![("pin".into(), "1234".into())]);
        update(vault, 3, Changes { values, ..no_changes() })
    }),
    ("update of the name", |vault| update(vault, 3, Changes { name: Some("renamed".into()), ..no_changes() })),
    ("update of the TOTP secret", |vault| {
        let totp_secret = Some("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ".into());
        update(vault, 3, Changes { totp_secret, ..no_changes() })
    }),
    ("delete", |vault| {
        let name = sample(6).name;
        let called = vault
            .call(async |i| i.exports.strongroom_vault_credentials().call_delete(i.store.call(), &name, None).await)?;
        Ok(called)
    }),
    ("exclusive code that was given", |vault| exclusive(vault, CLAIMED)),
    ("exclusive code that is free", |vault| exclusive(vault, UNCLAIMED)),
    ("sweep", |vault| {
        let called =
            vault.call(async |i| i.exports.strongroom_vault_maintenance().call_sweep(i.store.call(), None).await)?;
        Ok(called.map(|_| String::new()))
    }),
];

fn update(vault: &Vault, n: u64, changes: Changes) -> wasmtime::Result<Answer> {
    let name = sample(n).name;
    let called = vault
        .call(async |i| i.exports.strongroom_vault_credentials().call_update(i.store.call(), &name, &changes).await)?;
    Ok(called.map(|updated| format!("{updated:?}")))
}

/// What an adversary puts in the place of a record: what was done, and the bytes.
fn damages(scene: &Scene, key: &str) -> Vec<(String, Option<Vec<u8>>)> {
    let value = &scene.now[key];
    let length = value.len();
    let mut damages = vec![("deleted".to_owned(), None), ("emptied".to_owned(), Some(Vec::new()))];
    // Envelope: format, length of the key id, key id (2), nonce (24), commitment (32), ciphertext, tag (16).
    let places = if length < 76 {
        vec![0, length - 1]
    } else {
        vec![0, 1, 2, 3, 4, 27, 28, 59, 60, length / 2, length - 17, length - 16, length - 1]
    };
    for at in places {
        for bit in [0, 7] {
            let mut flipped = value.clone();
            flipped[at] ^= 1 << bit;
            damages.push((format!("flipped at {at}, bit {bit}"), Some(flipped)));
        }
    }
    for end in [1, 2, 4, 28, 60, 75, 76, length / 2, length - 1].into_iter().filter(|&end| end < length) {
        damages.push((format!("cut to {end}"), Some(value[..end].to_vec())));
    }
    damages.push(("lengthened".to_owned(), Some([value.as_slice(), &[0]].concat())));
    damages.push(("zeros".to_owned(), Some(vec![0; length])));
    for (other, replacement) in scene.now.iter().filter(|(other, _)| *other != key && kind(other) == kind(key)) {
        damages.push((format!("replaced by {other}"), Some(replacement.clone())));
    }
    for (other, replacement) in scene.other.iter().filter(|(other, _)| kind(other) == kind(key)) {
        if kind(key) != "seed" {
            damages.push((format!("replaced by another project's {other}"), Some(replacement.clone())));
        }
    }
    damages
}

fn assert_clean(error: &Error, kind: &str, damage: &str, context: &str) {
    let allowed = match error.code {
        ErrorCode::StorageCorrupt | ErrorCode::KeyMismatch | ErrorCode::KeyUnavailable => true,
        // The root is known to be missing: it fails closed instead of showing an empty vault.
        ErrorCode::StorageUninitialised => kind == "root" && damage == "deleted",
        // The first byte says which format it is.
        ErrorCode::FormatTooNew => damage.starts_with("flipped at 0"),
        _ => false,
    };
    assert!(allowed && error.message.contains(&format!("{kind} record")), "{context}: {error:?}");
}

#[test]
fn a_damaged_record_is_an_error_or_makes_no_difference() {
    let scene = Scene::new();
    let vault = &scene.vault;
    let right = scene.reads("undamaged");
    let right_changes: Vec<_> = CHANGES
        .iter()
        .map(|(_, change)| {
            vault.store.replace(BUCKET, scene.now.clone());
            let answer = change(vault).unwrap();
            (answer, vault.contents(&scene.known))
        })
        .collect();
    vault.store.replace(BUCKET, scene.now.clone());
    let old = vault.contents(&scene.known);
    let garbage = vault.verify().unwrap().garbage;
    let mut changed = BTreeSet::new();
    let (mut harmless, mut cases, mut refused, mut made) = (BTreeSet::new(), BTreeMap::new(), 0u64, 0u64);
    for key in scene.now.keys() {
        let kind = kind(key);
        for (damage, value) in damages(&scene, key) {
            let context = format!("{kind} record {key} {damage}");
            *cases.entry(kind).or_insert(0u64) += 1;
            let answers = scene.with(key, value.as_deref(), || scene.reads(&context));
            for (call, answer) in &answers {
                match answer {
                    Err(error) if Err(error.code) != right[call].as_ref().map(|_| ()).map_err(|e| e.code) => {
                        assert_clean(error, kind, &damage, &format!("{context}, {call}"));
                    }
                    _ => assert_eq!(format!("{answer:?}"), format!("{:?}", right[call]), "{context}, {call}"),
                }
            }
            if answers["verify"].is_ok() {
                harmless.insert(key.as_str());
            } else {
                assert!(!harmless.contains(key.as_str()), "{context}: verify sees it, but not every damage");
            }
            // What a change does depends on how the record fails to open, and not on the byte that was flipped.
            let failure = answers["verify"].as_ref().err().map(|error| format!("{:?}", error.code));
            if !changed.insert((key, failure, value.is_none())) {
                continue;
            }
            for ((name, change), (right, new)) in CHANGES.iter().zip(&right_changes) {
                let context = format!("{context}, {name}");
                vault.store.replace(BUCKET, scene.now.clone());
                vault.store.put(BUCKET, key, value.clone());
                let answer = change(vault).unwrap_or_else(|trap| panic!("{context}: {trap:?}"));
                // Healed, unless it was garbage that this very call deleted.
                if !harmless.contains(key.as_str()) && vault.store.entries(BUCKET).get(key) == value.as_ref() {
                    vault.store.put(BUCKET, key, Some(scene.now[key].clone()));
                }
                match &answer {
                    Err(error) if Err(error.code) != right.as_ref().map(|_| ()).map_err(|e| e.code) => {
                        assert_clean(error, kind, &damage, &context);
                        assert_eq!(vault.contents(&scene.known), old, "{context}: refused, so nothing has changed");
                        refused += 1;
                    }
                    _ => {
                        assert_eq!(format!("{answer:?}"), format!("{right:?}"), "{context}");
                        assert_eq!(vault.contents(&scene.known), *new, "{context}");
                        made += 1;
                    }
                }
                vault.verify().unwrap_or_else(|error| panic!("{context}, healed: {error:?}"));
            }
        }
    }
    println!("damages by kind of record: {cases:?}; changes refused: {refused}, made: {made}");
    // Everything but garbage, and the seed while there is a root, is looked at.
    assert_eq!(harmless.len() as u64, garbage + 1, "{harmless:?}");
    assert!(harmless.iter().any(|key| kind(key) == "seed"));
    assert!(["root", "node", "body", "claim", "seed"].iter().all(|kind| cases[kind] > 0));
}

#[test]
fn a_root_that_is_rolled_back_shows_that_commit_wholly_or_an_error() {
    let mut scene = Scene::new();
    let root = scene.now.keys().find(|key| kind(key) == "root").unwrap().clone();
    let (mut shown, failed) = roll_back(&scene, &root);
    assert_eq!(failed, 0, "the older states are still there, as garbage");
    // Many commits later most of them are gone.
    for pin in 0..30 {
        let values = Some(vec![("pin".into(), pin.to_string())]);
        scene.vault.update(&sample(pin % 5).name, &Changes { values, ..no_changes() }).unwrap();
    }
    scene.now = scene.vault.store.entries(BUCKET);
    let (shown_later, failed) = roll_back(&scene, &root);
    shown += shown_later;
    println!("rolled back roots: {shown} answers as they were then, {failed} errors");
    assert!(shown_later > 0 && failed > 0);
}

/// Puts each older root into the store as it is now; how many answers were those of then, and how many were errors.
fn roll_back(scene: &Scene, root: &str) -> (u64, u64) {
    let vault = &scene.vault;
    let (mut shown, mut failed) = (0, 0);
    for (age, before) in scene.before.iter().enumerate() {
        vault.store.replace(BUCKET, before.clone());
        let then = scene.reads("then");
        let answers = scene.with(root, Some(&before[root]), || scene.reads("rolled back"));
        // `verify` counts garbage and orphans among all keys that there are now.
        for (call, answer) in answers.iter().filter(|(call, _)| *call != "verify") {
            match answer {
                Err(error) if error.code == ErrorCode::StorageCorrupt => failed += 1,
                _ => {
                    assert_eq!(format!("{answer:?}"), format!("{:?}", then[call]), "commit {age}, {call}");
                    shown += 1;
                }
            }
        }
        for (name, change) in CHANGES {
            scene.with(root, Some(&before[root]), || {
                if let Err(error) = change(vault).unwrap_or_else(|trap| panic!("commit {age}, {name}: {trap:?}")) {
                    let codes = [ErrorCode::StorageCorrupt, ErrorCode::NotFound, ErrorCode::CodeTaken];
                    assert!(codes.contains(&error.code), "commit {age}, {name}: {error:?}");
                }
            });
        }
    }
    (shown, failed)
}

#[test]
fn a_claim_that_is_rolled_back_gives_its_step_again() {
    let scene = Scene::new();
    let before = scene.before.last().unwrap();
    let changed: Vec<_> = scene.now.keys().filter(|key| scene.now.get(*key) != before.get(*key)).collect();
    assert_eq!(changed.iter().map(|key| kind(key)).collect::<Vec<_>>(), ["claim"]);
    let code = scene.vault.totp_code(&sample(CLAIMED).name, None).unwrap();
    assert_eq!(exclusive(&scene.vault, CLAIMED).unwrap().unwrap_err().code, ErrorCode::CodeTaken);
    let again = scene.with(changed[0], Some(&before[changed[0]]), || {
        assert_eq!(scene.reads("rolled back")["verify"].as_ref().err().map(|error| error.code), None);
        exclusive(&scene.vault, CLAIMED).unwrap()
    });
    assert_eq!(again.unwrap(), format!("{code:?}"));
    assert_eq!(code.expires_at, NOW + 30_000);
}

#[test]
fn nodes_and_bodies_are_never_written_twice() {
    let scene = Scene::new();
    for pair in scene.before.windows(2) {
        for (key, value) in &pair[0] {
            let overwritten = pair[1].get(key).is_some_and(|newer| newer != value);
            assert!(!overwritten || ["root", "claim"].contains(&kind(key)), "{key}");
        }
    }
}

#[test]
fn foreign_keys_are_ignored() {
    let scene = Scene::new();
    let vault = &scene.vault;
    let right = scene.reads("alone");
    let swept = vault.sweep().unwrap();
    let root = scene.now.keys().find(|key| kind(key) == "root").unwrap();
    let prefix = root.strip_suffix("root").unwrap();
    let node = scene.now.keys().find(|key| kind(key) == "node").unwrap();
    let body = scene.now.keys().find(|key| kind(key) == "body").unwrap();
    let mut foreign: Entries = scene.other.clone();
    let names = [
        String::new(),
        "x".into(),
        "sr1".into(),
        "sr1.".into(),
        prefix.into(),
        format!("{prefix}n"),
        format!("{prefix}n."),
        format!("{prefix}n.short"),
        format!("{prefix}n.{}", "1".repeat(26)),
        format!("{prefix}z.{}", "a".repeat(26)),
        format!("{prefix}root.old"),
        format!("{prefix}roots"),
        node.to_uppercase(),
        format!("{node}a"),
        format!("{node} "),
        format!("{}z", &node[..node.len() - 1]),
        node.replace("sr1.", "sr2."),
        body.replace(".b.", ".body."),
        "k".repeat(200),
        "schlüssel/mit?zeichen#".into(),
    ];
    for (at, name) in names.into_iter().enumerate() {
        foreign.insert(name, vec![at as u8; at * 50]);
    }
    foreign.insert(format!("{node}.copy"), scene.now[node].clone());
    let both: Entries = scene.now.clone().into_iter().chain(foreign.clone()).collect();
    assert_eq!(both.len(), scene.now.len() + foreign.len());
    vault.store.replace(BUCKET, both.clone());
    let beside = scene.reads("beside foreign keys");
    assert_eq!(format!("{beside:?}"), format!("{right:?}"));
    for (name, change) in CHANGES {
        vault.store.replace(BUCKET, scene.now.clone());
        let alone = change(vault).unwrap();
        let contents = vault.contents(&scene.known);
        vault.store.replace(BUCKET, both.clone());
        assert_eq!(format!("{:?}", change(vault).unwrap()), format!("{alone:?}"), "{name}");
        assert_eq!(vault.contents(&scene.known), contents, "{name}");
        let after = vault.store.entries(BUCKET);
        assert!(foreign.iter().all(|(key, value)| after.get(key) == Some(value)), "{name} touched a foreign key");
    }
    vault.store.replace(BUCKET, both);
    let beside = vault.sweep().unwrap();
    // The snapshots that verifications pinned come and go.
    assert!(beside.examined.abs_diff(swept.examined) <= 2, "{beside:?} {swept:?}");
    assert_eq!(beside.deleted, swept.deleted);
}
