//! What is wrong with the server is said in one clear answer.

use super::world::{Answer, TOKEN, TOTP_SECRET, World, entry};
use crate::catalog::PROBE_KEY;
use crate::settings::{AUDIT, AUDIT_DAYS, AUDIT_ENTRIES, HISTORY_DAYS, HISTORY_VERSIONS, KEYS, PROJECT, TOKENS};
use crate::store::watched::{Operation, Watch, Watched};
use crate::store::{Store, StoreError};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::Cell;
use serde_json::json;

/// Answers every question with the same error.
struct Broken(StoreError);

impl Watch for Broken {
    fn before(&self, _: Operation) -> Result<(), StoreError> {
        Err(self.0.clone())
    }
}

fn every_operation(world: &World, store: &dyn Store) -> Vec<Answer> {
    let body = json!({"domain": "example.com", "values": {"p": "x"}, "origin": "https://example.com"});
    [
        ("GET", "/credentials"),
        ("GET", "/credentials/n"),
        ("PUT", "/credentials/n"),
        ("PATCH", "/credentials/n"),
        ("DELETE", "/credentials/n"),
        ("GET", "/credentials/n/totp-code"),
        ("POST", "/credentials/n/supply"),
    ]
    .into_iter()
    .map(|(method, path)| world.request(method, path).json(body.clone()).send_to(store))
    .collect()
}

#[test]
fn stores_that_fail() {
    for (error, status, code) in [
        (StoreError::Other("canary".into()), 503, "storage_unavailable"),
        (StoreError::from_text("canary".into()), 503, "storage_unavailable"),
        (StoreError::from_text("permanent: canary".into()), 500, "storage_failed"),
        (StoreError::AccessDenied, 500, "misconfigured"),
        (StoreError::NoSuchStore, 500, "misconfigured"),
    ] {
        let world = World::default();
        let broken = Watched { store: &world.store, watch: Broken(error) };
        for answer in every_operation(&world, &broken) {
            answer.is(status, code);
        }
        let health = world.request("GET", "/health").send_to(&broken);
        assert_eq!((health.status, &health.json["check"]), (503, &json!("atomics")));
    }
}

#[test]
fn records_that_do_not_open() {
    let world = World::default();
    world.create("n", None);
    let other_key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh4";
    for (keys, code) in [(format!("k1:{other_key}"), "key_mismatch"), (format!("k2:{other_key}"), "key_unavailable")] {
        world.set(KEYS, &keys);
        for answer in every_operation(&world, &world.store) {
            answer.is(500, code);
        }
        let health = world.get("/health");
        assert_eq!((health.status, &health.json["check"], &health.json["code"]), (503, &json!("root"), &json!(code)));
    }
}

#[test]
fn settings_that_are_wrong() {
    let world = World::default();
    for keys in ["", "canary", "k1:canary"] {
        world.set(KEYS, keys);
        for answer in every_operation(&world, &world.store) {
            answer.is(500, "misconfigured");
            assert!(answer.json["message"].as_str().unwrap().contains("strongroom_keys"));
        }
    }
    world.set(TOKENS, &format!("canary {}", entry("all", "default", "read", TOKEN)));
    let answer = world.get("/credentials");
    answer.is(500, "misconfigured");
    assert!(answer.json["message"].as_str().unwrap().contains("strongroom_tokens: entry 1"));
    let health = world.get("/health");
    assert_eq!((health.status, health.json), (503, json!({"status": "not_ready"})), "nobody gets in");
}

#[test]
fn health_names_the_first_failing_check_to_those_with_a_token() {
    let world = World::default();
    let anonymous = || world.request("GET", "/health").without("authorization").send();
    assert_eq!((anonymous().status, anonymous().json), (200, json!({"status": "ready"})));
    assert_eq!(world.get("/health").json, json!({"status": "ready", "writes": "atomic"}));
    let check = |name: &str| {
        let answer = world.get("/health");
        assert_eq!((answer.status, &answer.json["check"]), (503, &json!(name)), "{answer:?}");
        assert!(answer.json["message"].is_string());
        assert_eq!((anonymous().status, anonymous().json), (503, json!({"status": "not_ready"})));
    };
    world.now.set(0);
    check("clock");
    // The root is gone, but not what tells that there was one.
    world.create("n", None);
    world.store.entries.borrow_mut().retain(|_, value| value.len() == 8);
    check("root");
    let health = world.get("/health").json;
    let message = health["message"].as_str().unwrap();
    let (_, prefix) = message.split_once("all keys of the store that begin with ").unwrap();
    assert!(world.store.entries.borrow().keys().any(|key| key.starts_with(prefix)), "{message}");
    world.set(KEYS, "");
    check("keys");
    world.set(PROJECT, "no such project");
    assert_eq!(anonymous().status, 503);
    // A token that is not known is none.
    assert_eq!(world.request("GET", "/health").token("x").send().json, json!({"status": "not_ready"}));
}

#[test]
fn a_root_that_the_store_lost_is_no_empty_vault() {
    let world = World::default();
    world.create("n", None);
    world.store.entries.borrow_mut().retain(|_, value| value.len() == 8);
    for answer in every_operation(&world, &world.store) {
        answer.is(503, "storage_uninitialised");
        assert_eq!(answer.header("retry-after").map(String::from), Some("5".into()));
    }
}

/// A default in place of a setting that the host fails to read would lead to another vault, or refuse a good token.
#[test]
fn a_setting_that_cannot_be_read_is_no_setting_that_is_missing() {
    for setting in [KEYS, TOKENS] {
        let world = World::default();
        world.create("n", None);
        world.unreadable.set(Some(setting));
        for answer in every_operation(&world, &world.store) {
            answer.is(503, "storage_unavailable");
        }
        world.unreadable.set(None);
        assert_eq!(world.get("/credentials/n").status, 200, "nothing was changed");
    }
}

/// What does not go by a setting does not fail by it.
#[test]
fn settings_of_changes_fail_changes() {
    let numbers = [HISTORY_VERSIONS, HISTORY_DAYS, AUDIT_ENTRIES, AUDIT_DAYS];
    for setting in numbers.into_iter().chain([AUDIT]) {
        let world = World::default();
        world.create("n", Some(TOTP_SECRET));
        let entries = || {
            let mut entries = world.store.entries.borrow().clone();
            entries.remove(PROBE_KEY);
            entries
        };
        let before = entries();
        for is_wrong in [true, false] {
            if is_wrong {
                world.set(setting, "canary");
            } else {
                world.unreadable.set(Some(setting));
            }
            let (status, code) = if is_wrong { (500, "misconfigured") } else { (503, "storage_unavailable") };
            for answer in [
                world
                    .request("POST", "/credentials")
                    .json(json!({"name": "m", "domain": "example.com", "values": {"p": "x"}}))
                    .send(),
                world.patch("/credentials/n", json!({"sso_provider": "x"})),
                world.request("DELETE", "/credentials/n").send(),
                world.get("/credentials?deleted=true"),
                world.get("/audit"),
            ] {
                // Nothing was deleted yet.
                if answer.status != 200 {
                    answer.is(status, code);
                    assert_eq!(answer.json["message"].as_str().unwrap().contains(setting), is_wrong);
                } else {
                    assert_eq!(answer.json, json!([]));
                }
            }
            assert_eq!((world.get("/credentials/n").status, world.get("/credentials").status), (200, 200));
            // What can't be recorded is not given out.
            if setting == AUDIT {
                world.get("/credentials/n/totp-code").is(status, code);
                world.get("/credentials/n/totp-code?exclusive=true").is(status, code);
            } else {
                assert_eq!(world.get("/credentials/n/totp-code").status, 200, "{setting}");
            }
            let health = world.get("/health");
            assert_eq!((health.status, &health.json["check"]), (503, &json!("settings")), "{setting}");
        }
        assert!(entries() == before, "{setting}");
        world.unreadable.set(None);
        world.set(setting, "");
        let exclusive = world.get("/credentials/n/totp-code?exclusive=true");
        assert_eq!(exclusive.status, 200, "no time step was used up: {exclusive:?}");
    }
}

/// Swaps, and from then on does not say what became of it.
#[derive(Default)]
struct Mute(Cell<bool>);

impl Watch for Mute {
    fn before(&self, operation: Operation) -> Result<(), StoreError> {
        let says_nothing = self.0.get() && operation == Operation::Current;
        if says_nothing { Err(StoreError::Other("no answer".into())) } else { Ok(()) }
    }

    fn after(&self, operation: Operation, _: &str, _: Option<usize>) -> Result<(), StoreError> {
        self.0.set(self.0.get() || operation == Operation::Swap);
        if operation == Operation::Swap { Err(StoreError::Other("no answer".into())) } else { Ok(()) }
    }
}

#[test]
fn an_unknown_outcome_is_repeated_where_that_makes_it_known() {
    let values = || json!({"domain": "example.com", "values": {"p": "x"}});
    for (method, path, body, is_repeated) in [
        ("POST", "/credentials", json!({"name": "m", "domain": "example.com", "values": {"p": "x"}}), true),
        ("PUT", "/credentials/n", values(), true),
        ("POST", "/credentials/n/restore", json!({"version": 1}), false),
        ("PATCH", "/credentials/n", values(), false),
        ("DELETE", "/credentials/n", json!(null), false),
    ] {
        let world = World::default();
        world.create("n", None);
        world.patch("/credentials/n", json!({"sso_provider": "x"}));
        let request = world.request(method, path);
        let request = if body.is_null() { request } else { request.json(body) };
        let answer = request.send_to(&Watched { store: &world.store, watch: Mute::default() });
        answer.is(503, "outcome_unknown");
        assert_eq!(answer.header("x-should-retry").is_none(), is_repeated, "{method} {path}");
    }
}
