//! The id that the vault gives a credential.

use alloc::string::String;
use base32::Alphabet;
use core::fmt;

const PREFIX: &str = "cred_";
/// 128 bits in groups of 5; the last group has two unused bits.
const ENCODED_CHARS: usize = 26;
/// RFC 4648, section 7, in lower case. Its characters are in ASCII order, unlike those of section 6, so ids sort as
/// text exactly as they sort as bytes: by creation.
const ALPHABET: Alphabet = Alphabet::Rfc4648HexLower { padding: false };

/// 48 bits of milliseconds since 1970 and 80 random bits, big-endian; as text `cred_` and 26 characters of `0-9a-v`.
///
/// Order is order of creation: the catalog gives out [`CredentialId::successor`] of the newest id when the clock does
/// not lead to a greater one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CredentialId([u8; 16]);

impl CredentialId {
    /// The id for a credential created at this time; bits above the 48th of `ms` (from the year 10889 on) are cut off.
    pub fn new(ms: u64, random: [u8; 10]) -> Self {
        let time = u128::from(ms & 0xffff_ffff_ffff) << 80;
        let random = random.iter().fold(0u128, |bits, byte| bits << 8 | u128::from(*byte));
        Self((time | random).to_be_bytes())
    }

    /// Reads an id's text; `None` unless it is exactly what [`CredentialId::to_text`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        if !Self::has_form(text) {
            return None;
        }
        let bytes = base32::decode(ALPHABET, text.strip_prefix(PREFIX)?)?;
        let id = Self(bytes.try_into().ok()?);
        // The two unused bits must be zero, or one id would have four texts.
        (id.to_text() == text).then_some(id)
    }

    /// Whether the text looks like an id: the prefix and 26 characters of the alphabet, decodable or not. No name may.
    pub fn has_form(text: &str) -> bool {
        text.strip_prefix(PREFIX).is_some_and(|encoded| {
            encoded.len() == ENCODED_CHARS && encoded.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'v'))
        })
    }

    /// The next greater id; the greatest one is its own successor.
    pub fn successor(self) -> Self {
        Self(u128::from_be_bytes(self.0).saturating_add(1).to_be_bytes())
    }

    /// The 128 bits, big-endian: the order of these is the order of creation.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The id of these 128 bits; every pattern is one.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The text that people and programs see: 31 ASCII characters.
    pub fn to_text(self) -> String {
        let mut text = String::from(PREFIX);
        text.push_str(&base32::encode(ALPHABET, &self.0));
        text
    }
}

impl fmt::Display for CredentialId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.to_text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use proptest::prelude::*;

    impl CredentialId {
        /// The time in it, in milliseconds since 1970.
        fn created_ms(self) -> u64 {
            (u128::from_be_bytes(self.0) >> 80) as u64
        }
    }

    #[test]
    fn text_form_is_that_of_rfc_4648_section_7() {
        assert_eq!(CredentialId::new(0, [0; 10]).to_text(), "cred_00000000000000000000000000");
        assert_eq!(CredentialId::from_bytes([0xff; 16]).to_text(), "cred_vvvvvvvvvvvvvvvvvvvvvvvvvs");
        // RFC 4648, section 10: BASE32-HEX("fooba") = "CPNMUOJ1".
        let id = CredentialId::from_bytes(*b"foobafoobafoobaf");
        assert_eq!(id.to_text(), "cred_cpnmuoj1cpnmuoj1cpnmuoj1co");
    }

    #[test]
    fn refuses_what_is_no_id() {
        for text in [
            "",
            "cred_",
            "cred_0000000000000000000000000",
            "cred_000000000000000000000000000",
            "CRED_00000000000000000000000000",
            "cred_0000000000000000000000000V",
            "cred_0000000000000000000000000w",
            "cred_0000000000000000000000000=",
            " cred_00000000000000000000000000",
            "cred-00000000000000000000000000",
            "cred_000000000000000000000000\u{e9}",
        ] {
            assert!(!CredentialId::has_form(text), "{text:?}");
            assert_eq!(CredentialId::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn unused_bits_must_be_zero() {
        for last in ["1", "2", "3", "v"] {
            let mut text = String::from("cred_0000000000000000000000000");
            text.push_str(last);
            assert!(CredentialId::has_form(&text));
            assert_eq!(CredentialId::parse(&text), None);
        }
    }

    #[test]
    fn successor_carries_and_stays_at_the_end() {
        let id = CredentialId::new(7, [0xff; 10]);
        assert_eq!(id.successor(), CredentialId::new(8, [0; 10]));
        assert_eq!(id.successor().created_ms(), 8);
        let last = CredentialId::from_bytes([0xff; 16]);
        assert_eq!(last.successor(), last);
    }

    #[test]
    fn time_is_cut_to_48_bits() {
        assert_eq!(CredentialId::new(1 << 48 | 5, [1; 10]).created_ms(), 5);
    }

    proptest! {
        #[test]
        fn round_trips(bytes: [u8; 16]) {
            let id = CredentialId::from_bytes(bytes);
            prop_assert_eq!(CredentialId::parse(&id.to_text()), Some(id));
            prop_assert_eq!(id.to_string(), id.to_text());
            prop_assert_eq!(id.as_bytes(), &bytes);
        }

        #[test]
        fn sorts_as_text_as_it_sorts_as_bytes(a: [u8; 16], b: [u8; 16]) {
            let (a, b) = (CredentialId::from_bytes(a), CredentialId::from_bytes(b));
            prop_assert_eq!(a.cmp(&b), a.to_text().cmp(&b.to_text()));
        }

        #[test]
        fn sorts_by_time_first(ms in 0u64..1 << 47, later in 1u64..1 << 40, a: [u8; 10], b: [u8; 10]) {
            prop_assert!(CredentialId::new(ms, a) < CredentialId::new(ms + later, b));
            prop_assert_eq!(CredentialId::new(ms, a).created_ms(), ms);
        }

        #[test]
        fn never_panics(text: String) {
            let _ = CredentialId::parse(&text);
        }

        #[test]
        fn texts_of_the_form_decode_only_to_themselves(text in "cred_[0-9a-v]{26}") {
            if let Some(id) = CredentialId::parse(&text) {
                prop_assert_eq!(id.to_text(), text);
            }
        }
    }
}
