//! `strongroom-packaging ROOT WORLDS FOLDER`: makes of the worlds that were built the components that are handed out, each
//! with its interface as text, and checks that each is what it is called. `cargo xtask build --all` runs it.

use anyhow::{Context, Result, bail};
use std::fs;
use std::path::Path;
use strongroom_packaging::{compose, describe};

/// A component that is handed out.
struct Product {
    /// The name of its file, without the extension.
    name: &'static str,
    /// The world it was built from, as in `strongroom-<world>.wasm`.
    built: &'static str,
    /// Whether the provider is composed with it.
    standalone: bool,
    /// The world that it must fit into, of the vault's package or the provider's.
    world: &'static str,
}

const PRODUCTS: [Product; 5] = [
    Product { name: "strongroom", built: "edge", standalone: false, world: "edge" },
    Product { name: "strongroom-vault", built: "vault", standalone: false, world: "vault" },
    Product { name: "strongroom-agent", built: "agent", standalone: false, world: "agent" },
    Product { name: "strongroom-standalone", built: "edge", standalone: true, world: "standalone" },
    Product { name: "strongroom-provider", built: "provider", standalone: false, world: "provider" },
];

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [root, worlds, folder] = arguments.as_slice() else { bail!("usage: strongroom-packaging ROOT WORLDS FOLDER") };
    let (root, worlds, folder) = (Path::new(root), Path::new(worlds), Path::new(folder));
    fs::create_dir_all(folder)?;
    for product in &PRODUCTS {
        make(product, root, worlds, folder).with_context(|| format!("{}.wasm cannot be made", product.name))?;
    }
    Ok(())
}

fn make(product: &Product, root: &Path, worlds: &Path, folder: &Path) -> Result<()> {
    let built = |name: &str| {
        let path = worlds.join(format!("strongroom-{name}.wasm"));
        fs::read(&path).with_context(|| format!("{} cannot be read", path.display()))
    };
    let mut component = built(product.built)?;
    if product.standalone {
        component = compose::plug(component, built("provider")?)?;
    }
    let mut packages = vec![root.join("wit")];
    if matches!(product.world, "provider" | "standalone") {
        packages.push(root.join("provider/wit"));
    }
    describe::check(&component, &packages, product.world)?;
    let text = describe::wit(&component)?;
    println!("{}.wasm: {} bytes, {} imports", product.name, component.len(), describe::imports(&text).count());
    describe::imports(&text).for_each(|import| println!("    {import}"));
    write_if_different(&folder.join(format!("{}.wasm", product.name)), &component)?;
    write_if_different(&folder.join(format!("{}.wit", product.name)), text.as_bytes())
}

/// An unchanged file keeps its time.
fn write_if_different(path: &Path, content: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|old| old == content) {
        return Ok(());
    }
    fs::write(path, content).with_context(|| format!("{} cannot be written", path.display()))
}
