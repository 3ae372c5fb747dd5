//! `spin.toml` declares exactly the settings that the component reads, hides the secret ones, and gives the component
//! nothing but its store.

use std::fs;
use std::path::Path;

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)).unwrap()
}

/// The lines `name = value` of one table, comments left out.
fn table(manifest: &str, header: &str) -> Vec<(String, String)> {
    let lines = manifest.lines().skip_while(|line| *line != header).skip(1).take_while(|line| !line.starts_with('['));
    lines
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(" = "))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// The names of the settings, as the component's source has them.
fn settings() -> Vec<String> {
    let source = read("src/settings.rs");
    let names = source.split('"').skip(1).step_by(2).filter(|text| text.starts_with("strongroom_"));
    // Error messages begin with a setting's name, too; a name alone has no space in it.
    let mut names: Vec<String> = names.filter(|text| !text.contains(' ')).map(str::to_owned).collect();
    names.sort();
    names
}

#[test]
fn variables_are_the_settings_of_the_component() {
    let manifest = read("spin.toml");
    let sorted = |header: &str| {
        let mut names: Vec<String> = table(&manifest, header).into_iter().map(|(name, _)| name).collect();
        names.sort();
        names
    };
    assert!(settings().len() >= 4, "{:?}", settings());
    assert_eq!(sorted("[variables]"), settings());
    assert_eq!(sorted("[component.strongroom.variables]"), settings());
    for (name, value) in table(&manifest, "[component.strongroom.variables]") {
        assert_eq!(value, format!("\"{{{{ {name} }}}}\""));
    }
}

#[test]
fn secrets_are_secret_and_required() {
    for (name, value) in table(&read("spin.toml"), "[variables]") {
        let secret = matches!(name.as_str(), "strongroom_keys" | "strongroom_tokens");
        assert_eq!(value == "{ required = true, secret = true }", secret, "{name} = {value}");
        assert!(secret || value.starts_with("{ default = "), "{name} = {value}");
    }
}

#[test]
fn the_component_gets_its_store_and_no_network() {
    let component = table(&read("spin.toml"), "[component.strongroom]");
    let value = |name: &str| component.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str());
    assert_eq!(value("allowed_outbound_hosts"), Some("[]"));
    assert_eq!(value("key_value_stores"), Some("[\"default\"]"));
    assert_eq!(value("source"), Some("\"target/wasm32-wasip2/release/strongroom.wasm\""));
    assert_eq!(value("files"), None);
    assert_eq!(value("environment"), None);
}
