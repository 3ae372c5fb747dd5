//! Reading JSON into a tree.

use crate::error::{Error, Result};
use crate::secret::SecretString;
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::Cell;
use core::fmt;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

/// Deepest nesting of arrays and objects; requests need 2, JSON-RPC around them some more. The stack is small.
pub const DEPTH_MAX: u32 = 32;
/// Most values in one text, members and elements counted: bounds the memory that a body of brackets takes.
pub const VALUES_MAX: u32 = 10_000;
/// Most members of one object: no request has a tenth of it, and it keeps the search for repeated names short.
pub const MEMBERS_MAX: usize = 256;

/// A JSON value. Every text counts as a secret until it is known what it is for; so there is no Debug.
pub enum Json {
    Null,
    Bool(bool),
    /// A number without a fraction (`5`, `5.0`, `50e-1`) that fits.
    Whole(i64),
    /// Any other number.
    Fraction,
    Text(SecretString),
    Array(Vec<Json>),
    /// In the order of the text, no name twice.
    Object(Vec<(String, Json)>),
}

/// Reads one JSON text in UTF-8.
///
/// Errors: `bad_request` for anything else, for unpaired surrogates, for a member name that comes twice in an object, for
/// more than [`DEPTH_MAX`] levels and more than [`VALUES_MAX`] values.
pub fn parse(text: &[u8]) -> Result<Json> {
    let limits = Limits { values: Cell::new(0), broken: Cell::new(None) };
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let tree = Value { limits: &limits, depth: 0 }.deserialize(&mut deserializer);
    match (tree, limits.broken.get()) {
        (Ok(tree), None) if deserializer.end().is_ok() => Ok(tree),
        (_, Some(rule)) => Err(Error::bad_request(rule)),
        _ => Err(Error::bad_request("the request must be one JSON text in UTF-8")),
    }
}

/// What all levels share.
struct Limits {
    values: Cell<u32>,
    /// The rule that was broken, as serde's errors can't carry it.
    broken: Cell<Option<&'static str>>,
}

impl Limits {
    fn refuse<E: serde::de::Error>(&self, rule: &'static str) -> E {
        self.broken.set(Some(rule));
        E::custom("")
    }
}

/// One value at a depth; both the seed and the visitor of serde.
#[derive(Clone, Copy)]
struct Value<'l> {
    limits: &'l Limits,
    depth: u32,
}

impl Value<'_> {
    fn inside<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth == DEPTH_MAX {
            return Err(self.limits.refuse("the request must not be nested deeper than 32 levels"));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        let count = self.limits.values.get() + 1;
        self.limits.values.set(count);
        if count > VALUES_MAX {
            return Err(self.limits.refuse("the request must not hold more than 10000 JSON values"));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = Json;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Whole(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(i64::try_from(value).map_or(Json::Fraction, Json::Whole))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        /// Beyond it a double no longer tells whether there was a fraction.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        let whole = value as i64;
        let is_whole = (-EXACT..=EXACT).contains(&value) && whole as f64 == value;
        Ok(if is_whole { Json::Whole(whole) } else { Json::Fraction })
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(SecretString::new(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Json, A::Error> {
        let inside = self.inside()?;
        let mut array = Vec::new();
        while let Some(element) = elements.next_element_seed(inside)? {
            array.push(element);
        }
        Ok(Json::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json, A::Error> {
        let inside = self.inside()?;
        let mut object: Vec<(String, Json)> = Vec::new();
        while let Some(name) = members.next_key::<String>()? {
            if object.iter().any(|(known, _)| *known == name) {
                return Err(self.limits.refuse("the request must not name a member twice in one object"));
            }
            if object.len() == MEMBERS_MAX {
                return Err(self.limits.refuse("the request must not have more than 256 members in one object"));
            }
            object.push((name, members.next_value_seed(inside)?));
        }
        Ok(Json::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    fn refusal(text: &[u8]) -> String {
        parse(text).err().expect("must be refused").message().to_owned()
    }

    #[test]
    fn reads_every_kind_of_value() {
        let Ok(Json::Object(members)) = parse(br#" {"a":null,"b":[true,-5,5.0,50e-1,0.5,-0.0,"\u00e9\ud83d\ude00"]} "#)
        else {
            panic!("not an object")
        };
        assert!(matches!(members[0], (ref name, Json::Null) if name == "a"));
        let Json::Array(array) = &members[1].1 else { panic!("not an array") };
        assert!(matches!(array[0], Json::Bool(true)));
        assert!(matches!(array[1], Json::Whole(-5)));
        assert!(matches!(array[2], Json::Whole(5)));
        assert!(matches!(array[3], Json::Whole(5)));
        assert!(matches!(array[4], Json::Fraction));
        assert!(matches!(array[5], Json::Whole(0)));
        assert!(matches!(&array[6], Json::Text(text) if text.expose() == "é😀"));
    }

    #[test]
    fn numbers_beyond_the_exact_range_are_not_whole() {
        for text in ["9223372036854775808", "18446744073709551616", "1e300", "-1e19", "9007199254740994.0"] {
            assert!(matches!(parse(text.as_bytes()), Ok(Json::Fraction)), "{text}");
        }
        assert!(matches!(parse(b"9223372036854775807"), Ok(Json::Whole(i64::MAX))));
    }

    #[test]
    fn refuses_what_is_not_one_json_text_without_quoting_it() {
        for text in [
            &b""[..],
            b" ",
            b"{\"canary\":",
            b"{\"canary\":1} 2",
            b"{\"canary\":1,}",
            b"{canary:1}",
            b"[1,]",
            b"nul",
            b"01",
            b"1e999",
            b"\"canary",
            b"\"canary\n\"",
            b"\"\\ud800\"",
            b"\"\\ud800\\u0041\"",
            b"\"\\udc00\"",
            b"\"\\x41\"",
            b"\"\xff\"",
            b"\"\xed\xa0\x80\"",
            b"\xef\xbb\xbf{}",
            b"NaN",
            b"/**/1",
        ] {
            assert_eq!(refusal(text), "the request must be one JSON text in UTF-8", "{text:?}");
        }
    }

    #[test]
    fn refuses_repeated_names_at_any_depth() {
        let message = "the request must not name a member twice in one object";
        assert_eq!(refusal(br#"{"a":1,"b":2,"a":3}"#), message);
        assert_eq!(refusal(br#"{"x":[{"a":1,"\u0061":2}]}"#), message);
        assert!(parse(br#"{"a":{"a":1},"b":{"a":1}}"#).is_ok());
    }

    #[test]
    fn bounds_depth_and_number_of_values() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(parse(nested(32).as_bytes()).is_ok());
        assert!(refusal(nested(33).as_bytes()).contains("deeper than 32"));
        assert!(refusal("{\"a\":".repeat(100_000).as_bytes()).contains("deeper than 32"));
        let long = |values: usize| format!("[{}0]", "0,".repeat(values - 2));
        assert!(parse(long(10_000).as_bytes()).is_ok());
        assert!(refusal(long(10_001).as_bytes()).contains("more than 10000"));
    }
}
