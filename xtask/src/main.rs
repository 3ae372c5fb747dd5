//! What one does with this repository: `cargo xtask help`.

mod component;
mod deny;
mod dist;
#[cfg(test)]
mod documents;
mod fuzz;
mod public_suffix;
mod run;
mod test;

use anyhow::{Result, bail};
use run::{Command, root, step};
use std::process::ExitCode;

const HELP: &str = "\
cargo xtask <command>

  serve [ARGS]            build component and host, then run `strongroom serve ARGS`
                          (first time about 8 minutes: Wasmtime is compiled; later seconds)
  build                   build component and host; print size and imports of each world
  build --all             the same, and into target/components what is handed out: strongroom.wasm, strongroom-vault.wasm,
                          strongroom-agent.wasm, strongroom-standalone.wasm, strongroom-provider.wasm, and the interface
                          of each as text
  dist                    build what is released into target/dist: the components, their interfaces, the program, bills of
                          materials and checksums
  component               build the component only (1 minute; every world: `build`)
  test                    everything CI runs (about 45 minutes from cold, 30 when built)
  simulate [ARGS]         run the storage simulator, for instance --seeds 100000 or --seed 42
  fuzz [--minutes N] [TARGET...]
                          attack each parser and decoder with libFuzzer, 10 minutes each (needs a nightly compiler and
                          `cargo install cargo-fuzz`); `test` has a short run of the same
  bench [ARGS]            time, bytes and operations by size of vault and node (some minutes)
  bench writes | start | memory | http-sizes [MOST] | ...
                          durable creates beside SQLite's own; instances, compilation and cold start; memory; requests
                          against vaults of 10^2 to 10^6: all of them in `bench help`, a minute to ten each
  bench http [ROW...]     requests per second beside our floors, the stock wasmtime and OpenBao (10 minutes; needs `wrk`); ROW:
                          a part of what is asked, such as 'code'
  public-suffixes FILE SOURCE
                          make the table of public suffixes from a published list; SOURCE: its package and version";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next().unwrap_or_default();
    match dispatch(&command, &arguments.collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // By hand, because the default output adds a back-trace where RUST_BACKTRACE is set.
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(command: &str, arguments: &[String]) -> Result<()> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match (command, words.as_slice()) {
        ("serve", _) => {
            component::build(&component::EDGE)?;
            build_host()?;
            // In the place of this process, so that signals reach the server.
            Command::new(root().join("target/release/strongroom")).arg("serve").args(arguments).replace()
        }
        ("build", []) => {
            component::build_all()?;
            build_host()?;
            component::report()
        }
        ("build", ["--all"]) => {
            component::package(&component::packages())?;
            build_host()
        }
        ("dist", []) => dist::run(),
        ("component", []) => component::build(&component::EDGE),
        ("test", []) => test::run(),
        ("simulate", _) => Command::cargo(["run", "--release", "--quiet", "--package", "strongroom-simulator", "--"])
            .args(arguments)
            .run(),
        ("fuzz", names) => fuzz::run(names),
        ("bench", ["http", rows @ ..]) => {
            component::package(&component::packages())?;
            component::build_floor()?;
            build_host()?;
            Command::cargo([
                "run",
                "--release",
                "--quiet",
                "--package",
                "strongroom-portability",
                "--bin",
                "throughput",
                "--",
            ])
            .args(rows)
            .run()
        }
        ("bench", _) => {
            match words.first() {
                Some(&"wasm") => component::build_kernels()?,
                Some(&"requests") => component::build_floor()?,
                Some(&"start") => {
                    component::build_all()?;
                    component::build_floor()?;
                }
                _ => {}
            }
            component::build(&component::EDGE)?;
            build_host()?;
            Command::new(root().join("target/release/bench")).args(arguments).run()
        }
        ("public-suffixes", [file, source]) => public_suffix::run(file.as_ref(), source, &root().join("src/origin")),
        ("help" | "--help" | "-h", _) => {
            println!("{HELP}");
            Ok(())
        }
        _ => bail!("this is not a command or not its arguments\n\n{HELP}"),
    }
}

fn build_host() -> Result<()> {
    step("building the host (8 minutes when Wasmtime is not built yet, else seconds)");
    Command::cargo(["build", "--release"]).args(test::HOST_PACKAGES).run()
}
