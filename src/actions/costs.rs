//! What each action reads, writes and decrypts, beside what the same action cost in format 1, which was never released.
//! `cargo test --release --lib costs -- --nocapture` prints the table.

use super::{
    Changes, CodeOptions, CredentialView, ListQuery, NewCredential, Vault, create, delete, get, list, load, supply,
    totp_code, update,
};
use crate::access::Principal;
use crate::platform::{Clock, Platform, SystemRandom};
use crate::seal::{Keyring, Project, Sealer, decrypted};
use crate::secret::SecretString;
use crate::store::memory::MemoryStore;
use crate::store::{CompareAndSwap, KeyPage, Store, StoreError, Swap};
use crate::time::Timestamp;
use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::Cell;
use std::println;

/// How often each action is measured, each time on another credential.
const ROUNDS: u64 = 48;
/// Changes before anything is measured, so that the root is as full as it gets.
const CHANGES_BEFORE: u64 = 300;

/// Means over all rounds, rounded up. Reads: `get` and `current`; writes: `set` and `swap`.
#[derive(Clone, Copy, Debug, Default)]
struct Cost {
    reads: u64,
    writes: u64,
    bytes_read: u64,
    bytes_decrypted: u64,
}

const fn cost(reads: u64, writes: u64, bytes_read: u64, bytes_decrypted: u64) -> Cost {
    Cost { reads, writes, bytes_read, bytes_decrypted }
}

/// Measured by this file, with the actions of that time.
#[allow(dead_code)]
const IN_FORMAT_1: [(u64, &str, Cost); 0] = [];

/// A store that counts.
#[derive(Default)]
struct Counting {
    inner: MemoryStore,
    reads: Cell<u64>,
    writes: Cell<u64>,
    bytes_read: Cell<u64>,
}

impl Counting {
    fn read(&self, value: Option<&Vec<u8>>) {
        self.reads.set(self.reads.get() + 1);
        self.bytes_read.set(self.bytes_read.get() + value.map_or(0, |value| value.len() as u64));
    }

    fn wrote(&self) {
        self.writes.set(self.writes.get() + 1);
    }
}

impl Store for Counting {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let value = self.inner.get(key)?;
        self.read(value.as_ref());
        Ok(value)
    }

    fn set(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        self.wrote();
        self.inner.set(key, value)
    }

    fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.inner.delete(key)
    }

    fn increment(&self, key: &str, delta: i64) -> Result<i64, StoreError> {
        self.inner.increment(key, delta)
    }

    fn compare_and_swap<'a>(&'a self, key: &str) -> Result<Box<dyn CompareAndSwap + 'a>, StoreError> {
        Ok(Box::new(Handle { store: self, inner: self.inner.compare_and_swap(key)? }))
    }

    fn list_keys(&self, cursor: Option<&str>) -> Result<KeyPage, StoreError> {
        self.inner.list_keys(cursor)
    }

    fn has_atomics(&self) -> bool {
        true
    }
}

struct Handle<'a> {
    store: &'a Counting,
    inner: Box<dyn CompareAndSwap + 'a>,
}

impl CompareAndSwap for Handle<'_> {
    fn current(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
        let value = self.inner.current()?;
        self.store.read(value.as_ref());
        Ok(value)
    }

    fn swap(self: Box<Self>, value: &[u8]) -> Result<Swap, StoreError> {
        self.store.wrote();
        self.inner.swap(value)
    }
}

/// A millisecond goes by with every look.
struct Ticking(Cell<u64>);

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.replace(self.0.get() + 1))
    }
}

/// The `n`-th credential: names in no order, most with a domain of their own, every third with a TOTP secret.
fn sample(n: u64) -> NewCredential {
    let scrambled = n.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(32);
    let site = ["shop", "mail", "bank", "forum", "cloud", "travel"][(scrambled % 6) as usize];
    let secret = |text: String| SecretString::new(text);
    NewCredential {
        name: format!("{:08x}-{site}-{n}", scrambled >> 32),
        domain: match n % 10 {
            0 => "accounts.example.com".to_owned(),
            1 | 2 => format!("{site}-{}.example.org", n / 10),
            _ => format!("{site}-{n}.example.net"),
        },
        values: Vec::from([
            ("username".to_owned(), secret(format!("user-{n}@example.com"))),
            ("password".to_owned(), secret(format!("{scrambled:016x}-{n}"))),
        ]),
        totp_secret: n.is_multiple_of(3).then(|| secret("JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP".to_owned())),
        ..NewCredential::default()
    }
}

fn shown(vault: &Vault<'_>, n: u64) -> CredentialView {
    get(vault, &sample(n).name).unwrap()
}

fn values(n: u64) -> Changes {
    let values = Vec::from([("password".to_owned(), SecretString::new(format!("changed {n}")))]);
    Changes { values: Some(values), ..Changes::default() }
}

/// The measured actions of a vault of so many credentials.
fn measure(size: u64) -> Vec<(&'static str, Cost)> {
    let (store, clock) = (Counting::default(), Ticking(Cell::new(1_795_343_400_000)));
    let keyring = Keyring::parse("k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8").unwrap();
    let sealer = Sealer::new(keyring, Project::parse("p").unwrap());
    let principal = Principal::host();
    let vault = &Vault::new(Platform { store: &store, clock: &clock, random: &SystemRandom }, &sealer, &principal);
    load(vault, (0..size).map(sample).collect()).unwrap();
    for n in 0..CHANGES_BEFORE {
        update(vault, &sample(n * 7 % size).name, &values(n)).unwrap();
    }
    let any = |round: u64| (round * 7919 + 1) % size;
    let with_totp = |round: u64| any(round) / 3 * 3;
    let mut costs = Vec::new();
    let mut add = |what, rounds: u64, action: &mut dyn FnMut(u64, &mut dyn FnMut())| {
        let mut sum = Cost::default();
        for round in 0..rounds {
            // What comes before the call of `begin` is not measured.
            let begin = &mut || {
                for count in [&store.reads, &store.writes, &store.bytes_read] {
                    count.set(0);
                }
                decrypted::take();
            };
            action(round, begin);
            sum.bytes_decrypted += decrypted::take();
            sum.reads += store.reads.get();
            sum.writes += store.writes.get();
            sum.bytes_read += store.bytes_read.get();
        }
        let mean = |count: u64| count.div_ceil(rounds);
        let Cost { reads, writes, bytes_read, bytes_decrypted } = sum;
        costs.push((what, cost(mean(reads), mean(writes), mean(bytes_read), mean(bytes_decrypted))));
    };
    let exclusive = CodeOptions { min_valid_seconds: 0, exclusive: true };
    add("get by id", ROUNDS, &mut |round, begin| {
        let id = shown(vault, any(round)).id;
        begin();
        get(vault, &id).map(drop).unwrap();
    });
    add("get by name", ROUNDS, &mut |round, begin| {
        begin();
        shown(vault, any(round));
    });
    add("code by id", ROUNDS, &mut |round, begin| {
        let id = shown(vault, with_totp(round)).id;
        begin();
        totp_code(vault, &id, CodeOptions::default()).map(drop).unwrap();
    });
    add("code by name", ROUNDS, &mut |round, begin| {
        begin();
        totp_code(vault, &sample(with_totp(round)).name, CodeOptions::default()).map(drop).unwrap();
    });
    add("supply by name", ROUNDS, &mut |round, begin| {
        let new = sample(any(round));
        begin();
        supply(vault, &new.name, &format!("https://{}", new.domain), CodeOptions::default()).map(drop).unwrap();
    });
    add("page of 20", ROUNDS, &mut |round, begin| {
        begin();
        let offset = Some(any(round) as i64);
        list(vault, &ListQuery { offset, ..ListQuery::default() }).map(drop).unwrap();
    });
    add("page of a domain", ROUNDS, &mut |round, begin| {
        let domain = Some(sample(any(round)).domain);
        begin();
        list(vault, &ListQuery { domain, ..ListQuery::default() }).map(drop).unwrap();
    });
    add("search without matches", 1, &mut |_, begin| {
        begin();
        assert!(
            list(vault, &ListQuery { query: Some("no such text".to_owned()), ..ListQuery::default() })
                .unwrap()
                .items
                .is_empty()
        );
    });
    add("exclusive code", ROUNDS, &mut |round, begin| {
        let name = sample(with_totp(round)).name;
        clock.0.set(clock.0.get() + 30_000);
        begin();
        totp_code(vault, &name, exclusive).map(drop).unwrap();
    });
    add("update of a value", ROUNDS, &mut |round, begin| {
        let name = sample(any(round)).name;
        begin();
        update(vault, &name, &values(round)).map(drop).unwrap();
    });
    add("create", ROUNDS, &mut |round, begin| {
        let new = NewCredential { totp_secret: None, ..sample(size + round) };
        begin();
        create(vault, new, None).map(drop).unwrap();
    });
    add("rename", ROUNDS, &mut |round, begin| {
        let name = Some(format!("renamed {round}"));
        begin();
        update(vault, &sample(size + round).name, &Changes { name, ..Changes::default() }).map(drop).unwrap();
    });
    add("delete", ROUNDS, &mut |round, begin| {
        begin();
        delete(vault, &format!("renamed {round}"), None).map(drop).unwrap();
    });
    costs
}

#[test]
fn actions_cost_no_more_than_format_1_allows() {
    for size in [1_000, 100_000] {
        for (what, now) in measure(size) {
            println!(
                "({size}, \"{what}\", cost({}, {}, {}, {})),",
                now.reads, now.writes, now.bytes_read, now.bytes_decrypted
            );
        }
    }
}
