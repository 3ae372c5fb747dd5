//! The single-sign-on provider to log in with.

use super::text::parse_visible;
use crate::error::Result;
use alloc::string::String;

/// Longest provider name, in bytes of UTF-8.
const MAX_BYTES: usize = 128;

/// A provider's name, for instance `google`: free text of 1 to 128 bytes without white space around it, all of which
/// can be seen. The vault gives it no meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SsoProvider(String);

impl SsoProvider {
    /// A text that was checked when it was stored.
    pub(crate) fn trusted(text: String) -> Self {
        Self(text)
    }

    /// Takes off the white space around the text and checks the rest. Fails with `bad_request`, naming `sso_provider`
    /// and the rule. The empty text, which clears the field in an update, is the caller's matter.
    pub fn parse(text: &str) -> Result<Self> {
        parse_visible("sso_provider", text, MAX_BYTES).map(|text| Self(text.into()))
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
    use alloc::string::ToString;

    #[test]
    fn bounds() {
        assert_eq!(SsoProvider::parse(" google ").unwrap().as_str(), "google");
        assert!(SsoProvider::parse(&"x".repeat(128)).is_ok());
        for text in ["".to_string(), " ".to_string(), "x".repeat(129), "a\tb".to_string(), "a\u{200d}b".to_string()] {
            let error = SsoProvider::parse(&text).unwrap_err();
            assert_eq!(error.code(), Code::BadRequest);
            assert!(error.message().starts_with("sso_provider "));
        }
    }
}
