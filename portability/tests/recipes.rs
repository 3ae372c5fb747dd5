//! The lines for curl in examples/recipes.md and README.md do what stands beside them.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use strongroom_portability::{Program, Server, TempDir};

/// Commands that belong together, and parts of what they print.
struct Step<'a> {
    commands: String,
    expected: Vec<&'a str>,
}

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)).unwrap()
}

/// The steps of a text's blocks; empty lines end one, unless they stand in what it is given as input.
fn steps(text: &str) -> Vec<Step<'_>> {
    let blocks = text.split("```sh\n").skip(1).map(|rest| rest.split_once("```").unwrap().0);
    let steps = blocks.flat_map(|block| block.split("\n\n")).map(|step| {
        let (expected, commands): (Vec<_>, Vec<_>) = step.lines().partition(|line| line.starts_with("#> "));
        Step { commands: commands.join("\n"), expected: expected.iter().map(|line| &line[3..]).collect() }
    });
    steps.collect()
}

/// Runs them in one shell, in the order in which they stand; what each printed.
fn run(server: &Server, state: &Path, folder: &Path, steps: &[Step<'_>]) -> Vec<String> {
    const END: &str = "--- end of a step ---";
    let mut script = String::from("set -e -u -o pipefail\n");
    for step in steps {
        script += &format!("{}\necho; echo '{END}'\n", step.commands);
    }
    assert!(script.contains("http://127.0.0.1:3000") && script.contains("~/.local/share/strongroom"));
    script = script.replace("http://127.0.0.1:3000", &format!("http://{}", server.address()));
    script = script.replace("~/.local/share/strongroom", &state.display().to_string());
    fs::write(folder.join("script.sh"), &script).unwrap();
    let mut bash = Command::new("bash");
    bash.arg("script.sh").current_dir(folder).stdin(Stdio::null());
    // Settings of whoever runs the tests.
    bash.env("CURL_HOME", folder).env("no_proxy", "127.0.0.1").stderr(File::create(folder.join("errors")).unwrap());
    let output = bash.output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let errors = fs::read_to_string(folder.join("errors")).unwrap();
    assert!(output.status.success() && errors.is_empty(), "{errors}\nafter {printed}");
    let mut printed: Vec<String> = printed.split(END).map(str::to_owned).collect();
    printed.pop();
    assert_eq!(printed.len(), steps.len());
    printed
}

#[test]
fn every_recipe_prints_what_is_said() {
    let directory = TempDir::new();
    let state = directory.path().join("state");
    let server = Program::on(&state).serve();
    let recipes = read("examples/recipes.md");
    let steps = steps(&recipes);
    let printed = run(&server, &state, directory.path(), &steps);
    for (step, printed) in steps.iter().zip(&printed) {
        for part in &step.expected {
            assert!(printed.contains(part), "{part} is not in what this printed:\n{}\n{printed}", step.commands);
        }
        assert!(!printed.contains("fake-password") && !printed.contains("JBSWY3DP"), "{}", step.commands);
        let fails = step.expected.iter().any(|part| part.contains("code: ") || part.starts_with("\"code\":\""));
        assert!(fails || !printed.contains("\"code\":\"") || step.commands.contains("totp"), "{printed}");
    }
    let expected: usize = steps.iter().map(|step| step.expected.len()).sum();
    assert!(steps.len() >= 30 && expected >= 30, "{} steps, {expected} parts", steps.len());
}

#[test]
fn the_lines_of_the_readme_work() {
    let directory = TempDir::new();
    let state = directory.path().join("state");
    let server = Program::on(&state).serve();
    let readme = read("README.md");
    let section = readme.split_once("### With curl").unwrap().1.split_once("###").unwrap().0;
    let steps = steps(section);
    let printed = run(&server, &state, directory.path(), &steps);
    assert!(printed[0].contains("\"name\":\"example-work-login\""), "{printed:?}");
    assert!(printed[0].contains("\"valid_for_seconds\":"), "{printed:?}");
}
