//! The wasm shell: binds the core to the component's imports and exports. Nothing here decides anything.

#[cfg(feature = "kernels")]
#[allow(unsafe_code)] // An export by its bare name.
mod kernel;
#[allow(unsafe_code)] // The canonical ABI's entry points and the allocator.
mod runtime;

#[allow(unsafe_code, warnings, clippy::all, clippy::pedantic, clippy::restriction)] // Generated.
mod bindings {
    #[cfg(feature = "edge")]
    wit_bindgen::generate!({ path: "wit", world: "edge", generate_all, std_feature });
    #[cfg(all(feature = "vault", not(feature = "edge")))]
    wit_bindgen::generate!({ path: "wit", world: "vault", generate_all, std_feature });
    #[cfg(not(feature = "vault"))]
    wit_bindgen::generate!({ path: "wit", world: "agent", generate_all, std_feature });

    use super::Component;
    export!(Component);
}

mod convert;
mod credentials;
#[cfg(feature = "vault")]
mod history;
#[cfg(feature = "edge")]
mod http;
#[cfg(feature = "vault")]
mod login;
#[cfg(feature = "vault")]
mod maintenance;
mod platform;
#[cfg(feature = "vault")]
mod supply;

use crate::actions::{Action, Vault};
use crate::error::Result;
use crate::platform::Platform;
use crate::settings;
use platform::{Bucket, HostRandom, HostSettings, WallClock};

/// The component: all exports are implemented for it.
struct Component;

/// Runs an action for the configured caller, if they may.
fn perform<T>(action: Action, run: impl FnOnce(&Vault<'_>) -> Result<T>) -> Result<T> {
    with_vault(|vault| {
        action.check(vault.principal())?;
        run(vault)
    })
}

/// The vault of the configured project, for the configured caller.
fn with_vault<T>(run: impl FnOnce(&Vault<'_>) -> Result<T>) -> Result<T> {
    let settings = HostSettings;
    let principal = settings::caller(&settings, &WallClock)?;
    let sealer = settings::sealer(&settings, settings::project(&settings)?)?;
    let bucket = Bucket::default();
    let platform = Platform { store: &bucket, clock: &WallClock, random: &HostRandom };
    run(&Vault::new(platform, &sealer, &principal).with_settings(&settings))
}
