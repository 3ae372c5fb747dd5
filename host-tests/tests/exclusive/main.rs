//! An exclusive one-time code goes to one caller only, however many ask at once, through whatever instance, and whatever
//! their clocks say.

mod clock;
mod logins;
mod record;
mod reset;

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Barrier, Mutex, MutexGuard};
use std::time::Duration;
use strongroom_host::keyvalue::{Expected, KeyPage, Swap, Versioned, async_trait};
use strongroom_host::{KeyValue, Services, SqliteStore};
use strongroom_host_tests::credentials::{Changes, NewCredential};
use strongroom_host_tests::types::{CodeOptions, Error, ErrorCode, OneTimeCode};
use strongroom_host_tests::{
    Behaviour, Dice, FixedClock, KEYS, Kind, MemoryStore, NOW, Program, StoreError, TempDir, Vault, World,
    new_credential, no_changes,
};

const CALLERS: usize = 64;
const SECRET: &str = "JBSWY3DPEHPK3PXP";
const STEP: u64 = 30_000;
const EXCLUSIVE: Option<CodeOptions> = Some(CodeOptions { min_valid_seconds: 0, exclusive: true });

fn with_secret(name: &str) -> NewCredential {
    NewCredential { totp_secret: Some(SECRET.into()), ..new_credential(name, "example.com", &[("password", "p")]) }
}

fn code_of<T: std::fmt::Debug>(result: Result<T, Error>) -> ErrorCode {
    result.unwrap_err().code
}

/// Someone with an own thread, an own clock and a fresh instance for each call.
struct Caller {
    services: Services,
    clock: Arc<FixedClock>,
}

impl Caller {
    fn new(store: Arc<dyn KeyValue>) -> Self {
        let clock = Arc::new(FixedClock::new(NOW));
        let config = Arc::new(BTreeMap::from([("strongroom_keys".to_owned(), KEYS.to_owned())]));
        Self { services: Services { store, config, clock: clock.clone() }, clock }
    }

    fn exclusive_code(&self) -> Result<OneTimeCode, Error> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut instance = World::Vault.component().vault(&self.services).await.unwrap();
            let credentials = instance.exports.strongroom_vault_credentials();
            let code = credentials.call_totp_code(instance.store.call(), "n", EXCLUSIVE).await;
            code.expect("the component trapped")
        })
    }

    fn reset(&self) -> Result<u64, Error> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut instance = World::Vault.component().vault(&self.services).await.unwrap();
            let maintenance = instance.exports.strongroom_vault_maintenance();
            maintenance.call_reset_exclusive(instance.store.call(), "n").await.expect("the component trapped")
        })
    }
}

/// A store whose reads for a swap take so long that all callers are at them at once.
struct Slow(Arc<MemoryStore>);

#[async_trait]
impl KeyValue for Slow {
    async fn get(&self, bucket: &str, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.0.get(bucket, key).await
    }

    async fn set(&self, bucket: &str, key: &str, value: &[u8]) -> Result<(), StoreError> {
        self.0.set(bucket, key, value).await
    }

    async fn delete(&self, bucket: &str, key: &str) -> Result<(), StoreError> {
        self.0.delete(bucket, key).await
    }

    async fn list_keys(&self, bucket: &str, cursor: Option<&str>) -> Result<KeyPage, StoreError> {
        self.0.list_keys(bucket, cursor).await
    }

    async fn increment(&self, bucket: &str, key: &str, delta: i64) -> Result<i64, StoreError> {
        self.0.increment(bucket, key, delta).await
    }

    async fn current(&self, bucket: &str, key: &str) -> Result<Option<Versioned>, StoreError> {
        let value = self.0.current(bucket, key).await;
        std::thread::sleep(Duration::from_millis(50));
        value
    }

    async fn swap(&self, bucket: &str, key: &str, expected: Expected<'_>, value: &[u8]) -> Result<Swap, StoreError> {
        self.0.swap(bucket, key, expected, value).await
    }
}

/// The engine has room for as many instances as there are callers here, so one crowd at a time.
fn alone() -> MutexGuard<'static, ()> {
    static CROWD: Mutex<()> = Mutex::new(());
    CROWD.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// All ask at once.
fn ask(callers: &[Caller]) -> Vec<Result<OneTimeCode, Error>> {
    let start = Barrier::new(callers.len());
    std::thread::scope(|scope| {
        let threads: Vec<_> = callers
            .iter()
            .map(|caller| {
                scope.spawn(|| {
                    start.wait();
                    caller.exclusive_code()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// Each time step in turn: one gets the code, all others are told when the next one is to be had.
fn assert_one_code_per_step(callers: &[Caller], steps: u64) {
    for step in 0..steps {
        let now = NOW + step * STEP + 4_500;
        callers.iter().for_each(|caller| caller.clock.set(now));
        let (granted, refused): (Vec<_>, Vec<_>) = ask(callers).into_iter().partition(Result::is_ok);
        assert_eq!(granted.len(), 1, "step {step}");
        assert_eq!(granted.into_iter().next().unwrap().unwrap().expires_at, NOW + (step + 1) * STEP);
        for error in refused.into_iter().map(Result::unwrap_err) {
            assert_eq!((error.code, error.retry_after_seconds), (ErrorCode::CodeTaken, Some(26)), "{error:?}");
        }
    }
}

/// Callers whose clocks differ by up to two steps, and move by up to one step either way between their calls; between the
/// rounds one of them resets, whatever its clock says then. What they get may be less than a code per step, but is never a
/// code twice.
fn assert_no_code_twice(callers: &[Caller], rounds: u64) {
    let mut granted = Vec::new();
    for round in 0..rounds {
        for (index, caller) in callers.iter().enumerate() {
            let (skew, jump) = (index as u64 % 5 * STEP / 2, (index as u64 * 7 + round * 5) % 3 * STEP);
            caller.clock.set(NOW + round * STEP + skew + jump);
        }
        for result in ask(callers) {
            match result {
                Ok(code) => granted.push(code.expires_at),
                Err(error) => assert!(
                    matches!(error.code, ErrorCode::CodeTaken | ErrorCode::ClockBehind | ErrorCode::Contended),
                    "{error:?}"
                ),
            }
        }
        if round % 2 == 1 {
            callers[round as usize % callers.len()].reset().unwrap();
        }
    }
    let all = granted.len();
    granted.sort_unstable();
    granted.dedup();
    assert_eq!(granted.len(), all, "a code was given twice");
    // In each round somebody's clock is ahead of all clocks before.
    assert!(all as u64 >= rounds, "{all} codes in {rounds} rounds");
}

#[test]
fn of_64_callers_over_a_store_in_memory_one_gets_the_code() {
    let _alone = alone();
    let store = Arc::new(MemoryStore::new());
    Vault::on(World::Vault, store.clone()).create(&with_secret("n")).unwrap();
    let callers: Vec<_> = (0..CALLERS).map(|_| Caller::new(store.clone())).collect();
    assert_one_code_per_step(&callers, 12);
    let vault = Vault::on(World::Vault, store);
    let report = vault.verify().unwrap();
    assert_eq!((report.claims, report.orphans), (1, 0));
}

/// All have read the record before the first of them writes it.
#[test]
fn of_64_callers_that_interrupt_each_other_one_gets_the_code() {
    let _alone = alone();
    let store = Arc::new(MemoryStore::new());
    Vault::on(World::Vault, store.clone()).create(&with_secret("n")).unwrap();
    let slow: Arc<dyn KeyValue> = Arc::new(Slow(store.clone()));
    let callers: Vec<_> = (0..CALLERS).map(|_| Caller::new(slow.clone())).collect();
    assert_one_code_per_step(&callers, 4);

    // They do: where every swap overwrites, several believe that they have the code.
    store.hook(|operation| match operation.kind {
        Kind::Swap => Behaviour::Overwrite,
        _ => Behaviour::Correct,
    });
    let is_noticed = (10..30).any(|step| {
        callers.iter().for_each(|caller| caller.clock.set(NOW + step * STEP));
        ask(&callers).into_iter().filter(Result::is_ok).count() > 1
    });
    assert!(is_noticed);
}

#[test]
fn of_64_callers_over_sqlite_one_gets_the_code() {
    let _alone = alone();
    let directory = TempDir::new();
    let open = || Arc::new(SqliteStore::open(directory.path()).unwrap()) as Arc<dyn KeyValue>;
    create_over(open());
    // Half of them share one store, as the requests of one server do; the others have stores of their own, as processes
    // have.
    let shared = open();
    let store = |index: usize| if index.is_multiple_of(2) { shared.clone() } else { open() };
    let callers: Vec<_> = (0..CALLERS).map(|index| Caller::new(store(index))).collect();
    assert_one_code_per_step(&callers, 6);
}

#[test]
fn clocks_that_differ_and_jump_get_no_code_twice() {
    let _alone = alone();
    let store = Arc::new(MemoryStore::new());
    Vault::on(World::Vault, store.clone()).create(&with_secret("n")).unwrap();
    assert_no_code_twice(&(0..CALLERS).map(|_| Caller::new(store.clone())).collect::<Vec<_>>(), 12);

    let directory = TempDir::new();
    let open = || Arc::new(SqliteStore::open(directory.path()).unwrap()) as Arc<dyn KeyValue>;
    create_over(open());
    assert_no_code_twice(&(0..16).map(|_| Caller::new(open())).collect::<Vec<_>>(), 8);
}

/// Real processes, each with the whole program, on one directory.
#[test]
fn processes_share_one_record() {
    let _alone = alone();
    let directory = TempDir::new();
    let program = Program::on(directory.path());
    let create = json!({
        "action": "create", "name": "n", "domain": "example.com", "values": { "a": "1" }, "totp_secret": SECRET
    });
    program.call(&create).unwrap();
    let request = json!({ "action": "totp_code", "id_or_name": "n", "exclusive": true });
    let results: Vec<Result<Value, Value>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..12).map(|_| scope.spawn(|| program.call(&request))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    // The real clock may go on to the next step meanwhile.
    assert_distinct(&results, "expires_at");
}

/// The same over HTTP, with the status and the header that clients obey.
#[test]
fn requests_share_one_record() {
    let _alone = alone();
    let directory = TempDir::new();
    let server = Program::on(directory.path()).serve();
    let client = server.client();
    let new = json!({ "name": "n", "domain": "example.com", "values": { "a": "1" }, "totp_secret": SECRET });
    assert_eq!(client.post("/credentials", &new).status, 201);
    let answers: Vec<_> = std::thread::scope(|scope| {
        let get = || client.get("/credentials/n/totp-code?exclusive=true");
        let threads: Vec<_> = (0..CALLERS).map(|_| scope.spawn(get)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let results: Vec<_> = answers
        .iter()
        .map(|answer| match answer.status {
            200 => Ok(answer.json()),
            status => {
                assert_eq!(status, 429, "{answer:?}");
                let seconds = answer.json()["retry_after_seconds"].as_u64().unwrap();
                assert_eq!(answer.header("retry-after"), Some(seconds.to_string().as_str()));
                assert!((1..=30).contains(&seconds));
                Err(answer.json())
            }
        })
        .collect();
    assert_distinct(&results, "expires_at");
    // Those who do not ask for it are not counted.
    assert_eq!(client.get("/credentials/n/totp-code").status, 200);
}

/// At least one success, each with another member of this name; all others were told that the code is taken.
fn assert_distinct(results: &[Result<Value, Value>], member: &str) {
    let mut granted: Vec<String> = Vec::new();
    for result in results {
        match result {
            Ok(code) => granted.push(code[member].to_string()),
            Err(error) => assert_eq!(error["code"], "code_taken"),
        }
    }
    let all = granted.len();
    granted.sort_unstable();
    granted.dedup();
    assert!(all >= 1 && granted.len() == all, "{granted:?} of {all}");
}

fn create_over(store: Arc<dyn KeyValue>) {
    let caller = Caller::new(store);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let created = runtime.block_on(async {
        let mut instance = World::Vault.component().vault(&caller.services).await.unwrap();
        let credentials = instance.exports.strongroom_vault_credentials();
        credentials.call_create(instance.store.call(), &with_secret("n")).await
    });
    created.unwrap().unwrap();
}
