//! One-time codes by the hand of others.

use crate::clients;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The length of a time step.
const PERIOD: Duration = Duration::from_secs(30);

/// Fails unless this is a code of the secret for now, or for any time since `begin`. Where there is no `oathtool` only its
/// form is looked at.
pub fn check(test: &str, secret: &str, code: &str, begin: SystemTime) {
    assert!(code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit()), "{code}");
    if !clients::program(test, "oathtool") {
        return;
    }
    let steps = (SystemTime::now().duration_since(begin).unwrap().as_secs() / PERIOD.as_secs() + 1) as u32;
    let codes: Vec<String> = (0..=steps).map(|step| made(secret, begin + step * PERIOD)).collect();
    assert!(codes.iter().any(|made| made == code), "{code} is none of {codes:?}");
}

fn made(secret: &str, at: SystemTime) -> String {
    let now = format!("@{}", at.duration_since(UNIX_EPOCH).unwrap().as_secs());
    let output = Command::new("oathtool").args(["--totp", "--base32", "--now", &now, secret]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
