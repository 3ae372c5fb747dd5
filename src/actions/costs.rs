//! What each action reads, writes and decrypts, beside what the same action cost in format 1, which was never released.
//! `cargo test --release --lib costs -- --nocapture` prints the table.

use super::{
    Changes, CodeOptions, CredentialView, ListQuery, NewCredential, Vault, create, delete, get, list, load, supply,
    totp_code, update,
};
use crate::access::Principal;
use crate::catalog::Index;
use crate::platform::{Clock, Platform, SystemRandom};
use crate::seal::{Keyring, Project, Sealer, decrypted};
use crate::secret::SecretString;
use crate::store::StoreError;
use crate::store::memory::MemoryStore;
use crate::store::watched::{Operation, Watch, Watched};
use crate::time::Timestamp;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::Cell;
use std::println;

/// How often each action is measured, each time on another credential.
const ROUNDS: u64 = 48;
/// By how much means differ because leaves end elsewhere, and pages span two of them more often or less.
const LEAF_ENDS: f64 = 0.2;
/// Changes before anything is measured, so that the root is as full as it gets.
const CHANGES_BEFORE: u64 = 300;

/// Means over all rounds. Reads: `get` and `current`; writes: `set` and `swap`.
#[derive(Clone, Copy, Debug)]
struct Cost {
    reads: f64,
    writes: f64,
    bytes_read: u64,
    bytes_decrypted: u64,
}

const fn cost(reads: f64, writes: f64, bytes_read: u64, bytes_decrypted: u64) -> Cost {
    Cost { reads, writes, bytes_read, bytes_decrypted }
}

/// What this file measured with the actions of that time: credentials, action, cost.
const IN_FORMAT_1: [(u64, &str, Cost); 26] = [
    (1_000, "get by id", cost(2.0, 0.0, 10_917, 10_765)),
    (1_000, "get by name", cost(3.0, 0.0, 15_851, 15_623)),
    (1_000, "code by id", cost(2.0, 0.0, 10_917, 10_861)),
    (1_000, "code by name", cost(3.0, 0.0, 15_830, 15_698)),
    (1_000, "supply by name", cost(4.0, 0.0, 16_183, 15_903)),
    (1_000, "page of 20", cost(2.5, 0.0, 14_333, 14_144)),
    (1_000, "page of a domain", cost(3.5, 0.0, 20_758, 20_490)),
    (1_000, "search without matches", cost(29.0, 0.0, 201_991, 199_787)),
    (1_000, "exclusive code", cost(5.0, 1.0, 16_042, 15_758)),
    (1_000, "update of a value", cost(5.0, 3.0, 20_001, 19_645)),
    (1_000, "create", cost(5.0, 5.0, 24_700, 24_320)),
    (1_000, "rename", cost(5.0, 4.0, 24_105, 23_725)),
    (1_000, "delete", cost(5.0, 4.0, 25_117, 24_735)),
    (100_000, "get by id", cost(3.0, 0.0, 17_800, 17_572)),
    (100_000, "get by name", cost(5.0, 0.0, 28_379, 27_999)),
    (100_000, "code by id", cost(3.0, 0.0, 17_805, 17_673)),
    (100_000, "code by name", cost(5.0, 0.0, 28_456, 28_172)),
    (100_000, "supply by name", cost(6.0, 0.0, 28_711, 28_285)),
    (100_000, "page of 20", cost(3.6, 0.0, 21_793, 21_523)),
    (100_000, "page of a domain", cost(5.5, 0.0, 31_155, 30_736)),
    (100_000, "search without matches", cost(2863.0, 0.0, 20_275_028, 20_057_440)),
    (100_000, "exclusive code", cost(7.0, 1.0, 28_668, 28_232)),
    (100_000, "update of a value", cost(7.0, 4.0, 32_206, 31_704)),
    (100_000, "create", cost(8.0, 8.0, 36_809, 36_201)),
    (100_000, "rename", cost(7.6, 6.6, 37_852, 37_273)),
    (100_000, "delete", cost(8.0, 7.0, 41_458, 40_846)),
];

/// Levels of indexes below their tops.
#[derive(Debug)]
struct Levels {
    history: u32,
    trash: u32,
    audit: u32,
}

/// Counts what is read and written.
#[derive(Default)]
struct Counting {
    reads: Cell<u64>,
    writes: Cell<u64>,
    bytes_read: Cell<u64>,
}

impl Watch for Counting {
    fn after(&self, operation: Operation, _: &str, value: Option<usize>) -> Result<(), StoreError> {
        match operation {
            Operation::Get | Operation::Current => {
                self.reads.set(self.reads.get() + 1);
                self.bytes_read.set(self.bytes_read.get() + value.unwrap_or(0) as u64);
            }
            Operation::Set | Operation::Swap => self.writes.set(self.writes.get() + 1),
            _ => {}
        }
        Ok(())
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

/// What was measured in a vault of so many credentials, and how many levels the indexes have by then that changes write
/// beside those of format 1, their tops not counted.
fn measure(size: u64) -> (Vec<(&'static str, Cost)>, Levels) {
    let memory = MemoryStore::default();
    let (store, clock) =
        (Watched { store: &memory, watch: Counting::default() }, Ticking(Cell::new(1_795_343_400_000)));
    let keyring = Keyring::parse("k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8").unwrap();
    let sealer = Sealer::new(keyring, Project::parse("p").unwrap());
    let principal = Principal::host();
    let vault = &Vault::new(Platform { store: &store, clock: &clock, random: &SystemRandom }, &sealer, &principal);
    load(vault, (0..size).map(sample).collect()).unwrap();
    for n in 0..CHANGES_BEFORE {
        update(vault, &sample(n * 7 % size).name, &values(n)).unwrap();
    }
    let counted = &store.watch;
    let any = |round: u64| (round * 7919 + 1) % size;
    let with_totp = |round: u64| any(round) / 3 * 3;
    let mut costs = Vec::new();
    let mut add = |what, rounds: u64, action: &mut dyn FnMut(u64, &mut dyn FnMut())| {
        let (mut reads, mut writes, mut bytes_read, mut bytes_decrypted) = (0, 0, 0, 0);
        for round in 0..rounds {
            // What comes before the call of `begin` is not measured.
            let begin = &mut || {
                for count in [&counted.reads, &counted.writes, &counted.bytes_read] {
                    count.set(0);
                }
                decrypted::take();
            };
            action(round, begin);
            bytes_decrypted += decrypted::take();
            reads += counted.reads.get();
            writes += counted.writes.get();
            bytes_read += counted.bytes_read.get();
        }
        let mean = |count: u64| (10.0 * count as f64 / rounds as f64).round() / 10.0;
        costs.push((what, cost(mean(reads), mean(writes), bytes_read / rounds, bytes_decrypted / rounds)));
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
    let levels = |index| vault.catalog.read(|snapshot| snapshot.depth(index)).unwrap() - 1;
    let levels = Levels { history: levels(Index::History), trash: levels(Index::Trash), audit: levels(Index::Audit) };
    (costs, levels)
}

#[test]
fn reads_take_as_many_operations_as_in_format_1_and_changes_those_of_what_they_keep() {
    println!("| credentials | action | reads | writes | bytes read | bytes decrypted |");
    println!("|---|---|---|---|---|---|");
    for size in [1_000, 100_000] {
        let (measured, levels) = measure(size);
        for (what, now) in measured {
            let is_it = |row: &&(u64, &str, Cost)| row.0 == size && row.1 == what;
            let then = IN_FORMAT_1.iter().find(is_it).unwrap().2;
            let pair = |then: f64, now: f64| if then == now { format!("{now}") } else { format!("{then} → {now}") };
            println!(
                "| {size} | {what} | {} | {} | {} → {} | {} → {} |",
                pair(then.reads, now.reads),
                pair(then.writes, now.writes),
                then.bytes_read,
                now.bytes_read,
                then.bytes_decrypted,
                now.bytes_decrypted,
            );
            // An index more, and what keeps an audit of three levels short looks at its beginning.
            let more = match what {
                "update of a value" | "rename" => levels.history + levels.audit,
                "create" => levels.audit,
                "delete" => levels.trash + levels.audit,
                _ => 0,
            };
            let beginning = if more > 0 { levels.audit - 1 } else { 0 };
            let reads_max = then.reads + f64::from(more + beginning) + LEAF_ENDS;
            assert!(now.reads <= reads_max, "{size}, {what}: {now:?}, {levels:?}");
            // Now and then a node of theirs splits.
            let splits = if more > 0 { 1.0 } else { 0.0 };
            assert!(now.writes <= then.writes + f64::from(more) + splits, "{size}, {what}: {now:?}, {levels:?}");
            if size == 1_000 && what.starts_with("code") {
                assert!(now.bytes_decrypted <= then.bytes_decrypted / 2, "{what}: {now:?}");
            }
            if size == 100_000 && what == "search without matches" {
                assert!(now.bytes_read <= then.bytes_read / 4, "{what}: {now:?}");
            }
        }
    }
}
