//! Which operation a request asks for, and what a token must be allowed for it.

use super::auth::Scope;
use super::mcp;
use alloc::string::String;

/// What a route and a method stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    List,
    Create,
    Get,
    Put,
    Update,
    Delete,
    TotpCode,
    Supply,
    Health,
    OpenApi,
    Mcp,
    McpMetadata,
}

/// A line of the route table.
#[derive(Debug)]
pub struct Row {
    /// A segment in braces stands for any one that is not empty.
    pub path: &'static str,
    /// `HEAD` is allowed wherever `GET` is.
    pub method: &'static str,
    pub operation: Operation,
    /// `None`: needs no token.
    pub scope: Option<Scope>,
}

/// All routes.
pub const TABLE: [Row; 12] = [
    row("/credentials", "GET", Operation::List, Some(Scope::Read)),
    row("/credentials", "POST", Operation::Create, Some(Scope::Write)),
    row("/credentials/{id_or_name}", "GET", Operation::Get, Some(Scope::Read)),
    row("/credentials/{id_or_name}", "PUT", Operation::Put, Some(Scope::Write)),
    row("/credentials/{id_or_name}", "PATCH", Operation::Update, Some(Scope::Write)),
    row("/credentials/{id_or_name}", "DELETE", Operation::Delete, Some(Scope::Write)),
    row("/credentials/{id_or_name}/totp-code", "GET", Operation::TotpCode, Some(Scope::Totp)),
    row("/credentials/{id_or_name}/supply", "POST", Operation::Supply, Some(Scope::Supply)),
    row("/health", "GET", Operation::Health, None),
    row("/openapi.json", "GET", Operation::OpenApi, None),
    // Every token will do: the tools follow from its scopes.
    row(mcp::PATH, "POST", Operation::Mcp, None),
    row(mcp::METADATA_PATH, "GET", Operation::McpMetadata, None),
];

const fn row(path: &'static str, method: &'static str, operation: Operation, scope: Option<Scope>) -> Row {
    Row { path, method, operation, scope }
}

/// What [`find`] found.
pub enum Found<'a> {
    /// The row, and the segment of the path that stands for the variable one, still encoded.
    Operation(&'static Row, &'a str),
    /// The path is one of ours; these are its methods, as in the header `allow`.
    WrongMethod(String),
    Nothing,
}

/// Looks a method and a path up. The path is matched as it was sent: what is encoded in it is no separator, so no name can
/// reach another route.
pub fn find<'a>(method: &str, path: &'a str) -> Found<'a> {
    let mut allowed = String::new();
    for row in &TABLE {
        let Some(segment) = matched(row.path, path) else { continue };
        if method == row.method || method == "HEAD" && row.method == "GET" {
            return Found::Operation(row, segment);
        }
        if !allowed.is_empty() {
            allowed.push_str(", ");
        }
        allowed.push_str(if row.method == "GET" { "GET, HEAD" } else { row.method });
    }
    if allowed.is_empty() { Found::Nothing } else { Found::WrongMethod(allowed) }
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

    fn operation(method: &str, path: &str) -> Option<(Operation, String)> {
        match find(method, path) {
            Found::Operation(row, segment) => Some((row.operation, segment.into())),
            _ => None,
        }
    }

    #[test]
    fn finds_operations_by_path_and_method() {
        let found = |operation, segment: &str| Some((operation, segment.into()));
        assert_eq!(operation("GET", "/credentials"), found(Operation::List, ""));
        assert_eq!(operation("HEAD", "/credentials"), found(Operation::List, ""));
        assert_eq!(operation("GET", "/credentials/totp-code"), found(Operation::Get, "totp-code"));
        assert_eq!(operation("GET", "/credentials/a%2Ftotp-code"), found(Operation::Get, "a%2Ftotp-code"));
        assert_eq!(operation("GET", "/credentials/a/totp-code"), found(Operation::TotpCode, "a"));
        assert_eq!(operation("HEAD", "/health"), found(Operation::Health, ""));
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
            assert!(matches!(find("GET", path), Found::Nothing), "{path}");
            assert!(matches!(find("DELETE", path), Found::Nothing), "{path}");
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
                matches!(find(method, path), Found::WrongMethod(allowed) if allowed == expected),
                "{method} {path}"
            );
        }
    }
}
