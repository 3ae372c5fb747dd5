//! Where values may go: whoever may only write can't have a stored value released to a site that it could not go to
//! before, on any face, by any action.

use serde_json::{Value, json};
use strongroom_host_tests::credentials::{Changes, ListQuery};
use strongroom_host_tests::types::ErrorCode;
use strongroom_host_tests::{Vault, World, everything, new_credential, no_changes};

const EVIL: &str = "https://evil.example";
const SECRET: &str = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";

/// A vault in which a person stored a login, and whose typed functions run for somebody with these scopes.
fn vault(scopes: &str) -> Vault {
    let vault = Vault::new(World::Vault);
    let mut new = new_credential("bank", "bank.example", &[("password", "canary")]);
    new.totp_secret = Some(SECRET.into());
    vault.create(&new).unwrap();
    vault.settings.set("strongroom_caller", &format!("agent:{scopes}"));
    vault
}

/// What the login flow of somebody else would have released to the page, after all that was tried.
fn released(vault: &Vault, origin: &str) -> Vec<String> {
    vault.settings.unset("strongroom_caller");
    let mut found = Vec::new();
    for archived in [false, true] {
        for item in vault.list(ListQuery { archived, ..everything() }).unwrap().items {
            if let Ok(supplied) = vault.supply(&item.id, origin, None) {
                found.extend(supplied.values.into_iter().map(|(_, value)| value));
                found.extend(supplied.totp.map(|_| "a code".to_owned()));
            }
        }
    }
    found
}

fn changes(of: impl FnOnce(&mut Changes)) -> Changes {
    let mut changes = no_changes();
    of(&mut changes);
    changes
}

type Attempt = (&'static str, fn(&Vault) -> Result<(), ErrorCode>);

/// Everything that a writer can try to lead values elsewhere.
const ATTEMPTS: [Attempt; 9] = [
    ("update of the domain", |vault| {
        let changed = vault.update("bank", &changes(|changes| changes.domain = Some("evil.example".into())));
        changed.map(drop).map_err(|error| error.code)
    }),
    ("update of the further domains", |vault| {
        let sites = Some(vec!["evil.example".into()]);
        let changed = vault.update("bank", &changes(|changes| changes.additional_domains = sites));
        changed.map(drop).map_err(|error| error.code)
    }),
    ("update with some of the values", |vault| {
        let changed = vault.update(
            "bank",
            &changes(|changes| {
                changes.domain = Some("evil.example".into());
                changes.values = Some(vec![("username".into(), "mine".into())]);
            }),
        );
        changed.map(drop).map_err(|error| error.code)
    }),
    ("update to a parent domain", |vault| {
        let changed = vault.update("bank", &changes(|changes| changes.domain = Some("example".into())));
        changed.map(drop).map_err(|error| error.code)
    }),
    ("manage", |vault| {
        let request = json!({"action": "update", "id_or_name": "bank", "domain": "evil.example"});
        vault.manage_json(&request).map(drop).map_err(|error| code(&error))
    }),
    ("manage, further domains", |vault| {
        let request = json!({"action": "update", "id_or_name": "bank", "additional_domains": ["evil.example"]});
        vault.manage_json(&request).map(drop).map_err(|error| code(&error))
    }),
    // These succeed, and lead nothing anywhere.
    ("put", |vault| {
        vault.put(&new_credential("bank", "evil.example", &[("password", "mine")]), None).map(drop).map_err(|e| e.code)
    }),
    ("put, and restore of the version with the values", |vault| {
        vault.put(&new_credential("bank", "evil.example", &[("password", "mine")]), None).map_err(|e| e.code)?;
        vault.restore("bank", Some(1)).map(drop).map_err(|error| error.code)
    }),
    ("rename, and another in its place; delete and restore", |vault| {
        vault.update("bank", &changes(|changes| changes.name = Some("old".into()))).map_err(|e| e.code)?;
        vault.create(&new_credential("bank", "evil.example", &[("password", "mine")])).map_err(|e| e.code)?;
        let id = vault.delete("old", None).map_err(|error| error.code)?;
        vault.restore(&id, None).map(drop).map_err(|error| error.code)
    }),
];

fn code(error: &Value) -> ErrorCode {
    match error["code"].as_str() {
        Some("forbidden") => ErrorCode::Forbidden,
        other => panic!("{other:?}"),
    }
}

#[test]
fn who_may_only_write_leads_no_value_anywhere() {
    for (number, (what, attempt)) in ATTEMPTS.into_iter().enumerate() {
        let vault = vault("read+totp+write");
        let outcome = attempt(&vault);
        assert_eq!(outcome, if number < 6 { Err(ErrorCode::Forbidden) } else { Ok(()) }, "{what}");
        for origin in [EVIL, "https://example", "https://www.evil.example"] {
            let found = released(&vault, origin);
            assert!(found.iter().all(|value| value == "mine"), "{what}: {found:?} at {origin}");
        }
    }
}

#[test]
fn who_may_have_values_released_anyway_may_move_them() {
    for scope in ["supply", "admin"] {
        for (what, attempt) in &ATTEMPTS[..6] {
            assert_eq!(attempt(&vault(&format!("read+write+{scope}"))), Ok(()), "{what} by {scope}");
        }
    }
    // Where they could go before, and nowhere else.
    let vault = vault("write");
    vault.update("bank", &changes(|changes| changes.domain = Some("login.bank.example".into()))).unwrap();
    let back = vault.update("bank", &changes(|changes| changes.domain = Some("bank.example".into())));
    assert_eq!(back.unwrap_err().code, ErrorCode::Forbidden, "narrower is not wide again");
}

#[test]
fn what_a_person_switched_off_no_agent_switches_on() {
    let off = changes(|changes| changes.archived = Some(true));
    let on = changes(|changes| changes.archived = Some(false));
    let vault = vault("read+totp+write");
    vault.update("bank", &off).unwrap();
    assert_eq!(vault.totp_code("bank", None).unwrap_err().code, ErrorCode::Archived);
    assert_eq!(vault.update("bank", &on).unwrap_err().code, ErrorCode::Forbidden);
    assert!(released(&vault, "https://bank.example").is_empty());
    vault.update("bank", &on).unwrap();
    assert_eq!(released(&vault, "https://bank.example"), ["canary", "a code"]);
}
