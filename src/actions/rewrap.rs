//! `rewrap`: seals everything anew by the first master key, in steps, so that another one can be retired.
//!
//! Nothing is overwritten: values go into new records and nodes under new keys, by commits like all others, so that a
//! crash, a reader or a writer at any point finds a whole vault. Only claim records stay where they are, and are swapped
//! like a claim. Versions and times of the credentials stay.

use super::stored::Stored;
use super::{Action, Vault, cursor};
use crate::catalog::mutation::Mutation;
use crate::catalog::{Entry, Fault, Index, Kind, RecordRef, Transaction};
use crate::codec::{Reader, Writer};
use crate::credential::CredentialId;
use crate::error::{Code, Error, Result};
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::ControlFlow;

/// In this order, as credentials are led from one to the next more often than back.
const INDEXES: [Index; 7] =
    [Index::Trash, Index::Archive, Index::Id, Index::History, Index::Name, Index::Domain, Index::Audit];
/// How often all of it is gone through: what writers move meanwhile to where the walk has been is met the next time.
const PASSES_MAX: u8 = 3;
/// Leaves and entries that a step looks at.
const LEAVES: u32 = 16;
const ENTRIES_MAX: usize = 128;
/// What one commit seals anew: fewer when other writers come first too often, as they are faster.
const AT_ONCE: [u64; 3] = [16, 4, 1];

/// What was done, with the steps before.
pub struct Rewrapping {
    /// Leaves, records of values, TOTP secrets and claim records that were sealed anew.
    pub rewrapped: u64,
    /// For the next step; `None` when it is done.
    pub next: Option<String>,
}

/// What goes from step to step.
struct Walk {
    rewrapped: u64,
    pass: u8,
    /// Whether this pass has sealed anything anew.
    has_changed: bool,
    /// Where in [`INDEXES`], and where in there.
    at: u8,
    from: Vec<u8>,
}

/// Goes a step on with sealing everything anew by the first key. Begins without a cursor, and ends when there is none any
/// more; what is sealed by that key already is only looked at, so it can be begun again at any time. Safe beside readers
/// and writers, whichever key theirs is; what writers with another first key add meanwhile is sealed by that one.
///
/// The last step deletes all garbage, like a purge. What interrupted writers left is `sweep`'s, and `verify` tells what
/// each key is still needed for.
///
/// Errors: [`Code::BadRequest`] for a foreign cursor, [`Code::NotSupported`] without compare-and-swap, those of a commit
/// and of a claim.
pub fn rewrap(vault: &Vault<'_>, cursor: Option<&str>) -> Result<Rewrapping> {
    if !vault.platform.store.has_atomics() {
        return Err(Error::new(Code::NotSupported, "rewrap needs a key-value store with compare-and-swap"));
    }
    let mut walk = match cursor {
        Some(text) => cursor::read(vault, "rewrap", text, Walk::decode)?,
        None if !vault.catalog.is_written()? => return Ok(Rewrapping { rewrapped: 0, next: None }),
        None => Walk::new(),
    };
    let is_over = walk.step(vault)?;
    let next = if is_over { None } else { Some(cursor::write(vault, "rewrap", &walk.encode())?) };
    Ok(Rewrapping { rewrapped: walk.rewrapped, next })
}

/// What a commit did.
struct Done {
    rewrapped: u64,
    /// Claim records of what it looked at.
    claims: Vec<RecordRef>,
    next: Option<Vec<u8>>,
}

impl Walk {
    fn new() -> Self {
        Self { rewrapped: 0, pass: 1, has_changed: false, at: 0, from: Vec::new() }
    }

    /// True when this was the last one.
    fn step(&mut self, vault: &Vault<'_>) -> Result<bool> {
        let Some(index) = INDEXES.get(usize::from(self.at)).copied() else { return finish(vault).map(|()| true) };
        let mut done = rewrap_some(vault, index, &self.from, AT_ONCE[0]);
        for at_once in AT_ONCE.into_iter().skip(1) {
            if done.as_ref().is_err_and(|error| error.code() == Code::Contended) {
                done = rewrap_some(vault, index, &self.from, at_once);
            }
        }
        let Done { mut rewrapped, claims, next } = done?;
        for claim in claims {
            rewrapped += u64::from(vault.catalog.rewrap_claim(claim)?);
        }
        self.rewrapped += rewrapped;
        self.has_changed |= rewrapped > 0;
        match next {
            Some(next) => self.from = next,
            None => {
                self.from = Vec::new();
                self.at += 1;
            }
        }
        if usize::from(self.at) == INDEXES.len() && self.has_changed && self.pass < PASSES_MAX {
            (self.at, self.pass, self.has_changed) = (0, self.pass + 1, false);
        }
        Ok(false)
    }

    fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.number(self.rewrapped);
        writer.u8(self.pass);
        writer.u8(self.has_changed.into());
        writer.u8(self.at);
        writer.bytes(&self.from);
        writer.bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let (rewrapped, pass, has_changed) = (reader.number()?, reader.u8()?, reader.u8()? != 0);
        let walk = Self { rewrapped, pass, has_changed, at: reader.u8()?, from: reader.bytes()?.to_vec() };
        reader.end()?;
        Some(walk)
    }
}

/// The root is sealed by any commit, and what was superseded goes.
fn finish(vault: &Vault<'_>) -> Result<()> {
    if vault.catalog.is_rewrapped()? {
        return Ok(());
    }
    vault.change(|change| {
        if !Mutation::RewrapForgetsGarbage.is_on() {
            change.forget_all();
        }
        change.touch();
        change.note_upkeep(Action::Rewrap);
        Ok(())
    })
}

/// Seals some of an index anew, in one commit; in none where nothing has to be.
fn rewrap_some(vault: &Vault<'_>, index: Index, from: &[u8], at_once: u64) -> Result<Done> {
    vault.change(|change| {
        let mut done = Done { rewrapped: 0, claims: Vec::new(), next: None };
        let mut entries: Vec<(Entry, bool)> = Vec::new();
        done.next = change.survey(index, from, LEAVES, &mut |entry, is_stale| {
            if entry.key.as_slice() >= from {
                entries.push((entry.clone(), is_stale));
            }
        })?;
        let mut before: Option<CredentialId> = None;
        for (number, (entry, is_stale)) in entries.into_iter().enumerate() {
            if done.rewrapped >= at_once || number == ENTRIES_MAX {
                done.next = Some(entry.key);
                break;
            }
            if is_stale && !Mutation::RewrapForgetsNodes.is_on() {
                // As it is by now: an entry before it can be a version of the same credential, which moved its values.
                if let Some(current) = change.get(index, &entry.key)? {
                    change.insert(index, current)?;
                    done.rewrapped += 1;
                }
            }
            if !matches!(index, Index::Id | Index::Archive | Index::Trash | Index::History) {
                continue;
            }
            done.claims.extend(entry.owned(Kind::Claim));
            let id = Stored::from_entry(&entry)?.id;
            if before.is_none_or(|before| before != id) {
                done.rewrapped += rewrap_credential(vault, change, id)?;
            }
            before = Some(id);
        }
        Ok(done)
    })
}

/// Seals values and TOTP secrets of a credential and all its versions anew, together: they name each other's records. How
/// many.
fn rewrap_credential(vault: &Vault<'_>, transaction: &mut Transaction<'_>, id: CredentialId) -> Result<u64, Fault> {
    let mut all: Vec<(Index, Entry)> = Vec::new();
    for index in [Index::Id, Index::Archive, Index::Trash] {
        all.extend(transaction.get(index, id.as_bytes())?.map(|entry| (index, entry)));
    }
    transaction.walk_prefix(Index::History, id.as_bytes(), &mut |entry| {
        all.push((Index::History, entry.clone()));
        Ok(ControlFlow::Continue(()))
    })?;
    let mut moved: Vec<(RecordRef, RecordRef)> = Vec::new();
    for old in all.iter().filter_map(|(_, entry)| entry.owned(Kind::Body)) {
        let opened = transaction.record(old)?;
        if !opened.is_current() {
            opened.expect(0, 0)?;
            moved.push((old, transaction.add_body(opened.into_head())?));
        }
    }
    let moved_to = |record: Option<RecordRef>| {
        let new = moved.iter().find(|(old, _)| Some(*old) == record);
        new.map(|(_, new)| *new).or(record)
    };
    let mut rewrapped = moved.len() as u64;
    for (index, entry) in &all {
        let stored = Stored::from_entry(entry)?;
        let mut new = Stored { body: moved_to(stored.body), ..stored.clone() };
        if !Mutation::RewrapForgetsVersions.is_on() {
            new.shared_body = moved_to(stored.shared_body);
        }
        let is_moved = (new.body, new.shared_body) != (stored.body, stored.shared_body);
        let is_stale = stored.sealed_totp().is_some_and(|sealed| !vault.sealer.is_current(sealed));
        if is_moved || is_stale {
            // It is bound to the record of the values.
            let totp = stored.totp(vault.sealer)?;
            new.set_totp(vault.sealer, vault.platform.random, totp.as_ref())?;
            transaction.insert(*index, new.entry(&entry.key)?)?;
            rewrapped += u64::from(is_stale);
        }
    }
    Ok(rewrapped)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Principal;
    use crate::actions::{
        Changes, CodeOptions, ListQuery, NewCredential, Report, create, delete, get, list, restore, supply, sweep,
        totp_code, update, verify, versions,
    };
    use crate::catalog::InitOptions;
    use crate::platform::{Clock, Platform, SystemRandom};
    use crate::seal::{Keyring, Project, Purpose, Sealer};
    use crate::secret::SecretString;
    use crate::store::memory::MemoryStore;
    use crate::time::Timestamp;
    use alloc::collections::BTreeMap;
    use alloc::format;
    use alloc::string::ToString;
    use core::cell::Cell;

    const OLD: &str = "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    const NEW: &str = "k2:BAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    const SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

    #[derive(Default)]
    struct Ticking(Cell<u64>);

    impl Clock for Ticking {
        fn now(&self) -> Timestamp {
            self.0.set(self.0.get() + 1);
            Timestamp(1_800_000_000_000 + self.0.get())
        }
    }

    struct World {
        store: MemoryStore,
        clock: Ticking,
        host: Principal,
    }

    impl World {
        /// A vault of all that there can be: several leaves in each index, versions that share values and that don't, what
        /// was deleted and switched off, codes that were claimed, garbage.
        fn new() -> Self {
            let world = Self { store: MemoryStore::default(), clock: Ticking::default(), host: Principal::host() };
            let sealer = sealer(OLD);
            let vault = world.vault(&sealer);
            vault.init(InitOptions { force: false, node_bytes: Some(512) }).unwrap();
            for number in 0..30 {
                let password = SecretString::new(format!("password {number}"));
                let new = NewCredential {
                    name: format!("name {number}"),
                    domain: format!("d{number}.example"),
                    values: Vec::from([("password".to_string(), password)]),
                    totp_secret: (number % 2 == 0).then(|| SecretString::new(SECRET.to_string())),
                    ..NewCredential::default()
                };
                create(&vault, new, None).unwrap();
            }
            let change = |name: &str, changes: Changes| update(&vault, name, &changes).unwrap();
            for number in [2, 4, 6, 10] {
                let described = Changes { description: Some("d".to_string()), ..Changes::default() };
                change(&format!("name {number}"), described);
                let password = Vec::from([("password".to_string(), SecretString::new("changed".to_string()))]);
                change(&format!("name {number}"), Changes { values: Some(password), ..Changes::default() });
                change(&format!("name {number}"), Changes { description: Some("e".to_string()), ..Changes::default() });
            }
            for name in ["name 3", "name 12", "name 18"] {
                let remove_value_keys = Some(Vec::from(["password".to_string()]));
                change(name, Changes { remove_value_keys, ..Changes::default() });
            }
            change("name 8", Changes { archived: Some(true), ..Changes::default() });
            for number in [10, 11, 12] {
                delete(&vault, &format!("name {number}"), None).unwrap();
            }
            totp_code(&vault, "name 4", CodeOptions { min_valid_seconds: 0, exclusive: true }).unwrap();
            world
        }

        fn vault<'a>(&'a self, sealer: &'a Sealer) -> Vault<'a> {
            Vault::new(Platform { store: &self.store, clock: &self.clock, random: &SystemRandom }, sealer, &self.host)
        }

        /// All that the vault shows, values and codes included.
        fn shown(&self, sealer: &Sealer) -> BTreeMap<String, String> {
            let vault = self.vault(sealer);
            let mut shown = BTreeMap::new();
            for (archived, deleted) in [(false, false), (true, false), (false, true)] {
                let query = ListQuery { archived, deleted, limit: Some(100), ..ListQuery::default() };
                for view in list(&vault, &query).unwrap().items {
                    let mut text =
                        format!("{} v{} {} {:?}", view.name, view.version, view.updated_at.0, view.description);
                    if !deleted && !archived {
                        let options = CodeOptions { min_valid_seconds: 0, exclusive: false };
                        let supplied = supply(&vault, &view.id, &format!("https://{}", view.domain), options).unwrap();
                        supplied.values.iter().for_each(|(key, value)| text += &format!(" {key}={}", value.expose()));
                        text += &format!(" {:?}", supplied.totp.map(|code| code.code));
                        let kept = versions(&vault, &view.id).unwrap();
                        kept.iter().for_each(|old| text += &format!(" [{} {:?}]", old.version, old.description));
                    }
                    shown.insert(view.id, text);
                }
            }
            shown
        }

        fn rewrap(&self, sealer: &Sealer) -> u64 {
            let mut next = None;
            loop {
                let step = rewrap(&self.vault(sealer), next.as_deref()).unwrap();
                next = step.next;
                if next.is_none() {
                    return step.rewrapped;
                }
            }
        }

        fn verified(&self, sealer: &Sealer) -> Report {
            let mut next = None;
            loop {
                let step = verify(&self.vault(sealer), next.as_deref()).unwrap();
                next = step.next;
                if next.is_none() {
                    return step.report;
                }
            }
        }

        fn sealed_by(&self, sealer: &Sealer, id: &str) -> u64 {
            self.verified(sealer).keys.0.get(id).copied().unwrap_or_default()
        }
    }

    fn sealer(keys: &str) -> Sealer {
        Sealer::new(Keyring::parse(keys).unwrap(), Project::parse("default").unwrap())
    }

    #[test]
    fn everything_is_sealed_anew_and_shows_the_same() {
        let world = World::new();
        let (old, both, new) = (sealer(OLD), sealer(&format!("{NEW} {OLD}")), sealer(NEW));
        let before = world.shown(&old);
        // The root, the records, and the TOTP secrets in them.
        assert!(world.sealed_by(&old, "k1") > 100);
        assert!(world.rewrap(&both) > 50);
        let keys = world.verified(&both).keys.0;
        assert_eq!(keys.get("k1"), Some(&0), "{keys:?}");
        // Without the old key.
        assert_eq!(world.shown(&new), before);
        assert_eq!(world.rewrap(&both), 0, "and there is nothing left to do");
        // Every version is whole, those that share their values too.
        let vault = world.vault(&new);
        let restored = restore(&vault, "name 4", Some(1), None).unwrap();
        assert_eq!((restored.version, restored.description), (5, None));
        let options = CodeOptions { min_valid_seconds: 0, exclusive: false };
        let supplied = supply(&vault, "name 4", "https://d4.example", options).unwrap();
        let values: Vec<_> = supplied.values.iter().map(|(_, value)| value.expose().to_string()).collect();
        assert_eq!(values, ["password 4"]);
        restore(&vault, "name 2", Some(2), None).unwrap();
        let deleted = list(&vault, &ListQuery { deleted: true, ..ListQuery::default() }).unwrap().items;
        for credential in &deleted {
            restore(&vault, &credential.id, None, None).unwrap();
        }
        assert_eq!(deleted.len(), 3);
        world.verified(&new);
    }

    #[test]
    fn what_is_deleted_meanwhile_keeps_its_versions_wherever_a_leaf_begins() {
        let world = World::new();
        let (old, both, new) = (sealer(OLD), sealer(&format!("{NEW} {OLD}")), sealer(NEW));
        let vault = world.vault(&old);
        let names = [20, 21, 22, 23].map(|number| format!("name {number}"));
        // All versions share one record of values.
        for (name, version) in names.iter().flat_map(|name| (2..=9).map(move |version| (name, version))) {
            let described = Changes { description: Some(format!("of version {version}")), ..Changes::default() };
            update(&vault, name, &described).unwrap();
        }
        // The walk has been at what was deleted, so it meets the versions of these in the history.
        let mut walk = Walk::new();
        while INDEXES[usize::from(walk.at)] == Index::Trash {
            walk.step(&world.vault(&both)).unwrap();
        }
        let ids = names.map(|name| delete(&world.vault(&both), &name, None).unwrap());
        while !walk.step(&world.vault(&both)).unwrap() {}
        let vault = world.vault(&new);
        for id in ids {
            restore(&vault, &id, None, None).unwrap();
            for version in 2..9 {
                let restored = restore(&vault, &id, Some(version), None).unwrap();
                assert_eq!(restored.description, Some(format!("of version {version}")));
            }
        }
    }

    #[test]
    fn a_code_that_was_claimed_stays_claimed() {
        let world = World::new();
        let both = sealer(&format!("{NEW} {OLD}"));
        world.rewrap(&both);
        let new = sealer(NEW);
        let again = totp_code(&world.vault(&new), "name 4", CodeOptions { min_valid_seconds: 0, exclusive: true });
        assert_eq!(again.err().map(|error| error.code()), Some(Code::CodeTaken));
    }

    #[test]
    fn writers_between_the_steps_lose_nothing_and_what_they_move_is_met() {
        let world = World::new();
        let (old, both, new) = (sealer(&format!("{OLD} {NEW}")), sealer(&format!("{NEW} {OLD}")), sealer(NEW));
        let mut next = None;
        let mut step = 0;
        loop {
            next = rewrap(&world.vault(&both), next.as_deref()).unwrap().next;
            if next.is_none() {
                break;
            }
            // By the old key, as instances do that were not told yet.
            let by = if step < 4 { &old } else { &both };
            let vault = world.vault(by);
            match step % 3 {
                0 => drop(delete(&vault, &format!("name {}", 20 + step), None)),
                1 => {
                    let archived = Some(step % 2 == 0);
                    drop(update(&vault, "name 14", &Changes { archived, ..Changes::default() }));
                }
                _ => {
                    let description = Some(format!("{step}"));
                    drop(update(&vault, "name 5", &Changes { description, ..Changes::default() }));
                }
            }
            step += 1;
        }
        assert!(step > 6, "{step} steps");
        sweep_all(&world, &both);
        assert_eq!(world.sealed_by(&both, "k1"), 0);
        assert!(get(&world.vault(&new), "name 5").unwrap().version > 1);
    }

    #[test]
    fn a_key_that_only_garbage_needs_is_counted() {
        let world = World::new();
        let both = sealer(&format!("{NEW} {OLD}"));
        world.rewrap(&both);
        // As a writer leaves it that died before its commit.
        let left = sealer(OLD).seal(&SystemRandom, Purpose::Body, &[b"place"], b"left").unwrap();
        let of_bodies =
            world.store.entries.borrow().keys().find_map(|key| key.rsplit_once(".b.").map(|(tag, _)| tag.to_string()));
        let key = format!("{}.b.aaaaaaaaaaaaaaaaaaaaaaaaaa", of_bodies.unwrap());
        world.store.entries.borrow_mut().insert(key, left);
        let report = world.verified(&both);
        assert_eq!((report.orphans, report.keys.0.get("k1")), (1, Some(&1)));
        world.rewrap(&both);
        assert_eq!(world.sealed_by(&both, "k1"), 1, "that is sweep's");
        sweep_all(&world, &both);
        assert_eq!(world.sealed_by(&both, "k1"), 0);
    }

    fn sweep_all(world: &World, sealer: &Sealer) {
        let mut next = None;
        loop {
            next = sweep(&world.vault(sealer), next.as_deref()).unwrap().next;
            if next.is_none() {
                return;
            }
        }
    }
}
