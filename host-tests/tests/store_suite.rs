//! What every store promises, by one suite for all: SQLite, PostgreSQL and etcd, the last two from Debian's packages.

use std::collections::BTreeSet;
use std::future::Future;
use std::io::BufRead;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use strongroom_host::keyvalue::{
    Change, Changes as StoreChanges, Expected, Identity, KeyValue, StoreError, StoreUrl, Swap, VaultStore, Versioned,
};
use strongroom_host_tests::engines::{Etcd, Fault, Postgres, Proxy};
use strongroom_host_tests::{Dice, Directory, TempDir};

const ID: &str = "00112233445566778899aabbccddeeff";
const OTHER_ID: &str = "ffeeddccbbaa99887766554433221100";

/// Values are 256 KiB at most, HOSTS.md.
const VALUE_MAX_BYTES: usize = 256 << 10;

/// Tasks that write at once, in two processes, and what each of them does.
const TASKS: u64 = 16;
const ROUNDS: u64 = 20;

/// A store that no URL names.
const DIRECTORY: &str = "directory";

/// Which store, for the second process.
const CHILD_STORE: &str = "STRONGROOM_TEST_STORE";
const CHILD_DIRECTORY: &str = "STRONGROOM_TEST_DIRECTORY";

/// A store that can be opened again and again.
#[derive(Clone)]
struct Place {
    url: String,
    directory: PathBuf,
}

impl Place {
    fn new(url: String, directory: &TempDir) -> Self {
        Self { url, directory: directory.path().to_owned() }
    }

    async fn open_as(&self, identity: &Identity<'_>) -> strongroom_host::Result<Arc<dyn VaultStore>> {
        StoreUrl::parse(&self.url)?.open(&self.directory, identity).await
    }

    async fn open(&self) -> Arc<dyn VaultStore> {
        if self.url == DIRECTORY {
            return Arc::new(Directory::new(&self.directory));
        }
        self.open_as(&Identity::Any(ID)).await.unwrap()
    }
}

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(test);
}

async fn suite(place: &Place) {
    identity(place).await;
    let store = place.open().await;
    operations(&*store).await;
    together(&*store).await;
    numbers(&*store).await;
    sizes(&*store).await;
    odd_keys(&*store).await;
    pages(store).await;
    concurrency(place).await;
}

#[test]
fn sqlite() {
    let directory = TempDir::new();
    run(suite(&Place::new("sqlite:".into(), &directory)));
}

/// The provider, which begins no vault by itself, lists all at once, and has keys of 1 to 255 bytes.
#[test]
fn directory() {
    let directory = TempDir::new();
    let place = Place::new(DIRECTORY.into(), &directory);
    run(async {
        let store = place.open().await;
        operations(&*store).await;
        numbers(&*store).await;
        sizes(&*store).await;
        concurrency(&place).await;
    });
}

#[test]
fn postgres() {
    let Some(server) = Postgres::start("the store suite on PostgreSQL") else { return };
    let directory = TempDir::new();
    let place = Place::new(server.url(&[]), &directory);
    run(suite(&place));
    // Where statements that meet each other end with an error, as on other servers that speak this protocol.
    server.query("ALTER DATABASE postgres SET default_transaction_isolation = serializable");
    run(concurrency(&place));
    run(lasting_failure(&server, &place));
}

/// A full disk does not pass by itself, which callers are told.
async fn lasting_failure(server: &Postgres, place: &Place) {
    let store = place.open().await;
    server.query(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \
         $$ BEGIN RAISE EXCEPTION 'no space left' USING ERRCODE = 'disk_full'; END $$; \
         CREATE TRIGGER refuse BEFORE INSERT ON spin_key_value EXECUTE FUNCTION refuse()",
    );
    let refused = store.set("full", "k", b"v").await;
    assert!(matches!(&refused, Err(StoreError::Failed(text)) if text.contains("53100")), "{refused:?}");
    server.query("DROP TRIGGER refuse ON spin_key_value; ALTER TABLE spin_key_value RENAME TO elsewhere");
    let refused = store.get("full", "k").await;
    assert!(matches!(&refused, Err(StoreError::Failed(text)) if text.contains("42P01")), "{refused:?}");
}

#[test]
fn etcd() {
    let Some(cluster) = Etcd::start("the store suite on etcd", 1) else { return };
    let directory = TempDir::new();
    run(suite(&Place::new(cluster.url(), &directory)));
}

/// A store keeps the id it was given first, and is refused under any other.
async fn identity(place: &Place) {
    let refusal = async |identity: Identity<'_>| format!("{:#}", place.open_as(&identity).await.err().unwrap());
    if place.url != "sqlite:" {
        assert!(refusal(Identity::Begun).await.contains("there is no vault in"));
        assert!(refusal(Identity::Known(ID)).await.contains("has lost what it held"));
        let shown = refusal(Identity::Begun).await;
        assert!(!shown.contains('@'), "user and password are not shown: {shown}");
    }
    // At the same moment, as first starts of two instances are.
    let (one, two) = tokio::join!(place.open(), place.open());
    assert_eq!((one.id(), two.id()), (ID, ID));
    drop((one, two));
    let kept = place.open_as(&Identity::Any(OTHER_ID)).await.unwrap();
    assert_eq!(kept.id(), ID);
    let key = "default/x.root";
    kept.swap("default", key, Expected::Absent, b"").await.unwrap();
    drop(kept);
    for identity in [Identity::New(ID), Identity::Begun, Identity::Known(ID), Identity::KnownAndWhole(ID)] {
        assert_eq!(place.open_as(&identity).await.unwrap().id(), ID, "{identity:?}");
    }
    for identity in [Identity::New(OTHER_ID), Identity::Known(OTHER_ID), Identity::KnownAndWhole(OTHER_ID)] {
        assert!(place.open_as(&identity).await.is_err(), "{identity:?}");
    }
    place.open().await.delete("default", key).await.unwrap();
}

async fn current(store: &dyn KeyValue, bucket: &str, key: &str) -> Option<Versioned> {
    store.current(bucket, key).await.unwrap()
}

async fn operations(store: &dyn KeyValue) {
    let b = "operations";
    assert_eq!(store.open(b).await, Ok(()));
    assert_eq!((store.get(b, "k").await, store.exists(b, "k").await), (Ok(None), Ok(false)));
    assert_eq!(store.current(b, "k").await, Ok(None));
    assert_eq!(store.delete(b, "k").await, Ok(()), "an absent key");
    store.set(b, "k", b"1").await.unwrap();
    store.set(b, "k", b"2").await.unwrap();
    assert_eq!((store.get(b, "k").await, store.exists(b, "k").await), (Ok(Some(b"2".to_vec())), Ok(true)));
    assert_eq!(store.get("other bucket", "k").await, Ok(None));
    store.set(b, "empty", b"").await.unwrap();
    assert_eq!((store.get(b, "empty").await, store.exists(b, "empty").await), (Ok(Some(vec![])), Ok(true)));
    store.delete(b, "k").await.unwrap();
    assert_eq!((store.get(b, "k").await, store.exists(b, "k").await), (Ok(None), Ok(false)));

    // By bytes alone.
    let value = |bytes: &[u8]| Versioned::from(bytes.to_vec());
    let swap = async |expected: Expected<'_>, value: &[u8]| store.swap(b, "s", expected, value).await.unwrap();
    assert_eq!(swap(Expected::Value(&value(b"")), b"x").await, Swap::Refused, "absent is not empty");
    assert_eq!(swap(Expected::Absent, b"1").await, Swap::Done);
    assert_eq!(swap(Expected::Absent, b"2").await, Swap::Refused);
    assert_eq!(swap(Expected::Value(&value(b"2")), b"3").await, Swap::Refused);
    assert_eq!(swap(Expected::Value(&value(b"1")), b"").await, Swap::Done);
    assert_eq!(current(store, b, "s").await.unwrap().value, b"");
    assert_eq!(swap(Expected::Value(&value(b"")), b"4").await, Swap::Done);
    assert_eq!(swap(Expected::Anything, b"5").await, Swap::Done);
    assert_eq!(store.get(b, "s").await, Ok(Some(b"5".to_vec())));

    // By what was seen.
    let seen = current(store, b, "s").await.unwrap();
    let later = current(store, b, "s").await.unwrap();
    assert_eq!(swap(Expected::Value(&seen), b"6").await, Swap::Done);
    assert_eq!(swap(Expected::Value(&later), b"7").await, Swap::Refused);
    assert_eq!(store.get(b, "s").await, Ok(Some(b"6".to_vec())), "a refused swap changes nothing");
    let seen = current(store, b, "s").await.unwrap();
    store.delete(b, "s").await.unwrap();
    assert_eq!(swap(Expected::Value(&seen), b"8").await, Swap::Refused, "what is gone is not there any more");
    assert_eq!(swap(Expected::Absent, b"9").await, Swap::Done, "but absent again");
}

fn changes(sets: &[(&str, &[u8])], deletions: &[&str]) -> StoreChanges {
    let sets = sets.iter().map(|(key, value)| Change { key: (*key).into(), value: Some(value.to_vec()) });
    sets.chain(deletions.iter().map(|key| Change { key: (*key).into(), value: None })).collect()
}

/// Changes by themselves and with a swap.
async fn together(store: &dyn KeyValue) {
    let b = "together";
    let holds = async |expected: &[(&str, Option<&[u8]>)]| {
        for (key, value) in expected {
            assert_eq!(store.get(b, key).await, Ok(value.map(<[u8]>::to_vec)), "{key}");
        }
    };
    store.change(b, &changes(&[("a", b"1"), ("b", b"1"), ("c", b"")], &["absent"])).await.unwrap();
    store.change(b, &changes(&[("b", b"2")], &["c"])).await.unwrap();
    store.change(b, &StoreChanges::default()).await.unwrap();
    holds(&[("a", Some(b"1")), ("b", Some(b"2")), ("c", None), ("absent", None)]).await;

    let odd = "ключ \" ' \\ {} $1 , NULL";
    let made = changes(&[("a", b"\0\xff"), (odd, b"{\"x\",NULL}"), ("empty", b"")], &["b", "absent"]);
    let swap = async |changes: &StoreChanges, expected: Expected<'_>, value: &[u8]| {
        store.swap_with(b, changes, "root", expected, value).await.unwrap()
    };
    assert_eq!(swap(&made, Expected::Absent, b"1").await, Swap::Done);
    let after: [(&str, Option<&[u8]>); 5] =
        [("a", Some(b"\0\xff")), ("b", None), (odd, Some(b"{\"x\",NULL}")), ("empty", Some(b"")), ("root", Some(b"1"))];
    holds(&after).await;
    // What is refused leaves no trace where it is one operation.
    let others = changes(&[("a", b"3"), ("new", b"3")], &["empty"]);
    let seen = current(store, b, "root").await.unwrap();
    for expected in [Expected::Absent, Expected::Value(&b"2".to_vec().into())] {
        assert_eq!(swap(&others, expected, b"3").await, Swap::Refused);
        holds(&[("root", Some(b"1"))]).await;
        if store.swaps_with_changes() {
            holds(&after).await;
            holds(&[("new", None)]).await;
        }
    }
    assert_eq!(swap(&others, Expected::Value(&seen), b"4").await, Swap::Done);
    let after: [(&str, Option<&[u8]>); 4] =
        [("a", Some(b"3")), ("new", Some(b"3")), ("empty", None), ("root", Some(b"4"))];
    holds(&after).await;
    // Again: what was asked for before may be asked for once more.
    assert_eq!(swap(&others, Expected::Anything, b"4").await, Swap::Done);
    holds(&after).await;
    assert_eq!(swap(&StoreChanges::default(), Expected::Anything, b"5").await, Swap::Done);
    assert_eq!(swap(&changes(&[], &["a"]), Expected::Anything, b"6").await, Swap::Done);
    holds(&[("a", None), ("new", Some(b"3")), ("root", Some(b"6"))]).await;

    // As much as there is at most: 64 changes, of half a megabyte and one value more.
    let (large, keys) = (vec![0xf5; 12 << 10], Vec::from_iter((0..64).map(|n| format!("large {n}"))));
    let many: StoreChanges = keys.iter().map(|key| Change { key: key.clone(), value: Some(large.clone()) }).collect();
    assert_eq!(swap(&many, Expected::Anything, &large).await, Swap::Done);
    for key in keys.iter().map(String::as_str).chain(["root"]) {
        assert!(store.get(b, key).await.unwrap().as_ref() == Some(&large), "{key}");
    }
    let none: StoreChanges = keys.iter().map(|key| Change { key: key.clone(), value: None }).collect();
    assert_eq!(swap(&none, Expected::Value(&large.clone().into()), b"").await, Swap::Done);
    for key in &keys {
        holds(&[(key, None)]).await;
    }
}

async fn numbers(store: &dyn KeyValue) {
    let b = "numbers";
    for (delta, sum) in [(1, 1), (258, 259), (0, 259), (-300, -41), (i64::MIN + 41, i64::MIN), (i64::MAX, -1), (1, 0)] {
        assert_eq!(store.increment(b, "n", delta).await, Ok(sum));
        assert_eq!(store.get(b, "n").await, Ok(Some(sum.to_le_bytes().to_vec())), "little-endian");
    }
    assert_eq!(store.increment(b, "first", -7).await, Ok(-7));
    store.set(b, "n", &i64::MAX.to_le_bytes()).await.unwrap();
    store.set(b, "text", b"short").await.unwrap();
    store.set(b, "long", &[0; 9]).await.unwrap();
    for key in ["n", "text", "long"] {
        let before = store.get(b, key).await.unwrap();
        assert!(store.increment(b, key, 1).await.is_err(), "{key}");
        assert_eq!(store.get(b, key).await.unwrap(), before, "{key}");
    }
}

async fn sizes(store: &dyn KeyValue) {
    let (b, dice) = ("sizes", &mut Dice(15));
    // Nothing that could be compressed, and every byte there is.
    let mut bytes = |length: usize| (0..length).map(|_| dice.between(0, 255) as u8).collect::<Vec<_>>();
    for length in [1, 255, 256, 8191, 65_536, VALUE_MAX_BYTES] {
        let (one, two, three) = (bytes(length), bytes(length), bytes(length));
        let key = &length.to_string();
        store.set(b, key, &one).await.unwrap();
        assert!(store.get(b, key).await.unwrap().as_ref() == Some(&one), "{length}");
        let seen = current(store, b, key).await.unwrap();
        assert!(seen.value == one, "{length}");
        assert_eq!(store.swap(b, key, Expected::Value(&seen), &two).await, Ok(Swap::Done), "{length}");
        assert_eq!(store.swap(b, key, Expected::Value(&two.clone().into()), &three).await, Ok(Swap::Done), "{length}");
        let mut almost = three.clone();
        *almost.last_mut().unwrap() ^= 1;
        assert_eq!(store.swap(b, key, Expected::Value(&almost.into()), &one).await, Ok(Swap::Refused), "{length}");
        assert!(store.get(b, key).await.unwrap().as_ref() == Some(&three), "{length}");
    }
}

async fn odd_keys(store: &dyn KeyValue) {
    let long = "x".repeat(1000);
    let keys = [
        "",
        " ",
        "%",
        "%s",
        "'",
        "\"",
        "\\",
        "\n",
        "$1",
        "--",
        "/",
        "a",
        "a/",
        "a/b",
        "a\u{1}",
        "aa",
        "_",
        "ключ",
        "\u{1F511}",
        &long,
    ];
    for b in ["odd", "odd/", "o'd\"d", "odd/kv/odd", ""] {
        for key in keys {
            store.set(b, key, format!("{b} {key}").as_bytes()).await.unwrap();
        }
        for key in keys {
            assert_eq!(store.get(b, key).await, Ok(Some(format!("{b} {key}").into_bytes())), "{b:?} {key:?}");
        }
        let mut sorted = keys.map(str::to_owned);
        sorted.sort_unstable();
        let page = store.list_keys(b, None).await.unwrap();
        assert_eq!((page.keys, page.cursor), (sorted.to_vec(), None), "by bytes, whatever the language: {b:?}");
    }
}

async fn pages(store: Arc<dyn VaultStore>) {
    let (b, count) = ("pages", 2003);
    let numbers: Vec<usize> = (0..count).collect();
    for some in numbers.chunks(100) {
        let set = |number: &usize| {
            let (store, key) = (store.clone(), format!("{number:05}"));
            tokio::spawn(async move { store.set(b, &key, b"x").await.unwrap() })
        };
        for set in some.iter().map(set).collect::<Vec<_>>() {
            set.await.unwrap();
        }
    }
    let (mut keys, mut cursor, mut pages) = (Vec::new(), None, 0);
    loop {
        let page = store.list_keys(b, cursor.as_deref()).await.unwrap();
        keys.extend(page.keys);
        (cursor, pages) = (page.cursor, pages + 1);
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(keys, numbers.iter().map(|number| format!("{number:05}")).collect::<Vec<_>>());
    assert_eq!(pages, 3);
    let page = store.list_keys(b, Some("01999")).await.unwrap();
    assert_eq!(page.keys, ["02000", "02001", "02002"]);
    assert_eq!(store.list_keys("empty bucket", None).await.unwrap().keys, Vec::<String>::new());
}

/// Half of the tasks are here and half in another process. Nothing that was acknowledged is lost, and nothing is done twice.
async fn concurrency(place: &Place) {
    let store = place.open().await;
    for key in ["sum", "chain", "first"] {
        store.delete("crowd", key).await.unwrap();
    }
    store.swap("crowd", "chain", Expected::Absent, &0u64.to_le_bytes()).await.unwrap();
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["second_process", "--exact", "--nocapture"])
        .env(CHILD_STORE, &place.url)
        .env(CHILD_DIRECTORY, &place.directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let here = crowd(store.clone(), 0..TASKS / 2).await;
    let output = tokio::task::spawn_blocking(|| child.wait_with_output().unwrap()).await.unwrap();
    assert!(output.status.success());
    let stdout = String::from_utf8(output.stdout).unwrap();
    let line = stdout.lines().find_map(|line| line.split_once("CROWD ")).unwrap_or_else(|| panic!("{stdout}")).1;
    let there: Crowd = serde_json::from_str::<(u64, Vec<u64>, Vec<i64>)>(line).unwrap().into();

    assert_eq!(here.firsts + there.firsts, 1, "of those who found nothing one was first");
    let sums: BTreeSet<i64> = here.sums.iter().chain(&there.sums).copied().collect();
    assert_eq!(sums, (1..=(TASKS * ROUNDS) as i64).collect(), "every sum once");
    let links: BTreeSet<u64> = here.links.iter().chain(&there.links).copied().collect();
    assert_eq!(links, (1..=TASKS * ROUNDS).collect(), "every link once");
    assert_eq!(here.links.len() + there.links.len(), (TASKS * ROUNDS) as usize);
    let end = current(&*store, "crowd", "chain").await.unwrap();
    assert_eq!(end.value, (TASKS * ROUNDS).to_le_bytes());
    if store.swaps_with_changes() {
        let mut there = Vec::new();
        for link in 0..=TASKS * ROUNDS + 1 {
            if store.exists("crowd", &format!("link {link}")).await.unwrap() {
                there.push(link);
            }
        }
        assert_eq!(there, [TASKS * ROUNDS], "what came with a swap that was refused is not there");
    }
}

/// What is at hand is the newest: nothing that another process was told is done is missing there.
#[test]
fn sqlite_at_hand_beside_another_process() {
    const COUNT: u64 = 2000;
    let directory = TempDir::new();
    let place = Place::new("sqlite:".into(), &directory);
    if std::env::var(CHILD_STORE).is_ok() {
        return;
    }
    run(async {
        let store = place.open().await;
        store.swap("counted", "n", Expected::Absent, &0u64.to_le_bytes()).await.unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["second_process_that_counts", "--exact", "--nocapture"])
            .env(CHILD_STORE, &place.url)
            .env(CHILD_DIRECTORY, &place.directory)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let told = Arc::new(AtomicU64::new(0));
        let output = std::io::BufReader::new(child.stdout.take().unwrap());
        let listening = std::thread::spawn({
            let told = told.clone();
            move || {
                for line in output.lines().map_while(Result::ok) {
                    let Some((_, n)) = line.split_once("COUNTED ") else { continue };
                    told.store(n.parse().unwrap(), Ordering::SeqCst);
                }
            }
        });
        let (mut last, mut looks) = (0, 0u64);
        while last < COUNT {
            let told = told.load(Ordering::SeqCst);
            // While reads are slow it says nothing.
            let Some(seen) = store.at_hand("counted", "n") else {
                store.get("counted", "n").await.unwrap();
                continue;
            };
            let seen = u64::from_le_bytes(seen.unwrap().unwrap().try_into().unwrap());
            assert!(seen >= told.max(last), "{seen} after {told} and {last}");
            (last, looks) = (seen, looks + 1);
        }
        assert!(child.wait().unwrap().success());
        listening.join().unwrap();
        println!("{looks} looks at {COUNT} values");
    });
}

#[test]
fn second_process_that_counts() {
    let (Ok(url), Ok(directory)) = (std::env::var(CHILD_STORE), std::env::var(CHILD_DIRECTORY)) else { return };
    run(async {
        let store = Place { url, directory: directory.into() }.open().await;
        for n in 1..=2000u64 {
            let before = Versioned::from((n - 1).to_le_bytes().to_vec());
            let swapped = store.swap("counted", "n", Expected::Value(&before), &n.to_le_bytes()).await;
            assert_eq!(swapped, Ok(Swap::Done));
            println!("COUNTED {n}");
        }
    });
}

#[test]
fn second_process() {
    let (Ok(url), Ok(directory)) = (std::env::var(CHILD_STORE), std::env::var(CHILD_DIRECTORY)) else { return };
    run(async {
        let place = Place { url, directory: directory.into() };
        let crowd = crowd(place.open().await, TASKS / 2..TASKS).await;
        println!("CROWD {}", serde_json::json!([crowd.firsts, crowd.links, crowd.sums]));
    });
}

/// What some tasks were told.
#[derive(Default)]
struct Crowd {
    firsts: u64,
    links: Vec<u64>,
    sums: Vec<i64>,
}

impl From<(u64, Vec<u64>, Vec<i64>)> for Crowd {
    fn from((firsts, links, sums): (u64, Vec<u64>, Vec<i64>)) -> Self {
        Self { firsts, links, sums }
    }
}

async fn crowd(store: Arc<dyn VaultStore>, tasks: std::ops::Range<u64>) -> Crowd {
    let one = async |store: Arc<dyn VaultStore>, task: u64| {
        let mut told = Crowd::default();
        let first = store.swap("crowd", "first", Expected::Absent, &[task as u8]).await.unwrap();
        told.firsts += u64::from(first == Swap::Done);
        for round in 0..ROUNDS {
            told.sums.push(store.increment("crowd", "sum", 1).await.unwrap());
            let key = format!("{task}-{round}");
            store.set("crowd", &key, key.as_bytes()).await.unwrap();
            assert_eq!(store.get("crowd", &key).await.unwrap(), Some(key.into_bytes()), "one reads what one wrote");
            loop {
                let seen = store.current("crowd", "chain").await.unwrap().unwrap();
                let next = u64::from_le_bytes(seen.value.as_slice().try_into().unwrap()) + 1;
                let (made, gone) = (format!("link {next}"), format!("link {}", next - 1));
                let with = changes(&[(&made, &[task as u8])], &[&gone]);
                match store
                    .swap_with("crowd", &with, "chain", Expected::Value(&seen), &next.to_le_bytes())
                    .await
                    .unwrap()
                {
                    Swap::Done => break told.links.push(next),
                    Swap::Refused => {}
                    Swap::Unknown(cause) => panic!("nothing is broken here: {cause}"),
                }
            }
        }
        told
    };
    let tasks: Vec<_> = tasks.map(|task| tokio::spawn(one(store.clone(), task))).collect();
    let mut all = Crowd::default();
    for task in tasks {
        let told = task.await.unwrap();
        all.firsts += told.firsts;
        all.links.extend(told.links);
        all.sums.extend(told.sums);
    }
    all
}

/// What a store does when its connection is cut, when nothing is heard, and when the server is started again.
async fn faults(place: &Place, proxy: &Proxy, mut restart: impl FnMut()) {
    let store = place.open().await;
    let b = "faults";
    store.swap(b, "k", Expected::Absent, b"0").await.unwrap();
    let value = async || current(&*store, b, "k").await.unwrap();

    // A swap that did not arrive, and one whose answer was lost, can't be told apart.
    for (fault, happens, next) in
        [(Fault::CutBefore, false, b"1"), (Fault::CutAfter, true, b"2"), (Fault::Silence, false, b"3")]
    {
        let seen = value().await;
        let with = changes(&[("with", next)], &["gone"]);
        store.set(b, "gone", b"").await.unwrap();
        proxy.arm(fault);
        let swapped = store.swap_with(b, &with, "k", Expected::Value(&seen), next).await;
        assert!(proxy.has_struck(), "{fault:?}");
        assert!(matches!(swapped, Ok(Swap::Unknown(_))), "{fault:?}: {swapped:?}");
        proxy.heal();
        assert_eq!(value().await.value == next, happens, "{fault:?}");
        assert_eq!(store.get(b, "with").await.unwrap() == Some(next.to_vec()), happens, "{fault:?}: all of it");
        assert_eq!(store.exists(b, "gone").await, Ok(!happens), "{fault:?}: all of it");
    }
    // Neither can other writes. (Each on a connection that is there: what can't be connected was not sent.)
    for fault in [Fault::CutBefore, Fault::CutAfter] {
        let arm = async || {
            store.get(b, "k").await.unwrap();
            proxy.arm(fault);
        };
        arm().await;
        assert!(matches!(store.set(b, "other", b"1").await, Err(StoreError::Other(_))), "{fault:?}");
        arm().await;
        assert!(store.delete(b, "other").await.is_err(), "{fault:?}");
        let before = store.increment(b, "n", 0).await.unwrap();
        arm().await;
        // etcd has no increment: it reads first, and reads are repeated.
        let incremented = store.increment(b, "n", 1).await;
        let after = store.increment(b, "n", 0).await.unwrap();
        assert!((before..=before + 1).contains(&after), "once at most: {incremented:?}");
        assert!(incremented.is_err() || incremented == Ok(before + 1) && after == before + 1, "{incremented:?}");
        // Reads are repeated.
        arm().await;
        assert!(store.get(b, "k").await.unwrap().is_some(), "{fault:?}");
        assert!(proxy.has_struck());
    }
    // But not for ever.
    proxy.arm(Fault::Silence);
    assert!(store.get(b, "k").await.is_err());
    proxy.heal();
    // What an abandoned swap does later is its own affair; the store is as usable as before.
    let seen = value().await;
    proxy.arm(Fault::Silence);
    let abandoned = tokio::time::timeout(Duration::from_millis(200), store.swap(b, "k", Expected::Value(&seen), b"4"));
    assert!(abandoned.await.is_err());
    proxy.heal();
    assert_eq!(value().await.value, seen.value);

    let seen = value().await;
    assert_eq!(store.swap(b, "k", Expected::Value(&seen), b"5").await, Ok(Swap::Done));
    restart();
    assert_eq!(value().await.value, b"5", "what was acknowledged is there after a restart");
    let seen = value().await;
    assert_eq!(store.swap(b, "k", Expected::Value(&seen), b"6").await, Ok(Swap::Done));
    assert!(store.set(b, "other", b"2").await.is_ok() && store.increment(b, "n", 1).await.is_ok());
}

#[test]
fn postgres_with_faults() {
    let Some(mut server) = Postgres::start("the store suite on PostgreSQL with faults") else { return };
    let proxy = Proxy::to(server.port());
    let directory = TempDir::new();
    let place = Place::new(server.url_through(proxy.port()), &directory);
    run(faults(&place, &proxy, || server.restart()));
}

#[test]
fn etcd_with_faults() {
    let Some(mut cluster) = Etcd::start("the store suite on etcd with faults", 1) else { return };
    let proxy = Proxy::to(cluster.port(0));
    let directory = TempDir::new();
    let place = Place::new(format!("etcd://127.0.0.1:{}/test", proxy.port()), &directory);
    run(faults(&place, &proxy, || {
        cluster.kill(0);
        cluster.spawn(0);
        cluster.wait_for_leader();
    }));
}

fn with(key: &str) -> String {
    format!("with {key}")
}

/// Writes until the store refuses. What was acknowledged is there, what was refused is not.
async fn fill(place: &Place) -> Result<Swap, StoreError> {
    let store = place.open().await;
    let dice = &mut Dice(7);
    let value: Vec<u8> = (0..64 << 10).map(|_| dice.between(0, 255) as u8).collect();
    let mut acknowledged = 0;
    let failure = loop {
        let key = format!("{acknowledged:05}");
        match store.swap_with("full", &changes(&[(&with(&key), &value)], &[]), &key, Expected::Absent, &value).await {
            Ok(Swap::Done) => acknowledged += 1,
            failure => break failure,
        }
        assert!(acknowledged < 2000, "it is never full");
    };
    println!("{}: full after {acknowledged} values: {failure:?}", place.url);
    assert!(!matches!(failure, Ok(Swap::Refused)), "nobody else was there: {failure:?}");
    assert!(acknowledged > 5);
    let certain = failure.is_err();
    for key in (0..acknowledged).map(|number| format!("{number:05}")) {
        for key in [with(&key), key] {
            assert!(store.get("full", &key).await.unwrap().as_ref() == Some(&value), "{key}");
        }
    }
    let key = format!("{acknowledged:05}");
    let last = store.get("full", &key).await.unwrap();
    assert!(last.is_none() || !certain && last.as_ref() == Some(&value), "wholly or not at all");
    assert!(last.is_none() || store.get("full", &with(&key)).await.unwrap() == last, "all of it");
    failure
}

#[test]
fn sqlite_on_a_full_disk() {
    let directory = TempDir::new();
    if std::env::var(CHILD_STORE).is_ok() {
        return;
    }
    // A file can't grow beyond the limit: an error, no signal, as on a full disk.
    let script = "trap '' XFSZ; ulimit -f 4096; exec \"$@\"";
    let output = Command::new("sh")
        .args(["-c", script, "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["second_process_that_fills", "--exact", "--nocapture"])
        .env(CHILD_STORE, "sqlite:")
        .env(CHILD_DIRECTORY, directory.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("full after"), "{output:?}");
}

#[test]
fn second_process_that_fills() {
    let (Ok(url), Ok(directory)) = (std::env::var(CHILD_STORE), std::env::var(CHILD_DIRECTORY)) else { return };
    run(async { drop(fill(&Place { url, directory: directory.into() }).await) });
}

#[test]
fn postgres_on_a_full_disk() {
    let test = "the store suite on PostgreSQL with a full disk";
    let Some(server) = Postgres::start_with(test, "", Some(6 << 20)) else { return };
    let directory = TempDir::new();
    // A file that can't grow is no full disk to PostgreSQL, and passes for a failure that may pass.
    run(async { drop(fill(&Place::new(server.url(&[]), &directory)).await) });
}

#[test]
fn etcd_on_a_full_disk() {
    let test = "the store suite on etcd with its space used up";
    let Some(cluster) = Etcd::start_with(test, 1, &["--quota-backend-bytes", "8388608"]) else { return };
    let directory = TempDir::new();
    run(async {
        let place = Place::new(cluster.url(), &directory);
        let failure = fill(&place).await;
        // What used up the space was done, though etcd answers that there is none.
        let Ok(Swap::Unknown(why)) = failure else { panic!("{failure:?}") };
        assert!(why.starts_with("permanent: "), "it does not pass by itself: {why}");
        let store = place.open().await;
        assert!(matches!(store.set("full", "another", b"x").await, Err(StoreError::Failed(_))));
    });
}
