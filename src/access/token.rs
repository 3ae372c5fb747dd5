//! The entries of the setting `strongroom_tokens`, and finding the one of a token.

use super::grant::{Rule, split_fields};
use super::{Grant, Principal};
use crate::error::{Code, Error, Result};
use crate::seal::Project;
use crate::time::Timestamp;
use alloc::format;
use alloc::vec::Vec;
use core::fmt;
use strongroom_crypto::sha256;
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

/// SHA-256.
pub const HASH_BYTES: usize = 32;

/// What is kept of a bearer token (RFC 6750): `name:project:scopes:sha256hex`, with limits where there are some (see
/// [`Grant`]). The token itself is kept nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenEntry {
    pub grant: Grant,
    /// The project it opens.
    pub project: Project,
    /// See [`hash`].
    pub hash: [u8; HASH_BYTES],
}

impl TokenEntry {
    pub fn parse(text: &str) -> Result<Self, Rule> {
        let mut fields = split_fields(text);
        let (Some(name), Some(project), Some(scopes), Some(hash)) =
            (fields.next(), fields.next(), fields.next(), fields.next())
        else {
            return Err("must have the form name:project:scope+scope:sha256hex, then :expiry=, :domains= and \
                        :credentials= where wanted");
        };
        let project = Project::parse(project).ok_or("must name a project of 1-64 letters, digits, '.', '_' and '-'")?;
        let hash = unhex(hash).ok_or("must have a SHA-256 of 64 hexadecimal digits")?;
        Ok(Self { grant: Grant::from_fields(name, scopes, fields)?, project, hash })
    }

    /// Whoever came with this token.
    pub fn into_principal(self) -> Principal {
        Principal { token_hash: Some(self.hash), ..self.grant.into() }
    }
}

/// As [`TokenEntry::parse`] reads it.
impl fmt::Display for TokenEntry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { grant, project, hash } = self;
        write!(formatter, "{}:{}:{}:", grant.name, project.as_str(), grant.scopes)?;
        hash.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))?;
        grant.write_limits(formatter)
    }
}

/// What is kept of a token's text.
pub fn hash(token: &str) -> [u8; HASH_BYTES] {
    sha256(token.as_bytes())
}

/// Reads a list of entries. Names and hashes are unique in it, so that a name stands for one token and a token has one
/// set of rights. The error is the number of the entry, from 1, and the rule it breaks.
pub fn parse_list<'t>(texts: impl Iterator<Item = &'t str>) -> Result<Vec<TokenEntry>, (u32, Rule)> {
    let mut entries: Vec<TokenEntry> = Vec::new();
    for (number, text) in (1u32..).zip(texts) {
        let entry = TokenEntry::parse(text).map_err(|rule| (number, rule))?;
        if entries.iter().any(|other| other.grant.name == entry.grant.name) {
            return Err((number, "must not have the name of another entry"));
        }
        if entries.iter().any(|other| other.hash == entry.hash) {
            return Err((number, "must not have the hash of another entry"));
        }
        entries.push(entry);
    }
    Ok(entries)
}

/// The entry of a presented token in the setting; `None` when it is not there, or has expired.
///
/// Errors: [`Code::Misconfigured`], naming the entry that is ill-formed by its number.
pub fn find(setting: &str, presented: &str, now: Timestamp) -> Result<Option<TokenEntry>> {
    let mut entries = parse_list(setting.split_ascii_whitespace()).map_err(|(number, rule)| {
        Error::new(Code::Misconfigured, format!("strongroom_tokens: entry {number} {rule}"))
    })?;
    let digest = hash(presented);
    // 0: none. All entries are compared, so that the time does not tell which one was close.
    let mut found = 0u32;
    for (number, entry) in (1u32..).zip(&entries) {
        let is_ours = entry.hash.ct_eq(&digest) & Choice::from(u8::from(entry.grant.is_valid(now)));
        found.conditional_assign(&number, is_ours);
    }
    let index = found.checked_sub(1).map(|index| index as usize).filter(|&index| index < entries.len());
    Ok(index.map(|index| entries.swap_remove(index)))
}

fn unhex(text: &str) -> Option<[u8; HASH_BYTES]> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let pairs: &[[u8; 2]; HASH_BYTES] = pairs.try_into().ok().filter(|_| rest.is_empty())?;
    let mut bytes = [0; HASH_BYTES];
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

/// By arithmetic: this is done for each entry at each request.
#[inline(always)]
fn digit(digit: u8) -> Option<u8> {
    let decimal = digit.wrapping_sub(b'0');
    let letter = (digit | 0x20).wrapping_sub(b'a');
    match (decimal, letter) {
        (0..10, _) => Some(decimal),
        (_, 0..6) => Some(letter + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::borrow::ToOwned;
    use alloc::string::ToString;

    /// FIPS 180-4, example for "abc".
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    #[test]
    fn entries_are_read_and_written() {
        for text in [
            format!("abc:p.1:read+totp:{ABC}"),
            format!("abc:p:supply:{ABC}:expiry=1800000000:domains=a.example+[::1]"),
        ] {
            assert_eq!(TokenEntry::parse(&text).map(|entry| entry.to_string()), Ok(text));
        }
        let entry = TokenEntry::parse(&format!("abc:p:read:{}:5", ABC.to_uppercase())).unwrap();
        assert_eq!(entry.to_string(), format!("abc:p:read:{ABC}:expiry=5"));
        assert_eq!(entry.hash, hash("abc"));
    }

    #[test]
    fn a_token_is_found_by_its_hash_until_it_expires() {
        let (one, two) = ("1".repeat(64), "2".repeat(64));
        let setting = format!("x:p:read:{one}  abc:p.1:read+totp:{ABC}\n y:p:write:{two}");
        let found = find(&setting, "abc", NOW).unwrap().unwrap();
        assert_eq!((found.grant.name.as_str(), found.project.as_str()), ("abc", "p.1"));
        let principal = found.into_principal();
        assert_eq!((principal.token_hash, principal.identity()), (Some(hash("abc")), &hash("abc")[..]));
        for presented in ["", "ABC", "abd"] {
            assert!(find(&setting, presented, NOW).unwrap().is_none());
        }
        assert!(find("", "abc", NOW).unwrap().is_none());
        for (expiry, is_found) in [(1_800_000_001, true), (1_800_000_000, false)] {
            let setting = format!("abc:p:read:{ABC}:expiry={expiry}");
            assert_eq!(find(&setting, "abc", NOW).unwrap().is_some(), is_found);
        }
    }

    #[test]
    fn ill_formed_settings_are_named_by_entry_and_never_quoted() {
        let good = format!("abc:p:read:{ABC}");
        let other = "0".repeat(64);
        for entry in [
            "canary".to_owned(),
            "canary:p:read".to_owned(),
            format!(":p:read:{other}"),
            format!("canary::read:{other}"),
            format!("canary:p/q:read:{other}"),
            format!("canary:p::{other}"),
            format!("canary:p:root:{other}"),
            format!("canary:p:read:{}", &other[1..]),
            format!("canary:p:read:{other}0"),
            format!("canary:p:read:{}g", &other[1..]),
            format!("canary:p:read:{other}:soon"),
            format!("canary:p:read:{other}:1:2"),
            format!("canary:p:read:{other}:domains=canary..example"),
            // The same name, the same token.
            format!("abc:canary:read:{other}"),
            format!("canary:p:read:{ABC}"),
        ] {
            let error = find(&format!("{good} {entry}"), "abc", NOW).expect_err(&entry);
            assert_eq!(error.code(), Code::Misconfigured);
            assert!(error.message().starts_with("strongroom_tokens: entry 2 must "), "{}", error.message());
            assert!(!error.message().contains("canary") && error.message().len() <= 300);
        }
    }
}
