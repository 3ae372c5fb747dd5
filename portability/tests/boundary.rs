//! A composition is a boundary only as far as it does not share imports: what SECURITY.md says of the world `agent`. The host
//! library's own boundary is shown by `host-tests/tests/boundary.rs`, with the same component.

use std::fs;
use std::path::Path;
use strongroom_packaging::compose::plug;
use strongroom_packaging::describe;
use strongroom_portability::{KEYS, Standalone, TempDir, codes, component, stranger, wave};

/// `agent` plugged into a component that asks for the settings and the store too, and both get them from one provider.
#[test]
fn who_shares_the_imports_of_agent_has_the_master_key() {
    let directory = TempDir::new();
    let Some(vault) = Standalone::new("who_shares_the_imports_of_agent", directory.path()) else { return };
    create(&vault);
    let read = |path: &Path| fs::read(path).unwrap();
    let composed = plug(read(&stranger::build()), read(&component("strongroom-agent.wasm"))).unwrap();
    let shared = plug(composed, read(&component("strongroom-provider.wasm"))).unwrap();
    let path = directory.path().join("shared.wasm");
    fs::write(&path, shared).unwrap();

    let shared = vault.with(&path);
    let names = shared.invoke("names()").unwrap();
    assert!(names.contains("github"), "{names}");
    let setting = shared.invoke("setting(\"strongroom_keys\")").unwrap();
    assert!(setting.contains(KEYS), "{setting}");
    let keys = shared.invoke("keys(\"default\")").unwrap();
    assert!(keys.contains("sr1.") && keys.contains(".root"), "{keys}");
}

/// The provider is inside, with the vault alone: what the other component asks for beside is left to its host, which has
/// nothing to do with the vault's.
#[test]
fn a_vault_with_its_own_provider_shares_nothing() {
    let directory = TempDir::new();
    let Some(vault) = Standalone::new("a_vault_with_its_own_provider", directory.path()) else { return };
    create(&vault);
    let composed = codes::compose(&stranger::build(), "agent", true, directory.path());
    let interface = describe::wit(&fs::read(&composed).unwrap()).unwrap();
    for import in ["wasi:config/store", "wasi:keyvalue/store"] {
        assert!(describe::imports(&interface).any(|open| open.starts_with(import)), "{interface}");
    }
    let refused = vault.with(&composed).invoke("setting(\"strongroom_keys\")").unwrap_err();
    assert!(refused.contains("wasi:") && !refused.contains(KEYS), "{refused}");
}

fn create(vault: &Standalone) {
    let made = vault.invoke(&format!(
        "create({{name: {}, domain: \"github.com\", additional-domains: [], metadata: [], archived: false, \
         values: [(\"password\", \"canary\")]}})",
        wave::string("github")
    ));
    assert!(made.as_ref().is_ok_and(|made| made.contains("version: 1")), "{made:?}");
}
