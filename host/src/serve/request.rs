//! One request: limits before the component sees it, the component's answer or the host's own, one line in the log.

use super::connections::Answering;
use super::refusal::Refusal;
use super::route::{changes, is_canonical, kind, method, route};
use super::shares::Kind;
use super::{MAX_HEADER_BYTES, Server};
use crate::access_log::{self, Access};
use crate::call::CALL_TIME_LIMIT;
use crate::component::HandleError;
use crate::instance::Services;
use crate::report;
use crate::token::{Entry, Scope};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONNECTION, CONTENT_TYPE, HOST, HeaderName};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use std::time::Instant;
use strongroom::credential::CredentialId;
use strongroom::http::CREDENTIAL_HEADER;
use strongroom::settings;
use strongroom::time::Timestamp;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Answers a request, whatever happens to it.
pub async fn answer(server: &Server, request: Request<Incoming>, answering: &Answering) -> Response<Full<Bytes>> {
    let start = Instant::now();
    let id = request_id(request.headers());
    let (method, route) = (method(request.method()), route(request.uri().path()));
    let caller = Caller::of(server, request.headers());
    answering.set_token(caller.known());

    let named = credential_in(request.uri().path());
    let mut response = respond(server, request, &id, &caller).await.unwrap_or_else(Refusal::into_response);
    response.headers_mut().insert(REQUEST_ID, id.clone());
    // For this log only.
    let found = response.headers_mut().remove(CREDENTIAL_HEADER);
    let found = found.as_ref().and_then(|id| id.to_str().ok()).map(str::to_owned);
    let credential = found.or(named).or_else(|| credential_of(route, response.body()));

    let (status, duration) = (response.status().as_u16(), start.elapsed());
    server.metrics.request(method, route, status, duration);
    let (token, credential) = (caller.name(), credential.as_deref());
    Access { method, route, status, duration, token, credential, id: text(&id) }.log();
    response.map(Full::new)
}

/// Who sent a request, as far as its token tells.
struct Caller {
    /// The token's entry, expired or not; an error if the entries can't be told at the moment.
    entry: Result<Option<Entry>, ()>,
    is_expired: bool,
}

impl Caller {
    fn of(server: &Server, headers: &HeaderMap) -> Self {
        let found = bearer(headers).map_or(Ok(None), |token| server.tokens.find(token));
        let entry = found.map_err(|error| report::fault("the tokens cannot be told", &format_args!("{error:#}")));
        let now = Timestamp(server.services.clock.now().as_millis() as u64);
        let expiry = entry.as_ref().ok().and_then(|entry| entry.as_ref()?.grant.expiry);
        Self { entry, is_expired: expiry.is_some_and(|expiry| expiry <= now) }
    }

    fn name(&self) -> Option<&str> {
        self.entry.as_ref().ok()?.as_ref().map(|entry| entry.grant.name.as_str())
    }

    /// The name, if the token is valid now.
    fn known(&self) -> Option<&str> {
        self.name().filter(|_| !self.is_expired)
    }
}

async fn respond(
    server: &Server,
    request: Request<Incoming>,
    id: &HeaderValue,
    caller: &Caller,
) -> Result<Response<Bytes>, Refusal> {
    let (mut parts, body) = request.into_parts();
    check_head(&parts)?;
    server.sites.check(&parts.headers)?;
    remove_connection_headers(&mut parts.headers);
    provide_host(&mut parts.headers)?;
    parts.headers.insert(REQUEST_ID, id.clone());
    let changes = changes(&parts.method);
    let (token, kind) = match caller.known() {
        Some(name) => (Some(name), kind(&parts.method, &parts.uri)),
        None => (None, Kind::Anonymous),
    };
    if let Some(name) = token {
        server.calls.check(name, Instant::now())?;
        if route(parts.uri.path()).ends_with("/supply") {
            server.supplies.check(name, Instant::now())?;
        }
    }
    if parts.uri.path() == "/metrics" && parts.method == Method::GET {
        return metrics(server, caller).await;
    }
    // What comes without a known token is refused by the component without a look at the body.
    let (body, running_of_token, reserved) = match token {
        Some(name) => {
            let permit = server.requests.of(name).try_acquire_owned().map_err(|_| Refusal::BUSY)?;
            let (body, reserved) = server.bodies.collect(name, body).await?;
            (body, Some(permit), reserved)
        }
        None => Default::default(),
    };
    let request = Request::from_parts(parts, body);
    let services = services_for(&server.services, caller);
    if let Some(asked) = super::fill::Asked::read(server, &services, &request) {
        drop((request, reserved, services));
        return Ok(asked.answer(server).await);
    }

    // A change goes on when its client has gone; a read need not.
    if kind == Kind::Read {
        server.metrics.instances.inc();
        let answer = server.component.answer_at_once(&services, &request);
        server.metrics.instances.dec();
        if let Some(answer) = answer {
            return Ok(answer);
        }
    }
    let place = tokio::time::timeout(CALL_TIME_LIMIT, server.shares.admit(token, kind)).await;
    let place = place.ok().flatten().ok_or(Refusal::BUSY)?;
    let component = server.component.clone();
    // A task of its own: when the client goes away, a change that has begun is still carried out.
    let instances = server.metrics.instances.clone();
    let running = tokio::spawn(async move {
        instances.inc();
        let result = component.handle(&services, request).await;
        instances.dec();
        drop((place, reserved, running_of_token));
        result
    });
    match running.await {
        Ok(Ok(response)) => Ok(response),
        Ok(Err(error)) => {
            tracing::error!(target: "strongroom", "the component failed: {} id={}", one_line(&error), text(id));
            Err(match error {
                HandleError::TimedOut if changes => Refusal::OUTCOME_UNKNOWN,
                HandleError::TimedOut => Refusal::TIMED_OUT,
                HandleError::Failed(_) => Refusal::INTERNAL,
            })
        }
        Err(_) => Err(Refusal::INTERNAL),
    }
}

/// For whoever watches the server; the component knows nothing of it.
async fn metrics(server: &Server, caller: &Caller) -> Result<Response<Bytes>, Refusal> {
    let entry = caller.entry.as_ref().ok().and_then(Option::as_ref).filter(|_| caller.known().is_some());
    let entry = entry.ok_or(Refusal::NO_TOKEN)?;
    if !entry.grant.scopes.contains(Scope::Admin) {
        return Err(Refusal::NO_SCOPE);
    }
    // A failing store shows among the other numbers; this one stays as it was.
    if let Some(garbage) = garbage(server, entry).await {
        server.metrics.garbage.set(garbage);
    }
    let mut response = Response::new(Bytes::from(server.metrics.text()));
    let text = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, text);
    Ok(response)
}

/// How many superseded records there are in the project of whoever asks.
async fn garbage(server: &Server, entry: &Entry) -> Option<i64> {
    let _place = tokio::time::timeout(CALL_TIME_LIMIT, server.shares.admit(Some(&entry.grant.name), Kind::Read)).await;
    let mut instance = server.component.vault(&in_project(&server.services, entry)).await.ok()?;
    let maintenance = instance.exports.strongroom_vault_maintenance();
    let garbage = maintenance.call_garbage(instance.store.call()).await.ok()?.ok()?;
    i64::try_from(garbage).ok()
}

/// The services of an instance that works on a token's project.
fn in_project(services: &Services, entry: &Entry) -> Services {
    services.with_settings([(settings::PROJECT, entry.project.as_str().to_owned())])
}

/// The credential's id, if the path names it by its id.
fn credential_in(path: &str) -> Option<String> {
    let segment = path.strip_prefix("/credentials/")?.split('/').next()?;
    CredentialId::parse(segment).map(|_| segment.to_owned())
}

/// The credential's id, if the answer is one credential; it stands first.
fn credential_of(route: &str, body: &[u8]) -> Option<String> {
    if !route.starts_with("/credentials") {
        return None;
    }
    let rest = std::str::from_utf8(body.get(..64)?).ok()?.strip_prefix(r#"{"id":""#)?;
    let id = rest.split('"').next()?;
    CredentialId::parse(id).map(|_| id.to_owned())
}

fn check_head(parts: &Parts) -> Result<(), Refusal> {
    let lines: usize = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    let target = parts.uri.path_and_query().map_or(0, |target| target.as_str().len());
    if lines + target > MAX_HEADER_BYTES {
        return Err(Refusal::HEADERS_TOO_LARGE);
    }
    if !is_canonical(parts.uri.path()) {
        return Err(Refusal::BAD_PATH);
    }
    Ok(())
}

/// The services of one request: of all tokens its component sees the request's own, so that a request costs the same
/// however many there are. While the tokens can't be told, the settings say so themselves.
fn services_for(services: &Services, caller: &Caller) -> Services {
    match &caller.entry {
        Ok(entry) => {
            let tokens = entry.as_ref().map(Entry::to_string).unwrap_or_default();
            services.with_settings([(settings::TOKENS, tokens)])
        }
        Err(()) => services.clone(),
    }
}

/// The caller's id for the request if it is a modest one, else a new one.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let modest = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let given = headers.get(&REQUEST_ID);
    given
        .filter(|id| (1..=64).contains(&id.len()) && id.as_bytes().iter().all(modest))
        .cloned()
        .unwrap_or_else(|| HeaderValue::from_str(&access_log::new_id()).unwrap_or(HeaderValue::from_static("-")))
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
