//! Conditional requests (RFC 9110, section 13): `if-match` and `if-none-match` against the entity tag of a credential.

use super::Request;
use crate::actions::CredentialView;
use crate::error::{Code, Error, Result};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// The strong entity tag of a credential: its id is in it, as another credential may be given the same name later.
pub fn entity_tag(view: &CredentialView) -> String {
    format!("\"{}.{}\"", view.id, view.version)
}

/// The conditions of a request.
pub struct Preconditions {
    pub if_match: Option<Tags>,
    pub if_none_match: Option<Tags>,
}

/// The value of a condition.
#[derive(Debug, PartialEq, Eq)]
pub enum Tags {
    /// `*`: whatever there is.
    Any,
    /// With their quotes, and `W/` before weak ones.
    List(Vec<String>),
}

impl Preconditions {
    /// Errors: [`Code::BadRequest`] for what is no list of entity tags.
    pub fn of(request: &Request<'_>) -> Result<Self> {
        Ok(Self { if_match: tags(request, "if-match")?, if_none_match: tags(request, "if-none-match")? })
    }

    pub fn are_none(&self) -> bool {
        self.if_match.is_none() && self.if_none_match.is_none()
    }

    /// Whether a request that reads is answered by 304: the client has this version already. Weak tags count here.
    pub fn is_known(&self, tag: &str) -> bool {
        self.if_none_match.as_ref().is_some_and(|tags| tags.hold(tag, true))
    }

    /// Checks `if-match`, which weak tags never fulfil. `tag` is `None` when there is no credential. Errors:
    /// [`Code::PreconditionFailed`].
    pub fn check_match(&self, tag: Option<&str>) -> Result<()> {
        match &self.if_match {
            Some(tags) if !tag.is_some_and(|tag| tags.hold(tag, false)) => {
                Err(Error::new(Code::PreconditionFailed, "the credential has none of the versions in if-match"))
            }
            _ => Ok(()),
        }
    }

    /// Checks both for a request that writes. Errors: [`Code::PreconditionFailed`].
    pub fn check(&self, tag: Option<&str>) -> Result<()> {
        self.check_match(tag)?;
        if tag.is_some_and(|tag| self.is_known(tag)) {
            return Err(Error::new(
                Code::PreconditionFailed,
                "the credential has a version that if-none-match excludes",
            ));
        }
        Ok(())
    }
}

impl Tags {
    fn hold(&self, tag: &str, count_weak: bool) -> bool {
        match self {
            Tags::Any => true,
            Tags::List(list) => list.iter().any(|one| one == tag || count_weak && one.strip_prefix("W/") == Some(tag)),
        }
    }
}

fn tags(request: &Request<'_>, name: &'static str) -> Result<Option<Tags>> {
    let malformed = || Error::bad_request(format!("the header {name} must be * or a list of entity tags in quotes"));
    let mut list = Vec::new();
    let mut is_sent = false;
    for (_, value) in request.headers.iter().filter(|(other, _)| other == name) {
        is_sent = true;
        let value = core::str::from_utf8(value).map_err(|_| malformed())?.trim();
        if value == "*" {
            return Ok(Some(Tags::Any));
        }
        list.extend(parse_list(value).ok_or_else(malformed)?);
    }
    if is_sent && list.is_empty() {
        // Taken for no condition, it would let a change through that was meant to be checked.
        return Err(malformed());
    }
    Ok(is_sent.then_some(Tags::List(list)))
}

/// Section 8.8.3: tags may hold commas, so the list is not split at them.
fn parse_list(mut rest: &str) -> Option<Vec<String>> {
    let mut list = Vec::new();
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if rest.is_empty() {
            return Some(list);
        }
        let opaque = rest.strip_prefix("W/").unwrap_or(rest).strip_prefix('"')?;
        let (inside, after) = opaque.split_once('"')?;
        let is_tag = inside.chars().all(|character| character > ' ' && character != '\u{7f}');
        let is_separated = after.is_empty() || after.starts_with([' ', '\t', ',']);
        if !is_tag || !is_separated {
            return None;
        }
        let tag_bytes = rest.len() - after.len();
        list.push(rest.get(..tag_bytes)?.to_owned());
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn preconditions(headers: &[(&str, &str)]) -> Result<Preconditions> {
        let headers: Vec<_> =
            headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
        Preconditions::of(&Request { method: "GET", path_with_query: "/", headers: &headers, body: Ok(Vec::new()) })
    }

    #[test]
    fn reads_lists_of_tags() {
        let list = |value| preconditions(&[("if-match", value)]).map(|found| found.if_match);
        let tags = |tags: &[&str]| Ok(Some(Tags::List(tags.iter().map(|tag| (*tag).to_owned()).collect())));
        assert_eq!(list("*"), Ok(Some(Tags::Any)));
        assert_eq!(list(r#""a""#), tags(&[r#""a""#]));
        assert_eq!(list(r#" "a,b" ,, W/"c","""#), tags(&[r#""a,b""#, r#"W/"c""#, r#""""#]));
        for value in
            ["", ",", "a", "1", "\"a", "a\"", "W/a", "w/\"a\"", "\"a\"\"b\"", "\"a\"b", "*,\"a\"", "\"a b\"", "'a'"]
        {
            let error = list(value).expect_err(value);
            assert_eq!(error.message(), "the header if-match must be * or a list of entity tags in quotes");
        }
        let twice = preconditions(&[("if-match", r#""a""#), ("if-match", r#""b""#)]).unwrap();
        assert_eq!(Ok(twice.if_match), tags(&[r#""a""#, r#""b""#]));
    }

    #[test]
    fn strong_tags_match_and_weak_ones_only_spare_a_read() {
        let check = |name, value, tag| preconditions(&[(name, value)]).unwrap().check(tag).is_ok();
        let tag = Some(r#""x.2""#);
        for (value, holds) in
            [("*", true), (r#""x.2""#, true), (r#""x.1", "x.2""#, true), (r#""x.1""#, false), (r#"W/"x.2""#, false)]
        {
            assert_eq!(check("if-match", value, tag), holds, "{value}");
            assert!(!check("if-match", value, None));
        }
        for (value, passes) in [("*", false), (r#""x.2""#, false), (r#"W/"x.2""#, false), (r#""x.1""#, true)] {
            assert_eq!(check("if-none-match", value, tag), passes, "{value}");
            assert!(check("if-none-match", value, None));
            let known = preconditions(&[("if-none-match", value)]).unwrap().is_known(r#""x.2""#);
            assert_eq!(known, !passes, "{value}");
        }
        assert!(preconditions(&[]).unwrap().are_none());
    }
}
