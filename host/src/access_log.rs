//! The line that a request leaves in the log, over HTTP or from the command line: what was asked for, who asked, how it
//! ended. Nothing in it is a client's own words but an id of modest form.

use std::time::Duration;

/// See the module.
pub struct Access<'a> {
    /// The HTTP method, or the command.
    pub method: &'a str,
    /// The shape of the path, or the action.
    pub route: &'a str,
    /// The HTTP status, also where there was no HTTP.
    pub status: u16,
    pub duration: Duration,
    /// The name of the token; `None` without one.
    pub token: Option<&'a str>,
    /// The credential's id.
    pub credential: Option<&'a str>,
    /// The request's id.
    pub id: &'a str,
}

impl Access<'_> {
    pub fn log(&self) {
        let Access { method, route, status, id, .. } = *self;
        let ms = (self.duration.as_secs_f64() * 10_000.0).round() / 10.0;
        let (token, credential) = (self.token.unwrap_or("-"), self.credential.unwrap_or("-"));
        tracing::info!(
            target: "strongroom",
            method, route, status = u64::from(status), ms, token, credential, id,
            "{method} {route} {status} {ms:.1}ms token={token} credential={credential} id={id}",
        );
    }
}

/// An id for a request that brought none.
pub fn new_id() -> String {
    format!("{:016x}", getrandom::u64().unwrap_or_default())
}
