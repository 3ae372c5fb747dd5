//! One request: limits before the component sees it, the component's answer or the host's own, one line in the log.

use super::{BODY_TIMEOUT, MAX_BODY_BYTES, Server};
use crate::call::CALL_TIME_LIMIT;
use crate::component::HandleError;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HOST, HeaderName, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use std::time::Instant;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// Answers a request, whatever happens to it.
pub async fn answer(server: &Server, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let start = Instant::now();
    let id = request_id(request.headers());
    let (method, route) = (method(request.method()), route(request.uri().path()));
    let token = bearer(request.headers()).and_then(|token| (server.token_name)(token));

    let mut response = respond(server, request, &id).await.unwrap_or_else(Refusal::into_response);
    response.headers_mut().insert(REQUEST_ID, id.clone());

    tracing::info!(
        target: "strongroom",
        "{method} {route} {} {:.1}ms token={} id={}",
        response.status().as_u16(),
        start.elapsed().as_secs_f64() * 1000.0,
        token.as_deref().unwrap_or("-"),
        id.to_str().unwrap_or("-"),
    );
    response
}

async fn respond(
    server: &Server,
    request: Request<Incoming>,
    id: &HeaderValue,
) -> Result<Response<Full<Bytes>>, Refusal> {
    let (mut parts, body) = request.into_parts();
    remove_connection_headers(&mut parts.headers);
    provide_host(&mut parts.headers)?;
    parts.headers.insert(REQUEST_ID, id.clone());
    let request = Request::from_parts(parts, collect(body).await?);
    if let Some(response) = super::fill::answer(server, &request).await {
        return Ok(response);
    }

    let permit = tokio::time::timeout(CALL_TIME_LIMIT, server.instances.clone().acquire_owned());
    let permit = permit.await.map_err(|_| Refusal::BUSY)?.map_err(|_| Refusal::BUSY)?;
    let (component, services) = (server.component.clone(), server.services.clone());
    // A task of its own: when the client goes away, a change that has begun is still carried out.
    let running = tokio::spawn(async move {
        let result = component.handle(&services, request).await;
        drop(permit);
        result
    });
    match running.await {
        Ok(Ok(response)) => Ok(response.map(Full::new)),
        Ok(Err(error)) => {
            tracing::error!(target: "strongroom", "the component failed: {} id={}", one_line(&error), text(id));
            Err(match error {
                HandleError::TimedOut => Refusal::TIMED_OUT,
                HandleError::Failed(_) => Refusal::INTERNAL,
            })
        }
        Err(_) => Err(Refusal::INTERNAL),
    }
}

/// Reads a whole body, so that a slow client never holds an instance.
async fn collect(body: Incoming) -> Result<Bytes, Refusal> {
    if body.size_hint().lower() > MAX_BODY_BYTES as u64 {
        return Err(Refusal::TOO_LARGE);
    }
    match tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, MAX_BODY_BYTES).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Refusal::TOO_LARGE),
        Ok(Err(_)) => Err(Refusal::BROKEN),
        Err(_) => Err(Refusal::TOO_SLOW),
    }
}

/// What the host answers when the component cannot.
struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: &'static str,
    retry_after: Option<&'static str>,
}

impl Refusal {
    const TOO_LARGE: Self =
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", "the request body is larger than 1 MiB");
    const TOO_SLOW: Self =
        Self::new(StatusCode::REQUEST_TIMEOUT, "bad_request", "the request body did not arrive within 10 seconds");
    const BROKEN: Self = Self::new(StatusCode::BAD_REQUEST, "bad_request", "the request body is cut off or ill-formed");
    const BAD_HOST: Self = Self::new(StatusCode::BAD_REQUEST, "bad_request", "the host header is ill-formed");
    const BUSY: Self = Self {
        retry_after: Some("1"),
        ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "contended", "too many requests are running; nothing was changed")
    };
    const TIMED_OUT: Self = Self::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "outcome_unknown",
        "the request took longer than 10 seconds; a change happened wholly or not at all: read before trying again",
    );
    const INTERNAL: Self = Self::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "internal",
        "the component broke off; the server's log says more under this request id",
    );

    const fn new(status: StatusCode, code: &'static str, message: &'static str) -> Self {
        Self { status, code, message, retry_after: None }
    }

    fn into_response(self) -> Response<Full<Bytes>> {
        let body = serde_json::json!({ "code": self.code, "message": self.message }).to_string();
        let mut response = Response::new(Full::new(Bytes::from(body)));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if matches!(self.status.as_u16(), 400 | 413 | 500) {
            // As the component says it: the official clients repeat a 500 by themselves otherwise.
            headers.insert(SHOULD_RETRY, HeaderValue::from_static("false"));
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from_static(seconds));
        }
        response
    }
}

/// The caller's id for the request if it is a modest one, else a new one.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let modest = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let given = headers.get(&REQUEST_ID);
    given.filter(|id| (1..=64).contains(&id.len()) && id.as_bytes().iter().all(modest)).cloned().unwrap_or_else(|| {
        let random = getrandom::u64().unwrap_or_default();
        HeaderValue::from_str(&format!("{random:016x}")).unwrap_or(HeaderValue::from_static("-"))
    })
}

pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Headers that `Connection` names concern this connection only (RFC 9110, section 7.6.1). Those that always do are kept
/// from the component by Wasmtime.
fn remove_connection_headers(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named {
        // Nobody may have a header dropped on which access depends.
        if name != AUTHORIZATION && name != HOST {
            headers.remove(name);
        }
    }
}

/// The component's view of a request needs an authority; HTTP/1.0 clients may have sent none.
fn provide_host(headers: &mut HeaderMap) -> Result<(), Refusal> {
    match headers.get(HOST) {
        Some(host) => host.to_str().map(drop).map_err(|_| Refusal::BAD_HOST),
        None => {
            headers.insert(HOST, HeaderValue::from_static("localhost"));
            Ok(())
        }
    }
}

/// The shape of a path for the log: nothing that a client has chosen.
fn route(path: &str) -> &'static str {
    match path.split('/').skip(1).collect::<Vec<_>>().as_slice() {
        ["credentials"] => "/credentials",
        ["credentials", name] if !name.is_empty() => "/credentials/{id_or_name}",
        ["credentials", _, "totp-code"] => "/credentials/{id_or_name}/totp-code",
        ["credentials", _, "supply"] => "/credentials/{id_or_name}/supply",
        ["credentials", _, "fill"] => "/credentials/{id_or_name}/fill",
        ["health"] => "/health",
        ["openapi.json"] => "/openapi.json",
        ["mcp"] => "/mcp",
        _ => "(other)",
    }
}

fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "(other)",
    }
}

fn text(value: &HeaderValue) -> &str {
    value.to_str().unwrap_or("-")
}

fn one_line(error: &HandleError) -> String {
    error.to_string().replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_never_shows_what_a_client_has_chosen() {
        for (path, shape) in [
            ("/credentials", "/credentials"),
            ("/credentials/", "(other)"),
            ("/credentials/canary", "/credentials/{id_or_name}"),
            ("/credentials/a%2Fb", "/credentials/{id_or_name}"),
            ("/credentials/canary/totp-code", "/credentials/{id_or_name}/totp-code"),
            ("/credentials/canary/supply", "/credentials/{id_or_name}/supply"),
            ("/credentials/canary/other", "(other)"),
            ("/canary", "(other)"),
            ("*", "(other)"),
        ] {
            assert_eq!(route(path), shape);
        }
        assert_eq!(method(&Method::from_bytes(b"CANARY").unwrap()), "(other)");
    }

    #[test]
    fn request_ids_are_kept_only_if_modest() {
        let with = |id: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(REQUEST_ID, HeaderValue::from_str(id).unwrap());
            request_id(&headers)
        };
        assert_eq!(with("Abc-1._"), "Abc-1._");
        assert_eq!(with(&"a".repeat(64)), "a".repeat(64).as_str());
        for refused in ["", "a b", "a\"b", &"a".repeat(65)] {
            let id = with(refused);
            assert_ne!(id, refused);
            assert_eq!(id.len(), 16);
        }
        assert_ne!(request_id(&HeaderMap::new()), request_id(&HeaderMap::new()));
    }

    #[test]
    fn headers_of_the_connection_stop_here() {
        let mut headers = HeaderMap::new();
        headers.insert(CONNECTION, HeaderValue::from_static("keep-alive, X-Hop , authorization"));
        headers.insert("x-hop", HeaderValue::from_static("1"));
        headers.insert("x-end", HeaderValue::from_static("2"));
        headers.insert(AUTHORIZATION, HeaderValue::from_static("bearer  sr_x"));
        remove_connection_headers(&mut headers);
        assert!(!headers.contains_key("x-hop") && headers.contains_key("x-end"));
        assert_eq!(bearer(&headers), Some("sr_x"));
    }
}
