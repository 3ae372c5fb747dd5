//! The examples run as they stand.

use std::fs;
use std::process::Command;
use std::time::SystemTime;
use strongroom_packaging::describe;
use strongroom_portability::host::{self, Host};
use strongroom_portability::hosts::{JCO, JCO_SCRIPT, Node, SHIM, Spin, examples};
use strongroom_portability::{Client, KEYS, Standalone, TempDir, clients, codes, component, oathtool, wave};

/// The one in the examples.
const SECRET: &str = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";

/// Wasmtime for Python.
const WASMTIME: &str = "wasmtime==50.0.1";

/// Next to the packages, as programs in JavaScript are.
struct Folder(std::path::PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_program_in_javascript_has_a_vault_in_it() {
    let Some(mut node) = clients::node("a_program_in_javascript", &[JCO, SHIM]) else { return };
    let packages = node.get_current_dir().unwrap().to_owned();
    let folder = Folder(packages.join(format!("example-{}", std::process::id())));
    fs::create_dir_all(&folder.0).unwrap();
    for file in ["store.mjs", "agent.mjs"] {
        fs::copy(examples().join("javascript").join(file), folder.0.join(file)).unwrap();
    }
    // The command in the file's own words.
    let source = fs::read_to_string(folder.0.join("agent.mjs")).unwrap();
    let command = source.lines().find_map(|line| line.strip_prefix("//   jco ")).unwrap().replace('\'', "");
    let words = command.split(' ').map(|word| match word {
        "strongroom-vault.wasm" => component(word).display().to_string(),
        _ => word.to_owned(),
    });
    let transpile = node.arg(packages.join(JCO_SCRIPT)).args(words).current_dir(&folder.0).output().unwrap();
    assert!(transpile.status.success(), "{transpile:?}");

    let mut node = clients::node("a_program_in_javascript", &[JCO, SHIM]).unwrap();
    let run = node.arg("agent.mjs").current_dir(&folder.0).env("STRONGROOM_KEYS", KEYS).output().unwrap();
    let printed = String::from_utf8(run.stdout).unwrap();
    let expected = "github at github.com\ncode of 6 digits true\nnot-found\nusername, password\n";
    assert_eq!(printed, expected, "{}", String::from_utf8_lossy(&run.stderr));
}

#[test]
fn a_program_in_python_has_a_vault_in_it() {
    let test = "a_program_in_python";
    let Some(mut python) = clients::python(test, &[WASMTIME]) else { return };
    let begin = SystemTime::now();
    // Nothing is to be written into the folder.
    python.arg("-B").arg(examples().join("python/agent.py")).arg(component("strongroom-agent.wasm"));
    let printed = run(python.env("STRONGROOM_KEYS", KEYS));
    let rest = check_codes(test, &printed, begin);
    assert_eq!(rest, ["not-found"]);

    // Of two that saw the same, one writes.
    let mut python = clients::python(test, &[WASMTIME]).unwrap();
    let program = "from vault import *\n\
        a, b = Cas('k'), Cas('k')\n\
        current(a), current(b)\n\
        print(swap(a, b'1'), swap(b, b'2').tag, records['k'])";
    let printed = run(python.args(["-B", "-c", program]).current_dir(examples().join("python")));
    assert_eq!(printed, "None cas-failed b'1'\n");
}

#[test]
fn a_program_in_rust_has_a_vault_in_it() {
    let begin = SystemTime::now();
    // Built with the host, which `cargo xtask build` does.
    let program = examples().join("../target/release/embedding");
    let printed = run(Command::new(program).arg(component("strongroom-agent.wasm")).env("STRONGROOM_KEYS", KEYS));
    let rest = check_codes("a_program_in_rust", &printed, begin);
    assert!(rest.is_empty(), "{printed}");

    // What an empty project needs is what it was built with.
    let read = |name: &str| fs::read_to_string(examples().join("..").join(name)).unwrap();
    let workspace: toml::Table = read("Cargo.toml").parse().unwrap();
    let example: toml::Table = read("examples/embedding/Cargo.toml").parse().unwrap();
    let versions = &workspace["workspace"]["dependencies"];
    let needs = example["dependencies"].as_table().unwrap().keys();
    let mut needs: Vec<_> =
        needs.map(|name| format!("{name}@{}", versions[name]["version"].as_str().unwrap())).collect();
    let hosts = read("HOSTS.md");
    let added = hosts.lines().find_map(|line| line.strip_prefix("cargo add ")).expect("HOSTS.md has the command");
    let mut added: Vec<_> = added.split(' ').collect();
    needs.sort();
    added.sort_unstable();
    assert_eq!(needs, added);
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Four accounts, each with its code; what follows them.
fn check_codes<'a>(test: &str, printed: &'a str, begin: SystemTime) -> Vec<&'a str> {
    let mut lines = printed.lines();
    for name in ["codeberg", "github", "gitlab", "sourcehut"] {
        let (account, code) = lines.next().unwrap().split_once(": ").unwrap();
        assert_eq!(account, name);
        oathtool::check(test, SECRET, code, begin);
    }
    lines.collect()
}

/// Composed as `wac plug` does it, and served with nothing but files.
#[test]
fn a_component_uses_the_vault_under_the_stock_wasmtime() {
    let test = "a_component_uses_the_vault_under_the_stock_wasmtime";
    let directory = TempDir::new();
    let Some(vault) = Standalone::new(test, directory.path()) else { return };
    create(&vault);
    let composed = codes::compose(&codes::build().join("codes.wasm"), "agent", true, directory.path());

    let interface = describe::wit(&fs::read(&composed).unwrap()).unwrap();
    let exports = interface.lines().filter_map(|line| line.trim().strip_prefix("export "));
    assert_eq!(exports.collect::<Vec<_>>(), ["wasi:http/incoming-handler@0.2.12;"], "nothing of the vault");
    assert!(describe::imports(&interface).all(|import| import.starts_with("wasi:")), "{interface}");
    assert!(!interface.contains("wasi:keyvalue") && !interface.contains("wasi:config"), "{interface}");

    let serving = vault.with(&composed).serve();
    check_answers(test, &serving.client);
    // The settings say for whom it asks.
    vault.set("strongroom_caller", "codes:totp");
    check_answers(test, &serving.client);
    vault.set("strongroom_caller", "codes:read");
    assert_eq!(serving.client.get("/code/github").status, 403);
}

/// Whoever is given the world `agent` can't have values: what asks for them is not even started.
#[test]
fn a_component_that_asks_for_values_starts_with_the_world_vault_only() {
    let directory = TempDir::new();
    let Some(vault) = Standalone::new("a_component_that_asks_for_values", directory.path()) else { return };
    create(&vault);
    let greedy = codes::build().join("examples/greedy.wasm");

    let refused = codes::compose(&greedy, "agent", true, directory.path());
    let interface = describe::wit(&fs::read(&refused).unwrap()).unwrap();
    let open = describe::imports(&interface).filter(|import| import.starts_with("strongroom:vault/"));
    let mut open: Vec<_> = open.filter(|import| !import.contains("/types@")).collect();
    open.sort_unstable();
    assert_eq!(open, ["strongroom:vault/maintenance@0.1.0", "strongroom:vault/supply@0.1.0"]);
    let error = vault.with(&refused).try_serve().err().expect("it is refused");
    assert!(error.contains("strongroom:vault/") && error.contains("not found"), "{error}");
    assert!(vault.invoke("get(\"github\")").unwrap().contains("version: 1"));

    // The same with all that it asks for: it takes the values, and purges what it took them from.
    let serving = vault.with(&codes::compose(&greedy, "vault", true, directory.path())).serve();
    assert_eq!(serving.client.get("/github").status, 200);
    assert!(vault.invoke("get(\"github\")").unwrap().contains("not-found"));
}

/// A credential of the name `github`.
fn create(vault: &Standalone) {
    let made = vault.invoke(&format!(
        "create({{name: \"github\", domain: \"github.com\", additional-domains: [], metadata: [], archived: false, \
         values: [(\"password\", \"canary\")], totp-secret: some({})}})",
        wave::string(SECRET)
    ));
    assert!(made.as_ref().is_ok_and(|made| made.contains("version: 1")), "{made:?}");
}

/// What `codes.wasm` answers about it.
fn check_answers(test: &str, client: &Client) {
    let begin = SystemTime::now();
    let answer = client.get("/code/github");
    assert_eq!(answer.status, 200, "{answer:?}");
    let (code, rest) = answer.body.split_once(' ').unwrap();
    assert!(rest.starts_with("for ") && rest.ends_with(" s\n"), "{answer:?}");
    oathtool::check(test, SECRET, code, begin);
    assert_eq!(client.get("/code/nobody").status, 404);
    assert_eq!(client.get("/").body, "ask for /code/NAME\n");
    assert_eq!(client.get("/credentials").status, 404);
}

/// As far as it can be seen without Spin: the manifest means files that are there, and the dependency in the form that works.
#[test]
fn the_manifest_of_the_spin_app_fits() {
    let folder = examples().join("spin");
    let text = fs::read_to_string(folder.join("spin.toml")).unwrap();
    let manifest: toml::Table = text.parse().unwrap();
    assert_eq!(manifest["spin_manifest_version"].as_integer(), Some(2));
    let built = codes::build().join("codes.wasm").canonicalize().unwrap();
    let components = manifest["component"].as_table().unwrap();
    let path = |value: &toml::Value| folder.join(value.as_str().unwrap()).canonicalize();
    for trigger in manifest["trigger"]["http"].as_array().unwrap() {
        assert!(components.contains_key(trigger["component"].as_str().unwrap()), "{trigger:?}");
    }
    for (name, component) in components {
        assert!(path(&component["source"]).is_ok(), "{name}: {:?}", component["source"]);
        assert_eq!(component["key_value_stores"], toml::Value::from(vec!["default"]), "{name}: on one store");
        assert_eq!(component["allowed_outbound_hosts"].as_array().map(Vec::len), Some(0), "{name}");
        for (variable, value) in component["variables"].as_table().unwrap() {
            let value = value.as_str().unwrap();
            let taken = value.strip_prefix("{{ ").and_then(|rest| rest.strip_suffix(" }}"));
            assert!(
                taken.is_none_or(|taken| taken == variable && manifest["variables"].get(taken).is_some()),
                "{value}"
            );
        }
    }
    let app = &components["codes"];
    assert_eq!(path(&app["source"]).unwrap(), built);
    assert_eq!(app["build"]["command"].as_str(), Some(codes::BUILD));
    assert_eq!(path(&app["build"]["workdir"]).unwrap(), examples().join("..").canonicalize().unwrap());
    let dependencies = app["dependencies"].as_table().unwrap();
    let world = fs::read_to_string(examples().join("../wit/world.wit")).unwrap();
    let package = world.strip_prefix("package ").and_then(|rest| rest.split_once(';')).unwrap().0;
    assert_eq!(dependencies.keys().collect::<Vec<_>>(), [package], "the package as a whole");
    let dependency = dependencies[package].as_table().unwrap();
    assert_eq!(dependency.keys().collect::<Vec<_>>(), ["inherit_configuration", "path"]);
    assert_eq!(path(&dependency["path"]).unwrap(), component("strongroom-agent.wasm").canonicalize().unwrap());
    assert_eq!(dependency["inherit_configuration"], toml::Value::from(vec!["key_value_stores", "variables"]));
}

/// What Spin makes of that dependency, the one composed with the other, on a store that does what Spin's does.
#[test]
fn a_component_uses_the_vault_on_a_store_that_behaves_like_spins() {
    let test = "a_component_uses_the_vault_on_a_store_that_behaves_like_spins";
    let directory = TempDir::new();
    let rows = directory.path().join("rows.json");
    let Some(mut node) = Node::with_spins(test, "sqlite", &rows) else { return };
    host::create(node.client().unwrap(), "github", "canary", Some(SECRET)).unwrap();
    let composed = codes::compose(&codes::build().join("codes.wasm"), "agent", false, directory.path());
    node.replace(&composed, "/", &[("STRONGROOM_CALLER", "codes:totp")]);
    check_answers(test, node.client().unwrap());
}

#[test]
fn a_component_uses_the_vault_in_a_spin_app() {
    let test = "a_component_uses_the_vault_in_a_spin_app";
    codes::build();
    let directory = TempDir::new();
    let Some(spin) = Spin::new(test, &examples().join("spin/spin.toml"), directory.path()) else { return };
    let client = spin.client().unwrap();
    host::create(client, "github", "canary", Some(SECRET)).unwrap();
    let begin = SystemTime::now();
    let answer = client.get("/code/github");
    assert_eq!(answer.status, 200, "{answer:?}");
    oathtool::check(test, SECRET, answer.body.split(' ').next().unwrap(), begin);
    assert_eq!(client.get("/code/nobody").status, 404);
}
