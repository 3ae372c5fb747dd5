//! Puts the component where the binary can embed it: the one that `cargo xtask component` built, or the one named by
//! `STRONGROOM_COMPONENT`. If there is none yet the binary is built without, and says so when it is asked to run.

use std::path::PathBuf;
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-env-changed=STRONGROOM_COMPONENT");
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR"));
    let built = here.join("../target/wasm32-wasip2/release/strongroom.wasm");
    let component = env::var_os("STRONGROOM_COMPONENT").map_or(built, PathBuf::from);
    println!("cargo::rerun-if-changed={}", component.display());
    let copy = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")).join("strongroom.wasm");
    fs::write(copy, fs::read(component).unwrap_or_default()).expect("OUT_DIR can be written");
}
