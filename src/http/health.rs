//! `GET /health`: whether the vault can answer, and for whom has a token also what is in the way.

use super::{Request, Response, auth};
use crate::access;
use crate::actions;
use crate::json;
use crate::platform::Platform;
use crate::settings::{self, Settings};

/// 200 when ready, else 503. Every token will do, whatever its scopes; with one, a write is tried too.
pub fn respond(platform: Platform<'_>, settings: &dyn Settings, request: &Request<'_>) -> Response {
    let project = auth::authenticate(platform.clock, settings, request).ok().map(|(_, project)| project);
    let is_known = project.is_some();
    let project = project.map_or_else(|| settings::project(settings), Ok);
    let now = platform.clock.now();
    let sealer = project.and_then(|project| settings::sealer(settings, project));
    let mut health = actions::health(platform, sealer, is_known);
    // With entries that can't be read nobody gets in.
    let tokens = settings.get(settings::TOKENS).and_then(|setting| access::find(&setting.unwrap_or_default(), "", now));
    // Requests that only read don't look at these.
    let others = settings::policy(settings).map(drop).and_then(|()| settings::http_origins(settings).map(drop));
    let checks = [("tokens", tokens.map(drop)), ("settings", others)];
    let failed = checks.into_iter().find_map(|(check, result)| result.err().map(|error| (check, error)));
    health.failure = health.failure.or(failed);
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
