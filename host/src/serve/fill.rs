//! `POST /credentials/{id_or_name}/fill`: the one route that the host answers and not the component, as it is the host
//! that has the browsers. Who asks is decided as everywhere: by the component's own list of tokens and scopes.

use super::Server;
use crate::fill::{Arguments, Fills};
use crate::instance::Services;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use serde_json::{Map, Value};
use std::time::Instant;
use strongroom::access::{self, Scope, TokenEntry};
use strongroom::error::Code;
use strongroom::http::status;
use strongroom::settings;
use strongroom::time::Timestamp;
use strongroom_login::{Answer, Failure};

/// A login that a token may ask for, or the answer to a request for none.
pub enum Asked<'s> {
    Login { fills: &'s Fills, token: Box<TokenEntry>, arguments: Box<Arguments> },
    Answer(Response<Bytes>),
}

impl<'s> Asked<'s> {
    /// Reads a request if it is for this route and a browser is configured; `services` are the request's own. All else is
    /// the component's to answer: to it there is no such route.
    pub fn read(server: &'s Server, services: &Services, request: &Request<Bytes>) -> Option<Self> {
        let fills = server.fills.as_ref().filter(|fills| !fills.is_empty())?;
        let credential = credential(request.uri().path()).filter(|_| *request.method() == Method::POST)?;
        Some(match login(server, services, request, credential) {
            Ok((token, arguments)) => Self::Login { fills, token: Box::new(token), arguments: Box::new(arguments) },
            Err(response) => Self::Answer(*response),
        })
    }

    /// Makes the login. That takes seconds: nothing of the request should be held any more.
    pub async fn answer(self, server: &Server) -> Response<Bytes> {
        match self {
            Self::Login { fills, token, arguments } => {
                let services = on_behalf(&server.services, &token);
                respond(&fills.run(server.component.clone(), services, &token.grant.name, *arguments).await)
            }
            Self::Answer(response) => response,
        }
    }
}

fn login(
    server: &Server,
    services: &Services,
    request: &Request<Bytes>,
    credential: String,
) -> Result<(TokenEntry, Arguments), Box<Response<Bytes>>> {
    let failed = |failure: Failure| Box::new(respond(&Err(failure)));
    let refused = |code: Code, message| failed(Failure::new(code.as_str(), message));
    let token = token(server, services, request).map_err(failed)?;
    let token = token.ok_or_else(|| refused(Code::Unauthorized, "a known bearer token is required"))?;
    if !token.grant.scopes.contains(Scope::Fill) {
        return Err(refused(Code::Forbidden, "the caller has not the scope fill"));
    }
    let arguments = object(request.body()).and_then(|object| Arguments::parse(credential, &object));
    let arguments = arguments.map_err(failed)?;
    // It releases values, like `supply`.
    server.supplies.check(&token.grant.name, Instant::now()).map_err(|refusal| Box::new(refusal.into_response()))?;
    Ok((token, arguments))
}

/// The entry of the request's token, if it is known and valid. A list that can't be read knows nobody, and says so.
fn token(server: &Server, services: &Services, request: &Request<Bytes>) -> Result<Option<TokenEntry>, Failure> {
    let unreadable = || Failure::new(Code::Misconfigured.as_str(), "the tokens can't be read; the log says why");
    let setting = services.config.get(settings::TOKENS).map_err(|why| {
        tracing::error!(target: "strongroom", "{why}");
        unreadable()
    })?;
    let now = Timestamp::from_seconds(server.services.clock.now().as_secs());
    let (Some(setting), Some(token)) = (setting, super::request::bearer(request.headers())) else { return Ok(None) };
    access::find(&setting, token, now).map_err(|why| {
        tracing::error!(target: "strongroom", "{}", why.message());
        unreadable()
    })
}

/// The credential in the path.
fn credential(path: &str) -> Option<String> {
    let segment = path.strip_prefix("/credentials/")?.strip_suffix("/fill")?;
    if segment.is_empty() || segment.contains('/') {
        return None;
    }
    let mut decoded = Vec::new();
    let mut rest = segment.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        let value = digit()? * 16 + digit()?;
        decoded.push(u8::try_from(value).ok()?);
    }
    String::from_utf8(decoded).ok()
}

fn object(body: &Bytes) -> Result<Map<String, Value>, Failure> {
    if body.is_empty() {
        return Ok(Map::new());
    }
    serde_json::from_slice(body)
        .map_err(|_| Failure::new(Code::BadRequest.as_str(), "the body must be a JSON object, or empty"))
}

/// The services of an instance that acts for a token: in its project, with its scopes and within its restriction.
fn on_behalf(services: &Services, token: &TokenEntry) -> Services {
    services.with_settings(settings_for(token))
}

fn settings_for(token: &TokenEntry) -> [(&'static str, String); 2] {
    [(settings::PROJECT, token.project.as_str().to_owned()), (settings::CALLER, token.grant.to_string())]
}

fn respond(result: &Result<Answer, Failure>) -> Response<Bytes> {
    let (status, body) = match result {
        Ok(answer) => (StatusCode::OK, answer.to_json()),
        Err(failure) => (status_of(&failure.code), failure.to_json()),
    };
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if let Some(seconds) = result.as_ref().err().and_then(|failure| failure.retry_after_seconds) {
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    if status == StatusCode::INTERNAL_SERVER_ERROR {
        // The official clients would log in once more by themselves.
        response.headers_mut().insert("x-should-retry", HeaderValue::from_static("false"));
    }
    response
}

/// Refused: 403; nothing there: 404; not to be told apart, or changed meanwhile: 409; the browser: 502.
fn status_of(code: &str) -> StatusCode {
    match code {
        "insecure_transport" | "form_leaves_domain" | "not_a_login_form" | "field_type_refused" => {
            StatusCode::FORBIDDEN
        }
        "no_fields" | "page_not_found" | "browser_not_configured" => StatusCode::NOT_FOUND,
        "ambiguous_fields" | "ambiguous_page" | "document_changed" | "fill_unconfirmed" => StatusCode::CONFLICT,
        "browser_unavailable" => StatusCode::BAD_GATEWAY,
        _ => {
            let code = Code::ALL.into_iter().find(|known| known.as_str() == code).unwrap_or(Code::Internal);
            StatusCode::from_u16(status::of(code)).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Replaced};
    use std::sync::Arc;

    #[test]
    fn the_credential_is_read_from_the_path() {
        for (path, expected) in [
            ("/credentials/a/fill", Some("a")),
            ("/credentials/a%2Fb%20%C3%A4/fill", Some("a/b ä")),
            ("/credentials/fill/fill", Some("fill")),
            ("/credentials//fill", None),
            ("/credentials/fill", None),
            ("/credentials/a/b/fill", None),
            ("/credentials/a%2/fill", None),
            ("/credentials/a%ff/fill", None),
            ("/credentials/a/supply", None),
        ] {
            assert_eq!(credential(path).as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn every_code_has_its_status() {
        for (code, status) in [
            ("origin_refused", 403),
            ("form_leaves_domain", 403),
            ("not_found", 404),
            ("no_fields", 404),
            ("ambiguous_page", 409),
            ("code_expiring", 429),
            ("browser_unavailable", 502),
            ("contended", 503),
            ("something else", 500),
        ] {
            assert_eq!(status_of(code).as_u16(), status, "{code}");
        }
    }

    #[test]
    fn an_instance_acts_for_the_token_and_within_its_limits() {
        let hash = "0".repeat(64);
        let entry = format!("agent:p-1:read+fill:{hash}:expiry=1800000000:domains=a.example");
        let token = TokenEntry::parse(&entry).unwrap();
        let inner = std::collections::BTreeMap::from([("strongroom_keys".to_owned(), "k".to_owned())]);
        let config = Replaced { values: settings_for(&token), others: Arc::new(inner) };
        assert_eq!(config.get("strongroom_keys").unwrap().unwrap(), "k");
        assert_eq!(config.get("strongroom_project").unwrap().unwrap(), "p-1");
        let caller = config.get("strongroom_caller").unwrap().unwrap();
        assert_eq!(caller, "agent:read+fill:expiry=1800000000:domains=a.example");
    }
}
