//! How a caller points at one credential.

use super::{CredentialId, Name};
use crate::error::{Error, Result};

/// What `id_or_name` stands for. As no name has an id's form, a text is one or the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// A text of an id's form.
    Id(CredentialId),
    /// Any other text.
    Name(Name),
}

impl Selector {
    /// Takes off the white space around the text. Fails with `bad_request` when nothing is left, and with `not_found`
    /// when no credential can have this id or name.
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        if text.is_empty() {
            return Err(Error::bad_request("id_or_name must not be empty"));
        }
        if CredentialId::has_form(text) {
            return CredentialId::parse(text).map(Selector::Id).ok_or_else(Error::not_found);
        }
        Name::parse(text).map(Selector::Name).map_err(|_| Error::not_found())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    #[test]
    fn ids_and_names_do_not_overlap() {
        let id = CredentialId::new(1_736_937_000_000, [9; 10]);
        assert_eq!(Selector::parse(&id.to_text()), Ok(Selector::Id(id)));
        assert_eq!(Selector::parse(" work \n"), Ok(Selector::Name(Name::parse("work").unwrap())));
        let almost = "cred_0000000000000000000000000";
        assert_eq!(Selector::parse(almost), Ok(Selector::Name(Name::parse(almost).unwrap())));
    }

    #[test]
    fn blank_is_a_bad_request() {
        for text in ["", "  ", "\u{a0}\n"] {
            let error = Selector::parse(text).unwrap_err();
            assert_eq!(error.code(), Code::BadRequest);
            assert!(error.message().contains("id_or_name"));
        }
    }

    #[test]
    fn what_nothing_can_be_called_is_not_found() {
        let too_long = "x".repeat(256);
        for text in [".", "..", "a\0b", &too_long, "cred_00000000000000000000000001"] {
            assert_eq!(Selector::parse(text).unwrap_err(), Error::not_found(), "{text:?}");
        }
    }
}
