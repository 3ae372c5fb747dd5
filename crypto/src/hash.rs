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
        Self(keyed(key))
    }

    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub fn finalize(self) -> [u8; 32] {
        self.0.finalize().into_bytes().into()
    }
}

/// HMAC-SHA-1 (RFC 2104) under a key of any length.
pub fn hmac_sha1(key: &[u8], message: &[u8]) -> Zeroizing<[u8; 20]> {
    Zeroizing::new(keyed::<Hmac<sha1::Sha1>>(key).chain_update(message).finalize().into_bytes().into())
}

/// HMAC-SHA-256 under a key of any length.
pub fn hmac_sha256(key: &[u8], message: &[u8]) -> Zeroizing<[u8; 32]> {
    Zeroizing::new(keyed::<Hmac<sha2::Sha256>>(key).chain_update(message).finalize().into_bytes().into())
}

/// HMAC-SHA-512 under a key of any length.
pub fn hmac_sha512(key: &[u8], message: &[u8]) -> Zeroizing<[u8; 64]> {
    Zeroizing::new(keyed::<Hmac<sha2::Sha512>>(key).chain_update(message).finalize().into_bytes().into())
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

fn keyed<M: KeyInit + Mac>(key: &[u8]) -> M {
    <M as KeyInit>::new_from_slice(key).unwrap_or_else(|_| unreachable!("HMAC takes keys of any length"))
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
        // RFC 2202 3 and RFC 4231 4.3, test case 2.
        let (key, message) = (&b"Jefe"[..], &b"what do ya want for nothing?"[..]);
        assert_eq!(*hmac_sha1(key, message), unhex("effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"));
        let hash = unhex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        assert_eq!(*hmac_sha256(key, message), hash);
        let hash = unhex(
            "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
        );
        assert_eq!(*hmac_sha512(key, message), hash);
    }

    #[test]
    fn pieces_and_the_whole_have_one_hmac() {
        let mut pieces = HmacSha256::new(&[7; 32]);
        pieces.update(b"one");
        pieces.update(b"two");
        assert_eq!(pieces.finalize(), *hmac_sha256(&[7; 32], b"onetwo"));
    }

    #[test]
    fn keys_are_derived_as_the_standard_says() {
        // RFC 5869: PRK = HMAC(32 zeros, key), T(1) = HMAC(PRK, info | 1), T(2) = HMAC(PRK, T(1) | info | 2).
        let prk = hmac_sha256(&[0; 32], &[3; 32]);
        let first = hmac_sha256(prk.as_slice(), b"info\x01");
        let second: [u8; 37] = core::array::from_fn(|at| *first.iter().chain(b"info\x02").nth(at).unwrap());
        let second = hmac_sha256(prk.as_slice(), &second);
        let okm = HkdfSha256::extract(&[3; 32]).expand(b"info");
        assert!(okm[..32] == first[..] && okm[32..] == second[..]);
    }
}
