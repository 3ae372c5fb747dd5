//! The stored format: a store that was kept of each format that was ever released (or is about to be), and the envelope
//! by test vectors that an independent implementation opens.
//!
//! `STRONGROOM_KEEP_STORE=1 cargo test --test format` writes the file of the current format anew; once a format is
//! released its file never changes again.

use serde_json::json;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;
use std::sync::Arc;
use strongroom::platform::SystemRandom;
use strongroom::seal::{Keyring, Project, Purpose, Sealer};
use strongroom_host_tests::credentials::{Changes, ListQuery};
use strongroom_host_tests::types::ErrorCode;
use strongroom_host_tests::{KEYS, MemoryStore, Vault, World, clients, everything, new_credential, no_changes};

const BUCKET: &str = "default";
const SECRET: &str = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";

fn testdata(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata").join(name)
}

/// A little of everything that a store can hold, in nodes so small that the indexes are deep.
fn make() -> Arc<MemoryStore> {
    let store = Arc::new(MemoryStore::new());
    let vault = Vault::on(World::Vault, store.clone());
    vault.init(false, Some(256)).unwrap();
    for n in 0..6 {
        let mut new = new_credential(&format!("login-{n}"), "example.com", &[("username", "u"), ("password", "p")]);
        new.additional_domains = vec![format!("site-{n}.example.org")];
        new.totp_secret = (n % 2 == 0).then(|| SECRET.to_owned());
        vault.create(&new).unwrap();
    }
    let described = Changes { description: Some("the first".into()), ..no_changes() };
    vault.update("login-0", &described).unwrap();
    let values = Some(vec![("password".into(), "second".into())]);
    vault.update("login-0", &Changes { values, ..no_changes() }).unwrap();
    vault.update("login-1", &Changes { archived: Some(true), ..no_changes() }).unwrap();
    vault.delete("login-2", None).unwrap();
    store
}

fn to_text(entries: &BTreeMap<String, Vec<u8>>) -> String {
    let mut text = String::new();
    for (key, value) in entries {
        write!(text, "{key} ").unwrap();
        value.iter().for_each(|byte| write!(text, "{byte:02x}").unwrap());
        text.push('\n');
    }
    text
}

fn from_text(text: &str) -> BTreeMap<String, Vec<u8>> {
    let bytes =
        |hex: &str| (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
    text.lines().map(|line| line.split_once(' ').unwrap()).map(|(key, hex)| (key.to_owned(), bytes(hex))).collect()
}

#[test]
fn a_kept_store_of_format_2_opens_verifies_reads_changes_and_verifies_again() {
    let path = testdata("format-2.store");
    if std::env::var_os("STRONGROOM_KEEP_STORE").is_some() {
        std::fs::write(&path, to_text(&make().entries(BUCKET))).unwrap();
    }
    let kept = from_text(&std::fs::read_to_string(path).unwrap());
    let store = Arc::new(MemoryStore::new());
    store.replace(BUCKET, kept);
    let vault = Vault::on(World::Vault, store);
    let report = vault.verify().unwrap();
    let counts = (report.credentials, report.versions, report.deleted, report.events, report.orphans);
    assert_eq!(counts, (5, 3, 1, 10, 0), "{report:?}");
    assert!(report.depth > 1, "{report:?}");

    let names = |query| vault.list(query).unwrap().items.into_iter().map(|item| item.name).collect::<Vec<_>>();
    assert_eq!(names(everything()), ["login-0", "login-3", "login-4", "login-5"]);
    assert_eq!(names(ListQuery { archived: true, ..everything() }), ["login-1"]);
    assert_eq!(names(ListQuery { deleted: true, ..everything() }), ["login-2"]);
    assert_eq!(names(ListQuery { domain: Some("site-3.example.org".into()), ..everything() }), ["login-3"]);
    let first = vault.get("login-0").unwrap();
    assert_eq!((first.version, first.description.as_deref()), (3, Some("the first")));
    assert_eq!(vault.totp_code("login-4", None).unwrap().code.len(), 6);
    let supplied = vault.supply("login-0", "https://site-0.example.org/login", None).unwrap();
    assert_eq!(supplied.values[1], ("password".into(), "second".into()));

    vault.create(&new_credential("new", "example.net", &[("a", "b")])).unwrap();
    let restored = vault.restore("login-0", Some(1)).unwrap();
    assert_eq!((restored.version, restored.description), (4, None));
    let supplied = vault.supply("login-0", "https://example.com", None).unwrap();
    assert_eq!(supplied.values[1], ("password".into(), "p".into()));
    let deleted = vault.list(ListQuery { deleted: true, ..everything() }).unwrap().items.remove(0);
    assert_eq!(vault.restore(&deleted.id, None).unwrap().version, 2);
    assert_eq!(vault.totp_code("login-2", None).unwrap().code.len(), 6);
    vault.purge("login-1").unwrap();
    let report = vault.verify().unwrap();
    assert_eq!((report.credentials, report.deleted, report.orphans), (6, 0, 0));
    assert_eq!(vault.get("login-1").unwrap_err().code, ErrorCode::NotFound);
}

/// Made anew each time, as nonces are random; the file is what is published.
#[test]
fn an_independent_implementation_opens_the_envelope() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../src/seal/testdata/envelope.json");
    if std::env::var_os("STRONGROOM_KEEP_STORE").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, vectors()).unwrap();
    }
    let published = std::fs::read_to_string(path).unwrap();
    // What is published opens with this build too.
    let sealer = |project: &str| Sealer::new(Keyring::parse(KEYS).unwrap(), Project::parse(project).unwrap());
    let hex = |text: &str| -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    };
    let file: serde_json::Value = serde_json::from_str(&published).unwrap();
    for case in file["cases"].as_array().unwrap() {
        let text = |name: &str| case[name].as_str().unwrap();
        let purpose = PURPOSES.into_iter().find(|purpose| purpose.name() == text("purpose")).unwrap();
        let place = text("place");
        let opened = sealer(text("project")).open_head(purpose, &[place.as_bytes()], hex(text("envelope"))).unwrap();
        assert_eq!(opened.head(), hex(text("head")));
        let mut before = 0;
        for (number, part) in (1u64..).zip(case["parts"].as_array().unwrap()) {
            let part = hex(part.as_str().unwrap());
            assert_eq!(opened.part(number, before, part.len()).unwrap().expose(), part);
            before += part.len();
        }
    }
    let Some(mut python) = clients::python("envelope by PyNaCl", &["PyNaCl==1.5.0"]) else { return };
    for vectors in [published, vectors()] {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/clients/open_envelope.py");
        let mut child = std::process::Command::new(python.get_program())
            .arg(script)
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Write::write_all(child.stdin.as_mut().unwrap(), vectors.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
        assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), "6 envelopes opened");
    }
    python.arg("--version");
}

const PURPOSES: [Purpose; 3] = [Purpose::Root, Purpose::Body, Purpose::Totp];

fn vectors() -> String {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let mut cases = Vec::new();
    for project in ["default", "other.project"] {
        let sealer = Sealer::new(Keyring::parse(KEYS).unwrap(), Project::parse(project).unwrap());
        for (purpose, parts) in PURPOSES.into_iter().zip([&[&b"one"[..], b"", b"three"][..], &[], &[b"part"]]) {
            let place = format!("place of {}", purpose.name());
            let head = format!("head of {}", purpose.name());
            let sealed =
                sealer.seal_parts(&SystemRandom, purpose, &[place.as_bytes()], head.as_bytes(), parts).unwrap();
            cases.push(json!({
                "project": project,
                "purpose": purpose.name(),
                "place": place,
                "head": hex(head.as_bytes()),
                "parts": parts.iter().map(|part| hex(part)).collect::<Vec<_>>(),
                "envelope": hex(&sealed),
            }));
        }
    }
    serde_json::to_string_pretty(&json!({ "strongroom_keys": KEYS, "cases": cases })).unwrap()
}
