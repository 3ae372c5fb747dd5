//! The key URI format: `otpauth://totp/LABEL?secret=...&algorithm=...&digits=...&period=...`.
//!
//! There is no standard; the format is the one that Google Authenticator introduced. Label and issuer are not looked
//! at, and unknown parameters are ignored.

use super::settings::{Algorithm, checked_digits, checked_period};
use crate::error::{Error, Result};
use crate::secret::SecretString;
use alloc::string::String;
use alloc::vec::Vec;

/// What a URI says; `None` where it says nothing.
pub(super) struct Parameters {
    pub secret: SecretString,
    pub algorithm: Option<Algorithm>,
    pub digits: Option<u8>,
    pub period: Option<u16>,
}

impl Parameters {
    /// Parameter names are matched in upper or lower case, or a `Digits=8` would be ignored and the codes be wrong. A
    /// parameter that counts may be there only once: which one counts is not agreed on.
    pub fn parse(uri: &str) -> Result<Self> {
        let mut found = Found::default();
        for pair in query(uri)?.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let slot = match percent_decoded(name)?.expose() {
                name if name.eq_ignore_ascii_case("secret") => &mut found.secret,
                name if name.eq_ignore_ascii_case("algorithm") => &mut found.algorithm,
                name if name.eq_ignore_ascii_case("digits") => &mut found.digits,
                name if name.eq_ignore_ascii_case("period") => &mut found.period,
                _ => continue,
            };
            if slot.replace(percent_decoded(value)?).is_some() {
                return Err(Error::bad_request("totp_secret: the URI must not have a parameter twice"));
            }
        }
        let secret = found.secret.filter(|secret| !secret.expose().is_empty());
        Ok(Self {
            secret: secret.ok_or(Error::bad_request("totp_secret: the URI must have a secret parameter"))?,
            algorithm: found.algorithm.map(algorithm).transpose()?,
            digits: found.digits.map(digits).transpose()?,
            period: found.period.map(period).transpose()?,
        })
    }
}

/// Values as they stand in the URI, percent-decoded.
#[derive(Default)]
struct Found {
    secret: Option<SecretString>,
    algorithm: Option<SecretString>,
    digits: Option<SecretString>,
    period: Option<SecretString>,
}

/// The query of a URI that is one for TOTP; empty if it has none.
fn query(uri: &str) -> Result<&str> {
    let rest = strip_prefix_ignoring_case(uri, "otpauth://")
        .ok_or(Error::bad_request("totp_secret must be base32 or a URI that begins with otpauth://totp/"))?;
    let before_fragment = rest.split('#').next().unwrap_or(rest);
    let (path, query) = before_fragment.split_once('?').unwrap_or((before_fragment, ""));
    let kind = path.split('/').next().unwrap_or(path);
    if kind.eq_ignore_ascii_case("hotp") {
        return Err(Error::bad_request("totp_secret must be time-based: otpauth://hotp/ is not supported"));
    }
    if !kind.eq_ignore_ascii_case("totp") {
        return Err(Error::bad_request("totp_secret must be base32 or a URI that begins with otpauth://totp/"));
    }
    Ok(query)
}

fn algorithm(text: SecretString) -> Result<Algorithm> {
    Algorithm::parse(text.expose())
        .ok_or(Error::bad_request("totp_secret: the URI's algorithm must be SHA1, SHA256 or SHA512"))
}

fn digits(text: SecretString) -> Result<u8> {
    number(text.expose())
        .and_then(checked_digits)
        .ok_or(Error::bad_request("totp_secret: the URI's digits must be 6 to 9"))
}

fn period(text: SecretString) -> Result<u16> {
    number(text.expose())
        .and_then(checked_period)
        .ok_or(Error::bad_request("totp_secret: the URI's period must be 15 to 300 seconds"))
}

/// A decimal number without sign and leading zeros, as short as the bounds need it.
fn number(text: &str) -> Option<i64> {
    let is_plain = text.len() <= 3 && !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_plain { text.parse().ok() } else { None }
}

/// RFC 3986, section 2.1. A plus sign is a plus sign: this is no HTML form.
fn percent_decoded(text: &str) -> Result<SecretString> {
    let malformed = || Error::bad_request("totp_secret: the URI must be percent-encoded UTF-8");
    // Never longer than its encoding, so it does not grow.
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => {
                let high = bytes.next().and_then(hexadecimal).ok_or_else(malformed)?;
                let low = bytes.next().and_then(hexadecimal).ok_or_else(malformed)?;
                high << 4 | low
            }
            other => other,
        });
    }
    match String::from_utf8(decoded) {
        Ok(text) => Ok(SecretString::new(text)),
        Err(error) => {
            // What was decoded can be part of the seed.
            drop(crate::secret::SecretBytes::new(error.into_bytes()));
            Err(malformed())
        }
    }
}

fn hexadecimal(digit: u8) -> Option<u8> {
    // Less than 16.
    char::from(digit).to_digit(16).map(|value| value as u8)
}

fn strip_prefix_ignoring_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (front, rest) = text.split_at_checked(prefix.len())?;
    front.eq_ignore_ascii_case(prefix).then_some(rest)
}
