//! Words for a shell, in texts that say what to run.

use std::path::Path;

/// A path as a word for the shell, inside or outside of double quotes with `$(...)`.
pub fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'.' | b'_' | b'-' | b'+' | b'@');
    if text.bytes().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn paths_are_quoted_when_they_must_be() {
        assert_eq!(quoted("/a/b-c.d".as_ref()), "/a/b-c.d");
        assert_eq!(quoted("/a b/$HOME".as_ref()), "'/a b/$HOME'");
        assert_eq!(quoted("/it's".as_ref()), r"'/it'\''s'");
    }
}
