//! The ciphers and hashes of Strongroom, ready to be called.
//!
//! Nothing here is generic: generic code is compiled where it is used, once for each user and by that one's settings.

#![no_std]
// As in the component: what can't happen is no panic.
#![deny(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod chacha20;
mod hash;
mod xchacha20poly1305;

pub use hash::{HkdfSha256, HmacSha256, Sha256, sha256};
pub use xchacha20poly1305::{Cipher, KEY_BYTES, PREFIX_BYTES, TAG_BYTES};
