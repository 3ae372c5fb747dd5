//! Master keys that are wrapped by a passphrase: without it nobody reads them.
//!
//! Text: `strongroom-wrapped-keys-1 SALT ENVELOPE`, both in base64url. Argon2id (RFC 9106) makes a key of passphrase and
//! salt, by which the keys are sealed as records are ([`strongroom::seal`]). What that costs belongs to the number in the
//! first word and does not stand in the file, so no file can ask for more.

use crate::Result;
use anyhow::{Context, anyhow, ensure};
use argon2::{Algorithm, Argon2, Params, Version};
use base64ct::{Base64UrlUnpadded, Encoding};
use strongroom::error::Code;
use strongroom::platform::SystemRandom;
use strongroom::seal::{Keyring, MASTER_KEY_BYTES, Project, Purpose, Sealer};
use zeroize::Zeroizing;

const MARK: &str = "strongroom-wrapped-keys-1";
const SALT_BYTES: usize = 16;
/// Memory in KiB, passes over it, and lanes: the second recommendation of RFC 9106 with one lane, as one thread does it.
const COSTS: (u32, u32, u32) = (64 << 10, 3, 1);

/// What a person remembers, or a file descriptor gave.
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    pub const MAX_BYTES: usize = 1024;
    /// Of a new one. Whoever has the file can try out as many as he can pay for.
    pub const MIN_CHARACTERS: usize = 12;

    pub fn new(text: Zeroizing<String>) -> Result<Self> {
        let is_possible = (1..=Self::MAX_BYTES).contains(&text.len()) && !text.contains(['\n', '\r', '\0']);
        ensure!(is_possible, "a passphrase is one line of 1 to {} bytes", Self::MAX_BYTES);
        Ok(Self(text))
    }

    /// The file's text.
    pub(super) fn wrap(&self, keys: &str) -> Result<String> {
        ensure!(
            self.0.chars().count() >= Self::MIN_CHARACTERS,
            "a new passphrase must have at least {} characters",
            Self::MIN_CHARACTERS
        );
        let mut salt = [0; SALT_BYTES];
        getrandom::fill(&mut salt).context("the system gave no random numbers")?;
        let sealed = self.sealer(&salt)?.seal(&SystemRandom, Purpose::Keys, &[MARK.as_bytes()], keys.as_bytes());
        let sealed = sealed.map_err(|error| anyhow!("{}", error.message()))?;
        let [salt, sealed] = [&salt[..], &sealed].map(Base64UrlUnpadded::encode_string);
        Ok(format!("{MARK} {salt} {sealed}\n"))
    }

    /// The keys that [`wrap`](Self::wrap) wrapped.
    pub(super) fn unwrap(&self, text: &str) -> Result<Zeroizing<String>> {
        let damaged = || anyhow!("the wrapped master keys are damaged");
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        let [MARK, salt, sealed] = words.as_slice() else { return Err(damaged()) };
        let [salt, sealed] = [salt, sealed].map(|text| Base64UrlUnpadded::decode_vec(text).map_err(|_| damaged()));
        let (salt, sealed) = (salt?, sealed?);
        ensure!(salt.len() == SALT_BYTES, damaged());
        let opened = self.sealer(&salt)?.open(Purpose::Keys, &[MARK.as_bytes()], &sealed);
        let opened = opened.map_err(|error| match error.code() {
            Code::KeyMismatch => anyhow!("the passphrase is not the one that the master keys are wrapped by"),
            _ => damaged(),
        })?;
        let text = std::str::from_utf8(opened.expose()).map_err(|_| damaged())?;
        Ok(Zeroizing::new(text.to_owned()))
    }

    /// Seals by a key that follows from passphrase and salt.
    fn sealer(&self, salt: &[u8]) -> Result<Sealer> {
        let (memory, passes, lanes) = COSTS;
        let params = Params::new(memory, passes, lanes, Some(MASTER_KEY_BYTES)).map_err(|error| anyhow!("{error}"))?;
        let mut key = Zeroizing::new([0; MASTER_KEY_BYTES]);
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let hashed = argon2.hash_password_into(self.0.as_bytes(), salt, key.as_mut_slice());
        hashed.map_err(|error| anyhow!("no key can be made of the passphrase: {error}"))?;
        let key = Zeroizing::new(Base64UrlUnpadded::encode_string(key.as_slice()));
        let keyring = Keyring::parse(&Zeroizing::new(format!("passphrase:{}", *key)));
        let keyring = keyring.map_err(|error| anyhow!("{}", error.message()))?;
        Ok(Sealer::new(keyring, Project::parse("master-keys").context("the project")?))
    }
}

/// In a time that does not tell where they differ.
impl PartialEq for Passphrase {
    fn eq(&self, other: &Self) -> bool {
        subtle::ConstantTimeEq::ct_eq(self.0.as_bytes(), other.0.as_bytes()).into()
    }
}

/// Whether a text is of keys that are wrapped, in this way or in one of a newer version.
pub(super) fn is_wrapped(text: &str) -> bool {
    text.starts_with("strongroom-wrapped-keys-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passphrase(text: &str) -> Passphrase {
        Passphrase::new(Zeroizing::new(text.to_owned())).unwrap()
    }

    fn refused(passphrase: &Passphrase, text: &str) -> String {
        let Err(error) = passphrase.unwrap(text) else { panic!("opened") };
        format!("{error:#}")
    }

    #[test]
    fn only_the_passphrase_opens_and_no_two_texts_are_the_same() {
        let right = passphrase("correct horse battery");
        let (first, second) = (right.wrap("k1:canary").unwrap(), right.wrap("k1:canary").unwrap());
        assert!(is_wrapped(&first) && !first.contains("canary"));
        let differing = first.split(' ').zip(second.split(' ')).filter(|(one, other)| one != other).count();
        assert_eq!(differing, 2, "salt and envelope");
        for text in [&first, &second] {
            assert_eq!(*right.unwrap(text).unwrap(), "k1:canary");
        }
        for wrong in ["correct horse batterx", "correct horse battery ", "c"] {
            assert!(refused(&passphrase(wrong), &first).starts_with("the passphrase is not the one"));
        }
    }

    #[test]
    fn what_was_changed_is_refused() {
        let right = passphrase("correct horse battery");
        let text = right.wrap("k1:canary").unwrap();
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        let changed = |at: usize, from: usize| {
            let mut words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            let old = words[at].as_bytes()[from];
            words[at].replace_range(from..=from, if old == b'A' { "B" } else { "A" });
            words.join(" ")
        };
        assert!(refused(&right, &changed(1, 3)).starts_with("the passphrase is not the one"));
        let last = words[2].len() - 5;
        assert_eq!(refused(&right, &changed(2, last)), "the wrapped master keys are damaged");
        for text in ["", MARK, &words[..2].join(" "), &text[..text.len() - 4], &format!("{text} x"), &changed(0, 2)] {
            assert_eq!(refused(&right, text), "the wrapped master keys are damaged", "{text}");
        }
    }

    #[test]
    fn a_new_one_is_not_short_and_none_is_long_or_of_two_lines() {
        assert!(passphrase("eleven char").wrap("k1:x").unwrap_err().to_string().contains("at least 12 characters"));
        for text in ["", "a\nb", "a\rb", "a\0b", &"x".repeat(1025)] {
            assert!(Passphrase::new(Zeroizing::new(text.to_owned())).is_err());
        }
    }
}
