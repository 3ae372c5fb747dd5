//! What the component can ask of its host, read from the built files: the proof that it can do no more.

use std::collections::BTreeMap;
use strongroom_host_tests::World;
use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;

const STORE: &str = "wasi:keyvalue/store@0.2.0-draft2";
const ATOMICS: &str = "wasi:keyvalue/atomics@0.2.0-draft2";
const CONFIG: &str = "wasi:config/store@0.2.0-draft-2024-09-27";
const CLOCK: &str = "wasi:clocks/wall-clock@0.2.12";
const RANDOM: &str = "wasi:random/random@0.2.12";
const HTTP: [&str; 3] = ["wasi:http/types@0.2.12", "wasi:io/streams@0.2.12", "wasi:io/error@0.2.12"];

/// Interfaces, each with the names of its functions.
type Items = BTreeMap<String, Vec<String>>;

fn items(world: World) -> (Items, Items) {
    let engine = wasmtime::Engine::default();
    let component = Component::new(&engine, world.wasm()).unwrap();
    let of = |item: ComponentItem| match item {
        ComponentItem::ComponentInstance(instance) => instance
            .exports(&engine)
            .filter(|(_, item)| matches!(item.ty, ComponentItem::ComponentFunc(_)))
            .map(|(name, _)| name.to_owned())
            .collect(),
        other => panic!("an import or export that is no interface: {other:?}"),
    };
    let ty = component.component_type();
    (
        ty.imports(&engine).map(|(name, item)| (name.to_owned(), of(item.ty))).collect(),
        ty.exports(&engine).map(|(name, item)| (name.to_owned(), of(item.ty))).collect(),
    )
}

fn sorted<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let mut names: Vec<_> = names.into_iter().collect();
    names.sort_unstable();
    names
}

#[test]
fn each_world_imports_exactly_what_the_design_lists() {
    for world in World::ALL {
        let mut expected = vec![STORE, CONFIG, CLOCK, RANDOM];
        if world != World::EdgeNoAtomics {
            expected.push(ATOMICS);
        }
        if matches!(world, World::Edge | World::EdgeNoAtomics) {
            expected.extend(HTTP);
        }
        let (imports, _) = items(world);
        assert_eq!(sorted(imports.keys().map(String::as_str)), sorted(expected), "{world:?}");
    }
}

#[test]
fn each_world_exports_its_interfaces_and_no_other() {
    let ours = |name: &str| format!("strongroom:vault/{name}@0.1.0");
    for world in World::ALL {
        let mut expected = vec![ours("credentials"), ours("manage"), ours("types")];
        if world != World::Agent {
            expected.extend([ours("supply"), ours("login"), ours("history"), ours("maintenance")]);
        }
        if matches!(world, World::Edge | World::EdgeNoAtomics) {
            expected.extend([ours("http"), "wasi:http/incoming-handler@0.2.12".into()]);
        }
        let (_, exports) = items(world);
        let names = sorted(exports.keys().map(String::as_str));
        assert_eq!(names, sorted(expected.iter().map(String::as_str)), "{world:?}");
    }
}

/// `wasmtime run --invoke` finds functions by bare name; those of `login`, which are no calls for the shell, by a full one.
#[test]
fn functions_have_names_of_their_own() {
    let (_, mut exports) = items(World::Vault);
    exports.remove("strongroom:vault/login@0.1.0");
    let names: Vec<_> = exports.into_values().flatten().collect();
    let mut unique = names.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), names.len(), "{names:?}");
    assert!(!names.iter().any(|name| name == "handle"));
}

#[test]
fn agents_cannot_list_keys() {
    let (imports, _) = items(World::Agent);
    assert!(!imports[STORE].iter().any(|name| name.contains("list-keys")), "{:?}", imports[STORE]);
    assert!(!imports[CONFIG].iter().any(|name| name == "get-all"), "{:?}", imports[CONFIG]);
    assert_eq!(imports[CLOCK], ["now"]);
    assert_eq!(imports[RANDOM], ["get-random-bytes"]);
}

#[test]
fn nothing_goes_out_over_http() {
    let (imports, _) = items(World::Edge);
    let functions = &imports[HTTP[0]];
    for forbidden in ["outgoing-request", "request-options", "future-incoming-response"] {
        assert!(!functions.iter().any(|name| name.contains(forbidden)), "{forbidden} in {functions:?}");
    }
}
