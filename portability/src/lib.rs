//! What the tests share: programs that run components, each with a vault, and the means to talk to them.
//!
//! The tools are those of the tests of the host. They are compiled here once more, because their package brings Wasmtime.

#[path = "../../host-tests/src/client.rs"]
mod client;
#[path = "../../host-tests/src/clients.rs"]
pub mod clients;
pub mod codes;
#[path = "../../host-tests/src/dice.rs"]
mod dice;
#[path = "../../host-tests/src/directory.rs"]
mod directory;
#[path = "../../host-tests/src/engines/mod.rs"]
pub mod engines;
pub mod host;
pub mod hosts;
#[cfg(target_os = "linux")]
#[path = "../../host-tests/src/inside.rs"]
mod inside;
#[path = "../../host-tests/src/measuring/mod.rs"]
pub mod measuring;
pub mod oathtool;
#[path = "../../host-tests/src/program.rs"]
mod program;
#[path = "../../host-tests/src/skip.rs"]
mod skip;
mod standalone;
#[path = "../../host-tests/src/stranger.rs"]
pub mod stranger;
mod wasmcloud;
pub mod wave;

pub use client::{Answer, Client};
pub use dice::Dice;
pub use directory::TempDir;
pub use program::{Output, Program, Server};
pub use standalone::{Serving, Standalone};
pub use wasmcloud::WasmCloud;

use sha2::{Digest, Sha256};
use std::path::PathBuf;

/// `strongroom_keys` of the vaults.
pub const KEYS: &str = "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

/// A token for project `default` with all scopes.
pub const ADMIN_TOKEN: &str = "sr_admin-token-of-the-tests";

/// `strongroom_tokens` of the vaults.
pub fn tokens() -> String {
    let hash: String = Sha256::digest(ADMIN_TOKEN).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("admin:default:read+totp+write+supply+admin:{hash}")
}

/// A component that `cargo xtask build --all` makes, by the name of its file; in `$STRONGROOM_COMPONENTS`, by default in
/// `target/components`.
pub fn component(name: &str) -> PathBuf {
    let folder =
        std::env::var_os("STRONGROOM_COMPONENTS").map_or_else(|| world::target().join("components"), PathBuf::from);
    let path = folder.join(name);
    assert!(path.exists(), "{} is missing: run `cargo xtask build --all` first", path.display());
    path
}

mod world {
    use std::path::{Path, PathBuf};

    /// The target folder of the workspace.
    pub(crate) fn target() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../target").canonicalize().unwrap()
    }
}
