//! Composition of two components, as `wac plug` does it.

use anyhow::{Context, Result};
use wac_graph::types::Package;
use wac_graph::{CompositionGraph, EncodeOptions, plug as connect};

/// `socket` with `plug` in it, such as the vault with the provider: what the one imports and the other exports is connected
/// inside; what remains of imports, and what the socket exports, are those of the whole.
pub fn plug(socket: Vec<u8>, plug: Vec<u8>) -> Result<Vec<u8>> {
    let mut graph = CompositionGraph::new();
    let package = |name: &str, bytes: Vec<u8>, graph: &mut CompositionGraph| {
        let package = Package::from_bytes(name, None, bytes, graph.types_mut())
            .with_context(|| format!("the {name} is no component"))?;
        Ok::<_, anyhow::Error>(graph.register_package(package)?)
    };
    let socket = package("socket", socket, &mut graph)?;
    let plug = package("plug", plug, &mut graph)?;
    connect(&mut graph, vec![plug], socket)?;
    Ok(graph.encode(EncodeOptions { define_components: true, validate: true, processor: None })?)
}
