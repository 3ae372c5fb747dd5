//! Between the WIT types and those of the core.

use super::bindings::exports::strongroom::vault::types as wit;
use crate::actions::{CodeOptions, CredentialView};
use crate::error::{Code, Error, with_every_code};
use crate::secret::SecretString;
use crate::totp::{Algorithm, Encoder, OneTimeCode};
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

impl From<Error> for wit::Error {
    fn from(error: Error) -> Self {
        Self {
            code: error.code().into(),
            message: error.message().to_owned(),
            retry_after_seconds: error.retry_after_seconds(),
        }
    }
}

impl From<Code> for wit::ErrorCode {
    fn from(code: Code) -> Self {
        macro_rules! convert {
            ($($code:ident $text:literal $duration:ident,)*) => {
                match code {
                    $(Code::$code => Self::$code,)*
                }
            };
        }
        with_every_code!(convert)
    }
}

impl From<Algorithm> for wit::TotpAlgorithm {
    fn from(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Sha1 => Self::Sha1,
            Algorithm::Sha256 => Self::Sha256,
            Algorithm::Sha512 => Self::Sha512,
        }
    }
}

impl From<wit::TotpAlgorithm> for Algorithm {
    fn from(algorithm: wit::TotpAlgorithm) -> Self {
        match algorithm {
            wit::TotpAlgorithm::Sha1 => Self::Sha1,
            wit::TotpAlgorithm::Sha256 => Self::Sha256,
            wit::TotpAlgorithm::Sha512 => Self::Sha512,
        }
    }
}

impl From<CredentialView> for wit::Credential {
    fn from(view: CredentialView) -> Self {
        let (totp_code, totp_code_expires_at) = match view.totp_code {
            Some((code, expires_at)) => (Some(code), Some(expires_at.0)),
            None => (None, None),
        };
        Self {
            id: view.id,
            name: view.name,
            domain: view.domain,
            additional_domains: view.additional_domains,
            description: view.description,
            metadata: view.metadata,
            archived: view.is_archived,
            created_at: view.created_at.0,
            updated_at: view.updated_at.0,
            version: view.version,
            has_values: view.has_values,
            value_keys: view.value_keys,
            has_totp_secret: view.totp.is_some(),
            sso_provider: view.sso_provider,
            totp_algorithm: view.totp.map(|totp| totp.algorithm().into()),
            totp_digits: view.totp.map(|totp| totp.digits()),
            totp_period: view.totp.map(|totp| totp.period()),
            totp_encoder: view.totp.and_then(|totp| match totp.encoder() {
                Encoder::Decimal => None,
                Encoder::Steam => Some(wit::TotpEncoder::Steam),
            }),
            weak_totp_secret: view.weak_totp_secret,
            totp_code,
            totp_code_expires_at,
            ended_at: view.ended_at.map(|at| at.0),
        }
    }
}

impl From<OneTimeCode> for wit::OneTimeCode {
    fn from(code: OneTimeCode) -> Self {
        Self {
            code: code.code,
            expires_at: code.expires_at.0,
            period: code.period,
            valid_for_seconds: code.valid_for_seconds,
        }
    }
}

pub fn code_options(options: Option<wit::CodeOptions>) -> CodeOptions {
    options.map_or_else(CodeOptions::default, |options| CodeOptions {
        min_valid_seconds: i64::from(options.min_valid_seconds),
        exclusive: options.exclusive,
    })
}

pub fn secrets(values: Vec<(String, String)>) -> Vec<(String, SecretString)> {
    values.into_iter().map(|(key, value)| (key, SecretString::new(value))).collect()
}
