//! Reading JSON (RFC 8259) into a tree.
//!
//! By hand, because the text of a number must survive as it was written (`1.50`, ids of twenty digits), and so that texts
//! are copied once, into memory that is wiped.

use crate::error::{Error, Result};
use crate::secret::SecretString;
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::str::Chars;
use zeroize::Zeroizing;

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
    Number(Number),
    Text(SecretString),
    Array(Vec<Json>),
    /// In the order of the text, no name twice.
    Object(Vec<(String, Json)>),
}

/// A number as it was written.
pub struct Number(SecretString);

impl Number {
    /// Its text, to the letter.
    pub fn into_text(self) -> SecretString {
        self.0
    }

    /// Its value, if it has no fraction (`5`, `5.0`, `50e-1`) and fits.
    pub fn whole(&self) -> Option<i64> {
        let text = self.0.expose();
        if let Ok(whole) = text.parse() {
            return Some(whole);
        }
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let fraction = fraction.trim_end_matches('0');
        let mut scale = exponent.parse::<i64>().ok()?.checked_sub(fraction.len().try_into().ok()?)?;
        let mut whole = [integer, fraction].concat().parse::<i64>().ok()?;
        if whole == 0 {
            return Some(0);
        }
        while scale < 0 && whole % 10 == 0 {
            (whole, scale) = (whole / 10, scale + 1);
        }
        // Too large after 19 steps at most.
        while scale > 0 {
            (whole, scale) = (whole.checked_mul(10)?, scale - 1);
        }
        (scale == 0).then_some(whole)
    }
}

/// Reads one JSON text in UTF-8.
///
/// Errors: `bad_request` for anything else, for unpaired surrogates, for a member name that comes twice in an object, for
/// more than [`DEPTH_MAX`] levels, more than [`VALUES_MAX`] values and more than [`MEMBERS_MAX`] members.
pub fn parse(text: &[u8]) -> Result<Json> {
    let tree = core::str::from_utf8(text).map_err(|_| NOT_JSON).and_then(|text| {
        let mut parser = Parser { rest: text, values: 0 };
        let tree = parser.value(0)?;
        parser.skip_white_space();
        if parser.rest.is_empty() { Ok(tree) } else { Err(NOT_JSON) }
    });
    tree.map_err(Error::bad_request)
}

const NOT_JSON: &str = "the request must be one JSON text in UTF-8";

/// The rule that is broken.
type Broken = &'static str;

struct Parser<'t> {
    rest: &'t str,
    /// Read so far.
    values: u32,
}

impl<'t> Parser<'t> {
    fn value(&mut self, depth: u32) -> Result<Json, Broken> {
        self.values += 1;
        if self.values > VALUES_MAX {
            return Err("the request must not hold more than 10000 JSON values");
        }
        self.skip_white_space();
        match self.rest.bytes().next() {
            Some(b'{') => self.object(inside(depth)?),
            Some(b'[') => self.array(inside(depth)?),
            Some(b'"') => self.text().map(Json::Text),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ if self.takes("null") => Ok(Json::Null),
            _ if self.takes("true") => Ok(Json::Bool(true)),
            _ if self.takes("false") => Ok(Json::Bool(false)),
            _ => Err(NOT_JSON),
        }
    }

    fn object(&mut self, depth: u32) -> Result<Json, Broken> {
        let mut object: Vec<(String, Json)> = Vec::new();
        self.expect("{")?;
        self.skip_white_space();
        if self.takes("}") {
            return Ok(Json::Object(object));
        }
        loop {
            self.skip_white_space();
            let name = self.text()?.expose().to_owned();
            if object.iter().any(|(known, _)| *known == name) {
                return Err("the request must not name a member twice in one object");
            }
            if object.len() == MEMBERS_MAX {
                return Err("the request must not have more than 256 members in one object");
            }
            self.skip_white_space();
            self.expect(":")?;
            object.push((name, self.value(depth)?));
            if !self.goes_on("}")? {
                return Ok(Json::Object(object));
            }
        }
    }

    fn array(&mut self, depth: u32) -> Result<Json, Broken> {
        let mut array = Vec::new();
        self.expect("[")?;
        self.skip_white_space();
        if self.takes("]") {
            return Ok(Json::Array(array));
        }
        loop {
            array.push(self.value(depth)?);
            if !self.goes_on("]")? {
                return Ok(Json::Array(array));
            }
        }
    }

    /// Whether a comma follows, and not the end.
    fn goes_on(&mut self, end: &str) -> Result<bool, Broken> {
        self.skip_white_space();
        if self.takes(",") {
            return Ok(true);
        }
        self.expect(end).map(|()| false)
    }

    fn text(&mut self) -> Result<SecretString, Broken> {
        self.expect("\"")?;
        let mut is_escaped = false;
        let end = self.rest.bytes().position(|byte| {
            let ends = !is_escaped && byte == b'"';
            is_escaped = !is_escaped && byte == b'\\';
            ends
        });
        let raw = self.take(end.ok_or(NOT_JSON)?)?;
        self.expect("\"")?;
        unescaped(raw).map(SecretString::new).ok_or(NOT_JSON)
    }

    fn number(&mut self) -> Result<Json, Broken> {
        let start = self.rest;
        self.takes("-");
        // No zero in front of other digits.
        if !self.takes("0") {
            self.digits()?;
        }
        if self.takes(".") {
            self.digits()?;
        }
        if self.takes("e") || self.takes("E") {
            let _ = self.takes("+") || self.takes("-");
            self.digits()?;
        }
        let length = start.len() - self.rest.len();
        let text = start.get(..length).ok_or(NOT_JSON)?;
        Ok(Json::Number(Number(SecretString::new(text.to_owned()))))
    }

    /// One digit or more.
    fn digits(&mut self) -> Result<(), Broken> {
        let count = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        if count == 0 { Err(NOT_JSON) } else { self.take(count).map(drop) }
    }

    fn skip_white_space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    /// Whether this comes next; then it is taken.
    fn takes(&mut self, expected: &str) -> bool {
        match self.rest.strip_prefix(expected) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, expected: &str) -> Result<(), Broken> {
        if self.takes(expected) { Ok(()) } else { Err(NOT_JSON) }
    }

    fn take(&mut self, bytes: usize) -> Result<&'t str, Broken> {
        let (taken, rest) = self.rest.split_at_checked(bytes).ok_or(NOT_JSON)?;
        self.rest = rest;
        Ok(taken)
    }
}

fn inside(depth: u32) -> Result<u32, Broken> {
    if depth == DEPTH_MAX { Err("the request must not be nested deeper than 32 levels") } else { Ok(depth + 1) }
}

/// What stands between the quotation marks (section 7).
fn unescaped(raw: &str) -> Option<String> {
    // No escape is shorter than what it stands for, so it does not grow.
    let mut text = Zeroizing::new(String::with_capacity(raw.len()));
    let mut characters = raw.chars();
    while let Some(character) = characters.next() {
        text.push(match character {
            '\\' => escape(&mut characters)?,
            '\0'..='\u{1f}' => return None,
            other => other,
        });
    }
    Some(core::mem::take(&mut *text))
}

fn escape(characters: &mut Chars<'_>) -> Option<char> {
    Some(match characters.next()? {
        same @ ('"' | '\\' | '/') => same,
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'u' => match code_unit(characters)? {
            // The first half of a pair; the second half alone is no character.
            high @ 0xd800..=0xdbff => {
                let is_pair = characters.next() == Some('\\') && characters.next() == Some('u');
                let low = code_unit(characters).filter(|low| is_pair && (0xdc00..=0xdfff).contains(low))?;
                char::from_u32(0x10000 + (high - 0xd800) * 0x400 + (low - 0xdc00))?
            }
            unit => char::from_u32(unit)?,
        },
        _ => return None,
    })
}

/// Four hexadecimal digits.
fn code_unit(characters: &mut Chars<'_>) -> Option<u32> {
    (0..4).try_fold(0, |unit, _| Some(unit * 16 + characters.next()?.to_digit(16)?))
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
        for (element, text, whole) in [
            (&array[1], "-5", Some(-5)),
            (&array[2], "5.0", Some(5)),
            (&array[3], "50e-1", Some(5)),
            (&array[4], "0.5", None),
            (&array[5], "-0.0", Some(0)),
        ] {
            let Json::Number(number) = element else { panic!("not a number") };
            assert_eq!((number.0.expose(), number.whole()), (text, whole));
        }
        assert!(matches!(&array[6], Json::Text(text) if text.expose() == "é😀"));
    }

    #[test]
    fn whole_numbers_are_told_from_others() {
        for (text, whole) in [
            ("9223372036854775807", Some(i64::MAX)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("18446744073709551616", None),
            ("1e300", None),
            ("1e999999999999999999999", None),
            ("-1e19", None),
            ("1e18", Some(1_000_000_000_000_000_000)),
            ("9007199254740993.0", Some(9_007_199_254_740_993)),
            ("0e999999999", Some(0)),
            ("1.5e1", Some(15)),
            ("1.50e1", Some(15)),
            ("1.5", None),
            ("-12.0E+2", Some(-1200)),
            ("120e-2", None),
            ("5.00000000000000000000000000", Some(5)),
        ] {
            let Ok(Json::Number(number)) = parse(text.as_bytes()) else { panic!("{text}") };
            assert_eq!(number.whole(), whole, "{text}");
            assert_eq!(number.into_text().expose(), text);
        }
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
            b"-",
            b"-01",
            b"1.",
            b".5",
            b"1e",
            b"+1",
            b"0x1",
            b"[1 2]",
            b"{\"a\" 1}",
            b"{,}",
            b"[",
            b"\"\\",
            b"\"\\u12\"",
            b"\"\\ud83d\\n0000\"",
            b"\xc2\xa0 1",
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

    mod against_serde_json {
        use super::*;
        use alloc::string::ToString;
        use proptest::prelude::*;
        use serde_json::Value;

        fn shown(json: &Json) -> Value {
            match json {
                Json::Null => Value::Null,
                Json::Bool(flag) => Value::Bool(*flag),
                // By its reading of the number's text.
                Json::Number(number) => serde_json::from_str(number.0.expose()).unwrap(),
                Json::Text(text) => Value::String(text.expose().into()),
                Json::Array(array) => array.iter().map(shown).collect(),
                Json::Object(object) => object.iter().map(|(name, value)| (name.clone(), shown(value))).collect(),
            }
        }

        fn any_json() -> impl Strategy<Value = Value> {
            let leaf = prop_oneof![
                Just(Value::Null),
                any::<bool>().prop_map(Value::Bool),
                any::<i64>().prop_map(Value::from),
                any::<f64>().prop_map(Value::from),
                any::<String>().prop_map(Value::from),
            ];
            leaf.prop_recursive(4, 64, 8, |inner| {
                prop_oneof![
                    proptest::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
                    proptest::collection::hash_map(any::<String>(), inner, 0..8)
                        .prop_map(|map| map.into_iter().collect()),
                ]
            })
        }

        fn agrees(text: &[u8]) -> Result<(), TestCaseError> {
            match (parse(text), serde_json::from_slice::<Value>(text)) {
                (Ok(ours), Ok(theirs)) => prop_assert_eq!(shown(&ours), theirs),
                (Err(_), Err(_)) => {}
                // It keeps the last of several members, and knows no number beyond a double's range.
                (Err(error), Ok(_)) => prop_assert!(error.message().contains("twice")),
                (Ok(_), Err(error)) => prop_assert!(error.to_string().contains("out of range"), "{}", error),
            }
            Ok(())
        }

        proptest! {
            #![proptest_config(ProptestConfig::with_cases(2_000))]

            #[test]
            fn on_json(value in any_json()) {
                agrees(value.to_string().as_bytes())?;
                agrees(serde_json::to_string_pretty(&value).unwrap().as_bytes())?;
            }

            #[test]
            fn on_broken_json(value in any_json(), at: prop::sample::Index, with in "[\\x00-\\x7f]{0,2}", length in 0usize..3) {
                let mut text = value.to_string().into_bytes();
                let at = at.index(text.len());
                text.splice(at..(at + length).min(text.len()), with.bytes());
                agrees(&text)?;
            }

            #[test]
            fn near_json(text in r#"[\[\]{}:,"\\utn0-9eE.+\-a-f \x00é😀]{0,12}"#) {
                agrees(text.as_bytes())?;
            }
        }
    }
}
