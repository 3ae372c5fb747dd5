//! Pins: a walk over the whole store keeps the snapshot it reads from being collected, beside any number of writers.
//!
//! A pin is an entry of the root with an end: until then no commit deletes a record that the pinned root refers to. The
//! top nodes of that root lie in a record of their own, so that a walk in steps finds its snapshot again in a later
//! call. Who forgets to unpin holds nothing for longer than the end says, and a reader whose pin has ended finds records
//! missing and starts over: no promise rests on the clocks.

use super::cell::{Cell as _, outcome_unknown};
use super::record::RecordRef;
use super::root::Root;
use super::{Catalog, Fault, Snapshot};
use crate::codec::{Reader, Writer};
use crate::error::{Code, Error, Result};
use crate::seal::{Purpose, corrupt};
use crate::time::Timestamp;
use alloc::vec::Vec;
use core::cell::Cell;

/// Names a pin.
pub type PinId = [u8; 8];

/// How long a pin holds without being renewed.
const PIN_MS: u64 = 60_000;
/// One that ends later than this was made by a clock that is wrong: it holds nothing.
const PIN_MAX_MS: u64 = 10 * PIN_MS;
/// Pins that a root holds at most.
const PINS_MAX: usize = 8;

/// A pinned root.
#[derive(Clone)]
pub struct Pin {
    pub id: PinId,
    /// The number of the root.
    pub seq: u64,
    until: Timestamp,
    /// Its top nodes.
    pub tops: RecordRef,
}

impl Pin {
    pub fn encode(&self, writer: &mut Writer) {
        writer.raw(&self.id);
        writer.number(self.seq);
        writer.u64(self.until.0);
        writer.raw(&self.tops.to_bytes());
    }

    pub fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        let (id, seq) = (reader.array()?, reader.number()?);
        Some(Self { id, seq, until: Timestamp(reader.u64()?), tops: RecordRef::from_bytes(reader.array()?)? })
    }

    pub fn holds(&self, now: Timestamp) -> bool {
        now < self.until && self.until.0 - now.0 <= PIN_MAX_MS
    }
}

impl Catalog<'_> {
    /// Pins the newest root, by a commit.
    ///
    /// Errors: [`Code::NotSupported`] without compare-and-swap; [`Code::Contended`] when eight others are pinned; those
    /// of [`Catalog::commit`].
    pub fn pin(&self) -> Result<PinId> {
        self.check_atomics()?;
        let id: PinId = self.records.random()?;
        self.commit(|transaction| {
            let now = self.records.platform.clock.now();
            let mut pins = transaction.root().pins()?;
            pins.retain(|pin| pin.holds(now));
            if pins.len() >= PINS_MAX {
                return Err(Error::new(Code::Contended, "too many walks over the vault at once").retry_after(5).into());
            }
            let (seq, tops) = (transaction.root().seq, transaction.root().contents_only());
            let tops = transaction.add_snapshot(tops)?;
            pins.push(Pin { id, seq, until: Timestamp(now.0 + PIN_MS), tops });
            transaction.set_pins(pins)
        })?;
        Ok(id)
    }

    /// A pinned snapshot. Errors: [`Code::Contended`] when the pin is gone: begin anew.
    pub fn pinned(&self, id: PinId) -> Result<Pinned<'_>> {
        let pin = self.pin_of(id)?;
        let tops = self.records.read(pin.tops).map_err(|fault| self.told_apart(id, fault))?;
        let tops = Root::of(tops, Purpose::Snapshot)?;
        Ok(Pinned { catalog: self, id, tops, until: Cell::new(pin.until) })
    }

    fn pin_of(&self, id: PinId) -> Result<Pin> {
        let found = self.records.current::<Root>(&self.records.keys.root())?.ok_or_else(|| self.uninitialised())?;
        let now = self.records.platform.clock.now();
        found.state.pins()?.into_iter().find(|pin| pin.id == id && now < pin.until).ok_or_else(gone)
    }

    /// A record that is missing although the pin is still there is lost. Whoever deletes what a pin holds ends the pin.
    fn told_apart(&self, id: PinId, fault: Fault) -> Error {
        match fault {
            Fault::Missing(kind) if id == PinId::default() => corrupt(kind.purpose()),
            Fault::Missing(kind) => self.pin_of(id).map_or_else(|error| error, |_| corrupt(kind.purpose())),
            Fault::Error(error) => error,
        }
    }

    /// The newest snapshot, which nothing keeps: for stores without compare-and-swap, where nothing is ever deleted.
    pub fn unpinned(&self) -> Result<Pinned<'_>> {
        let found = self.records.current::<Root>(&self.records.keys.root())?.ok_or_else(|| self.uninitialised())?;
        let tops = found.state.contents_only();
        Ok(Pinned { catalog: self, id: PinId::default(), tops, until: Cell::new(Timestamp(u64::MAX)) })
    }

    /// The snapshot that [`Pinned::seal_backup`] sealed. Nothing keeps it. Errors: those of a seal.
    pub fn of_backup(&self, sealed: &[u8], digest: &str) -> Result<Pinned<'_>> {
        let tops = super::backup::root_of(self.records.sealer, sealed, digest)?.contents_only();
        Ok(Pinned { catalog: self, id: PinId::default(), tops, until: Cell::new(Timestamp(u64::MAX)) })
    }

    /// Errors: [`Code::PreconditionFailed`] when the store has the project.
    pub fn check_absent(&self) -> Result<()> {
        let found = self.records.current::<Root>(&self.records.keys.root())?;
        if found.is_none() { Ok(()) } else { Err(is_there()) }
    }

    /// Ends a pin, by a commit. One that has ended already is no error.
    pub fn unpin(&self, id: PinId) -> Result<()> {
        self.commit(|transaction| {
            let mut pins = transaction.root().pins()?;
            pins.retain(|pin| pin.id != id);
            transaction.set_pins(pins)
        })
    }

    fn renew(&self, id: PinId, until: Timestamp) -> Result<()> {
        self.commit(|transaction| {
            let mut pins = transaction.root().pins()?;
            let pin = pins.iter_mut().find(|pin| pin.id == id).ok_or_else(gone)?;
            pin.until = until;
            transaction.set_pins(pins)
        })
    }

    pub(super) fn check_atomics(&self) -> Result<()> {
        if self.records.platform.store.has_atomics() {
            return Ok(());
        }
        Err(Error::new(Code::NotSupported, "this needs a key-value store with compare-and-swap"))
    }
}

/// A snapshot that stays.
pub struct Pinned<'p> {
    catalog: &'p Catalog<'p>,
    id: PinId,
    tops: Root,
    until: Cell<Timestamp>,
}

impl Pinned<'_> {
    /// Runs a part of a walk; before it, the pin is renewed when half of its time is over.
    ///
    /// Errors: [`Code::Contended`] when a record is missing all the same: begin anew.
    pub fn walk<T>(&self, part: impl FnOnce(&Snapshot<'_>) -> Result<T, Fault>) -> Result<T> {
        let now = self.catalog.records.platform.clock.now();
        if self.until.get().0.saturating_sub(now.0) < PIN_MS / 2 {
            let until = Timestamp(now.0 + PIN_MS);
            self.catalog.renew(self.id, until)?;
            self.until.set(until);
        }
        part(&Snapshot::new(&self.catalog.records, Some(&self.tops)))
            .map_err(|fault| self.catalog.told_apart(self.id, fault))
    }

    /// The snapshot as the root of a backup, sealed and bound to what is told by `digest`.
    pub fn seal_backup(&self, digest: &str) -> Result<Vec<u8>> {
        let records = &self.catalog.records;
        self.tops.seal(records.sealer, records.platform.random, Purpose::Backup, digest)
    }

    /// Makes this snapshot, which is that of a backup whose records have been written, the vault of a store that has none.
    ///
    /// Errors: [`Code::PreconditionFailed`] when there is one, those of the store.
    pub fn publish(&self) -> Result<()> {
        let records = &self.catalog.records;
        self.catalog.check_absent()?;
        if records.platform.store.has_atomics() {
            // Whoever begins a vault here from now on loses the election, or has won it and loses the swap.
            records.platform.store.increment(&records.keys.seed(), 1)?;
        }
        let commit = records.random()?;
        let root = self.tops.clone().of_backup(commit);
        let found = records.create_cell(&records.keys.root(), &root)?.map_err(|_| outcome_unknown())?;
        let is_ours = found.state.commit_at(root.seq)? == Some(commit);
        if is_ours { Ok(()) } else { Err(is_there()) }
    }

    /// Bytes of the root record before it is sealed.
    pub fn root_bytes(&self) -> Result<u64> {
        self.tops.bytes()
    }
}

fn is_there() -> Error {
    Error::new(Code::PreconditionFailed, "the store has the project already: a backup is restored where there is none")
}

fn gone() -> Error {
    Error::new(Code::Contended, "the vault changed under the walk; begin it anew").retry_after(1)
}
