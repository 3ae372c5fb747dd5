//! Bearer tokens: their text, and the list of their entries in the state directory. What an entry holds and what it grants
//! is the component's affair; the types are its own.

use crate::Result;
use anyhow::{Context, anyhow};
use base64ct::{Base64UrlUnpadded, Encoding};
use std::fmt;
use strongroom::access;

pub use strongroom::access::{Grant, Restriction, Scope, Scopes, TokenEntry as Entry};

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
    access::hash(token).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The entries of a tokens file: one on each line; empty lines and lines that begin with `#` do not count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entries(pub Vec<Entry>);

impl Entries {
    /// The error says which line is wrong, and how.
    pub fn parse(text: &str) -> Result<Self> {
        let lines = text.lines().map(str::trim).zip(1usize..);
        let lines: Vec<_> = lines.filter(|(line, _)| !line.is_empty() && !line.starts_with('#')).collect();
        let entries = access::parse_list(lines.iter().map(|(line, _)| *line)).map_err(|(number, rule)| {
            let line = lines.get(number as usize - 1).map_or(0, |(_, line)| *line);
            anyhow!("line {line}: an entry {rule}")
        })?;
        Ok(Self(entries))
    }

    /// The value of the setting `strongroom_tokens`.
    pub fn setting(&self) -> String {
        self.0.iter().map(Entry::to_string).collect::<Vec<_>>().join(" ")
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
        let text = format!(
            "# of the crew\n\na:default:read+totp:{}\nb:p-1:read:{}:expiry=1700000000:domains=a.example\n",
            hash("x"),
            hash("z")
        );
        let entries = Entries::parse(&text).unwrap();
        assert_eq!(entries.to_string(), text.replace("# of the crew\n\n", ""));
        assert_eq!(Entries::parse(&entries.to_string()).unwrap(), entries);
        assert_eq!(entries.setting(), entries.to_string().trim_end().replace('\n', " "));
    }

    #[test]
    fn malformed_entries_are_refused_with_their_line() {
        let (hash, other) = (hash("x"), hash("y"));
        for line in [
            "a:default:read".to_owned(),
            format!("a b:default:read:{hash}"),
            format!("a:default:root:{hash}"),
            format!("a:default:read:{hash}:soon"),
            format!("first:default:read:{hash}"),
            format!("a:default:read:{other}"),
        ] {
            let error = Entries::parse(&format!("first:default:read:{other}\n\n{line}\n")).unwrap_err();
            assert!(format!("{error:#}").starts_with("line 3: an entry must "), "{line}: {error:#}");
        }
    }
}
