//! A login that the host makes has one event in the audit, whatever it supplies in between, and none of its values is
//! given out where that can't be written.

use super::world::{CANARY, TOTP_SECRET, World};
use crate::access::{Grant, Principal};
use crate::actions::{CodeOptions, FilledStep, Vault, begin_login, end_login, supply_login};
use crate::error::{Code, Result};
use crate::platform::{Platform, SystemRandom};
use crate::seal::Sealer;
use crate::settings;
use crate::store::watched::{Operation, Watch, Watched};
use crate::store::{Store, StoreError};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use serde_json::{Value, json};

/// A world that records uses, with a credential.
fn world() -> World {
    let world = World::default();
    world.set(settings::AUDIT, "all");
    world.create("login", Some(TOTP_SECRET));
    world
}

/// Runs on the vault for a caller, on a store.
fn on<T>(store: &dyn Store, world: &World, caller: &str, run: impl FnOnce(&Vault<'_>) -> Result<T>) -> Result<T> {
    let sealer: Sealer = settings::sealer(world, settings::project(world)?)?;
    let principal = Principal::from(Grant::parse(caller).unwrap());
    let platform = Platform { store, clock: world, random: &SystemRandom };
    run(&Vault::new(platform, &sealer, &principal).with_settings(world))
}

fn run<T>(world: &World, run: impl FnOnce(&Vault<'_>) -> Result<T>) -> Result<T> {
    on(&world.store, world, "agent:fill", run)
}

/// The values for a page, or the code of the refusal.
fn supply(world: &World, caller: &str, event: Option<&str>, name: &str, origin: &str) -> Result<(), Code> {
    let supplied = on(&world.store, world, caller, |vault| {
        supply_login(vault, event, name, origin, CodeOptions { exclusive: true, ..CodeOptions::default() })
    });
    supplied.map(drop).map_err(|error| error.code())
}

fn step(origin: &str, filled: &[&str]) -> FilledStep {
    FilledStep { origin: origin.into(), filled: filled.iter().map(|word| String::from(*word)).collect() }
}

/// Events of logins and releases, the newest first.
fn uses(world: &World) -> Vec<Value> {
    let events = world.get("/audit").json["events"].as_array().unwrap().clone();
    events.into_iter().filter(|event| event["action"] == "fill" || event["action"] == "supply").collect()
}

#[test]
fn one_event_for_a_login_of_several_pages() {
    let world = world();
    let begun = run(&world, |vault| begin_login(vault, "login", Some("agent-1"))).unwrap();
    let event = begun.event.unwrap();
    let [recorded] = &uses(&world)[..] else { panic!() };
    assert_eq!((&recorded["outcome"], &recorded["token"]), (&json!("begun"), &json!("agent")));
    assert_eq!((&recorded["browser"], recorded.get("steps")), (&json!("agent-1"), None));
    for page in ["https://example.com", "https://login.example.com", "https://evil.test"] {
        assert_eq!(supply(&world, "agent:fill", Some(&event), "login", page).is_ok(), page.ends_with("example.com"));
        world.advance(30);
    }
    let steps = [step("https://example.com", &["username", "password"]), step("https://evil.test", &[])];
    run(&world, |vault| end_login(vault, &event, "origin_refused", &steps)).unwrap();
    let [recorded] = &uses(&world)[..] else { panic!() };
    assert_eq!(recorded["outcome"], "origin_refused");
    assert_eq!((&recorded["credential"], &recorded["version"]), (&json!(begun.id), &json!(1)));
    let expected = json!([
        {"origin": "https://example.com", "filled": ["username", "password"]},
        {"origin": "https://evil.test", "filled": []},
    ]);
    assert_eq!(recorded["steps"], expected);
    // It has ended: nobody says otherwise afterwards.
    run(&world, |vault| end_login(vault, &event, "submitted", &[])).unwrap();
    assert_eq!(uses(&world)[0]["outcome"], "origin_refused");
}

/// Otherwise values could be had that no event stands for.
#[test]
fn where_uses_are_recorded_values_are_for_a_login_that_runs() {
    let world = world();
    world.create("other", None);
    let page = "https://example.com";
    let (begin, is_refused) = (
        |name: &str| run(&world, |vault| begin_login(vault, name, None)).unwrap().event.unwrap(),
        Err(Code::BadRequest),
    );
    let (event, of_other) = (begin("login"), begin("other"));
    let use_of = on(&world.store, &world, "agent:supply", |vault| {
        crate::actions::supply(vault, "login", page, CodeOptions::default())
    });
    assert!(use_of.is_ok());
    // Its event is that of the commit after: time, number of the commit, number in there.
    let commit = u64::from_str_radix(&of_other[16..32], 16).unwrap() + 1;
    let of_release = format!("{}{commit:016x}{}", &of_other[..16], &of_other[32..]);
    for (wrong, why) in [
        (None, "none"),
        (Some(""), "no event"),
        (Some("00".repeat(20).as_str()), "unknown"),
        (Some(of_other.as_str()), "of another credential"),
        (Some(of_release.as_str()), "of another action"),
    ] {
        assert_eq!(supply(&world, "agent:fill", wrong, "login", page), is_refused, "{why}");
    }
    assert_eq!(supply(&world, "other:fill", Some(&event), "login", page), is_refused, "another caller");
    // Before anything is told of the origin, and not of a credential that is not there for the caller.
    assert_eq!(supply(&world, "agent:fill", None, "login", "https://evil.test"), is_refused);
    let restricted = "agent:fill:domains=b.example";
    assert_eq!(supply(&world, restricted, Some(&event), "login", page), Err(Code::NotFound));
    // The exclusive code is still there: no refusal has used it up.
    assert_eq!(supply(&world, "agent:fill", Some(&event), "login", page), Ok(()));
    run(&world, |vault| end_login(vault, &event, "submitted", &[])).unwrap();
    assert_eq!(supply(&world, "agent:fill", Some(&event), "login", page), is_refused, "ended");
    // What never ended, as the host has died, does not stand for releases for good.
    world.advance(5 * 60);
    assert_eq!(supply(&world, "agent:fill", Some(&of_other), "other", page), Ok(()));
    world.advance(1);
    assert_eq!(supply(&world, "agent:fill", Some(&of_other), "other", page), is_refused, "long ago");
}

#[test]
fn only_whoever_began_it_ends_it() {
    let world = world();
    let event = run(&world, |vault| begin_login(vault, "login", None)).unwrap().event.unwrap();
    on(&world.store, &world, "other:fill", |vault| end_login(vault, &event, "submitted", &[])).unwrap();
    assert_eq!(uses(&world)[0]["outcome"], "begun");
    // Nor is any other event one of a login.
    on(&world.store, &world, "agent:supply", |vault| {
        crate::actions::supply(vault, "login", "https://evil.test", CodeOptions::default())
    })
    .map(drop)
    .unwrap_err();
    let refused = uses(&world).remove(0);
    assert_eq!((&refused["action"], &refused["outcome"]), (&json!("supply"), &json!("origin_refused")));
    for (event, outcome, steps) in [
        ("", "submitted", Vec::new()),
        (&event[2..], "submitted", Vec::new()),
        (&event, CANARY.repeat(9).as_str(), Vec::new()),
        (&event, "two words", Vec::new()),
        (&event, "submitted", Vec::from([step("https://a b", &[])])),
        (&event, "submitted", Vec::from([step("https://a", &["two words"])])),
        (&event, "submitted", (0..6).map(|_| step("https://a", &[])).collect()),
    ] {
        let error = run(&world, |vault| end_login(vault, event, outcome, &steps)).unwrap_err();
        assert!(error.code() == Code::BadRequest && !error.message().contains(CANARY), "{error:?}");
    }
    // What is over its number by then stays forgotten.
    let unknown = "00".repeat(20);
    run(&world, |vault| end_login(vault, &unknown, "submitted", &[])).unwrap();
    assert_eq!(uses(&world).len(), 2);
}

#[test]
fn what_never_begins_is_an_error_and_recorded_like_other_uses() {
    let world = world();
    let begin = |name: &str, browser| run(&world, |vault| begin_login(vault, name, browser));
    assert_eq!(begin("missing", None).unwrap_err().code(), Code::NotFound);
    assert_eq!(begin("login", Some("a b")).unwrap_err().code(), Code::BadRequest);
    assert!(uses(&world).is_empty());
    world.patch("/credentials/login", json!({"archived": true}));
    assert_eq!(begin("login", None).unwrap_err().code(), Code::Archived);
    assert_eq!(uses(&world)[0]["outcome"], "archived");
}

#[test]
fn nothing_is_recorded_where_uses_are_not() {
    let world = world();
    for mode in ["changes", "off"] {
        world.set(settings::AUDIT, mode);
        assert_eq!(run(&world, |vault| begin_login(vault, "login", None)).unwrap().event, None);
        assert_eq!(supply(&world, "agent:fill", None, "login", "https://example.com"), Ok(()));
        world.advance(30);
    }
    assert!(uses(&world).is_empty());
}

/// A store that can be read only.
struct ReadOnly;

impl Watch for ReadOnly {
    fn before(&self, operation: Operation) -> Result<(), StoreError> {
        match operation {
            Operation::Get | Operation::ListKeys => Ok(()),
            _ => Err(StoreError::AccessDenied),
        }
    }
}

#[test]
fn what_cannot_be_recorded_is_not_begun() {
    let world = world();
    let store = Watched { store: &world.store, watch: ReadOnly };
    let begin = || on(&store, &world, "agent:fill", |vault| begin_login(vault, "login", None));
    assert!(begin().is_err());
    world.set(settings::AUDIT, "changes");
    assert!(begin().is_ok());
}
