//! Typed fields of a JSON object. An error names the field and the rule, and the place of what is wrong in it, never what
//! was given.

use super::tree::{Json, parse};
use crate::error::{Error, Result};
use crate::secret::SecretString;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// How fields are read. In both, null is the same as absent, but for what [`Members::clearable`] says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reading {
    /// As a program sends them: every field is of its type.
    #[default]
    Strict,
    /// As a model sends them: null for what it does not set, an empty text for the same, numbers, flags, arrays and
    /// objects as text, numbers and flags where a text belongs to a name.
    Lenient,
}

/// The members of an object that were not taken yet. Whoever is done with it ignores the rest: clients send fields that
/// are newer than this server.
#[derive(Default)]
pub struct Members {
    members: Vec<(String, Json)>,
    reading: Reading,
}

/// Texts by name, in their order, and the names that had null instead of a text.
pub struct Texts {
    pub set: Vec<(String, SecretString)>,
    pub null: Vec<String>,
}

impl Members {
    /// Reads an object. Errors: `bad_request`; see [`parse`].
    pub fn parse(text: &[u8]) -> Result<Self> {
        Self::of(parse(text)?).ok_or_else(|| Error::bad_request("the request must be a JSON object"))
    }

    /// `None` unless the value is an object.
    pub fn of(value: Json) -> Option<Self> {
        match value {
            Json::Object(members) => Some(Self { members, reading: Reading::Strict }),
            _ => None,
        }
    }

    /// The same, read as models write.
    pub fn lenient(self) -> Self {
        Self { reading: Reading::Lenient, ..self }
    }

    fn is_lenient(&self) -> bool {
        self.reading == Reading::Lenient
    }

    /// Whether there is such a member, and it is not null and no empty text or object.
    pub fn has(&self, name: &str) -> bool {
        match self.peek(name) {
            None | Some(Json::Null) => false,
            Some(Json::Text(text)) => !text.expose().is_empty(),
            Some(Json::Object(members)) => !members.is_empty(),
            Some(_) => true,
        }
    }

    /// Whether there is such a member.
    pub fn has_any(&self, name: &str) -> bool {
        self.peek(name).is_some()
    }

    /// Shows a member without taking it.
    pub fn peek(&self, name: &str) -> Option<&Json> {
        self.members.iter().find(|(other, _)| other == name).map(|(_, value)| value)
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
        let index = self.members.iter().position(|(other, _)| other == name)?;
        Some(self.members.swap_remove(index).1)
    }

    /// Takes a member that is set: not null, and to a model not an empty text.
    fn take_set(&mut self, name: &str) -> Option<Json> {
        let is_lenient = self.is_lenient();
        self.take(name).filter(|value| match value {
            Json::Null => false,
            Json::Text(text) => !(is_lenient && text.expose().is_empty()),
            _ => true,
        })
    }

    /// As [`Members::take_set`], for what is no text: a model's text is read as the JSON that it holds.
    fn take_json(&mut self, name: &str) -> Option<Json> {
        let is_lenient = self.is_lenient();
        let read = |value| match value {
            // If it holds none, it is of the wrong type as it is.
            Json::Text(text) if is_lenient => parse(text.expose().as_bytes()).unwrap_or(Json::Text(text)),
            other => other,
        };
        self.take_set(name).map(read).filter(|value| !matches!(value, Json::Null))
    }

    /// A text.
    pub fn text(&mut self, name: &'static str) -> Result<Option<String>> {
        Ok(self.secret(name)?.map(|text| text.expose().to_owned()))
    }

    /// A text that may be secret.
    pub fn secret(&mut self, name: &'static str) -> Result<Option<SecretString>> {
        match self.take_set(name) {
            None => Ok(None),
            Some(Json::Text(text)) => Ok(Some(text)),
            Some(_) => Err(Error::must_be(name, "a string")),
        }
    }

    /// A text that an update clears by an empty one. A program may say null for it (RFC 7396); a model's null still means
    /// that it is not set.
    pub fn clearable(&mut self, name: &'static str) -> Result<Option<SecretString>> {
        match self.take(name) {
            None => Ok(None),
            Some(Json::Null) if self.is_lenient() => Ok(None),
            Some(Json::Null) => Ok(Some(SecretString::new(String::new()))),
            Some(Json::Text(text)) => Ok(Some(text)),
            Some(_) => Err(Error::must_be(name, "a string")),
        }
    }

    /// Whether an update clears a field that is no text, by null or by an empty text as [`Members::clearable`] has it.
    /// Then it is taken.
    pub fn clears(&mut self, name: &str) -> bool {
        let clears = match self.peek(name) {
            Some(Json::Null) => !self.is_lenient(),
            Some(Json::Text(text)) => text.expose().is_empty(),
            _ => false,
        };
        if clears {
            drop(self.take(name));
        }
        clears
    }

    /// A number without a fraction; `rule` is what it must be, for the error. Bounds are checked by who uses it.
    pub fn whole_number(&mut self, name: &'static str, rule: &str) -> Result<Option<i64>> {
        match self.take_json(name) {
            None => Ok(None),
            Some(Json::Number(number)) => number.whole().map(Some).ok_or_else(|| Error::must_be(name, rule)),
            Some(_) => Err(Error::must_be(name, rule)),
        }
    }

    /// True or false; a model's text in any case.
    pub fn flag(&mut self, name: &'static str) -> Result<Option<bool>> {
        match self.take_json(name) {
            None => Ok(None),
            Some(Json::Bool(flag)) => Ok(Some(flag)),
            Some(Json::Text(text)) if self.is_lenient() && text.expose().trim().eq_ignore_ascii_case("true") => {
                Ok(Some(true))
            }
            Some(Json::Text(text)) if self.is_lenient() && text.expose().trim().eq_ignore_ascii_case("false") => {
                Ok(Some(false))
            }
            Some(_) => Err(Error::must_be(name, "true or false")),
        }
    }

    /// An array of texts.
    pub fn texts(&mut self, name: &'static str) -> Result<Option<Vec<String>>> {
        let rule = "an array of strings";
        let elements = match self.take_json(name) {
            None => return Ok(None),
            Some(Json::Array(elements)) => elements,
            Some(_) => return Err(Error::must_be(name, rule)),
        };
        let mut texts = Vec::new();
        for (at, element) in elements.into_iter().enumerate() {
            match element {
                Json::Text(text) => texts.push(text.expose().to_owned()),
                Json::Null if self.is_lenient() => {}
                _ => return Err(wrong_entry(name, rule, at)),
            }
        }
        Ok(Some(texts))
    }

    /// An object of texts. A model's numbers and flags are the texts that they were written as.
    pub fn entries(&mut self, name: &'static str) -> Result<Option<Texts>> {
        let rule = "an object of strings";
        let members = match self.take_json(name) {
            None => return Ok(None),
            Some(Json::Object(members)) => members,
            Some(_) => return Err(Error::must_be(name, rule)),
        };
        let mut entries = Texts { set: Vec::new(), null: Vec::new() };
        for (at, (key, value)) in members.into_iter().enumerate() {
            let text = match value {
                Json::Text(text) => text,
                Json::Null => {
                    entries.null.push(key);
                    continue;
                }
                Json::Number(number) if self.is_lenient() => number.into_text(),
                Json::Bool(flag) if self.is_lenient() => SecretString::new(if flag { "true" } else { "false" }.into()),
                _ => return Err(wrong_entry(name, rule, at)),
            };
            entries.set.push((key, text));
        }
        Ok(Some(entries))
    }

    /// An object of texts that may be secret, without what is null.
    pub fn secrets(&mut self, name: &'static str) -> Result<Option<Vec<(String, SecretString)>>> {
        Ok(self.entries(name)?.map(|entries| entries.set))
    }

    /// An object of texts that are no secret, without what is null.
    pub fn pairs(&mut self, name: &'static str) -> Result<Option<Vec<(String, String)>>> {
        let pairs = self.secrets(name)?;
        Ok(pairs.map(|pairs| pairs.into_iter().map(|(key, text)| (key, text.expose().to_owned())).collect()))
    }

    /// Whether null in an object that is merged removes (RFC 7396): a program's does.
    pub fn null_removes(&self) -> bool {
        !self.is_lenient()
    }
}

fn wrong_entry(name: &str, rule: &str, at: usize) -> Error {
    Error::bad_request(format!("{name} must be {rule} (entry {})", at + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each kind of JSON, and texts that hold other kinds.
    const KINDS: [&str; 13] = [
        "null",
        "true",
        "5",
        "1.5",
        r#""canary""#,
        r#"["canary"]"#,
        r#"{"canary":"1"}"#,
        r#""""#,
        r#""5""#,
        r#"" True ""#,
        r#""[\"canary\"]""#,
        r#""{\"canary\":\"1\"}""#,
        r#"" ""#,
    ];

    /// Tries all kinds: those that are taken, those that count as absent, and the one message that all others get.
    fn assert_reads<T>(
        reading: Reading,
        read: impl Fn(&mut Members) -> Result<Option<T>>,
        taken: &[&str],
        absent: &[&str],
        message: &str,
    ) {
        for kind in KINDS {
            let mut members = Members::parse(format!(r#"{{"x":{kind}}}"#).as_bytes()).unwrap();
            members.reading = reading;
            match read(&mut members) {
                Ok(Some(_)) => assert!(taken.contains(&kind), "{message}: {kind} was taken by {reading:?}"),
                Ok(None) => assert!(absent.contains(&kind), "{message}: {kind} was absent to {reading:?}"),
                Err(error) => {
                    assert!(!taken.contains(&kind) && !absent.contains(&kind), "{message}: {kind} by {reading:?}");
                    assert_eq!(error.message(), message);
                }
            }
        }
        assert!(read(&mut Members::parse(b"{}").unwrap()).unwrap().is_none());
    }

    const TEXTS: [&str; 6] = [
        r#""canary""#,
        r#""5""#,
        r#"" True ""#,
        r#""[\"canary\"]""#,
        r#""{\"canary\":\"1\"}""#,
        // Of a program only.
        r#""""#,
    ];

    #[test]
    fn a_programs_fields_are_of_their_type_or_null() {
        let check = |read: &dyn Fn(&mut Members) -> Result<Option<()>>, taken: &[&str], message: &str| {
            assert_reads(Reading::Strict, read, taken, &["null"], message);
        };
        let texts = [&TEXTS[..], &[r#"" ""#]].concat();
        check(&|members| Ok(members.text("x")?.map(drop)), &texts, "x must be a string");
        check(&|members| Ok(members.secret("x")?.map(drop)), &texts, "x must be a string");
        check(&|members| Ok(members.whole_number("x", "whole")?.map(drop)), &["5"], "x must be whole");
        check(&|members| Ok(members.flag("x")?.map(drop)), &["true"], "x must be true or false");
        check(&|members| Ok(members.texts("x")?.map(drop)), &[r#"["canary"]"#], "x must be an array of strings");
        check(&|members| Ok(members.entries("x")?.map(drop)), &[r#"{"canary":"1"}"#], "x must be an object of strings");
        let clearable = [&texts[..], &["null"]].concat();
        let read = |members: &mut Members| members.clearable("x");
        assert_reads(Reading::Strict, read, &clearable, &[], "x must be a string");
        assert_reads(Reading::Strict, |members| Ok(members.clears("x").then_some(())), &["null", r#""""#], &KINDS, "");
    }

    #[test]
    fn a_models_fields_are_read_as_they_are_meant() {
        let absent = ["null", r#""""#];
        let texts = [&TEXTS[..5], &[r#"" ""#]].concat();
        let check = |read: &dyn Fn(&mut Members) -> Result<Option<()>>, taken: &[&str], message: &str| {
            assert_reads(Reading::Lenient, read, taken, &absent, message);
        };
        check(&|members| Ok(members.text("x")?.map(drop)), &texts, "x must be a string");
        check(&|members| Ok(members.whole_number("x", "whole")?.map(drop)), &["5", r#""5""#], "x must be whole");
        check(&|members| Ok(members.flag("x")?.map(drop)), &["true", r#"" True ""#], "x must be true or false");
        let arrays = [r#"["canary"]"#, r#""[\"canary\"]""#];
        check(&|members| Ok(members.texts("x")?.map(drop)), &arrays, "x must be an array of strings");
        let objects = [r#"{"canary":"1"}"#, r#""{\"canary\":\"1\"}""#];
        check(&|members| Ok(members.entries("x")?.map(drop)), &objects, "x must be an object of strings");
        let clearable = [&TEXTS[..], &[r#"" ""#]].concat();
        let read = |members: &mut Members| members.clearable("x");
        assert_reads(Reading::Lenient, read, &clearable, &["null"], "x must be a string");
        assert_reads(Reading::Lenient, |members| Ok(members.clears("x").then_some(())), &[r#""""#], &KINDS, "");
    }

    fn shown(entries: &[(String, SecretString)]) -> Vec<(&str, &str)> {
        entries.iter().map(|(key, value)| (key.as_str(), value.expose())).collect()
    }

    #[test]
    fn collections_keep_their_order() {
        let mut members = Members::parse(br#"{"v":{"b":"1","a":"","c":"2"},"k":["z","a","z"]}"#).unwrap();
        assert_eq!(shown(&members.secrets("v").unwrap().unwrap()), [("b", "1"), ("a", ""), ("c", "2")]);
        assert_eq!(members.texts("k").unwrap().unwrap(), ["z", "a", "z"]);
        assert!(members.take("v").is_none(), "taken once");
    }

    #[test]
    fn a_models_numbers_are_the_texts_that_they_were_written_as() {
        let text =
            br#"{"v":{"pin":1.50,"id":12345678901234567890123,"n":-0,"e":1E+2,"yes":true,"no":false,"gone":null}}"#;
        let entries = Members::parse(text).unwrap().lenient().entries("v").unwrap().unwrap();
        let expected = [
            ("pin", "1.50"),
            ("id", "12345678901234567890123"),
            ("n", "-0"),
            ("e", "1E+2"),
            ("yes", "true"),
            ("no", "false"),
        ];
        assert_eq!(shown(&entries.set), expected);
        assert_eq!(entries.null, ["gone"]);
    }

    #[test]
    fn an_error_names_the_place_of_what_is_wrong() {
        for (text, strict, lenient) in [
            (r#"{"x":{"a":"1","canary":5}}"#, Some(2), None),
            (r#"{"x":{"a":"1","b":"2","canary":["x"]}}"#, Some(3), Some(3)),
            (r#"{"x":{"canary":{}}}"#, Some(1), Some(1)),
            (r#"{"x":{"a":null,"canary":true}}"#, Some(2), None),
        ] {
            for (reading, place) in [(Reading::Strict, strict), (Reading::Lenient, lenient)] {
                let mut members = Members::parse(text.as_bytes()).unwrap();
                members.reading = reading;
                let message = members.entries("x").err().map(|error| String::from(error.message()));
                let expected = place.map(|place| format!("x must be an object of strings (entry {place})"));
                assert_eq!(message, expected, "{text}");
            }
        }
        let mut members = Members::parse(br#"{"x":["a","b",5]}"#).unwrap();
        let error = members.texts("x").unwrap_err();
        assert_eq!(error.message(), "x must be an array of strings (entry 3)");
    }

    #[test]
    fn only_objects_have_members() {
        for text in ["[]", "null", "1", r#""canary""#] {
            let error = Members::parse(text.as_bytes()).err().unwrap();
            assert_eq!(error.message(), "the request must be a JSON object");
        }
    }
}
