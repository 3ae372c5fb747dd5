//! How codes are made of a seed.

use super::Request;
use crate::error::{Error, Result};

const DIGITS: core::ops::RangeInclusive<u8> = 6..=9;
/// In seconds.
const PERIOD: core::ops::RangeInclusive<u16> = 15..=300;

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

    /// Reads a name, in upper or lower case. Other spellings (`SHA-1`, `HmacSHA1`) are not those of the key URI format.
    pub fn parse(text: &str) -> Option<Self> {
        [Algorithm::Sha1, Algorithm::Sha256, Algorithm::Sha512]
            .into_iter()
            .find(|algorithm| text.eq_ignore_ascii_case(algorithm.as_str()))
    }

    /// The number in stored records; never reused.
    pub(super) const fn to_byte(self) -> u8 {
        match self {
            Algorithm::Sha1 => 1,
            Algorithm::Sha256 => 2,
            Algorithm::Sha512 => 3,
        }
    }

    pub(super) const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Algorithm::Sha1),
            2 => Some(Algorithm::Sha256),
            3 => Some(Algorithm::Sha512),
            _ => None,
        }
    }
}

/// Algorithm, length and life time of codes. The default is what nearly every site uses: SHA1, 6 digits, 30 seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    pub(super) algorithm: Algorithm,
    pub(super) digits: u8,
    pub(super) period: u16,
}

impl Settings {
    /// `None` unless digits are 6 to 9 and the period 15 to 300 seconds.
    pub fn new(algorithm: Algorithm, digits: u8, period: u16) -> Option<Self> {
        (DIGITS.contains(&digits) && PERIOD.contains(&period)).then_some(Self { algorithm, digits, period })
    }

    /// The hash function in the HMAC.
    pub fn algorithm(self) -> Algorithm {
        self.algorithm
    }

    /// Decimal digits of a code: 6 to 9.
    pub fn digits(self) -> u8 {
        self.digits
    }

    /// Length of a time step in seconds: 15 to 300.
    pub fn period(self) -> u16 {
        self.period
    }

    /// The explicit parameters, and `fallback` for those that are not given.
    pub(super) fn from_request(request: Request<'_>, fallback: Settings) -> Result<Self> {
        Ok(Self {
            algorithm: request.algorithm.unwrap_or(fallback.algorithm),
            digits: match request.digits {
                Some(digits) => checked_digits(digits).ok_or(Error::bad_request("totp_digits must be 6 to 9"))?,
                None => fallback.digits,
            },
            period: match request.period {
                Some(period) => {
                    checked_period(period).ok_or(Error::bad_request("totp_period must be 15 to 300 seconds"))?
                }
                None => fallback.period,
            },
        })
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self { algorithm: Algorithm::Sha1, digits: 6, period: 30 }
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
