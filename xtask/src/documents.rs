//! What the documents say of the tree: each promise of SECURITY.md and each line of ARCHITECTURE.md's table of proofs
//! names files that exist.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The rows of the tables of a document that begin with this line.
fn rows(document: &str, header: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join(document)).unwrap();
    let tables = text.split(header).skip(1);
    let of_table = |table: &str| -> Vec<String> {
        table.lines().skip(2).take_while(|line| line.starts_with('|')).map(str::to_owned).collect()
    };
    tables.flat_map(of_table).collect()
}

/// The files and folders that the last column of a row names; a bare name lies beside the one before it.
fn files(row: &str) -> Vec<PathBuf> {
    let column = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
    let quoted = column.split('`').skip(1).step_by(2);
    let mut folder = root();
    let is_file = |name: &&str| !name.contains(' ') && (name.contains('/') || name.ends_with(".rs"));
    let paths = quoted.filter(is_file).map(|name| {
        // All files of a kind stand for their folder.
        let name = name.split_once('*').map_or(name, |(before, _)| before.rsplit_once('/').unwrap().0);
        let path = Some(root().join(name)).filter(|path| path.exists()).unwrap_or_else(|| folder.join(name));
        folder = path.parent().unwrap().to_owned();
        path
    });
    paths.collect()
}

#[test]
fn each_promise_names_tests_that_exist() {
    let promises = rows("SECURITY.md", "| promise | shown by |");
    assert!(promises.len() > 30, "{}", promises.len());
    for promise in promises {
        let files = files(&promise);
        assert!(!files.is_empty(), "no test: {promise}");
        for file in files {
            assert!(file.exists(), "{} does not exist: {promise}", file.display());
            let has_tests = || fs::read_to_string(&file).unwrap().contains("#[test]");
            let is_of_tests = file.is_dir() || file.components().any(|part| part.as_os_str() == "tests");
            assert!(is_of_tests || has_tests(), "{} has no tests", file.display());
        }
    }
}

#[test]
fn what_shows_a_property_exists() {
    let properties = rows("ARCHITECTURE.md", "| promise | where |");
    assert!(properties.len() > 30, "{}", properties.len());
    for property in properties {
        let files = files(&property);
        assert!(!files.is_empty(), "{property}");
        for file in files {
            assert!(file.exists(), "{} does not exist: {property}", file.display());
        }
    }
}
