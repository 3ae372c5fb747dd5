//! A file system in memory. It knows what is on the device and what would be lost, and a process on it can be stopped
//! before any operation.

use crate::files::{Fault, Files, Names, Result};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

type Entries = BTreeMap<String, usize>;

enum Inode {
    /// Files are synced before they have a second name, so their content is never in doubt.
    File(Vec<u8>),
    Directory {
        entries: Entries,
        /// Those that are on the device.
        durable: Entries,
    },
}

#[derive(Default)]
struct State {
    inodes: Vec<Inode>,
    operations: u64,
    random: u128,
    /// Of everything, in seconds.
    age: u64,
}

/// See the module. Its clones are the same disk.
#[derive(Clone)]
pub struct Disk(Arc<Mutex<State>>);

/// A process on a disk.
pub struct Process {
    disk: Disk,
    /// Called before each operation; `false`: the process is dead.
    before: Box<dyn Fn() -> bool + Send>,
}

impl Disk {
    pub fn new() -> Self {
        let root = Inode::Directory { entries: Entries::new(), durable: Entries::new() };
        Self(Arc::new(Mutex::new(State { inodes: vec![root], ..State::default() })))
    }

    pub fn process(&self) -> Process {
        self.process_with(|| true)
    }

    pub fn process_with(&self, before: impl Fn() -> bool + Send + 'static) -> Process {
        Process { disk: self.clone(), before: Box::new(before) }
    }

    /// One that dies before its operation with this number.
    pub fn process_until(&self, operations: u64) -> Process {
        let left = Mutex::new(operations);
        self.process_with(move || {
            let mut left = left.lock().unwrap();
            let lives = *left > 0;
            *left = left.saturating_sub(1);
            lives
        })
    }

    /// Makes everything on it older.
    pub fn grow_old(&self, seconds: u64) {
        self.state().age += seconds;
    }

    /// A failure of power: of each name that is not on the device, `keep` says whether it is as it was or as it was going
    /// to be.
    pub fn lose_power(&self, mut keep: impl FnMut() -> bool) {
        for inode in &mut self.state().inodes {
            let Inode::Directory { entries, durable } = inode else { continue };
            let names: Vec<String> = entries.keys().chain(durable.keys()).cloned().collect();
            for name in names {
                if entries.get(&name) != durable.get(&name) && !keep() {
                    match durable.get(&name) {
                        Some(old) => entries.insert(name, *old),
                        None => entries.remove(&name),
                    };
                }
            }
            durable.clone_from(entries);
        }
    }

    /// Every file, by its path.
    pub fn tree(&self) -> Vec<String> {
        fn walk(state: &State, inode: usize, path: &str, found: &mut Vec<String>) {
            match &state.inodes[inode] {
                Inode::File(_) => found.push(path.to_owned()),
                Inode::Directory { entries, .. } => {
                    for (name, inode) in entries {
                        walk(state, *inode, &format!("{path}/{name}"), found);
                    }
                }
            }
        }
        let mut found = Vec::new();
        walk(&self.state(), 0, "", &mut found);
        found
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl State {
    fn resolve(&self, path: &str) -> Result<usize> {
        let mut inode = 0;
        for name in path.split('/').filter(|name| *name != ".") {
            inode = *self.entries(inode)?.get(name).ok_or(Fault::Missing)?;
        }
        Ok(inode)
    }

    fn entries(&self, inode: usize) -> Result<&Entries> {
        match &self.inodes[inode] {
            Inode::Directory { entries, .. } => Ok(entries),
            Inode::File(_) => Err(Fault::Other("not-directory".into())),
        }
    }

    /// The entries of the directory that a path lies in, and its last name.
    fn parent<'a>(&mut self, path: &'a str) -> Result<(&mut Entries, &'a str)> {
        let (parent, name) = path.rsplit_once('/').unwrap_or((".", path));
        let inode = self.resolve(parent)?;
        match &mut self.inodes[inode] {
            Inode::Directory { entries, .. } => Ok((entries, name)),
            Inode::File(_) => Err(Fault::Other("not-directory".into())),
        }
    }

    fn insert(&mut self, path: &str, inode: usize) -> Result<()> {
        let (entries, name) = self.parent(path)?;
        entries.insert(name.to_owned(), inode);
        Ok(())
    }

    fn is_free(&self, path: &str) -> Result<()> {
        match self.resolve(path) {
            Ok(_) => Err(Fault::Exists),
            Err(Fault::Missing) => Ok(()),
            Err(fault) => Err(fault),
        }
    }

    fn take(&mut self, path: &str) -> Result<usize> {
        let (entries, name) = self.parent(path)?;
        entries.remove(name).ok_or(Fault::Missing)
    }

    fn add(&mut self, path: &str, inode: Inode) -> Result<()> {
        self.is_free(path)?;
        let number = self.inodes.len();
        self.insert(path, number)?;
        self.inodes.push(inode);
        Ok(())
    }
}

impl Process {
    fn run<T>(&self, operation: impl FnOnce(&mut State) -> Result<T>) -> Result<T> {
        if !(self.before)() {
            return Err(Fault::Other("dead".into()));
        }
        let mut state = self.disk.state();
        state.operations += 1;
        operation(&mut state)
    }
}

impl Files for Process {
    fn read(&self, path: &str) -> Result<Vec<u8>> {
        self.run(|state| {
            let inode = state.resolve(path)?;
            match &state.inodes[inode] {
                Inode::File(content) => Ok(content.clone()),
                Inode::Directory { .. } => Err(Fault::Other("is-directory".into())),
            }
        })
    }

    /// In two steps, as a process can die after the first.
    fn create(&self, path: &str, content: &[u8]) -> Result<()> {
        self.run(|state| state.add(path, Inode::File(content[..content.len() / 2].to_vec())))?;
        self.run(|state| {
            let inode = state.resolve(path)?;
            state.inodes[inode] = Inode::File(content.to_vec());
            Ok(())
        })
    }

    fn link(&self, from: &str, to: &str) -> Result<()> {
        self.run(|state| {
            let inode = state.resolve(from)?;
            state.is_free(to)?;
            state.insert(to, inode)
        })
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        self.run(|state| {
            let inode = state.resolve(from)?;
            let is_directory = state.entries(inode).is_ok();
            match state.resolve(to) {
                Ok(old) if is_directory && !state.entries(old)?.is_empty() => return Err(Fault::Exists),
                Ok(_) | Err(Fault::Missing) => {}
                Err(fault) => return Err(fault),
            }
            state.insert(to, inode)?;
            state.take(from).map(|_| ())
        })
    }

    fn remove(&self, path: &str) -> Result<()> {
        self.run(|state| {
            let inode = state.resolve(path)?;
            match state.entries(inode) {
                Ok(_) => Err(Fault::Other("is-directory".into())),
                Err(_) => state.take(path).map(|_| ()),
            }
        })
    }

    fn make_directory(&self, path: &str) -> Result<()> {
        self.run(|state| state.add(path, Inode::Directory { entries: Entries::new(), durable: Entries::new() }))
    }

    fn remove_directory(&self, path: &str) -> Result<()> {
        self.run(|state| {
            let inode = state.resolve(path)?;
            if state.entries(inode)?.is_empty() { state.take(path).map(|_| ()) } else { Err(Fault::Exists) }
        })
    }

    fn list(&self, path: &str) -> Result<Vec<String>> {
        self.run(|state| Ok(state.entries(state.resolve(path)?)?.keys().cloned().collect()))
    }

    fn sync_directory(&self, path: &str) -> Result<()> {
        self.run(|state| {
            let inode = state.resolve(path)?;
            match &mut state.inodes[inode] {
                Inode::Directory { entries, durable } => durable.clone_from(entries),
                Inode::File(_) => return Err(Fault::Other("not-directory".into())),
            }
            Ok(())
        })
    }

    fn age(&self, path: &str) -> Result<u64> {
        self.run(|state| state.resolve(path).map(|_| state.age))
    }
}

impl Names for Process {
    fn now(&self) -> u64 {
        self.disk.state().operations * 1_000_000_000
    }

    fn random(&self) -> u128 {
        let mut state = self.disk.state();
        state.random += 1;
        state.random
    }
}
