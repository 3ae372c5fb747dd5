//! What a component is, read from its bytes.

use anyhow::{Context, Result, bail};
use std::path::PathBuf;
use wasmparser::{Validator, WasmFeatures};
use wit_component::{DecodedWasm, WitPrinter};
use wit_parser::Resolve;

/// The component's interface in the text format.
pub fn wit(component: &[u8]) -> Result<String> {
    let DecodedWasm::Component(resolve, world) = wit_component::decode(component)? else { bail!("it is no component") };
    let package = resolve.worlds[world].package.context("its world is in no package")?;
    let mut printer = WitPrinter::default();
    printer.print(&resolve, package, &[])?;
    Ok(printer.output.to_string())
}

/// The lines that say what it imports.
pub fn imports(wit: &str) -> impl Iterator<Item = &str> {
    wit.lines().filter_map(|line| line.trim().strip_prefix("import ")).map(|line| line.trim_end_matches(';'))
}

/// Fails unless it is a valid component, with what every host has (nothing that is still a proposal), that runs wherever
/// this world, one of the last of these packages, is offered: it imports nothing else, and exports all that the world
/// promises.
pub fn check(component: &[u8], packages: &[PathBuf], world: &str) -> Result<()> {
    let features = WasmFeatures::WASM2 | WasmFeatures::COMPONENT_MODEL;
    Validator::new_with_features(features).validate_all(component).context("it is not valid")?;
    let mut resolve = Resolve::default();
    let mut last = Vec::new();
    for folder in packages {
        last = vec![resolve.push_path(folder)?.0];
    }
    let world = resolve.select_world(&last, Some(world))?;
    wit_component::targets(&resolve, world, component).context("it does not fit into its world")
}
