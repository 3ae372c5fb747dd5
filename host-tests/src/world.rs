//! The builds of the component.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};
use strongroom_host::{Component, Engine};

/// One build of the component.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum World {
    Agent,
    Vault,
    Edge,
    /// `edge` without the feature `atomics`.
    EdgeNoAtomics,
}

impl World {
    pub const ALL: [World; 4] = [World::Agent, World::Vault, World::Edge, World::EdgeNoAtomics];

    /// The name in the file's name.
    pub fn name(self) -> &'static str {
        match self {
            World::Agent => "agent",
            World::Vault => "vault",
            World::Edge => "edge",
            World::EdgeNoAtomics => "edge-no-atomics",
        }
    }

    /// `$STRONGROOM_WORLDS/strongroom-<name>.wasm`, by default in `target/worlds`.
    pub fn path(self) -> PathBuf {
        let folder = std::env::var_os("STRONGROOM_WORLDS").map_or_else(|| target().join("worlds"), PathBuf::from);
        folder.join(format!("strongroom-{}.wasm", self.name()))
    }

    /// The component's bytes.
    pub fn wasm(self) -> Vec<u8> {
        let path = self.path();
        std::fs::read(&path).unwrap_or_else(|error| {
            panic!("{}: {error}; run `cargo xtask build` first, or `cargo xtask test`", path.display())
        })
    }

    /// The engine of all of them, whose components are cached on disk.
    pub fn engine() -> &'static Engine {
        static ENGINE: OnceLock<Engine> = OnceLock::new();
        ENGINE.get_or_init(|| Engine::new(Some(&target().join("test-cache"))).unwrap())
    }

    /// The component, compiled once per process (and, as it is cached on disk, once per build).
    pub fn component(self) -> Component {
        static LOADED: Mutex<[Option<Component>; World::ALL.len()]> = Mutex::new([const { None }; World::ALL.len()]);
        let mut loaded = LOADED.lock().unwrap();
        loaded[self as usize].get_or_insert_with(|| Component::load(Self::engine(), &self.wasm()).unwrap()).clone()
    }
}

/// The target folder of the workspace.
pub(crate) fn target() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target").canonicalize().unwrap()
}
