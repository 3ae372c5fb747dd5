//! How codes are made of a secret.

use super::NewTotp;
use crate::error::{Error, Result};
use alloc::string::String;
use alloc::vec::Vec;

const DIGITS: core::ops::RangeInclusive<u8> = 6..=9;
/// In seconds.
const PERIOD: core::ops::RangeInclusive<u16> = 5..=3600;

/// The hash function in the HMAC (RFC 6238, section 1.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Algorithm {
    /// HMAC-SHA-1: the default, and what nearly every site uses.
    #[default]
    Sha1,
    /// HMAC-SHA-256.
    Sha256,
    /// HMAC-SHA-512.
    Sha512,
}

impl Algorithm {
    /// The name as in the key URI format and in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Algorithm::Sha1 => "SHA1",
            Algorithm::Sha256 => "SHA256",
            Algorithm::Sha512 => "SHA512",
        }
    }

    /// Reads a name as sites spell it, in upper or lower case: `SHA1`, `SHA-1`, `HmacSHA256`, `HMAC_SHA_512`, `sha2-256`.
    pub fn parse(text: &str) -> Option<Self> {
        let separates = |character: &char| matches!(character, '-' | '_' | ' ');
        let letters = text.chars().filter(|character| !separates(character));
        let name: String = letters.map(|letter| letter.to_ascii_uppercase()).collect();
        match name.strip_prefix("HMAC").unwrap_or(&name) {
            "SHA1" => Some(Algorithm::Sha1),
            "SHA256" | "SHA2256" => Some(Algorithm::Sha256),
            "SHA512" | "SHA2512" => Some(Algorithm::Sha512),
            _ => None,
        }
    }
}

/// How the number that the HMAC gives becomes a code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoder {
    /// Decimal digits (RFC 4226, section 5.3).
    #[default]
    Decimal,
    /// Five characters of Steam's own alphabet.
    Steam,
}

/// Algorithm, length and life time of codes, and how they are written. The default is what nearly every site uses: SHA1,
/// 6 digits, 30 seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TotpSettings {
    pub(super) algorithm: Algorithm,
    pub(super) digits: u8,
    pub(super) period: u16,
    pub(super) encoder: Encoder,
}

impl TotpSettings {
    /// Steam's: SHA1, five characters, 30 seconds, and nothing else.
    pub const STEAM: Self = Self { algorithm: Algorithm::Sha1, digits: 5, period: 30, encoder: Encoder::Steam };

    /// Decimal codes; `None` unless digits are 6 to 9 and the period 5 to 3600 seconds.
    pub fn new(algorithm: Algorithm, digits: u8, period: u16) -> Option<Self> {
        let is_valid = DIGITS.contains(&digits) && PERIOD.contains(&period);
        is_valid.then_some(Self { algorithm, digits, period, encoder: Encoder::Decimal })
    }

    /// The hash function in the HMAC.
    pub fn algorithm(self) -> Algorithm {
        self.algorithm
    }

    /// Characters of a code: 6 to 9 decimal digits, or 5 of Steam's.
    pub fn digits(self) -> u8 {
        self.digits
    }

    /// Length of a time step in seconds: 5 to 3600.
    pub fn period(self) -> u16 {
        self.period
    }

    /// How codes are written.
    pub fn encoder(self) -> Encoder {
        self.encoder
    }

    /// The explicit parameters, and `fallback` for those that are not given. Steam's are fixed, so no parameter fits
    /// them.
    pub(super) fn from_request(request: NewTotp<'_>, fallback: Self) -> Result<Self> {
        let is_any_given = request.algorithm.is_some() || request.digits.is_some() || request.period.is_some();
        if fallback.encoder == Encoder::Steam && is_any_given {
            return Err(Error::bad_request(
                "totp_secret must be a URI, or come after the old one was removed: totp_algorithm, totp_digits and \
                 totp_period do not go with the Steam codes of the old one",
            ));
        }
        Ok(Self {
            algorithm: request.algorithm.unwrap_or(fallback.algorithm),
            digits: match request.digits {
                Some(digits) => checked_digits(digits).ok_or(Error::bad_request("totp_digits must be 6 to 9"))?,
                None => fallback.digits,
            },
            period: match request.period {
                Some(period) => {
                    checked_period(period).ok_or(Error::bad_request("totp_period must be 5 to 3600 seconds"))?
                }
                None => fallback.period,
            },
            encoder: fallback.encoder,
        })
    }

    /// The stored form: algorithm, digits, and the period in two bytes, little-endian; one byte more for an encoder that
    /// is not the decimal one. No number is ever used again for something else.
    pub fn encode(self) -> Vec<u8> {
        let algorithm = match self.algorithm {
            Algorithm::Sha1 => 1,
            Algorithm::Sha256 => 2,
            Algorithm::Sha512 => 3,
        };
        let mut bytes = Vec::from([algorithm, self.digits]);
        bytes.extend_from_slice(&self.period.to_le_bytes());
        match self.encoder {
            Encoder::Decimal => {}
            Encoder::Steam => bytes.push(1),
        }
        bytes
    }

    /// Reads what [`TotpSettings::encode`] wrote; `None` for anything else, so also for an encoder that came later.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let ([algorithm, digits, period_low, period_high], encoder) = bytes.split_first_chunk::<4>()?;
        let algorithm = match algorithm {
            1 => Algorithm::Sha1,
            2 => Algorithm::Sha256,
            3 => Algorithm::Sha512,
            _ => return None,
        };
        let period = u16::from_le_bytes([*period_low, *period_high]);
        match encoder {
            [] => Self::new(algorithm, *digits, period),
            [1] => Some(Self::STEAM).filter(|steam| steam.encode() == bytes),
            _ => None,
        }
    }
}

impl Default for TotpSettings {
    fn default() -> Self {
        Self { algorithm: Algorithm::Sha1, digits: 6, period: 30, encoder: Encoder::Decimal }
    }
}

/// `None` unless within the bounds.
pub(super) fn checked_digits(digits: i64) -> Option<u8> {
    u8::try_from(digits).ok().filter(|digits| DIGITS.contains(digits))
}

/// `None` unless within the bounds.
pub(super) fn checked_period(period: i64) -> Option<u16> {
    u16::try_from(period).ok().filter(|period| PERIOD.contains(period))
}
