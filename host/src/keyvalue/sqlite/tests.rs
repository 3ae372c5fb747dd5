use super::*;
use crate::testing::{TempDir, block_on};

fn store() -> (TempDir, SqliteStore) {
    let directory = TempDir::new();
    let store = SqliteStore::open(directory.path()).unwrap();
    (directory, store)
}

#[tokio::test]
async fn a_swap_compares_bytes() {
    let (_directory, store) = store();
    assert_eq!(
        store.swap("b", "k", Expected::Value(&b"".to_vec().into()), b"x").await,
        Ok(Swap::Refused),
        "absent is not empty"
    );
    assert_eq!(store.swap("b", "k", Expected::Absent, b"1").await, Ok(Swap::Done));
    assert_eq!(store.swap("b", "k", Expected::Absent, b"2").await, Ok(Swap::Refused));
    assert_eq!(store.swap("b", "k", Expected::Value(&b"2".to_vec().into()), b"3").await, Ok(Swap::Refused));
    assert_eq!(
        store.swap("b", "k", Expected::Value(&b"1".to_vec().into()), b"1").await,
        Ok(Swap::Done),
        "the same bytes again"
    );
    assert_eq!(store.swap("b", "k", Expected::Value(&b"1".to_vec().into()), b"").await, Ok(Swap::Done));
    assert_eq!(store.current("b", "k").await, Ok(Some(vec![].into())));
    assert_eq!(store.swap("b", "k", Expected::Anything, b"4").await, Ok(Swap::Done));
    assert_eq!(store.get("b", "k").await, Ok(Some(b"4".to_vec())));
    assert_eq!(store.get("other", "k").await, Ok(None), "buckets are apart");
}

#[tokio::test]
async fn increments_are_little_endian_and_a_wrong_length_is_an_error() {
    let (_directory, store) = store();
    assert_eq!(store.increment("b", "n", 1).await, Ok(1));
    assert_eq!(store.increment("b", "n", 258).await, Ok(259));
    assert_eq!(store.get("b", "n").await, Ok(Some(vec![3, 1, 0, 0, 0, 0, 0, 0])));
    store.set("b", "n", b"short").await.unwrap();
    assert!(store.increment("b", "n", 1).await.is_err());
    assert_eq!(store.get("b", "n").await, Ok(Some(b"short".to_vec())));
    store.set("b", "n", &i64::MAX.to_le_bytes()).await.unwrap();
    assert!(store.increment("b", "n", 1).await.is_err());
    store.delete("b", "n").await.unwrap();
    assert_eq!(store.increment("b", "n", -2).await, Ok(-2));
}

#[tokio::test]
async fn pages_cover_a_bucket_exactly_once() {
    let (_directory, store) = store();
    for n in 0..KEYS_PER_PAGE + 5 {
        store.set("b", &format!("{n:05}"), b"").await.unwrap();
    }
    store.set("other", "x", b"").await.unwrap();
    let first = store.list_keys("b", None).await.unwrap();
    let second = store.list_keys("b", first.cursor.as_deref()).await.unwrap();
    assert_eq!((first.keys.len(), second.keys.len(), second.cursor), (KEYS_PER_PAGE, 5, None));
    assert_eq!(second.keys.last().unwrap(), &format!("{:05}", KEYS_PER_PAGE + 4));
}

#[tokio::test]
async fn one_of_many_creators_wins_and_no_increment_is_lost() {
    let directory = TempDir::new();
    // Two stores on one file stand for two processes.
    let stores: Vec<_> = (0..2).map(|_| Arc::new(SqliteStore::open(directory.path()).unwrap())).collect();
    let wins: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8u8)
            .map(|n| {
                let store = &stores[n as usize % 2];
                scope.spawn(move || {
                    block_on(async {
                        for _ in 0..25 {
                            store.increment("b", "n", 1).await.unwrap();
                            store.set("b", &format!("k{n}"), &[n]).await.unwrap();
                            assert_eq!(store.get("b", &format!("k{n}")).await.unwrap(), Some(vec![n]));
                        }
                        (store.swap("b", "root", Expected::Absent, &[n]).await.unwrap() == Swap::Done) as usize
                    })
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(wins, 1);
    assert_eq!(stores[0].increment("b", "n", 0).await, Ok(200));
}

#[tokio::test]
async fn first_starts_at_once_do_not_disturb_each_other() {
    let directory = TempDir::new();
    std::thread::scope(|scope| {
        for n in 0..8 {
            let path = directory.path();
            scope.spawn(move || {
                let store = SqliteStore::open(path).unwrap();
                block_on(store.set("b", &n.to_string(), b"")).unwrap();
            });
        }
    });
    let store = SqliteStore::open(directory.path()).unwrap();
    assert_eq!(store.list_keys("b", None).await.unwrap().keys.len(), 8);
}

#[tokio::test]
async fn the_layout_is_spins() {
    let (directory, store) = store();
    store.set("default", "k", b"v").await.unwrap();
    drop(store);
    let connection = Connection::open(directory.path().join(DATABASE_FILE)).unwrap();
    let row: (String, String, Vec<u8>) = connection
        .query_row("SELECT store, key, value FROM spin_key_value", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .unwrap();
    assert_eq!(row, ("default".into(), "k".into(), b"v".to_vec()));
}

#[test]
fn files_that_are_not_ours_are_refused_and_left_alone() {
    let refusal = |directory: &TempDir| format!("{:#}", SqliteStore::open(directory.path()).err().unwrap());

    let text = TempDir::new();
    std::fs::write(text.path().join(DATABASE_FILE), "just a text file, much longer than nothing".repeat(20)).unwrap();
    assert!(refusal(&text).contains("not a SQLite database"), "{}", refusal(&text));

    for (schema, reason) in [
        ("CREATE TABLE notes (id INTEGER)", "no table spin_key_value"),
        ("CREATE TABLE spin_key_value (store TEXT, key TEXT, value TEXT)", "spin_key_value differs"),
    ] {
        let directory = TempDir::new();
        let path = directory.path().join(DATABASE_FILE);
        Connection::open(&path).unwrap().execute_batch(schema).unwrap();
        let before = std::fs::read(&path).unwrap();
        assert!(refusal(&directory).contains(reason), "{}", refusal(&directory));
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }

    let folder = TempDir::new();
    std::fs::create_dir(folder.path().join(DATABASE_FILE)).unwrap();
    assert!(refusal(&folder).contains("cannot be"), "{}", refusal(&folder));
}

#[tokio::test]
async fn slow_reads_do_not_hold_up_the_thread_that_asks() {
    let (_directory, store) = store();
    let asker = std::thread::current().id();
    let here = async || store.readers.read(move |_| Ok(std::thread::current().id() == asker)).await.unwrap();
    assert!(here().await);
    let slow = |_: &Connection| {
        std::thread::sleep(std::time::Duration::from_millis(5));
        Ok(())
    };
    // One alone may have waited for a processor.
    store.readers.read(slow).await.unwrap();
    assert!(here().await && store.reads_at_once());
    store.readers.read(slow).await.unwrap();
    store.readers.read(slow).await.unwrap();
    assert!(!store.reads_at_once() && store.at_hand("b", "k").is_none());
    for _ in 0..64 {
        assert!(!here().await);
    }
    assert!(here().await, "when they are quick again, it is where it was asked for");
}

/// What is at hand is kept only where it can't change, and only for those who don't wait.
#[tokio::test]
async fn what_is_at_hand_is_what_is_there() {
    let (directory, store) = store();
    let other = SqliteStore::open(directory.path()).unwrap();
    for (key, is_kept) in [("sr1.aaaa.n.bbbb", true), ("sr1.aaaa.root", false), ("sr1.aaaa.x.bbbb", false)] {
        let at_hand = || store.at_hand("b", key).unwrap().unwrap();
        assert_eq!(at_hand(), None, "that it is missing is not kept");
        other.set("b", key, b"1").await.unwrap();
        assert_eq!((at_hand(), store.at_hand("c", key)), (Some(b"1".to_vec()), Some(Ok(None))));
        other.delete("b", key).await.unwrap();
        assert_eq!((at_hand(), store.get("b", key).await), (is_kept.then(|| b"1".to_vec()), Ok(None)), "{key}");
        store.delete("b", key).await.unwrap();
        assert_eq!(at_hand(), None, "{key}");
    }
}

/// Of what can change nothing is at hand that is not the newest, and what has not changed is not read.
#[tokio::test]
async fn what_has_not_changed_is_not_read_again() {
    let (directory, store) = store();
    let other = SqliteStore::open(directory.path()).unwrap();
    let unchanged = store.unchanged.as_ref().expect("the index of the log is there to be looked at");
    let is_kept = |key| unchanged.get(unchanged.state().unwrap(), "b", key).is_some();
    let at_hand = |key| store.at_hand("b", key).unwrap().unwrap();
    for n in 0..100u64 {
        let value = n.to_le_bytes().to_vec();
        let by: &dyn KeyValue = if n % 2 == 0 { &store } else { &other };
        match n % 3 {
            0 => by.set("b", "root", &value).await.unwrap(),
            1 => assert_eq!(by.swap("b", "root", Expected::Anything, &value).await, Ok(Swap::Done)),
            _ => by.change("b", &[Change { key: "root".into(), value: Some(value.clone()) }].into()).await.unwrap(),
        }
        assert!(!is_kept("root"));
        assert_eq!((at_hand("root"), is_kept("root")), (Some(value.clone()), true), "{n}");
        assert_eq!(at_hand("root"), Some(value), "{n}");
        if n % 10 == 0 {
            store.settle().unwrap();
            store.compact().unwrap();
        }
    }
    other.delete("b", "root").await.unwrap();
    assert_eq!(at_hand("root"), None);
    // It has a bound.
    let large = vec![1; 300 << 10];
    for key in ["1", "2", "3", "4", "5"] {
        store.set("b", key, &large).await.unwrap();
    }
    let kept = ["1", "2", "3", "4", "5"].map(|key| {
        assert_eq!(at_hand(key), Some(large.clone()));
        is_kept(key)
    });
    assert_eq!(kept, [true, true, true, false, false]);
}

#[tokio::test]
async fn a_writer_that_has_gone_away_before_its_turn_writes_nothing() {
    let (_directory, store) = store();
    let (release, hold) = std::sync::mpsc::channel::<()>();
    let mut first = Box::pin(store.writer.run(move |_| Ok(hold.recv().is_ok())));
    assert!(!is_ready(first.as_mut()).await);
    let mut second = store.set("b", "k", b"v");
    assert!(!is_ready(second.as_mut()).await);
    drop(second);
    release.send(()).unwrap();
    assert!(first.await.unwrap());
    store.set("b", "other", b"w").await.unwrap();
    assert_eq!(store.get("b", "k").await, Ok(None));
}

/// One look at a future.
async fn is_ready<F: Future + ?Sized>(mut future: std::pin::Pin<&mut F>) -> bool {
    std::future::poll_fn(|context| std::task::Poll::Ready(future.as_mut().poll(context).is_ready())).await
}

/// The last one who closes the database removes first its log and then the mark that it is in use.
#[test]
fn that_another_is_about_to_close_is_not_taken_for_a_copy_without_its_log() {
    let (directory, store) = store();
    block_on(store.swap("b", "p.root", Expected::Absent, b"root")).unwrap();
    let (id, path) = (store.id().to_owned(), directory.path().join(DATABASE_FILE));
    drop(store);
    identity::mark_in_use(&file::connect(&path).unwrap()).unwrap();
    assert!(!identity::log_of(&path).exists(), "that is the moment");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(std::time::Duration::from_millis(300));
            identity::unmark(&path).unwrap();
        });
        SqliteStore::open_as(directory.path(), &Identity::Known(&id)).unwrap();
    });
    // One that nobody has open, nor closes, is a copy.
    identity::mark_in_use(&file::connect(&path).unwrap()).unwrap();
    let refused = SqliteStore::open_as(directory.path(), &Identity::Known(&id)).err().unwrap().to_string();
    assert!(refused.contains("was copied without its -wal file"), "{refused}");
}

#[test]
fn that_is_opened_and_closed_side_by_side_is_never_refused() {
    let (directory, store) = store();
    block_on(store.swap("b", "p.root", Expected::Absent, b"root")).unwrap();
    let id = store.id().to_owned();
    drop(store);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for n in 0..10 {
                    let store = SqliteStore::open_as(directory.path(), &Identity::KnownAndWhole(&id)).unwrap();
                    store.mark_in_use().unwrap();
                    block_on(store.set("b", "k", &vec![n; 40_000])).unwrap();
                }
            });
        }
    });
}
