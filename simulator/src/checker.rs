//! Compares the history with the model.
//!
//! Every change of the root is one commit, made by a known operation. So the checker needs no search for an order: each
//! commit must be what the model makes of the snapshot before it for that operation, each operation may commit once, and
//! each answer must fit a snapshot that existed between the call and the answer. What hosts make impossible is listed in
//! the crate's documentation.

use crate::driver;
use crate::history::{self, Record, Reply, Seen};
use crate::hosts::Host;
use crate::model::{Action, Cred, Effect, Expected, Snapshot, Target, Values};
use crate::world::OpId;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::rc::Rc;
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
    /// Who got the code of a credential, as long as it has had a secret, for a time step.
    exclusive: BTreeMap<(String, u64, u64), OpId>,
    /// Every id that was ever seen, oldest first.
    pub known_ids: Vec<String>,
}

impl Checker {
    pub fn new(host: &'static dyn Host, start: Snapshot, has_root: bool) -> Self {
        let known_ids: Vec<String> = start.iter().map(|cred| cred.id.clone()).collect();
        Self {
            host,
            records: Vec::new(),
            newest: known_ids.last().cloned().unwrap_or_default(),
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
    pub fn invoked(&mut self, action: Action, has_root: bool) -> OpId {
        self.records.push(Record {
            action,
            invoked: self.newest_commit(),
            had_root: has_root,
            lost_root: self.has_root && !has_root,
            outcome: None,
            effects: Vec::new(),
        });
        self.records.len() - 1
    }

    /// The root changed by the hand of this operation, and this is what the vault shows now: each credential, and its
    /// values where id and version are not those of the snapshot before. Says whether others committed in between.
    pub fn committed(&mut self, op: OpId, shown: Vec<(Seen, Option<Values>)>) -> Result<bool, String> {
        let index = self.newest_commit() + 1;
        let record = &self.records[op];
        let was_absent = !std::mem::replace(&mut self.has_root, true);
        // Without atomics a commit is built on any snapshot since its call, and what came in between is lost.
        let bases = if self.host.has_atomics() { index - 1..=index - 1 } else { record.invoked..=index - 1 };
        let overlapped = index - 1 > record.invoked;

        // What was lost took its ids along.
        let newest = if self.host.has_atomics() { self.newest.as_str() } else { "" };
        // The first root may come with nothing in it; after that only walks commit without a change: they pin what they read.
        let may_be_idle = (was_absent || !self.host.has_atomics())
            && (record.action.is_change() || matches!(record.action, Action::Init { .. }))
            || record.action.is_walk();
        let mut found = None;
        for base in bases.rev() {
            let before = &self.commits[base];
            let effect = record.action.effect(before);
            let after = assemble(&shown, before, &effect)?;
            let changes = !matches!(effect, Effect::Refused(_) | Effect::Nothing);
            if changes && effect.explains(before, &after, newest) {
                found = Some((after, true));
                break;
            }
            if may_be_idle && **before == after {
                found.get_or_insert((after, false));
            }
        }
        let Some((after, changed)) = found else {
            let names: Vec<String> =
                shown.iter().map(|(seen, _)| format!("{} v{} ({})", seen.name, seen.version, seen.id)).collect();
            return Err(format!("the commit of #{op} is not what `{}` does: [{}]", record.action, names.join(", ")));
        };
        check_snapshot(&after)?;
        if let Some(last) = after.last()
            && last.id > self.newest
        {
            self.newest = last.id.clone();
            self.known_ids.push(last.id.clone());
        }
        self.commits.push(Rc::new(after));
        if changed {
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

    /// An operation has answered.
    pub fn returned(
        &mut self,
        op: OpId,
        outcome: Result<Reply, Code>,
        circumstances: Circumstances,
    ) -> Result<(), String> {
        self.records[op].outcome = Some(outcome.clone());
        match outcome {
            Ok(reply) => self.check_reply(op, &reply),
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

    fn check_reply(&mut self, op: OpId, reply: &Reply) -> Result<(), String> {
        let record = &self.records[op];
        if record.lost_root {
            return Err(format!("answered {reply} though the root was lost before"));
        }
        if !self.host.has_atomics() && needs_atomics(&record.action) {
            return Err("succeeded, which can't be promised without atomics".into());
        }
        let is_what_it_did = |effect: &usize| match (&record.action, reply) {
            (Action::Delete { .. }, Reply::Done) => true,
            (_, Reply::Cred(seen)) => self.commits[*effect].iter().any(|cred| seen.shows(cred)),
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
            fits(&record.action, reply, snapshot).filter(|_| record.action.effect(snapshot) == Effect::Nothing)
        });
        if let (Reply::Code(code) | Reply::Supplied(_, Some(code)), true) = (reply, record.action.is_exclusive()) {
            let creds: Vec<Rc<Cred>> = fitting.flatten().collect();
            return self.check_exclusive(op, code.step, &creds);
        }
        fitting
            .next()
            .map(|_| ())
            .ok_or_else(|| format!("answered {reply}, which fits no snapshot from its call to its answer"))
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
            Code::NotFound | Code::NameTaken | Code::PreconditionFailed | Code::TotpNotConfigured => {
                self.window(op).any(|index| record.action.effect(&self.commits[index]) == Effect::Refused(code))
            }
            Code::Contended if record.action.is_change() => commits_since >= REBASES,
            Code::Contended if record.action.is_walk() => {
                now.pins_end || self.walks() > PINS || commits_since >= REBASES
            }
            Code::Contended => {
                commits_since >= RESTARTS || (record.action.is_exclusive() && exclusive_since >= CLAIM_REBASES)
            }
            Code::OutcomeUnknown => {
                let overwritten = !self.host.has_atomics() && commits_since > 0;
                let forgotten = commits_since >= COMMITS_REMEMBERED || exclusive_since >= CLAIMS_REMEMBERED;
                let claim_deleted = record.action.is_exclusive() && commits_since > GRACE_COMMITS;
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
        Action::Sweep => true,
        Action::Put { expected, .. } => *expected != Expected::Anything,
        Action::Update { expected, .. } | Action::Delete { expected, .. } => expected.is_some(),
        // Where there is no secret, there is no code to give to one caller only.
        Action::Supply { .. } => false,
        _ => action.is_exclusive(),
    }
}

/// Makes a snapshot of what the vault shows. Secrets of one-time codes and idempotency keys can't be read: they are those
/// that the credential had, or that the effect gives it.
fn assemble(shown: &[(Seen, Option<Values>)], before: &Snapshot, effect: &Effect) -> Result<Snapshot, String> {
    let cred = |(seen, values): &(Seen, Option<Values>)| {
        let old = before.iter().find(|cred| cred.id == seen.id);
        let (totp, claims, key) = match (effect, old) {
            (Effect::Replaces(_, cred), _) if cred.id == seen.id => (cred.totp.clone(), cred.claims, cred.key.clone()),
            (_, Some(old)) => (old.totp.clone(), old.claims, old.key.clone()),
            (Effect::Appends(draft, key), None) => (draft.totp.clone(), 1, key.clone()),
            _ => (None, 1, None),
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
            version: seen.version,
            created_ms: seen.created_ms,
            updated_ms: seen.updated_ms,
            values,
            totp: seen.has_totp.then(|| totp.unwrap_or_else(unknown)),
            claims,
            key,
        };
        if !seen.shows(&cred) {
            return Err(format!("the value keys of {} are not those of its values", seen.name));
        }
        Ok(match old {
            // Shared, so that comparing snapshots is mostly comparing pointers.
            Some(old) if **old == cred => old.clone(),
            _ => Rc::new(cred),
        })
    };
    shown.iter().map(cred).collect()
}

/// What holds in every snapshot.
fn check_snapshot(snapshot: &Snapshot) -> Result<(), String> {
    let mut names: Vec<&str> = snapshot.iter().map(|cred| cred.name.as_str()).collect();
    names.sort_unstable();
    if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(format!("the name {} is there twice", pair[0]));
    }
    match snapshot.windows(2).find(|pair| pair[0].id >= pair[1].id) {
        Some(pair) => Err(format!("{} is listed before {}", pair[0].id, pair[1].id)),
        None => Ok(()),
    }
}

/// Whether an answer is what the snapshot gives; with the credential it was about, if there is one.
fn fits(action: &Action, reply: &Reply, snapshot: &Snapshot) -> Option<Option<Rc<Cred>>> {
    let found = |target: &Target| target.find(snapshot).cloned();
    match (action, reply) {
        (Action::Init { .. } | Action::Sweep, Reply::Done) => Some(None),
        (Action::Verify, Reply::Verified(found)) => (found.credentials == snapshot.len() as u64).then_some(None),
        (Action::Get { target } | Action::Update { target, .. }, Reply::Cred(seen)) => {
            found(target).filter(|cred| seen.shows(cred)).map(Some)
        }
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
            let matching: Vec<&Rc<Cred>> =
                snapshot.iter().filter(|cred| domain.as_ref().is_none_or(|domain| cred.domain == *domain)).collect();
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
    use crate::model::Draft;

    fn values() -> Values {
        Values::from([("user".into(), "u".into())])
    }

    fn seen(id: &str, name: &str, version: u64) -> Seen {
        Seen {
            id: id.into(),
            name: name.into(),
            domain: "a.example".into(),
            version,
            created_ms: 1,
            updated_ms: 1,
            has_totp: false,
            has_values: true,
            value_keys: None,
        }
    }

    fn shown(list: &[(&str, &str, u64)]) -> Vec<(Seen, Option<Values>)> {
        list.iter().map(|(id, name, version)| (seen(id, name, *version), Some(values()))).collect()
    }

    fn create(name: &str) -> Action {
        let draft = Draft { name: name.into(), domain: "a.example".into(), values: values(), totp: None };
        Action::Create { draft, key: None }
    }

    fn get(name: &str) -> Action {
        Action::Get { target: Target::Name(name.into()) }
    }

    /// A vault with one credential, `ada`, whose creation was operation 0.
    fn with_ada(host: &str) -> Checker {
        let mut checker = Checker::new(hosts::by_name(host).unwrap(), Snapshot::new(), true);
        assert_eq!(checker.invoked(create("ada"), true), 0);
        checker.committed(0, shown(&[("1", "ada", 1)])).unwrap();
        checker.returned(0, Ok(Reply::Cred(seen("1", "ada", 1))), quiet()).unwrap();
        checker
    }

    fn quiet() -> Circumstances {
        Circumstances { has_root: true, ..Circumstances::default() }
    }

    #[test]
    fn success_without_a_commit_is_caught() {
        let mut checker = with_ada("correct");
        let op = checker.invoked(create("bob"), true);
        assert!(checker.returned(op, Ok(Reply::Cred(seen("2", "bob", 1))), quiet()).is_err());
    }

    #[test]
    fn effects_after_a_refusal_and_second_effects_are_caught() {
        let mut checker = with_ada("correct");
        let op = checker.invoked(create("bob"), true);
        checker.returned(op, Err(Code::NameTaken), quiet()).unwrap_err();
        let op = checker.invoked(create("bob"), true);
        checker.returned(op, Err(Code::OutcomeUnknown), Circumstances { strikes: 1, ..quiet() }).unwrap();
        // Late, but whole: allowed once.
        checker.committed(op, shown(&[("1", "ada", 1), ("2", "bob", 1)])).unwrap();
        checker.committed(op, shown(&[("1", "ada", 1), ("2", "bob", 1), ("3", "bob", 1)])).unwrap_err();
    }

    #[test]
    fn a_lost_change_of_another_is_caught() {
        let mut checker = with_ada("correct");
        let op = checker.invoked(create("bob"), true);
        assert!(checker.committed(op, shown(&[("2", "bob", 1)])).is_err());
    }

    #[test]
    fn without_atomics_overlapping_changes_may_be_lost_and_others_not() {
        let mut checker = Checker::new(hosts::by_name("no-atomics").unwrap(), Snapshot::new(), true);
        let (ada, bob) = (checker.invoked(create("ada"), true), checker.invoked(create("bob"), true));
        checker.committed(ada, shown(&[("1", "ada", 1)])).unwrap();
        checker.committed(bob, shown(&[("2", "bob", 1)])).unwrap();
        let cleo = checker.invoked(create("cleo"), true);
        checker.committed(cleo, shown(&[("3", "cleo", 1)])).unwrap_err();
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
            let op = checker.invoked(update, true);
            checker.committed(op, shown(&[("1", "eve", 2)])).unwrap();
            checker.returned(op, Ok(Reply::Cred(seen("1", "eve", 2))), quiet()).unwrap();
            let op = checker.invoked(get("ada"), true);
            assert_eq!(checker.returned(op, Ok(Reply::Cred(seen("1", "ada", 1))), quiet()).is_ok(), allowed);
            let op = checker.invoked(get("eve"), true);
            // A mixture of both snapshots is never right.
            assert!(checker.returned(op, Ok(Reply::Cred(seen("1", "eve", 1))), quiet()).is_err());
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
            let op = checker.invoked(action, true);
            assert!(checker.returned(op, Err(code), quiet()).is_err(), "{}", code.as_str());
        }
        let op = checker.invoked(get("bob"), true);
        checker.returned(op, Err(Code::NotFound), quiet()).unwrap();
    }
}
