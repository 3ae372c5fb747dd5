//! How error codes are answered over HTTP.

use crate::error::Code;

/// The status of a code. Part of the API contract.
pub const fn of(code: Code) -> u16 {
    match code {
        Code::BadRequest => 400,
        Code::Unauthorized => 401,
        Code::Forbidden | Code::OriginRefused => 403,
        // `totp_not_configured` too, as the official clients' documentation lists no 400 for that route.
        Code::NotFound | Code::TotpNotConfigured => 404,
        Code::MethodNotAllowed => 405,
        Code::NameTaken | Code::Archived => 409,
        Code::PreconditionFailed => 412,
        Code::PayloadTooLarge => 413,
        Code::UnsupportedMediaType => 415,
        Code::IdempotencyMismatch => 422,
        Code::CodeExpiring | Code::CodeTaken | Code::RateLimited => 429,
        Code::StorageCorrupt
        | Code::StorageFailed
        | Code::KeyMismatch
        | Code::KeyUnavailable
        | Code::FormatTooNew
        | Code::Misconfigured
        | Code::Internal => 500,
        Code::NotSupported => 501,
        Code::ClockUnset
        | Code::ClockBehind
        | Code::Contended
        | Code::OutcomeUnknown
        | Code::StorageUnavailable
        | Code::StorageUninitialised => 503,
    }
}
