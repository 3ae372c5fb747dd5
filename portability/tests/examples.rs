//! The examples run as they stand.

use std::fs;
use strongroom_portability::hosts::{JCO, JCO_SCRIPT, SHIM, examples};
use strongroom_portability::{KEYS, clients, component};

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
