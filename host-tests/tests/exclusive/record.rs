//! The record that says which time steps were given: how long it lives, and what an unclear one means.

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
