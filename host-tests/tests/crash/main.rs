//! A crash at any store operation leaves the old state or the new one.
//!
//! Every action is ended at every one of its store operations in turn, right before the operation and right after it,
//! on vaults whose indexes are 1, 2 and 3 levels deep. Afterwards a fresh instance must find a sound store with exactly
//! the old contents or exactly the new ones, `sweep` must leave nothing behind, and the same call again must work.

mod restore;

use std::collections::BTreeMap;
use std::sync::Arc;
use strongroom_host_tests::credentials::Changes;
use strongroom_host_tests::types::{CodeOptions, ErrorCode};
use strongroom_host_tests::{
    Behaviour, Called, Kind, MemoryStore, NEW_KEYS, NOW, Native, ROTATED_KEYS, StoreError, Vault, World, everything,
    new_credential, no_changes, sample,
};

const BUCKET: &str = "default";
const SEED: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
const OTHER_SEED: &str = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";

type Entries = BTreeMap<String, Vec<u8>>;

/// One call, and what it must answer when it is made again after it was cut off.
struct Case {
    name: &'static str,
    run: fn(&Vault) -> Called<()>,
    /// The answer to the second call when the first one had happened all the same.
    again: Result<(), ErrorCode>,
}

/// Calls that change the contents. They act on the samples 0 to 2, which every vault has; 0 has a TOTP secret.
const CHANGES: [Case; 12] = [
    Case { name: "create", run: |vault| create(vault, "new", None), again: Err(ErrorCode::NameTaken) },
    Case {
        name: "create with TOTP secret",
        run: |vault| create(vault, "new", Some(SEED)),
        again: Err(ErrorCode::NameTaken),
    },
    Case { name: "put that creates", run: |vault| put(vault, "new", Some(SEED)), again: Ok(()) },
    Case { name: "put that replaces", run: |vault| put(vault, &sample(0).name, Some(SEED)), again: Ok(()) },
    Case { name: "put that takes the secret away", run: |vault| put(vault, &sample(0).name, None), again: Ok(()) },
    Case {
        name: "update of values",
        run: |vault| {
            let values = Some(vec![("password".into(), "changed".into()), ("pin".into(), "1234".into())]);
            let remove_value_keys = Some(vec!["username".into()]);
            update(vault, Changes { values, remove_value_keys, ..no_changes() })
        },
        again: Ok(()),
    },
    Case {
        name: "update that removes every value",
        run: |vault| {
            let remove_value_keys = Some(vec!["username".into(), "password".into()]);
            update(vault, Changes { remove_value_keys, ..no_changes() })
        },
        again: Ok(()),
    },
    Case {
        name: "update of the name",
        run: |vault| update(vault, Changes { name: Some("renamed".into()), ..no_changes() }),
        again: Err(ErrorCode::NotFound),
    },
    Case {
        name: "update of the provider",
        run: |vault| update(vault, Changes { sso_provider: Some("google".into()), ..no_changes() }),
        again: Ok(()),
    },
    Case {
        name: "update of the TOTP secret",
        run: |vault| update(vault, Changes { totp_secret: Some(SEED.into()), ..no_changes() }),
        again: Ok(()),
    },
    Case {
        name: "update that removes the TOTP secret",
        run: |vault| update(vault, Changes { totp_secret: Some(String::new()), ..no_changes() }),
        again: Ok(()),
    },
    Case {
        name: "delete",
        run: |vault| {
            let name = sample(0).name;
            let call = vault.call(async |i| {
                i.exports.strongroom_vault_credentials().call_delete(i.store.call(), &name, None).await
            });
            call.map(|answer| answer.map(|_| ()))
        },
        again: Err(ErrorCode::NotFound),
    },
];

fn create(vault: &Vault, name: &str, totp_secret: Option<&str>) -> Called<()> {
    let mut new = new_credential(name, "new.example.com", &[("username", "u"), ("password", "p")]);
    new.totp_secret = totp_secret.map(Into::into);
    let call = vault.call(async |i| i.exports.strongroom_vault_credentials().call_create(i.store.call(), &new).await);
    call.map(|answer| answer.map(|_| ()))
}

fn put(vault: &Vault, name: &str, totp_secret: Option<&str>) -> Called<()> {
    let mut new = new_credential(name, "elsewhere.example.com", &[("login", "l"), ("password", "p")]);
    new.totp_secret = totp_secret.map(Into::into);
    let call =
        vault.call(async |i| i.exports.strongroom_vault_credentials().call_put(i.store.call(), &new, None).await);
    call.map(|answer| answer.map(|_| ()))
}

fn update(vault: &Vault, changes: Changes) -> Called<()> {
    let name = sample(0).name;
    let call = vault
        .call(async |i| i.exports.strongroom_vault_credentials().call_update(i.store.call(), &name, &changes).await);
    call.map(|answer| answer.map(|_| ()))
}

fn exclusive_code(vault: &Vault) -> Called<()> {
    let (name, options) = (sample(0).name, Some(CodeOptions { min_valid_seconds: 0, exclusive: true }));
    let call = vault
        .call(async |i| i.exports.strongroom_vault_credentials().call_totp_code(i.store.call(), &name, options).await);
    call.map(|answer| answer.map(|_| ()))
}

fn reset_exclusive(vault: &Vault) -> Called<()> {
    let name = sample(0).name;
    let call = vault
        .call(async |i| i.exports.strongroom_vault_maintenance().call_reset_exclusive(i.store.call(), &name).await);
    call.map(|answer| answer.map(|_| ()))
}

fn sweep(vault: &Vault) -> Called<()> {
    let mut next = None;
    loop {
        let step = vault
            .call(async |i| i.exports.strongroom_vault_maintenance().call_sweep(i.store.call(), next.as_deref()).await);
        match step? {
            Ok(step) if step.next.is_none() => return Ok(Ok(())),
            Ok(step) => next = step.next,
            Err(error) => return Ok(Err(error)),
        }
    }
}

fn init(vault: &Vault, force: bool) -> Called<()> {
    let call =
        vault.call(async |i| i.exports.strongroom_vault_maintenance().call_init(i.store.call(), force, None).await);
    call.map(|answer| answer.map(|_| ()))
}

fn vault_of_depth(depth: u64) -> Vault {
    vault_on(MemoryStore::new(), depth)
}

/// A vault whose three indexes have this depth, with garbage that is due to be deleted.
fn vault_on(store: MemoryStore, depth: u64) -> Vault {
    let (node_bytes, credentials) = [(8192, 3), (256, 8), (256, 56)][depth as usize - 1];
    let store = Arc::new(store);
    let native = Native::new(&*store, "default");
    native.init(Some(node_bytes)).unwrap();
    native.load(0..credentials).unwrap();
    let vault = Vault::on(World::Vault, store.clone());
    // More commits than the grace of garbage, back and forth.
    for round in 0..10 {
        let values = Some(vec![("password".into(), round.to_string())]);
        vault.update(&sample(1).name, &Changes { values, ..no_changes() }).unwrap();
    }
    let shape = native.shape().unwrap();
    assert_eq!((shape.id, shape.name, shape.domain), (depth, depth, depth));
    // The snapshot that the first one pinned.
    vault.verify().unwrap();
    assert!(vault.verify().unwrap().garbage > 0);
    vault
}

/// Nothing is in the bucket but what the root refers to.
fn assert_tidy(vault: &Vault, context: &str) {
    let report = vault.verify().unwrap_or_else(|error| panic!("{context}: {error:?}"));
    assert_eq!(report.orphans, 0, "{context}");
    let stored = vault.store.entries(BUCKET).len() as u64;
    let in_use = 2 + report.nodes + report.bodies + report.claims;
    // Garbage that was deleted by a commit that did not happen is still remembered; and the snapshot that was verified has
    // become garbage since.
    assert!((in_use..=in_use + report.garbage + 1).contains(&stored), "{context}: {stored} keys, {report:?}");
}

/// Runs the call with a crash before and after each store operation in turn, each time from the same entries, and lets
/// `check` look at what is left. Returns how many crashes there were.
fn at_every_operation(
    vault: &Vault,
    before: &Entries,
    run: impl Fn(&Vault) -> Called<()>,
    check: impl FnMut(&str),
) -> usize {
    at_operations(vault, before, 1, run, check)
}

/// The same at one operation out of so many.
fn at_operations(
    vault: &Vault,
    before: &Entries,
    one_in: usize,
    run: impl Fn(&Vault) -> Called<()>,
    mut check: impl FnMut(&str),
) -> usize {
    let mut crashes = 0;
    for (when, stop) in
        [("before", Behaviour::Fail(StoreError::Stop)), ("after", Behaviour::FailAfter(StoreError::Stop))]
    {
        for at in (0..).step_by(one_in) {
            vault.store.replace(BUCKET, before.clone());
            vault.store.reset();
            let stop = stop.clone();
            vault.store.hook(move |operation| if operation.index == at { stop.clone() } else { Behaviour::Correct });
            let result = run(vault);
            vault.store.unhook();
            match result {
                Ok(answer) => {
                    answer.unwrap();
                    break;
                }
                Err(trap) => {
                    assert_eq!(trap.downcast_ref(), Some(&StoreError::Stop), "{trap:?}");
                    crashes += 1;
                    check(&format!("{when} operation {at}"));
                }
            }
        }
    }
    crashes
}

/// The cases are divided among a few threads, each with a vault of its own.
fn changes_at_depth(depth: u64) {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for cases in CHANGES.chunks(CHANGES.len().div_ceil(threads)) {
            scope.spawn(move || try_changes(&vault_of_depth(depth), depth, cases));
        }
    });
}

fn try_changes(vault: &Vault, depth: u64, cases: &[Case]) {
    let before = vault.store.entries(BUCKET);
    let known = vault.ids();
    let old = vault.contents(&known);
    for case in cases {
        vault.store.replace(BUCKET, before.clone());
        (case.run)(vault).unwrap().unwrap();
        let new = vault.contents(&known);
        assert_ne!(old, new, "{}", case.name);
        let (mut undone, mut done) = (0, 0);
        let crashes = at_every_operation(vault, &before, case.run, |at| {
            let context = format!("depth {depth}, {}, crash {at}", case.name);
            vault.verify().unwrap_or_else(|error| panic!("{context}: {error:?}"));
            let found = vault.contents(&known);
            let expected = if found == old {
                undone += 1;
                Ok(())
            } else {
                assert_eq!(found, new, "{context}");
                done += 1;
                case.again
            };
            vault.sweep().unwrap();
            assert_tidy(vault, &context);
            assert_eq!(vault.contents(&known), found, "{context}, after the sweep");
            let again = (case.run)(vault).unwrap();
            assert_eq!(again.map_err(|error| error.code), expected, "{context}, again");
            assert_eq!(vault.contents(&known), new, "{context}, again");
            assert_tidy(vault, &context);
        });
        println!("depth {depth}, {}: {crashes} crashes, {undone} left the old state, {done} the new one", case.name);
        assert!(undone > 0 && done > 0, "{}", case.name);
    }
}

#[test]
fn a_change_of_a_vault_of_depth_1_happens_wholly_or_not_at_all() {
    changes_at_depth(1);
}

#[test]
fn a_change_of_a_vault_of_depth_2_happens_wholly_or_not_at_all() {
    changes_at_depth(2);
}

#[test]
fn a_change_of_a_vault_of_depth_3_happens_wholly_or_not_at_all() {
    changes_at_depth(3);
}

/// A store that makes what is written together with the swap.
#[test]
fn a_change_that_comes_with_its_swap_happens_wholly_or_not_at_all() {
    for depth in 1..=3 {
        try_changes(&vault_on(MemoryStore::with_changes(), depth), depth, &CHANGES);
    }
}

/// Each operation in turn fails, before or after it was carried out, or says of a swap what is not true. Then either all is
/// there, or nothing, and the answer does not say otherwise.
#[test]
fn a_change_that_comes_with_its_swap_survives_wrong_answers() {
    let error = || StoreError::Other("of the test".into());
    let wrong = [Behaviour::Fail(error()), Behaviour::FailAfter(error()), Behaviour::Deny, Behaviour::Lose];
    for depth in 1..=3 {
        let vault = vault_on(MemoryStore::with_changes(), depth);
        let before = vault.store.entries(BUCKET);
        let known = vault.ids();
        let old = vault.contents(&known);
        for case in &CHANGES {
            vault.store.replace(BUCKET, before.clone());
            vault.store.reset();
            (case.run)(&vault).unwrap().unwrap();
            let operations = vault.store.counts();
            let new = vault.contents(&known);
            for (behaviour, at) in wrong.iter().flat_map(|wrong| (0..operations.total()).map(move |at| (wrong, at))) {
                let context = format!("depth {depth}, {}, {behaviour:?} at operation {at}", case.name);
                vault.store.replace(BUCKET, before.clone());
                vault.store.reset();
                let behaviour = behaviour.clone();
                vault.store.hook(move |operation| match operation.kind {
                    // What a store says is there or not there, and is not, is for other tests.
                    Kind::Get | Kind::Current if behaviour == Behaviour::Deny => Behaviour::Correct,
                    // Such a store is believed when it says that a swap has done nothing.
                    Kind::Swap if matches!(behaviour, Behaviour::FailAfter(_)) => Behaviour::Correct,
                    _ if operation.index == at => behaviour.clone(),
                    _ => Behaviour::Correct,
                });
                let answer = (case.run)(&vault).unwrap();
                vault.store.unhook();
                vault.verify().unwrap_or_else(|error| panic!("{context}: {error:?}"));
                let found = vault.contents(&known);
                assert!(found == old || found == new, "{context}");
                match answer.map_err(|error| error.code) {
                    Ok(()) => assert_eq!(found, new, "{context}"),
                    Err(ErrorCode::OutcomeUnknown) => {}
                    Err(_) => assert_eq!(found, old, "{context}"),
                }
                vault.sweep().unwrap();
                assert_tidy(&vault, &context);
            }
        }
    }
}

/// Nobody heard of its changes' failing one by one, so what its swap says has to tell why nothing happened; as long as it has
/// never said anything else.
#[test]
fn why_nothing_happened_is_told_where_that_is_certain() {
    let (full, away) = (StoreError::Failed("full".into()), StoreError::Other("away".into()));
    let cases = [
        (MemoryStore::with_changes(), None, &full, ErrorCode::StorageFailed),
        (MemoryStore::with_changes(), None, &away, ErrorCode::StorageUnavailable),
        (MemoryStore::with_changes(), Some(Behaviour::Lose), &full, ErrorCode::OutcomeUnknown),
        (MemoryStore::new(), None, &full, ErrorCode::OutcomeUnknown),
    ];
    for (store, first, error, code) in cases {
        let vault = vault_on(store, 1);
        let before = vault.store.entries(BUCKET);
        let (mut first, error) = (first, error.clone());
        vault.store.hook(move |operation| match operation.kind {
            Kind::Swap => first.take().unwrap_or_else(|| Behaviour::Fail(error.clone())),
            _ => Behaviour::Correct,
        });
        assert_eq!(create(&vault, "new", None).unwrap().unwrap_err().code, code);
        vault.store.unhook();
        if code != ErrorCode::OutcomeUnknown {
            assert_eq!(vault.store.entries(BUCKET), before);
        }
    }
}

/// One swap, and one for each claim record; nothing else is written.
#[test]
fn a_change_that_comes_with_its_swap_is_one_write() {
    for depth in 1..=3 {
        let vault = vault_on(MemoryStore::with_changes(), depth);
        for case in &CHANGES {
            let entries = vault.store.entries(BUCKET);
            vault.store.reset();
            (case.run)(&vault).unwrap().unwrap();
            let counts = vault.store.counts();
            let others = [Kind::Set, Kind::Delete, Kind::Increment].map(|kind| counts.of(kind));
            let is_claim = |key: &&String| key.contains(".x.") && !entries.contains_key(*key);
            let swaps = 1 + vault.store.entries(BUCKET).keys().filter(is_claim).count() as u64;
            assert_eq!((others, counts.of(Kind::Swap)), ([0; 3], swaps), "depth {depth}, {}", case.name);
            vault.store.replace(BUCKET, entries);
        }
    }
}

/// The code of a crashed caller may be lost, but no step is given twice, and the next one can be had.
#[test]
fn an_exclusive_code_is_given_once_or_not_at_all() {
    for depth in 1..=3 {
        let vault = vault_of_depth(depth);
        let before = vault.store.entries(BUCKET);
        let known = vault.ids();
        let old = vault.contents(&known);
        let (mut free, mut taken) = (0, 0);
        let crashes = at_every_operation(&vault, &before, exclusive_code, |at| {
            let context = format!("depth {depth}, exclusive code, crash {at}");
            assert_tidy(&vault, &context);
            assert_eq!(vault.contents(&known), old, "{context}");
            match exclusive_code(&vault).unwrap() {
                Ok(()) => free += 1,
                Err(error) => {
                    assert_eq!((error.code, error.retry_after_seconds), (ErrorCode::CodeTaken, Some(30)), "{context}");
                    taken += 1;
                }
            }
            assert_eq!(exclusive_code(&vault).unwrap().unwrap_err().code, ErrorCode::CodeTaken, "{context}");
            vault.clock.set(NOW + 30_000);
            exclusive_code(&vault).unwrap().unwrap_or_else(|error| panic!("{context}: {error:?}"));
            vault.clock.set(NOW);
        });
        println!(
            "depth {depth}, exclusive code: {crashes} crashes, the step was free after {free}, taken after {taken}"
        );
        assert!(free > 0 && taken > 0);
    }
}

/// However it ends, no step is given twice, and the next call ends what was blocked.
#[test]
fn a_reset_of_exclusive_codes_happens_or_not() {
    const STEP: u64 = 30_000;
    const FAR: u64 = NOW + 1_000 * STEP;
    for depth in 1..=3 {
        let vault = vault_of_depth(depth);
        exclusive_code(&vault).unwrap().unwrap();
        vault.clock.set(FAR);
        exclusive_code(&vault).unwrap().unwrap();
        vault.clock.set(NOW);
        let before = vault.store.entries(BUCKET);
        let known = vault.ids();
        let old = vault.contents(&known);
        let (mut blocked, mut reset) = (0, 0);
        let crashes = at_every_operation(&vault, &before, reset_exclusive, |at| {
            let context = format!("depth {depth}, reset, crash {at}");
            vault.verify().unwrap_or_else(|error| panic!("{context}: {error:?}"));
            assert_eq!(vault.contents(&known), old, "{context}");
            match exclusive_code(&vault).unwrap().unwrap_err().code {
                ErrorCode::ClockBehind => blocked += 1,
                ErrorCode::CodeTaken => {
                    reset += 1;
                    // What happened is on record.
                    assert_eq!(vault.audit().unwrap()[0].action, "reset_exclusive", "{context}");
                }
                other => panic!("{context}: {other:?}"),
            }
            reset_exclusive(&vault).unwrap().unwrap();
            assert_eq!(exclusive_code(&vault).unwrap().unwrap_err().code, ErrorCode::CodeTaken, "{context}");
            for (now, is_free) in [(NOW + STEP, true), (FAR - STEP, true), (FAR, false), (FAR + STEP, true)] {
                vault.clock.set(now);
                assert_eq!(exclusive_code(&vault).unwrap().is_ok(), is_free, "{context}");
            }
            vault.clock.set(NOW);
            vault.sweep().unwrap();
            assert_tidy(&vault, &context);
        });
        println!("depth {depth}, reset: {crashes} crashes, {blocked} before it, {reset} after it");
        assert!(blocked > 0 && reset > 0);
    }
}

#[test]
fn a_sweep_that_is_cut_off_harms_nothing() {
    for depth in 1..=3 {
        let vault = vault_of_depth(depth);
        let known = vault.ids();
        let old = vault.contents(&known);
        leave_orphans(&vault);
        let before = vault.store.entries(BUCKET);
        assert!(vault.verify().unwrap().orphans >= 2);
        let crashes = at_every_operation(&vault, &before, sweep, |at| {
            let context = format!("depth {depth}, sweep, crash {at}");
            vault.verify().unwrap_or_else(|error| panic!("{context}: {error:?}"));
            assert_eq!(vault.contents(&known), old, "{context}");
            sweep(&vault).unwrap().unwrap();
            assert_tidy(&vault, &context);
            assert_eq!(vault.contents(&known), old, "{context}, again");
        });
        println!("depth {depth}, sweep: {crashes} crashes");
    }
}

/// Wherever it ends, everything is there for who has both keys, and the next one brings it to its end.
#[test]
fn a_rewrap_that_is_cut_off_harms_nothing_and_goes_on() {
    for (depth, one_in) in [(1, 1), (2, 2), (3, 23)] {
        let vault = vault_of_depth(depth);
        exclusive_code(&vault).unwrap().unwrap();
        vault.delete(&sample(2).name, None).unwrap();
        leave_orphans(&vault);
        let known = vault.ids();
        let old = vault.contents(&known);
        let before = vault.store.entries(BUCKET);
        let (mut unfinished, mut finished) = (0, 0);
        vault.settings.set("strongroom_keys", ROTATED_KEYS);
        let crashes = at_operations(&vault, &before, one_in, rewrap, |at| {
            let context = format!("depth {depth}, rewrap, crash {at}");
            let left = vault.sealed_by("k1").unwrap_or_else(|error| panic!("{context}: {error:?}"));
            *(if left > 0 { &mut unfinished } else { &mut finished }) += 1;
            assert_eq!(vault.contents(&known), old, "{context}");
            rewrap(&vault).unwrap().unwrap();
            vault.sweep().unwrap();
            assert_tidy(&vault, &context);
            assert_eq!(vault.sealed_by("k1").unwrap(), 0, "{context}");
            vault.settings.set("strongroom_keys", NEW_KEYS);
            assert_eq!(vault.contents(&known), old, "{context}, without the old key");
            assert_eq!(exclusive_code(&vault).unwrap().unwrap_err().code, ErrorCode::CodeTaken, "{context}");
            vault.settings.set("strongroom_keys", ROTATED_KEYS);
        });
        println!(
            "depth {depth}, rewrap: {crashes} crashes, {unfinished} with something left to do, {finished} with nothing"
        );
        assert!(unfinished > crashes / 2);
    }
}

fn rewrap(vault: &Vault) -> Called<()> {
    let mut next = None;
    loop {
        let step = vault.call(async |i| {
            i.exports.strongroom_vault_maintenance().call_rewrap(i.store.call(), next.as_deref()).await
        });
        match step? {
            Ok(step) if step.next.is_none() => return Ok(Ok(())),
            Ok(step) => next = step.next,
            Err(error) => return Ok(Err(error)),
        }
    }
}

/// A create that dies right before its commit leaves all that it wrote.
fn leave_orphans(vault: &Vault) {
    vault.store.hook(|operation| {
        let commits = operation.kind == strongroom_host_tests::Kind::Swap && operation.key.ends_with(".root");
        if commits { Behaviour::Fail(StoreError::Stop) } else { Behaviour::Correct }
    });
    create(vault, "orphaned", Some(OTHER_SEED)).unwrap_err();
    vault.store.unhook();
}

/// How the first root comes to be: by `init`, by the first write, or by `init --force` in the place of a lost one. Who
/// was elected to write it and died before leaves a vault that says so, and that `init --force` makes usable.
#[test]
fn the_first_root_is_there_or_known_to_be_missing() {
    let vault = Vault::new(World::Vault);
    let empty = Entries::new();
    create(&vault, "lost", None).unwrap().unwrap();
    let mut lost_root = vault.store.entries(BUCKET);
    lost_root.retain(|key, _| !key.ends_with(".root"));
    let first_write = |vault: &Vault| create(vault, "first", Some(SEED));
    let starts: [(&str, &Entries, fn(&Vault) -> Called<()>); 4] = [
        ("init", &empty, |vault| init(vault, false)),
        ("first write", &empty, first_write),
        ("forced init", &empty, |vault| init(vault, true)),
        ("forced init of a vault that lost its root", &lost_root, |vault| init(vault, true)),
    ];
    for (name, before, run) in starts {
        let mut missing = 0;
        let crashes = at_every_operation(&vault, before, run, |at| {
            let context = format!("{name}, crash {at}");
            let is_there = |suffix| vault.store.entries(BUCKET).keys().any(|key| key.ends_with(suffix));
            if is_there(".seed") && !is_there(".root") {
                missing += 1;
                for error in [
                    vault.list(everything()).map(drop).unwrap_err(),
                    vault.verify().map(drop).unwrap_err(),
                    vault.init(false, None).map(drop).unwrap_err(),
                    create(&vault, "n", None).unwrap().unwrap_err(),
                ] {
                    assert_eq!(error.code, ErrorCode::StorageUninitialised, "{context}");
                }
                assert!(vault.init(true, None).unwrap(), "{context}");
            }
            let report = vault.verify().unwrap_or_else(|error| panic!("{context}: {error:?}"));
            assert_eq!(vault.ids().len() as u64, report.credentials, "{context}");
            match run(&vault).unwrap() {
                Ok(()) => {}
                Err(error) => assert_eq!(error.code, ErrorCode::NameTaken, "{context}: {error:?}"),
            }
            create(&vault, "another", None).unwrap().unwrap();
            vault.sweep().unwrap();
            assert_tidy(&vault, &context);
        });
        println!("{name}: {crashes} crashes, the root was missing after {missing}");
        assert!(crashes > 0 && missing > 0, "{name}");
    }
}
