//! Master keys and the project they are used for.

use crate::error::{Code, Error, Result};
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use base64ct::{Base64UrlUnpadded, Encoding};
use core::cell::OnceCell;
use strongroom_crypto::HkdfSha256;
use zeroize::Zeroizing;

/// Length of a master key.
pub const MASTER_KEY_BYTES: usize = 32;
/// Longest id of a master key; the id stands in clear before every record.
const KEY_ID_MAX_BYTES: usize = 16;
/// Longest project id.
const PROJECT_MAX_BYTES: usize = 64;

/// One master key.
pub struct MasterKey {
    pub(super) id: String,
    pub(super) key: Zeroizing<[u8; MASTER_KEY_BYTES]>,
    extracted: OnceCell<HkdfSha256>,
}

impl MasterKey {
    /// What keys are expanded from, made by the first use.
    pub(super) fn extracted(&self) -> &HkdfSha256 {
        self.extracted.get_or_init(|| HkdfSha256::extract(&self.key))
    }
}

/// The master keys of the setting `strongroom_keys`: the first seals, all open.
pub struct Keyring {
    pub(super) keys: Vec<MasterKey>,
}

impl Keyring {
    /// Parses `id:base64url-of-32-bytes`, one or more, separated by white space. An id has 1-16 characters of
    /// `a-z`, `0-9`, `-` and `_`. Errors: [`Code::Misconfigured`], never with a part of the setting.
    pub fn parse(setting: &str) -> Result<Self> {
        let mut keys: Vec<MasterKey> = Vec::new();
        for entry in setting.split_whitespace() {
            let (id, encoded) = entry
                .split_once(':')
                .ok_or_else(|| misconfigured("strongroom_keys: each entry has the form id:base64url-of-32-bytes"))?;
            let id_is_valid = (1..=KEY_ID_MAX_BYTES).contains(&id.len())
                && id.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'));
            if !id_is_valid {
                return Err(misconfigured("strongroom_keys: a key id has 1-16 characters of a-z, 0-9, - and _"));
            }
            if keys.iter().any(|known| known.id == id) {
                return Err(misconfigured("strongroom_keys: a key id occurs twice"));
            }
            let mut key = Zeroizing::new([0; MASTER_KEY_BYTES]);
            let decoded = Base64UrlUnpadded::decode(encoded.trim_end_matches('='), key.as_mut_slice()).map(<[u8]>::len);
            if decoded != Ok(MASTER_KEY_BYTES) {
                return Err(misconfigured("strongroom_keys: a key is the base64url text of exactly 32 bytes"));
            }
            keys.push(MasterKey { id: id.to_owned(), key, extracted: OnceCell::new() });
        }
        if keys.is_empty() {
            return Err(misconfigured("strongroom_keys is not set: there is no service without a master key"));
        }
        Ok(Self { keys })
    }

    /// The ids of the keys, in their order.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|key| key.id.as_str())
    }
}

/// The id of a project: an independent vault in the same bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project(String);

impl Project {
    /// 1-64 characters of `a-z`, `A-Z`, `0-9`, `.`, `-` and `_`; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let valid = (1..=PROJECT_MAX_BYTES).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
        valid.then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn misconfigured(message: &'static str) -> Error {
    Error::new(Code::Misconfigured, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

    #[test]
    fn accepts_one_or_more_keys() {
        let keyring = Keyring::parse(&alloc::format!("k1:{KEY}  k2:{KEY}=\n")).unwrap_or_else(|e| panic!("{e:?}"));
        assert_eq!(keyring.keys.len(), 2);
        assert_eq!(keyring.keys[0].key[31], 31);
    }

    #[test]
    fn refuses_ill_formed_settings_without_quoting_them() {
        for setting in [
            "",
            " ",
            KEY,
            "k1:",
            &alloc::format!(":{KEY}"),
            &alloc::format!("K1:{KEY}"),
            &alloc::format!("k1:{KEY}A"),
            &alloc::format!("k1:{}", &KEY[1..]),
            &alloc::format!("k1:{}+", &KEY[1..]),
            &alloc::format!("k1:{KEY} k1:{KEY}"),
            &alloc::format!("abcdefghijklmnopq:{KEY}"),
        ] {
            let error = Keyring::parse(setting).err().unwrap_or_else(|| panic!("accepted"));
            assert_eq!(error.code(), Code::Misconfigured);
            assert!(!error.message().contains(&KEY[1..20]));
        }
    }

    #[test]
    fn bounds_project_ids() {
        assert!(Project::parse("default").is_some());
        assert!(Project::parse(&"p".repeat(64)).is_some());
        for text in ["", "a b", "a:b", "é", &"p".repeat(65)] {
            assert!(Project::parse(text).is_none());
        }
    }
}
