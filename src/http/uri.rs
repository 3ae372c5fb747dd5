//! Percent-encoding (RFC 3986, section 2.1) and queries.

use crate::error::{Error, Result};
use alloc::string::String;
use alloc::vec::Vec;

/// Decodes a segment of a path. Errors: `bad_request`.
pub fn decode_segment(segment: &str) -> Result<String> {
    decode(segment, false).ok_or_else(|| Error::bad_request("the path must be percent-encoded UTF-8"))
}

/// The parameters of a query. `+` is a space, as forms encode it. Errors: `bad_request`.
pub fn parameters(query: &str) -> Result<Vec<(String, String)>> {
    let malformed = || Error::bad_request("the query must be percent-encoded UTF-8");
    let parts = query.split('&').filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            Ok((decode(name, true).ok_or_else(malformed)?, decode(value, true).ok_or_else(malformed)?))
        })
        .collect()
}

fn decode(text: &str, plus_is_space: bool) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => digit(bytes.next()?)? << 4 | digit(bytes.next()?)?,
            b'+' if plus_is_space => b' ',
            other => other,
        });
    }
    String::from_utf8(decoded).ok()
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_segments() {
        for (segment, text) in [
            ("", ""),
            ("plain", "plain"),
            ("a%20b%2Fc%3Fd%23e%25%C3%A9@x:y", "a b/c?d#e%é@x:y"),
            ("a+b", "a+b"),
            ("%e2%82%AC", "€"),
        ] {
            assert_eq!(decode_segment(segment).unwrap(), text);
        }
        for segment in ["%", "%4", "%zz", "%+1", "a%", "%ff", "%c3", "%ed%a0%80", "%u0041"] {
            assert!(decode_segment(segment).is_err(), "{segment}");
        }
    }

    #[test]
    fn reads_queries() {
        let read = |query| parameters(query).unwrap();
        assert!(read("").is_empty());
        assert!(read("&&").is_empty());
        let expected = [("a", "1 2"), ("b", ""), ("c", ""), ("é", "=+&")];
        let found = read("a=1+2&b=&c&%C3%A9==%2B%26");
        assert!(found.iter().map(|(name, value)| (name.as_str(), value.as_str())).eq(expected));
        for query in ["a=%", "%=a", "a=%ff&b=1"] {
            assert!(parameters(query).is_err(), "{query}");
        }
    }
}
