//! Sealing of records: the only module that touches ciphers.
//!
//! Envelope (format 2): `format (1) | length of key id (1) | key id | commitment (32) | nonce prefix (16) | length of the
//! head (4) | head and tag | part 1 and tag | part 2 and tag | ...`. The head is what the record begins with; parts are
//! what a reader may need or not, and are opened one by one. Where a part lies is said by the head. Most records are a
//! head without parts.
//!
//! Cipher: XChaCha20-Poly1305 (RFC 8439, draft-irtf-cfrg-xchacha), tags of 16 bytes. The nonce of part `n` is the
//! prefix, drawn at random for each envelope, and `n` in 8 bytes, little-endian; the head is `n = 0`. So no nonce needs
//! state, and **parts of two envelopes never open together, even of the same record**.
//!
//! Keys: `PRK = HKDF-Extract(salt: none, master key)`; `HKDF-Expand(PRK, info, 64)` (RFC 5869, SHA-256) gives 32 bytes
//! of key and 32 of commitment, where `info` is the length-prefixed list (format, purpose, project). So no key serves
//! two formats, two purposes or two projects, and an envelope names the one key it opens with (the AEAD alone does not
//! commit to it).
//!
//! Associated data: the length-prefixed list (format, key id, project, purpose, place..., n), where the place is the
//! store key of the record, `n` has 8 bytes, and a length has 8 bytes, little-endian. **A record that was moved, swapped,
//! renamed or cut does not open. One that was replaced by its own older version does:** only the root and the claims are
//! ever overwritten, and whoever operates the store can roll it back as a whole.
//!
//! `testdata/envelope.json` has test vectors; `host-tests/clients/open_envelope.py` opens them by these lines alone.

mod envelope;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod keyring;

#[cfg(test)]
pub use envelope::decrypted;
pub use envelope::{Format, Opened, key_id};
pub use keyring::{Keyring, MASTER_KEY_BYTES, Project};

use crate::error::{Code, Error, Result};
use crate::platform::Random;
use crate::secret::SecretBytes;
use alloc::format;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;
use strongroom_crypto::HmacSha256;
use zeroize::Zeroizing;

/// In front of every part of a list, so that two different lists never give the same bytes.
const LENGTH_BYTES: usize = 8;
const COMMITMENT_BYTES: usize = 32;

/// What a sealed record is for; each purpose has its own keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    Root,
    Node,
    Body,
    Totp,
    Claim,
    /// A pinned snapshot: the top nodes of a root that somebody still reads.
    Snapshot,
    /// Where a walk in steps goes on; given to its caller.
    Cursor,
    /// What a backup is: the root of its snapshot, in a file.
    Backup,
    /// Not a record: master keys in a file, sealed by a key that follows from a passphrase.
    Keys,
    /// Not a record: keyed hashes that recognise a repeated request.
    Idempotency,
}

impl Purpose {
    /// The name in key derivation and in error messages. Part of the format.
    pub const fn name(self) -> &'static str {
        match self {
            Purpose::Root => "root",
            Purpose::Node => "node",
            Purpose::Body => "body",
            Purpose::Totp => "totp",
            Purpose::Claim => "claim",
            Purpose::Snapshot => "snapshot",
            Purpose::Cursor => "cursor",
            Purpose::Backup => "backup",
            Purpose::Keys => "keys",
            Purpose::Idempotency => "idempotency",
        }
    }
}

/// Seals and opens the records of one project.
pub struct Sealer {
    keyring: Keyring,
    project: Project,
    derived: RefCell<Vec<Rc<Derived>>>,
}

/// What is derived from a master key for one purpose in one project and format.
struct Derived {
    /// The position of the master key in the ring, and what the rest was derived for.
    of: (usize, Format, Purpose),
    key: Zeroizing<[u8; 32]>,
    commitment: [u8; COMMITMENT_BYTES],
}

impl Sealer {
    pub fn new(keyring: Keyring, project: Project) -> Self {
        Self { keyring, project, derived: RefCell::default() }
    }

    /// The ids of the master keys, in their order: the first one seals.
    pub fn key_ids(&self) -> impl Iterator<Item = &str> {
        self.keyring.ids()
    }

    pub fn project(&self) -> &Project {
        &self.project
    }

    /// Seals a record without parts by the first key of the ring and binds it to its place.
    pub fn seal(&self, random: &dyn Random, purpose: Purpose, place: &[&[u8]], plaintext: &[u8]) -> Result<Vec<u8>> {
        self.seal_parts(random, purpose, place, plaintext, &[])
    }

    /// Opens a record without parts. Errors: those of [`Sealer::open_head`].
    pub fn open(&self, purpose: Purpose, place: &[&[u8]], envelope: &[u8]) -> Result<SecretBytes> {
        let opened = self.open_head(purpose, place, envelope.to_vec())?;
        opened.expect(0, 0)?;
        Ok(opened.into_head())
    }

    /// `HMAC-SHA-256(key, length-prefixed parts)`, cut to 16 bytes: a hash that only a holder of the keys can compute.
    /// One result per key of the ring, the sealing key's first.
    pub fn keyed_hashes(&self, parts: &[&[u8]]) -> Result<Vec<[u8; 16]>> {
        (0..self.keyring.keys.len())
            .map(|position| {
                let derived = self.derived(position, Format::CURRENT, Purpose::Idempotency)?;
                let mut mac = HmacSha256::new(&derived.key);
                // Part by part: they can hold secrets, of which no copy should be made.
                for part in parts {
                    mac.update(&length_prefix(part));
                    mac.update(part);
                }
                let full = mac.finalize();
                let (half, _) = full.split_first_chunk::<16>().ok_or_else(|| corrupt(Purpose::Idempotency))?;
                Ok(*half)
            })
            .collect()
    }

    fn derived(&self, position: usize, format: Format, purpose: Purpose) -> Result<Rc<Derived>> {
        let of = (position, format, purpose);
        if let Some(known) = self.derived.borrow().iter().find(|known| known.of == of) {
            return Ok(known.clone());
        }
        let internal = || Error::new(Code::Internal, "a key could not be derived");
        let master = self.keyring.keys.get(position).ok_or_else(internal)?;
        let project = self.project.as_str().as_bytes();
        let info = length_prefixed(&[&[format.number()], purpose.name().as_bytes(), project]);
        let okm = master.extracted().expand(&info);
        let (key, commitment) = okm.split_first_chunk::<32>().ok_or_else(internal)?;
        let commitment = *commitment.first_chunk::<COMMITMENT_BYTES>().ok_or_else(internal)?;
        let derived = Rc::new(Derived { of, key: Zeroizing::new(*key), commitment });
        self.derived.borrow_mut().push(derived.clone());
        Ok(derived)
    }
}

/// The error of a record that does not open, does not decode or is missing.
pub fn corrupt(purpose: Purpose) -> Error {
    error(Code::StorageCorrupt, purpose, "is damaged or missing")
}

/// The error of a record that holds what this version does not know.
pub fn too_new(purpose: Purpose) -> Error {
    error(Code::FormatTooNew, purpose, "was written by a newer version")
}

fn error(code: Code, purpose: Purpose, what: &'static str) -> Error {
    Error::new(code, format!("a stored {} record {what}", purpose.name()))
}

/// Unambiguous: two different lists never give the same bytes.
fn length_prefixed(parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in parts {
        bytes.extend_from_slice(&length_prefix(part));
        bytes.extend_from_slice(part);
    }
    bytes
}

fn length_prefix(part: &[u8]) -> [u8; LENGTH_BYTES] {
    (part.len() as u64).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::SystemRandom;

    const KEY_A: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    const KEY_B: &str = "BAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

    fn sealer(keys: &str, project: &str) -> Sealer {
        Sealer::new(Keyring::parse(keys).unwrap(), Project::parse(project).unwrap())
    }

    fn sealed(by: &Sealer) -> Vec<u8> {
        by.seal(&SystemRandom, Purpose::Body, &[b"place"], b"canary").unwrap()
    }

    fn code_of(opened: Result<SecretBytes>) -> Code {
        opened.err().expect("opened").code()
    }

    #[test]
    fn lists_that_read_alike_are_bound_differently() {
        let bytes = length_prefixed(&[b"ab", b"c"]);
        assert_eq!(bytes, b"\x02\0\0\0\0\0\0\0ab\x01\0\0\0\0\0\0\0c");
        assert_ne!(bytes, length_prefixed(&[b"a", b"bc"]));
        let hash = |parts: &[&[u8]]| sealer(&format!("k1:{KEY_A}"), "p").keyed_hashes(parts).unwrap();
        assert_ne!(hash(&[b"ab", b"c"]), hash(&[b"a", b"bc"]));
    }

    #[test]
    fn opens_what_it_sealed_and_shows_nothing() {
        let sealer = sealer(&format!("k1:{KEY_A}"), "p");
        let envelope = sealed(&sealer);
        assert!(sealer.open(Purpose::Body, &[b"place"], &envelope).unwrap().expose() == b"canary");
        assert!(!envelope.windows(6).any(|window| window == b"canary"));
        assert_ne!(envelope, sealed(&sealer));
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let sealer = sealer(&format!("k1:{KEY_A}"), "p");
        let envelope = sealed(&sealer);
        for bit in 0..envelope.len() * 8 {
            let mut changed = envelope.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(sealer.open(Purpose::Body, &[b"place"], &changed).is_err(), "bit {bit}");
        }
        for length in 0..envelope.len() {
            assert!(sealer.open(Purpose::Body, &[b"place"], &envelope[..length]).is_err(), "length {length}");
        }
    }

    #[test]
    fn a_record_is_bound_to_place_purpose_project_and_key() {
        let ours = sealer(&format!("k1:{KEY_A}"), "p");
        let envelope = sealed(&ours);
        assert_eq!(code_of(ours.open(Purpose::Body, &[b"plac", b"e"], &envelope)), Code::StorageCorrupt);
        assert_eq!(code_of(ours.open(Purpose::Node, &[b"place"], &envelope)), Code::KeyMismatch);
        let other_project = sealer(&format!("k1:{KEY_A}"), "q");
        assert_eq!(code_of(other_project.open(Purpose::Body, &[b"place"], &envelope)), Code::KeyMismatch);
        let other_key = sealer(&format!("k1:{KEY_B}"), "p");
        assert_eq!(code_of(other_key.open(Purpose::Body, &[b"place"], &envelope)), Code::KeyMismatch);
        let other_id = sealer(&format!("k2:{KEY_A}"), "p");
        assert_eq!(code_of(other_id.open(Purpose::Body, &[b"place"], &envelope)), Code::KeyUnavailable);
        let rotated = sealer(&format!("k2:{KEY_B} k1:{KEY_A}"), "p");
        assert!(rotated.open(Purpose::Body, &[b"place"], &envelope).is_ok());
    }

    #[test]
    fn an_envelope_tells_its_key_and_whether_it_is_the_first() {
        let (old, rotated) = (format!("k1:{KEY_A}"), format!("k2:{KEY_B} k1:{KEY_A}"));
        let (old, rotated) = (sealer(&old, "p"), sealer(&rotated, "p"));
        let envelope = sealed(&old);
        assert_eq!(key_id(&envelope), Some("k1"));
        assert_eq!(rotated.key_ids().collect::<Vec<_>>(), ["k2", "k1"]);
        for (by, envelope, is_current) in
            [(&old, &envelope, true), (&rotated, &envelope, false), (&rotated, &sealed(&rotated), true)]
        {
            let opened = by.open_head(Purpose::Body, &[b"place"], envelope.clone()).unwrap();
            assert_eq!((opened.is_current(), by.is_current(envelope)), (is_current, is_current));
        }
        for cut in 0..4 {
            assert!(!old.is_current(&envelope[..cut]) && key_id(&envelope[..cut]).is_none());
        }
    }

    #[test]
    fn a_newer_format_is_named_and_the_unreleased_one_is_not_read() {
        let sealer = sealer(&format!("k1:{KEY_A}"), "p");
        let mut envelope = sealed(&sealer);
        for (format, code) in [(3, Code::FormatTooNew), (255, Code::FormatTooNew), (1, Code::StorageCorrupt)] {
            envelope[0] = format;
            assert_eq!(code_of(sealer.open(Purpose::Body, &[b"place"], &envelope)), code);
        }
    }

    #[test]
    fn parts_open_one_by_one_and_only_in_their_own_envelope() {
        let sealer = sealer(&format!("k1:{KEY_A}"), "p");
        let seal = || sealer.seal_parts(&SystemRandom, Purpose::Root, &[b"root"], b"head", &[b"one", b"", b"three"]);
        let (first, second) = (seal().unwrap(), seal().unwrap());
        let open = |envelope: &[u8]| sealer.open_head(Purpose::Root, &[b"root"], envelope.to_vec()).unwrap();
        let opened = open(&first);
        assert_eq!(opened.head(), b"head");
        opened.expect(3, 8).unwrap();
        assert!(opened.expect(3, 7).is_err() && opened.expect(2, 8).is_err());
        let parts = [(1, 0, 3, &b"one"[..]), (2, 3, 0, b""), (3, 3, 5, b"three")];
        for (number, before, bytes, expected) in parts {
            assert_eq!(opened.part(number, before, bytes).unwrap().expose(), expected);
            for wrong in [(number + 1, before, bytes), (number, before + 1, bytes), (number, before, bytes + 1)] {
                assert!(opened.part(wrong.0, wrong.1, wrong.2).is_err(), "{wrong:?}");
            }
        }
        assert!(opened.part(0, 0, 3).is_err() && opened.part(u64::MAX, 0, 3).is_err());
        assert!(sealer.open(Purpose::Root, &[b"root"], &first).is_err(), "parts are there");
        // The parts of one behind the head of the other.
        let cut = first.len() - (8 + 3 * 16);
        let mixed = open(&[&first[..cut], &second[cut..]].concat());
        for (number, before, bytes, _) in parts {
            assert!(mixed.part(number, before, bytes).is_err());
        }
    }
}
