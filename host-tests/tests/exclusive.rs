//! An exclusive one-time code goes to one caller only, however many ask at once, through whatever instance, and whatever
//! their clocks say.

use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Barrier, Mutex, MutexGuard};
use std::time::Duration;
use strongroom_host::fill::{self, Browsers, Fills, Policies};
use strongroom_host::keyvalue::{Expected, KeyPage, Swap, Versioned, async_trait};
use strongroom_host::{KeyValue, Services, SqliteStore};
use strongroom_host_tests::credentials::{Changes, NewCredential};
use strongroom_host_tests::types::{CodeOptions, Error, ErrorCode, OneTimeCode};
use strongroom_host_tests::{
    Behaviour, Chromium, Dice, FixedClock, KEYS, Kind, LoginSite, MemoryStore, NOW, Program, StoreError, TempDir,
    Vault, World, new_credential, no_changes,
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

mod clock {
    use super::*;

    fn vault() -> Vault {
        let vault = Vault::new(World::Vault);
        vault.create(&with_secret("n")).unwrap();
        vault
    }

    #[test]
    fn set_back_gives_no_step_twice() {
        let vault = vault();
        let mut granted = Vec::new();
        for now in [0, 1, 0, 2, 1, 0, 2, 3, 2, 1, 4, 3, 2, 5] {
            vault.clock.set(NOW + now * STEP + 1_000);
            match vault.totp_code("n", EXCLUSIVE) {
                Ok(code) => granted.push((code.expires_at - NOW) / STEP - 1),
                Err(error) => {
                    // The first step that is free begins after the newest that was given out.
                    let newest = *granted.last().unwrap();
                    let wait = ((newest + 1 - now) * STEP - 1_000) / 1000;
                    assert_eq!((error.code, error.retry_after_seconds), (ErrorCode::CodeTaken, Some(wait as u32)));
                }
            }
        }
        assert_eq!(granted, [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn far_behind_is_an_error_of_its_own() {
        let vault = vault();
        vault.clock.set(NOW + 10 * STEP);
        vault.totp_code("n", EXCLUSIVE).unwrap();
        for (steps, code) in [
            (10, ErrorCode::CodeTaken),
            (9, ErrorCode::CodeTaken),
            (8, ErrorCode::CodeTaken),
            (7, ErrorCode::ClockBehind),
            (0, ErrorCode::ClockBehind),
        ] {
            vault.clock.set(NOW + steps * STEP);
            assert_eq!(code_of(vault.totp_code("n", EXCLUSIVE)), code, "{steps}");
            assert_eq!(code_of(vault.supply("n", "https://example.com", EXCLUSIVE)), code, "{steps}");
            // For those who do not ask for it, nothing has changed.
            vault.totp_code("n", None).unwrap();
        }
        vault.clock.set(NOW + 11 * STEP);
        vault.totp_code("n", EXCLUSIVE).unwrap();
    }

    #[test]
    fn a_code_that_is_refused_is_not_used_up() {
        let vault = vault();
        let wish = |min_valid_seconds| Some(CodeOptions { min_valid_seconds, exclusive: true });
        vault.clock.set(NOW + 25_000);
        assert_eq!(code_of(vault.totp_code("n", wish(10))), ErrorCode::CodeExpiring);
        assert_eq!(code_of(vault.supply("n", "https://example.com", wish(10))), ErrorCode::CodeExpiring);
        assert_eq!(code_of(vault.supply("n", "https://evil.test", wish(0))), ErrorCode::OriginRefused);
        assert_eq!(code_of(vault.totp_code("n", wish(30))), ErrorCode::BadRequest);
        vault.totp_code("n", wish(5)).unwrap();
        assert_eq!(code_of(vault.totp_code("n", wish(5))), ErrorCode::CodeTaken);
    }

    #[test]
    fn codes_and_supply_draw_from_the_same() {
        let vault = vault();
        let supplied = vault.supply("n", "https://example.com", EXCLUSIVE).unwrap();
        assert!(supplied.totp.is_some());
        assert_eq!(code_of(vault.totp_code("n", EXCLUSIVE)), ErrorCode::CodeTaken);
        assert_eq!(code_of(vault.supply("n", "https://example.com", EXCLUSIVE)), ErrorCode::CodeTaken);
        // Without a secret there is nothing to draw.
        vault.create(&new_credential("plain", "example.com", &[("a", "1")])).unwrap();
        assert!(vault.supply("plain", "https://example.com", EXCLUSIVE).unwrap().totp.is_none());
    }
}

/// What makes codes available again after a clock was far ahead.
mod reset {
    use super::*;

    fn vault() -> Vault {
        let vault = Vault::new(World::Vault);
        vault.create(&with_secret("n")).unwrap();
        vault
    }

    /// Asks in this step, counted from the first.
    fn at(vault: &Vault, step: u64) -> Result<u64, ErrorCode> {
        vault.clock.set(NOW + step * STEP + 1_000);
        let code = vault.totp_code("n", EXCLUSIVE).map_err(|error| error.code)?;
        Ok((code.expires_at - NOW) / STEP - 1)
    }

    #[test]
    fn ends_what_a_clock_far_ahead_has_blocked() {
        let vault = vault();
        let far = 100_000;
        assert_eq!(at(&vault, 0), Ok(0));
        assert_eq!(at(&vault, far), Ok(far));
        vault.clock.set(NOW + STEP + 1_000);
        let blocked = vault.totp_code("n", EXCLUSIVE).unwrap_err();
        assert_eq!(blocked.code, ErrorCode::ClockBehind);
        assert!(blocked.message.contains("reset_exclusive") && blocked.message.len() <= 300, "{}", blocked.message);
        // That long it would stay so.
        assert_eq!(blocked.retry_after_seconds, Some((far * STEP / 1000 - 1) as u32));

        assert_eq!(vault.reset_exclusive("n").unwrap(), NOW + 2 * STEP);
        assert_eq!(at(&vault, 1), Err(ErrorCode::CodeTaken), "the step of now counts as given");
        assert_eq!(at(&vault, 0), Err(ErrorCode::CodeTaken));
        assert_eq!(at(&vault, 2), Ok(2));
        assert_eq!(at(&vault, 2), Err(ErrorCode::CodeTaken));
        // What the clock far ahead got is not given again when its time comes, and blocks nothing beside it.
        assert_eq!(at(&vault, far - 1), Ok(far - 1));
        assert_eq!(at(&vault, far), Err(ErrorCode::CodeTaken));
        assert_eq!(at(&vault, far + 1), Ok(far + 1));
    }

    /// As when the wrong clock is the one of whoever resets.
    #[test]
    fn by_a_clock_behind_gives_no_step_twice() {
        let vault = vault();
        for step in 0..CALLERS as u64 {
            assert_eq!(at(&vault, step), Ok(step));
        }
        vault.clock.set(NOW - 5_000 * STEP);
        vault.reset_exclusive("n").unwrap();
        for step in 0..CALLERS as u64 {
            assert_eq!(at(&vault, step), Err(ErrorCode::CodeTaken), "{step}");
            vault.clock.set(NOW - 5_000 * STEP);
            vault.reset_exclusive("n").unwrap();
        }
        assert_eq!(at(&vault, CALLERS as u64), Ok(CALLERS as u64));
    }

    #[test]
    fn takes_nothing_where_nothing_is_blocked() {
        let vault = vault();
        assert_eq!(vault.reset_exclusive("n").unwrap(), NOW);
        assert_eq!(at(&vault, 0), Ok(0));
        assert_eq!(vault.reset_exclusive("n").unwrap(), NOW + STEP);
        assert_eq!(at(&vault, 1), Ok(1));
        // A clock that is a little ahead is no reason to give its step again.
        assert_eq!(at(&vault, 3), Ok(3));
        vault.clock.set(NOW + 2 * STEP);
        assert_eq!(vault.reset_exclusive("n").unwrap(), NOW + 4 * STEP);
        assert_eq!(at(&vault, 3), Err(ErrorCode::CodeTaken));
        assert_eq!(at(&vault, 4), Ok(4));
    }

    /// Clocks that differ and leap, of those who ask and of those who reset, on a store that loses, denies and fails.
    #[test]
    fn over_a_store_that_answers_wrongly_gives_no_step_twice() {
        let vault = vault();
        let mut dice = Dice(4226);
        let mut faults = Dice(6238);
        vault.store.hook(move |operation| {
            let error = || StoreError::Other("wrong".into());
            match faults.between(0, 20) {
                _ if !operation.key.contains(".x.") => Behaviour::Correct,
                0 => Behaviour::Fail(error()),
                1 => Behaviour::FailAfter(error()),
                2 if operation.kind == Kind::Swap => Behaviour::Lose,
                3 if operation.kind == Kind::Swap => Behaviour::Deny,
                _ => Behaviour::Correct,
            }
        });
        let (mut granted, mut resets) = (Vec::new(), 0);
        for round in 0..800 {
            let now = 5_000 + round / 4 + dice.between(0, 6);
            if dice.once_in(4) {
                let behind = if dice.once_in(3) { 3_000 } else { 0 };
                vault.clock.set(NOW + (now - behind) * STEP);
                resets += u32::from(vault.reset_exclusive("n").is_ok());
                continue;
            }
            let ahead = if dice.once_in(40) { dice.between(100, 10_000) } else { 0 };
            match at(&vault, now + ahead) {
                Ok(step) => granted.push(step),
                Err(error) => assert!(
                    matches!(
                        error,
                        ErrorCode::CodeTaken
                            | ErrorCode::ClockBehind
                            | ErrorCode::OutcomeUnknown
                            | ErrorCode::StorageUnavailable
                            | ErrorCode::Contended
                    ),
                    "{error:?}"
                ),
            }
        }
        let leaps = granted.iter().filter(|step| **step > 5_300).count();
        let all = granted.len();
        granted.sort_unstable();
        granted.dedup();
        assert_eq!(granted.len(), all, "a step was given twice");
        assert!(all > 100 && leaps > 3 && resets > 100, "{all} steps, {leaps} far ahead, {resets} resets");
    }

    #[test]
    fn is_for_operators_and_on_record() {
        let vault = vault();
        vault.create(&new_credential("plain", "example.com", &[("a", "1")])).unwrap();
        let refused = |name: &str| vault.reset_exclusive(name).unwrap_err().code;
        assert_eq!(refused("plain"), ErrorCode::TotpNotConfigured);
        assert_eq!(refused("nobody"), ErrorCode::NotFound);
        assert_eq!(refused(""), ErrorCode::BadRequest);
        let events = vault.audit().unwrap().len();
        vault.reset_exclusive("n").unwrap();
        let audit = vault.audit().unwrap();
        assert_eq!((audit.len(), audit[0].action.as_str(), audit[0].version), (events + 1, "reset_exclusive", Some(1)));
        assert_eq!(audit[0].credential.as_ref(), Some(&vault.get("n").unwrap().id));
        assert!(vault.versions("n").unwrap().is_empty(), "the credential is as it was");

        vault.settings.set("strongroom_caller", "agent:read+totp+write+supply");
        assert_eq!(refused("n"), ErrorCode::Forbidden);
        vault.settings.set("strongroom_caller", "operator:admin");
        vault.reset_exclusive("n").unwrap();

        let vault = Vault::new(World::EdgeNoAtomics);
        vault.create(&with_secret("n")).unwrap();
        assert_eq!(vault.reset_exclusive("n").unwrap_err().code, ErrorCode::NotSupported);
    }
}

mod record {
    use super::*;

    fn secret(text: &str) -> Changes {
        Changes { totp_secret: Some(text.into()), ..no_changes() }
    }

    #[test]
    fn is_the_same_as_long_as_the_time_steps_are() {
        let vault = Vault::new(World::Vault);
        vault.create(&with_secret("n")).unwrap();
        vault.create(&with_secret("other")).unwrap();
        vault.totp_code("n", EXCLUSIVE).unwrap();
        vault.totp_code("other", EXCLUSIVE).unwrap();
        let taken = || assert_eq!(code_of(vault.totp_code("n", EXCLUSIVE)), ErrorCode::CodeTaken);
        let free = || vault.totp_code("n", EXCLUSIVE).map(drop).unwrap();

        taken();
        vault.update("n", &Changes { sso_provider: Some("google".into()), ..no_changes() }).unwrap();
        taken();
        vault.update("n", &Changes { values: Some(vec![("a".into(), "1".into())]), ..no_changes() }).unwrap();
        taken();
        vault.update("n", &secret("jbsw y3dp ehpk 3pxp")).unwrap();
        taken();
        vault.put(&with_secret("n"), None).unwrap();
        taken();
        vault.update("n", &Changes { name: Some("m".into()), ..no_changes() }).unwrap();
        vault.update("m", &Changes { name: Some("n".into()), ..no_changes() }).unwrap();
        taken();

        // To another secret and back: otherwise the code of this step could be had twice.
        vault.update("n", &secret("AAAAAAAAAAAAAAAA")).unwrap();
        taken();
        vault.put(&with_secret("n"), None).unwrap();
        taken();

        // Other time steps, and a secret after none, begin anew.
        vault.update("n", &Changes { totp_period: Some(60), ..secret("AAAAAAAAAAAAAAAA") }).unwrap();
        free();
        taken();
        vault.update("n", &secret("")).unwrap();
        vault.put(&with_secret("n"), None).unwrap();
        free();
        taken();
        assert_eq!(code_of(vault.totp_code("other", EXCLUSIVE)), ErrorCode::CodeTaken, "each has its own");

        // Those of secrets that were replaced are kept with them, so that a restored one gives no step twice.
        let claims = vault.verify().unwrap().claims;
        assert!(claims > 2, "{claims}");
        vault.update("n", &secret("")).unwrap();
        let other = vault.delete("other", None).unwrap();
        assert_eq!(vault.verify().unwrap().claims, claims);
        vault.purge("n").unwrap();
        vault.purge(&other).unwrap();
        let report = vault.verify().unwrap();
        assert_eq!((report.claims, report.orphans), (0, 0));
    }

    /// A caller that does not learn whether it has the step gets no code.
    #[test]
    fn whose_state_is_unclear_gives_no_code() {
        let vault = Vault::new(World::Vault);
        vault.create(&with_secret("n")).unwrap();
        let error = || StoreError::Other("canary".into());
        // The swap is made, but neither the swap nor any read after it answers.
        let mut swapped = false;
        vault.store.hook(move |operation| match operation.kind {
            Kind::Swap => {
                swapped = true;
                Behaviour::FailAfter(error())
            }
            Kind::Current if swapped => Behaviour::Fail(error()),
            _ => Behaviour::Correct,
        });
        let refused = vault.totp_code("n", EXCLUSIVE).unwrap_err();
        assert_eq!(refused.code, ErrorCode::OutcomeUnknown);
        assert!(!refused.message.contains("canary"));
        vault.store.unhook();
        assert_eq!(code_of(vault.totp_code("n", EXCLUSIVE)), ErrorCode::CodeTaken);
        vault.clock.advance(STEP);

        // A swap that says "conflict" although it was made is found out by reading.
        vault.store.hook(|operation| match operation.kind {
            Kind::Swap => Behaviour::Deny,
            _ => Behaviour::Correct,
        });
        vault.totp_code("n", EXCLUSIVE).unwrap();
        assert_eq!(code_of(vault.totp_code("n", EXCLUSIVE)), ErrorCode::CodeTaken);
    }

    #[test]
    fn needs_compare_and_swap() {
        let store = Arc::new(MemoryStore::new());
        let vault = Vault::on(World::EdgeNoAtomics, store.clone());
        vault.create(&with_secret("n")).unwrap();
        for error in [
            vault.totp_code("n", EXCLUSIVE).map(drop).unwrap_err(),
            vault.supply("n", "https://example.com", EXCLUSIVE).map(drop).unwrap_err(),
        ] {
            assert_eq!(error.code, ErrorCode::NotSupported);
            assert!(error.message.contains("exclusive"), "{error:?}");
        }
        let request = json!({ "action": "totp_code", "id_or_name": "n", "exclusive": true });
        assert_eq!(vault.manage_json(&request).unwrap_err()["code"], "not_supported");
        vault.totp_code("n", None).unwrap();

        // A secret that was stored there has no record; a new one that is stored by a build with atomics has.
        let vault = Vault::on(World::Edge, store);
        assert_eq!(code_of(vault.totp_code("n", EXCLUSIVE)), ErrorCode::NotSupported);
        vault.update("n", &secret("AAAAAAAAAAAAAAAA")).unwrap();
        vault.totp_code("n", EXCLUSIVE).unwrap();
        assert_eq!(code_of(vault.totp_code("n", EXCLUSIVE)), ErrorCode::CodeTaken);
    }
}

/// Two agents log in with one account at the same time, each in a page of its own. `STRONGROOM_LOGIN_RUNS` for all 50.
#[test]
fn two_agents_log_in_with_a_code_each() {
    let Some(chromium) = Chromium::start("logins with exclusive codes") else { return };
    let _alone = alone();
    let logins = std::env::var("STRONGROOM_LOGIN_RUNS").map_or(5, |_| 50);
    let (site, store) = (LoginSite::start(), Arc::new(MemoryStore::new()));
    let values = [("username", "u"), ("password", "p")];
    let credential = NewCredential { totp_secret: Some(SECRET.into()), ..new_credential("n", "localhost", &values) };
    Vault::on(World::Vault, store.clone()).create(&credential).unwrap();
    // One clock for both, which moves on when a code is wanted that is not there yet.
    let caller = Caller::new(store);
    let policies = Policies { ports: [("n".to_owned(), vec![site.port])].into(), ..Policies::default() };
    let fills = Fills::new(Browsers::parse([format!("agent={}", chromium.url()).as_str()]).unwrap(), policies);
    let log_in = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        for _ in 0..logins {
            let page = chromium.open(&format!("{}code", site.url()));
            let arguments = json!({ "credential": "n", "page": page, "exclusive": true, "timeout_seconds": 60 });
            loop {
                let arguments = fill::Arguments::parse_all(arguments.as_object().unwrap()).unwrap();
                let (component, services) = (World::Vault.component(), caller.services.clone());
                match runtime.block_on(fills.run(component, services, "agent", arguments)) {
                    Ok(answer) => break assert_eq!(answer.status.as_str(), "submitted"),
                    Err(failure) => assert_eq!(failure.code, "code_taken", "{failure:?}"),
                }
                caller.clock.advance(STEP);
            }
            chromium.close(&page);
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(log_in);
        scope.spawn(log_in);
    });
    let received = site.received();
    let codes: BTreeSet<_> =
        received.iter().map(|body| body.strip_prefix("username=u&password=p&otp=").unwrap()).collect();
    // No two of the codes of these steps are alike.
    assert_eq!((received.len(), codes.len()), (2 * logins, 2 * logins), "one login, one code: {received:?}");
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
