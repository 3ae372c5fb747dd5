//! Answers every request with the same, and imports nothing but HTTP: for any host.

#![no_std]
extern crate alloc;

#[path = "../../../src/component/runtime.rs"]
mod runtime;

#[path = "../src/face.rs"]
mod face;

use alloc::vec::Vec;

fn answer(_: &str) -> Vec<u8> {
    b"hello".into()
}
