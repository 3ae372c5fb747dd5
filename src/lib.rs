#![no_std]
// A panic in the component is a bare 500: what can't happen is an error all the same. Tests may (clippy.toml).
#![deny(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

extern crate alloc;
// Natively the allocator and the panic handler come from std; the code itself does not use it.
#[cfg(not(target_arch = "wasm32"))]
extern crate std;

pub mod access;
pub mod actions;
pub mod catalog;
mod codec;
pub mod credential;
pub mod error;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
#[cfg(feature = "edge")]
pub mod http;
pub mod json;
#[cfg(any(not(target_arch = "wasm32"), feature = "kernels"))]
pub mod kernels;
pub mod manage;
pub mod origin;
pub mod platform;
pub mod seal;
pub mod secret;
pub mod settings;
pub mod store;
pub mod time;
#[cfg(feature = "edge")]
pub mod tool;
pub mod totp;

#[cfg(target_arch = "wasm32")]
mod component;
