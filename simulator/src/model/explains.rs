//! Whether a commit is what an effect makes of the snapshot before it, and what it writes into the audit.

use super::{Action, Cred, Effect, Event, Kept, Rules, Snapshot};
use std::rc::Rc;

/// The end of what is kept, where a commit may have taken away what is over.
#[derive(Clone, Copy)]
pub struct Bounds<'b> {
    /// The newest id there ever was.
    pub newest: &'b str,
    /// The latest time that the committer's clock can have shown.
    pub latest_ms: u64,
}

impl Effect {
    /// What the audit says of it.
    pub fn events(&self, action: &Action, before: &Snapshot, after: &[Rc<Cred>], rules: Rules) -> Vec<Rc<Event>> {
        // A put that creates is written down as that.
        let name = if matches!(self, Effect::Appends(..)) { "create" } else { action.name() };
        let event = |id: &str, version| {
            let (by, action) = (rules.caller().to_owned(), name.to_owned());
            Rc::new(Event { by, action, credential: Some((id.to_owned(), version)) })
        };
        match self {
            Effect::Refused(_) | Effect::Nothing => Vec::new(),
            Effect::Appends(..) => after.last().map(|cred| event(&cred.id, 1)).into_iter().collect(),
            Effect::Replaces(_, cred) => vec![event(&cred.id, cred.version)],
            Effect::Removes(position) => {
                let old = &before.creds[*position];
                vec![event(&old.id, old.version)]
            }
            Effect::BringsBack(_, steps) => steps.iter().map(|cred| event(&cred.id, cred.version)).collect(),
            Effect::Purges(ids) => {
                let all = before.creds.iter().chain(before.trash.iter().map(|kept| &kept.cred));
                let gone = all.filter(|cred| ids.contains(&cred.id));
                gone.map(|cred| event(&cred.id, cred.version)).collect()
            }
        }
    }

    /// Whether `after` is what this effect makes of `before`.
    pub fn explains(&self, before: &Snapshot, after: &Snapshot, bounds: Bounds<'_>, rules: Rules) -> bool {
        if matches!(self, Effect::Refused(_) | Effect::Nothing) {
            return before.creds == after.creds && self.keeps(before, after, bounds, rules);
        }
        self.makes(before, &after.creds, bounds) && self.keeps(before, after, bounds, rules)
    }

    /// Whether the credentials are what they should be.
    fn makes(&self, before: &Snapshot, after: &[Rc<Cred>], bounds: Bounds<'_>) -> bool {
        let mut expected = before.creds.clone();
        match self {
            Effect::Refused(_) | Effect::Nothing => {}
            Effect::Appends(draft, key) => {
                let Some(last) = after.last() else { return false };
                if last.id.as_str() <= bounds.newest {
                    return false;
                }
                expected.push(Rc::new(Cred {
                    id: last.id.clone(),
                    name: draft.name.clone(),
                    domain: draft.domain.clone(),
                    additional: draft.additional.clone(),
                    version: 1,
                    created_ms: last.created_ms,
                    updated_ms: last.created_ms,
                    values: draft.values.clone(),
                    body: u64::from(!draft.values.is_empty()),
                    totp: draft.totp.clone(),
                    claims: 1,
                    key: key.clone(),
                }));
            }
            Effect::Replaces(position, cred) => {
                let Some(found) = after.get(*position) else { return false };
                if found.updated_ms < before.creds[*position].updated_ms {
                    return false;
                }
                expected[*position] = Rc::new(Cred { updated_ms: found.updated_ms, ..cred.clone() });
            }
            Effect::Removes(position) => drop(expected.remove(*position)),
            Effect::BringsBack(deleted, steps) => {
                let (deleted, Some(cred)) = (&before.trash[*deleted].cred, steps.last()) else { return false };
                let position = expected.partition_point(|other| other.id < cred.id);
                let Some(found) = after.get(position) else { return false };
                if found.updated_ms < deleted.updated_ms {
                    return false;
                }
                expected.insert(position, Rc::new(Cred { updated_ms: found.updated_ms, ..cred.clone() }));
            }
            Effect::Purges(ids) => expected.retain(|cred| !ids.contains(&cred.id)),
        }
        *after == expected
    }

    /// Whether what is kept is what should be, but for what may be gone because it was over or too much.
    fn keeps(&self, before: &Snapshot, after: &Snapshot, bounds: Bounds<'_>, rules: Rules) -> bool {
        let (mut versions, mut trash) = (before.versions.clone(), before.trash.clone());
        let is_kept = rules.versions > 0;
        let mut surplus = None;
        match self {
            Effect::Refused(_) | Effect::Nothing | Effect::Appends(..) => {}
            Effect::Replaces(position, cred) => {
                let Some(ended_ms) = after.creds.get(*position).map(|new| new.updated_ms) else { return false };
                if is_kept {
                    let old = before.creds[*position].clone();
                    versions.push(Kept { owns_values: old.body != cred.body, cred: old, ended_ms });
                }
                surplus = Some(cred);
            }
            Effect::Removes(position) => {
                let old = &before.creds[*position];
                if is_kept {
                    let kept = after.trash.iter().find(|kept| kept.cred == *old);
                    let Some(kept) = kept.filter(|kept| kept.ended_ms >= old.updated_ms) else { return false };
                    trash.push(kept.clone());
                } else {
                    versions.retain(|kept| kept.cred.id != old.id);
                }
            }
            Effect::BringsBack(deleted, steps) => {
                trash.remove(*deleted);
                if let [first, .., last] = &steps[..] {
                    let kept = after.versions.iter().find(|kept| same(&kept.cred, first));
                    let Some(kept) = kept else { return false };
                    versions.push(kept.clone());
                    surplus = Some(last);
                }
            }
            Effect::Purges(ids) => {
                versions.retain(|kept| !ids.contains(&kept.cred.id));
                trash.retain(|kept| !ids.contains(&kept.cred.id));
            }
        }
        let is_surplus = |kept: &Kept| {
            surplus.is_some_and(|new| kept.cred.id == new.id && kept.cred.version + rules.versions < new.version)
        };
        let may_go = |kept: &Kept| kept.is_over(bounds.latest_ms) || is_surplus(kept);
        let fits = |expected: &[Kept], found: &[Kept]| {
            found.iter().all(|kept| expected.contains(kept))
                && expected.iter().all(|kept| found.contains(kept) || may_go(kept))
        };
        fits(&versions, &after.versions) && fits(&trash, &after.trash)
    }
}

/// The same but for the time of the change, which is the caller's to choose.
fn same(found: &Cred, expected: &Cred) -> bool {
    *found == Cred { updated_ms: found.updated_ms, ..expected.clone() }
}
