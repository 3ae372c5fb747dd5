//! Everything CI runs, in the order in which mistakes are cheapest.

use crate::component::{self, WORLDS};
use crate::deny;
use crate::run::{Command, step};
use anyhow::Result;
use std::time::Instant;

/// The packages that are built with Wasmtime. Always named together: Cargo unites the features of the packages it
/// builds, and another set of features would compile Wasmtime once more.
pub const HOST_PACKAGES: [&str; 6] =
    ["--package", "strongroom-host", "--package", "strongroom-host-tests", "--package", "embedding"];

/// The packages that are built without Wasmtime, the core first.
const CORE_PACKAGES: [&str; 12] = [
    "--package",
    "strongroom",
    "--package",
    "strongroom-crypto",
    "--package",
    "strongroom-simulator",
    "--package",
    "strongroom-packaging",
    "--package",
    "strongroom-provider",
    "--package",
    "xtask",
];

/// Filling logins in a browser: neither Wasmtime nor the core. Built by itself until the host is.
const LOGIN_PACKAGES: [&str; 2] = ["--package", "strongroom-login"];

/// The components under the programs of others: without Wasmtime, but they start the program.
const PORTABILITY_PACKAGES: [&str; 2] = ["--package", "strongroom-portability"];

pub fn run() -> Result<()> {
    let start = Instant::now();
    timed("format", || Command::cargo(["fmt", "--all", "--check"]).run())?;
    timed("dependencies", deny::run)?;
    timed("component: build of every world", || {
        component::package(&component::packages())?;
        component::report()
    })?;
    timed("component: clippy for every world", || {
        WORLDS.iter().try_for_each(|world| {
            let clippy = Command::cargo(["clippy", "--quiet", "--profile", "component"]).args(world.arguments());
            clippy.args(["--", "-D", "warnings"]).run()
        })?;
        [&component::PROVIDER[..], &component::EXAMPLE, &component::FLOOR].into_iter().try_for_each(|package| {
            let clippy = Command::cargo(["clippy", "--quiet", "--profile", "component"]).args(package);
            clippy.args(["--", "-D", "warnings"]).run()
        })
    })?;
    timed("core: clippy and tests", || {
        let clippy = Command::cargo(["clippy", "--quiet", "--release", "--all-targets"]).args(CORE_PACKAGES);
        clippy.args(["--", "-D", "warnings"]).run()?;
        Command::cargo(["test", "--quiet", "--release", "--package", "strongroom"]).run()
    })?;
    timed("simulator and provider: tests", || {
        // By itself, because it builds the core with the switches that break the commit protocol on purpose.
        Command::cargo(["test", "--quiet", "--release"]).args(&CORE_PACKAGES[2..]).run()
    })?;
    timed("login: clippy and tests", || {
        let clippy = Command::cargo(["clippy", "--quiet", "--release", "--all-targets"]).args(LOGIN_PACKAGES);
        clippy.args(["--", "-D", "warnings"]).run()?;
        Command::cargo(["test", "--quiet", "--release"]).args(LOGIN_PACKAGES).run()
    })?;
    timed("host: clippy", || {
        let clippy = Command::cargo(["clippy", "--quiet", "--release", "--all-targets"]).args(HOST_PACKAGES);
        clippy.args(["--", "-D", "warnings"]).run()
    })?;
    timed("host: build and tests (8 minutes more when Wasmtime is not built yet)", || {
        // The tests start the binary, which a test build alone would not bring up to date.
        Command::cargo(["build", "--quiet", "--release"]).args(HOST_PACKAGES).run()?;
        // All of it, so that one run tells all that is wrong.
        Command::cargo(["test", "--quiet", "--release", "--no-fail-fast"]).args(HOST_PACKAGES).run()
    })?;
    timed("hosts of others: clippy and tests", || {
        let clippy = Command::cargo(["clippy", "--quiet", "--release", "--all-targets"]).args(PORTABILITY_PACKAGES);
        clippy.args(["--", "-D", "warnings"]).run()?;
        Command::cargo(["test", "--quiet", "--release"]).args(PORTABILITY_PACKAGES).run()
    })?;
    timed("documentation", || {
        let doc = |packages: &[&str]| {
            let doc = Command::cargo(["doc", "--quiet", "--release", "--no-deps", "--document-private-items"]);
            // Private items are documented too, so public ones may link to them.
            doc.args(packages).env("RUSTDOCFLAGS", "-D warnings -A rustdoc::private-intra-doc-links").run()
        };
        doc(&CORE_PACKAGES)?;
        doc(&LOGIN_PACKAGES)?;
        doc(&HOST_PACKAGES)
    })?;
    step(&format!("all passed in {} s", start.elapsed().as_secs()));
    Ok(())
}

fn timed(headline: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
    step(headline);
    let start = Instant::now();
    work()?;
    step(&format!("{headline}: {} s", start.elapsed().as_secs()));
    Ok(())
}
