//! The store's contents and everything that happens to them: requests, late effects, losses.

mod store_call;
#[cfg(test)]
mod tests;

pub use store_call::{Answer, StoreCall};

use crate::dice::Dice;
use crate::hosts::{Fate, Host, Luck};
use crate::stats::{Fault, Stats};
use crate::trace::Trace;
use std::collections::BTreeMap;
use std::rc::Rc;
use strongroom::catalog::RecordRef;
use strongroom::store::{KeyPage, StoreError, Swap};

pub type Key = Rc<str>;
pub type Bytes = Rc<[u8]>;
/// Number of an operation in the history.
pub type OpId = usize;

/// Older versions a stale read can answer with.
const STALE_VERSIONS: usize = 3;
/// Keys per page of `list_keys`; small, so that paging happens.
const KEYS_PER_PAGE: usize = 20;

/// The one error of every simulated host.
pub fn refused() -> StoreError {
    StoreError::Other("simulated".into())
}

/// A write that was answered with an error and is still under way.
#[derive(Clone)]
struct Pending {
    op: OpId,
    key: Key,
    write: PendingWrite,
}

#[derive(Clone)]
enum PendingWrite {
    Set(Bytes),
    Delete,
    Swap { seen: Option<Option<Bytes>>, value: Bytes },
}

pub struct World {
    entries: BTreeMap<Key, Bytes>,
    /// The versions before the newest one, oldest first; kept for hosts with stale reads only.
    older: BTreeMap<Key, Vec<Option<Bytes>>>,
    /// What the host lost, as it was when it was lost.
    lost: BTreeMap<Key, Bytes>,
    pending: Vec<Pending>,
    /// A swap that a failover can take back, and what was there before.
    unsettled: Option<(OpId, Key, Bytes)>,
    /// The step and the total of the newest increment of each key.
    increments: BTreeMap<Key, (u64, i64)>,
    host: &'static dyn Host,
    luck: Luck,
    /// Steps of the scheduler so far: the run's time.
    pub step: u64,
    /// The operation whose write changed the root since this was last taken.
    root_changed: Option<OpId>,
    /// Faults that touched an operation.
    struck: BTreeMap<OpId, u32>,
    /// A request that the host's interface does not have.
    pub out_of_interface: Option<&'static str>,
    pub stats: Stats,
    pub trace: Trace,
}

pub fn is_root(key: &str) -> bool {
    key.ends_with(".root")
}

fn is_claim(key: &str) -> bool {
    key.split('.').nth(2) == Some("x")
}

/// Whether losing it is part of the game: other people's keys are not, nor is the seed, as the loss of seed and root
/// together is a new store.
fn is_lossy(key: &str) -> bool {
    !key.ends_with(".seed") && key.starts_with("sr1.") && !key.starts_with("sr1.aaaa")
}

impl World {
    pub fn new(entries: BTreeMap<Key, Bytes>, host: &'static dyn Host, luck: Luck, trace: Trace) -> Self {
        Self {
            entries,
            older: BTreeMap::new(),
            lost: BTreeMap::new(),
            pending: Vec::new(),
            unsettled: None,
            increments: BTreeMap::new(),
            host,
            luck,
            step: 0,
            root_changed: None,
            struck: BTreeMap::new(),
            out_of_interface: None,
            stats: Stats::default(),
            trace,
        }
    }

    pub fn host(&self) -> &'static dyn Host {
        self.host
    }

    /// Carries a request out the way the host does it; `asked` is the step at which it was made.
    pub fn execute(&mut self, op: OpId, request: &StoreCall<'_>, asked: u64) -> Result<Answer, StoreError> {
        self.stats.requests += 1;
        if !self.host.has_atomics() && request.is_atomic() {
            self.out_of_interface = Some("increment or compare-and-swap on a host without atomics");
            return Err(refused());
        }
        let fate = self.host.fate(request, &mut self.luck);
        match (fate, request) {
            (Fate::Refused, _) => {
                self.fault(op, Fault::Refused);
                // Hosts can say of a swap that this is all they did.
                let is_certain = matches!(request, StoreCall::Swap { .. }) && self.step.is_multiple_of(2);
                if is_certain { Ok(Answer::Swapped(Swap::NothingStored(refused()))) } else { Err(refused()) }
            }
            (Fate::AckLost, _) => {
                self.honest(op, request)?;
                self.fault(op, Fault::AckLost);
                Err(refused())
            }
            (Fate::EffectLost, StoreCall::Swap { key, seen, .. }) => {
                if !self.matches(key, *seen) {
                    return Ok(Answer::Swapped(Swap::Conflict));
                }
                self.fault(op, Fault::EffectLost);
                Ok(Answer::Swapped(Swap::Stored))
            }
            (Fate::Late, _) => {
                self.postpone(op, request);
                Err(refused())
            }
            (Fate::Unsettled, StoreCall::Swap { key, seen: Some(Some(old)), .. }) => {
                self.settle(key);
                if let Answer::Swapped(Swap::Stored) = self.honest(op, request)? {
                    self.unsettled = Some((op, (*key).into(), old.clone()));
                }
                self.fault(op, Fault::Unsettled);
                Err(refused())
            }
            (_, StoreCall::Current { key }) if self.host.settles() => {
                self.settle(key);
                self.honest(op, request)
            }
            (Fate::SaysConflict, StoreCall::Swap { .. }) => {
                if let Answer::Swapped(Swap::Stored) = self.honest(op, request)? {
                    self.fault(op, Fault::SaysConflict);
                }
                Ok(Answer::Swapped(Swap::Conflict))
            }
            (Fate::Stale, StoreCall::Get { key }) => {
                let fresh = self.entries.get(*key).cloned();
                let value = self.stale(key);
                if value != fresh {
                    self.fault(op, Fault::Stale);
                }
                Ok(Answer::Value(value))
            }
            (Fate::Stale, StoreCall::ListKeys { cursor }) => {
                self.fault(op, Fault::Stale);
                Ok(Answer::Keys(self.stale_keys(*cursor)))
            }
            (Fate::WrongTotal, StoreCall::Increment { key, .. }) => {
                let close = self.increments.get(*key).is_some_and(|(step, _)| *step >= asked);
                let Answer::Total(total) = self.honest(op, request)? else { return Err(refused()) };
                if !close {
                    return Ok(Answer::Total(total));
                }
                self.fault(op, Fault::WrongTotal);
                Ok(Answer::Total(if self.luck.dice.one_in(2) { total - 1 } else { total + 1 }))
            }
            _ => self.honest(op, request),
        }
    }

    /// Carries a request out the way the interface says.
    pub fn honest(&mut self, op: OpId, request: &StoreCall<'_>) -> Result<Answer, StoreError> {
        Ok(match *request {
            StoreCall::Get { key } | StoreCall::Current { key } => Answer::Value(self.entries.get(key).cloned()),
            StoreCall::Set { key, value } => {
                self.put(op, key, Some(value.into()));
                Answer::Done
            }
            StoreCall::Delete { key } => {
                self.put(op, key, None);
                Answer::Done
            }
            StoreCall::Increment { key, delta } => {
                let old = match self.entries.get(key) {
                    None => 0,
                    Some(bytes) => i64::from_le_bytes(bytes.as_ref().try_into().map_err(|_| refused())?),
                };
                let total = old + delta;
                self.put(op, key, Some(Rc::from(total.to_le_bytes())));
                self.increments.insert(key.into(), (self.step, total));
                Answer::Total(total)
            }
            StoreCall::Swap { key, seen, value } => Answer::Swapped(if self.matches(key, seen) {
                if seen == Some(&None) && self.entries.contains_key(key) {
                    self.fault(op, Fault::AbsentOverwritten);
                }
                self.put(op, key, Some(value.into()));
                Swap::Stored
            } else {
                Swap::Conflict
            }),
            StoreCall::ListKeys { cursor } => Answer::Keys(page(self.entries.keys(), cursor)),
        })
    }

    /// A read of what was before the host lost keys: for the checker, not for the actors.
    pub fn unlost(&self, key: &str) -> Option<Bytes> {
        self.entries.get(key).or_else(|| self.lost.get(key)).cloned()
    }

    /// Lets one write that is under way take effect.
    pub fn land_one(&mut self, dice: &mut Dice) {
        let index = dice.below(self.pending.len());
        let Pending { op, key, write } = self.pending.swap_remove(index);
        let landed = match write {
            PendingWrite::Set(value) => {
                self.put(op, &key, Some(value));
                true
            }
            PendingWrite::Delete => {
                self.put(op, &key, None);
                true
            }
            PendingWrite::Swap { seen, value } => {
                let landed = self.matches(&key, seen.as_ref());
                if landed {
                    self.put(op, &key, Some(value));
                }
                landed
            }
        };
        if landed {
            self.stats.count(Fault::LateLanded);
        }
        let step = self.step;
        self.trace.late(step, op, &key, landed);
    }

    /// Lets one write that is under way come to nothing.
    pub fn drop_one(&mut self) {
        self.pending.pop();
    }

    /// What is visible of a key stays.
    pub fn settle(&mut self, key: &str) {
        self.unsettled.take_if(|(_, unsettled, _)| **unsettled == *key);
    }

    pub fn has_unsettled(&self) -> bool {
        self.unsettled.is_some()
    }

    /// A failover: takes a swap back that is not settled. Returns whose it was if it was one of the root.
    pub fn fail_over(&mut self) -> Option<OpId> {
        let (op, key, old) = self.unsettled.take()?;
        self.fault(op, Fault::TakenBack);
        self.entries.insert(key.clone(), old);
        let step = self.step;
        self.trace.note(step, op, || format!("    (failover: the swap of {key} is taken back)"));
        is_root(&key).then_some(op)
    }

    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Loses a key, when the host does such things and it is the moment for it; the root only if it may.
    pub fn maybe_lose(&mut self, root_too: bool) {
        // One loss a run: after it every further one could only hide whether the first was reported.
        if !self.lost.is_empty() || !self.host.loses_a_key(&mut self.luck) {
            return;
        }
        let candidates: Vec<Key> =
            self.entries.keys().filter(|key| is_lossy(key) && (root_too || !is_root(key))).cloned().collect();
        if candidates.is_empty() {
            return;
        }
        // The root every fourth time: else it would hardly ever be the one.
        let root = candidates.iter().find(|key| is_root(key)).filter(|_| self.luck.dice.one_in(4));
        let key = root.unwrap_or_else(|| &candidates[self.luck.dice.below(candidates.len())]).clone();
        if let Some(value) = self.entries.remove(&key) {
            self.lost.insert(key.clone(), value);
            self.stats.count(Fault::KeyLost);
            let step = self.step;
            self.trace.lost(step, &key);
        }
    }

    pub fn lost_keys(&self) -> impl Iterator<Item = &Key> {
        self.lost.keys()
    }

    pub fn has_root(&self) -> bool {
        self.entries.keys().any(|key| is_root(key))
    }

    /// The key of a record, if it is there.
    pub fn key_of(&self, record: RecordRef) -> Option<&Key> {
        let alphabet = base32::Alphabet::Rfc4648Lower { padding: false };
        let end = format!(".{}", base32::encode(alphabet, &record.random));
        self.entries.keys().find(|key| key.ends_with(&end))
    }

    pub fn entries(&self) -> &BTreeMap<Key, Bytes> {
        &self.entries
    }

    /// The operation that changed the root since the last call, if one did.
    pub fn take_root_change(&mut self) -> Option<OpId> {
        self.root_changed.take()
    }

    pub fn coin(&mut self) -> bool {
        self.luck.dice.one_in(2)
    }

    /// How many faults touched an operation.
    pub fn strikes(&self, op: OpId) -> u32 {
        self.struck.get(&op).copied().unwrap_or(0)
    }

    pub fn fault(&mut self, op: OpId, fault: Fault) {
        self.stats.count(fault);
        *self.struck.entry(op).or_default() += 1;
    }

    fn matches(&self, key: &str, seen: Option<&Option<Bytes>>) -> bool {
        match seen {
            // Without `current` the swap is unconditional, as on the hosts.
            None => true,
            Some(None) if self.host.overwrites_absent() => true,
            Some(seen) => seen.as_ref() == self.entries.get(key),
        }
    }

    fn put(&mut self, op: OpId, key: &str, value: Option<Bytes>) {
        let old = self.entries.get(key).cloned();
        if old == value {
            return;
        }
        // Whoever writes on top of it makes it stay.
        self.settle(key);
        if is_root(key) {
            self.root_changed = Some(op);
        }
        if self.host.is_stale() {
            let older = self.older.entry(key.into()).or_default();
            older.push(old);
            if older.len() > STALE_VERSIONS {
                older.remove(0);
            }
        }
        match value {
            Some(value) => self.entries.insert(key.into(), value),
            None => self.entries.remove(key),
        };
    }

    fn postpone(&mut self, op: OpId, request: &StoreCall<'_>) {
        let (key, write) = match *request {
            StoreCall::Set { key, value } => (key, PendingWrite::Set(value.into())),
            StoreCall::Delete { key } => (key, PendingWrite::Delete),
            StoreCall::Swap { key, seen, value } => {
                (key, PendingWrite::Swap { seen: seen.cloned(), value: value.into() })
            }
            _ => return,
        };
        self.fault(op, Fault::Late);
        self.pending.push(Pending { op, key: key.into(), write });
    }

    fn stale(&mut self, key: &str) -> Option<Bytes> {
        match self.older.get(key) {
            Some(older) => self.luck.dice.pick(older).clone(),
            None => self.entries.get(key).cloned(),
        }
    }

    fn stale_keys(&mut self, cursor: Option<&str>) -> KeyPage {
        let mut keys: Vec<Key> = self.entries.keys().chain(self.older.keys()).cloned().collect();
        keys.sort();
        keys.dedup();
        keys.retain(|key| self.stale(key).is_some());
        page(keys.iter(), cursor)
    }
}

fn page<'k>(keys: impl Iterator<Item = &'k Key>, cursor: Option<&str>) -> KeyPage {
    let mut keys: Vec<String> = keys
        .filter(|key| cursor.is_none_or(|cursor| &***key > cursor))
        .take(KEYS_PER_PAGE + 1)
        .map(|key| key.to_string())
        .collect();
    let more = keys.len() > KEYS_PER_PAGE;
    keys.truncate(KEYS_PER_PAGE);
    let cursor = if more { keys.last().cloned() } else { None };
    KeyPage { keys, cursor }
}
