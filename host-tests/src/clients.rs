//! Programs of others in Python and JavaScript, to test against: their packages are installed on demand from the
//! registries into `target/clients`, each in the version that is asked for and each list of
//! them in a folder of its own.

use super::skip::found;
use crate::world::target;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
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
    let folder = Folder::lock("python", packages)?;
    let interpreter = folder.path.join("bin/python");
    folder.provide(|| {
        run(Command::new("python3").args(["-m", "venv"]).arg(&folder.path), "python3 -m venv")?;
        if packages.is_empty() {
            return Ok(());
        }
        let mut pip = Command::new(&interpreter);
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(packages);
        run(&mut pip, "pip install")
    })?;
    let mut command = Command::new(interpreter);
    // Neither the packages nor the time zone of whoever runs the tests.
    command.env_remove("PYTHONPATH").env("TZ", "UTC");
    Ok(command)
}

fn try_node(packages: &[&str]) -> Result<Command, String> {
    let folder = Folder::lock("node", packages)?;
    folder.provide(|| {
        let mut npm = Command::new("npm");
        npm.args(["install", "--silent", "--save-exact", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"]);
        run(npm.arg(&folder.path).args(packages), "npm install")
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

/// A folder with one list of packages: those of another list may need the same ones in other versions. While it exists no
/// other process or thread changes the folder.
struct Folder {
    path: PathBuf,
    /// Unlocks when it is dropped.
    _lock: File,
}

impl Folder {
    fn lock(language: &str, packages: &[&str]) -> Result<Self, String> {
        let mut hasher = DefaultHasher::new();
        packages.hash(&mut hasher);
        // Names of npm's packages can have a slash.
        let first = packages.first().unwrap_or(&"none").replace('/', "+");
        let name = format!("{first}-{:016x}", hasher.finish());
        let all = target().join("clients").join(language);
        let open = || {
            fs::create_dir_all(all.join(&name))?;
            let file = File::create(all.join(format!("{name}.lock")))?;
            file.lock()?;
            Ok(file)
        };
        let lock = open().map_err(|error: std::io::Error| format!("target/clients cannot be used: {error}"))?;
        Ok(Self { path: all.join(name), _lock: lock })
    }

    /// Has the packages installed unless that was done.
    fn provide(&self, install: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
        let marker = self.path.join("installed");
        if marker.exists() {
            return Ok(());
        }
        install()?;
        fs::write(marker, "").map_err(|error| error.to_string())
    }
}
