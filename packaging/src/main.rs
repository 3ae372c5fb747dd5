//! `strongroom-packaging components ROOT WORLDS FOLDER`: makes of the worlds that were built the components that are handed
//! out, each with its interface as text, and checks that each is what it is called. `cargo xtask build --all` runs it.
//!
//! `strongroom-packaging bills ROOT FOLDER SYSTEM`: adds to a folder of what is released bills of materials, for the program
//! as it is built for this system, and last the checksums of all its files. `cargo xtask dist` runs it.

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use strongroom_packaging::{bill, compose, describe};

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
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["components", root, worlds, folder] => components(Path::new(root), Path::new(worlds), Path::new(folder)),
        ["bills", root, folder, system] => bills(Path::new(root), Path::new(folder), system),
        _ => bail!("usage: strongroom-packaging components ROOT WORLDS FOLDER | bills ROOT FOLDER SYSTEM"),
    }
}

fn components(root: &Path, worlds: &Path, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    for product in &PRODUCTS {
        make(product, root, worlds, folder).with_context(|| format!("{}.wasm cannot be made", product.name))?;
    }
    Ok(())
}

fn bills(root: &Path, folder: &Path, system: &str) -> Result<()> {
    for (name, subject) in [
        ("component", bill::Subject { package: "strongroom", target: "wasm32-wasip2" }),
        ("provider", bill::Subject { package: "strongroom-provider", target: "wasm32-wasip2" }),
        ("program", bill::Subject { package: "strongroom-host", target: system }),
    ] {
        let bill = serde_json::to_string_pretty(&bill::of(root, &subject)?)?;
        fs::write(folder.join(format!("{name}.cdx.json")), bill + "\n")?;
    }
    const SUMS: &str = "SHA256SUMS";
    let mut names: Vec<String> = fs::read_dir(folder)?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<Result<_>>()?;
    names.retain(|name| name != SUMS);
    names.sort();
    let mut sums = String::new();
    for name in names {
        let hash = Sha256::digest(fs::read(folder.join(&name))?);
        hash.iter().try_for_each(|byte| write!(sums, "{byte:02x}"))?;
        // As sha256sum writes and checks it.
        writeln!(sums, "  {name}")?;
    }
    print!("{sums}");
    Ok(fs::write(folder.join(SUMS), sums)?)
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
