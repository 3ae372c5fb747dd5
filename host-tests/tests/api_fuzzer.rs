//! A property-based fuzzer, driven by the served `openapi.json`, finds no 5xx, no status or header that is not described
//! and no answer that breaks its schema. What it is told beside is in `clients/schemathesis.toml`.

use std::path::Path;
use strongroom_host_tests::clients;
use strongroom_host_tests::{Program, TempDir};

/// Cases per operation and phase. Some 2,000 requests in all, in half a minute.
const MAX_EXAMPLES: &str = "60";

#[test]
fn schemathesis_finds_nothing() {
    let Some(mut python) = clients::python("the API fuzzer", &["schemathesis==4.32.5"]) else { return };
    let directory = TempDir::new();
    let server = Program::on(&directory.path().join("state")).serve();
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/schemathesis.toml");
    // It keeps what it finds in the working directory.
    python.current_dir(directory.path()).args(["-m", "schemathesis.cli", "--config-file"]).arg(config);
    python.args(["run", &format!("http://{}/openapi.json", server.address())]);
    python.args(["--header", &format!("Authorization: Bearer {}", server.admin_token())]);
    python.args(["--max-examples", MAX_EXAMPLES, "--generation-deterministic", "--no-color"]);
    let output = python.output().unwrap();
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{report}{}", String::from_utf8_lossy(&output.stderr));
    assert!(report.contains("No issues found") || report.contains(" passed"), "{report}");
    let log = server.log();
    assert!(log.lines().count() > 500, "the fuzzer did hardly anything: {report}");
    // Walks that it begins and does not end: the configuration says more.
    let log: Vec<&str> = log.lines().filter(|line| !line.contains("POST /maintenance/verify 503 ")).collect();
    let failed = log.iter().find(|line| line.contains(" 500 ") || line.contains(" 503 "));
    assert_eq!(failed, None);
    assert_eq!(server.client().get("/health").status, 200);
}
