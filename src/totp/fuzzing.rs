//! Any text as a TOTP secret: base32, `otpauth://`, Steam; and any bytes as a stored one.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a target panics when it has found something"
)]

use super::*;
use crate::fuzzing::{Target, check_error, text};
use crate::time::Timestamp;
use alloc::format;
use alloc::string::String;
use hmac::{Hmac, KeyInit, Mac};

pub const OTPAUTH: Target = Target { name: "otpauth", run, seeds };

/// Long after 2020, and not at the beginning of a step.
const NOW: Timestamp = Timestamp(1_795_343_417_000);

fn run(data: &[u8]) {
    if let Some(stored) = Totp::decode(data) {
        assert_eq!(stored.encode().expose(), data);
        check(&stored);
    }
    if let Some(settings) = TotpSettings::decode(data) {
        assert_eq!(settings.encode(), data);
    }
    let given = text(data);
    let eight = TotpSettings::new(Algorithm::Sha512, 8, 60);
    for (algorithm, digits, period, stored) in [
        (None, None, None, None),
        (Some(Algorithm::Sha256), Some(7), Some(5), None),
        (None, Some(8), None, eight),
        (None, None, None, Some(TotpSettings::STEAM)),
        (None, Some(i64::MAX), Some(i64::MIN), None),
    ] {
        match Totp::parse(NewTotp { secret: &given, algorithm, digits, period }, stored) {
            Ok(totp) => {
                check(&totp);
                if !given.contains(':') {
                    assert_eq!(totp.secret.expose(), base32_by_hand(&given), "{given:?}");
                }
            }
            Err(error) => check_error(&error),
        }
    }
}

fn check(totp: &Totp) {
    let encoded = totp.encode();
    assert!(encoded.expose().len().is_multiple_of(ENCODED_STEP_BYTES));
    assert!(Totp::decode(encoded.expose()).is_some_and(|again| again == *totp));
    // The form that it can be written in is read as the same.
    let settings = totp.settings();
    let secret = base32::encode(base32::Alphabet::Rfc4648 { padding: false }, totp.secret.expose());
    let uri = match settings.encoder() {
        Encoder::Steam => format!("steam://{secret}"),
        Encoder::Decimal => format!(
            "otpauth://totp/x?secret={secret}&algorithm={}&digits={}&period={}",
            settings.algorithm().as_str(),
            settings.digits(),
            settings.period()
        ),
    };
    let again = Totp::parse(NewTotp { secret: &uri, algorithm: None, digits: None, period: None }, None);
    assert!(again.unwrap() == *totp);
    let code = totp.code_at(NOW).unwrap();
    assert_eq!(code.code.len(), usize::from(settings.digits()));
    assert!(code.expires_at > NOW && code.valid_for_seconds <= code.period);
    if settings.encoder() == Encoder::Decimal {
        assert_eq!(code.code, code_by_hand(totp, NOW.seconds() / u64::from(settings.period())));
    }
}

/// RFC 4226, section 5.3.
fn code_by_hand(totp: &Totp, step: u64) -> String {
    let (key, step) = (totp.secret.expose(), step.to_be_bytes());
    let hash = match totp.settings.algorithm {
        Algorithm::Sha1 => mac::<Hmac<sha1::Sha1>>(key, &step),
        Algorithm::Sha256 => mac::<Hmac<sha2::Sha256>>(key, &step),
        Algorithm::Sha512 => mac::<Hmac<sha2::Sha512>>(key, &step),
    };
    let at = usize::from(hash[hash.len() - 1] & 0xf);
    let number = u32::from_be_bytes(hash[at..at + 4].try_into().unwrap()) & 0x7fff_ffff;
    let digits = usize::from(totp.settings.digits);
    format!("{:0digits$}", u64::from(number) % 10u64.pow(digits as u32))
}

fn mac<M: Mac + KeyInit>(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut mac = <M as KeyInit>::new_from_slice(key).unwrap();
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}

/// RFC 4648, section 6: five bits for each character that is in the alphabet.
fn base32_by_hand(text: &str) -> Vec<u8> {
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0u32, 0);
    for character in text.bytes() {
        let value = match character.to_ascii_uppercase() {
            letter @ b'A'..=b'Z' => letter - b'A',
            digit @ b'2'..=b'7' => digit - b'2' + 26,
            _ => continue,
        };
        bits = (bits << 5 | u32::from(value)) & 0xfff;
        count += 5;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    bytes
}

fn seeds() -> Vec<Vec<u8>> {
    let uri = "otpauth://steam/x?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
    let totp = Totp::parse(NewTotp { secret: uri, algorithm: None, digits: None, period: None }, None).unwrap();
    Vec::from([totp.encode().expose().to_vec(), TotpSettings::STEAM.encode(), TotpSettings::default().encode()])
}
