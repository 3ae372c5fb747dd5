//! The component's settings, read through `wasi:config/store`.

use crate::error::{Code, Error, Result};
use crate::seal::{Keyring, Project, Sealer};
use alloc::borrow::ToOwned;
use alloc::string::String;

/// Names of the settings. `spin.toml` declares the same; a test holds them equal.
pub const KEYS: &str = "strongroom_keys";
pub const TOKENS: &str = "strongroom_tokens";
pub const BUCKET: &str = "strongroom_bucket";
pub const PROJECT: &str = "strongroom_project";

/// Where settings come from.
pub trait Settings {
    /// The value of a setting; `None` when it is not set.
    fn get(&self, name: &str) -> Option<String>;
}

/// The bucket all records live in.
pub fn bucket(settings: &dyn Settings) -> String {
    settings.get(BUCKET).filter(|name| !name.is_empty()).unwrap_or_else(|| "default".to_owned())
}

/// The project of the typed functions and of `manage`.
pub fn project(settings: &dyn Settings) -> Result<Project> {
    let name = settings.get(PROJECT).filter(|name| !name.is_empty()).unwrap_or_else(|| "default".to_owned());
    Project::parse(&name).ok_or_else(|| {
        Error::new(Code::Misconfigured, "strongroom_project must be 1-64 of A-Z, a-z, 0-9, '.', '-', '_'")
    })
}

/// The sealer of a project, with the configured master keys.
pub fn sealer(settings: &dyn Settings, project: Project) -> Result<Sealer> {
    let keys = zeroize::Zeroizing::new(settings.get(KEYS).unwrap_or_default());
    Ok(Sealer::new(Keyring::parse(&keys)?, project))
}
