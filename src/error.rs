//! The one error type that leaves the component.
//!
//! Goals: a caller can act on the code; a person can act on the message; neither holds any part of the input, a stored
//! value, a key or a host's own text. Messages are made of static text and of names that this crate defines.
//!
//! Beside the message an error can carry its cause, for instance what the host said about a store operation. That is for
//! the log of whoever embeds this crate: no face shows it. How a code is answered over HTTP is the HTTP face's affair.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::format;

/// Hands the list of codes to a macro: each with its text, and whether it `passes` by itself, that is, whether the same
/// request can succeed later without anybody doing anything, or `stays`. What must agree with the list (the WIT enum, its
/// conversion, HTTP statuses, documents) is made of it or tested against it. New codes go to the end, and to
/// `wit/types.wit`.
macro_rules! with_every_code {
    ($macro:ident) => {
        $macro! {
            BadRequest "bad_request" stays,
            Unauthorized "unauthorized" stays,
            Forbidden "forbidden" stays,
            NotFound "not_found" stays,
            MethodNotAllowed "method_not_allowed" stays,
            NameTaken "name_taken" stays,
            PreconditionFailed "precondition_failed" stays,
            PayloadTooLarge "payload_too_large" stays,
            UnsupportedMediaType "unsupported_media_type" stays,
            IdempotencyMismatch "idempotency_mismatch" stays,
            TotpNotConfigured "totp_not_configured" stays,
            CodeExpiring "code_expiring" passes,
            CodeTaken "code_taken" passes,
            OriginRefused "origin_refused" stays,
            NotSupported "not_supported" stays,
            // No waiting sets a clock.
            ClockUnset "clock_unset" stays,
            ClockBehind "clock_behind" passes,
            Contended "contended" passes,
            // The caller has to look first.
            OutcomeUnknown "outcome_unknown" stays,
            StorageUnavailable "storage_unavailable" passes,
            // The first writer may be about to write the root.
            StorageUninitialised "storage_uninitialised" passes,
            StorageCorrupt "storage_corrupt" stays,
            KeyMismatch "key_mismatch" stays,
            KeyUnavailable "key_unavailable" stays,
            FormatTooNew "format_too_new" stays,
            Misconfigured "misconfigured" stays,
            Internal "internal" stays,
            RateLimited "rate_limited" passes,
            Archived "archived" stays,
            StorageFailed "storage_failed" stays,
        }
    };
}
#[cfg(target_arch = "wasm32")]
pub(crate) use with_every_code;

macro_rules! define_codes {
    ($($code:ident $text:literal $duration:ident,)*) => {
        /// Kinds of error; `wit/types.wit` says when each is raised. The texts of [`Code::as_str`] are part of the API
        /// contract.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Code {
            $($code,)*
        }

        impl Code {
            /// Every code, in the order of the WIT enum.
            pub const ALL: [Code; [$($text),*].len()] = [$(Code::$code),*];

            /// The code as JSON shows it.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Code::$code => $text,)*
                }
            }

            /// Whether the same request can succeed later without anybody doing anything.
            pub const fn is_transient(self) -> bool {
                match self {
                    $(Code::$code => define_codes!($duration),)*
                }
            }
        }
    };
    (passes) => { true };
    (stays) => { false };
}
with_every_code!(define_codes);

/// Why an action failed. In a box, as results are handed up through many calls and the good case should not pay for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(Box<Inner>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Inner {
    code: Code,
    message: Cow<'static, str>,
    retry_after_seconds: Option<u32>,
    cause: Option<Cow<'static, str>>,
}

impl Error {
    /// `message` must not hold any part of the input.
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner { code, message: message.into(), retry_after_seconds: None, cause: None }))
    }

    /// An argument that breaks a rule: the message names both.
    pub fn bad_request(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::BadRequest, message)
    }

    /// An argument that is not what it must be.
    pub fn must_be(name: &str, rule: &str) -> Self {
        Self::bad_request(format!("{name} must be {rule}"))
    }

    pub fn not_found() -> Self {
        Self::new(Code::NotFound, "credential not found")
    }

    /// Says when to try again, in whole seconds.
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.0.retry_after_seconds = Some(seconds);
        self
    }

    /// Says what is behind it, for the log of whoever runs the vault. May be a host's own text; must not hold any part of
    /// a request or of a stored record.
    pub fn with_cause(mut self, cause: impl Into<Cow<'static, str>>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    pub fn code(&self) -> Code {
        self.0.code
    }

    /// For callers.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    pub fn retry_after_seconds(&self) -> Option<u32> {
        self.0.retry_after_seconds
    }

    /// For the log, never for callers.
    pub fn cause(&self) -> Option<&str> {
        self.0.cause.as_deref()
    }
}

pub type Result<T, E = Error> = core::result::Result<T, E>;

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn the_wit_enum_has_the_same_codes_in_the_same_order() {
        let wit = include_str!("../wit/types.wit");
        let cases = wit.split_once("enum error-code {").unwrap().1.split_once('}').unwrap().0;
        let names = cases.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("///"));
        let names: Vec<_> = names.map(|line| line.trim_end_matches(',').replace('-', "_")).collect();
        assert_eq!(names, Code::ALL.map(Code::as_str));
    }

    #[test]
    fn a_cause_is_kept_and_not_shown() {
        let error = Error::new(Code::StorageUnavailable, "the store answered with an error").retry_after(1);
        let error = error.with_cause("disk full canary");
        assert_eq!(error.cause(), Some("disk full canary"));
        assert!(!error.message().contains("canary") && !crate::json::error(&error).contains("canary"));
        assert!(error.code().is_transient() && !Code::OutcomeUnknown.is_transient());
    }
}
