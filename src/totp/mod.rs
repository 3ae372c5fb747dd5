//! Time-based one-time passwords (RFC 6238): reading a secret and its settings, keeping them, and the current code.

mod code;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod otpauth;
mod settings;
mod shared_secret;

pub use code::OneTimeCode;
pub use settings::{Algorithm, Encoder, TotpSettings};

use crate::codec::{Reader, Writer, field_bytes};
use crate::error::Result;
use crate::secret::SecretBytes;
use alloc::vec::Vec;
use otpauth::Parameters;

/// Below this many bytes a secret is weaker than RFC 4226 (R6) demands.
const STRONG_SECRET_BYTES: usize = 16;
/// The result of [`Totp::encode`] is padded to a multiple of this: to one for secrets of up to 87 bytes, to two beyond.
const ENCODED_STEP_BYTES: usize = 96;

/// A secret and how codes are made of it.
#[derive(Clone, PartialEq)]
pub struct Totp {
    secret: SecretBytes,
    settings: TotpSettings,
}

/// The TOTP parameters of a create or an update, as they were given.
#[derive(Clone, Copy)]
pub struct NewTotp<'a> {
    /// `totp_secret`: a base32 text, an `otpauth://totp/` URI, or one of Steam.
    pub secret: &'a str,
    /// `totp_algorithm`.
    pub algorithm: Option<Algorithm>,
    /// `totp_digits`, 6 to 9.
    pub digits: Option<i64>,
    /// `totp_period` in seconds, 5 to 3600.
    pub period: Option<i64>,
}

impl Totp {
    /// Reads a secret and its settings; `stored` are those of the secret it replaces.
    ///
    /// - What a URI says wins over the explicit parameters, and these over SHA1, 6 digits and 30 seconds. A URI of Steam
    ///   (`otpauth://steam/`, `steam://SECRET`, or with `encoder=steam`) says it all.
    /// - With a bare base32 secret, parameters that are not given are the stored ones, if any.
    ///
    /// An explicit parameter that the URI overrides is not looked at. A bare secret is 8 to 256 characters of base32
    /// (RFC 4648, section 6) after taking out white space and dashes and, at its end, `=`; letters may be in either
    /// case, and bits at the end that fill no byte do not count. Nothing else is repaired. Fails with `bad_request`,
    /// naming the parameter and the rule, and never holds any part of the secret.
    pub fn parse(request: NewTotp<'_>, stored: Option<TotpSettings>) -> Result<Self> {
        let text = request.secret.trim();
        // No base32 text has a colon, and every URI has one.
        let (secret, settings) = if text.contains(':') {
            Parameters::parse(text)?.with(request)?
        } else {
            let settings = TotpSettings::from_request(request, stored.unwrap_or_default())?;
            (shared_secret::decode(text)?, settings)
        };
        Ok(Self { secret, settings })
    }

    /// How codes are made of the secret.
    pub fn settings(&self) -> TotpSettings {
        self.settings
    }

    /// Whether the secret has less than the 128 bits that RFC 4226 (R6) demands.
    pub fn is_weak(&self) -> bool {
        self.secret.expose().len() < STRONG_SECRET_BYTES
    }

    /// The form in which the secret is sealed: settings and secret, each with its length before it, and zeros, so that the
    /// length does not tell the secret's.
    pub fn encode(&self) -> SecretBytes {
        let settings = self.settings.encode();
        let length = field_bytes(settings.len()) + field_bytes(self.secret.expose().len());
        let mut writer = Writer { bytes: Vec::with_capacity(length.next_multiple_of(ENCODED_STEP_BYTES)) };
        writer.bytes(&settings);
        writer.bytes(self.secret.expose());
        writer.bytes.resize(length.next_multiple_of(ENCODED_STEP_BYTES), 0);
        SecretBytes::new(writer.bytes)
    }

    /// Reads what [`Totp::encode`] wrote; `None` for anything else.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let settings = TotpSettings::decode(reader.bytes()?)?;
        let secret = Vec::from(reader.bytes()?);
        let totp = Self { secret: SecretBytes::new(secret), settings };
        let is_ours = (shared_secret::MIN_BYTES..=shared_secret::MAX_BYTES).contains(&totp.secret.expose().len());
        (is_ours && totp.encode().expose() == bytes).then_some(totp)
    }
}

#[cfg(test)]
mod tests;
