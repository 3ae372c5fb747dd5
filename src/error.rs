//! The one error type that leaves the component.
//!
//! Goals: a caller can act on the code; a person can act on the message; neither holds any part of the input, a stored
//! value, a key or a host's own text. Messages are made of static text and of names that this crate defines.

use alloc::borrow::Cow;

/// Kinds of error. The texts of [`Code::as_str`] and the statuses are part of the API contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    BadRequest,
    Unauthorized,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    NameTaken,
    PreconditionFailed,
    PayloadTooLarge,
    UnsupportedMediaType,
    IdempotencyMismatch,
    TotpNotConfigured,
    CodeExpiring,
    CodeTaken,
    OriginRefused,
    NotSupported,
    ClockUnset,
    ClockBehind,
    Contended,
    OutcomeUnknown,
    StorageUnavailable,
    StorageUninitialised,
    StorageCorrupt,
    KeyMismatch,
    KeyUnavailable,
    FormatTooNew,
    Misconfigured,
    Internal,
}

impl Code {
    /// Every code, in the order of the WIT enum.
    pub const ALL: [Code; 27] = [
        Code::BadRequest,
        Code::Unauthorized,
        Code::Forbidden,
        Code::NotFound,
        Code::MethodNotAllowed,
        Code::NameTaken,
        Code::PreconditionFailed,
        Code::PayloadTooLarge,
        Code::UnsupportedMediaType,
        Code::IdempotencyMismatch,
        Code::TotpNotConfigured,
        Code::CodeExpiring,
        Code::CodeTaken,
        Code::OriginRefused,
        Code::NotSupported,
        Code::ClockUnset,
        Code::ClockBehind,
        Code::Contended,
        Code::OutcomeUnknown,
        Code::StorageUnavailable,
        Code::StorageUninitialised,
        Code::StorageCorrupt,
        Code::KeyMismatch,
        Code::KeyUnavailable,
        Code::FormatTooNew,
        Code::Misconfigured,
        Code::Internal,
    ];

    /// The code as JSON shows it.
    pub const fn as_str(self) -> &'static str {
        self.row().0
    }

    /// The HTTP status the code is answered with.
    pub const fn status(self) -> u16 {
        self.row().1
    }

    /// Whether the same request can succeed later without anybody changing anything.
    pub const fn is_transient(self) -> bool {
        matches!(self.status(), 429 | 503)
    }

    const fn row(self) -> (&'static str, u16) {
        match self {
            Code::BadRequest => ("bad_request", 400),
            Code::Unauthorized => ("unauthorized", 401),
            Code::Forbidden => ("forbidden", 403),
            Code::NotFound => ("not_found", 404),
            Code::MethodNotAllowed => ("method_not_allowed", 405),
            Code::NameTaken => ("name_taken", 409),
            Code::PreconditionFailed => ("precondition_failed", 412),
            Code::PayloadTooLarge => ("payload_too_large", 413),
            Code::UnsupportedMediaType => ("unsupported_media_type", 415),
            Code::IdempotencyMismatch => ("idempotency_mismatch", 422),
            // 404 because the official clients' documentation lists no 400 for that route.
            Code::TotpNotConfigured => ("totp_not_configured", 404),
            Code::CodeExpiring => ("code_expiring", 429),
            Code::CodeTaken => ("code_taken", 429),
            Code::OriginRefused => ("origin_refused", 403),
            Code::NotSupported => ("not_supported", 501),
            Code::ClockUnset => ("clock_unset", 503),
            Code::ClockBehind => ("clock_behind", 503),
            Code::Contended => ("contended", 503),
            Code::OutcomeUnknown => ("outcome_unknown", 503),
            Code::StorageUnavailable => ("storage_unavailable", 503),
            Code::StorageUninitialised => ("storage_uninitialised", 503),
            Code::StorageCorrupt => ("storage_corrupt", 500),
            Code::KeyMismatch => ("key_mismatch", 500),
            Code::KeyUnavailable => ("key_unavailable", 500),
            Code::FormatTooNew => ("format_too_new", 500),
            Code::Misconfigured => ("misconfigured", 500),
            Code::Internal => ("internal", 500),
        }
    }
}

/// Why an action failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    code: Code,
    message: Cow<'static, str>,
    retry_after_seconds: Option<u32>,
}

impl Error {
    /// `message` must not hold any part of the input.
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), retry_after_seconds: None }
    }

    /// An argument that breaks a rule: the message names both.
    pub fn bad_request(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::BadRequest, message)
    }

    pub fn not_found() -> Self {
        Self::new(Code::NotFound, "credential not found")
    }

    /// Says when to try again, in whole seconds.
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_seconds = Some(seconds);
        self
    }

    pub fn code(&self) -> Code {
        self.code
    }

    pub fn message(&self) -> &str {
        &self.message
    }

    pub fn retry_after_seconds(&self) -> Option<u32> {
        self.retry_after_seconds
    }
}

pub type Result<T, E = Error> = core::result::Result<T, E>;
