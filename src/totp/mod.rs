//! Time-based one-time passwords (RFC 6238): reading a secret and its settings, keeping them, and the current code.

mod code;
mod otpauth;
mod seed;
mod settings;

pub use code::OneTimeCode;
pub use settings::{Algorithm, Settings};

use crate::error::Result;
use crate::secret::SecretBytes;
use alloc::vec::Vec;
use otpauth::Parameters;

/// Below this many bytes a seed is weaker than RFC 4226 (R6) demands.
const STRONG_SEED_BYTES: usize = 16;
/// Length of [`Totp::encode`]'s result, whatever the seed's length.
const ENCODED_BYTES: usize = 96;
/// Settings and the length of the seed, in front of it.
const HEADER_BYTES: usize = 5;

/// A seed and how codes are made of it.
#[derive(Clone, PartialEq)]
pub struct Totp {
    seed: SecretBytes,
    settings: Settings,
}

/// The TOTP parameters of a create or an update, as they were given.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// `totp_secret`: a base32 text or an `otpauth://totp/` URI.
    pub secret: &'a str,
    /// `totp_algorithm`.
    pub algorithm: Option<Algorithm>,
    /// `totp_digits`, 6 to 9.
    pub digits: Option<i64>,
    /// `totp_period` in seconds, 15 to 300.
    pub period: Option<i64>,
}

impl Totp {
    /// Reads a secret and its settings; `stored` are those of the secret it replaces.
    ///
    /// - What an `otpauth://totp/` URI says wins over the explicit parameters, and these over SHA1, 6 digits and 30
    ///   seconds.
    /// - With a bare base32 secret, parameters that are not given are the stored ones, if any.
    ///
    /// An explicit parameter that the URI overrides is not looked at. A bare secret is 16 to 128 characters of base32
    /// (RFC 4648, section 6) after taking out white space and dashes and, at its end, `=`; letters may be in either
    /// case. Nothing else is repaired: lengths that no bytes encode to, and unused bits that are not zero, are refused.
    /// Fails with `bad_request`, naming the parameter and the rule, and never holds any part of the secret.
    pub fn parse(request: Request<'_>, stored: Option<Settings>) -> Result<Self> {
        let text = request.secret.trim();
        // No base32 text has a colon, and every URI has one.
        if !text.contains(':') {
            let settings = Settings::from_request(request, stored.unwrap_or_default())?;
            return Ok(Self { seed: seed::decode(text)?, settings });
        }
        let uri = Parameters::parse(text)?;
        let explicit = Request {
            algorithm: uri.algorithm.or(request.algorithm),
            // Those of the URI are within the bounds already.
            digits: uri.digits.map_or(request.digits, |digits| Some(digits.into())),
            period: uri.period.map_or(request.period, |period| Some(period.into())),
            ..request
        };
        let settings = Settings::from_request(explicit, Settings::default())?;
        Ok(Self { seed: seed::decode(uri.secret.expose())?, settings })
    }

    /// How codes are made of the seed.
    pub fn settings(&self) -> Settings {
        self.settings
    }

    /// Whether the seed has less than the 128 bits that RFC 4226 (R6) demands.
    pub fn is_weak(&self) -> bool {
        self.seed.expose().len() < STRONG_SEED_BYTES
    }

    /// The form in which the secret is sealed: 96 bytes for every seed, so that the length does not tell the seed's.
    pub fn encode(&self) -> SecretBytes {
        let seed = self.seed.expose();
        let period = self.settings.period.to_le_bytes();
        let mut bytes = Vec::with_capacity(ENCODED_BYTES);
        bytes.extend_from_slice(&[self.settings.algorithm.to_byte(), self.settings.digits]);
        bytes.extend_from_slice(&period);
        // At most seed::MAX_BYTES.
        bytes.push(seed.len() as u8);
        bytes.extend_from_slice(seed);
        bytes.resize(ENCODED_BYTES, 0);
        SecretBytes::new(bytes)
    }

    /// Reads what [`Totp::encode`] wrote; `None` for anything else.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != ENCODED_BYTES {
            return None;
        }
        let ([algorithm, digits, period_low, period_high, length], rest) = bytes.split_first_chunk::<HEADER_BYTES>()?;
        let settings =
            Settings::new(Algorithm::from_byte(*algorithm)?, *digits, u16::from_le_bytes([*period_low, *period_high]))?;
        let (seed, padding) = rest.split_at_checked(usize::from(*length))?;
        let is_ours =
            (seed::MIN_BYTES..=seed::MAX_BYTES).contains(&seed.len()) && padding.iter().all(|byte| *byte == 0);
        is_ours.then(|| Self { seed: SecretBytes::new(Vec::from(seed)), settings })
    }
}

#[cfg(test)]
mod tests;
