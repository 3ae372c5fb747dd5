//! What each call costs in operations of the store, held against the formulas of ARCHITECTURE.md, in vaults of ten to
//! a hundred thousand credentials; and how much memory a page of a list takes in the largest of them.
//!
//! `i`, `n` and `d` are the depths of the indexes by id, name and domain; an index of depth 1 lies in the root record.
//! A commit reads the root by `current`, twice: to build on it, and to see what became of the swap.

use std::cell::Cell;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Instant;
use strongroom_host_tests::credentials::{Changes, ListQuery};
use strongroom_host_tests::types::CodeOptions;
use strongroom_host_tests::{
    Counts, Kind, MemoryStore, NOW, Native, SAMPLE_DOMAIN, Shape, Vault, World, everything, no_changes, sample,
};

const SIZES: [u64; 5] = [10, 100, 1_000, 10_000, 100_000];
/// How often each call is made, each time on other credentials.
const ROUNDS: u64 = 20;
const LIMIT: u64 = 20;
/// Linear memory that a page of 100 may take, whatever the size of the vault.
const LIST_MEMORY_MAX_BYTES: usize = 1 << 20;
/// The same for a search for what nearly all have, whose page lies far back: it goes through the names in their order, and
/// keeps the 50,000 ids that come before its page in the order of their creation.
const DEEP_SEARCH_MEMORY_MAX_BYTES: usize = 2 << 20;

/// Linear memory that a step of a walk over the whole store may take, whatever its size.
const WALK_MEMORY_MAX_BYTES: usize = 16 << 20;

/// What one kind of call cost, over all rounds.
#[derive(Default)]
struct Cost {
    counts: Vec<Counts>,
}

impl Cost {
    fn range(&self, of: impl Fn(&Counts) -> u64) -> RangeInclusive<u64> {
        let all = || self.counts.iter().map(&of);
        all().min().unwrap()..=all().max().unwrap()
    }

    fn mean(&self, of: impl Fn(&Counts) -> u64) -> u64 {
        self.counts.iter().map(of).sum::<u64>() / self.counts.len() as u64
    }

    /// Reads and writes as a cell of the table: how many, or from how few to how many.
    fn cell(&self) -> String {
        let text = |range: RangeInclusive<u64>| match range.into_inner() {
            (low, high) if low == high => low.to_string(),
            (low, high) => format!("{low}-{high}"),
        };
        match self.range(Counts::writes) {
            writes if *writes.end() == 0 => text(self.range(Counts::reads)),
            writes => format!("{} + {}", text(self.range(Counts::reads)), text(writes)),
        }
    }
}

/// A vault of samples, with the garbage of some commits.
struct Scene {
    vault: Vault,
    size: u64,
    next: Cell<u64>,
}

impl Scene {
    fn new(size: u64) -> Self {
        let store = Arc::new(MemoryStore::new());
        let native = Native::new(&*store, "default");
        native.init(None).unwrap();
        native.load(0..size).unwrap();
        let scene = Self { vault: Vault::on(World::Vault, store.clone()), size, next: Cell::new(1) };
        for pin in 0..12 {
            let values = Some(vec![("pin".into(), pin.to_string())]);
            scene.vault.update(&scene.any().name, &Changes { values, ..no_changes() }).unwrap();
        }
        scene
    }

    fn shape(&self) -> Shape {
        Native::new(&*self.vault.store, "default").shape().unwrap()
    }

    /// What the audit adds to the nodes that a change reads or writes: the way to its end, and, where it is deep, a look
    /// at its beginning.
    fn recorded(&self, before: Shape) -> RangeInclusive<u64> {
        let after = self.shape();
        let splits = after.audit;
        before.audit - 1..=after.audit - 1 + u64::from(after.audit > 2) + splits
    }

    /// What history and audit add to it.
    fn kept(&self, before: Shape) -> RangeInclusive<u64> {
        let (recorded, after) = (self.recorded(before), self.shape());
        recorded.start() + before.history - 1..=recorded.end() + 2 * after.history - 1
    }

    /// Another credential with every call, from all over the vault.
    fn any(&self) -> strongroom_host_tests::credentials::NewCredential {
        sample(self.any_number())
    }

    fn any_number(&self) -> u64 {
        self.next.set(self.next.get().wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
        (self.next.get() >> 33) % self.size
    }

    /// Another credential with a TOTP secret.
    fn any_with_totp(&self) -> strongroom_host_tests::credentials::NewCredential {
        sample(self.any_number() / 3 * 3)
    }

    /// What a call costs, over several rounds. Other calls may be made before it in each of them.
    fn cost<T>(&self, mut round: impl FnMut(u64) -> T, mut call: impl FnMut(T)) -> Cost {
        let mut cost = Cost::default();
        for at in 0..ROUNDS {
            let prepared = round(at);
            self.vault.store.reset();
            call(prepared);
            let counts = self.vault.store.counts();
            // What no action ever does. (`batch` is not even imported: imports.rs.)
            for kind in [Kind::ListKeys, Kind::Exists, Kind::Increment] {
                assert_eq!(counts.of(kind), 0, "{kind:?}");
            }
            cost.counts.push(counts);
        }
        cost
    }

    fn list(&self, domain: Option<&str>, query: Option<&str>, limit: u64, offset: u64) -> usize {
        let query = ListQuery {
            domain: domain.map(Into::into),
            query: query.map(Into::into),
            limit: Some(limit as u32),
            offset: Some(offset as u32),
            ..everything()
        };
        self.vault.list(query).unwrap().items.len()
    }
}

fn plus(range: RangeInclusive<u64>, more: &RangeInclusive<u64>) -> RangeInclusive<u64> {
    range.start() + more.start()..=range.end() + more.end()
}

/// Reads without any write.
fn assert_reads(cost: &Cost, expected: RangeInclusive<u64>, what: &str) {
    for counts in &cost.counts {
        assert!(expected.contains(&counts.reads()), "{what}: {counts:?}, expected {expected:?} reads");
        assert_eq!(counts.reads(), counts.total(), "{what}: {counts:?}");
    }
}

/// A commit: gets and sets within bounds, the root read and swapped and read back, `claims` claim records swapped in
/// with a look before and after, and at most twice as much garbage deleted as was added.
fn assert_commit(
    cost: &Cost,
    gets: RangeInclusive<u64>,
    sets: RangeInclusive<u64>,
    claims: u64,
    added_max: u64,
    what: &str,
) {
    for counts in &cost.counts {
        assert!(gets.contains(&counts.of(Kind::Get)), "{what}: {counts:?}, expected {gets:?} gets");
        assert!(sets.contains(&counts.of(Kind::Set)), "{what}: {counts:?}, expected {sets:?} sets");
        assert_eq!(counts.of(Kind::Current), 2 + 2 * claims, "{what}: {counts:?}");
        assert_eq!(counts.of(Kind::Swap), 1 + claims, "{what}: {counts:?}");
        assert!(counts.of(Kind::Delete) <= 2 * added_max, "{what}: {counts:?}, at most {added_max} added");
    }
}

#[test]
fn calls_cost_what_the_formulas_say() {
    println!(
        "| credentials | depth (id, name, domain) | get by id | get by name | code | supply | page | domain page | \
              search | exclusive code | create | with TOTP | update | rename | delete | deleted per create | \
              bytes written per create | bytes stored per credential |"
    );
    println!("|---{}", "|---".repeat(17) + "|");
    for size in SIZES {
        let start = Instant::now();
        let scene = Scene::new(size);
        let loaded = start.elapsed();
        let row = measure(&scene);
        println!("{row}");
        eprintln!("{size}: loaded in {loaded:.1?}, measured in {:.1?}", start.elapsed() - loaded);
        if size == SIZES[SIZES.len() - 1] {
            list_memory(&scene);
        }
    }
}

fn measure(scene: &Scene) -> String {
    let vault = &scene.vault;
    let shape = scene.shape();
    let (i, n, d) = (shape.id, shape.name, shape.domain);
    let id_of = |name: &str| vault.get(name).unwrap().id;

    let by_id = scene.cost(|_| id_of(&scene.any().name), |id| drop(vault.get(&id).unwrap()));
    assert_reads(&by_id, i..=i, "get by id");
    let by_name = scene.cost(|_| scene.any().name, |name| drop(vault.get(&name).unwrap()));
    assert_reads(&by_name, n + i - 1..=n + i - 1, "get by name");
    let code = scene.cost(|_| id_of(&scene.any_with_totp().name), |id| drop(vault.totp_code(&id, None).unwrap()));
    assert_reads(&code, i..=i, "code by id");
    let code_by_name = scene.cost(|_| scene.any_with_totp().name, |name| drop(vault.totp_code(&name, None).unwrap()));
    assert_reads(&code_by_name, n + i - 1..=n + i - 1, "code by name");
    let supply = scene.cost(
        |_| {
            let new = scene.any();
            (id_of(&new.name), format!("https://{}", new.domain))
        },
        |(id, origin)| drop(vault.supply(&id, &origin, None).unwrap()),
    );
    assert_reads(&supply, i + 1..=i + 1, "supply by id");

    // A page lies in two neighbouring leaves at most. That they have different parents is rare.
    let page = scene.cost(|_| scene.any_number(), |offset| assert!(scene.list(None, None, LIMIT, offset) > 0));
    assert_reads(&page, i..=2 * i - 1, "page");
    let over = page.counts.iter().filter(|counts| counts.reads() > i + 1).count();
    assert!(over <= 2, "page: more than d + 1 reads in {over} of {ROUNDS}");
    let in_domain = scene.size / 10;
    let domain_page = scene.cost(
        |_| scene.any_number() % in_domain,
        |offset| assert!(scene.list(Some(SAMPLE_DOMAIN), None, LIMIT, offset) > 0),
    );
    assert_reads(&domain_page, 1..=2 * d - 1 + LIMIT * (i - 1), "domain page");
    vault.store.reset();
    assert_eq!(scene.list(None, Some("no such text"), LIMIT, 0), 0);
    // The root and the index by id, from end to end.
    let search = Cost { counts: vec![vault.store.counts()] };

    let exclusive = scene.cost(
        |round| {
            vault.clock.set(NOW + 30_000 * round);
            id_of(&scene.any_with_totp().name)
        },
        |id| {
            let options = CodeOptions { min_valid_seconds: 0, exclusive: true };
            drop(vault.totp_code(&id, Some(options)).unwrap());
        },
    );
    for counts in &exclusive.counts {
        let kinds = [Kind::Get, Kind::Current, Kind::Swap].map(|kind| counts.of(kind));
        assert_eq!((kinds, counts.total()), ([i, 2, 1], i + 3), "exclusive code");
    }

    let update = scene.cost(
        |round| (id_of(&scene.any().name), round),
        |(id, round)| {
            let values = Some(vec![("pin".into(), format!("again {round}"))]);
            drop(vault.update(&id, &Changes { values, ..no_changes() }).unwrap());
        },
    );
    // The leaf may outgrow its node; and what was replaced is kept.
    let kept = scene.kept(shape);
    assert_commit(&update, plus(i..=i, &kept), plus(i..=2 * i, &kept), 0, i + kept.end(), "update of values by id");
    let totp = scene.cost(
        |round| (id_of(&scene.any().name), round),
        |(id, round)| {
            // Other time steps need another claim record.
            let (totp_secret, totp_period) = (Some("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ".into()), Some(40 + round as u16));
            drop(vault.update(&id, &Changes { totp_secret, totp_period, ..no_changes() }).unwrap());
        },
    );
    let kept = scene.kept(shape);
    let sets = plus(i - 1..=2 * i - 1, &kept);
    assert_commit(&totp, plus(i - 1..=i - 1, &kept), sets, 1, i + kept.end(), "update of the TOTP secret by id");
    let ids: Vec<_> = (0..ROUNDS.min(scene.size)).map(|number| id_of(&sample(number).name)).collect();
    let rename = scene.cost(
        |round| (ids[round as usize % ids.len()].clone(), format!("renamed {round}")),
        |(id, name)| drop(vault.update(&id, &Changes { name: Some(name), ..no_changes() }).unwrap()),
    );
    // The old name's place and the new one's, and a sibling on each level where a node gets too small.
    let paths = (i - 1) + 2 * (n - 1);
    let kept = scene.kept(shape);
    let (gets, sets) = (plus(i - 1..=paths + n - 1, &kept), plus(i - 1..=2 * paths + 2, &kept));
    assert_commit(&rename, gets, sets, 0, paths + n - 1 + kept.end(), "update of the name by id");

    // From here on the vault grows and shrinks.
    let create = scene.cost(
        |round| sample(scene.size + 2 * round + 1),
        |mut new| {
            new.totp_secret = None;
            drop(vault.create(&new).unwrap());
        },
    );
    let with_totp = scene.cost(
        |round| sample(scene.size + 2 * round),
        |mut new| {
            new.totp_secret = Some("JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP".into());
            drop(vault.create(&new).unwrap());
        },
    );
    let grown = scene.shape();
    let above = |shape: Shape| shape.id + shape.name + shape.domain - 3;
    let depth_max = grown.id.max(grown.name).max(grown.domain);
    for (cost, claims, what) in [(&create, 0, "create"), (&with_totp, 1, "create with TOTP secret")] {
        // Writes: 3 (d - 1) + 2 without a split, 6 (d - 1) + 3 at most; the swap of the root is one of them.
        let recorded = scene.recorded(shape);
        let sets = plus(above(shape) + 1..=6 * (depth_max - 1) + 2, &recorded);
        let gets = plus(above(shape)..=above(grown), &recorded);
        assert_commit(cost, gets, sets, claims, above(grown) + recorded.end(), what);
    }
    let delete =
        scene.cost(|round| id_of(&sample(scene.size + round).name), |id| drop(vault.delete(&id, None).unwrap()));
    let siblings = above(grown);
    let recorded = scene.recorded(shape);
    // The trash is one more index.
    let most = above(grown) + siblings + scene.shape().trash + recorded.end();
    assert_commit(&delete, 0..=most, 0..=most, 0, most, "delete by id");

    let stored: usize = vault.store.entries("default").values().map(Vec::len).sum();
    let report = vault.verify().unwrap();
    assert_eq!((report.credentials, report.orphans), (scene.size + ROUNDS, 0));
    let cells = [&by_id, &by_name, &code, &supply, &page, &domain_page, &search, &exclusive, &create, &with_totp];
    let cells: Vec<String> = cells.into_iter().chain([&update, &rename, &delete]).map(Cost::cell).collect();
    format!(
        "| {} | {i}, {n}, {d} | {} | {} | {} | {} |",
        scene.size,
        cells.join(" | "),
        create.mean(|counts| counts.of(Kind::Delete)),
        create.mean(|counts| counts.bytes_written),
        stored as u64 / report.credentials,
    )
}

/// A page takes no more memory in a large vault than in a small one: only the nodes on the way are held. A search goes
/// through everything, one node after the other.
fn list_memory(scene: &Scene) {
    let most = scene.size as u32 / 2;
    for (what, domain, text, limit, offset) in [
        ("page of 20", None, None, 20, most),
        ("page of 100", None, None, 100, most),
        ("domain page of 100", Some(SAMPLE_DOMAIN), None, 100, most / 10),
        ("search that finds nothing", None, Some("no such text"), 100, 0),
        ("search that finds everything", None, Some("e"), 100, most),
    ] {
        let query = ListQuery {
            domain: domain.map(Into::into),
            query: text.map(Into::into),
            limit: Some(limit),
            offset: Some(offset),
            ..everything()
        };
        let start = Instant::now();
        let bytes = scene.vault.call(async |i| {
            i.exports.strongroom_vault_credentials().call_list(i.store.call(), &query).await.unwrap().unwrap();
            i.store.memory_bytes()
        });
        println!("{what} of {}: {} KiB of linear memory, {:.1?}", scene.size, bytes >> 10, start.elapsed());
        let is_deep_search = text.is_some() && offset > 0;
        let most = if is_deep_search { DEEP_SEARCH_MEMORY_MAX_BYTES } else { LIST_MEMORY_MAX_BYTES };
        assert!(bytes <= most, "{what}: {bytes}");
    }
    let start = Instant::now();
    let (mut bytes, mut next, mut steps) = (0, None, 0);
    loop {
        let (used, step) = scene.vault.call(async |i| {
            i.allow_maintenance();
            let verify = i.exports.strongroom_vault_maintenance().call_verify(i.store.call(), next.as_deref());
            let step = verify.await.unwrap().unwrap();
            (i.store.memory_bytes(), step)
        });
        (bytes, steps, next) = (bytes.max(used), steps + 1, step.next);
        if next.is_none() {
            break;
        }
    }
    assert!(bytes <= WALK_MEMORY_MAX_BYTES, "verify: {bytes}");
    println!("verify of {}: {steps} steps, {} KiB of linear memory, {:.1?}", scene.size, bytes >> 10, start.elapsed());
}
