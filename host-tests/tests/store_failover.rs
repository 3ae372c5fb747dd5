//! PostgreSQL with a synchronous standby: what was answered once is not lost by a failover, not even where the server says
//! itself that all is well. Each test plays a sequence in which a reader who believes what the primary shows loses.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use strongroom_host::keyvalue::{Expected, Identity, StoreUrl, Swap, VaultStore, Versioned};
use strongroom_host_tests::TempDir;
use strongroom_host_tests::engines::Postgres;

const ID: &str = "00112233445566778899aabbccddeeff";
const BUCKET: &str = "default";
const KEY: &str = "register";

/// What the primary itself shows to whoever asks it.
const SHOWN: &str = "SELECT encode(value, 'escape') FROM spin_key_value WHERE key = 'register'";

const WAITING: &str =
    "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND query LIKE 'UPDATE spin%'";

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(test);
}

/// A primary with its standby, and a store on both that holds `1`.
struct Pair {
    primary: Postgres,
    standby: Postgres,
    store: Arc<dyn VaultStore>,
    _directory: TempDir,
}

impl Pair {
    async fn start(test: &str) -> Option<Self> {
        let primary = Postgres::start(test)?;
        let standby = primary.synchronous_standby();
        let directory = TempDir::new();
        let store = StoreUrl::parse(&primary.url(&[&standby])).unwrap();
        let store = store.open(directory.path(), &Identity::Any(ID)).await.unwrap();
        assert_eq!(store.swap(BUCKET, KEY, Expected::Absent, b"1").await, Ok(Swap::Done));
        // Sessions of before, for readers and for writers.
        let (one, two, three) = tokio::join!(store.get(BUCKET, KEY), store.get(BUCKET, KEY), store.get(BUCKET, KEY));
        assert!(one.is_ok() && two.is_ok() && three.is_ok());
        Some(Self { primary, standby, store, _directory: directory })
    }

    /// The swap of `1` for `2`.
    async fn swap(&self) -> Result<Swap, strongroom_host::keyvalue::StoreError> {
        let one = Versioned::from(b"1".to_vec());
        self.store.swap(BUCKET, KEY, Expected::Value(&one), b"2").await
    }

    /// The same by a caller who soon goes away, once the server waits for the standby.
    async fn swap_and_give_up(&self) {
        let given_up = tokio::time::timeout(Duration::from_millis(300), self.swap()).await;
        assert!(given_up.is_err(), "{given_up:?}");
        self.primary.wait_until(WAITING, "t");
    }

    /// What the store shows to who is going to write.
    async fn current(&self) -> Vec<u8> {
        self.store.current(BUCKET, KEY).await.unwrap().unwrap().value
    }

    async fn shows_nothing(&self) {
        let (current, got) = tokio::join!(self.store.current(BUCKET, KEY), self.store.get(BUCKET, KEY));
        assert!(current.is_err(), "it shows what can be lost: {current:?}");
        assert!(got.is_err(), "it shows what can be lost: {got:?}");
    }

    /// The primary is lost, and the standby takes its place as whoever operates it would have it.
    fn fail_over(&mut self) {
        self.primary.kill();
        self.standby.promote();
        self.standby.query("ALTER SYSTEM SET synchronous_standby_names = ''");
        self.standby.query("SELECT pg_reload_conf()");
        self.standby.wait_until("SHOW synchronous_standby_names", "");
    }

    async fn goes_on_from(&self, value: &[u8]) {
        assert_eq!(self.current().await, value);
        let found = Versioned::from(value.to_vec());
        assert_eq!(self.store.swap(BUCKET, KEY, Expected::Value(&found), b"next").await, Ok(Swap::Done));
        assert_eq!(self.current().await, b"next");
    }
}

#[test]
fn of_what_was_acknowledged_nothing_is_lost() {
    run(async {
        let Some(mut pair) = Pair::start("a failover of PostgreSQL").await else { return };
        assert_eq!(pair.swap().await, Ok(Swap::Done));
        pair.fail_over();
        pair.goes_on_from(b"2").await;
    });
}

/// A cancelled wait for the standby answers success, with a warning.
#[test]
fn a_cancelled_wait_is_no_acknowledgement() {
    run(async {
        let Some(mut pair) = Pair::start("a cancelled wait of PostgreSQL").await else { return };
        pair.standby.kill();
        let (swapped, ()) = tokio::join!(pair.swap(), async {
            while pair.primary.query(WAITING) != "t" {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            pair.primary.query("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'");
        });
        assert!(matches!(&swapped, Ok(Swap::Unknown(cause)) if cause.contains("warning")), "{swapped:?}");
        assert_eq!(pair.primary.query(SHOWN), "2", "the primary shows what only it has");
        pair.shows_nothing().await;
        pair.standby.restart();
        assert_eq!(pair.current().await, b"2", "now the standby has it too");
        pair.fail_over();
        pair.goes_on_from(b"2").await;
    });
}

/// A restart in the middle of the wait makes visible what only the primary has.
#[test]
fn a_primary_that_comes_back_shows_nothing_that_only_it_has() {
    run(async {
        let Some(mut pair) = Pair::start("a restart of PostgreSQL's primary").await else { return };
        pair.standby.kill();
        pair.swap_and_give_up().await;
        // The commit protocol swaps the same bytes again: the row is locked by the one that waits.
        let again = pair.swap().await;
        assert!(again.is_err(), "certainly not done: {again:?}");
        assert_eq!(pair.primary.query(SHOWN), "1");
        pair.primary.restart();
        assert_eq!(pair.primary.query(SHOWN), "2", "the primary shows what only it has");
        pair.shows_nothing().await;
        // The primary is lost for good.
        pair.primary.kill();
        pair.standby.restart();
        pair.fail_over();
        pair.goes_on_from(b"1").await;
    });
}

/// What a client has given up happens later, and nobody is told before.
#[test]
fn a_late_swap_is_shown_when_it_can_not_be_lost_any_more() {
    run(async {
        let Some(mut pair) = Pair::start("a late swap of PostgreSQL").await else { return };
        pair.standby.kill();
        pair.swap_and_give_up().await;
        assert_eq!(pair.store.get(BUCKET, KEY).await, Ok(Some(b"1".to_vec())), "readers are not held up");
        assert!(pair.store.current(BUCKET, KEY).await.is_err(), "how it ends is not known yet");
        pair.standby.restart();
        pair.primary.wait_until(SHOWN, "2");
        assert_eq!(pair.current().await, b"2");
        pair.fail_over();
        pair.goes_on_from(b"2").await;
    });
}

#[test]
fn servers_that_do_not_store_what_they_acknowledge_are_refused() {
    run(async {
        let test = "settings of PostgreSQL";
        let Some(server) = Postgres::start_with(test, "fsync = off\n", None) else { return };
        let directory = TempDir::new();
        let refusal = async |server: &Postgres| {
            let url = StoreUrl::parse(&server.url(&[])).unwrap();
            let refused = url.open(directory.path(), &Identity::Any(ID)).await.err();
            format!("{:#}", refused.unwrap())
        };
        assert!(refusal(&server).await.contains("fsync is off"));
        // A role or a database may have other defaults; a session has its own.
        let Some(server) = Postgres::start(test) else { return };
        server.query("ALTER DATABASE postgres SET synchronous_commit = off");
        server.query("ALTER DATABASE postgres SET lock_timeout = 0");
        let url = StoreUrl::parse(&server.url(&[])).unwrap();
        url.open(directory.path(), &Identity::Any(ID)).await.unwrap();
        let standby = server.standby("b");
        assert!(refusal(&standby).await.contains("a standby"));
    });
}
