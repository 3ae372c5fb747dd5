//! `GET /health`: whether the vault can answer, and for whom has a token also what is in the way.

use super::auth::Token;
use super::{Request, Response};
use crate::actions::{self, ListQuery, Vault};
use crate::error::{Code, Error, Result};
use crate::json;
use crate::platform::Platform;
use crate::settings::{self, Settings};
use crate::time::Timestamp;

/// A key that no record has: asking for it tells whether the host's compare-and-swap answers at all.
const PROBE_KEY: &str = "sr1.probe";

/// 200 when ready, else 503. Every token will do, whatever its scopes.
pub fn respond(platform: Platform<'_>, settings: &dyn Settings, request: &Request<'_>) -> Response {
    let token = Token::authenticate(platform.clock, settings, request).ok();
    let failure = check(platform, settings, token.as_ref()).err();
    let status = if failure.is_none() { 200 } else { 503 };
    let body = json::object(|root| {
        root.text("status", if failure.is_none() { "ready" } else { "not_ready" });
        if token.is_none() {
            return;
        }
        root.text("writes", if platform.store.has_atomics() { "atomic" } else { "last_write_wins" });
        if let Some((check, error)) = &failure {
            root.text("check", check);
            root.text("code", error.code().as_str());
            root.text("message", error.message());
        }
    });
    let mut response = Response::json(status, body);
    if failure.is_some() {
        response.add("retry-after", "5");
    }
    response
}

/// The checks in their order; the first that fails ends them, with its name.
fn check(platform: Platform<'_>, settings: &dyn Settings, token: Option<&Token>) -> Result<(), (&'static str, Error)> {
    let project = token.map_or_else(|| settings::project(settings), |token| Ok(token.project.clone()));
    let sealer = project.and_then(|project| settings::sealer(settings, project)).map_err(|error| ("keys", error))?;
    if platform.store.has_atomics() {
        let mut handle = platform.store.compare_and_swap(PROBE_KEY).map_err(|error| ("atomics", error.into()))?;
        handle.current().map_err(|error| ("atomics", error.into()))?;
    }
    let first = ListQuery { limit: Some(1), ..ListQuery::default() };
    actions::list(&Vault::new(platform, &sealer), &first).map_err(|error| ("root", error))?;
    if platform.clock.now() < Timestamp::CLOCK_SET {
        return Err(("clock", Error::new(Code::ClockUnset, "the clock shows a time before 2020")));
    }
    Ok(())
}
