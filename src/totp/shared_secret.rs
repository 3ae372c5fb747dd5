//! The secret in base32, read as authenticators read it.

use crate::error::{Error, Result};
use crate::secret::SecretBytes;
use alloc::string::String;
use base32::Alphabet;
use zeroize::Zeroizing;

/// RFC 4648, section 6.
const ALPHABET: Alphabet = Alphabet::Rfc4648 { padding: false };
const MIN_CHARS: usize = 8;
const MAX_CHARS: usize = 256;
/// Bytes in `MIN_CHARS` characters of 5 bits.
pub(super) const MIN_BYTES: usize = MIN_CHARS * 5 / 8;
/// Bytes in `MAX_CHARS` characters of 5 bits.
pub(super) const MAX_BYTES: usize = MAX_CHARS * 5 / 8;

/// Decodes a base32 text; the rules are those of [`super::Totp::parse`].
///
/// Bits at the end that fill no byte do not count, whatever they are: sites draw secrets letter by letter, so most of
/// theirs have such bits, and RFC 4648 (section 3.5) leaves them to the decoder.
pub(super) fn decode(text: &str) -> Result<SecretBytes> {
    // As long as needed at most: growing would leave copies behind.
    let mut letters = Zeroizing::new(String::with_capacity(MAX_CHARS));
    for character in text.trim_end_matches(is_ignored_at_end).chars().filter(|c| !is_ignored(*c)) {
        if !matches!(character, 'a'..='z' | 'A'..='Z' | '2'..='7') {
            return Err(Error::bad_request(NOT_BASE32));
        }
        if letters.len() == MAX_CHARS {
            return Err(Error::bad_request(WRONG_LENGTH));
        }
        letters.push(character.to_ascii_uppercase());
    }
    if letters.len() < MIN_CHARS {
        return Err(Error::bad_request(WRONG_LENGTH));
    }
    // The decoder would outgrow its room by one that fills none, and leave a copy behind.
    let filling = that_fill_bytes(letters.len());
    letters.truncate(filling);
    base32::decode(ALPHABET, &letters).map(SecretBytes::new).ok_or(Error::bad_request(NOT_BASE32))
}

/// How many of so many letters of 5 bits are needed for their whole bytes.
fn that_fill_bytes(letters: usize) -> usize {
    let bytes = letters * 5 / 8;
    (bytes * 8).div_ceil(5)
}

const NOT_BASE32: &str = "totp_secret must be base32, that is letters and the digits 2 to 7, or an otpauth://totp/ URI";
const WRONG_LENGTH: &str =
    "totp_secret must be 8 to 256 characters of base32, not counting white space, dashes and padding";

/// How sites and people group the characters.
fn is_ignored(character: char) -> bool {
    character == '-' || character.is_whitespace()
}

fn is_ignored_at_end(character: char) -> bool {
    character == '=' || is_ignored(character)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_that_fill_no_byte_are_known() {
        let filled: [usize; 10] = core::array::from_fn(|more| that_fill_bytes(8 + more));
        assert_eq!(filled, [8, 8, 10, 10, 12, 13, 13, 15, 16, 16]);
    }
}
