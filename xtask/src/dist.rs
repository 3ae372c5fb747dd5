//! What is released, in one folder.

use crate::run::{Command, root, step};
use crate::{build_host, component};
use anyhow::{Context, Result};
use std::fs;

pub fn run() -> Result<()> {
    let folder = root().join("target/dist");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    component::package(&folder)?;
    build_host()?;
    let version = Command::new("rustc").arg("-vV").output()?;
    let system = version.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc names no system")?;
    let program = format!("strongroom{}", std::env::consts::EXE_SUFFIX);
    fs::copy(root().join("target/release").join(&program), folder.join(&program))?;
    for file in ["wkg.toml", "LICENSE-APACHE", "LICENSE-MIT"] {
        fs::copy(root().join(file), folder.join(file))?;
    }
    step("bills of materials and checksums");
    Command::cargo(["run", "--quiet", "--release", "--package", "strongroom-packaging", "--", "bills"])
        .arg(root())
        .arg(&folder)
        .arg(system)
        .run()
}
