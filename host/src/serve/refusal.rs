//! What the host answers when the component cannot or shall not.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};

const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// An answer in the form of the component's own errors.
#[derive(Clone, Copy, Debug)]
pub struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: &'static str,
    /// When it may be tried again, in seconds.
    retry_after: Option<u64>,
    /// Whether the same request can't succeed, or must not be repeated unseen.
    is_final: bool,
}

impl Refusal {
    pub const TOO_LARGE: Self =
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", "the request body is larger than 1 MiB");
    pub const HEADERS_TOO_LARGE: Self = Self::new(
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        "bad_request",
        "the request line and headers are larger than 32 KiB",
    );
    pub const TOO_SLOW: Self = Self {
        is_final: false,
        ..Self::new(StatusCode::REQUEST_TIMEOUT, "bad_request", "the request body did not arrive within 10 seconds")
    };
    pub const BROKEN: Self =
        Self::new(StatusCode::BAD_REQUEST, "bad_request", "the request body is cut off or ill-formed");
    pub const BAD_HOST: Self = Self::new(StatusCode::BAD_REQUEST, "bad_request", "the host header is ill-formed");
    pub const BAD_PATH: Self = Self::new(
        StatusCode::BAD_REQUEST,
        "bad_request",
        "the path is not in its canonical form: it has an empty segment, or one that is `.` or `..`",
    );
    pub const FOREIGN: Self = Self::new(
        StatusCode::FORBIDDEN,
        "forbidden",
        "the host or origin header names another site; STRONGROOM_ALLOWED_HOSTS and STRONGROOM_ALLOWED_ORIGINS of the \
         server allow more",
    );
    pub const NO_TOKEN: Self =
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "a bearer token that the server knows is needed");
    pub const NO_SCOPE: Self = Self::new(StatusCode::FORBIDDEN, "forbidden", "the token lacks the scope admin");
    pub const BUSY: Self = Self {
        is_final: false,
        retry_after: Some(1),
        ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "contended", "too many requests are running; nothing was changed")
    };
    /// Of a request that changes nothing.
    pub const TIMED_OUT: Self = Self {
        is_final: false,
        retry_after: Some(1),
        ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "contended", "the request took longer than 10 seconds")
    };
    /// Of a change.
    pub const OUTCOME_UNKNOWN: Self = Self::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "outcome_unknown",
        "the request took longer than 10 seconds; a change happened wholly or not at all: read before trying again",
    );
    pub const INTERNAL: Self = Self::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "internal",
        "the component broke off; the server's log says more under this request id",
    );

    const fn new(status: StatusCode, code: &'static str, message: &'static str) -> Self {
        Self { status, code, message, retry_after: None, is_final: true }
    }

    /// The token has used up what it may do in a while.
    pub fn too_often(seconds: u64) -> Self {
        Self {
            is_final: false,
            retry_after: Some(seconds.max(1)),
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", "this token calls too often")
        }
    }

    pub fn into_response(self) -> Response<Bytes> {
        let body = serde_json::json!({ "code": self.code, "message": self.message }).to_string();
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.is_final {
            // As the component says it: the official clients repeat a 5xx by themselves otherwise.
            headers.insert(SHOULD_RETRY, HeaderValue::from_static("false"));
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}
