//! Fuzz targets. Each takes any bytes, does with them what strangers and damaged stores can make the vault do, and panics
//! where a promise is broken: nothing panics, what is accepted is accepted again in the form in which it is written, what
//! was read is written as it was, and other implementations agree.
//!
//! Each target lies beside what it attacks. Two things run them: libFuzzer (`fuzz/`, `cargo xtask fuzz`), as long as one
//! likes; and the tests below, with the inputs that are kept in `fuzz/corpus` and a fixed number of mutations of each.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a target panics when it has found something"
)]

use crate::error::{Code, Error};
use crate::platform::Random;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::Cell;
use sha2::{Digest, Sha256};

/// Something to attack.
pub struct Target {
    /// That of its file in `fuzz/targets` and of its folder in `fuzz/corpus`.
    pub name: &'static str,
    pub run: fn(&[u8]),
    /// Inputs that lead far into it, made by the code itself; what people wrote lies in the corpus.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All of them.
pub const TARGETS: [Target; 9] = [
    crate::json::fuzzing::JSON,
    crate::http::fuzzing::REQUEST,
    crate::http::fuzzing::MCP,
    crate::totp::fuzzing::OTPAUTH,
    crate::origin::fuzzing::ORIGIN,
    crate::access::fuzzing::SETTINGS,
    crate::seal::fuzzing::ENVELOPE,
    crate::catalog::fuzzing::RECORDS,
    crate::actions::fuzzing::ENTRIES,
];

/// Runs a target. It must exist.
pub fn run(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("no such target");
    (target.run)(data);
}

/// Part of everything that an error must not repeat.
pub(crate) const CANARY: &str = "canary";

/// What every error promises, whoever caused it.
pub(crate) fn check_error(error: &Error) {
    let message = error.message();
    assert!(!message.is_empty() && message.len() <= 300, "{message}");
    assert!(!message.contains(CANARY), "{message}");
    assert_ne!(error.code(), Code::Internal, "{message}");
}

/// The text of an input, without what is no UTF-8 of it.
pub(crate) fn text(data: &[u8]) -> String {
    String::from_utf8_lossy(data).into_owned()
}

/// The same numbers in every run.
#[derive(Default)]
pub(crate) struct Numbers(Cell<u64>);

impl Numbers {
    /// Passes over this many numbers.
    pub fn skip(&self, count: u64) {
        self.0.set(self.0.get() + count);
    }
}

impl Random for Numbers {
    fn fill(&self, buffer: &mut [u8]) -> crate::error::Result<()> {
        for chunk in buffer.chunks_mut(32) {
            self.0.set(self.0.get() + 1);
            chunk.copy_from_slice(&Sha256::digest(self.0.get().to_be_bytes())[..chunk.len()]);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
