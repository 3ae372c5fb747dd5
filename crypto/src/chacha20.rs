//! ChaCha20 (RFC 8439, 2.3) and HChaCha20 (draft-irtf-cfrg-xchacha, 2.2), four blocks at a time.
//!
//! The cipher's crates have no backend for the vectors of WebAssembly and make one block after the other. Here each of the
//! 16 words of the state is a vector with one lane for each of four blocks, so a round is the same text as for one block,
//! without secret indices or branches. Where there are no such vectors the lanes are an array: tests compare that with the
//! crates natively, and the components that are tested through their hosts open what the native build sealed.

use zeroize::Zeroize;

pub const BLOCK_BYTES: usize = 64;
/// Blocks that are made at a time.
pub const LANES: usize = 4;

/// The key stream of [`LANES`] blocks.
pub type Stream = [u8; LANES * BLOCK_BYTES];

/// "expand 32-byte k"
const CONSTANTS: [u32; 4] = [0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574];

/// Makes the key stream of the blocks from `counter` on, under a nonce whose first 4 bytes are 0.
pub fn stream(key: &[u32; 8], nonce: u64, counter: u32, stream: &mut Stream) {
    let [k0, k1, k2, k3, k4, k5, k6, k7] = *key;
    let [c0, c1, c2, c3] = CONSTANTS;
    let words = [c0, c1, c2, c3, k0, k1, k2, k3, k4, k5, k6, k7, counter, 0, nonce as u32, (nonce >> 32) as u32];
    let mut start = words.map(Lanes::splat);
    let [.., counters, _, _, _] = &mut start;
    *counters = counters.add(Lanes::of([0, 1, 2, 3]));
    let mut state = rounds(start);
    for (word, start) in state.iter_mut().zip(start) {
        *word = word.add(start);
    }
    let (rows, _) = state.as_chunks::<4>();
    for (row, words) in rows.iter().enumerate() {
        for (block, bytes) in stream.as_chunks_mut::<BLOCK_BYTES>().0.iter_mut().zip(transpose(*words)) {
            if let Some(place) = block.as_chunks_mut::<16>().0.get_mut(row) {
                *place = bytes.to_bytes();
            }
        }
    }
}

/// HChaCha20: a key for each nonce of 16 bytes. Only one lane is needed; a second copy of the rounds is not worth its bytes.
pub fn hchacha20(key: &[u8; 32], nonce: &[u8; 16]) -> [u32; 8] {
    let mut words = [0; 16];
    let bytes = key.as_chunks::<4>().0.iter().chain(nonce.as_chunks::<4>().0);
    for (word, bytes) in words.iter_mut().zip(CONSTANTS.into_iter().chain(bytes.map(|word| u32::from_le_bytes(*word))))
    {
        *word = bytes;
    }
    let mut lanes = rounds(words.map(Lanes::splat)).map(Lanes::first);
    let [s0, s1, s2, s3, .., s12, s13, s14, s15] = lanes;
    lanes.zeroize();
    words.zeroize();
    [s0, s1, s2, s3, s12, s13, s14, s15]
}

/// 20 rounds, without the final addition.
fn rounds(state: [Lanes; 16]) -> [Lanes; 16] {
    let [mut a0, mut a1, mut a2, mut a3, mut b0, mut b1, mut b2, mut b3, ..] = state;
    let [.., mut c0, mut c1, mut c2, mut c3, mut d0, mut d1, mut d2, mut d3] = state;
    for _ in 0..10 {
        quarter_round(&mut a0, &mut b0, &mut c0, &mut d0);
        quarter_round(&mut a1, &mut b1, &mut c1, &mut d1);
        quarter_round(&mut a2, &mut b2, &mut c2, &mut d2);
        quarter_round(&mut a3, &mut b3, &mut c3, &mut d3);
        quarter_round(&mut a0, &mut b1, &mut c2, &mut d3);
        quarter_round(&mut a1, &mut b2, &mut c3, &mut d0);
        quarter_round(&mut a2, &mut b3, &mut c0, &mut d1);
        quarter_round(&mut a3, &mut b0, &mut c1, &mut d2);
    }
    [a0, a1, a2, a3, b0, b1, b2, b3, c0, c1, c2, c3, d0, d1, d2, d3]
}

#[inline(always)]
fn quarter_round(a: &mut Lanes, b: &mut Lanes, c: &mut Lanes, d: &mut Lanes) {
    *a = a.add(*b);
    *d = d.xor(*a).rotate_16();
    *c = c.add(*d);
    *b = b.xor(*c).rotate::<12>();
    *a = a.add(*b);
    *d = d.xor(*a).rotate_8();
    *c = c.add(*d);
    *b = b.xor(*c).rotate::<7>();
}

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
use vector::{Lanes, transpose};

/// Vectors of 128 bits.
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod vector {
    use core::arch::wasm32::*;

    #[derive(Clone, Copy)]
    pub struct Lanes(v128);

    impl Lanes {
        #[inline(always)]
        pub fn splat(word: u32) -> Self {
            Self(u32x4_splat(word))
        }

        #[inline(always)]
        pub fn of([a, b, c, d]: [u32; 4]) -> Self {
            Self(u32x4(a, b, c, d))
        }

        #[inline(always)]
        pub fn first(self) -> u32 {
            u32x4_extract_lane::<0>(self.0)
        }

        #[inline(always)]
        pub fn to_bytes(self) -> [u8; 16] {
            let (low, high) = (u64x2_extract_lane::<0>(self.0), u64x2_extract_lane::<1>(self.0));
            (u128::from(high) << 64 | u128::from(low)).to_le_bytes()
        }

        #[inline(always)]
        pub fn add(self, other: Self) -> Self {
            Self(u32x4_add(self.0, other.0))
        }

        #[inline(always)]
        pub fn xor(self, other: Self) -> Self {
            Self(v128_xor(self.0, other.0))
        }

        #[inline(always)]
        pub fn rotate<const BITS: u32>(self) -> Self {
            Self(v128_or(u32x4_shl(self.0, BITS), u32x4_shr(self.0, 32 - BITS)))
        }

        // Whole bytes are moved by one instruction.
        #[inline(always)]
        pub fn rotate_16(self) -> Self {
            Self(u8x16_shuffle::<2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13>(self.0, self.0))
        }

        #[inline(always)]
        pub fn rotate_8(self) -> Self {
            Self(u8x16_shuffle::<3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13, 14>(self.0, self.0))
        }
    }

    /// Of four words in four lanes, the four words of each lane.
    #[inline(always)]
    pub fn transpose([a, b, c, d]: [Lanes; 4]) -> [Lanes; 4] {
        let (ab_low, ab_high) = (u32x4_shuffle::<0, 4, 1, 5>(a.0, b.0), u32x4_shuffle::<2, 6, 3, 7>(a.0, b.0));
        let (cd_low, cd_high) = (u32x4_shuffle::<0, 4, 1, 5>(c.0, d.0), u32x4_shuffle::<2, 6, 3, 7>(c.0, d.0));
        [
            Lanes(u64x2_shuffle::<0, 2>(ab_low, cd_low)),
            Lanes(u64x2_shuffle::<1, 3>(ab_low, cd_low)),
            Lanes(u64x2_shuffle::<0, 2>(ab_high, cd_high)),
            Lanes(u64x2_shuffle::<1, 3>(ab_high, cd_high)),
        ]
    }
}

#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
use array::{Lanes, transpose};

/// The same by arrays.
#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
mod array {
    #[derive(Clone, Copy)]
    pub struct Lanes([u32; 4]);

    impl Lanes {
        #[inline(always)]
        pub fn splat(word: u32) -> Self {
            Self([word; 4])
        }

        #[inline(always)]
        pub fn of(words: [u32; 4]) -> Self {
            Self(words)
        }

        #[inline(always)]
        pub fn first(self) -> u32 {
            let [first, ..] = self.0;
            first
        }

        #[inline(always)]
        pub fn to_bytes(self) -> [u8; 16] {
            let [a, b, c, d] = self.0.map(u128::from);
            (d << 96 | c << 64 | b << 32 | a).to_le_bytes()
        }

        #[inline(always)]
        pub fn add(self, other: Self) -> Self {
            self.with(other, u32::wrapping_add)
        }

        #[inline(always)]
        pub fn xor(self, other: Self) -> Self {
            self.with(other, |a, b| a ^ b)
        }

        #[inline(always)]
        pub fn rotate<const BITS: u32>(self) -> Self {
            Self(self.0.map(|word| word.rotate_left(BITS)))
        }

        #[inline(always)]
        pub fn rotate_16(self) -> Self {
            self.rotate::<16>()
        }

        #[inline(always)]
        pub fn rotate_8(self) -> Self {
            self.rotate::<8>()
        }

        #[inline(always)]
        fn with(self, other: Self, of: fn(u32, u32) -> u32) -> Self {
            let ([a, b, c, d], [e, f, g, h]) = (self.0, other.0);
            Self([of(a, e), of(b, f), of(c, g), of(d, h)])
        }
    }

    #[inline(always)]
    pub fn transpose([a, b, c, d]: [Lanes; 4]) -> [Lanes; 4] {
        let ([a0, a1, a2, a3], [b0, b1, b2, b3]) = (a.0, b.0);
        let ([c0, c1, c2, c3], [d0, d1, d2, d3]) = (c.0, d.0);
        [Lanes([a0, b0, c0, d0]), Lanes([a1, b1, c1, d1]), Lanes([a2, b2, c2, d2]), Lanes([a3, b3, c3, d3])]
    }
}
