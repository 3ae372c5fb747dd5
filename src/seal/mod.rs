//! Sealing of records: the only module that touches ciphers.
//!
//! Envelope: `format (1) | length of key id (1) | key id | nonce (24) | commitment (32) | ciphertext and tag (16)`,
//! with XChaCha20-Poly1305 (RFC 8439, draft-irtf-cfrg-xchacha): random nonces of 192 bits need no state.
//!
//! Keys: `PRK = HKDF-Extract(salt: none, master key)`; `HKDF-Expand(PRK, info, 64)` (RFC 5869, SHA-256) gives 32 bytes
//! of key and 32 of commitment, where `info` is the length-prefixed list (format, purpose, project). So no key serves
//! two purposes or two projects, and an envelope names the one key it opens with (the AEAD alone does not commit to it).
//!
//! Associated data: the length-prefixed list (format, key id, project, purpose, place...), where the place is the store
//! key of the record. **A record that was moved, swapped, renamed or cut does not open. One that was replaced by its own
//! older version does:** only the root and the claims are ever overwritten, and whoever operates the store can roll it
//! back as a whole.

mod keyring;

pub use keyring::{Keyring, MASTER_KEY_BYTES, Project};

use crate::error::{Code, Error, Result};
use crate::platform::Random;
use crate::secret::SecretBytes;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::rc::Rc;
use alloc::vec::Vec;
use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{KeyInit, Tag, XChaCha20Poly1305, XNonce};
use core::cell::RefCell;
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// The format that is written. Readers accept it and, once there is one, its predecessor.
const FORMAT: u8 = 1;
const NONCE_BYTES: usize = 24;
const COMMITMENT_BYTES: usize = 32;
const TAG_BYTES: usize = 16;

/// What a sealed record is for; each purpose has its own keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    Root,
    Node,
    Body,
    Totp,
    Claim,
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
            Purpose::Idempotency => "idempotency",
        }
    }
}

/// Seals and opens the records of one project.
pub struct Sealer {
    keyring: Keyring,
    project: Project,
    derived: RefCell<BTreeMap<(usize, Purpose), Rc<Derived>>>,
}

/// What is derived from a master key for one purpose in one project.
struct Derived {
    key: Zeroizing<[u8; 32]>,
    commitment: [u8; COMMITMENT_BYTES],
}

impl Sealer {
    pub fn new(keyring: Keyring, project: Project) -> Self {
        Self { keyring, project, derived: RefCell::default() }
    }

    pub fn project(&self) -> &Project {
        &self.project
    }

    /// Seals with the first key of the ring and binds the record to its place.
    pub fn seal(&self, random: &dyn Random, purpose: Purpose, place: &[&[u8]], plaintext: &[u8]) -> Result<Vec<u8>> {
        let master = self.keyring.keys.first().ok_or_else(|| Error::new(Code::Internal, "the keyring is empty"))?;
        let derived = self.derived(0, purpose)?;
        let mut nonce = [0; NONCE_BYTES];
        random.fill(&mut nonce)?;
        let id = master.id.as_bytes();
        let mut envelope =
            Vec::with_capacity(2 + id.len() + NONCE_BYTES + COMMITMENT_BYTES + plaintext.len() + TAG_BYTES);
        envelope.push(FORMAT);
        envelope.push(id.len() as u8);
        envelope.extend_from_slice(id);
        envelope.extend_from_slice(&nonce);
        envelope.extend_from_slice(&derived.commitment);
        let header = envelope.len();
        envelope.extend_from_slice(plaintext);
        let (_, text) = envelope.split_at_mut(header);
        let tag = cipher(&derived)
            .encrypt_inout_detached(&XNonce::from(nonce), &self.associated_data(id, purpose, place), text.into())
            .map_err(|_| Error::new(Code::Internal, "a record could not be sealed"))?;
        envelope.extend_from_slice(&tag);
        Ok(envelope)
    }

    /// Opens an envelope that was sealed for this purpose, place and project.
    ///
    /// Errors: [`Code::FormatTooNew`], [`Code::KeyUnavailable`] when the key id is not in the ring,
    /// [`Code::KeyMismatch`] when it is but the key is another, [`Code::StorageCorrupt`] for everything else. The
    /// message names the purpose.
    pub fn open(&self, purpose: Purpose, place: &[&[u8]], envelope: &[u8]) -> Result<SecretBytes> {
        let corrupt = || corrupt(purpose);
        let (&format, rest) = envelope.split_first().ok_or_else(corrupt)?;
        if format > FORMAT {
            return Err(error(Code::FormatTooNew, purpose, "was written by a newer version"));
        }
        if format != FORMAT {
            return Err(corrupt());
        }
        let (&id_length, rest) = rest.split_first().ok_or_else(corrupt)?;
        let (id, rest) = rest.split_at_checked(usize::from(id_length)).ok_or_else(corrupt)?;
        let (nonce, rest) = rest.split_first_chunk::<NONCE_BYTES>().ok_or_else(corrupt)?;
        let (commitment, rest) = rest.split_first_chunk::<COMMITMENT_BYTES>().ok_or_else(corrupt)?;
        let (ciphertext, tag) = rest.split_last_chunk::<TAG_BYTES>().ok_or_else(corrupt)?;
        let position = self.keyring.keys.iter().position(|known| known.id.as_bytes() == id).ok_or_else(|| {
            error(Code::KeyUnavailable, purpose, "was sealed with a key that is not in strongroom_keys")
        })?;
        let derived = self.derived(position, purpose)?;
        if !bool::from(derived.commitment.ct_eq(commitment)) {
            return Err(error(Code::KeyMismatch, purpose, "was sealed with another key of the same id"));
        }
        let mut plaintext = Zeroizing::new(ciphertext.to_vec());
        cipher(&derived)
            .decrypt_inout_detached(
                &XNonce::from(*nonce),
                &self.associated_data(id, purpose, place),
                plaintext.as_mut_slice().into(),
                &Tag::from(*tag),
            )
            .map_err(|_| corrupt())?;
        Ok(SecretBytes::new(core::mem::take(&mut *plaintext)))
    }

    /// `HMAC-SHA-256(key, length-prefixed parts)`, cut to 16 bytes: a hash that only a holder of the keys can compute.
    /// One result per key of the ring, the sealing key's first.
    pub fn keyed_hashes(&self, parts: &[&[u8]]) -> Result<Vec<[u8; 16]>> {
        (0..self.keyring.keys.len())
            .map(|position| {
                let derived = self.derived(position, Purpose::Idempotency)?;
                let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(derived.key.as_slice())
                    .map_err(|_| Error::new(Code::Internal, "a key has the wrong length"))?;
                // Part by part: they can hold secrets, of which no copy should be made.
                for part in parts {
                    mac.update(&length_prefix(part));
                    mac.update(part);
                }
                let full: [u8; 32] = mac.finalize().into_bytes().into();
                let (half, _) = full.split_first_chunk::<16>().ok_or_else(|| corrupt(Purpose::Idempotency))?;
                Ok(*half)
            })
            .collect()
    }

    fn derived(&self, position: usize, purpose: Purpose) -> Result<Rc<Derived>> {
        if let Some(known) = self.derived.borrow().get(&(position, purpose)) {
            return Ok(known.clone());
        }
        let internal = || Error::new(Code::Internal, "a key could not be derived");
        let master = self.keyring.keys.get(position).ok_or_else(internal)?;
        let info = length_prefixed(&[&[FORMAT], purpose.name().as_bytes(), self.project.as_str().as_bytes()]);
        let mut okm = Zeroizing::new([0; 32 + COMMITMENT_BYTES]);
        Hkdf::<Sha256>::new(None, master.key.as_slice()).expand(&info, okm.as_mut_slice()).map_err(|_| internal())?;
        let (key, commitment) = okm.split_first_chunk::<32>().ok_or_else(internal)?;
        let commitment = *commitment.first_chunk::<COMMITMENT_BYTES>().ok_or_else(internal)?;
        let derived = Rc::new(Derived { key: Zeroizing::new(*key), commitment });
        self.derived.borrow_mut().insert((position, purpose), derived.clone());
        Ok(derived)
    }

    fn associated_data(&self, key_id: &[u8], purpose: Purpose, place: &[&[u8]]) -> Vec<u8> {
        let mut parts: Vec<&[u8]> =
            Vec::from([&[FORMAT][..], key_id, self.project.as_str().as_bytes(), purpose.name().as_bytes()]);
        parts.extend_from_slice(place);
        length_prefixed(&parts)
    }
}

/// The error of a record that does not open, does not decode or is missing.
pub fn corrupt(purpose: Purpose) -> Error {
    error(Code::StorageCorrupt, purpose, "is damaged or missing")
}

fn error(code: Code, purpose: Purpose, what: &'static str) -> Error {
    Error::new(code, format!("a stored {} record {what}", purpose.name()))
}

fn cipher(derived: &Derived) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(&(*derived.key).into())
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

fn length_prefix(part: &[u8]) -> [u8; 8] {
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
    fn a_newer_format_is_named() {
        let sealer = sealer(&format!("k1:{KEY_A}"), "p");
        let mut envelope = sealed(&sealer);
        envelope[0] = FORMAT + 1;
        assert_eq!(code_of(sealer.open(Purpose::Body, &[b"place"], &envelope)), Code::FormatTooNew);
    }
}
