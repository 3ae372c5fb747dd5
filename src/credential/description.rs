//! What people write beside a credential, for agents to read: a description and some pairs of key and text.

use super::text::{parse_visible, unseen};
use crate::error::{Error, Result};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// Longest description, in bytes of UTF-8.
const MAX_DESCRIPTION_BYTES: usize = 500;
/// Most pairs of metadata.
const MAX_PAIRS: usize = 16;
/// Longest key, in bytes of UTF-8.
const MAX_KEY_BYTES: usize = 64;
/// Longest text of a pair, in bytes of UTF-8.
const MAX_TEXT_BYTES: usize = 512;

/// One line that tells accounts of one site apart: 1 to 500 bytes without white space around them, all of which can be
/// seen. Agents read it, in lists too, so no secret belongs here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description(String);

impl Description {
    /// A text that was checked when it was stored.
    pub(crate) fn trusted(text: String) -> Self {
        Self(text)
    }

    /// Takes off the white space around the text and checks the rest. Fails with `bad_request`, naming `description` and
    /// the rule. The empty text, which clears the field in an update, is the caller's matter.
    pub fn parse(text: &str) -> Result<Self> {
        parse_visible("description", text, MAX_DESCRIPTION_BYTES).map(|text| Self(text.into()))
    }

    /// The trimmed text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Pairs of key and text in the order they were given: at most 16, no key twice. A key has 1 to 64 bytes, a text up to
/// 512 and may be empty; all of them can be seen. Agents read them, so no secret belongs here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata(Vec<(String, String)>);

impl Metadata {
    /// Pairs that were checked when they were stored.
    pub(crate) fn trusted(pairs: Vec<(String, String)>) -> Self {
        Self(pairs)
    }

    /// Checks the pairs; none at all is fine. Fails with `bad_request`, naming `metadata` and the rule.
    pub fn parse(pairs: Vec<(String, String)>) -> Result<Self> {
        if pairs.len() > MAX_PAIRS {
            return Err(Error::bad_request("metadata must have at most 16 pairs"));
        }
        for (at, (key, text)) in pairs.iter().enumerate() {
            let broken = |rule: &str| Error::bad_request(format!("metadata must have {rule} (pair {})", at + 1));
            if key.is_empty() || key.len() > MAX_KEY_BYTES {
                return Err(broken("keys of 1 to 64 bytes"));
            }
            if text.len() > MAX_TEXT_BYTES {
                return Err(broken("texts of 512 bytes at most"));
            }
            if pairs.iter().take(at).any(|(earlier, _)| earlier == key) {
                return Err(broken("no key twice"));
            }
            if let Some(what) = unseen(key).or(unseen(text)) {
                return Err(broken(&format!("no {what}")));
            }
        }
        Ok(Self(pairs))
    }

    /// Keys and texts, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, text)| (key.as_str(), text.as_str()))
    }

    /// Whether there is no pair.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;
    use alloc::string::ToString;
    use alloc::vec;

    fn pair(key: &str, text: &str) -> (String, String) {
        (key.to_string(), text.to_string())
    }

    fn many(count: usize) -> Vec<(String, String)> {
        (0..count).map(|i| (format!("key {i}"), String::new())).collect()
    }

    #[test]
    fn descriptions_are_one_line_of_bounded_length() {
        assert_eq!(Description::parse(" The team's account \n").unwrap().as_str(), "The team's account");
        assert!(Description::parse(&"x".repeat(500)).is_ok());
        for text in ["".to_string(), " ".to_string(), "x".repeat(501), "a\nb".to_string(), "a\u{202e}b".to_string()] {
            let error = Description::parse(&text).unwrap_err();
            assert_eq!(error.code(), Code::BadRequest);
            assert!(error.message().starts_with("description must "), "{}", error.message());
        }
    }

    #[test]
    fn metadata_keeps_its_order_within_its_bounds() {
        let pairs = vec![pair("team", "ops"), pair("Team", ""), pair(" a ", " b ")];
        let metadata = Metadata::parse(pairs).unwrap();
        assert!(metadata.iter().eq([("team", "ops"), ("Team", ""), (" a ", " b ")]));
        assert!(Metadata::parse(vec![]).unwrap().is_empty());
        assert!(Metadata::parse(many(16)).is_ok());
        assert!(Metadata::parse(vec![pair(&"k".repeat(64), &"t".repeat(512))]).is_ok());
    }

    #[test]
    fn metadata_is_refused_by_rule_and_place_without_echo() {
        for (rule, pairs) in [
            ("at most 16 pairs", many(17)),
            ("keys of 1 to 64 bytes (pair 2)", vec![pair("canary", ""), pair("", "canary")]),
            ("keys of 1 to 64 bytes (pair 1)", vec![pair(&"canary".repeat(11), "")]),
            ("texts of 512 bytes at most (pair 1)", vec![pair("k", &"canary".repeat(86))]),
            ("no key twice (pair 3)", vec![pair("canary", "1"), pair("b", "2"), pair("canary", "3")]),
            ("control characters", vec![pair("can\nary", "")]),
            ("control characters", vec![pair("k", "can\u{85}ary")]),
            ("can't be seen", vec![pair("can\u{200b}ary", "")]),
            ("can't be seen", vec![pair("k", "can\u{2066}ary")]),
        ] {
            let error = Metadata::parse(pairs).unwrap_err();
            assert_eq!(error.code(), Code::BadRequest);
            assert!(error.message().starts_with("metadata must "), "{}", error.message());
            assert!(error.message().contains(rule), "{}", error.message());
            assert!(!error.message().contains("can\u{61}ry"), "{}", error.message());
        }
    }
}
