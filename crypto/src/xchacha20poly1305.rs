//! XChaCha20-Poly1305 (RFC 8439, 2.8; draft-irtf-cfrg-xchacha), for several messages under one beginning of the nonce.

use crate::chacha20::{BLOCK_BYTES, LANES, Stream, hchacha20, stream};
use poly1305::Poly1305;
use poly1305::universal_hash::{KeyInit, UniversalHash};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

pub const KEY_BYTES: usize = 32;
pub const TAG_BYTES: usize = 16;
/// What the nonces of one [`Cipher`] have in common. The other 8 bytes of a nonce are a number, little-endian.
pub const PREFIX_BYTES: usize = 16;

/// A key and the first [`PREFIX_BYTES`] of the nonces it is used with, of which the cipher's own key is made once.
/// **No two messages may be sealed under one number.**
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Cipher {
    key: [u32; 8],
}

impl Cipher {
    pub fn new(key: &[u8; KEY_BYTES], prefix: &[u8; PREFIX_BYTES]) -> Self {
        Self { key: hchacha20(key, prefix) }
    }

    /// Seals a text in its place and returns its tag. Texts are below 256 GiB.
    pub fn seal(&self, number: u64, associated: &[u8], text: &mut [u8]) -> [u8; TAG_BYTES] {
        let mut message = Message::new(&self.key, number);
        message.apply(text);
        message.tag(associated, text)
    }

    /// Opens a text in its place; false, and the text as it was, when the tag does not fit.
    #[must_use]
    pub fn open(&self, number: u64, associated: &[u8], text: &mut [u8], tag: &[u8; TAG_BYTES]) -> bool {
        let mut message = Message::new(&self.key, number);
        let fits = bool::from(message.tag(associated, text).ct_eq(tag));
        if fits {
            message.apply(text);
        }
        fits
    }
}

/// One message under way.
struct Message<'k> {
    key: &'k [u32; 8],
    nonce: u64,
    /// The beginning of the key stream is the key of the authenticator; the text's begins with the second block.
    mac_key: Zeroizing<[u8; KEY_BYTES]>,
    stream: Zeroizing<Stream>,
}

impl<'k> Message<'k> {
    fn new(key: &'k [u32; 8], nonce: u64) -> Self {
        let mut first = Zeroizing::new([0; LANES * BLOCK_BYTES]);
        stream(key, nonce, 0, &mut first);
        let mac_key = Zeroizing::new(first.first_chunk().copied().unwrap_or_default());
        Self { key, nonce, mac_key, stream: first }
    }

    /// Applies the key stream to the text, once.
    fn apply(&mut self, text: &mut [u8]) {
        let (_, first) = self.stream.split_at(BLOCK_BYTES);
        let (beginning, rest) = text.split_at_mut(first.len().min(text.len()));
        xor(beginning, first);
        for (turn, blocks) in (1u32..).zip(rest.chunks_mut(LANES * BLOCK_BYTES)) {
            stream(self.key, self.nonce, turn.wrapping_mul(LANES as u32), &mut self.stream);
            xor(blocks, self.stream.as_slice());
        }
    }

    /// The tag of the sealed text.
    fn tag(&self, associated: &[u8], sealed: &[u8]) -> [u8; TAG_BYTES] {
        let mut mac = Poly1305::new(&(*self.mac_key).into());
        mac.update_padded(associated);
        mac.update_padded(sealed);
        let lengths = (sealed.len() as u128) << 64 | associated.len() as u128;
        mac.update(&[lengths.to_le_bytes().into()]);
        mac.finalize().into()
    }
}

fn xor(text: &mut [u8], stream: &[u8]) {
    for (byte, key) in text.iter_mut().zip(stream) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chacha20poly1305::aead::AeadInOut;
    use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};

    /// Bytes that look random.
    fn scattered<const N: usize>(seed: u64) -> [u8; N] {
        core::array::from_fn(|at| {
            (seed.wrapping_mul(31) ^ at as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes()[6]
        })
    }

    #[test]
    fn seals_and_opens_as_the_crate_does_at_every_length() {
        for length in (0..600).chain([1023, 1024, 1025, 4095, 4096, 8191]) {
            let seed = length as u64;
            let (key, prefix) = (scattered::<32>(seed), scattered::<16>(!seed));
            let number = if length % 3 == 0 { seed } else { u64::MAX - seed };
            let (plain, associated) = (scattered::<8192>(seed + 1), scattered::<100>(seed + 2));
            let (plain, associated) = (&plain[..length], &associated[..length % 101]);

            let mut nonce = XNonce::default();
            nonce[..16].copy_from_slice(&prefix);
            nonce[16..].copy_from_slice(&number.to_le_bytes());
            let mut theirs = scattered::<8192>(seed + 1);
            let theirs = &mut theirs[..length];
            let reference = XChaCha20Poly1305::new(&key.into());
            let tag = reference.encrypt_inout_detached(&nonce, associated, (&mut *theirs).into()).unwrap();

            let cipher = Cipher::new(&key, &prefix);
            let mut ours = scattered::<8192>(seed + 1);
            let ours = &mut ours[..length];
            assert!(cipher.seal(number, associated, ours) == <[u8; 16]>::from(tag), "tag at {length}");
            assert!(ours == theirs, "text at {length}");
            assert!(cipher.open(number, associated, ours, &tag.into()) && ours == plain, "opened at {length}");
        }
    }

    #[test]
    fn opens_nothing_else() {
        let cipher = Cipher::new(&[1; 32], &[2; 16]);
        let mut text = *b"a text of more than one block, so that what lies behind the first one counts as well";
        let tag = cipher.seal(7, b"associated", &mut text);
        let sealed = text;
        for bit in 0..8 * TAG_BYTES {
            let mut other = tag;
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(!cipher.open(7, b"associated", &mut text, &other) && text == sealed);
        }
        for bit in 0..8 * text.len() {
            text[bit / 8] ^= 1 << (bit % 8);
            assert!(!cipher.open(7, b"associated", &mut text, &tag));
            text[bit / 8] ^= 1 << (bit % 8);
        }
        assert!(!cipher.open(8, b"associated", &mut text, &tag));
        assert!(!cipher.open(7, b"associate", &mut text, &tag));
        assert!(!Cipher::new(&[1; 32], &[3; 16]).open(7, b"associated", &mut text, &tag));
        assert!(!Cipher::new(&[3; 32], &[2; 16]).open(7, b"associated", &mut text, &tag));
        assert!(text == sealed && cipher.open(7, b"associated", &mut text, &tag) && text.starts_with(b"a text"));
    }
}
