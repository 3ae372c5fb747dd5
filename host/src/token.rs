//! Bearer tokens: their text, and the entries of the setting `strongroom_tokens`, which hold only hashes.

use crate::Result;
use anyhow::{Context, bail, ensure};
use base64ct::{Base64UrlUnpadded, Encoding};
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;
use subtle::ConstantTimeEq;

/// What a token can be allowed, in the order it is printed.
pub const SCOPES: [&str; 5] = ["read", "totp", "write", "supply", "admin"];

/// Random bytes in a token.
const TOKEN_BYTES: usize = 32;

/// A new token's text: `sr_` and 43 base64url characters.
pub fn generate() -> Result<String> {
    let mut bytes = [0; TOKEN_BYTES];
    getrandom::fill(&mut bytes).context("the system gave no random numbers")?;
    Ok(format!("sr_{}", Base64UrlUnpadded::encode_string(&bytes)))
}

/// The lower-case hexadecimal SHA-256 of a token's text.
pub fn hash(token: &str) -> String {
    Sha256::digest(token.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// 9999-12-31T23:59:59Z, in seconds since 1970.
const EXPIRY_MAX: u64 = 253_402_300_799;

/// One entry: `name:project:scope+scope:sha256hex`, with `:expiry` in seconds since 1970 at its end if it expires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Names the token for `token list` and `token revoke` and in logs; unique.
    pub name: String,
    /// The project it opens.
    pub project: String,
    /// A subset of [`SCOPES`].
    pub scopes: Vec<String>,
    /// See [`hash`].
    pub hash: String,
    /// From when on it is refused, in seconds since 1970.
    pub expiry: Option<u64>,
}

impl FromStr for Entry {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let fields: Vec<&str> = text.split(':').collect();
        let (&[name, project, scopes, hash], expiry) = match fields.split_at_checked(4) {
            Some((first, rest)) if rest.len() <= 1 => (<&[&str; 4]>::try_from(first)?, rest.first()),
            _ => bail!("not of the form name:project:scopes:sha256[:expiry]"),
        };
        check_word("the name", name)?;
        check_word("the project", project)?;
        let is_hash = hash.len() == 64 && hash.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        ensure!(is_hash, "the hash must be 64 lower-case hexadecimal digits");
        let expiry = expiry.map(|text| text.parse()).transpose().context("the expiry must be a number of seconds")?;
        ensure!(expiry.is_none_or(|seconds| seconds <= EXPIRY_MAX), "the expiry must not be after the year 9999");
        let scopes = parse_scopes(scopes, '+')?;
        Ok(Self { name: name.into(), project: project.into(), scopes, hash: hash.into(), expiry })
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}:{}:{}", self.name, self.project, self.scopes.join("+"), self.hash)?;
        match self.expiry {
            Some(expiry) => write!(formatter, ":{expiry}"),
            None => Ok(()),
        }
    }
}

/// Scopes from a list, each once, in the order of [`SCOPES`].
pub fn parse_scopes(list: &str, separator: char) -> Result<Vec<String>> {
    let given: Vec<&str> = list.split(separator).map(str::trim).collect();
    ensure!(given.iter().all(|scope| SCOPES.contains(scope)), "the scopes are {}", SCOPES.join(", "));
    Ok(SCOPES.iter().filter(|scope| given.contains(scope)).map(|scope| scope.to_string()).collect())
}

/// Names and projects stand between colons and spaces, so neither may be in them.
pub fn check_word(what: &str, word: &str) -> Result<()> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    ensure!(
        !word.is_empty() && word.len() <= 64 && word.bytes().all(allowed),
        "{what} must be 1-64 letters, digits, `.`, `_` or `-`"
    );
    Ok(())
}

/// The entries of a tokens file: one on each line; empty lines and lines that begin with `#` do not count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entries(pub Vec<Entry>);

impl Entries {
    /// The error says which line is wrong, and how.
    pub fn parse(text: &str) -> Result<Self> {
        let lines = text.lines().map(str::trim).enumerate();
        let entries = lines
            .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
            .map(|(index, line)| line.parse().with_context(|| format!("line {}", index + 1)))
            .collect::<Result<_>>()?;
        Ok(Self(entries))
    }

    /// The value of the setting `strongroom_tokens`.
    pub fn setting(&self) -> String {
        self.0.iter().map(Entry::to_string).collect::<Vec<_>>().join(" ")
    }

    /// The name of the entry a token belongs to, expired or not. All entries are compared in constant time.
    pub fn name_of(&self, token: &str) -> Option<&str> {
        let hash = hash(token);
        self.0.iter().fold(None, |found, entry| {
            let is_ours = bool::from(entry.hash.as_bytes().ct_eq(hash.as_bytes()));
            found.or(is_ours.then_some(entry.name.as_str()))
        })
    }
}

impl fmt::Display for Entries {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|entry| writeln!(formatter, "{entry}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_random_and_hashed_by_sha_256() {
        let (one, two) = (generate().unwrap(), generate().unwrap());
        assert_ne!(one, two);
        assert_eq!(one.len(), 46);
        // FIPS 180-4, example for "abc".
        assert_eq!(hash("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn entries_survive_writing_and_reading() {
        let text = format!("# of the crew\n\na:default:read+totp:{0}\nb:p-1:admin:{0}:1700000000\n", hash("x"));
        let entries = Entries::parse(&text).unwrap();
        assert_eq!(entries.0[1].expiry, Some(1_700_000_000));
        assert_eq!(entries.to_string(), text.replace("# of the crew\n\n", ""));
        assert_eq!(Entries::parse(&entries.to_string()).unwrap(), entries);
        assert_eq!(entries.setting(), entries.to_string().trim_end().replace('\n', " "));
        assert_eq!((entries.name_of("x"), entries.name_of("y")), (Some("a"), None));
    }

    #[test]
    fn malformed_entries_are_refused_with_their_line() {
        let hash = hash("x");
        for line in [
            "a:default:read".to_owned(),
            format!("a:default:read:{hash}:1:2"),
            format!("a b:default:read:{hash}"),
            format!(":default:read:{hash}"),
            format!("a::read:{hash}"),
            format!("a:default::{hash}"),
            format!("a:default:root:{hash}"),
            format!("a:default:read:{}", hash.to_uppercase()),
            format!("a:default:read:{}", &hash[1..]),
            format!("a:default:read:{hash}:soon"),
        ] {
            let error = Entries::parse(&format!("\n{line}\n")).unwrap_err();
            assert!(format!("{error:#}").starts_with("line 2: "), "{line}: {error:#}");
        }
    }
}
