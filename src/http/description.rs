//! The description of this API (OpenAPI 3.1), served at `/openapi.json`; tests hold it equal to the table of routes and to
//! the error codes.
//!
//! The component carries it packed (`build.rs`), without the spaces between its tokens: a byte below 128 is followed by
//! one byte more of text than it says; from 128 on it stands for a copy of 4 bytes and so many more, from as far back as
//! the next two bytes say, little-endian.

use alloc::string::String;
use alloc::vec::Vec;

static PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/openapi.packed"));

pub fn openapi() -> String {
    // Well formed, as the build made it.
    unpacked(PACKED).and_then(|text| String::from_utf8(text).ok()).unwrap_or_default()
}

fn unpacked(mut packed: &[u8]) -> Option<Vec<u8>> {
    let mut text: Vec<u8> = Vec::new();
    while let Some((&token, rest)) = packed.split_first() {
        packed = if token < 0x80 {
            let (literals, rest) = rest.split_at_checked(usize::from(token) + 1)?;
            text.extend_from_slice(literals);
            rest
        } else {
            let (distance, rest) = rest.split_first_chunk::<2>()?;
            let from = text.len().checked_sub(usize::from(u16::from_le_bytes(*distance)))?;
            // A copy may go on into what it writes itself.
            for at in from..from + usize::from(token & 0x7f) + 4 {
                text.push(*text.get(at)?);
            }
            rest
        };
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn the_served_description_is_the_written_one() {
        let written: Value = serde_json::from_str(include_str!("openapi.json")).unwrap();
        let served = openapi();
        assert_eq!(serde_json::from_str::<Value>(&served).unwrap(), written);
        // With its members in their order, and nothing between them.
        assert!(served.starts_with("{\"openapi\":\"3.1.0\",\"info\":{\"title\":\"Strongroom\""));
        assert!(PACKED.len() * 4 < include_str!("openapi.json").len());
    }

    #[test]
    fn what_is_not_packed_is_not_unpacked() {
        assert_eq!(unpacked(b"\x01ab\x80\x01\x00").unwrap(), b"abbbbb");
        for wrong in [&b"\x01a"[..], b"\x80\x01\x00", b"\x00a\x80\x02\x00", b"\x00a\x80\x01", b"\x00a\x80\x00\x00"] {
            assert!(unpacked(wrong).is_none(), "{wrong:?}");
        }
    }
}
