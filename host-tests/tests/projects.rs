//! Two projects in one bucket can't see, name-collide with or open each other's data.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use strongroom_host_tests::credentials::{Changes, ListQuery, NewCredential};
use strongroom_host_tests::types::{CodeOptions, ErrorCode};
use strongroom_host_tests::{
    Behaviour, Kind, MemoryStore, Native, StoreError, Vault, World, everything, new_credential, no_changes, sample,
};

const BUCKET: &str = "default";
const SEED: &str = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";
const EXCLUSIVE: Option<CodeOptions> = Some(CodeOptions { min_valid_seconds: 0, exclusive: true });

/// A vault of this project over a store that projects share.
fn project(name: &str, store: &Arc<MemoryStore>) -> Vault {
    let vault = Vault::on(World::Vault, store.clone());
    vault.settings.set("strongroom_project", name);
    vault
}

fn two() -> (Arc<MemoryStore>, Vault, Vault) {
    let store = Arc::new(MemoryStore::new());
    let (red, blue) = (project("red", &store), project("blue", &store));
    (store, red, blue)
}

fn login(name: &str, password: &str) -> NewCredential {
    let mut new = new_credential(name, "accounts.example.com", &[("password", password)]);
    new.totp_secret = Some(SEED.into());
    new
}

fn names(vault: &Vault) -> Vec<String> {
    let page = vault.list(everything()).unwrap();
    page.items.into_iter().map(|item| item.name).collect()
}

/// The records of a project; each has the tag of one in its key.
fn records(store: &MemoryStore, tag: &str) -> BTreeMap<String, Vec<u8>> {
    store.entries(BUCKET).into_iter().filter(|(key, _)| key.split('.').nth(1) == Some(tag)).collect()
}

fn tags(store: &MemoryStore) -> BTreeSet<String> {
    store.entries(BUCKET).keys().map(|key| key.split('.').nth(1).unwrap().to_owned()).collect()
}

#[test]
fn each_sees_its_own_credentials_only() {
    let (_, red, blue) = two();
    let in_red = red.create(&login("github", "red password")).unwrap();
    assert!(names(&blue).is_empty());
    let in_blue = blue.create(&login("github", "blue password")).unwrap();
    red.create(&login("only in red", "p")).unwrap();
    assert_eq!((names(&red), names(&blue)), (vec!["github".into(), "only in red".into()], vec!["github".into()]));

    let origin = "https://accounts.example.com";
    for (vault, own, other) in [(&red, &in_red, &in_blue), (&blue, &in_blue, &in_red)] {
        assert_ne!(own.id, other.id);
        assert_eq!(vault.get(&own.id).unwrap().id, own.id);
        assert_eq!(vault.get("github").unwrap().id, own.id);
        let changes = Changes { name: Some("taken over".into()), ..no_changes() };
        for code in [
            vault.get(&other.id).unwrap_err().code,
            vault.totp_code(&other.id, None).unwrap_err().code,
            vault.supply(&other.id, origin, None).unwrap_err().code,
            vault.update(&other.id, &changes).unwrap_err().code,
            vault.delete(&other.id, None).unwrap_err().code,
        ] {
            assert_eq!(code, ErrorCode::NotFound);
        }
        let query = ListQuery { query: Some(other.id.clone()), ..everything() };
        assert!(vault.list(query).unwrap().items.is_empty());
    }
    assert_eq!(red.supply("github", origin, None).unwrap().values, [("password".into(), "red password".into())]);
    assert_eq!(blue.supply("github", origin, None).unwrap().values, [("password".into(), "blue password".into())]);
    assert_eq!(blue.get("only in red").unwrap_err().code, ErrorCode::NotFound);
}

#[test]
fn neither_touches_a_record_of_the_other() {
    let (store, red, blue) = two();
    red.create(&login("github", "p")).unwrap();
    let red_tag = tags(&store).pop_first().unwrap();
    let before = records(&store, &red_tag);
    for round in 0..30 {
        blue.create(&login(&format!("login {round}"), "p")).unwrap();
        blue.update(&format!("login {round}"), &Changes { sso_provider: Some("google".into()), ..no_changes() })
            .unwrap();
    }
    blue.totp_code("login 3", EXCLUSIVE).unwrap();
    for round in 0..20 {
        blue.delete(&format!("login {round}"), None).unwrap();
    }
    assert_eq!(blue.sweep().unwrap().deleted, 0);
    assert_eq!(tags(&store).len(), 2);
    assert_eq!(records(&store, &red_tag), before);
    red.totp_code("github", EXCLUSIVE).unwrap();
    assert_eq!(red.verify().unwrap().credentials, 1);
    assert_eq!(blue.verify().unwrap().credentials, 10);
}

#[test]
fn orphans_of_one_are_none_of_the_others() {
    let (store, red, blue) = two();
    red.create(&login("github", "p")).unwrap();
    blue.create(&login("github", "p")).unwrap();
    store.hook(|operation| {
        let commits = operation.kind == Kind::Swap && operation.key.ends_with(".root");
        if commits { Behaviour::Fail(StoreError::Stop) } else { Behaviour::Correct }
    });
    let new = login("orphaned", "p");
    red.call(async |i| i.exports.strongroom_vault_credentials().call_create(i.store.call(), &new).await).unwrap_err();
    store.unhook();
    let orphans = |vault: &Vault| vault.verify().unwrap().orphans;
    assert_eq!((orphans(&red), orphans(&blue)), (2, 0));
    assert_eq!((blue.sweep().unwrap().deleted, orphans(&red)), (0, 2));
    assert_eq!((red.sweep().unwrap().deleted, orphans(&red)), (2, 0));
}

/// With the same master key: what binds a record to its project is the derived key.
#[test]
fn a_record_that_was_moved_to_the_other_does_not_open() {
    let store = Arc::new(MemoryStore::new());
    for name in ["red", "blue"] {
        let native = Native::new(&*store, name);
        native.init(Some(384)).unwrap();
        native.load(0..14).unwrap();
    }
    let (red, blue) = (project("red", &store), project("blue", &store));
    red.verify().unwrap();
    let all = store.entries(BUCKET);
    let red_tag = {
        let alone = Arc::new(MemoryStore::new());
        project("red", &alone).init(false, None).unwrap();
        tags(&alone).pop_first().unwrap()
    };
    let blue_tag = tags(&store).into_iter().find(|tag| *tag != red_tag).unwrap();
    let ours = records(&store, &red_tag);
    let theirs = records(&store, &blue_tag);

    // The whole of red under blue's keys, with the root last.
    for (key, value) in &ours {
        if key.ends_with(".seed") {
            continue;
        }
        store.put(BUCKET, &key.replace(&red_tag, &blue_tag), Some(value.clone()));
        if key.ends_with(".root") {
            let error = blue.get(&sample(3).name).unwrap_err();
            assert_eq!(error.code, ErrorCode::KeyMismatch);
            assert!(error.message.contains("root record"), "{}", error.message);
            assert_eq!(blue.create(&login("new", "p")).unwrap_err().code, ErrorCode::KeyMismatch);
        }
    }
    red.verify().unwrap();
    // Each of blue's records in the place of each of red's of its kind.
    let kind = |key: &str| key.split('.').nth(2).unwrap().to_owned();
    let mut moved = 0;
    for (place, own) in ours.iter().filter(|(key, _)| kind(key) != "seed") {
        for (_, other) in theirs.iter().filter(|(key, _)| kind(key) == kind(place)) {
            store.replace(BUCKET, all.clone());
            store.put(BUCKET, place, Some(other.clone()));
            assert_eq!(red.verify().unwrap_err().code, ErrorCode::KeyMismatch, "{place}");
            moved += 1;
        }
        store.put(BUCKET, place, Some(own.clone()));
    }
    assert!(moved > 200, "{moved}");
    red.verify().unwrap();
    blue.verify().unwrap();
}

/// A token names its project; the setting is for the typed functions.
#[test]
fn over_http_the_token_decides() {
    let vault = Vault::new(World::Edge);
    let entry = |project: &str| {
        let token = format!("sr_token-of-{project}-0123456789abcdef0123456789");
        (format!("{project}:{project}:read+totp+write:{}", strongroom_host::token::hash(&token)), token)
    };
    let (red, blue) = (entry("red"), entry("blue"));
    vault.settings.set("strongroom_tokens", &format!("{} {}", red.0, blue.0));
    let request = |token: &str, method: &str, path: &str, body: &str| {
        let request = http::Request::builder()
            .method(method)
            .uri(format!("http://vault.example{path}"))
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json")
            .body(bytes::Bytes::from(body.to_owned()))
            .unwrap();
        let answer = vault.http(request).unwrap();
        (answer.status().as_u16(), String::from_utf8(answer.into_body().to_vec()).unwrap())
    };
    let body = r#"{"name":"github","domain":"github.com","values":{"password":"p"}}"#;
    for token in [&red.1, &blue.1] {
        assert_eq!(request(token, "POST", "/credentials", body).0, 201);
        assert_eq!(request(token, "POST", "/credentials", body).0, 409);
    }
    assert_eq!(request(&red.1, "DELETE", "/credentials/github", "").0, 204);
    assert_eq!(request(&red.1, "GET", "/credentials/github", "").0, 404);
    assert_eq!(request(&blue.1, "GET", "/credentials/github", "").0, 200);
    assert!(names(&vault).is_empty(), "the project of the setting is a third one");
}
