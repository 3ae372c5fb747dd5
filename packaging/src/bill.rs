//! Bills of materials: of what a component or a program is made, in CycloneDX 1.5 as JSON.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

/// What is described: a package of the workspace, built for a system.
pub struct Subject<'s> {
    /// The name of the package.
    pub package: &'s str,
    pub target: &'s str,
}

/// What `cargo` says of the whole workspace on a system.
fn metadata(root: &Path, target: &str) -> Result<Value> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--locked", "--format-version", "1", "--filter-platform", target])
        .current_dir(root)
        .output()?;
    ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// The checksums of Cargo.lock by name and version: of every package that comes from a registry.
fn checksums(root: &Path) -> Result<BTreeMap<(String, String), String>> {
    let lock = std::fs::read_to_string(root.join("Cargo.lock"))?;
    let field = |package: &str, name: &str| {
        let line = package.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = \""))?;
        Some(line.trim_end_matches('"').to_owned())
    };
    let packages = lock.split("[[package]]").skip(1);
    Ok(packages
        .filter_map(|package| {
            Some(((field(package, "name")?, field(package, "version")?), field(package, "checksum")?))
        })
        .collect())
}

/// Every package that goes into the subject: itself, what it depends on, and what builds those.
pub fn of(root: &Path, subject: &Subject<'_>) -> Result<Value> {
    let metadata = metadata(root, subject.target)?;
    let checksums = checksums(root)?;
    let list = |of: &Value| of.as_array().cloned().unwrap_or_default();
    let text = |of: &Value| of.as_str().unwrap_or_default().to_owned();
    let packages: BTreeMap<String, Value> =
        list(&metadata["packages"]).into_iter().map(|package| (text(&package["id"]), package)).collect();
    let nodes: BTreeMap<String, Value> =
        list(&metadata["resolve"]["nodes"]).into_iter().map(|node| (text(&node["id"]), node)).collect();
    let first = packages.iter().find(|(_, package)| package["name"] == subject.package && package["source"].is_null());
    let (first, _) = first.with_context(|| format!("there is no package {}", subject.package))?;

    let is_macro = |id: &String| {
        let targets = list(&packages[id]["targets"]);
        targets.iter().any(|target| list(&target["kind"]).iter().any(|kind| kind == "proc-macro"))
    };
    // What a package uses: never what only its own tests need; of what builds it, if that is wanted.
    let uses = |id: &String, builds: bool| -> Vec<String> {
        let is_used = |dependency: &Value| {
            let kinds = list(&dependency["dep_kinds"]);
            kinds.iter().any(|kind| kind["kind"].is_null() || builds && kind["kind"] == "build")
        };
        let used = list(&nodes[id]["deps"]);
        let used = used.iter().filter(|dependency| is_used(dependency)).map(|dependency| text(&dependency["pkg"]));
        used.filter(|id| builds || !is_macro(id)).collect()
    };
    let reached = |builds: bool| {
        let (mut found, mut open) = (BTreeSet::new(), vec![first.clone()]);
        while let Some(id) = open.pop() {
            if found.insert(id.clone()) {
                open.extend(uses(&id, builds));
            }
        }
        found
    };
    let (all, contained) = (reached(true), reached(false));

    let reference = |id: &String| {
        let package = &packages[id];
        format!("pkg:cargo/{}@{}", text(&package["name"]), text(&package["version"]))
    };
    let component = |id: &String| {
        let package = &packages[id];
        let (name, version) = (text(&package["name"]), text(&package["version"]));
        let mut entry = json!({ "type": "library", "bom-ref": reference(id), "purl": reference(id), "name": name,
            "version": version,
            // Excluded is what only builds it.
            "scope": if contained.contains(id) { "required" } else { "excluded" },
            "licenses": [{ "expression": text(&package["license"]).replace('/', " OR ") }] });
        if let Some(sum) = checksums.get(&(name, version)) {
            entry["hashes"] = json!([{ "alg": "SHA-256", "content": sum }]);
        }
        entry
    };
    let mut components: Vec<Value> = all.iter().filter(|id| *id != first).map(component).collect();
    components.sort_by_key(|component| component["purl"].to_string());
    let mut dependencies: Vec<Value> = all
        .iter()
        .map(|id| {
            let uses: BTreeSet<String> = uses(id, true).iter().map(reference).collect();
            json!({ "ref": reference(id), "dependsOn": uses })
        })
        .collect();
    dependencies.sort_by_key(|dependency| dependency["ref"].to_string());
    let mut main = component(first);
    main["type"] = "application".into();
    Ok(json!({ "bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1, "metadata": { "component": main },
        "components": components, "dependencies": dependencies }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_component_is_made_of_this() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let bill = of(&root, &Subject { package: "strongroom", target: "wasm32-wasip2" }).unwrap();
        let components = bill["components"].as_array().unwrap();
        let scope = |name: &str| {
            let component = components.iter().find(|component| component["name"] == name)?;
            assert_eq!(component["hashes"][0]["content"].as_str().map(str::len), Some(64), "{component}");
            component["scope"].as_str()
        };
        assert_eq!(scope("poly1305"), Some("required"));
        assert_eq!(scope("wit-bindgen-rust-macro"), Some("excluded"));
        // Tests, the host, other systems.
        for foreign in ["proptest", "wasmtime", "cpufeatures"] {
            assert_eq!(scope(foreign), None);
        }
        let known: BTreeSet<&str> = components.iter().map(|component| component["bom-ref"].as_str().unwrap()).collect();
        for dependency in bill["dependencies"].as_array().unwrap() {
            for used in dependency["dependsOn"].as_array().unwrap() {
                assert!(known.contains(used.as_str().unwrap()), "{used}");
            }
        }
    }
}
