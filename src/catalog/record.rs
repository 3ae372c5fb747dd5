//! Names of records in the bucket.

use crate::seal::{Project, Purpose};
use alloc::format;
use alloc::string::String;
use base32::Alphabet;
use strongroom_crypto::sha256;

const ALPHABET: Alphabet = Alphabet::Rfc4648Lower { padding: false };
/// Bytes of the project's SHA-256 that stand in its keys. Independent of the master keys, so that a key change moves
/// nothing.
const TAG_BYTES: usize = 10;
const RANDOM_BYTES: usize = 16;
/// What the keys of all projects begin with.
const FRONT: &str = "sr1.";

/// Kinds of records that are written once, under a fresh random key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A node of an index.
    Node,
    /// The values of one credential.
    Body,
    /// Coordinates the exclusive one-time codes of one credential; the only kind that is overwritten, by swap.
    Claim,
    /// The top nodes of a root that somebody still reads; see [`super::pin`].
    Snapshot,
}

impl Kind {
    const ALL: [Kind; 4] = [Kind::Node, Kind::Body, Kind::Claim, Kind::Snapshot];

    const fn letter(self) -> u8 {
        match self {
            Kind::Node => b'n',
            Kind::Body => b'b',
            Kind::Claim => b'x',
            Kind::Snapshot => b's',
        }
    }

    fn from_letter(letter: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.letter() == letter)
    }

    pub const fn purpose(self) -> Purpose {
        match self {
            Kind::Node => Purpose::Node,
            Kind::Body => Purpose::Body,
            Kind::Claim => Purpose::Claim,
            Kind::Snapshot => Purpose::Snapshot,
        }
    }
}

/// Names one record of a project.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecordRef {
    pub kind: Kind,
    pub random: [u8; RANDOM_BYTES],
}

impl RecordRef {
    /// Length of [`RecordRef::to_bytes`].
    pub const BYTES: usize = 1 + RANDOM_BYTES;

    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [self.kind.letter(); Self::BYTES];
        if let Some(tail) = bytes.last_chunk_mut::<RANDOM_BYTES>() {
            *tail = self.random;
        }
        bytes
    }

    pub fn from_bytes(bytes: [u8; Self::BYTES]) -> Option<Self> {
        let (&letter, random) = bytes.split_first()?;
        Some(Self { kind: Kind::from_letter(letter)?, random: random.try_into().ok()? })
    }
}

/// The longest key.
const KEY_BYTES: usize = 49;

/// The keys of one project: `sr1.<tag>.<kind>[.<random>]`, at most [`KEY_BYTES`] of `[a-z0-9.]`.
pub struct KeySpace {
    prefix: String,
}

impl KeySpace {
    pub fn new(project: &Project) -> Self {
        let digest = sha256(project.as_str().as_bytes());
        let tag = digest.get(..TAG_BYTES).unwrap_or_default();
        Self { prefix: format!("{FRONT}{}.", base32::encode(ALPHABET, tag)) }
    }

    /// What all keys of the project begin with.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// What all keys of the project begin with that this one is of; `None` for what is no project's.
    pub fn prefix_of(key: &str) -> Option<&str> {
        let tag_start = key.strip_prefix(FRONT)?;
        let tag = tag_start.split_once('.').map(|(tag, _)| tag).filter(|tag| tag.len() == TAG_BYTES * 8 / 5)?;
        key.get(..FRONT.len() + tag.len() + 1)
    }

    pub fn root(&self) -> String {
        format!("{}root", self.prefix)
    }

    pub fn seed(&self) -> String {
        format!("{}seed", self.prefix)
    }

    /// The counter of the queue of writers.
    pub fn queue(&self) -> String {
        format!("{}queue", self.prefix)
    }

    pub fn record(&self, record: RecordRef) -> String {
        let mut key = String::with_capacity(KEY_BYTES);
        key.push_str(&self.prefix);
        key.push(char::from(record.kind.letter()));
        key.push('.');
        key.push_str(&base32::encode(ALPHABET, &record.random));
        key
    }

    /// The record a key names; `None` for the root, the seed, the queue and other people's keys.
    pub fn parse(&self, key: &str) -> Option<RecordRef> {
        let (letter, text) = key.strip_prefix(&self.prefix)?.split_once('.')?;
        let &[letter] = letter.as_bytes() else { return None };
        let random = base32::decode(ALPHABET, text)?.try_into().ok()?;
        let record = RecordRef { kind: Kind::from_letter(letter)?, random };
        // One record has one key: other spellings are not ours.
        (self.record(record) == key).then_some(record)
    }
}

/// Whether a record under this key, of any project, is written once and never changed: for caches.
pub fn is_written_once(key: &str) -> bool {
    let mut parts = key.split('.');
    let (format, _tag, kind, random) = (parts.next(), parts.next(), parts.next(), parts.next());
    let [letter] = kind.unwrap_or_default().as_bytes() else { return false };
    format == Some("sr1") && random.is_some() && Kind::from_letter(*letter).is_some_and(|kind| kind != Kind::Claim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_tell_no_name_and_read_back() {
        let keys = KeySpace::new(&Project::parse("canary-project").unwrap());
        let record = RecordRef { kind: Kind::Body, random: [0xa5; 16] };
        let key = keys.record(record);
        assert!(
            key.len() <= KEY_BYTES && key.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'.')
        );
        assert!(!key.contains("canary"));
        assert_eq!(keys.parse(&key), Some(record));
        assert_eq!(RecordRef::from_bytes(record.to_bytes()), Some(record));
        for (key, expected) in [
            (keys.root(), Some(keys.prefix())),
            (key.clone(), Some(keys.prefix())),
            ("sr1.probe".into(), None),
            ("sr1.probe.x".into(), None),
            ("settings".into(), None),
        ] {
            assert_eq!(KeySpace::prefix_of(&key), expected);
        }
        let others = KeySpace::new(&Project::parse("other").unwrap());
        for foreign in
            [&key.to_uppercase(), &keys.root(), &keys.seed(), &keys.queue(), "sr1", "", &others.record(record)]
        {
            assert_eq!(keys.parse(foreign), None);
        }
    }
}
