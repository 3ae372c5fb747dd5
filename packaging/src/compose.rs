//! Composition of two components.

use anyhow::{Context, Result};
use wac_graph::types::Package;
use wac_graph::{CompositionGraph, EncodeOptions, plug as connect};

/// The vault with the provider in it: what the one imports and the other exports is connected inside; what remains of
/// imports, and what the vault exports, are those of the whole.
pub fn plug(vault: Vec<u8>, provider: Vec<u8>) -> Result<Vec<u8>> {
    let mut graph = CompositionGraph::new();
    let package = |name: &str, bytes: Vec<u8>, graph: &mut CompositionGraph| {
        let package = Package::from_bytes(name, None, bytes, graph.types_mut())
            .with_context(|| format!("the {name} is no component"))?;
        Ok::<_, anyhow::Error>(graph.register_package(package)?)
    };
    let vault = package("vault", vault, &mut graph)?;
    let provider = package("provider", provider, &mut graph)?;
    connect(&mut graph, vec![provider], vault)?;
    Ok(graph.encode(EncodeOptions { define_components: true, validate: true, processor: None })?)
}
