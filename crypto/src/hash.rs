//! Hashes and what is made of them.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Digest;
use zeroize::Zeroizing;

/// SHA-256 (RFC 6234) of what comes in pieces.
#[derive(Clone, Default)]
pub struct Sha256(sha2::Sha256);

impl Sha256 {
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub fn finalize(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

/// SHA-256 (RFC 6234).
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    sha2::Sha256::digest(bytes).into()
}

/// HMAC-SHA-256 (RFC 2104) of what comes in pieces.
pub struct HmacSha256(Hmac<sha2::Sha256>);

impl HmacSha256 {
    pub fn new(key: &[u8; 32]) -> Self {
        Self(Hmac::new_from_slice(key).unwrap_or_else(|_| unreachable!("HMAC takes keys of any length")))
    }

    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub fn finalize(self) -> [u8; 32] {
        self.0.finalize().into_bytes().into()
    }
}

/// HKDF-SHA-256 (RFC 5869) after its extraction without salt, from which keys are expanded.
#[derive(Clone)]
pub struct HkdfSha256(hkdf::Hkdf<sha2::Sha256>);

impl HkdfSha256 {
    pub fn extract(key: &[u8; 32]) -> Self {
        Self(hkdf::Hkdf::new(None, key))
    }

    /// 64 bytes bound to `info`.
    pub fn expand(&self, info: &[u8]) -> Zeroizing<[u8; 64]> {
        let mut okm = Zeroizing::new([0; 64]);
        // It fails above 255 hashes only; 64 bytes are two.
        let _ = self.0.expand(info, okm.as_mut_slice());
        okm
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unhex<const N: usize>(text: &str) -> [u8; N] {
        core::array::from_fn(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap())
    }

    #[test]
    fn hashes_are_those_of_the_standards() {
        // RFC 6234 8.5, "abc".
        let abc = unhex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        let mut pieces = Sha256::default();
        pieces.update(b"a");
        pieces.update(b"bc");
        assert_eq!((sha256(b"abc"), pieces.finalize()), (abc, abc));
    }

    #[test]
    fn pieces_and_the_whole_have_one_hmac() {
        // RFC 4231 4.2, test case 1, with its key padded to the size that ours have: HMAC pads with zeros.
        let mut key = [0; 32];
        key[..20].fill(0x0b);
        let expected = unhex("b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
        assert_eq!(hmac(&key, &[b"Hi There"]), expected);
        assert_eq!(hmac(&key, &[b"Hi", b" There"]), expected);
    }

    fn hmac(key: &[u8; 32], pieces: &[&[u8]]) -> [u8; 32] {
        let mut mac = HmacSha256::new(key);
        pieces.iter().for_each(|piece| mac.update(piece));
        mac.finalize()
    }

    #[test]
    fn keys_are_derived_as_the_standard_says() {
        // RFC 5869: PRK = HMAC(32 zeros, key), T(1) = HMAC(PRK, info | 1), T(2) = HMAC(PRK, T(1) | info | 2).
        let prk = hmac(&[0; 32], &[&[3; 32]]);
        let first = hmac(&prk, &[b"info\x01"]);
        let second = hmac(&prk, &[&first, b"info\x02"]);
        let okm = HkdfSha256::extract(&[3; 32]).expand(b"info");
        assert!(okm[..32] == first[..] && okm[32..] == second[..]);
    }
}
