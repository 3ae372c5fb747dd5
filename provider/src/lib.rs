//! A key-value store and settings in a directory, for hosts that have files but no key-value store that lasts, such as the
//! stock `wasmtime` program. Composed with the vault it is `strongroom-standalone.wasm`.
//!
//! ```text
//! settings/<name>                              one file for each setting; written by people
//! keyvalue.v1/<bucket>/records/<key>           what `set` wrote
//! keyvalue.v1/<bucket>/cells/<key>/<version>   what `swap` and `increment` wrote, newest version last
//! keyvalue.v1/<bucket>/new/<random>            what is being written, or what a process left that died at it
//! ```
//!
//! There are no locks: any number of processes can use the directory, and each can die at any point. [`bucket`] says how.

#![cfg_attr(target_arch = "wasm32", no_std)]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::unreachable)
)]

extern crate alloc;

pub mod bucket;
pub mod files;
mod name;
pub mod settings;

#[cfg(target_arch = "wasm32")]
mod component;
#[cfg(test)]
mod tests;
