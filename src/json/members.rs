//! Typed fields of a JSON object. An error names the field and the rule, never what was given.

use super::tree::{Json, parse};
use crate::error::{Error, Result};
use crate::secret::SecretString;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// The members of an object that were not taken yet. Whoever is done with it ignores the rest: clients send fields that
/// are newer than this server.
#[derive(Default)]
pub struct Members(Vec<(String, Json)>);

impl Members {
    /// Reads an object. Errors: `bad_request`; see [`parse`].
    pub fn parse(text: &[u8]) -> Result<Self> {
        Self::of(parse(text)?).ok_or_else(|| Error::bad_request("the request must be a JSON object"))
    }

    /// `None` unless the value is an object.
    pub fn of(value: Json) -> Option<Self> {
        match value {
            Json::Object(members) => Some(Self(members)),
            _ => None,
        }
    }

    /// Whether there is such a member, and it is not an empty text or object.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(other, value)| {
            other == name
                && match value {
                    Json::Text(text) => !text.expose().is_empty(),
                    Json::Object(members) => !members.is_empty(),
                    _ => true,
                }
        })
    }

    /// Whether there is such a member.
    pub fn has_any(&self, name: &str) -> bool {
        self.peek(name).is_some()
    }

    /// Shows a member without taking it.
    pub fn peek(&self, name: &str) -> Option<&Json> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value)
    }

    /// Shows a text without taking it; `None` also when the member is something else.
    pub fn shown(&self, name: &str) -> Option<&str> {
        match self.peek(name) {
            Some(Json::Text(text)) => Some(text.expose()),
            _ => None,
        }
    }

    /// Takes a member of any type; `None` when there is none.
    pub fn take(&mut self, name: &str) -> Option<Json> {
        let index = self.0.iter().position(|(other, _)| other == name)?;
        Some(self.0.swap_remove(index).1)
    }

    pub fn text(&mut self, name: &'static str) -> Result<Option<String>> {
        Ok(self.secret(name)?.map(|text| text.expose().to_owned()))
    }

    pub fn secret(&mut self, name: &'static str) -> Result<Option<SecretString>> {
        match self.take(name) {
            None => Ok(None),
            Some(Json::Text(text)) => Ok(Some(text)),
            Some(_) => Err(must_be(name, "a string")),
        }
    }

    /// A text; null counts as the empty one, which clears a field in an update.
    pub fn text_or_null(&mut self, name: &'static str) -> Result<Option<String>> {
        match self.take(name) {
            None => Ok(None),
            Some(Json::Null) => Ok(Some(String::new())),
            Some(Json::Text(text)) => Ok(Some(text.expose().to_owned())),
            Some(_) => Err(must_be(name, "a string or null")),
        }
    }

    /// A number without a fraction; `rule` is what it must be, for the error. Bounds are checked by who uses it.
    pub fn whole_number(&mut self, name: &'static str, rule: &str) -> Result<Option<i64>> {
        match self.take(name) {
            None => Ok(None),
            Some(Json::Whole(number)) => Ok(Some(number)),
            Some(_) => Err(must_be(name, rule)),
        }
    }

    pub fn flag(&mut self, name: &'static str) -> Result<Option<bool>> {
        match self.take(name) {
            None => Ok(None),
            Some(Json::Bool(flag)) => Ok(Some(flag)),
            Some(_) => Err(must_be(name, "true or false")),
        }
    }

    pub fn texts(&mut self, name: &'static str) -> Result<Option<Vec<String>>> {
        let rule = || must_be(name, "an array of strings");
        match self.take(name) {
            None => Ok(None),
            Some(Json::Array(elements)) => elements
                .into_iter()
                .map(|element| match element {
                    Json::Text(text) => Ok(text.expose().to_owned()),
                    _ => Err(rule()),
                })
                .collect::<Result<_>>()
                .map(Some),
            Some(_) => Err(rule()),
        }
    }

    /// An object whose members are texts, in its order.
    pub fn secrets(&mut self, name: &'static str) -> Result<Option<Vec<(String, SecretString)>>> {
        let rule = || must_be(name, "an object of strings");
        match self.take(name) {
            None => Ok(None),
            Some(Json::Object(members)) => members
                .into_iter()
                .map(|(key, value)| match value {
                    Json::Text(text) => Ok((key, text)),
                    _ => Err(rule()),
                })
                .collect::<Result<_>>()
                .map(Some),
            Some(_) => Err(rule()),
        }
    }

    /// An object whose members are texts that are no secret, in its order.
    pub fn pairs(&mut self, name: &'static str) -> Result<Option<Vec<(String, String)>>> {
        let pairs = self.secrets(name)?;
        Ok(pairs.map(|pairs| pairs.into_iter().map(|(key, text)| (key, text.expose().to_owned())).collect()))
    }

    /// An object of anything; for envelopes around requests.
    pub fn object(&mut self, name: &'static str) -> Result<Option<Members>> {
        match self.take(name) {
            None => Ok(None),
            Some(value) => Members::of(value).map(Some).ok_or_else(|| must_be(name, "an object")),
        }
    }
}

pub(super) fn must_be(name: &str, rule: &str) -> Error {
    Error::bad_request(format!("{name} must be {rule}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL_KINDS: [&str; 7] = ["null", "true", "5", "1.5", r#""canary""#, r#"["canary",1]"#, r#"{"canary":1}"#];

    /// The kinds that a reader takes, and the one message that all others get.
    fn accepts<T>(read: impl Fn(&mut Members) -> Result<Option<T>>, accepted: &[&str], message: &str) {
        for kind in ALL_KINDS {
            let mut members = Members::parse(format!(r#"{{"x":{kind}}}"#).as_bytes()).unwrap();
            match read(&mut members) {
                Ok(value) => assert!(value.is_some() && accepted.contains(&kind), "{kind} was accepted"),
                Err(error) => {
                    assert!(!accepted.contains(&kind), "{kind} was refused");
                    assert_eq!(error.message(), message);
                }
            }
        }
        assert!(read(&mut Members::parse(b"{}").unwrap()).unwrap().is_none());
    }

    #[test]
    fn fields_are_of_their_type_or_refused_by_name_and_rule() {
        accepts(|members| members.text("x"), &[r#""canary""#], "x must be a string");
        accepts(|members| members.secret("x"), &[r#""canary""#], "x must be a string");
        accepts(|members| members.text_or_null("x"), &[r#""canary""#, "null"], "x must be a string or null");
        accepts(
            |members| members.whole_number("x", "a whole number from 1 to 100"),
            &["5"],
            "x must be a whole number from 1 to 100",
        );
        accepts(|members| members.flag("x"), &["true"], "x must be true or false");
        accepts(|members| members.texts("x"), &[], "x must be an array of strings");
        accepts(|members| members.secrets("x"), &[], "x must be an object of strings");
        accepts(|members| members.object("x"), &[r#"{"canary":1}"#], "x must be an object");
    }

    #[test]
    fn collections_keep_their_order() {
        let mut members = Members::parse(br#"{"v":{"b":"1","a":"","c":"2"},"k":["z","a","z"]}"#).unwrap();
        let values = members.secrets("v").unwrap().unwrap();
        let values: Vec<_> = values.iter().map(|(key, value)| (key.as_str(), value.expose())).collect();
        assert_eq!(values, [("b", "1"), ("a", ""), ("c", "2")]);
        assert_eq!(members.texts("k").unwrap().unwrap(), ["z", "a", "z"]);
        assert!(members.take("v").is_none(), "taken once");
    }

    #[test]
    fn only_objects_have_members() {
        for text in ["[]", "null", "1", r#""canary""#] {
            let error = Members::parse(text.as_bytes()).err().unwrap();
            assert_eq!(error.message(), "the request must be a JSON object");
        }
    }
}
