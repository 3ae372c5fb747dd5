//! The settings an instance sees through `wasi:config/store`.

use std::collections::BTreeMap;
use std::sync::Arc;

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

/// Settings of which some have other values.
pub struct Replaced<const N: usize> {
    pub values: [(&'static str, String); N],
    pub others: Arc<dyn Config>,
}

impl<const N: usize> Config for Replaced<N> {
    fn get(&self, key: &str) -> Result<Option<String>, String> {
        match self.values.iter().find(|(name, _)| *name == key) {
            Some((_, value)) => Ok(Some(value.clone())),
            None => self.others.get(key),
        }
    }
}
