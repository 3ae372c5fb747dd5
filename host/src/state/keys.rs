//! The master keys of a state directory, in the order of the setting `strongroom_keys`: the first seals, all open.

use super::key_command::KeyCommand;
use super::passphrase::{self, Passphrase};
use super::watched::Watched;
use super::{KeySource, Sources, StateDir, sources, trust};
use crate::Result;
use anyhow::{Context, bail, ensure};
use base64ct::{Base64UrlUnpadded, Encoding};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use strongroom::seal::{Keyring, MASTER_KEY_BYTES};
use zeroize::Zeroizing;

/// Entries of the form `id:base64url-of-32-bytes`, at least one.
#[derive(Clone)]
pub struct Keys(Vec<Zeroizing<String>>);

impl Keys {
    /// The text of a file: entries with white space between them. No error quotes it.
    pub fn parse(text: &str) -> Result<Self> {
        Keyring::parse(text).map_err(|error| anyhow::anyhow!("{}", error.message()))?;
        Ok(Self(text.split_ascii_whitespace().map(|entry| Zeroizing::new(entry.to_owned())).collect()))
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
        let mut key = Zeroizing::new([0; MASTER_KEY_BYTES]);
        getrandom::fill(key.as_mut_slice()).context("the system gave no random numbers")?;
        let key = Zeroizing::new(Base64UrlUnpadded::encode_string(key.as_slice()));
        self.0.push(Zeroizing::new(format!("{id}:{}", *key)));
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
        self.joined(" ")
    }

    fn joined(&self, between: &str) -> String {
        self.0.iter().map(|entry| entry.as_str()).collect::<Vec<_>>().join(between)
    }
}

/// The master keys of a state directory, wherever they come from.
pub(super) enum MasterKeys {
    /// Read anew when a key is added, put first or retired.
    File(Watched<Keys>),
    /// As they were when they were needed first.
    Command(Arc<KeyCommand>),
}

impl MasterKeys {
    pub fn read(&self) -> Result<Arc<Keys>> {
        match self {
            Self::File(file) => file.read(),
            Self::Command(command) => command.keys(),
        }
    }
}

/// The keys of a file. Errors name the file.
pub(super) fn read(path: &Path, is_named: bool, passphrase: Option<&Passphrase>) -> Result<Keys> {
    let text = sources::read(path, is_named, trust::PRIVATE)?.map(Zeroizing::new);
    let text = text.with_context(|| format!("{} is missing", path.display()))?;
    let place = path.display();
    match (passphrase::is_wrapped(&text), passphrase) {
        (true, Some(passphrase)) => {
            let keys = passphrase.unwrap(&text).and_then(|keys| Keys::parse(&keys));
            keys.with_context(|| place.to_string())
        }
        (true, None) => bail!("{place} is wrapped by a passphrase: give it with --passphrase-fd"),
        (false, Some(_)) => bail!("{place} is not wrapped by a passphrase: `strongroom key passphrase` wraps it"),
        (false, None) => Keys::parse(&text).with_context(|| format!("{place} is damaged")),
    }
}

pub(super) fn write(path: &Path, keys: &Keys, passphrase: Option<&Passphrase>) -> Result<()> {
    let mut text = Zeroizing::new(keys.joined("\n"));
    match passphrase {
        Some(passphrase) => trust::write(path, &passphrase.wrap(&text)?),
        None => {
            text.push('\n');
            trust::write(path, &text)
        }
    }
}

/// Changes a file of keys; nobody else can at the same time.
fn change<T>(directory: &Path, sources: &Sources, change: impl FnOnce(&mut Keys, &Path) -> Result<T>) -> Result<T> {
    let path =
        sources.key_file(directory).context("the master keys are those that --key-command gives: change them there")?;
    // Where a symbolic link to it leads.
    let path = path.canonicalize().with_context(|| format!("{} cannot be changed", path.display()))?;
    let _lock = match sources.keys {
        KeySource::Own => trust::lock(&directory.join("lock"))?,
        _ => trust::lock(&path.with_extension("lock"))?,
    };
    let mut keys = read(&path, false, sources.passphrase.as_deref())?;
    change(&mut keys, &path)
}

impl StateDir {
    /// The keys as they are now.
    pub fn keys(&self) -> Result<Arc<Keys>> {
        self.keys.read()
    }

    /// Changes the keys. Running servers use them from the next request on.
    pub fn change_keys<T>(&self, changed: impl FnOnce(&mut Keys) -> Result<T>) -> Result<T> {
        change(&self.path, &self.sources, |keys, path| {
            let value = changed(keys)?;
            Keys::parse(&keys.setting())?;
            write(path, keys, self.sources.passphrase.as_deref())?;
            Ok(value)
        })
    }

    /// Wraps the keys by another passphrase than that of `sources`, or by none; the file they are in. Fails while anybody
    /// uses the state directory, as running programs know the old one only.
    pub fn change_passphrase(directory: &Path, sources: &Sources, new: Option<&Passphrase>) -> Result<PathBuf> {
        let directory =
            directory.canonicalize().with_context(|| format!("{} cannot be opened", directory.display()))?;
        trust::check_directory(&directory)?;
        let _alone = trust::take_alone(&directory)?;
        change(&directory, sources, |keys, path| {
            write(path, keys, new)?;
            Ok(path.to_owned())
        })
    }

    /// How long ago the keys were changed last.
    pub fn keys_age(&self) -> Result<Duration> {
        let path = self.master_key_path()?;
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
