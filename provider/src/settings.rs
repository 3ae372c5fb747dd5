//! Settings: one file for each, under its name, in `settings/`.

use crate::files::{Fault, Files};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

const DIRECTORY: &str = "settings";

/// The value of a setting: what is in its file, without the white space around it. `None` if there is no such file, or no
/// file can have this name. The error is for people and has nothing of the content.
pub fn get(files: &impl Files, name: &str) -> Result<Option<String>, String> {
    if !is_name(name) {
        return Ok(None);
    }
    let content = match files.read(&format!("{DIRECTORY}/{name}")) {
        Ok(content) => content,
        Err(Fault::Missing) => return Ok(None),
        Err(Fault::Exists) => return Err(format!("{DIRECTORY}/{name} cannot be read")),
        Err(Fault::Other(reason)) => return Err(format!("{DIRECTORY}/{name} cannot be read: {reason}")),
    };
    let text = String::from_utf8(content).map_err(|_| format!("{DIRECTORY}/{name} is not text"))?;
    Ok(Some(text.trim().to_owned()))
}

/// All settings, by name.
pub fn get_all(files: &impl Files) -> Result<Vec<(String, String)>, String> {
    let mut names = match files.list(DIRECTORY) {
        Ok(names) => names,
        Err(Fault::Missing) => Vec::new(),
        Err(_) => return Err(format!("{DIRECTORY} cannot be listed")),
    };
    names.sort_unstable();
    let mut all = Vec::new();
    for name in names {
        if let Some(value) = get(files, &name)? {
            all.push((name, value));
        }
    }
    Ok(all)
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
}
