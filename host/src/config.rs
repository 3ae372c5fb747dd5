//! The settings an instance sees through `wasi:config/store`.

use std::collections::BTreeMap;

/// Answers the component's questions for settings.
pub trait Config: Send + Sync {
    /// The value of a setting, `None` if it is not set. An error's text must not hold a value.
    fn get(&self, key: &str) -> Result<Option<String>, String>;
}

/// Settings that never change.
impl Config for BTreeMap<String, String> {
    fn get(&self, key: &str) -> Result<Option<String>, String> {
        Ok(BTreeMap::get(self, key).cloned())
    }
}
