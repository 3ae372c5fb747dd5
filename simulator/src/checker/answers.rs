//! Whether an answer fits what was committed.

use super::{Checker, Circumstances};
use crate::driver;
use crate::history::{self, Record, Reply, Restored, Seen};
use crate::model::{Action, Cred, Effect, Expected, Kept, Snapshot, Target};
use crate::world::OpId;
use std::rc::Rc;

impl Checker {
    pub(super) fn check_reply(&mut self, op: OpId, reply: &Reply, now: Circumstances) -> Result<(), String> {
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
}

pub(super) fn needs_atomics(action: &Action) -> bool {
    match action {
        Action::Sweep | Action::Rewrap | Action::Backup | Action::Purge { .. } | Action::PurgeDeleted => true,
        Action::Restore { expected, .. } => expected.is_some(),
        Action::Put { expected, .. } => *expected != Expected::Anything,
        Action::Update { expected, .. } | Action::Delete { expected, .. } => expected.is_some(),
        // Where there is no secret, there is no code to give to one caller only.
        Action::Supply { .. } => false,
        _ => action.is_exclusive(),
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
        (Action::Init { .. } | Action::Sweep | Action::Rewrap, Reply::Done) => Some(None),
        (Action::PurgeDeleted, Reply::Purged(0)) => Some(None),
        (Action::Verify, Reply::Verified(found)) => (found.credentials == snapshot.creds.len() as u64
            && found.versions == snapshot.versions.len() as u64
            && found.deleted == snapshot.trash.len() as u64
            && (audit_ends || found.events == snapshot.audit.len() as u64))
            .then_some(None),
        (Action::Backup, Reply::BackedUp(Ok(found))) => is_copy(found, snapshot, audit_ends).then_some(None),
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

/// Whether a backup brings back all of a snapshot, and nothing else.
fn is_copy(found: &Restored, snapshot: &Snapshot, audit_ends: bool) -> bool {
    let versions = snapshot.versions.iter().map(|kept| (&kept.cred.id, kept.cred.version));
    found.creds.len() == snapshot.creds.len()
        && found
            .creds
            .iter()
            .zip(&snapshot.creds)
            .all(|((seen, values), cred)| seen.shows(cred) && *values == cred.values)
        && found.versions.iter().map(|(id, version)| (id, *version)).eq(versions)
        && found.trash.iter().eq(snapshot.trash.iter().map(|kept| &kept.cred.id))
        && (audit_ends || found.events == snapshot.audit.len() as u64)
}

fn is_code_of(cred: &Cred, code: &history::Code) -> bool {
    cred.totp.as_ref().is_some_and(|secret| driver::code_of(secret, code.step) == code.code)
}
