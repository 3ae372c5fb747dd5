//! What the shape of a request tells before the component sees it.

use super::shares::Kind;
use http::{Method, Uri};

/// The shape of a path for the log: nothing that a client has chosen.
pub fn route(path: &str) -> &'static str {
    match path.split('/').skip(1).collect::<Vec<_>>().as_slice() {
        ["credentials"] => "/credentials",
        ["credentials", name] if !name.is_empty() => "/credentials/{id_or_name}",
        ["credentials", _, "totp-code"] => "/credentials/{id_or_name}/totp-code",
        ["credentials", _, "supply"] => "/credentials/{id_or_name}/supply",
        ["credentials", _, "fill"] => "/credentials/{id_or_name}/fill",
        ["credentials", _, "versions"] => "/credentials/{id_or_name}/versions",
        ["credentials", _, "restore"] => "/credentials/{id_or_name}/restore",
        ["audit"] => "/audit",
        ["maintenance", "verify"] => "/maintenance/verify",
        ["maintenance", "sweep"] => "/maintenance/sweep",
        ["maintenance", "rewrap"] => "/maintenance/rewrap",
        ["health"] => "/health",
        ["mcp"] => "/mcp",
        ["metrics"] => "/metrics",
        ["openapi.json"] => "/openapi.json",
        _ => "(other)",
    }
}

pub fn method(method: &Method) -> &'static str {
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

/// Which share of the instances a request of a known token belongs to.
pub fn kind(method: &Method, uri: &Uri) -> Kind {
    let asks_for = |name: &str| {
        let parameters = uri.query().unwrap_or_default().split('&');
        parameters.into_iter().any(|parameter| parameter.split('=').next() == Some(name))
    };
    match route(uri.path()) {
        "/mcp" => Kind::Tool,
        // It tries a write.
        "/health" => Kind::Write,
        _ if *method != Method::GET && *method != Method::HEAD => Kind::Write,
        "/credentials" if asks_for("query") => Kind::Search,
        "/audit" => Kind::Search,
        "/credentials/{id_or_name}/totp-code" if asks_for("exclusive") => Kind::Write,
        _ => Kind::Read,
    }
}

/// Whether a request can change something, so that its repetition is not harmless.
pub fn changes(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Whether the path names its route in one way only: no empty segment, and none that is `.` or `..`, plain or encoded.
/// What stands before us may resolve these, and judge another path than the one that is answered.
pub fn is_canonical(path: &str) -> bool {
    if path == "*" {
        return true;
    }
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        let dots = segment.to_ascii_lowercase().replace("%2e", ".");
        if matches!(dots.as_str(), "." | "..") || (segment.is_empty() && !is_last) || segment.contains('\\') {
            return false;
        }
    }
    path.starts_with('/')
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
    fn kinds_follow_from_method_and_route() {
        for (method, uri, expected) in [
            (Method::GET, "/credentials?limit=1", Kind::Read),
            (Method::GET, "/credentials?limit=1&query=a", Kind::Search),
            (Method::GET, "/credentials/query", Kind::Read),
            (Method::GET, "/credentials/a/totp-code", Kind::Read),
            (Method::GET, "/credentials/a/totp-code?exclusive=true", Kind::Write),
            (Method::DELETE, "/credentials/a", Kind::Write),
            (Method::POST, "/mcp", Kind::Tool),
            (Method::GET, "/health", Kind::Write),
        ] {
            assert_eq!(kind(&method, &uri.parse().unwrap()), expected, "{method} {uri}");
        }
    }

    #[test]
    fn paths_that_can_be_read_in_two_ways_are_not_canonical() {
        for path in
            ["/credentials", "/credentials/", "/credentials/a.b", "/credentials/..a", "/credentials/a%2Fb", "/", "*"]
        {
            assert!(is_canonical(path), "{path}");
        }
        for path in [
            "//credentials",
            "/credentials//a",
            "/./credentials",
            "/credentials/.",
            "/credentials/../health",
            "/credentials/%2e%2e/health",
            "/credentials/%2E./health",
            "/credentials/.%2e",
            "/credentials\\a",
            "credentials",
            "",
        ] {
            assert!(!is_canonical(path), "{path}");
        }
    }
}
