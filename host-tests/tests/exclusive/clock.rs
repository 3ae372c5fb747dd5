//! Clocks that step back or lag, and codes that were refused.

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
