//! The master keys of a state directory, in the order of the setting `strongroom_keys`: the first seals, all open.

use super::{StateDir, sources, trust};
use crate::Result;
use anyhow::{Context, ensure};
use base64ct::{Base64UrlUnpadded, Encoding};
use std::path::Path;
use std::time::{Duration, SystemTime};
use strongroom::seal::{Keyring, MASTER_KEY_BYTES};

/// Entries of the form `id:base64url-of-32-bytes`, at least one.
pub struct Keys(Vec<String>);

impl Keys {
    /// The text of a file: entries with white space between them. No error quotes it.
    pub fn parse(text: &str) -> Result<Self> {
        Keyring::parse(text).map_err(|error| anyhow::anyhow!("{}", error.message()))?;
        Ok(Self(text.split_ascii_whitespace().map(ToOwned::to_owned).collect()))
    }

    /// A key of the system's randomness, and nothing else.
    pub fn first() -> Result<Self> {
        let mut keys = Self(Vec::new());
        keys.add()?;
        Ok(keys)
    }

    /// Their ids, in their order.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|entry| entry.split_once(':').map_or("", |(id, _)| id))
    }

    /// Makes a key and puts it last, where it opens and does not seal; its id. No id of those that are there is used again,
    /// nor a lower one.
    pub fn add(&mut self) -> Result<String> {
        let number = |id: &str| id.strip_prefix('k').and_then(|number| number.parse::<u64>().ok());
        let highest = self.ids().filter_map(number).max().unwrap_or_default();
        let id = format!("k{}", highest + 1);
        let mut key = [0; MASTER_KEY_BYTES];
        getrandom::fill(&mut key).context("the system gave no random numbers")?;
        self.0.push(format!("{id}:{}", Base64UrlUnpadded::encode_string(&key)));
        Ok(id)
    }

    /// Puts a key first, so that it seals from now on.
    pub fn put_first(&mut self, id: &str) -> Result<()> {
        let at = self.position(id)?;
        let entry = self.0.remove(at);
        self.0.insert(0, entry);
        Ok(())
    }

    /// Takes a key out. The one that seals stays.
    pub fn remove(&mut self, id: &str) -> Result<()> {
        let at = self.position(id)?;
        ensure!(at > 0, "{id} is the key that seals: put another one first with `strongroom key use`");
        self.0.remove(at);
        Ok(())
    }

    fn position(&self, id: &str) -> Result<usize> {
        self.ids().position(|other| other == id).with_context(|| format!("there is no key {id}"))
    }

    /// The setting.
    pub fn setting(&self) -> String {
        self.0.join(" ")
    }
}

/// The keys of a file. Errors name the file.
pub(super) fn read(path: &Path, is_named: bool) -> Result<Keys> {
    let text = sources::read(path, is_named, trust::PRIVATE)?;
    let text = text.with_context(|| format!("{} is missing", path.display()))?;
    Keys::parse(&text).with_context(|| format!("{} is damaged", path.display()))
}

pub(super) fn write(path: &Path, keys: &Keys) -> Result<()> {
    trust::write(path, &format!("{}\n", keys.0.join("\n")))
}

impl StateDir {
    /// The keys as they are now.
    pub fn keys(&self) -> Result<Keys> {
        read(&self.master_key_path(), self.sources.key_file.is_some())
    }

    /// Changes the keys; nobody else can at the same time. Running servers use them from the next request on.
    pub fn change_keys<T>(&self, change: impl FnOnce(&mut Keys) -> Result<T>) -> Result<T> {
        let path = self.master_key_path();
        // Where a symbolic link to it leads.
        let path = path.canonicalize().with_context(|| format!("{} cannot be changed", path.display()))?;
        let _lock = match self.sources.key_file {
            None => trust::lock(&self.path.join("lock"))?,
            Some(_) => trust::lock(&path.with_extension("lock"))?,
        };
        let mut keys = self.keys()?;
        let value = change(&mut keys)?;
        Keys::parse(&keys.setting())?;
        write(&path, &keys)?;
        Ok(value)
    }

    /// How long ago the keys were changed last.
    pub fn keys_age(&self) -> Result<Duration> {
        let path = self.master_key_path();
        let changed = std::fs::metadata(&path).and_then(|metadata| metadata.modified());
        let changed = changed.with_context(|| format!("{} cannot be read", path.display()))?;
        // A file of the future was changed just now, by another clock.
        Ok(SystemTime::now().duration_since(changed).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_key_is_the_last_and_the_one_that_seals_stays() {
        let mut keys = Keys::first().unwrap();
        assert_eq!(keys.add().unwrap(), "k2");
        assert_eq!(keys.ids().collect::<Vec<_>>(), ["k1", "k2"]);
        assert!(keys.remove("k1").unwrap_err().to_string().starts_with("k1 is the key that seals"));
        keys.put_first("k2").unwrap();
        let before = keys.setting();
        assert_eq!(Keys::parse(&before).unwrap().setting(), before);
        keys.remove("k1").unwrap();
        assert_eq!(keys.ids().collect::<Vec<_>>(), ["k2"]);
        assert_eq!(keys.add().unwrap(), "k3");
        assert_eq!(keys.put_first("k1").unwrap_err().to_string(), "there is no key k1");
    }

    #[test]
    fn what_is_no_key_is_refused_and_not_quoted() {
        for text in ["", "canary", "k1:canary", "k1:AAAA k1:AAAA"] {
            let error = Keys::parse(text).err().expect(text);
            assert!(!format!("{error:#}").contains("canary"), "{error:#}");
        }
    }
}
