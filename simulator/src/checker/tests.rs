use super::*;
use crate::history::Seen;
use crate::hosts;
use crate::model::{Draft, Target, Values};

const RULES: Rules = Rules { versions: 10, is_trusted: true };
const NOON: (u64, u64) = (1, 1);

fn values() -> Values {
    Values::from([("user".into(), "u".into())])
}

fn seen(id: &str, name: &str, version: u64) -> Seen {
    Seen {
        id: id.into(),
        name: name.into(),
        domain: "a.example".into(),
        additional: Vec::new(),
        version,
        created_ms: 1,
        updated_ms: 1,
        ended_ms: None,
        has_totp: false,
        has_values: true,
        value_keys: None,
    }
}

/// With so many events.
fn shown(list: &[(&str, &str, u64)], events: usize) -> Shown {
    let creds = list.iter().map(|(id, name, version)| (seen(id, name, *version), Some(values()))).collect();
    Shown { creds, events, ..Shown::default() }
}

fn create(name: &str) -> Action {
    let draft =
        Draft { name: name.into(), domain: "a.example".into(), additional: Vec::new(), values: values(), totp: None };
    Action::Create { draft, key: None }
}

fn get(name: &str) -> Action {
    Action::Get { target: Target::Name(name.into()) }
}

/// A vault with one credential, `ada`, whose creation was operation 0.
fn with_ada(host: &str) -> Checker {
    let mut checker = Checker::new(hosts::by_name(host).unwrap(), Snapshot::default(), true, false);
    assert_eq!(checker.invoked(create("ada"), RULES, true), 0);
    checker.committed(0, shown(&[("1", "ada", 1)], 1), NOON).unwrap();
    checker.returned(0, Ok(Reply::Cred(seen("1", "ada", 1))), quiet()).unwrap();
    checker
}

fn quiet() -> Circumstances {
    Circumstances { has_root: true, ..Circumstances::default() }
}

#[test]
fn success_without_a_commit_is_caught() {
    let mut checker = with_ada("correct");
    let op = checker.invoked(create("bob"), RULES, true);
    assert!(checker.returned(op, Ok(Reply::Cred(seen("2", "bob", 1))), quiet()).is_err());
}

#[test]
fn effects_after_a_refusal_and_second_effects_are_caught() {
    let mut checker = with_ada("correct");
    let op = checker.invoked(create("bob"), RULES, true);
    checker.returned(op, Err(Code::NameTaken), quiet()).unwrap_err();
    let op = checker.invoked(create("bob"), RULES, true);
    checker.returned(op, Err(Code::OutcomeUnknown), Circumstances { strikes: 1, ..quiet() }).unwrap();
    // Late, but whole: allowed once.
    checker.committed(op, shown(&[("1", "ada", 1), ("2", "bob", 1)], 2), NOON).unwrap();
    checker.committed(op, shown(&[("1", "ada", 1), ("2", "bob", 1), ("3", "bob", 1)], 3), NOON).unwrap_err();
}

#[test]
fn a_lost_change_of_another_is_caught() {
    let mut checker = with_ada("correct");
    let op = checker.invoked(create("bob"), RULES, true);
    assert!(checker.committed(op, shown(&[("2", "bob", 1)], 1), NOON).is_err());
}

#[test]
fn without_atomics_overlapping_changes_may_be_lost_and_others_not() {
    let mut checker = Checker::new(hosts::by_name("no-atomics").unwrap(), Snapshot::default(), true, false);
    let (ada, bob) = (checker.invoked(create("ada"), RULES, true), checker.invoked(create("bob"), RULES, true));
    checker.committed(ada, shown(&[("1", "ada", 1)], 1), NOON).unwrap();
    checker.committed(bob, shown(&[("2", "bob", 1)], 1), NOON).unwrap();
    let cleo = checker.invoked(create("cleo"), RULES, true);
    checker.committed(cleo, shown(&[("3", "cleo", 1)], 1), NOON).unwrap_err();
}

#[test]
fn reads_of_the_past_are_caught_unless_the_host_is_stale() {
    for (host, allowed) in [("correct", false), ("stale-get", true)] {
        let mut checker = with_ada(host);
        let update = Action::Update {
            target: Target::Name("ada".into()),
            change: crate::model::Change { name: Some("eve".into()), ..Default::default() },
            expected: None,
        };
        let op = checker.invoked(update, RULES, true);
        let mut renamed = shown(&[("1", "eve", 2)], 2);
        renamed.versions.push(("1".into(), 1));
        renamed.replaced.push(Seen { ended_ms: Some(1), ..seen("1", "ada", 1) });
        checker.committed(op, renamed, NOON).unwrap();
        checker.returned(op, Ok(Reply::Cred(seen("1", "eve", 2))), quiet()).unwrap();
        let op = checker.invoked(get("ada"), RULES, true);
        assert_eq!(checker.returned(op, Ok(Reply::Cred(seen("1", "ada", 1))), quiet()).is_ok(), allowed);
        let op = checker.invoked(get("eve"), RULES, true);
        // A mixture of both snapshots is never right.
        assert!(checker.returned(op, Ok(Reply::Cred(seen("1", "eve", 1))), quiet()).is_err());
    }
}

#[test]
fn a_walk_is_contended_when_a_purge_ended_its_pin() {
    for purges in [false, true] {
        let mut checker = with_ada("correct");
        let walk = checker.invoked(Action::Verify, RULES, true);
        if purges {
            let purge = Action::Purge { target: Target::Name("ada".into()), expected: None };
            let purge = checker.invoked(purge, RULES, true);
            checker.committed(purge, shown(&[], 2), NOON).unwrap();
            checker.returned(purge, Ok(Reply::Done), quiet()).unwrap();
        }
        assert_eq!(checker.returned(walk, Err(Code::Contended), quiet()).is_ok(), purges);
    }
}

#[test]
fn errors_need_a_reason() {
    let mut checker = with_ada("correct");
    for (action, code) in [
        (get("ada"), Code::NotFound),
        (create("bob"), Code::NameTaken),
        (create("bob"), Code::Contended),
        (create("bob"), Code::OutcomeUnknown),
        (get("ada"), Code::StorageUnavailable),
        (get("ada"), Code::StorageCorrupt),
        (get("ada"), Code::StorageUninitialised),
        (get("ada"), Code::NotSupported),
        (get("ada"), Code::Internal),
    ] {
        let op = checker.invoked(action, RULES, true);
        assert!(checker.returned(op, Err(code), quiet()).is_err(), "{}", code.as_str());
    }
    let op = checker.invoked(get("bob"), RULES, true);
    checker.returned(op, Err(Code::NotFound), quiet()).unwrap();
}
