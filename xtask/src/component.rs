//! Building the component in each of its worlds, and reading the result.

use crate::run::{Command, ensure_wasm_target, root, step};
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use wasmparser::{Parser, Payload};

/// One way to build the component.
pub struct World {
    /// What it is called in `target/worlds/strongroom-<name>.wasm`.
    name: &'static str,
    /// Cargo features of the root package.
    features: &'static str,
}

pub const EDGE: World = World { name: "edge", features: "edge,atomics" };

/// Every build that is tested.
pub const WORLDS: [World; 4] = [
    World { name: "agent", features: "atomics" },
    World { name: "vault", features: "vault,atomics" },
    World { name: "edge-no-atomics", features: "edge" },
    EDGE,
];

impl World {
    /// The arguments that select this build of the component.
    pub fn arguments(&self) -> [&'static str; 8] {
        [
            "--target",
            "wasm32-wasip2",
            "--package",
            "strongroom",
            "--lib",
            "--no-default-features",
            "--features",
            self.features,
        ]
    }

    fn path(&self) -> PathBuf {
        root().join(format!("target/worlds/strongroom-{}.wasm", self.name))
    }
}

/// Builds one world into `target/worlds`; the world `edge` also into `target/wasm32-wasip2/release/strongroom.wasm`.
pub fn build(world: &World) -> Result<()> {
    ensure_wasm_target()?;
    step(&format!("building the component, world {} (a minute when something changed)", world.name));
    Command::cargo(["build", "--profile", "component"]).args(world.arguments()).run()?;
    let built = root().join("target/wasm32-wasip2/component/strongroom.wasm");
    copy_if_different(&built, &world.path())?;
    if world.name == EDGE.name {
        copy_if_different(&built, &root().join("target/wasm32-wasip2/release/strongroom.wasm"))?;
    }
    Ok(())
}

/// Builds the kernels that `bench wasm` compares with native code, as a plain module, into `target/worlds`.
pub fn build_kernels() -> Result<()> {
    ensure_wasm_target()?;
    step("building the kernels");
    let world = World { name: "kernels", features: "atomics,kernels" };
    Command::cargo(["rustc", "--profile", "component", "--crate-type", "cdylib"])
        .args(world.arguments())
        .args(["--", "-C", "link-arg=--skip-wit-component"])
        .run()?;
    copy_if_different(&root().join("target/wasm32-wasip2/component/strongroom.wasm"), &world.path())
}

pub fn build_all() -> Result<()> {
    WORLDS.iter().try_for_each(build)
}

/// The arguments that select the build of the provider, the store in a directory.
pub const PROVIDER: [&str; 4] = ["--target", "wasm32-wasip2", "--package", "strongroom-provider"];

/// The arguments that select the build of the component in `examples/component`, and of the greedy one beside it.
pub const EXAMPLE: [&str; 6] = ["--target", "wasm32-wasip2", "--package", "codes", "--lib", "--examples"];

/// The arguments that select the build of the components in `portability/floor`.
pub const FLOOR: [&str; 6] = ["--target", "wasm32-wasip2", "--package", "floor", "--lib", "--examples"];

/// Builds the components that answer a constant, and one record.
pub fn build_floor() -> Result<()> {
    Command::cargo(["build", "--profile", "component"]).args(FLOOR).run()
}

/// Builds every world and the provider, and of them, into a folder, the components that are handed out, each with its
/// interface as text.
pub fn package(folder: &Path) -> Result<()> {
    build_all()?;
    step("building the provider, and what composes it with the component (some minutes the first time)");
    Command::cargo(["build", "--profile", "component"]).args(PROVIDER).run()?;
    let worlds = root().join("target/worlds");
    let built = root().join("target/wasm32-wasip2/component/strongroom_provider.wasm");
    copy_if_different(&built, &worlds.join("strongroom-provider.wasm"))?;
    let packaging = Command::cargo(["run", "--quiet", "--release", "--package", "strongroom-packaging", "--"]);
    packaging.arg("components").arg(root()).arg(worlds).arg(folder).run()
}

/// Where [`package`] puts them unless it is told otherwise.
pub fn packages() -> PathBuf {
    root().join("target/components")
}

/// An unchanged file keeps its time, so that the host which embeds it is not built again.
fn copy_if_different(from: &PathBuf, to: &PathBuf) -> Result<()> {
    let content = fs::read(from).with_context(|| format!("{} cannot be read", from.display()))?;
    if fs::read(to).is_ok_and(|old| old == content) {
        return Ok(());
    }
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(to, content).with_context(|| format!("{} cannot be written", to.display()))
}

/// Prints what there is to know about each built world.
pub fn report() -> Result<()> {
    for world in &WORLDS {
        let wasm = fs::read(world.path())?;
        let imports = imports(&wasm)?;
        println!("{:<16} {:>8} bytes, {} imports", world.name, wasm.len(), imports.len());
        imports.iter().for_each(|import| println!("    {import}"));
    }
    Ok(())
}

/// The names of a component's imports. Those of the components nested in it are inner wiring.
fn imports(wasm: &[u8]) -> Result<Vec<String>> {
    let mut names = Vec::new();
    let mut depth = 0;
    for payload in Parser::new(0).parse_all(wasm) {
        match payload? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    names.push(import?.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    Ok(names)
}
