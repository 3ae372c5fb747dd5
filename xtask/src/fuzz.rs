//! `fuzz`: the targets of `src/fuzzing` under libFuzzer, for as long as one likes. What was found lies in `fuzz/artifacts`.

use crate::run::{Command, root, step};
use anyhow::{Context, Result, ensure};
use std::fs;

const MINUTES: u64 = 10;
/// No input that is worth anything is longer, and long ones are slow.
const LENGTH_MAX: u32 = 4096;
/// The most that one allocation may take: a length that is believed without the bytes behind it is found by this.
const ALLOCATION_MAX_MB: u32 = 64;

/// Arguments: `--minutes N` for each target, and the names of targets; all of them without.
pub fn run(arguments: &[&str]) -> Result<()> {
    let (minutes, names) = match arguments {
        ["--minutes", minutes, names @ ..] => (minutes.parse().context("--minutes must be a number")?, names),
        names => (MINUTES, names),
    };
    let known = targets()?;
    for name in names {
        ensure!(known.iter().any(|known| known == name), "no such target: {name}; there are {}", known.join(", "));
    }
    step("writing what the code itself makes");
    let folder = root().join("fuzz/work");
    Command::cargo(["test", "--quiet", "--release", "--package", "strongroom", "--lib", "fuzzing::tests::seeds"])
        .env("STRONGROOM_FUZZ_SEEDS", &folder)
        .run()?;
    for name in known.iter().filter(|known| names.is_empty() || names.contains(&known.as_str())) {
        step(&format!("fuzzing {name} for {minutes} minutes"));
        let work = folder.join(name);
        fs::create_dir_all(&work)?;
        // The nightly compiler's by name, not the one that runs this. Nothing in there is unsafe, so no sanitizer.
        Command::new("cargo")
            .args(["+nightly", "fuzz", "run", "--sanitizer", "none", name])
            .arg(&work)
            .arg(root().join("fuzz/corpus").join(name))
            .arg("--")
            .arg(format!("-max_total_time={}", minutes * 60))
            .arg(format!("-max_len={LENGTH_MAX}"))
            .arg(format!("-malloc_limit_mb={ALLOCATION_MAX_MB}"))
            .args(["-timeout=20", "-print_final_stats=1"])
            .run()?;
    }
    Ok(())
}

/// The names of the files in `fuzz/targets`.
fn targets() -> Result<Vec<String>> {
    let files = fs::read_dir(root().join("fuzz/targets"))?;
    let mut names: Vec<String> =
        files.filter_map(|file| Some(file.ok()?.path().file_stem()?.to_str()?.to_owned())).collect();
    names.sort();
    Ok(names)
}
