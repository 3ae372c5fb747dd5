//! The code of a point in time.

use super::{Algorithm, Encoder, Totp};
use crate::error::{Code, Error, Result};
use crate::time::Timestamp;
use alloc::string::{String, ToString};

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

    fn code_of_step(&self, step: u64) -> String {
        let algorithm = match (self.settings.encoder, self.settings.algorithm) {
            (Encoder::Steam, _) => totp_rs::Algorithm::Steam,
            (Encoder::Decimal, Algorithm::Sha1) => totp_rs::Algorithm::SHA1,
            (Encoder::Decimal, Algorithm::Sha256) => totp_rs::Algorithm::SHA256,
            (Encoder::Decimal, Algorithm::Sha512) => totp_rs::Algorithm::SHA512,
        };
        // The builder's own checks refuse 9 digits and short secrets. What it leaves unchecked here is a type's
        // invariant: at most 9 digits, 5 for Steam, so that its number fits in 32 bits, and a step that is not 0.
        totp_rs::Builder::new()
            .with_algorithm(algorithm)
            .with_digits(self.settings.digits)
            .with_step_duration(1)
            .with_secret(self.secret.expose())
            .build_noncompliant()
            .generate(step)
            .to_string()
    }
}
