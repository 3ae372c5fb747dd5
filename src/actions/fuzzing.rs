//! Any bytes as what the actions keep in entries, and as the cursors that they hand out. Entries and cursors are sealed,
//! so strangers reach this through the text of a cursor only; all else is about damage by ourselves.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a target panics when it has found something"
)]

use super::named::{Named, name_entry};
use super::stamp::Stamp;
use super::stored::{Stored, fields};
use super::*;
use crate::catalog::{Entry, Index, Kind, RecordRef};
use crate::codec::Reader;
use crate::credential::{Description, Domain, Name, Values};
use crate::fuzzing::{Numbers, Target, check_error, text};
use crate::platform::Clock;
use crate::seal::{Keyring, Project};
use crate::secret::{SecretBytes, SecretString};
use crate::store::memory::MemoryStore;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use base64ct::{Base64UrlUnpadded, Encoding};
use std::sync::LazyLock;

pub const ENTRIES: Target = Target { name: "entries", run, seeds };

const KEYS: &str = "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
const NOW: Timestamp = Timestamp(1_795_343_417_000);
const DIGEST: [u8; 32] = [7; 32];
/// Walks, and what goes on with one.
type GoOn = fn(&Vault<'_>, &str) -> Result<()>;
const WALKS: [(&str, GoOn); 6] = [
    ("verify", |vault, cursor| verify(vault, Some(cursor)).map(drop)),
    ("sweep", |vault, cursor| sweep(vault, Some(cursor)).map(drop)),
    ("rewrap", |vault, cursor| rewrap(vault, Some(cursor)).map(drop)),
    ("backup", |vault, cursor| backup(vault, Some(cursor)).map(drop)),
    ("backup", |vault, cursor| seal_backup(vault, cursor, &DIGEST).map(drop)),
    ("restore", |vault, cursor| restore_backup(vault, &[], &DIGEST, Some(cursor)).map(drop)),
];

struct World {
    store: MemoryStore,
    random: Numbers,
    sealer: Sealer,
    host: Principal,
}

impl Clock for World {
    fn now(&self) -> Timestamp {
        NOW
    }
}

impl World {
    fn empty() -> Self {
        let sealer = Sealer::new(Keyring::parse(KEYS).unwrap(), Project::parse("fuzz").unwrap());
        Self { store: MemoryStore::default(), random: Numbers::default(), sealer, host: Principal::host() }
    }

    /// Some credentials with all that they can have.
    fn new() -> Self {
        static ENTRIES: LazyLock<BTreeMap<String, Vec<u8>>> = LazyLock::new(|| {
            let world = World::empty();
            let vault = world.vault();
            vault.init(InitOptions { force: false, node_bytes: Some(512) }).unwrap();
            for number in 0..6 {
                let new = NewCredential {
                    name: format!("name {number}"),
                    domain: format!("site{number}.example.com"),
                    values: Vec::from([("password".to_string(), SecretString::new("canary".to_string()))]),
                    description: Some("description".to_string()),
                    metadata: Vec::from([("key".to_string(), "text".to_string())]),
                    totp_secret: Some(SecretString::new("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ".to_string())),
                    ..NewCredential::default()
                };
                create(&vault, new, None).unwrap();
            }
            update(&vault, "name 3", &Changes { description: Some("d".to_string()), ..Changes::default() }).unwrap();
            update(&vault, "name 4", &Changes { archived: Some(true), ..Changes::default() }).unwrap();
            delete(&vault, "name 5", None).unwrap();
            drop(vault);
            world.store.entries.into_inner()
        });
        let world = Self::empty();
        world.store.entries.replace(ENTRIES.clone());
        // Other numbers than those that it was made with.
        world.random.skip(1 << 20);
        world
    }

    fn vault(&self) -> Vault<'_> {
        let platform = Platform { store: &self.store, clock: self, random: &self.random };
        let policy = Policy { audit: AuditMode::All, ..Policy::default() };
        Vault::new(platform, &self.sealer, &self.host).with_policy(policy)
    }
}

/// The first byte says what the rest is.
fn run(data: &[u8]) {
    let Some((&first, rest)) = data.split_first() else { return };
    match (first % 7, rest) {
        (0, _) => stored(&entry(rest).unwrap_or_default()),
        (1, _) => named(rest),
        (2, _) => values(rest),
        (3, [index, rest @ ..]) => {
            if let (Some(index), Some(entry)) = (Index::of(*index), entry(rest)) {
                in_a_vault(index, entry);
            }
        }
        (4, [walk, rest @ ..]) => cursor_of(usize::from(*walk) % WALKS.len(), rest),
        (5, _) => cursor_text(&text(rest)),
        _ => small(rest),
    }
}

/// A key, which records there are, and the value.
fn entry(bytes: &[u8]) -> Option<Entry> {
    let mut reader = Reader::new(bytes);
    let (key, kinds) = (reader.bytes()?.to_vec(), reader.u8()?);
    let kinds = [Kind::Body, Kind::Claim, Kind::Node].into_iter().enumerate().filter(|(bit, _)| kinds >> bit & 1 == 1);
    let records = kinds.map(|(_, kind)| RecordRef { kind, random: [kind as u8; 16] }).collect();
    Some(Entry { key, records, value: reader.rest().to_vec() })
}

fn stored(entry: &Entry) {
    let Ok(stored) = Stored::from_entry(entry) else { return };
    let Ok(written) = stored.entry(&entry.key) else {
        assert!(stored.has_unknown_fields);
        return;
    };
    assert!(!stored.has_unknown_fields);
    let again = Stored::from_entry(&written).ok().unwrap();
    let rewritten = again.entry(&entry.key).ok().unwrap();
    assert_eq!((rewritten.value, rewritten.records), (written.value, written.records));
    let _ = stored.totp(&World::empty().sealer);
    let _ = indexes::domain_keys(&stored).count();
    assert!(stored.hosts().count() <= entry.value.len());
}

/// A name, further hosts and a description, each in a line.
fn named(bytes: &[u8]) {
    let given = text(bytes);
    let mut lines = given.split('\n');
    let mut line = || lines.next().unwrap_or_default();
    let (Ok(name), Ok(domain)) = (Name::parse(line()), Domain::parse(line())) else { return };
    let id = CredentialId::from_bytes(*b"0123456789abcdef");
    let mut stored = Stored::new(id, name, domain, NOW);
    stored.description = Description::parse(line()).ok();
    let further: Vec<&str> = given.split('\n').skip(3).collect();
    if let Ok(further) = crate::credential::AdditionalDomains::parse(&further, &stored.domain) {
        stored.additional_domains = further;
    }
    stored.is_archived = bytes.len() % 2 == 1;
    let named = Named::of(&name_entry(&stored)).ok().unwrap();
    assert_eq!((named.id, named.is_archived), (id, stored.is_archived));
    assert!(named.hosts.iter().map(String::as_str).eq(stored.hosts().map(Domain::as_str)), "{given:?}");
    assert_eq!(named.description.as_deref(), stored.description.as_ref().map(Description::as_str));
    self::stored(&stored.entry(id.as_bytes()).ok().unwrap());
    // And any bytes behind the name.
    let name = stored.name.as_str().as_bytes();
    let _ = Named::of(&Entry::new(name, bytes.get(name.len()..).unwrap_or_default()));
}

fn values(bytes: &[u8]) {
    if let Some(values) = Values::decode(bytes) {
        assert_eq!(values.encode().expose(), bytes);
        assert_eq!(values.keys().count(), values.iter().count());
        let mut merged = values.clone();
        assert!(!merged.merge(&[], &[]).unwrap());
    }
    // As the body of a credential whose values have these names.
    let world = World::empty();
    let record = RecordRef { kind: Kind::Body, random: [1; 16] };
    let domain = Domain::parse("example.com").unwrap();
    let mut stored = Stored::new(CredentialId::from_bytes([1; 16]), Name::parse("n").unwrap(), domain, NOW);
    let keys = Values::decode(bytes).unwrap_or_else(Values::none);
    let added = stored.set_values(&keys, |padded| {
        assert_eq!(padded.expose().len() % 256, 0);
        Ok(record)
    });
    assert!(added.is_ok());
    stored.body = Some(record);
    let sealed = world.sealer.seal(&world.random, crate::seal::Purpose::Body, &[b"place"], bytes).unwrap();
    let opened = world.sealer.open_head(crate::seal::Purpose::Body, &[b"place"], sealed).unwrap();
    let _ = stored.values(|_| Ok(opened));
}

/// An entry in an index of a vault, and all that is read from it.
fn in_a_vault(index: Index, entry: Entry) {
    let world = World::new();
    let vault = world.vault();
    let added = vault.change(|change| {
        let body = change.add_body(SecretBytes::new(entry.value.clone()))?;
        let records = entry.records.iter().map(|record| if record.kind == Kind::Body { body } else { *record });
        let records: Vec<RecordRef> = records.collect();
        change.insert(index, Entry { records, ..entry.clone() })?;
        change.touch();
        Ok(())
    });
    if let Err(error) = added {
        return check_error(&error);
    }
    let id = entry.key.first_chunk().map(|id| CredentialId::from_bytes(*id).to_text());
    let name = text(&entry.key);
    for asked in [id.as_deref().unwrap_or_default(), &name, "name 1", "name 4"] {
        see(get(&vault, asked));
        see(versions(&vault, asked));
        let options = CodeOptions { min_valid_seconds: 0, exclusive: true };
        see(totp_code(&vault, asked, options));
        see(supply(&vault, asked, "https://example.com", options));
        see(restore(&vault, asked, None, None));
        see(update(&vault, asked, &Changes { description: Some("new".to_string()), ..Changes::default() }));
    }
    for deleted in [false, true] {
        see(list(&vault, &ListQuery { query: Some("e".to_string()), deleted, ..ListQuery::default() }));
    }
    see(audit(&vault, &AuditQuery::default()));
    see(walk(|next| verify(&vault, next).map(|step| step.next)));
    see(walk(|next| sweep(&vault, next).map(|step| step.next)));
    see(walk(|next| rewrap(&vault, next).map(|step| step.next)));
}

fn see<T>(result: Result<T>) {
    if let Err(error) = result {
        check_error(&error);
    }
}

fn walk(mut step: impl FnMut(Option<&str>) -> Result<Option<String>>) -> Result<()> {
    let mut next = None;
    for _ in 0..1000 {
        next = step(next.as_deref())?;
        if next.is_none() {
            return Ok(());
        }
    }
    panic!("a walk does not end");
}

/// Any state as the sealed one of a cursor.
fn cursor_of(walk: usize, state: &[u8]) {
    let world = World::new();
    let vault = world.vault();
    let (name, go_on) = WALKS[walk];
    let cursor = cursor::write(&vault, name, state).unwrap();
    see(go_on(&vault, &cursor));
    for (other, go_on) in WALKS.iter().filter(|(other, _)| *other != name) {
        assert!(go_on(&vault, &cursor).is_err(), "the cursor of {name} was taken for one of {other}");
    }
}

/// Any text as a cursor, and what is sealed of a backup.
fn cursor_text(cursor: &str) {
    let world = World::new();
    let vault = world.vault();
    for (_, go_on) in WALKS {
        see(go_on(&vault, cursor));
    }
    see(audit(&vault, &AuditQuery { cursor: Some(cursor.to_string()), ..AuditQuery::default() }));
    see(end_login(&vault, cursor, "done", &[]));
    if let Ok(sealed) = Base64UrlUnpadded::decode_vec(cursor) {
        for digest in [&DIGEST[..], &sealed] {
            check_error(&check_backup(&vault, &sealed, digest).err().unwrap());
        }
    }
}

fn small(bytes: &[u8]) {
    if let Some(stamp) = Stamp::decode(bytes) {
        assert_eq!(stamp.encode(), bytes);
    }
    let mut length = 0;
    for item in fields(bytes) {
        length += item.map_or(0, |(_, bytes)| bytes.len() + 2);
    }
    assert!(length <= bytes.len());
}

fn seeds() -> Vec<Vec<u8>> {
    let world = World::new();
    let vault = world.vault();
    let mut seeds = Vec::new();
    let mut add = |kind: &[u8], entry: &Entry| {
        let mut writer = crate::codec::Writer { bytes: kind.to_vec() };
        writer.bytes(&entry.key);
        writer.u8(entry.records.iter().map(|record| 1 << record.kind.min(Kind::Claim) as u8 >> 1).sum());
        writer.raw(&entry.value);
        seeds.push(writer.bytes);
    };
    for index in Index::ALL {
        let mut count = 0;
        let visit = &mut |entry: &Entry| {
            if count < 2 {
                add(&[3, index.number()], entry);
            }
            if count < 1 && !matches!(index, Index::Name | Index::Domain | Index::Audit) {
                add(&[0], entry);
            }
            count += 1;
            Ok(core::ops::ControlFlow::Continue(()))
        };
        vault.catalog.walk(index, &[], visit).unwrap();
    }
    seeds.push(b"\x01GitHub\ngithub.com\nthe one of the team\ngist.github.com\ngithub.io".to_vec());
    let values = Values::for_create(Vec::from([
        ("username".to_string(), SecretString::new("u".to_string())),
        ("password".to_string(), SecretString::new("p".to_string())),
    ]));
    seeds.push([&[2], values.unwrap().encode().expose()].concat());
    for (at, (name, _)) in (0u8..).zip(WALKS) {
        let step = match name {
            "verify" => verify(&vault, None).unwrap().next,
            "sweep" => sweep(&vault, None).unwrap().next,
            "rewrap" => rewrap(&vault, None).unwrap().next,
            "backup" => Some(backup(&vault, None).unwrap().next),
            _ => None,
        };
        if let Some(text) = step {
            let state = cursor::read(&vault, name, &text, |state| Some(state.to_vec())).unwrap();
            seeds.push([&[4, at], &state[..]].concat());
            seeds.push([&[5], text.as_bytes()].concat());
        }
    }
    seeds.push([&[6][..], &[1; 33]].concat());
    seeds
}
