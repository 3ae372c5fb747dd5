//! Running other programs from the root of the repository.

use anyhow::{Context, Result, ensure};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process;

/// The root of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// Says what happens next.
pub fn step(headline: &str) {
    eprintln!("==> {headline}");
}

/// A program to run from the root of the repository.
pub struct Command(process::Command);

impl Command {
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        let mut command = process::Command::new(program);
        command.current_dir(root());
        Self(command)
    }

    /// The cargo that runs this.
    pub fn cargo(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        let mut cargo = Self::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        // What Cargo told this program about its own package: to build scripts that look at it, everything would be another
        // build than without this program, and the half of the host that rests on `ring` be compiled again.
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")) {
                cargo.0.env_remove(name);
            }
        }
        let mut arguments = arguments.into_iter().peekable();
        // What was tested is what is built: versions change only where somebody changes them.
        let is_build = arguments.peek().is_some_and(|subcommand| subcommand.as_ref() != "fmt");
        let subcommand = arguments.next();
        cargo.args(subcommand).args(is_build.then_some("--locked")).args(arguments)
    }

    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.0.arg(argument);
        self
    }

    pub fn args(mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.0.args(arguments);
        self
    }

    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.0.env(name, value);
        self
    }

    /// Fails unless the program succeeds.
    pub fn run(mut self) -> Result<()> {
        let status = self.0.status().with_context(|| format!("{:?} cannot be run", self.0.get_program()))?;
        ensure!(status.success(), "failed: {}", self.line());
        Ok(())
    }

    /// What the program prints. Fails unless it succeeds.
    pub fn output(mut self) -> Result<String> {
        let output = self.0.output().with_context(|| format!("{:?} cannot be run", self.0.get_program()))?;
        ensure!(output.status.success(), "failed: {}", self.line());
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Becomes the program; comes back only on failure.
    pub fn replace(mut self) -> Result<()> {
        #[cfg(unix)]
        {
            let error = std::os::unix::process::CommandExt::exec(&mut self.0);
            Err(error).with_context(|| format!("{:?} cannot be run", self.0.get_program()))
        }
        #[cfg(not(unix))]
        self.run()
    }

    fn line(&self) -> String {
        let words = std::iter::once(self.0.get_program()).chain(self.0.get_args());
        words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
    }
}

/// Adds the wasm target to the toolchain if it lacks it.
pub fn ensure_wasm_target() -> Result<()> {
    const TARGET: &str = "wasm32-wasip2";
    let sysroot = Command::new("rustc").args(["--print", "sysroot"]).output()?;
    if PathBuf::from(sysroot.trim()).join("lib/rustlib").join(TARGET).exists() {
        return Ok(());
    }
    step("adding the target wasm32-wasip2 to the Rust toolchain (once, about 20 MB)");
    Command::new("rustup").args(["target", "add", TARGET]).run()
}
