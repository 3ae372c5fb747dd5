//! Tests that need programs of others.

use std::io::Write;

/// What a test needs, if it is there. If not, one line says that the test is skipped, and why; with `CI=true` it fails.
pub(crate) fn found<T>(test: &str, result: Result<T, String>) -> Option<T> {
    let reason = match result {
        Ok(found) => return Some(found),
        Err(reason) => reason,
    };
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{test} must not be skipped with CI=true: {reason}");
    // Not by `eprintln!`, which the test harness catches.
    let _ = writeln!(std::io::stderr(), "SKIPPED {test}: {reason}");
    None
}
