//! Compares the history with the model.
//!
//! Every change of the root is one commit, made by a known operation. So the checker needs no search for an order: each
//! commit must be what the model makes of the snapshot before it for that operation, each operation may commit once, and
//! each answer must fit a snapshot that existed between the call and the answer. What hosts make impossible is listed in
//! the crate's documentation.

use crate::driver::{self, Shown};
use crate::history::{self, Record, Reply, Seen};
use crate::hosts::Host;
use crate::model::{Action, Bounds, Cred, Effect, Event, Expected, Kept, Rules, Snapshot, Target};
use crate::world::OpId;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::rc::Rc;
use strongroom::catalog::RecordRef;
use strongroom::error::Code;

/// Rebases before a change answers `contended`.
const REBASES: usize = 64;
/// The same of a claim of a time step.
const CLAIM_REBASES: usize = 16;
/// Commits, and claims of time steps, after which the own one can't be found any more.
const COMMITS_REMEMBERED: usize = 256;
const CLAIMS_REMEMBERED: usize = 64;
/// Commits after which a superseded record may be deleted.
const GRACE_COMMITS: usize = 8;
/// Walks that can keep a snapshot at a time.
const PINS: usize = 8;
/// Events of a sweep at most: two of what is over, one of what it deleted, and some for those of an operator, whose
/// commits are not looked at one by one.
const SWEEP_EVENTS: usize = 8;
/// Tries to create a claim record.
const CREATIONS: usize = 4;
/// Changes of the root that a read survives.
const RESTARTS: usize = 3;

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
    /// Whose values and claims the newest commit refers to, and what any commit ever did.
    owned: Vec<(String, RecordRef)>,
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
            reach,
            owned: Vec::new(),
            ever_owned: BTreeMap::new(),
            purged: BTreeSet::new(),
            newest_purge: None,
            newly_purged: Vec::new(),
            newest: known_ids.last().cloned().unwrap_or_default(),
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
            if record.action == Action::Sweep {
                let sweep =
                    Event { by: record.rules.caller().to_owned(), action: "sweep".to_owned(), credential: None };
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
        self.owned = shown.owned;
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

    fn check_reply(&mut self, op: OpId, reply: &Reply, now: Circumstances) -> Result<(), String> {
        let record = &self.records[op];
        if record.lost_root {
            return Err(format!("answered {reply} though the root was lost before"));
        }
        if !self.host.has_atomics() && needs_atomics(&record.action) {
            return Err("succeeded, which can't be promised without atomics".into());
        }
        let is_what_it_did = |effect: &usize| match (&record.action, reply) {
            (Action::Delete { .. } | Action::Purge { .. }, Reply::Done) => true,
            (Action::PurgeDeleted, Reply::Purged(count)) => *count == self.commits[*effect - 1].trash.len() as u64,
            (_, Reply::Cred(seen)) => self.commits[*effect].creds.iter().any(|cred| seen.shows(cred)),
            _ => false,
        };
        if record.effects.iter().any(is_what_it_did) {
            return Ok(());
        }
        // Without atomics it can have been undone, and done again by another one.
        if !record.effects.is_empty() && self.host.has_atomics() {
            return Err(format!("answered {reply}, which is not what it committed"));
        }
        let mut fitting = self.window(op).rev().filter_map(|index| {
            let snapshot = &self.commits[index];
            fits(record, reply, snapshot, now, self.audit_ends)
                .filter(|_| record.action.effect(snapshot, record.rules) == Effect::Nothing)
        });
        if let (Reply::Code(code) | Reply::Supplied(_, Some(code)), true) = (reply, record.action.is_exclusive()) {
            let creds: Vec<Rc<Cred>> = fitting.flatten().collect();
            return self.check_exclusive(op, code.step, &creds);
        }
        if fitting.next().is_some() || matches!(reply, Reply::Kept(items) if self.is_mixed(op, items, now)) {
            return Ok(());
        }
        Err(format!("answered {reply}, which fits no snapshot from its call to its answer"))
    }

    /// Whether this is a list of what was deleted that was read from several snapshots: it moves on with the root.
    fn is_mixed(&self, op: OpId, items: &[Seen], now: Circumstances) -> bool {
        let mut snapshots = self.window(op).map(|index| &self.commits[index]);
        let trash = |snapshot: &Rc<Snapshot>| snapshot.trash.clone();
        let everywhere = snapshots
            .clone()
            .map(trash)
            .reduce(|all, trash| all.into_iter().filter(|kept| trash.contains(kept)).collect::<Vec<Kept>>());
        self.records[op].action == Action::ListDeleted
            && items.windows(2).all(|pair| pair[0].id < pair[1].id)
            && everywhere
                .unwrap_or_default()
                .iter()
                .all(|kept| kept.is_over(now.clock_ms.1) || items.iter().any(|seen| seen.shows_kept(kept)))
            && items.iter().all(|seen| {
                snapshots.any(|snapshot| {
                    snapshot.trash.iter().any(|kept| seen.shows_kept(kept) && !kept.is_over(now.clock_ms.0))
                })
            })
    }

    /// Notes whose code of a time step an exclusive caller got; `creds`: whose it can have been.
    fn check_exclusive(&mut self, op: OpId, step: u64, creds: &[Rc<Cred>]) -> Result<(), String> {
        let whose = |cred: &Rc<Cred>| (cred.id.clone(), cred.claims, step);
        let Some(key) = creds.first().map(whose) else {
            return Err("answered a code that fits no snapshot from its call to its answer".into());
        };
        if creds.iter().any(|cred| whose(cred) != key) {
            // A name that went from one credential to another with the same secret meanwhile: it may be either's code.
            return Ok(());
        }
        match self.exclusive.insert(key, op) {
            None => Ok(()),
            Some(other) => Err(format!("got the code of time step {step} that #{other} had got already")),
        }
    }

    fn check_error(&self, op: OpId, code: Code, now: Circumstances) -> Result<(), String> {
        let record = &self.records[op];
        // Without atomics the others may undo and redo what this one does, and it can meet its own work.
        if !record.effects.is_empty() && code != Code::OutcomeUnknown && self.host.has_atomics() {
            return Err(format!("answered {} but took effect", code.as_str()));
        }
        let commits_since = self.newest_commit() - record.invoked;
        // At least as many as claimed time steps meanwhile.
        let exclusive_since = self.records[op..].iter().filter(|record| record.action.is_exclusive()).count();
        let justified = match code {
            Code::NotFound if self.can_be_over(op, now.clock_ms.1) => true,
            // It is the own one, but the repetition comes too late to be told from another request.
            Code::NameTaken if now.has_leapt && matches!(record.action, Action::Create { key: Some(_), .. }) => true,
            Code::NotFound
            | Code::NameTaken
            | Code::PreconditionFailed
            | Code::TotpNotConfigured
            | Code::Forbidden
            | Code::BadRequest => self
                .window(op)
                .any(|index| record.action.effect(&self.commits[index], record.rules) == Effect::Refused(code)),
            Code::Contended if record.action.is_change() => commits_since >= REBASES,
            Code::Contended if record.action.is_walk() => {
                now.pins_end || self.has_purged(op) || self.walks() > PINS || commits_since >= REBASES
            }
            Code::Contended => {
                commits_since >= RESTARTS || (record.action.is_exclusive() && exclusive_since >= CLAIM_REBASES)
            }
            Code::OutcomeUnknown => {
                let overwritten = !self.host.has_atomics() && commits_since > 0;
                let forgotten = commits_since >= COMMITS_REMEMBERED || exclusive_since >= CLAIMS_REMEMBERED;
                let claim_deleted =
                    record.action.is_exclusive() && (commits_since > GRACE_COMMITS || self.has_purged(op));
                (now.strikes > 0 || now.key_lost || overwritten || forgotten || claim_deleted)
                    && can_be_unclear(&record.action)
            }
            Code::StorageUnavailable => now.strikes > 0 || (record.action.is_change() && self.sweeps() >= CREATIONS),
            Code::StorageUninitialised => {
                let stale = self.host.is_stale() && !self.started_with_root;
                !record.had_root || (now.key_lost && !now.has_root) || stale
            }
            // The origin was that of an older domain: a put changed it in between.
            Code::OriginRefused => commits_since > 0 || self.host.is_stale(),
            Code::StorageCorrupt => now.key_lost,
            Code::CodeTaken | Code::ClockBehind => self.others_want_codes(op),
            Code::CodeExpiring => now.clock_moved_on && record.action.is_exclusive(),
            Code::ClockUnset => now.clock_unset && matches!(record.action, Action::Code { .. } | Action::Supply { .. }),
            Code::NotSupported => {
                !self.host.has_atomics() && (needs_atomics(&record.action) || record.action.is_exclusive())
            }
            _ => false,
        };
        if justified { Ok(()) } else { Err(format!("answered {} without a reason", code.as_str())) }
    }

    /// Whether something that a restore needs can have been over for its caller.
    fn can_be_over(&self, op: OpId, latest_ms: u64) -> bool {
        let is_over = |kept: &Kept| kept.is_over(latest_ms);
        self.window(op).any(|index| self.records[op].action.restored(&self.commits[index]).into_iter().any(is_over))
    }

    /// Whether a purge, which deletes at once and ends all pins, was committed since the call. One that was taken back
    /// again counts: it may have been seen before.
    fn has_purged(&self, op: OpId) -> bool {
        self.newest_purge.is_some_and(|purge| purge > self.records[op].invoked)
    }

    /// How many sweeps there were: each can take a claim record away that nothing refers to yet.
    fn sweeps(&self) -> usize {
        self.records.iter().filter(|record| record.action == Action::Sweep).count()
    }

    /// How many walks there were: each that is cut short leaves a pin.
    fn walks(&self) -> usize {
        self.records.iter().filter(|record| record.action.is_walk()).count()
    }

    /// Whether another exclusive caller, or this one's own process before, asked for codes at all.
    fn others_want_codes(&self, op: OpId) -> bool {
        self.records[op].action.is_exclusive()
            && self.records.iter().enumerate().any(|(other, record)| other != op && record.action.is_exclusive())
    }
}

fn can_be_unclear(action: &Action) -> bool {
    action.is_change() || action.is_walk() || action.is_exclusive() || matches!(action, Action::Init { .. })
}

fn needs_atomics(action: &Action) -> bool {
    match action {
        Action::Sweep | Action::Purge { .. } | Action::PurgeDeleted => true,
        Action::Restore { expected, .. } => expected.is_some(),
        Action::Put { expected, .. } => *expected != Expected::Anything,
        Action::Update { expected, .. } | Action::Delete { expected, .. } => expected.is_some(),
        // Where there is no secret, there is no code to give to one caller only.
        Action::Supply { .. } => false,
        _ => action.is_exclusive(),
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

/// Makes a snapshot of what the vault shows. What can't be read is what it was, or what the effect makes it: secrets of
/// one-time codes, idempotency keys, values of what is not current.
fn assemble(
    shown: &Shown,
    before: &Snapshot,
    effect: &Effect,
    action: &Action,
    rules: Rules,
) -> Result<Snapshot, String> {
    let made = match effect {
        Effect::Replaces(_, cred) => Some(cred),
        Effect::BringsBack(_, steps) => steps.last(),
        _ => None,
    };
    let mut snapshot = Snapshot::default();
    for (seen, values) in &shown.creds {
        let old = before.creds.iter().find(|cred| cred.id == seen.id);
        let made = made.filter(|cred| cred.id == seen.id);
        let (totp, claims, key, body) = match (effect, made.or(old.map(|old| &**old))) {
            (_, Some(cred)) => (cred.totp.clone(), cred.claims, cred.key.clone(), cred.body),
            (Effect::Appends(draft, key), None) => {
                (draft.totp.clone(), 1, key.clone(), u64::from(!draft.values.is_empty()))
            }
            _ => (None, 1, None, 0),
        };
        let values = match (values, old) {
            (Some(values), _) => values.clone(),
            (None, Some(old)) => old.values.clone(),
            (None, None) => return Err(format!("{} came without its values", seen.name)),
        };
        let unknown = || "a secret nobody gave".to_owned();
        let cred = Cred {
            id: seen.id.clone(),
            name: seen.name.clone(),
            domain: seen.domain.clone(),
            additional: seen.additional.clone(),
            version: seen.version,
            created_ms: seen.created_ms,
            updated_ms: seen.updated_ms,
            values,
            body,
            totp: seen.has_totp.then(|| totp.unwrap_or_else(unknown)),
            claims,
            key,
        };
        if !seen.shows(&cred) {
            return Err(format!("the value keys of {} are not those of its values", seen.name));
        }
        snapshot.creds.push(match old {
            // Shared, so that comparing snapshots is mostly comparing pointers.
            Some(old) if **old == cred => old.clone(),
            _ => Rc::new(cred),
        });
    }
    for (id, version) in &shown.versions {
        let is_it = |cred: &Cred| cred.id == *id && cred.version == *version;
        if let Some(kept) = before.versions.iter().find(|kept| is_it(&kept.cred)) {
            snapshot.versions.push(kept.clone());
            continue;
        }
        let first = match effect {
            Effect::BringsBack(_, steps) => steps.first().filter(|cred| is_it(cred)),
            _ => None,
        };
        let seen = shown.replaced.iter().find(|seen| seen.id == *id && seen.version == *version);
        let cred = match (before.creds.iter().find(|cred| is_it(cred)), first, seen) {
            (Some(cred), _, _) => cred.clone(),
            (None, Some(cred), Some(seen)) => Rc::new(Cred { updated_ms: seen.updated_ms, ..cred.clone() }),
            _ => return Err(format!("version {version} of {id} is kept, and was never replaced")),
        };
        let owns_values = made.is_some_and(|made| made.body != cred.body);
        let kept = seen.and_then(|seen| seen.ended_ms).map(|ended_ms| Kept { cred, ended_ms, owns_values });
        match kept.filter(|kept| seen.is_some_and(|seen| seen.shows_kept(kept))) {
            Some(kept) => snapshot.versions.push(kept),
            None => return Err(format!("version {version} of {id} is kept otherwise than it was")),
        }
    }
    for seen in &shown.trash {
        let known = before.trash.iter().find(|kept| kept.cred.id == seen.id).cloned();
        let deleted = before.creds.iter().find(|cred| cred.id == seen.id);
        let kept = known.or(deleted.zip(seen.ended_ms).map(|(cred, ended_ms)| Kept {
            cred: cred.clone(),
            ended_ms,
            owns_values: true,
        }));
        match kept.filter(|kept| seen.shows_kept(kept)) {
            Some(kept) => snapshot.trash.push(kept),
            None => return Err(format!("{} lies in the trash otherwise than it was", seen.name)),
        }
    }
    snapshot.audit.clone_from(&before.audit);
    snapshot.audit.extend(effect.events(action, before, &snapshot.creds, rules));
    Ok(snapshot)
}

/// Whether these events are the expected ones; where some of the audit may be gone, whether none is there that did not
/// happen.
fn check_events(expected: &[Rc<Event>], found: &[Event], audit_ends: bool) -> Result<(), String> {
    let mut expected: Vec<&Event> = expected.iter().map(|event| &**event).collect();
    let mut found: Vec<&Event> = found.iter().collect();
    expected.sort_unstable();
    found.sort_unstable();
    if !audit_ends {
        let is_so = expected == found;
        return if is_so { Ok(()) } else { Err(format!("the audit is {found:?} and should be {expected:?}")) };
    }
    // How many sweeps wrote is not known then.
    for event in found.into_iter().filter(|event| event.credential.is_some()) {
        let Some(at) = expected.iter().position(|other| *other == event) else {
            return Err(format!("the audit tells of {event:?}, which did not happen"));
        };
        expected.swap_remove(at);
    }
    Ok(())
}

/// What holds in every snapshot.
fn check_snapshot(snapshot: &Snapshot) -> Result<(), String> {
    let mut names: Vec<&str> = snapshot.creds.iter().map(|cred| cred.name.as_str()).collect();
    names.sort_unstable();
    if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(format!("the name {} is there twice", pair[0]));
    }
    if let Some(pair) = snapshot.creds.windows(2).find(|pair| pair[0].id >= pair[1].id) {
        return Err(format!("{} is listed before {}", pair[0].id, pair[1].id));
    }
    match snapshot.trash.iter().find(|kept| snapshot.creds.iter().any(|cred| cred.id == kept.cred.id)) {
        Some(kept) => Err(format!("{} is there and was deleted", kept.cred.id)),
        None => Ok(()),
    }
}

/// Whether these are those of `kept`, in its order, that are not over.
fn are_those<'k>(items: &[Seen], kept: impl Iterator<Item = &'k Kept>, clock_ms: (u64, u64)) -> bool {
    let mut items = items.iter().peekable();
    for kept in kept {
        let is_shown = items.next_if(|seen| seen.shows_kept(kept)).is_some();
        if is_shown && kept.is_over(clock_ms.0) || !is_shown && !kept.is_over(clock_ms.1) {
            return false;
        }
    }
    items.next().is_none()
}

/// Whether an answer is what the snapshot gives; with the credential it was about, if there is one.
fn fits(
    record: &Record,
    reply: &Reply,
    snapshot: &Snapshot,
    now: Circumstances,
    audit_ends: bool,
) -> Option<Option<Rc<Cred>>> {
    let found = |target: &Target| target.find(snapshot).cloned();
    match (&record.action, reply) {
        (Action::Init { .. } | Action::Sweep, Reply::Done) => Some(None),
        (Action::PurgeDeleted, Reply::Purged(0)) => Some(None),
        (Action::Verify, Reply::Verified(found)) => (found.credentials == snapshot.creds.len() as u64
            && found.versions == snapshot.versions.len() as u64
            && found.deleted == snapshot.trash.len() as u64
            && (audit_ends || found.events == snapshot.audit.len() as u64))
            .then_some(None),
        (Action::Versions { target }, Reply::Kept(items)) => {
            let cred = found(target)?;
            let kept: Vec<&Kept> = snapshot.versions_of(&cred, record.rules).collect();
            are_those(items, kept.into_iter().rev(), now.clock_ms).then_some(None)
        }
        (Action::ListDeleted, Reply::Kept(items)) => {
            let is_kept = record.rules.versions > 0;
            are_those(items, snapshot.trash.iter().filter(|_| is_kept), now.clock_ms).then_some(None)
        }
        (
            Action::Get { target } | Action::Update { target, .. } | Action::Restore { target, .. },
            Reply::Cred(seen),
        ) => found(target).filter(|cred| seen.shows(cred)).map(Some),
        (Action::Put { draft, .. } | Action::Create { draft, .. }, Reply::Cred(seen)) => {
            found(&Target::Name(draft.name.clone())).filter(|cred| seen.shows(cred)).map(Some)
        }
        (Action::Supply { target, .. }, Reply::Supplied(values, code)) => found(target)
            .filter(|cred| cred.values == *values && code.is_some() == cred.totp.is_some())
            .filter(|cred| code.as_ref().is_none_or(|code| is_code_of(cred, code)))
            .map(Some),
        (Action::Code { target, .. }, Reply::Code(code)) => {
            found(target).filter(|cred| is_code_of(cred, code)).map(Some)
        }
        (Action::List { domain, limit, offset }, Reply::Page { items, next_offset }) => {
            let is_of = |cred: &Cred, domain: &String| cred.domain == *domain || cred.additional.contains(domain);
            let matching: Vec<&Rc<Cred>> =
                snapshot.creds.iter().filter(|cred| domain.as_ref().is_none_or(|domain| is_of(cred, domain))).collect();
            let page = matching.iter().skip(*offset).take(*limit);
            let end = offset + limit;
            let next = (end < matching.len()).then_some(end);
            (items.len() == page.len()
                && items.iter().zip(page).all(|(seen, cred)| seen.shows(cred))
                && next == *next_offset)
                .then_some(None)
        }
        _ => None,
    }
}

fn is_code_of(cred: &Cred, code: &history::Code) -> bool {
    cred.totp.as_ref().is_some_and(|secret| driver::code_of(secret, code.step) == code.code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hosts;
    use crate::model::{Draft, Values};

    const RULES: Rules = Rules { versions: 10, is_trusted: true };
    const NOON: (u64, u64) = (1, 1);

    fn values() -> Values {
        Values::from([("user".into(), "u".into())])
    }

    fn seen(id: &str, name: &str, version: u64) -> Seen {
        Seen {
            id: id.into(),
            name: name.into(),
            domain: "a.example".into(),
            additional: Vec::new(),
            version,
            created_ms: 1,
            updated_ms: 1,
            ended_ms: None,
            has_totp: false,
            has_values: true,
            value_keys: None,
        }
    }

    /// With so many events.
    fn shown(list: &[(&str, &str, u64)], events: usize) -> Shown {
        let creds = list.iter().map(|(id, name, version)| (seen(id, name, *version), Some(values()))).collect();
        Shown { creds, events, ..Shown::default() }
    }

    fn create(name: &str) -> Action {
        let draft = Draft {
            name: name.into(),
            domain: "a.example".into(),
            additional: Vec::new(),
            values: values(),
            totp: None,
        };
        Action::Create { draft, key: None }
    }

    fn get(name: &str) -> Action {
        Action::Get { target: Target::Name(name.into()) }
    }

    /// A vault with one credential, `ada`, whose creation was operation 0.
    fn with_ada(host: &str) -> Checker {
        let mut checker = Checker::new(hosts::by_name(host).unwrap(), Snapshot::default(), true, false);
        assert_eq!(checker.invoked(create("ada"), RULES, true), 0);
        checker.committed(0, shown(&[("1", "ada", 1)], 1), NOON).unwrap();
        checker.returned(0, Ok(Reply::Cred(seen("1", "ada", 1))), quiet()).unwrap();
        checker
    }

    fn quiet() -> Circumstances {
        Circumstances { has_root: true, ..Circumstances::default() }
    }

    #[test]
    fn success_without_a_commit_is_caught() {
        let mut checker = with_ada("correct");
        let op = checker.invoked(create("bob"), RULES, true);
        assert!(checker.returned(op, Ok(Reply::Cred(seen("2", "bob", 1))), quiet()).is_err());
    }

    #[test]
    fn effects_after_a_refusal_and_second_effects_are_caught() {
        let mut checker = with_ada("correct");
        let op = checker.invoked(create("bob"), RULES, true);
        checker.returned(op, Err(Code::NameTaken), quiet()).unwrap_err();
        let op = checker.invoked(create("bob"), RULES, true);
        checker.returned(op, Err(Code::OutcomeUnknown), Circumstances { strikes: 1, ..quiet() }).unwrap();
        // Late, but whole: allowed once.
        checker.committed(op, shown(&[("1", "ada", 1), ("2", "bob", 1)], 2), NOON).unwrap();
        checker.committed(op, shown(&[("1", "ada", 1), ("2", "bob", 1), ("3", "bob", 1)], 3), NOON).unwrap_err();
    }

    #[test]
    fn a_lost_change_of_another_is_caught() {
        let mut checker = with_ada("correct");
        let op = checker.invoked(create("bob"), RULES, true);
        assert!(checker.committed(op, shown(&[("2", "bob", 1)], 1), NOON).is_err());
    }

    #[test]
    fn without_atomics_overlapping_changes_may_be_lost_and_others_not() {
        let mut checker = Checker::new(hosts::by_name("no-atomics").unwrap(), Snapshot::default(), true, false);
        let (ada, bob) = (checker.invoked(create("ada"), RULES, true), checker.invoked(create("bob"), RULES, true));
        checker.committed(ada, shown(&[("1", "ada", 1)], 1), NOON).unwrap();
        checker.committed(bob, shown(&[("2", "bob", 1)], 1), NOON).unwrap();
        let cleo = checker.invoked(create("cleo"), RULES, true);
        checker.committed(cleo, shown(&[("3", "cleo", 1)], 1), NOON).unwrap_err();
    }

    #[test]
    fn reads_of_the_past_are_caught_unless_the_host_is_stale() {
        for (host, allowed) in [("correct", false), ("stale-get", true)] {
            let mut checker = with_ada(host);
            let update = Action::Update {
                target: Target::Name("ada".into()),
                change: crate::model::Change { name: Some("eve".into()), ..Default::default() },
                expected: None,
            };
            let op = checker.invoked(update, RULES, true);
            let mut renamed = shown(&[("1", "eve", 2)], 2);
            renamed.versions.push(("1".into(), 1));
            renamed.replaced.push(Seen { ended_ms: Some(1), ..seen("1", "ada", 1) });
            checker.committed(op, renamed, NOON).unwrap();
            checker.returned(op, Ok(Reply::Cred(seen("1", "eve", 2))), quiet()).unwrap();
            let op = checker.invoked(get("ada"), RULES, true);
            assert_eq!(checker.returned(op, Ok(Reply::Cred(seen("1", "ada", 1))), quiet()).is_ok(), allowed);
            let op = checker.invoked(get("eve"), RULES, true);
            // A mixture of both snapshots is never right.
            assert!(checker.returned(op, Ok(Reply::Cred(seen("1", "eve", 1))), quiet()).is_err());
        }
    }

    #[test]
    fn a_walk_is_contended_when_a_purge_ended_its_pin() {
        for purges in [false, true] {
            let mut checker = with_ada("correct");
            let walk = checker.invoked(Action::Verify, RULES, true);
            if purges {
                let purge = Action::Purge { target: Target::Name("ada".into()), expected: None };
                let purge = checker.invoked(purge, RULES, true);
                checker.committed(purge, shown(&[], 2), NOON).unwrap();
                checker.returned(purge, Ok(Reply::Done), quiet()).unwrap();
            }
            assert_eq!(checker.returned(walk, Err(Code::Contended), quiet()).is_ok(), purges);
        }
    }

    #[test]
    fn errors_need_a_reason() {
        let mut checker = with_ada("correct");
        for (action, code) in [
            (get("ada"), Code::NotFound),
            (create("bob"), Code::NameTaken),
            (create("bob"), Code::Contended),
            (create("bob"), Code::OutcomeUnknown),
            (get("ada"), Code::StorageUnavailable),
            (get("ada"), Code::StorageCorrupt),
            (get("ada"), Code::StorageUninitialised),
            (get("ada"), Code::NotSupported),
            (get("ada"), Code::Internal),
        ] {
            let op = checker.invoked(action, RULES, true);
            assert!(checker.returned(op, Err(code), quiet()).is_err(), "{}", code.as_str());
        }
        let op = checker.invoked(get("bob"), RULES, true);
        checker.returned(op, Err(Code::NotFound), quiet()).unwrap();
    }
}
