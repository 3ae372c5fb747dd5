//! Whether an error has a reason.

use super::answers::needs_atomics;
use super::{Checker, Circumstances};
use crate::history::Record;
use crate::model::{Action, Effect, Kept};
use crate::world::OpId;
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

impl Checker {
    pub(super) fn check_error(&self, op: OpId, code: Code, now: Circumstances) -> Result<(), String> {
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
            Code::Contended if record.action == Action::Rewrap => {
                commits_since >= REBASES || exclusive_since >= CLAIM_REBASES
            }
            Code::Contended if record.action.is_walk() => {
                now.pins_end || self.has_purged(op) || self.walks() > PINS || commits_since >= REBASES
            }
            Code::Contended => {
                commits_since >= RESTARTS || (record.action.is_exclusive() && exclusive_since >= CLAIM_REBASES)
            }
            Code::OutcomeUnknown => {
                let overwritten = !self.host.has_atomics() && commits_since > 0;
                let forgotten = commits_since >= COMMITS_REMEMBERED || exclusive_since >= CLAIMS_REMEMBERED;
                let claim_deleted = (record.action.is_exclusive() || record.action == Action::Rewrap)
                    && (commits_since > GRACE_COMMITS || self.has_purged(op));
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

    /// Whether a purge, which deletes at once and ends all pins, was committed since the call, or a rewrap, which does the
    /// same in its end, may have been. One that was taken back again counts: it may have been seen before.
    fn has_purged(&self, op: OpId) -> bool {
        let invoked = self.records[op].invoked;
        let may_have_purged = |record: &Record| {
            record.action == Action::Rewrap && record.answered.is_none_or(|answered| answered > invoked)
        };
        self.newest_purge.is_some_and(|purge| purge > invoked) || self.records.iter().any(may_have_purged)
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
