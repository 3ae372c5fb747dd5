//! Makes a snapshot of what the vault shows after a commit.

use crate::driver::Shown;
use crate::model::{Action, Cred, Effect, Event, Kept, Rules, Snapshot};
use std::rc::Rc;

/// Makes a snapshot of what the vault shows. What can't be read is what it was, or what the effect makes it: secrets of
/// one-time codes, idempotency keys, values of what is not current.
pub fn assemble(
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
pub fn check_events(expected: &[Rc<Event>], found: &[Event], audit_ends: bool) -> Result<(), String> {
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
pub fn check_snapshot(snapshot: &Snapshot) -> Result<(), String> {
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
