//! `sweep`: upkeep of the store, in steps: what is over its time goes, then what interrupted writers left behind.

use super::history::{ended_at, is_over};
use super::{Action, Vault, cursor};
use crate::catalog::{Index, Share, Swept};
use crate::codec::{Reader, Writer};
use crate::error::{Code, Error, Result};
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::ControlFlow;

/// Entries that one commit removes because they are over their time.
const EXPIRED_AT_ONCE: usize = 16;
/// Records that a credential or a version has, about, its part of the nodes included.
const RECORDS_EACH: u64 = 3;

/// What was done, with the steps before.
pub struct Sweeping {
    pub swept: Swept,
    /// Versions and deleted credentials that were over their time.
    pub expired: u64,
    /// For the next step; `None` when it is done.
    pub next: Option<String>,
}

/// What goes from step to step.
struct Walk {
    swept: Swept,
    expired: u64,
    /// The index in which to look for what is over; `None`: records that nothing refers to.
    index: Option<Index>,
    from: Vec<u8>,
    share: Option<Share>,
}

/// Goes a step on with a sweep. Begins without a cursor, and ends when there is none any more. Safe beside readers and
/// writers.
///
/// Errors: [`Code::BadRequest`] for a foreign cursor, [`Code::NotSupported`] without compare-and-swap,
/// [`Code::Contended`], those of a commit.
pub fn sweep(vault: &Vault<'_>, cursor: Option<&str>) -> Result<Sweeping> {
    if !vault.platform.store.has_atomics() {
        return Err(Error::new(Code::NotSupported, "sweep needs a key-value store with compare-and-swap"));
    }
    let mut walk = match cursor {
        Some(text) => cursor::read(vault, "sweep", text, Walk::decode)?,
        None => {
            Walk { swept: Swept::default(), expired: 0, index: Some(Index::History), from: Vec::new(), share: None }
        }
    };
    let is_over = walk.step(vault)?;
    let next = if is_over { None } else { Some(cursor::write(vault, "sweep", &walk.encode())?) };
    Ok(Sweeping { swept: walk.swept, expired: walk.expired, next })
}

impl Walk {
    /// True when this was the last one.
    fn step(&mut self, vault: &Vault<'_>) -> Result<bool> {
        if let Some(index) = self.index {
            self.expire(vault, index)?;
            return Ok(false);
        }
        let share = match self.share {
            Some(share) => share,
            None => vault.catalog.read(|snapshot| {
                let indexes = [Index::Id, Index::Archive, Index::History, Index::Trash];
                let counts = indexes.into_iter().map(|index| snapshot.count(index));
                let entries = counts.sum::<Result<u32, _>>()?;
                Ok(Share::first(RECORDS_EACH * u64::from(entries)))
            })?,
        };
        let swept = vault.catalog.sweep(share)?;
        if swept.deleted > 0 {
            // What it deleted was in no root, so there is no commit of its own that could tell of it.
            vault.change(|change| {
                change.note_upkeep(Action::Sweep);
                change.touch();
                Ok(())
            })?;
        }
        self.swept.examined += swept.examined;
        self.swept.deleted += swept.deleted;
        self.share = share.next();
        Ok(self.share.is_none())
    }

    /// Removes some of what is over its time.
    fn expire(&mut self, vault: &Vault<'_>, index: Index) -> Result<()> {
        let (policy, now) = (vault.policy()?, vault.now());
        let mut expired: Vec<Vec<u8>> = Vec::new();
        vault.catalog.walk(index, &self.from, &mut |entry| {
            let ended = ended_at(entry).ok_or_else(|| crate::seal::corrupt(crate::seal::Purpose::Node))?;
            if !policy.keeps_history() || is_over(policy, ended, now) {
                expired.push(entry.key.clone());
            }
            let is_enough = expired.len() == EXPIRED_AT_ONCE;
            Ok(if is_enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        if !expired.is_empty() {
            vault.change(|change| {
                for key in &expired {
                    change.remove(index, key)?;
                }
                change.note_upkeep(Action::Sweep);
                Ok(())
            })?;
        }
        self.expired += expired.len() as u64;
        match expired.pop().filter(|_| expired.len() + 1 == EXPIRED_AT_ONCE) {
            Some(last) => self.from = last,
            None => {
                self.from = Vec::new();
                self.index = (index == Index::History).then_some(Index::Trash);
            }
        }
        Ok(())
    }

    fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        let Share { number, of } = self.share.unwrap_or(Share { number: 0, of: 0 });
        for value in [self.swept.examined, self.swept.deleted, self.expired, number, of] {
            writer.number(value);
        }
        writer.u8(self.index.map_or(0, Index::number));
        writer.bytes(&self.from);
        writer.bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let swept = Swept { examined: reader.number()?, deleted: reader.number()? };
        let expired = reader.number()?;
        let (number, of) = (reader.number()?, reader.number()?);
        let share = (of > 0).then_some(Share { number, of });
        let walk = Self { swept, expired, index: Index::of(reader.u8()?), from: reader.bytes()?.to_vec(), share };
        reader.end()?;
        Some(walk)
    }
}
