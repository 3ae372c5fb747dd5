//! Bindings generated from the WIT in `wit/`: the host traits for what the component imports, and typed access to what
//! it exports. `wasi:http` and `wasi:io` come from Wasmtime's own crates.

/// The world `vault`: everything typed. The world `edge` exports the same and `wasi:http/incoming-handler` beside it.
pub mod vault {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "vault",
        imports: {
            // They wait: for the device, for the network, for the other writers.
            "wasi:keyvalue/store": async | trappable,
            "wasi:keyvalue/atomics": async | trappable,
            default: trappable,
        },
        exports: { default: async },
        with: {
            "wasi:keyvalue/store.bucket": crate::keyvalue::wasi::Bucket,
            "wasi:keyvalue/atomics.cas": crate::keyvalue::wasi::Cas,
        },
    });
}

/// The world `agent`: a part of the world `vault`. Its types are equal and not the same.
pub mod agent {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "agent",
        imports: { default: trappable },
        exports: { default: async },
        with: {
            "wasi": super::vault::wasi,
        },
    });
}

/// The export `http` of the world `edge`, for calls that may wait.
pub(crate) mod http {
    wasmtime::component::bindgen!({
        inline: "package strongroom:host; world http { export strongroom:vault/http@0.1.0; }",
        path: "../wit",
        world: "strongroom:host/http",
        ownership: Borrowing { duplicate_if_necessary: false },
        exports: { default: async },
    });
}

/// The same for calls that don't.
pub(crate) mod http_at_once {
    wasmtime::component::bindgen!({
        inline: "package strongroom:host; world http { export strongroom:vault/http@0.1.0; }",
        path: "../wit",
        world: "strongroom:host/http",
        ownership: Borrowing { duplicate_if_necessary: false },
    });
}
