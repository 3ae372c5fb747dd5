//! The wasm shell: binds the store to `wasi:filesystem`, and the exports to the store.

// The allocator and the panic handler are the vault's own.
#[allow(unsafe_code)]
#[path = "../../../src/component/runtime.rs"]
mod runtime;

#[allow(unsafe_code, warnings, clippy::all, clippy::pedantic, clippy::restriction)] // Generated.
mod bindings {
    wit_bindgen::generate!({ path: ["../wit", "wit"], world: "strongroom:provider/provider", generate_all, std_feature });

    use super::Component;
    export!(Component);
}

mod config;
mod directory;
mod keyvalue;

/// The component: all exports are implemented for it.
struct Component;
