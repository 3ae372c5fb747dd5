//! The component in `stranger/`, built.

use crate::world;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Builds it, in seconds; the path of its file.
pub fn build() -> PathBuf {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--locked", "--profile", "component", "--target", "wasm32-wasip2"]);
    cargo.args(["--package", "stranger"]).current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
    // Into the folder in which it is looked for.
    let status = cargo.env_remove("CARGO_TARGET_DIR").status().unwrap();
    assert!(status.success());
    world::target().join("wasm32-wasip2/component/stranger.wasm")
}
