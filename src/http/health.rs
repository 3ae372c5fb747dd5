//! `GET /health`: whether the vault can answer, and for whom has a token also what is in the way.

use super::{Request, Response, auth};
use crate::access;
use crate::actions;
use crate::error::Error;
use crate::json;
use crate::platform::Platform;
use crate::settings::{self, Settings};
use crate::time::Timestamp;

/// 200 when ready, else 503. Every token will do, whatever its scopes; with one, a write is tried too.
pub fn respond(platform: Platform<'_>, settings: &dyn Settings, request: &Request<'_>) -> Response {
    let project = auth::authenticate(platform.clock, settings, request).ok().map(|(_, project)| project);
    let is_known = project.is_some();
    let project = project.map_or_else(|| settings::project(settings), Ok);
    let now = platform.clock.now();
    let sealer = project.and_then(|project| settings::sealer(settings, project));
    let mut health = actions::health(platform, sealer, is_known);
    health.failure = health.failure.or_else(|| unusable_setting(settings, now));
    let status = if health.failure.is_none() { 200 } else { 503 };
    let body = json::object(|root| {
        root.text("status", if health.failure.is_none() { "ready" } else { "not_ready" });
        if !is_known {
            return;
        }
        root.text("writes", if health.has_atomics { "atomic" } else { "last_write_wins" });
        if let Some((check, error)) = &health.failure {
            root.text("check", check);
            root.text("code", error.code().as_str());
            root.text("message", error.message());
        }
    });
    let mut response = Response::json(status, body);
    if health.failure.is_some() {
        response.add("retry-after", "5");
    }
    response
}

/// Of the settings that no check of the vault looks at, the first that requests would fail by.
fn unusable_setting(settings: &dyn Settings, now: Timestamp) -> Option<(&'static str, Error)> {
    // With entries that can't be read nobody gets in.
    let tokens = settings.get(settings::TOKENS).and_then(|setting| access::find(&setting.unwrap_or_default(), "", now));
    if let Err(error) = tokens {
        return Some(("tokens", error));
    }
    // Requests that only read don't look at these.
    let others = settings::policy(settings).and_then(|_| settings::http_origins(settings));
    others.err().map(|error| ("settings", error))
}
