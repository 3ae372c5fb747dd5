//! The envelope of a record: see the module above for its layout.

use super::{COMMITMENT_BYTES, Purpose, Sealer, corrupt, error, length_prefix, length_prefixed, too_new};
use crate::error::{Code, Error, Result};
use crate::platform::Random;
use crate::secret::SecretBytes;
use alloc::vec::Vec;
use core::ops::Range;
use strongroom_crypto::{Cipher, PREFIX_BYTES, TAG_BYTES};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// The format of a record: the first byte of its envelope. Its number is in its keys and its associated data, and reaches
/// whoever decodes the plaintext.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// Never released: 1.
    Two,
}

impl Format {
    /// The one that is written. Readers accept it and, once there is one, its predecessor.
    pub const CURRENT: Format = Format::Two;

    pub const fn number(self) -> u8 {
        match self {
            Format::Two => 2,
        }
    }

    /// Errors: [`Code::FormatTooNew`], [`Code::StorageCorrupt`].
    fn of(number: u8, purpose: Purpose) -> Result<Self> {
        match number {
            2 => Ok(Format::Two),
            _ if number > Self::CURRENT.number() => Err(too_new(purpose)),
            _ => Err(corrupt(purpose)),
        }
    }
}

/// An envelope whose head was opened, and whose parts can be.
pub struct Opened {
    format: Format,
    purpose: Purpose,
    is_current: bool,
    head: SecretBytes,
    cipher: Cipher,
    /// Associated data but for the number of the part.
    bound_to: Vec<u8>,
    /// The parts, one after the other, still sealed.
    parts: Vec<u8>,
}

impl Opened {
    pub fn format(&self) -> Format {
        self.format
    }

    /// Whether it is sealed as it would be now: by the first key of the ring, in the format that is written.
    pub fn is_current(&self) -> bool {
        self.is_current
    }

    pub fn head(&self) -> &[u8] {
        self.head.expose()
    }

    pub fn into_head(self) -> SecretBytes {
        self.head
    }

    /// Opens part `number`, from 1, whose plaintext has this many bytes and lies behind `before` bytes of other parts'
    /// plaintext.
    pub fn part(&self, number: u64, before: usize, bytes: usize) -> Result<SecretBytes> {
        let corrupt = || corrupt(self.purpose);
        let index = usize::try_from(number).ok().and_then(|number| number.checked_sub(1)).ok_or_else(corrupt)?;
        let start = index.checked_mul(TAG_BYTES).and_then(|tags| tags.checked_add(before)).ok_or_else(corrupt)?;
        let end = start.checked_add(bytes).and_then(|end| end.checked_add(TAG_BYTES)).ok_or_else(corrupt)?;
        let sealed = self.parts.get(Range { start, end }).ok_or_else(corrupt)?;
        open(&self.cipher, &self.bound_to, sealed, number).ok_or_else(corrupt)
    }

    /// Checks that there are this many parts of this many bytes of plaintext in all, and nothing behind them.
    pub fn expect(&self, parts: usize, bytes: usize) -> Result<()> {
        let total = parts.checked_mul(TAG_BYTES).and_then(|tags| tags.checked_add(bytes));
        if total == Some(self.parts.len()) { Ok(()) } else { Err(corrupt(self.purpose)) }
    }
}

impl Sealer {
    /// Seals a record with parts by the first key of the ring and binds it to its place. The head must tell the lengths
    /// of the parts: the envelope does not.
    pub fn seal_parts(
        &self,
        random: &dyn Random,
        purpose: Purpose,
        place: &[&[u8]],
        head: &[u8],
        parts: &[&[u8]],
    ) -> Result<Vec<u8>> {
        let internal = || Error::new(Code::Internal, "a record could not be sealed");
        let master = self.keyring.keys.first().ok_or_else(internal)?;
        let format = Format::CURRENT;
        let derived = self.derived(0, format, purpose)?;
        let id = master.id.as_bytes();
        let mut prefix = [0; PREFIX_BYTES];
        random.fill(&mut prefix)?;
        let plain = head.len() + parts.iter().map(|part| part.len()).sum::<usize>();
        let overhead = 2 + id.len() + COMMITMENT_BYTES + PREFIX_BYTES + 4 + TAG_BYTES * (parts.len() + 1);
        let mut envelope = Vec::with_capacity(overhead + plain);
        envelope.push(format.number());
        envelope.push(u8::try_from(id.len()).map_err(|_| internal())?);
        envelope.extend_from_slice(id);
        envelope.extend_from_slice(&derived.commitment);
        envelope.extend_from_slice(&prefix);
        envelope.extend_from_slice(&u32::try_from(head.len()).map_err(|_| internal())?.to_le_bytes());
        let bound_to = self.bound_to(format, id, purpose, place);
        let cipher = Cipher::new(&derived.key, &prefix);
        for (number, part) in (0u64..).zip(core::iter::once(&head).chain(parts)) {
            let start = envelope.len();
            envelope.extend_from_slice(part);
            let (_, text) = envelope.split_at_mut(start);
            let tag = cipher.seal(number, &associated_data(&bound_to, number), text);
            envelope.extend_from_slice(&tag);
        }
        Ok(envelope)
    }

    /// Opens the head of an envelope that was sealed for this purpose, place and project.
    ///
    /// Errors: [`Code::FormatTooNew`], [`Code::KeyUnavailable`] when the key id is not in the ring,
    /// [`Code::KeyMismatch`] when it is but the key is another, [`Code::StorageCorrupt`] for everything else. The
    /// message names the purpose.
    pub fn open_head(&self, purpose: Purpose, place: &[&[u8]], mut envelope: Vec<u8>) -> Result<Opened> {
        let corrupt = || corrupt(purpose);
        let (&format, rest) = envelope.split_first().ok_or_else(corrupt)?;
        let format = Format::of(format, purpose)?;
        let (&id_length, rest) = rest.split_first().ok_or_else(corrupt)?;
        let (id, rest) = rest.split_at_checked(usize::from(id_length)).ok_or_else(corrupt)?;
        let (commitment, rest) = rest.split_first_chunk::<COMMITMENT_BYTES>().ok_or_else(corrupt)?;
        let (prefix, rest) = rest.split_first_chunk::<PREFIX_BYTES>().ok_or_else(corrupt)?;
        let (&head_length, rest) = rest.split_first_chunk::<4>().ok_or_else(corrupt)?;
        let head_length = usize::try_from(u32::from_le_bytes(head_length)).map_err(|_| corrupt())?;
        let sealed_length = head_length.checked_add(TAG_BYTES).ok_or_else(corrupt)?;
        let (head, parts) = rest.split_at_checked(sealed_length).ok_or_else(corrupt)?;
        let position = self.keyring.keys.iter().position(|known| known.id.as_bytes() == id).ok_or_else(|| {
            error(Code::KeyUnavailable, purpose, "was sealed with a key that is not in strongroom_keys")
        })?;
        let derived = self.derived(position, format, purpose)?;
        if !bool::from(derived.commitment.ct_eq(commitment)) {
            return Err(error(Code::KeyMismatch, purpose, "was sealed with another key of the same id"));
        }
        let bound_to = self.bound_to(format, id, purpose, place);
        let cipher = Cipher::new(&derived.key, prefix);
        let head = open(&cipher, &bound_to, head, 0).ok_or_else(corrupt)?;
        // The same allocation goes on as the parts: they are most of it.
        let parts_start = envelope.len() - parts.len();
        envelope.drain(..parts_start);
        let is_current = position == 0 && format == Format::CURRENT;
        Ok(Opened { format, purpose, is_current, head, cipher, bound_to, parts: envelope })
    }

    /// Whether an envelope says that it is sealed as it would be now; it is not opened.
    pub fn is_current(&self, envelope: &[u8]) -> bool {
        let first = self.keyring.keys.first().map(|key| key.id.as_str());
        envelope.first() == Some(&Format::CURRENT.number()) && key_id(envelope) == first
    }

    fn bound_to(&self, format: Format, key_id: &[u8], purpose: Purpose, place: &[&[u8]]) -> Vec<u8> {
        let number = [format.number()];
        let mut list: Vec<&[u8]> =
            Vec::from([&number[..], key_id, self.project.as_str().as_bytes(), purpose.name().as_bytes()]);
        list.extend_from_slice(place);
        length_prefixed(&list)
    }
}

/// The id of the master key that an envelope says it was sealed with; it stands in clear. `None` for what is no envelope.
pub fn key_id(envelope: &[u8]) -> Option<&str> {
    let (_, rest) = envelope.split_first()?;
    let (&length, rest) = rest.split_first()?;
    core::str::from_utf8(rest.get(..usize::from(length))?).ok()
}

fn associated_data(bound_to: &[u8], number: u64) -> Vec<u8> {
    let number = number.to_le_bytes();
    [bound_to, &length_prefix(&number), &number].concat()
}

/// `None` when the tag does not fit.
fn open(cipher: &Cipher, bound_to: &[u8], sealed: &[u8], number: u64) -> Option<SecretBytes> {
    let (ciphertext, tag) = sealed.split_last_chunk::<TAG_BYTES>()?;
    #[cfg(test)]
    decrypted::add(ciphertext.len());
    let mut plaintext = Zeroizing::new(ciphertext.to_vec());
    if !cipher.open(number, &associated_data(bound_to, number), &mut plaintext, tag) {
        return None;
    }
    Some(SecretBytes::new(core::mem::take(&mut *plaintext)))
}

/// How many bytes this thread decrypts, for the test of what actions cost.
#[cfg(test)]
pub mod decrypted {
    use core::cell::Cell;

    std::thread_local! {
        static BYTES: Cell<u64> = const { Cell::new(0) };
    }

    pub fn add(bytes: usize) {
        BYTES.set(BYTES.get() + bytes as u64);
    }

    /// So many since this was asked last.
    pub fn take() -> u64 {
        BYTES.take()
    }
}
