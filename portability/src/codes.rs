//! The component in examples/component, built and composed as its users do it.

use crate::hosts::examples;
use crate::{component, world};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use strongroom_packaging::compose::plug;

/// What builds it, as the manifest of the Spin app has it.
pub const BUILD: &str = "cargo build --profile component --target wasm32-wasip2 --package codes";

/// Builds it, and the one that asks for more: `codes.wasm` and `examples/greedy.wasm` in the folder that is returned.
pub fn build() -> PathBuf {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(BUILD.split(' ').skip(1)).args(["--quiet", "--locked", "--lib", "--examples"]);
    cargo.current_dir(examples().join(".."));
    // Into the folder in which it is looked for.
    let status = cargo.env_remove("CARGO_TARGET_DIR").status().unwrap();
    assert!(status.success());
    world::target().join("wasm32-wasip2/component")
}

/// Composes a component with a vault of this kind, `agent` or `vault`, and that with the provider if it shall have one.
/// Writes it into the folder.
pub fn compose(user: &Path, kind: &str, with_provider: bool, folder: &Path) -> PathBuf {
    let mut vault = fs::read(component(&format!("strongroom-{kind}.wasm"))).unwrap();
    if with_provider {
        vault = plug(vault, fs::read(component("strongroom-provider.wasm")).unwrap()).unwrap();
    }
    let composed = plug(fs::read(user).unwrap(), vault).unwrap();
    let name = user.file_stem().unwrap().to_str().unwrap();
    let path = folder.join(format!("{name}-with-{kind}.wasm"));
    fs::write(&path, composed).unwrap();
    path
}
