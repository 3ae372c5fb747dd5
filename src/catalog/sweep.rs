//! Records that nothing refers to: finding them, and removing what interrupted writers left behind.
//!
//! The records of a project are looked at in shares, by the first bits of their random keys, so that the set of those in
//! use takes bounded memory however many there are.

use super::cell::Found;
use super::examine::Visitor;
use super::fault::Fault;
use super::index::Index;
use super::mutation::Mutation;
use super::node::Entry;
use super::record::RecordRef;
use super::root::{Garbage, Root};
use super::{Catalog, PinId, Pinned};
use crate::error::{Code, Result};
use crate::seal::{Purpose, key_id};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;

/// What a sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Records of this project that were looked at.
    pub examined: u64,
    /// Unreachable records that were deleted.
    pub deleted: u64,
}

/// How many envelopes each master key has sealed, by its id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyUse(pub BTreeMap<String, u64>);

impl<'e> Extend<&'e [u8]> for KeyUse {
    fn extend<I: IntoIterator<Item = &'e [u8]>>(&mut self, envelopes: I) {
        for id in envelopes.into_iter().filter_map(key_id) {
            *self.0.entry(String::from(id)).or_default() += 1;
        }
    }
}

/// Records in a share, about: some megabytes while they are looked at.
const SHARE_RECORDS: u64 = 65_536;
const SHARES_MAX: u64 = 1 << 16;
/// Leaves that are looked at before the pin is looked after.
const LEAVES_AT_ONCE: u32 = 256;

/// One of the shares that records are divided into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    pub number: u64,
    /// A power of two.
    pub of: u64,
}

impl Share {
    /// The first share when there are about this many records.
    pub fn first(records: u64) -> Self {
        Self { number: 0, of: records.div_ceil(SHARE_RECORDS).next_power_of_two().min(SHARES_MAX) }
    }

    pub fn next(self) -> Option<Self> {
        let number = self.number + 1;
        (number < self.of).then_some(Self { number, ..self })
    }

    fn has(self, record: &RecordRef) -> bool {
        let [first, second, ..] = record.random;
        u64::from(u16::from_be_bytes([first, second])) & (self.of - 1) == self.number
    }
}

impl Catalog<'_> {
    /// Deletes the records of a share that neither the root nor its garbage refers to, and what was purged.
    ///
    /// The keys are listed first; then a root is pinned, which is a commit; then what it and other pinned roots refer to
    /// is struck off; the rest is deleted. A writer that was under way when the keys were listed builds on the pinned root at the latest: its
    /// swap can no longer land, and when it builds on a newer one it writes everything anew. So what the pinned root does
    /// not refer to, no later one ever will.
    ///
    /// Errors: [`Code::NotSupported`] without compare-and-swap; those of
    /// [`Catalog::pin`].
    pub fn sweep(&self, share: Share) -> Result<Swept> {
        self.check_atomics()?;
        let mut unused = self.listed(share)?;
        let examined = unused.len() as u64;
        // What is garbage now may be deleted by the commits of this sweep.
        self.strike_off_newest(&mut unused, |garbage| !garbage.is_purged())?;
        let strike = &mut |record| {
            unused.remove(&record);
        };
        if Mutation::SweepWithoutCommit.is_on() {
            self.unpinned()?.references(strike)?;
        } else {
            let id = self.pin()?;
            let struck = self.strike_off_pinned(id, strike);
            self.unpin(id)?;
            struck?;
        }
        self.strike_off_newest(&mut unused, |garbage| !garbage.is_purged())?;
        let deleted = unused.iter().filter(|record| self.records.delete(**record)).count();
        Ok(Swept { examined, deleted: deleted as u64 })
    }

    /// How many records of a share nothing refers to, neither the pinned snapshot nor the newest root. Fails when two
    /// entries own the same one. Adds to `keys` by which key each record of the share is sealed, whoever refers to it.
    pub fn orphans(&self, pinned: &Pinned<'_>, share: Share, keys: &mut KeyUse) -> Result<u64> {
        let mut used = BTreeSet::new();
        let mut is_broken = false;
        pinned.references(&mut |record| is_broken |= share.has(&record) && !used.insert(record))?;
        if is_broken {
            return Err(crate::seal::corrupt(Purpose::Node));
        }
        let mut unused = self.listed(share)?;
        for record in &unused {
            // What is not there any more was deleted since.
            keys.extend(self.records.sealed(*record)?.as_deref());
        }
        unused.retain(|record| !used.contains(record));
        self.strike_off_newest(&mut unused, |_| true)?;
        Ok(unused.len() as u64)
    }

    /// Adds to `keys` by which key the newest root is sealed.
    pub fn root_key(&self, keys: &mut KeyUse) -> Result<()> {
        keys.extend(self.newest()?.as_ref().map(|newest| newest.bytes.as_slice()));
        Ok(())
    }

    /// How many superseded records later commits will delete.
    pub fn garbage(&self) -> Result<u64> {
        self.newest()?.map_or(Ok(0), |newest| Ok(newest.state.garbage()?.len() as u64))
    }

    pub(super) fn newest(&self) -> Result<Option<Found<'_, Root>>> {
        self.records.current(&self.records.keys.root())
    }

    /// Visits what the own pin refers to, all of it or it fails: a writer whose clock is ahead can end it at once. Then
    /// what the pins of other walks refer to, as far as they are still there.
    fn strike_off_pinned(&self, own: PinId, strike: &mut dyn FnMut(RecordRef)) -> Result<()> {
        self.pinned(own)?.references(strike)?;
        let pins = self.newest()?.map_or(Ok(Vec::new()), |newest| newest.state.pins())?;
        for pin in pins.into_iter().filter(|pin| pin.id != own) {
            match self.pinned(pin.id).and_then(|pinned| pinned.references(strike)) {
                Ok(()) => {}
                // It ended meanwhile, and with it its claim.
                Err(error) if error.code() == Code::Contended => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Takes out what the newest root refers to beside its indexes; of the garbage, what is to be kept.
    fn strike_off_newest(&self, unused: &mut BTreeSet<RecordRef>, is_kept: fn(&Garbage) -> bool) -> Result<()> {
        let Some(Found { state: newest, .. }) = self.newest()? else { return Ok(()) };
        for garbage in newest.garbage()?.into_iter().filter(is_kept) {
            unused.remove(&garbage.record);
        }
        for pin in newest.pins()? {
            unused.remove(&pin.tops);
        }
        Ok(())
    }

    /// The records of a share that the bucket lists.
    fn listed(&self, share: Share) -> Result<BTreeSet<RecordRef>> {
        let mut listed = BTreeSet::new();
        self.records.for_each_listed(|record| {
            if share.has(&record) {
                listed.insert(record);
            }
        })?;
        Ok(listed)
    }
}

impl Pinned<'_> {
    /// Visits every record that the snapshot refers to.
    fn references(&self, visit: &mut dyn FnMut(RecordRef)) -> Result<()> {
        struct References<'s>(&'s mut dyn FnMut(RecordRef));
        impl Visitor for References<'_> {
            fn node(&mut self, record: RecordRef, _: usize) -> Result<(), Fault> {
                (self.0)(record);
                Ok(())
            }
            fn entry(&mut self, entry: &Entry) -> Result<(), Fault> {
                entry.records.iter().for_each(|record| (self.0)(*record));
                Ok(())
            }
        }
        for index in Index::ALL {
            let mut next = Some(Vec::new());
            while let Some(from) = next {
                let visitor = &mut References(visit);
                next = self.walk(|snapshot| snapshot.examine(index, &from, LEAVES_AT_ONCE, visitor))?.next;
            }
        }
        Ok(())
    }
}
