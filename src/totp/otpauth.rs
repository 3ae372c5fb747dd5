//! Secrets as URIs: `otpauth://totp/LABEL?secret=...&algorithm=...&digits=...&period=...`, and those of Steam.
//!
//! There is no standard; the format is the one that Google Authenticator introduced, with what other programs made of it.
//! What would change the code is read or refused. Everything else, label and issuer too, is ignored.

use super::NewTotp;
use super::settings::{Algorithm, Encoder, TotpSettings, checked_digits, checked_period};
use super::shared_secret;
use crate::error::{Error, Result};
use crate::secret::{SecretBytes, SecretString};
use alloc::string::String;
use alloc::vec::Vec;

/// What a URI says; `None` where it says nothing.
#[derive(Default)]
pub(super) struct Parameters {
    secret: Option<SecretBytes>,
    algorithm: Option<Algorithm>,
    digits: Option<u8>,
    period: Option<u16>,
    encoder: Option<Encoder>,
}

impl Parameters {
    /// Reads a URI of a secret that is used with the time.
    pub fn parse(uri: &str) -> Result<Self> {
        let (scheme, rest) = uri.split_once("://").ok_or(Error::bad_request(NOT_OURS))?;
        if scheme.eq_ignore_ascii_case("steam") {
            let secret = shared_secret::decode(percent_decoded(rest)?.expose())?;
            return Ok(Self { secret: Some(secret), encoder: Some(Encoder::Steam), ..Self::default() });
        }
        if scheme.eq_ignore_ascii_case("otpauth-migration") {
            return Err(Error::bad_request(
                "totp_secret must be one secret: otpauth-migration:// holds several; export them one by one",
            ));
        }
        // Safari's, with which a site asks for the password manager that the system has.
        let is_ours = ["otpauth", "apple-otpauth"].iter().any(|ours| scheme.eq_ignore_ascii_case(ours));
        if !is_ours {
            return Err(Error::bad_request(NOT_OURS));
        }
        let rest = without_fragment(rest)?;
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let kind = path.split('/').next().unwrap_or(path);
        let mut found = Self::default();
        if kind.eq_ignore_ascii_case("steam") {
            found.encoder = Some(Encoder::Steam);
        } else if kind.eq_ignore_ascii_case("hotp") {
            return Err(Error::bad_request("totp_secret must be time-based: otpauth://hotp/ is not supported"));
        } else if !kind.eq_ignore_ascii_case("totp") {
            return Err(Error::bad_request(NOT_OURS));
        }
        for pair in query.split('&').map(after_escape) {
            found.read(pair)?;
        }
        Ok(found)
    }

    /// A pair of name and value. Names are matched in upper or lower case, with what line breaks left in them and behind a
    /// question mark of the label, or a `Digits=8` would be ignored and the codes be wrong.
    fn read(&mut self, pair: &str) -> Result<()> {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = percent_decoded(name)?;
        let name = name.expose().rsplit('?').next().map_or("", after_escape);
        let name: String = name.chars().filter(|character| !character.is_whitespace()).collect();
        let is = |expected: &str| name.eq_ignore_ascii_case(expected);
        if is("secret") {
            let value = percent_decoded(value)?;
            if value.expose().trim().is_empty() {
                return Err(Error::bad_request(NO_SECRET));
            }
            set(&mut self.secret, shared_secret::decode(value.expose())?)
        } else if is("algorithm") {
            let algorithm = Algorithm::parse(percent_decoded(value)?.expose());
            let rule = "totp_secret: the URI's algorithm must be SHA1, SHA256 or SHA512";
            set(&mut self.algorithm, algorithm.ok_or(Error::bad_request(rule))?)
        } else if is("digits") {
            // Whether five are right depends on the encoder, which may come later.
            let digits = number(percent_decoded(value)?.expose().trim());
            let digits = digits.and_then(|digits| if digits == 5 { Some(5) } else { checked_digits(digits) });
            set(&mut self.digits, digits.ok_or(Error::bad_request(DIGITS))?)
        } else if is("period") {
            let period = number(percent_decoded(value)?.expose().trim()).and_then(checked_period);
            let rule = "totp_secret: the URI's period must be 5 to 3600 seconds";
            set(&mut self.period, period.ok_or(Error::bad_request(rule))?)
        } else if is("encoder") {
            if !percent_decoded(value)?.expose().trim().eq_ignore_ascii_case("steam") {
                return Err(Error::bad_request("totp_secret: the URI's encoder must be steam, or absent"));
            }
            set(&mut self.encoder, Encoder::Steam)
        } else if is("epoch") || is("t0") {
            // RFC 6238, section 4.2: where the time steps begin. PHP's OTPHP writes it.
            if percent_decoded(value)?.expose().trim() != "0" {
                return Err(Error::bad_request("totp_secret: the URI's epoch must be 0, or absent"));
            }
            Ok(())
        } else {
            Ok(())
        }
    }

    /// The secret, and the settings: what the URI says, else what the request says, else the default.
    pub fn with(self, request: NewTotp<'_>) -> Result<(SecretBytes, TotpSettings)> {
        let secret = self.secret.ok_or(Error::bad_request(NO_SECRET))?;
        if self.encoder == Some(Encoder::Steam) {
            let steam = TotpSettings::STEAM;
            let is_steam = self.algorithm.is_none_or(|algorithm| algorithm == steam.algorithm)
                && self.digits.is_none_or(|digits| digits == steam.digits)
                && self.period.is_none_or(|period| period == steam.period);
            let rule = "totp_secret: a URI for Steam must have SHA1, 5 digits and a period of 30, or not say";
            return if is_steam { Ok((secret, steam)) } else { Err(Error::bad_request(rule)) };
        }
        if self.digits == Some(5) {
            return Err(Error::bad_request(DIGITS));
        }
        let explicit = NewTotp {
            algorithm: self.algorithm.or(request.algorithm),
            // Those of the URI are within the bounds already.
            digits: self.digits.map_or(request.digits, |digits| Some(digits.into())),
            period: self.period.map_or(request.period, |period| Some(period.into())),
            ..request
        };
        Ok((secret, TotpSettings::from_request(explicit, TotpSettings::default())?))
    }
}

const NOT_OURS: &str =
    "totp_secret must be base32, or a URI that begins with otpauth://totp/, otpauth://steam/ or steam://";
const NO_SECRET: &str = "totp_secret: the URI must have a secret parameter";
const DIGITS: &str = "totp_secret: the URI's digits must be 6 to 9";

/// A parameter may come again, if it says the same: which one counts is not agreed on.
fn set<T: PartialEq>(slot: &mut Option<T>, value: T) -> Result<()> {
    if slot.as_ref().is_some_and(|earlier| *earlier != value) {
        return Err(Error::bad_request("totp_secret: the URI must not have a parameter twice with different values"));
    }
    *slot = Some(value);
    Ok(())
}

/// Some programs end a URI at a number sign, and others read on: so nothing that counts may stand behind one.
fn without_fragment(uri: &str) -> Result<&str> {
    // Behind an ampersand it is a character reference's.
    let mut signs = uri.match_indices('#').filter(|(at, _)| !uri.get(..*at).is_some_and(|front| front.ends_with('&')));
    let Some((front, fragment)) = signs.next().and_then(|(at, _)| uri.split_at_checked(at)) else { return Ok(uri) };
    if fragment.contains('=') {
        return Err(Error::bad_request("totp_secret: the URI must not have parameters behind a number sign"));
    }
    Ok(front)
}

/// The pair behind an ampersand that was written as in HTML, once or several times over.
fn after_escape(mut pair: &str) -> &str {
    const ESCAPES: [&str; 4] = ["amp;", "#38;", "#038;", "#x26;"];
    while let Some(rest) = ESCAPES.iter().find_map(|escape| strip_prefix_ignoring_case(pair, escape)) {
        pair = rest;
    }
    pair
}

/// A decimal number without sign and leading zeros, as short as the bounds need it.
fn number(text: &str) -> Option<i64> {
    let is_plain = text.len() <= 4 && !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_plain { text.parse().ok() } else { None }
}

/// RFC 3986, section 2.1, and a plus sign for a space as in the queries of forms: nothing that is read here has one.
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
            b'+' => b' ',
            other => other,
        });
    }
    match String::from_utf8(decoded) {
        Ok(text) => Ok(SecretString::new(text)),
        Err(error) => {
            // What was decoded can be part of the secret.
            drop(SecretBytes::new(error.into_bytes()));
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
