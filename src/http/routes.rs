//! Which action a method and a path ask for.

use super::mcp;
use crate::access::Scope;
use crate::actions::Action;
use alloc::string::String;

/// What a route and a method stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    Action(Action),
    /// The description of this API.
    Description,
    /// The tools of agents: every token will do, as they follow from its scopes.
    Mcp,
    /// How MCP clients authenticate.
    McpMetadata,
}

/// A line of the route table.
#[derive(Debug)]
pub struct Row {
    /// A segment in braces stands for any one that is not empty.
    pub path: &'static str,
    /// `HEAD` is allowed wherever `GET` is.
    pub method: &'static str,
    pub target: Target,
}

/// All routes.
pub const TABLE: &[Row] = &[
    row("/credentials", "GET", Target::Action(Action::List)),
    row("/credentials", "POST", Target::Action(Action::Create)),
    row("/credentials/{id_or_name}", "GET", Target::Action(Action::Get)),
    row("/credentials/{id_or_name}", "PUT", Target::Action(Action::Put)),
    row("/credentials/{id_or_name}", "PATCH", Target::Action(Action::Update)),
    row("/credentials/{id_or_name}", "DELETE", Target::Action(Action::Delete)),
    row("/credentials/{id_or_name}/totp-code", "GET", Target::Action(Action::TotpCode)),
    row("/credentials/{id_or_name}/versions", "GET", Target::Action(Action::Versions)),
    row("/credentials/{id_or_name}/restore", "POST", Target::Action(Action::Restore)),
    row("/credentials/{id_or_name}/reset-exclusive", "POST", Target::Action(Action::ResetExclusive)),
    row("/credentials/{id_or_name}/supply", "POST", Target::Action(Action::Supply)),
    row("/audit", "GET", Target::Action(Action::Audit)),
    row("/maintenance/verify", "POST", Target::Action(Action::Verify)),
    row("/maintenance/sweep", "POST", Target::Action(Action::Sweep)),
    row("/maintenance/rewrap", "POST", Target::Action(Action::Rewrap)),
    row("/health", "GET", Target::Action(Action::Health)),
    row("/openapi.json", "GET", Target::Description),
    row(mcp::PATH, "POST", Target::Mcp),
    row(mcp::METADATA_PATH, "GET", Target::McpMetadata),
];

const fn row(path: &'static str, method: &'static str, target: Target) -> Row {
    Row { path, method, target }
}

impl Row {
    /// What a token must be allowed; `None`: no scope is asked for.
    pub const fn scope(&self) -> Option<Scope> {
        match self.target {
            Target::Action(action) => action.row().scope,
            Target::Description | Target::Mcp | Target::McpMetadata => None,
        }
    }
}

/// Where a method and a path lead.
pub enum Route<'a> {
    /// The row, and the segment of the path that stands for the variable one, still encoded.
    Known(&'static Row, &'a str),
    /// The path is one of ours; these are its methods, as in the header `allow`.
    WrongMethod(String),
    Unknown,
}

/// Looks a method and a path up. The path is matched as it was sent: what is encoded in it is no separator, so no name can
/// reach another route.
pub fn find<'a>(method: &str, path: &'a str) -> Route<'a> {
    let mut allowed = String::new();
    for row in TABLE {
        let Some(segment) = matched(row.path, path) else { continue };
        if method == row.method || method == "HEAD" && row.method == "GET" {
            return Route::Known(row, segment);
        }
        if !allowed.is_empty() {
            allowed.push_str(", ");
        }
        allowed.push_str(if row.method == "GET" { "GET, HEAD" } else { row.method });
    }
    if allowed.is_empty() { Route::Unknown } else { Route::WrongMethod(allowed) }
}

/// The template of a path's route, for logs: nothing in it was chosen by a client. `None` when there is no such route.
pub fn template(path: &str) -> Option<&'static str> {
    TABLE.iter().find(|row| matched(row.path, path).is_some()).map(|row| row.path)
}

/// The segment that stands for the template's variable one, empty when it has none; `None` when the path does not match.
fn matched<'a>(template: &str, path: &'a str) -> Option<&'a str> {
    let mut variable = "";
    let mut segments = path.split('/');
    for expected in template.split('/') {
        let segment = segments.next()?;
        if expected.starts_with('{') && !segment.is_empty() {
            variable = segment;
        } else if expected != segment {
            return None;
        }
    }
    segments.next().is_none().then_some(variable)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn action(method: &str, path: &str) -> Option<(Action, String)> {
        match find(method, path) {
            Route::Known(Row { target: Target::Action(action), .. }, segment) => Some((*action, segment.into())),
            _ => None,
        }
    }

    #[test]
    fn finds_actions_by_path_and_method() {
        let found = |action, segment: &str| Some((action, segment.into()));
        assert_eq!(action("GET", "/credentials"), found(Action::List, ""));
        assert_eq!(action("HEAD", "/credentials"), found(Action::List, ""));
        assert_eq!(action("GET", "/credentials/totp-code"), found(Action::Get, "totp-code"));
        assert_eq!(action("GET", "/credentials/a%2Ftotp-code"), found(Action::Get, "a%2Ftotp-code"));
        assert_eq!(action("GET", "/credentials/a/totp-code"), found(Action::TotpCode, "a"));
        assert_eq!(action("HEAD", "/health"), found(Action::Health, ""));
    }

    #[test]
    fn finds_nothing_beside_the_table() {
        for path in [
            "",
            "/",
            "//",
            "/credential",
            "/Credentials",
            "/credentials/",
            "//credentials",
            "/credentials//",
            "/credentials//totp-code",
            "/credentials/a/",
            "/credentials/a/b",
            "/credentials/a/totp-code/",
            "/credentials/a/b/totp-code",
            "/credentials/a/totp%2Dcode",
            "/health/",
            "/{id_or_name}",
        ] {
            assert!(matches!(find("GET", path), Route::Unknown), "{path}");
            assert!(matches!(find("DELETE", path), Route::Unknown), "{path}");
        }
    }

    #[test]
    fn templates_show_nothing_of_the_path() {
        for (path, expected) in [
            ("/credentials", Some("/credentials")),
            ("/credentials/canary", Some("/credentials/{id_or_name}")),
            ("/credentials/a%2Fb/totp-code", Some("/credentials/{id_or_name}/totp-code")),
            ("/credentials/", None),
            ("/canary", None),
            ("*", None),
        ] {
            assert_eq!(template(path), expected);
        }
    }

    #[test]
    fn names_the_methods_of_a_path() {
        for (method, path, expected) in [
            ("DELETE", "/credentials", "GET, HEAD, POST"),
            ("get", "/credentials", "GET, HEAD, POST"),
            ("POST", "/credentials/a", "GET, HEAD, PUT, PATCH, DELETE"),
            ("HEAD", "/credentials/a/supply", "POST"),
            ("OPTIONS", "/openapi.json", "GET, HEAD"),
        ] {
            assert!(
                matches!(find(method, path), Route::WrongMethod(allowed) if allowed == expected),
                "{method} {path}"
            );
        }
    }
}
