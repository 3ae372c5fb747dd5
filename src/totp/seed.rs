//! The seed in base32, read strictly.

use crate::error::{Error, Result};
use crate::secret::{SecretBytes, SecretString};
use alloc::string::String;
use base32::Alphabet;

/// RFC 4648, section 6.
const ALPHABET: Alphabet = Alphabet::Rfc4648 { padding: false };
const MIN_CHARS: usize = 16;
const MAX_CHARS: usize = 128;
/// Bytes in `MIN_CHARS` characters of 5 bits.
pub(super) const MIN_BYTES: usize = MIN_CHARS * 5 / 8;
/// Bytes in `MAX_CHARS` characters of 5 bits.
pub(super) const MAX_BYTES: usize = MAX_CHARS * 5 / 8;

/// Decodes a base32 text; the rules are those of [`super::Totp::parse`].
pub(super) fn decode(text: &str) -> Result<SecretBytes> {
    let text = normalise(text)?;
    base32::decode(ALPHABET, text.expose()).map(SecretBytes::new).ok_or(Error::bad_request(NOT_BASE32))
}

const NOT_BASE32: &str = "totp_secret must be base32, that is letters and the digits 2 to 7, or an otpauth://totp/ URI";

/// Upper-case base32 characters only, of a length that whole bytes have.
fn normalise(text: &str) -> Result<SecretString> {
    // As long as needed at most: growing would leave copies behind.
    let mut normal = String::with_capacity(MAX_CHARS);
    for character in text.trim_end_matches(is_ignored_at_end).chars().filter(|c| !is_ignored(*c)) {
        if !matches!(character, 'a'..='z' | 'A'..='Z' | '2'..='7') {
            return Err(Error::bad_request(NOT_BASE32));
        }
        if normal.len() == MAX_CHARS {
            return Err(Error::bad_request(WRONG_LENGTH));
        }
        normal.push(character.to_ascii_uppercase());
    }
    let normal = SecretString::new(normal);
    let length = normal.expose().len();
    if length < MIN_CHARS {
        return Err(Error::bad_request(WRONG_LENGTH));
    }
    let unused_bits = match length % 8 {
        0 => 0,
        2 => 2,
        4 => 4,
        5 => 1,
        7 => 3,
        // The last character would add nothing to the bytes before it.
        _ => return Err(Error::bad_request("totp_secret must be whole: no bytes encode to this number of characters")),
    };
    // If they were not zero, several texts would stand for the same seed, and a mistyped end could pass unnoticed.
    if normal.expose().bytes().next_back().is_some_and(|last| value_of(last).trailing_zeros() < unused_bits) {
        return Err(Error::bad_request(
            "totp_secret must be whole: its last character has bits that belong to no byte",
        ));
    }
    Ok(normal)
}

const WRONG_LENGTH: &str =
    "totp_secret must be 16 to 128 characters of base32, not counting white space, dashes and padding";

/// The five bits of an upper-case base32 character.
fn value_of(character: u8) -> u8 {
    if character.is_ascii_uppercase() {
        character.wrapping_sub(b'A')
    } else {
        character.wrapping_sub(b'2').wrapping_add(26)
    }
}

/// How sites and people group the characters.
fn is_ignored(character: char) -> bool {
    character == '-' || character.is_whitespace()
}

fn is_ignored_at_end(character: char) -> bool {
    character == '=' || is_ignored(character)
}
