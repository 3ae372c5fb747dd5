//! The six actions and `put`, as typed functions and as `manage`: what they do when all is well.

use serde_json::{Value, json};
use strongroom_host_tests::credentials::{Changes, ListQuery, NewCredential};
use strongroom_host_tests::types::{Credential, ErrorCode, TotpAlgorithm};
use strongroom_host_tests::{NOW, Vault, World, clients, everything, new_credential, no_changes};

const SECRET: &str = "JBSWY3DPEHPK3PXP";
const DAY: u64 = 86_400_000;

fn names(vault: &Vault, query: ListQuery) -> Vec<String> {
    vault.list(query).unwrap().items.into_iter().map(|item| item.name).collect()
}

/// What is stored, as the host side of a login sees it.
fn values(vault: &Vault, credential: &Credential) -> Vec<(String, String)> {
    vault.supply(&credential.id, &format!("https://{}", credential.domain), None).unwrap().values
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(field, value)| (field.to_string(), value.to_string())).collect()
}

fn login(name: &str) -> NewCredential {
    new_credential(name, "example.com", &[("username", "u"), ("password", "p")])
}

fn with_secret(name: &str) -> NewCredential {
    NewCredential { totp_secret: Some(SECRET.into()), ..login(name) }
}

mod documented_request {
    use super::*;

    const CREATE: &str = r#"{"action":"create","domain":"accounts.example.com","name":"example-work-login","values":{"username":"ops@example.com","password":"fake-password-for-docs"},"totp_secret":"JBSWY3DPEHPK3PXP"}"#;
    const CODE: &str = r#"{"action":"totp_code","id_or_name":"example-work-login"}"#;
    /// By pyotp 2.9.0 (PyPI) for the second [`NOW`].
    const CODE_NOW: &str = "423628";

    /// In every world, also in the one for agents.
    #[test]
    fn works_verbatim_and_gives_the_code_of_an_independent_implementation() {
        for world in World::ALL {
            let vault = Vault::new(world);
            let created: Value = serde_json::from_str(&vault.manage(CREATE).unwrap()).unwrap();
            let expected = json!({
                "id": created["id"],
                "name": "example-work-login",
                "domain": "accounts.example.com",
                "created_at": "2026-11-22T12:00:00Z",
                "updated_at": "2026-11-22T12:00:00Z",
                "version": 1,
                "has_values": true,
                "value_keys": ["username", "password"],
                "has_totp_secret": true,
                "totp_algorithm": "SHA1",
                "totp_digits": 6,
                "totp_period": 30,
                "weak_totp_secret": true,
                "totp_code": CODE_NOW,
                "totp_code_expires_at": "2026-11-22T12:00:30Z",
            });
            assert_eq!(created, expected, "{world:?}");
            let code: Value = serde_json::from_str(&vault.manage(CODE).unwrap()).unwrap();
            let expected = json!({
                "code": CODE_NOW, "expires_at": "2026-11-22T12:00:30Z", "period": 30, "valid_for_seconds": 30
            });
            assert_eq!(code, expected, "{world:?}");
        }
    }

    /// The same for the second in which the test runs.
    #[test]
    fn gives_the_code_of_this_second() {
        let vault = Vault::new(World::Agent);
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        vault.clock.set(now.as_millis() as u64);
        vault.manage(CREATE).unwrap();
        let code: Value = serde_json::from_str(&vault.manage(CODE).unwrap()).unwrap();
        let seconds = now.as_secs().to_string();

        let test = "actions: the documented request against pyotp";
        if let Some(mut python) = clients::python(test, &["pyotp==2.9.0"]) {
            let script = "import sys, pyotp; print(pyotp.TOTP(sys.argv[1]).at(int(sys.argv[2])))";
            let output = python.args(["-c", script, SECRET, &seconds]).output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), code["code"], "{:?}", output.stderr);
        }
        let test = "actions: the documented request against otpauth";
        if let Some(mut node) = clients::node(test, &["otpauth@9.5.2"]) {
            let script = "import { TOTP } from 'otpauth'; const [secret, seconds] = process.argv.slice(1); \
                console.log(new TOTP({ secret }).generate({ timestamp: seconds * 1000 }))";
            let output = node.args(["--input-type=module", "--eval", script, SECRET, &seconds]).output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), code["code"], "{:?}", output.stderr);
        }
    }
}

mod list {
    use super::*;

    #[test]
    fn pages_are_complete_and_in_order_of_creation() {
        let vault = Vault::new(World::Vault);
        let expected: Vec<String> = (0..25).map(|n| format!("{:02}", (n * 7) % 25)).collect();
        for name in &expected {
            vault.create(&login(name)).unwrap();
            vault.clock.advance(1);
        }
        let first = vault.list(everything()).unwrap();
        assert_eq!((first.items.len(), first.has_more, first.next_offset), (20, true, Some(20)));
        let second = vault.list(ListQuery { offset: Some(20), ..everything() }).unwrap();
        assert_eq!((second.items.len(), second.has_more, second.next_offset), (5, false, None));
        let all: Vec<_> = first.items.iter().chain(&second.items).map(|item| item.name.clone()).collect();
        assert_eq!(all, expected);
        for limit in [1, 2, 7, 24, 25, 26, 100] {
            let (mut all, mut offset) = (Vec::new(), Some(0));
            while let Some(from) = offset {
                let page = vault.list(ListQuery { limit: Some(limit), offset, ..everything() }).unwrap();
                assert_eq!(page.has_more, from + limit < 25, "no empty page at the end");
                assert_eq!(page.next_offset, page.has_more.then_some(from + limit));
                all.extend(page.items.into_iter().map(|item| item.name));
                offset = page.next_offset;
            }
            assert_eq!(all, expected, "limit {limit}");
        }
        for offset in [25, 26, 1000, u32::MAX] {
            let page = vault.list(ListQuery { offset: Some(offset), ..everything() }).unwrap();
            assert_eq!((page.items.len(), page.has_more, page.next_offset), (0, false, None), "{offset}");
        }
    }

    #[test]
    fn an_empty_vault_is_an_empty_page() {
        let vault = Vault::new(World::Vault);
        let page = vault.manage_json(&json!({ "action": "list" })).unwrap();
        assert_eq!(page, json!({ "items": [], "has_more": false, "next_offset": 0 }));
        assert!(vault.store.entries("default").is_empty(), "a read never writes");
    }

    #[test]
    fn manage_shows_pages_as_the_tool_does() {
        let vault = Vault::new(World::Vault);
        for name in ["a", "b", "c"] {
            vault.create(&login(name)).unwrap();
        }
        let page = |request: Value| vault.manage_json(&request).unwrap();
        let first = page(json!({ "action": "list", "limit": 2 }));
        assert_eq!((&first["has_more"], &first["next_offset"]), (&json!(true), &json!(2)));
        let last = page(json!({ "action": "list", "limit": 2.0, "offset": first["next_offset"] }));
        assert_eq!((&last["has_more"], &last["next_offset"]), (&json!(false), &json!(0)));
        assert_eq!(last["items"][0]["name"], "c");
        // Field names are shown for single credentials only.
        assert!(last["items"][0].get("value_keys").is_none());
        assert_eq!(last["items"][0]["has_values"], true);
    }

    #[test]
    fn filters_by_domain_and_by_text() {
        let vault = Vault::new(World::Vault);
        let mut ids = Vec::new();
        for (name, domain) in [
            ("Work", "example.com"),
            ("home", "www.example.com"),
            ("B\u{fc}ro 100%", "example.com"),
            ("mail", "mail.example.org"),
            ("work-2", "example.net"),
        ] {
            ids.push(vault.create(&new_credential(name, domain, &[("secret-field", "work-canary")])).unwrap().id);
        }
        let domain = |text: &str| names(&vault, ListQuery { domain: Some(text.into()), ..everything() });
        for text in ["example.com", "EXAMPLE.Com.", "https://example.com:8443/login?x", " example.com "] {
            assert_eq!(domain(text), ["Work", "B\u{fc}ro 100%"], "{text}");
        }
        assert_eq!(domain("www.example.com"), ["home"]);
        assert!(domain("ample.com").is_empty() && domain("com.example").is_empty());

        let query = |text: &str| names(&vault, ListQuery { query: Some(text.into()), ..everything() });
        assert_eq!(query("WORK"), ["Work", "work-2"]);
        assert_eq!(query("Example.COM"), ["Work", "home", "B\u{fc}ro 100%"]);
        assert_eq!(query("B\u{dc}RO"), ["B\u{fc}ro 100%"]);
        assert_eq!(query("%"), ["B\u{fc}ro 100%"], "no wildcards");
        assert_eq!(query(&ids[3]), ["mail"]);
        assert!(query(&ids[3][..30]).is_empty(), "ids match whole");
        assert!(query("canary").is_empty() && query("secret-field").is_empty(), "values are not searched");

        let both = |domain: &str, text: &str| {
            names(&vault, ListQuery { domain: Some(domain.into()), query: Some(text.into()), ..everything() })
        };
        assert_eq!(both("example.com", "work"), ["Work"]);
        assert!(both("example.org", "work").is_empty());
        assert_eq!(both("", "").len(), 5, "empty filters are no filters");

        let page = vault.list(ListQuery { query: Some("o".into()), limit: Some(2), offset: Some(1), ..everything() });
        let page = page.unwrap();
        assert_eq!(page.items.iter().map(|item| item.name.as_str()).collect::<Vec<_>>(), ["home", "B\u{fc}ro 100%"]);
        assert_eq!(page.next_offset, Some(3), "offsets count matches");
    }
}

mod create {
    use super::*;

    #[test]
    fn stores_what_was_given_and_shows_no_secret() {
        let vault = Vault::new(World::Vault);
        vault.clock.set(NOW + 1_234);
        let new = NewCredential {
            sso_provider: Some(" google ".into()),
            totp_secret: Some("jbsw y3dp-ehpk 3pxp jbsw y3dp-ehpk 3pxp".into()),
            totp_algorithm: Some(TotpAlgorithm::Sha256),
            totp_digits: Some(8),
            totp_period: Some(60),
            ..new_credential("  Work login ", "HTTPS://Accounts.Example.com:8443/x", &[("b", "1"), ("a", "")])
        };
        let created = vault.create(&new).unwrap();
        assert!(created.id.starts_with("cred_") && created.id.len() == 31, "{}", created.id);
        assert_eq!((created.name.as_str(), created.domain.as_str()), ("Work login", "accounts.example.com"));
        assert_eq!((created.created_at, created.updated_at, created.version), (NOW + 1_234, NOW + 1_234, 1));
        assert_eq!((created.has_values, created.value_keys.clone()), (true, Some(vec!["b".into(), "a".into()])));
        assert_eq!(created.sso_provider.as_deref(), Some("google"));
        assert!(created.has_totp_secret && !created.weak_totp_secret);
        assert!(matches!(created.totp_algorithm, Some(TotpAlgorithm::Sha256)));
        assert_eq!((created.totp_digits, created.totp_period), (Some(8), Some(60)));
        assert_eq!(values(&vault, &created), pairs(&[("b", "1"), ("a", "")]));

        // The current code is in this answer, and in no later one.
        let code = vault.totp_code("Work login", None).unwrap();
        assert_eq!(created.totp_code.as_ref(), Some(&code.code));
        assert_eq!(created.totp_code_expires_at, Some(NOW + 60_000));
        assert_eq!((code.expires_at, code.period, code.valid_for_seconds), (NOW + 60_000, 60, 58));
        for found in [vault.get(&created.id).unwrap(), vault.get(" Work login ").unwrap()] {
            assert_eq!((found.id.as_str(), found.totp_code), (created.id.as_str(), None));
            assert_eq!(found.value_keys, created.value_keys);
        }
    }

    #[test]
    fn optional_fields_that_are_unset_are_absent() {
        let vault = Vault::new(World::Agent);
        let request = json!({
            "action": "create", "name": "n", "domain": "example.com", "values": { "a": "" },
            "sso_provider": "", "totp_secret": "", "no_such_member": { "ignored": true }
        });
        let created = vault.manage_json(&request).unwrap();
        let keys: Vec<&str> = created.as_object().unwrap().keys().map(String::as_str).collect();
        let expected = [
            "created_at",
            "domain",
            "has_totp_secret",
            "has_values",
            "id",
            "name",
            "updated_at",
            "value_keys",
            "version",
        ];
        assert_eq!(keys, expected);
        assert_eq!(created["has_totp_secret"], false);
    }

    #[test]
    fn ids_sort_by_creation_whatever_the_clock_says() {
        let vault = Vault::new(World::Vault);
        let mut ids = Vec::new();
        for (n, now) in [NOW, NOW - DAY, NOW, NOW, 0, NOW + DAY, NOW + DAY - 1, NOW - DAY].into_iter().enumerate() {
            vault.clock.set(now);
            let created = vault.create(&login(&n.to_string())).unwrap();
            assert_eq!(created.created_at, now);
            ids.push(created.id);
            if n == 5 {
                // Not even when the newest is gone.
                vault.delete("5", None).unwrap();
            }
        }
        assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
        assert_eq!(names(&vault, everything()), ["0", "1", "2", "3", "4", "6", "7"]);
    }
}

mod put {
    use super::*;

    #[test]
    fn creates_and_then_replaces_whole() {
        let vault = Vault::new(World::Vault);
        let full = NewCredential { sso_provider: Some("google".into()), ..with_secret("n") };
        let first = vault.put(&full, None).unwrap();
        assert_eq!((first.version, first.totp_code.is_some()), (1, true));

        vault.clock.advance(5_000);
        let second = vault.put(&new_credential("n", "example.org", &[("token", "t")]), None).unwrap();
        assert_eq!((&second.id, second.created_at), (&first.id, first.created_at));
        assert_eq!((second.version, second.updated_at), (2, NOW + 5_000));
        assert_eq!((second.sso_provider.as_ref(), second.has_totp_secret), (None, false));
        assert_eq!(second.domain, "example.org");
        assert_eq!(values(&vault, &second), pairs(&[("token", "t")]));
        assert_eq!(names(&vault, ListQuery { domain: Some("example.com".into()), ..everything() }), [""; 0]);
        assert_eq!(names(&vault, ListQuery { domain: Some("example.org".into()), ..everything() }), ["n"]);
    }

    #[test]
    fn what_changes_nothing_keeps_version_and_time() {
        let vault = Vault::new(World::Vault);
        let first = vault.put(&with_secret("n"), None).unwrap();
        vault.clock.advance(DAY);
        let again = vault.put(&with_secret(" n "), None).unwrap();
        assert_eq!((again.version, again.updated_at), (1, first.updated_at));
        assert!(again.totp_code.is_some(), "the secret was given, so its code is shown");
        let reordered = NewCredential { values: pairs(&[("password", "p"), ("username", "u")]), ..with_secret("n") };
        assert_eq!(vault.put(&reordered, None).unwrap().version, 2, "the order of fields is kept");
    }

    #[test]
    fn depends_on_the_version() {
        let vault = Vault::new(World::Vault);
        let code = |result: Result<Credential, strongroom_host_tests::types::Error>| result.unwrap_err().code;
        assert_eq!(code(vault.put(&login("n"), Some(1))), ErrorCode::PreconditionFailed, "there is none");
        assert!(names(&vault, everything()).is_empty());
        vault.put(&login("n"), None).unwrap();
        assert_eq!(code(vault.put(&with_secret("n"), Some(2))), ErrorCode::PreconditionFailed);
        assert_eq!(vault.put(&with_secret("n"), Some(1)).unwrap().version, 2);
    }
}

mod update {
    use super::*;

    #[test]
    fn values_are_merged_after_removal() {
        let vault = Vault::new(World::Vault);
        let first = vault.create(&new_credential("n", "example.com", &[("a", "1"), ("b", "2"), ("c", "3")])).unwrap();
        vault.clock.advance(1_000);
        let changes = Changes {
            values: Some(pairs(&[("d", "4"), ("b", "x"), ("c", "y")])),
            remove_value_keys: Some(vec!["a".into(), "c".into(), "unknown".into()]),
            ..no_changes()
        };
        let second = vault.update("n", &changes).unwrap();
        assert_eq!(values(&vault, &second), pairs(&[("b", "x"), ("c", "y"), ("d", "4")]));
        assert_eq!(second.value_keys, Some(vec!["b".into(), "c".into(), "d".into()]));
        assert_eq!((second.version, second.created_at, second.updated_at), (2, first.created_at, NOW + 1_000));

        let all = Changes { remove_value_keys: Some(vec!["d".into(), "c".into(), "b".into()]), ..no_changes() };
        let third = vault.update(&first.id, &all).unwrap();
        assert_eq!((third.has_values, third.value_keys.clone(), third.version), (false, Some(vec![]), 3));
        assert_eq!(values(&vault, &third), []);
        let again = Changes { values: Some(pairs(&[("e", "")])), ..no_changes() };
        assert_eq!(values(&vault, &vault.update("n", &again).unwrap()), pairs(&[("e", "")]));
    }

    #[test]
    fn through_manage_too() {
        let vault = Vault::new(World::Vault);
        vault.create(&NewCredential { sso_provider: Some("google".into()), ..with_secret("n") }).unwrap();
        let request = json!({
            "action": "update", "id_or_name": "n", "name": "m", "values": { "pin": "1" },
            "remove_value_keys": ["password"], "sso_provider": "", "totp_secret": ""
        });
        let updated = vault.manage_json(&request).unwrap();
        assert_eq!((&updated["name"], &updated["value_keys"]), (&json!("m"), &json!(["username", "pin"])));
        assert_eq!((&updated["version"], &updated["has_totp_secret"]), (&json!(2), &json!(false)));
        for absent in ["sso_provider", "totp_algorithm", "totp_digits", "totp_period", "weak_totp_secret", "totp_code"]
        {
            assert!(updated.get(absent).is_none(), "{absent}");
        }
        let clear = json!({ "action": "update", "id_or_name": "m", "sso_provider": "" });
        assert_eq!(vault.manage_json(&clear).unwrap()["version"], 2, "it was clear already");
        let null = json!({ "action": "update", "id_or_name": "m", "sso_provider": null });
        assert_eq!(vault.manage_json(&null).unwrap_err()["code"], "bad_request", "null asks for nothing");
    }

    #[test]
    fn a_name_can_be_given_up_and_taken_again() {
        let vault = Vault::new(World::Vault);
        let first = vault.create(&login("a")).unwrap();
        let rename = |name: &str| Changes { name: Some(name.into()), ..no_changes() };
        let renamed = vault.update("a", &rename(" b ")).unwrap();
        assert_eq!((&renamed.id, renamed.name.as_str(), renamed.version), (&first.id, "b", 2));
        assert_eq!(vault.get("a").unwrap_err().code, ErrorCode::NotFound);
        let other = vault.create(&login("a")).unwrap();
        assert_eq!(vault.update("b", &rename("a")).unwrap_err().code, ErrorCode::NameTaken);
        assert_eq!(vault.update("b", &rename("A")).unwrap().name, "A", "names are case-sensitive");
        assert_eq!(vault.get("a").unwrap().id, other.id);
        assert_eq!(names(&vault, everything()), ["A", "a"]);
    }

    #[test]
    fn fields_are_set_and_cleared() {
        let vault = Vault::new(World::Vault);
        vault.create(&login("n")).unwrap();
        let set = Changes {
            sso_provider: Some("github".into()),
            totp_secret: Some(SECRET.into()),
            totp_digits: Some(8),
            ..no_changes()
        };
        let second = vault.update("n", &set).unwrap();
        assert_eq!((second.sso_provider.as_deref(), second.totp_digits), (Some("github"), Some(8)));
        assert_eq!(second.totp_code, Some(vault.totp_code("n", None).unwrap().code));
        let clear = Changes { sso_provider: Some("".into()), totp_secret: Some("".into()), ..no_changes() };
        let third = vault.update("n", &clear).unwrap();
        assert_eq!((third.sso_provider.as_ref(), third.has_totp_secret, third.totp_digits), (None, false, None));
        assert_eq!(third.totp_code, None);
        assert_eq!(vault.totp_code("n", None).unwrap_err().code, ErrorCode::TotpNotConfigured);
        assert_eq!(values(&vault, &third), pairs(&[("username", "u"), ("password", "p")]), "values stay");
    }

    #[test]
    fn what_changes_nothing_keeps_version_and_time() {
        let vault = Vault::new(World::Vault);
        let full = NewCredential { sso_provider: Some("google".into()), ..with_secret("n") };
        let first = vault.create(&full).unwrap();
        vault.clock.advance(DAY);
        vault.store.reset();
        for (what, changes) in [
            ("own name", Changes { name: Some(" n ".into()), ..no_changes() }),
            ("stored value", Changes { values: Some(pairs(&[("password", "p")])), ..no_changes() }),
            ("no values", Changes { values: Some(vec![]), ..no_changes() }),
            ("unknown key", Changes { remove_value_keys: Some(vec!["x".into()]), ..no_changes() }),
            ("no keys", Changes { remove_value_keys: Some(vec![]), ..no_changes() }),
            ("stored provider", Changes { sso_provider: Some("google".into()), ..no_changes() }),
            ("stored secret", Changes { totp_secret: Some("jbsw y3dp ehpk 3pxp".into()), ..no_changes() }),
        ] {
            let same = vault.update("n", &changes).unwrap();
            assert_eq!((same.version, same.updated_at), (1, first.updated_at), "{what}");
        }
        assert_eq!(vault.store.counts().writes(), 0);
    }

    #[test]
    fn depends_on_the_version() {
        let vault = Vault::new(World::Vault);
        vault.create(&login("n")).unwrap();
        let rename = |version| Changes { name: Some("m".into()), expected_version: Some(version), ..no_changes() };
        for wrong in [0, 2, u64::MAX] {
            assert_eq!(vault.update("n", &rename(wrong)).unwrap_err().code, ErrorCode::PreconditionFailed);
        }
        assert_eq!(vault.update("n", &rename(1)).unwrap().version, 2);
        assert_eq!(vault.delete("m", Some(1)).unwrap_err().code, ErrorCode::PreconditionFailed);
        vault.delete("m", Some(2)).unwrap();
    }

    #[test]
    fn its_time_never_goes_back() {
        let vault = Vault::new(World::Vault);
        vault.create(&login("n")).unwrap();
        vault.clock.set(NOW - DAY);
        let changes = Changes { sso_provider: Some("google".into()), ..no_changes() };
        let updated = vault.update("n", &changes).unwrap();
        assert_eq!((updated.version, updated.updated_at), (2, NOW));
    }
}

mod delete {
    use super::*;

    #[test]
    fn removes_everything_and_frees_the_name() {
        let vault = Vault::new(World::Vault);
        let kept = vault.create(&login("kept")).unwrap();
        let first = vault.create(&with_secret("n")).unwrap();
        assert_eq!(vault.delete("n", None).unwrap(), first.id);
        for id_or_name in ["n", &first.id] {
            assert_eq!(vault.get(id_or_name).unwrap_err().code, ErrorCode::NotFound);
            assert_eq!(vault.delete(id_or_name, None).unwrap_err().code, ErrorCode::NotFound);
            assert_eq!(vault.totp_code(id_or_name, None).unwrap_err().code, ErrorCode::NotFound);
        }
        assert_eq!(names(&vault, everything()), ["kept"]);
        assert_eq!(names(&vault, ListQuery { domain: Some("example.com".into()), ..everything() }), ["kept"]);
        let second = vault.create(&login("n")).unwrap();
        assert!(second.id > first.id && second.version == 1 && !second.has_totp_secret);
        assert_eq!(vault.delete(&kept.id, None).unwrap(), kept.id);
        let shape = |vault: &Vault| {
            let report = vault.verify().unwrap();
            (report.credentials, report.deleted, report.bodies, report.claims, report.orphans)
        };
        assert_eq!(shape(&vault), (1, 2, 3, 1, 0), "what was deleted can be restored");
        for id in [&first.id, &kept.id] {
            assert_eq!(vault.purge(id).unwrap(), **id);
            assert_eq!(vault.purge(id).unwrap_err().code, ErrorCode::NotFound);
        }
        assert_eq!(shape(&vault), (1, 0, 1, 0, 0));
    }

    #[test]
    fn through_manage_too() {
        let vault = Vault::new(World::Agent);
        let create = json!({ "action": "create", "name": "n", "domain": "example.com", "values": { "a": "1" } });
        let id = vault.manage_json(&create).unwrap()["id"].clone();
        let deleted = vault.manage_json(&json!({ "action": "delete", "id_or_name": "n" })).unwrap();
        assert_eq!(deleted, json!({ "id": id, "deleted": true }));
        let again = vault.manage_json(&json!({ "action": "delete", "id_or_name": id })).unwrap_err();
        assert_eq!(again["code"], "not_found");
    }
}

/// The secret's rotation, with the settings that stay and those that are reset.
#[test]
fn totp_settings_follow_the_rotation_rules() {
    let vault = Vault::new(World::Vault);
    let new = NewCredential {
        totp_algorithm: Some(TotpAlgorithm::Sha512),
        totp_digits: Some(8),
        totp_period: Some(60),
        ..with_secret("n")
    };
    vault.create(&new).unwrap();
    let rotate = |changes: Changes| {
        let updated = vault.update("n", &changes).unwrap();
        let algorithm = match updated.totp_algorithm.unwrap() {
            TotpAlgorithm::Sha1 => 1,
            TotpAlgorithm::Sha256 => 256,
            TotpAlgorithm::Sha512 => 512,
        };
        assert_eq!(updated.totp_code, Some(vault.totp_code("n", None).unwrap().code));
        (algorithm, updated.totp_digits.unwrap(), updated.totp_period.unwrap())
    };
    let secret = |text: &str| Changes { totp_secret: Some(text.into()), ..no_changes() };
    assert_eq!(rotate(secret("AAAAAAAAAAAAAAAA")), (512, 8, 60), "a bare secret keeps the settings");
    let given = Changes { totp_period: Some(15), ..secret("BBBBBBBBBBBBBBBB") };
    assert_eq!(rotate(given), (512, 8, 15), "but for those that are given");
    let uri = "otpauth://totp/x?secret=CCCCCCCCCCCCCCCC&digits=7";
    assert_eq!(rotate(secret(uri)), (1, 7, 30), "a URI resets what it does not say");
    let both = Changes { totp_digits: Some(9), totp_period: Some(300), ..secret(uri) };
    assert_eq!(rotate(both), (1, 7, 300), "and wins over what is given");
    vault.update("n", &secret("")).unwrap();
    assert_eq!(rotate(secret(SECRET)), (1, 6, 30), "a removed secret leaves no settings");
}
