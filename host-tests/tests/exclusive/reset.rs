//! What makes codes available again after a clock was far ahead.

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
