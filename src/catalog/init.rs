//! The first root.
//!
//! Only the caller whose increment of the seed returns 1 goes on, and then by swap from absent and read-back: the
//! election protects the hosts whose swap from absent overwrites, the swap protects those whose increment can lie.
//! Nobody takes over by itself from a first writer that died, so a root that the store lost fails closed instead of
//! showing an empty vault; so do records of the project without seed and root.

use super::Catalog;
use super::cell::{Cell, outcome_unknown};
use super::mutation::Mutation;
use super::root::{NODE_BYTES, NODE_BYTES_DEFAULT, Root};
use crate::error::{Code, Error, Result};
use alloc::format;

/// How to prepare a store.
#[derive(Clone, Copy, Debug, Default)]
pub struct InitOptions {
    /// End the state [`Code::StorageUninitialised`] by an empty vault. All writers must be stopped.
    pub force: bool,
    /// The largest encoded size of a node, 256-65,536 bytes; `None`: 8,192.
    pub node_bytes: Option<u32>,
}

impl Catalog<'_> {
    /// Prepares the store for the project; false if it was prepared already.
    ///
    /// Errors: [`Code::BadRequest`], [`Code::StorageUninitialised`], [`Code::OutcomeUnknown`], those of the store.
    pub fn init(&self, options: InitOptions) -> Result<bool> {
        if options.node_bytes.is_some_and(|bytes| !NODE_BYTES.contains(&bytes)) {
            return Err(Error::bad_request("node_bytes must be 256 to 65536"));
        }
        if self.records.current::<Root>(&self.records.keys.root())?.is_some() {
            return Ok(false);
        }
        self.create_root(options)
    }

    /// Whether a root was ever created or begun. Read by `get`, which disturbs no election: where it is stale, that
    /// shows an empty vault as empty for a moment longer.
    pub(super) fn is_seeded(&self) -> Result<bool> {
        Ok(self.records.platform.store.get(&self.records.keys.seed())?.is_some())
    }

    /// Whether the store holds records of the project: with neither seed nor root that is a vault that was damaged, not
    /// an empty one. Builds that can't list keys can't tell.
    pub(super) fn has_remains(&self) -> Result<bool> {
        if self.records.platform.store.can_list_keys() { self.records.any_listed() } else { Ok(false) }
    }

    /// True if the root that is there afterwards is this caller's.
    pub(super) fn create_root(&self, options: InitOptions) -> Result<bool> {
        let store = self.records.platform.store;
        let seed = self.records.keys.seed();
        // Before the election: a seed that this leaves behind would make the remains look like a vault in its making.
        if !options.force && !self.is_seeded()? && self.has_remains()? {
            return Err(self.uninitialised());
        }
        let elected = if Mutation::NoElection.is_on() {
            true
        } else if store.has_atomics() {
            // It may have been counted all the same, and then nobody else is elected any more.
            store.increment(&seed, 1).map_err(|_| outcome_unknown())? == 1
        } else if self.is_seeded()? {
            false
        } else {
            store.set(&seed, &1i64.to_le_bytes())?;
            true
        };
        let key = self.records.keys.root();
        if !elected && !options.force && !Mutation::TakeOverInit.is_on() {
            // The one who was elected may be done by now.
            return match self.records.current::<Root>(&key)? {
                Some(_) => Ok(false),
                None => Err(self.uninitialised()),
            };
        }
        let node_bytes = options.node_bytes.unwrap_or(NODE_BYTES_DEFAULT);
        let commit = self.records.random()?;
        let found = self.records.create_cell(&key, &Root::new(node_bytes, commit))?.map_err(|_| outcome_unknown())?;
        Ok(found.state.commit_at(1)? == Some(commit))
    }

    /// The state itself passes within moments where somebody begins the vault right now, and never where nobody does.
    pub(super) fn uninitialised(&self) -> Error {
        Error::new(
            Code::StorageUninitialised,
            format!(
                "the vault was begun, but its root record is missing; if that lasts, and the store lost it, restore a \
                 backup; if the vault was never used, start it while no writer runs: by `init` with force, or by \
                 deleting all keys of the store that begin with {}",
                self.records.keys.prefix()
            ),
        )
        .retry_after(5)
    }
}
