//! A real Chromium, sites of ours under `*.test` over https, and a credential with canaries.
#![allow(dead_code, reason = "each test file uses a part of it")]

pub mod chromium;
#[path = "../../../host-tests/src/clients.rs"]
pub mod clients;
pub mod credential;
pub mod driver;
pub mod pages;
pub mod program;
pub mod proxy;
pub mod site;
#[path = "../../../host-tests/src/skip.rs"]
mod skip;
pub mod table;

use std::path::PathBuf;

/// The target folder of the workspace.
pub fn target() -> PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../target").canonicalize().unwrap()
}
