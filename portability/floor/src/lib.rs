//! Answers `/hello` with a constant, and `/get/KEY` with what the store has: what a host can do at best for a component that
//! reads nothing, or one record. Of the vault it has the names alone, as its host looks for these.

#![no_std]
extern crate alloc;

#[path = "../../../src/component/runtime.rs"]
mod runtime;

mod face;

use alloc::vec::Vec;
use face::bindings::wasi::keyvalue::store;

fn answer(path: &str) -> Vec<u8> {
    let Some(key) = path.strip_prefix("/get/") else { return b"hello".into() };
    let found = store::open("default").and_then(|bucket| bucket.get(key));
    found.ok().flatten().unwrap_or_default()
}
