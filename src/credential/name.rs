//! The name that the user gives a credential.

use super::CredentialId;
use super::text::parse_visible;
use crate::error::{Error, Result};
use alloc::string::String;

/// Longest name, in bytes of UTF-8.
const MAX_BYTES: usize = 255;

/// A credential's name: 1 to 255 bytes of UTF-8 without white space around it, all of which can be seen (see
/// [`super::text`]), neither `.` nor `..` (HTTP clients resolve these in a path), and not of an id's form.
/// Case-sensitive.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(String);

impl Name {
    /// A text that was checked when it was stored.
    pub(crate) fn trusted(text: String) -> Self {
        Self(text)
    }

    /// Takes off the white space around the text and checks the rest. Fails with `bad_request`, naming `name` and the
    /// rule.
    pub fn parse(text: &str) -> Result<Self> {
        let text = parse_visible("name", text, MAX_BYTES)?;
        if matches!(text, "." | "..") {
            return Err(Error::bad_request("name must not be a dot or two dots"));
        }
        if CredentialId::has_form(text) {
            return Err(Error::bad_request("name must not have the form of a credential id"));
        }
        Ok(Self(String::from(text)))
    }

    /// The trimmed text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;
    use proptest::prelude::*;

    #[test]
    fn accepts_and_trims() {
        let longest = "x".repeat(255);
        for (text, stored) in [
            ("a", "a"),
            ("  example work login\t\n", "example work login"),
            ("\u{a0}a\u{3000}", "a"),
            ("...", "..."),
            ("a/b%20c?d#e@f:g", "a/b%20c?d#e@f:g"),
            ("B\u{fc}ro \u{1f511}", "B\u{fc}ro \u{1f511}"),
            ("cred_short", "cred_short"),
            ("cred_0000000000000000000000000w", "cred_0000000000000000000000000w"),
            ("CRED_00000000000000000000000000", "CRED_00000000000000000000000000"),
            (&longest, &longest),
        ] {
            assert_eq!(Name::parse(text).unwrap().as_str(), stored);
        }
    }

    #[test]
    fn refuses_by_rule() {
        let too_long = "x".repeat(256);
        let too_long_in_bytes = "\u{fc}".repeat(128);
        for (text, rule) in [
            ("", "1 to 255 bytes"),
            (" \t\r\n\u{a0}", "1 to 255 bytes"),
            (&too_long, "1 to 255 bytes"),
            (&too_long_in_bytes, "1 to 255 bytes"),
            ("a\0b", "control"),
            ("a\nb", "control"),
            ("a\u{7f}b", "control"),
            ("a\u{85}b", "control"),
            ("pay\u{202e}lap", "can't be seen"),
            ("pay\u{200b}pal", "can't be seen"),
            ("\u{feff}paypal", "can't be seen"),
            (".", "dot"),
            (" .. ", "dot"),
            ("cred_00000000000000000000000000", "form of a credential id"),
            ("cred_0000000000000000000000000v", "form of a credential id"),
        ] {
            let error = Name::parse(text).unwrap_err();
            assert_eq!(error.code(), Code::BadRequest, "{text:?}");
            assert!(error.message().starts_with("name ") && error.message().contains(rule), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn never_panics_and_is_idempotent(text: String) {
            if let Ok(name) = Name::parse(&text) {
                prop_assert_eq!(&Name::parse(name.as_str()).unwrap(), &name);
                prop_assert!(!CredentialId::has_form(name.as_str()));
            }
        }
    }
}
