//! Programs of others in Python and JavaScript, to test against: their packages are installed on demand from the
//! registries into `target/clients`, each in the version that is asked for.

use crate::skip::found;
use crate::world::target;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A Python interpreter that has these packages, such as `pyotp==2.9.0`.
///
/// `None` where there is no Python or no registry: then one line says that `test` is skipped, and why. With `CI=true`
/// it fails instead.
pub fn python(test: &str, packages: &[&str]) -> Option<Command> {
    found(test, try_python(packages))
}

/// Node.js, in a folder from where it finds these packages, such as `otpauth@9.5.2`.
///
/// `None` as with [`python`].
pub fn node(test: &str, packages: &[&str]) -> Option<Command> {
    found(test, try_node(packages))
}

/// Whether a program of Debian's is there; `false` as with [`python`].
pub fn program(test: &str, name: &str) -> bool {
    let asked = Command::new(name).arg("--version").output();
    found(test, asked.map_err(|error| format!("{name} cannot be run: {error}"))).is_some()
}

fn try_python(packages: &[&str]) -> Result<Command, String> {
    let folder = Folder::lock("python")?;
    let interpreter = folder.path.join("bin/python");
    if !interpreter.exists() {
        run(Command::new("python3").args(["-m", "venv"]).arg(&folder.path), "python3 -m venv")?;
    }
    folder.install(packages, |missing| {
        let mut pip = Command::new(&interpreter);
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(missing);
        run(&mut pip, "pip install")
    })?;
    let mut command = Command::new(interpreter);
    // Neither the packages nor the time zone of whoever runs the tests.
    command.env_remove("PYTHONPATH").env("TZ", "UTC");
    Ok(command)
}

fn try_node(packages: &[&str]) -> Result<Command, String> {
    let folder = Folder::lock("node")?;
    folder.install(packages, |missing| {
        let mut npm = Command::new("npm");
        npm.args(["install", "--silent", "--save-exact", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"]);
        run(npm.arg(&folder.path).args(missing), "npm install")
    })?;
    let mut command = Command::new("node");
    command.current_dir(&folder.path).env("TZ", "UTC");
    Ok(command)
}

/// Runs to the end; the error is one line.
fn run(command: &mut Command, what: &str) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{what} cannot be run: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    Err(format!("{what} failed: {}", stderr.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default()))
}

/// A folder of packages. While it exists no other process or thread changes the folder.
struct Folder {
    path: PathBuf,
    /// Unlocks when it is dropped.
    _lock: File,
}

impl Folder {
    fn lock(name: &str) -> Result<Self, String> {
        let clients = target().join("clients");
        let open = |path: &Path| {
            fs::create_dir_all(path.join(name))?;
            let file = File::create(path.join(format!("{name}.lock")))?;
            file.lock()?;
            Ok(file)
        };
        let lock = open(&clients).map_err(|error: std::io::Error| format!("target/clients cannot be used: {error}"))?;
        Ok(Self { path: clients.join(name), _lock: lock })
    }

    /// Has those packages installed that are not there yet.
    fn install(&self, packages: &[&str], install: impl FnOnce(&[&str]) -> Result<(), String>) -> Result<(), String> {
        // A file of its name for each that is there; names of npm's packages can have a slash.
        let marker = |package: &str| self.path.join(format!("{}.installed", package.replace('/', "+")));
        let missing: Vec<&str> = packages.iter().copied().filter(|package| !marker(package).exists()).collect();
        if missing.is_empty() {
            return Ok(());
        }
        install(&missing)?;
        missing.iter().try_for_each(|package| fs::write(marker(package), "")).map_err(|error| error.to_string())
    }
}
