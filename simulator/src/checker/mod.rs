//! Compares the history with the model.
//!
//! Every change of the root is one commit, made by a known operation. So the checker needs no search for an order: each
//! commit must be what the model makes of the snapshot before it for that operation, each operation may commit once, and
//! each answer must fit a snapshot that existed between the call and the answer. What hosts make impossible is listed in
//! the crate's documentation.

mod answers;
mod errors;
mod observed;
#[cfg(test)]
mod tests;

use crate::driver::Shown;
use crate::history::{Record, Reply};
use crate::hosts::Host;
use crate::model::{Action, Bounds, Cred, Effect, Event, Rules, Snapshot};
use crate::world::OpId;
use observed::{assemble, check_events, check_snapshot};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::rc::Rc;
use strongroom::catalog::RecordRef;
use strongroom::error::Code;

/// Events of a sweep at most, which has more than a rewrap: two of what is over, one of what it deleted, and some for those of an operator, whose
/// commits are not looked at one by one.
const SWEEP_EVENTS: usize = 8;

/// What the run knows about an operation beside its answer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Circumstances {
    /// Faults that touched it.
    pub strikes: u32,
    /// The host has lost a key.
    pub key_lost: bool,
    /// The vault has a root now.
    pub has_root: bool,
    /// The caller's clock showed a time before 2020.
    pub clock_unset: bool,
    /// The caller's clock showed more than one time step since the call.
    pub clock_moved_on: bool,
    /// The earliest and the latest time that the caller's clock showed since the call, in milliseconds.
    pub clock_ms: (u64, u64),
    /// So much time went by at once that a repetition is none any more.
    pub has_leapt: bool,
    /// A pin that was made since the call can be over: much time went by, or the clocks do not agree.
    pub pins_end: bool,
}

pub struct Checker {
    host: &'static dyn Host,
    records: Vec<Record>,
    /// The snapshots, the first being what the run started with.
    commits: Vec<Rc<Snapshot>>,
    /// Whether the store had a root at the start.
    started_with_root: bool,
    has_root: bool,
    /// The newest id that was ever assigned.
    newest: String,
    /// The same before the newest commit.
    before_newest: String,
    /// Who got the code of a credential, as long as it has had a secret, for a time step.
    exclusive: BTreeMap<(String, u64, u64), OpId>,
    /// Every id that was ever seen, oldest first.
    pub known_ids: Vec<String>,
    /// Whether some of the audit may be gone because it is too old.
    audit_ends: bool,
    /// To which hosts each value could ever go.
    reach: BTreeMap<String, BTreeSet<String>>,
    /// The same before the newest commit, should that be taken back.
    before_reach: BTreeMap<String, BTreeSet<String>>,
    /// Whose values and claims the newest commit refers to, and what any commit ever did.
    owned: Vec<(String, RecordRef)>,
    /// The same before the newest commit.
    before_owned: Vec<(String, RecordRef)>,
    ever_owned: BTreeMap<String, BTreeSet<RecordRef>>,
    /// The newest commit that purged something.
    newest_purge: Option<usize>,
    /// What the newest commit purged.
    newly_purged: Vec<(String, BTreeSet<RecordRef>)>,
    /// What was stored for those that were purged.
    pub purged: BTreeSet<RecordRef>,
}

impl Checker {
    pub fn new(host: &'static dyn Host, start: Snapshot, has_root: bool, audit_ends: bool) -> Self {
        let known_ids: Vec<String> = start.creds.iter().map(|cred| cred.id.clone()).collect();
        let mut reach = BTreeMap::new();
        for cred in &start.creds {
            extend_reach(&mut reach, cred, true);
        }
        Self {
            host,
            records: Vec::new(),
            audit_ends,
            owned: Vec::new(),
            before_owned: Vec::new(),
            ever_owned: BTreeMap::new(),
            purged: BTreeSet::new(),
            newest_purge: None,
            newly_purged: Vec::new(),
            newest: known_ids.last().cloned().unwrap_or_default(),
            before_reach: reach.clone(),
            reach,
            before_newest: known_ids.last().cloned().unwrap_or_default(),
            commits: vec![Rc::new(start)],
            started_with_root: has_root,
            has_root,
            exclusive: BTreeMap::new(),
            known_ids,
        }
    }

    pub fn snapshot(&self) -> &Rc<Snapshot> {
        // There is one from the start.
        &self.commits[self.newest_commit()]
    }

    pub fn record(&self, op: OpId) -> &Record {
        &self.records[op]
    }

    pub fn commits(&self) -> usize {
        self.commits.len() - 1
    }

    fn newest_commit(&self) -> usize {
        self.commits.len() - 1
    }

    /// An operation begins; `has_root` says whether the store has a root now.
    pub fn invoked(&mut self, action: Action, rules: Rules, has_root: bool) -> OpId {
        self.records.push(Record {
            action,
            rules,
            purged: Vec::new(),
            invoked: self.newest_commit(),
            had_root: has_root,
            lost_root: self.has_root && !has_root,
            answered: None,
            outcome: None,
            effects: Vec::new(),
        });
        self.records.len() - 1
    }

    /// The root changed by the hand of this operation, and this is what the vault shows now. `clock_ms`: the earliest and
    /// the latest time that its caller's clock can have shown. Says whether others committed in between.
    pub fn committed(&mut self, op: OpId, shown: Shown, clock_ms: (u64, u64)) -> Result<bool, String> {
        let index = self.newest_commit() + 1;
        let record = &self.records[op];
        let was_absent = !std::mem::replace(&mut self.has_root, true);
        // Without atomics a commit is built on any snapshot since its call, and what came in between is lost.
        let bases = if self.host.has_atomics() { index - 1..=index - 1 } else { record.invoked..=index - 1 };
        let overlapped = index - 1 > record.invoked;

        // What was lost took its ids along.
        let newest = if self.host.has_atomics() { self.newest.as_str() } else { "" };
        let bounds = Bounds { newest, latest_ms: clock_ms.1 };
        // The first root may come with nothing in it. After that walks commit without a change, for they pin what they
        // read, and so do changes that lost to others: they say so in the root.
        let is_first = was_absent || !self.host.has_atomics();
        let may_be_idle = record.action.is_walk()
            || record.action.is_change() && (is_first || overlapped)
            || matches!(record.action, Action::Init { .. }) && is_first;
        let (mut found, mut why) = (None, String::new());
        for base in bases.rev() {
            let before = &self.commits[base];
            let effect = record.action.effect(before, record.rules);
            let is_written_down = |after: &Snapshot| {
                let is_so_long =
                    shown.events == after.audit.len() || self.audit_ends && shown.events <= after.audit.len();
                let tells_it = |found: &Vec<Event>| check_events(&after.audit, found, self.audit_ends).is_ok();
                is_so_long && shown.audit.as_ref().is_none_or(tells_it)
            };
            if !matches!(effect, Effect::Refused(_) | Effect::Nothing) {
                match assemble(&shown, before, &effect, &record.action, record.rules) {
                    Ok(after) => {
                        if effect.explains(before, &after, bounds, record.rules) && is_written_down(&after) {
                            found = Some((after, Some(effect)));
                            break;
                        }
                    }
                    Err(unexplained) => why = unexplained,
                }
            }
            if !may_be_idle {
                continue;
            }
            let mut idle = match assemble(&shown, before, &Effect::Nothing, &record.action, record.rules) {
                Ok(idle) => idle,
                Err(unexplained) => {
                    why = unexplained;
                    continue;
                }
            };
            idle.audit.clone_from(&before.audit);
            if matches!(record.action, Action::Sweep | Action::Rewrap | Action::Backup) {
                let action = record.action.name().to_owned();
                let sweep = Event { by: record.rules.caller().to_owned(), action, credential: None };
                let written = shown.events.saturating_sub(before.audit.len()).min(SWEEP_EVENTS);
                idle.audit.extend(std::iter::repeat_n(Rc::new(sweep), written));
            }
            if Effect::Nothing.explains(before, &idle, bounds, record.rules) && is_written_down(&idle) {
                found.get_or_insert((idle, None));
            }
        }
        let Some((after, effect)) = found else {
            let names: Vec<String> =
                shown.creds.iter().map(|(seen, _)| format!("{} v{} ({})", seen.name, seen.version, seen.id)).collect();
            let kept = (&shown.versions, shown.trash.iter().map(|seen| &seen.id).collect::<Vec<_>>());
            return Err(format!(
                "the commit of #{op} is not what `{}` does: [{}], kept {kept:?}, {} events {why}",
                record.action,
                names.join(", "),
                shown.events
            ));
        };
        check_snapshot(&after)?;
        let before = self.commits[index - 1].clone();
        self.before_reach.clone_from(&self.reach);
        for cred in after.creds.iter().filter(|cred| !before.creds.contains(cred)) {
            if !extend_reach(&mut self.reach, cred, record.rules.is_trusted) && self.host.has_atomics() {
                return Err(format!("#{op} sends values of {} where they could not go", cred.name));
            }
        }
        for kept in record.action.restored(&before) {
            if effect.is_some() && kept.is_over(clock_ms.0) {
                return Err(format!("#{op} restored {} v{}, which was over", kept.cred.name, kept.cred.version));
            }
        }
        self.newly_purged.clear();
        if let Some(Effect::Purges(ids)) = &effect {
            self.newest_purge = Some(index);
            let purged = self.owned.iter().filter(|(id, _)| ids.contains(id)).map(|(_, record)| *record);
            self.records[op].purged = purged.collect();
            for id in ids {
                let records = self.ever_owned.remove(id).unwrap_or_default();
                self.purged.extend(&records);
                self.newly_purged.push((id.clone(), records));
            }
        }
        for (id, record) in &shown.owned {
            self.ever_owned.entry(id.clone()).or_default().insert(*record);
        }
        self.before_owned = std::mem::replace(&mut self.owned, shown.owned);
        self.before_newest.clone_from(&self.newest);
        if let Some(last) = after.creds.last()
            && last.id > self.newest
        {
            self.newest = last.id.clone();
            self.known_ids.push(last.id.clone());
        }
        self.commits.push(Rc::new(after));
        if effect.is_some() {
            let record = &mut self.records[op];
            record.effects.push(index);
            if record.effects.len() > 1 && self.host.has_atomics() {
                return Err(format!("#{op} took effect twice"));
            }
            if let Some(Err(code)) = record.outcome
                && self.host.has_atomics()
                && code != Code::OutcomeUnknown
            {
                return Err(format!("#{op} took effect after it had answered {}", code.as_str()));
            }
        }
        Ok(overlapped)
    }

    /// A failover took back the newest commit, which this operation had made: it may have been read, and never was.
    pub fn taken_back(&mut self, op: OpId) -> Result<(), String> {
        let before = self.commits[self.newest_commit() - 1].clone();
        self.newest = self.before_newest.clone();
        self.reach = self.before_reach.clone();
        // What it wrote is its own to delete: no purge after it can know of it.
        self.owned = self.before_owned.clone();
        self.commits.push(before);
        for (id, records) in self.newly_purged.drain(..) {
            self.purged.retain(|record| !records.contains(record));
            self.ever_owned.insert(id, records);
        }
        let record = &mut self.records[op];
        record.effects.pop();
        record.purged.clear();
        match record.outcome {
            Some(Ok(_)) => Err(format!("#{op} was acknowledged, and taken back")),
            _ => Ok(()),
        }
    }

    /// What the audit says in the end is what happened.
    pub fn check_audit(&self, found: &[Event]) -> Result<(), String> {
        check_events(&self.snapshot().audit, found, self.audit_ends)
    }

    /// An operation has answered.
    pub fn returned(
        &mut self,
        op: OpId,
        outcome: Result<Reply, Code>,
        circumstances: Circumstances,
    ) -> Result<(), String> {
        self.records[op].answered = Some(self.newest_commit());
        self.records[op].outcome = Some(outcome.clone());
        match outcome {
            Ok(reply) => self.check_reply(op, &reply, circumstances),
            Err(code) => self.check_error(op, code, circumstances),
        }
        .map_err(|why| format!("#{op} `{}`: {why}", self.records[op].action))
    }

    fn window(&self, op: OpId) -> RangeInclusive<usize> {
        let record = &self.records[op];
        // A stale read shows some committed snapshot, but changes are based on fresh ones.
        let oldest = if self.host.is_stale() && !record.action.is_change() { 0 } else { record.invoked };
        oldest..=self.newest_commit()
    }
}

/// Notes where the values of a credential can go; false when some could not go there before, and the one who changed it
/// has no right to send them there. Every value is given once, so it can be told by its text.
fn extend_reach(reach: &mut BTreeMap<String, BTreeSet<String>>, cred: &Cred, is_trusted: bool) -> bool {
    let hosts: Vec<&String> = std::iter::once(&cred.domain).chain(&cred.additional).collect();
    let mut is_allowed = true;
    for value in cred.values.values() {
        let known = reach.get(value);
        let is_below = |host: &str, known: &str| {
            host.strip_suffix(known).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        is_allowed &= is_trusted
            || known.is_none_or(|known| hosts.iter().all(|host| known.iter().any(|known| is_below(host, known))));
        reach.entry(value.clone()).or_default().extend(hosts.iter().map(|host| (*host).clone()));
    }
    is_allowed
}
