//! The code of a point in time.

use super::{Algorithm, Encoder, Totp};
use crate::error::{Code, Error, Result};
use crate::time::Timestamp;
use alloc::string::String;
use alloc::vec::Vec;
use strongroom_crypto::{hmac_sha1, hmac_sha256, hmac_sha512};

/// A code and how long it lives. Deliberately without Debug: the code is a secret while it lives.
#[derive(Clone, PartialEq, Eq)]
pub struct OneTimeCode {
    /// As many characters as the settings say: decimal digits, leading zeros included, or those of Steam.
    pub code: String,
    /// The number of the time step since 1970.
    pub step: u64,
    /// The end of the time step.
    pub expires_at: Timestamp,
    /// Length of the time step in seconds.
    pub period: u16,
    /// Whole seconds until `expires_at`, rounded down: 0 to the period.
    pub valid_for_seconds: u16,
}

impl Totp {
    /// The code of the time step in which `now` lies (RFC 6238, section 4.2, with T0 = 0). Fails with `clock_unset`
    /// when `now` is before 2020.
    pub fn code_at(&self, now: Timestamp) -> Result<OneTimeCode> {
        if now < Timestamp::CLOCK_SET {
            return Err(Error::new(Code::ClockUnset, "the clock shows a time before 2020"));
        }
        Ok(self.code_at_any_time(now))
    }

    pub(super) fn code_at_any_time(&self, now: Timestamp) -> OneTimeCode {
        let period = u64::from(self.settings.period);
        let step = now.seconds() / period;
        let expires_at = Timestamp::from_seconds((step + 1).saturating_mul(period));
        OneTimeCode {
            code: self.code_of_step(step),
            step,
            expires_at,
            period: self.settings.period,
            // At most the period.
            valid_for_seconds: (expires_at.0.saturating_sub(now.0) / 1000) as u16,
        }
    }

    /// RFC 4226, 5.3, with the hashes of RFC 6238.
    fn code_of_step(&self, step: u64) -> String {
        let (key, message) = (self.secret.expose(), step.to_be_bytes());
        let mut number = match self.settings.algorithm {
            Algorithm::Sha1 => truncated(hmac_sha1(key, &message).as_slice()),
            Algorithm::Sha256 => truncated(hmac_sha256(key, &message).as_slice()),
            Algorithm::Sha512 => truncated(hmac_sha512(key, &message).as_slice()),
        };
        let alphabet = match self.settings.encoder {
            Encoder::Decimal => DECIMAL,
            Encoder::Steam => STEAM,
        };
        let base = alphabet.len() as u32;
        // The lowest digit first.
        let digits = (0..self.settings.digits).filter_map(|_| {
            let digit = alphabet.get((number % base) as usize).copied();
            number /= base;
            digit.map(char::from)
        });
        match self.settings.encoder {
            Encoder::Decimal => {
                let digits: Vec<char> = digits.collect();
                digits.into_iter().rev().collect()
            }
            Encoder::Steam => digits.collect(),
        }
    }
}

const DECIMAL: &[u8] = b"0123456789";
/// Without what could be taken for something else. Steam writes the lowest digit first.
const STEAM: &[u8] = b"23456789BCDFGHJKMNPQRTVWXY";

/// 31 bits of a hash, from where its last 4 bits say.
fn truncated(hash: &[u8]) -> u32 {
    let start = usize::from(hash.last().copied().unwrap_or_default() & 15);
    let bytes = hash.get(start..).and_then(|rest| rest.first_chunk()).copied().unwrap_or_default();
    u32::from_be_bytes(bytes) & 0x7fff_ffff
}
