//! What an action should do to a snapshot.

use super::{Action, Cred, Draft, Kept, Rules, Snapshot, Target};
use strongroom::error::Code;

/// What an action should do to a snapshot.
#[derive(Debug, PartialEq)]
pub enum Effect {
    /// Fails with this code and changes nothing.
    Refused(Code),
    /// Succeeds and changes nothing.
    Nothing,
    /// Appends a credential.
    Appends(Draft, Option<String>),
    /// Replaces the credential at this position; `updated_ms` is the caller's to choose.
    Replaces(usize, Cred),
    /// Moves the credential at this position into the trash.
    Removes(usize),
    /// Takes the credential at this position of the trash back, and may make an older version of it current then.
    BringsBack(usize, Vec<Cred>),
    /// Takes the credentials with these ids away for good.
    Purges(Vec<String>),
}

impl Action {
    pub fn effect(&self, before: &Snapshot, rules: Rules) -> Effect {
        self.tried(before, rules).unwrap_or_else(Effect::Refused)
    }

    fn tried(&self, before: &Snapshot, rules: Rules) -> Result<Effect, Code> {
        Ok(match self {
            Action::Create { draft, key } => match position(before, &draft.name) {
                // Keys are not used for two requests here.
                Some(position) if key.is_some() && before.creds[position].key == *key => Effect::Nothing,
                Some(_) => return Err(Code::NameTaken),
                None => Effect::Appends(draft.clone(), key.clone()),
            },
            Action::Put { draft, expected } => {
                let position = position(before, &draft.name);
                if !expected.is_met_by(position.map(|position| &*before.creds[position])) {
                    return Err(Code::PreconditionFailed);
                }
                match position {
                    Some(position) => replaced(before, position, |cred| {
                        cred.domain = draft.domain.clone();
                        cred.additional = draft.additional.clone();
                        cred.values = draft.values.clone();
                        cred.totp = draft.totp.clone();
                    }),
                    None => Effect::Appends(draft.clone(), None),
                }
            }
            Action::Update { target, change, expected } => {
                let position = locate(before, target, *expected)?;
                let old = &before.creds[position];
                if change.name.as_ref().is_some_and(|name| old.name != *name && is_taken(before, name)) {
                    return Err(Code::NameTaken);
                }
                let has_secrets = !old.values.is_empty() || old.totp.is_some();
                let hosts = change.domain.iter().chain(change.additional.iter().flatten());
                if has_secrets && !rules.is_trusted && !hosts.into_iter().all(|host| old.reaches(host)) {
                    return Err(Code::Forbidden);
                }
                replaced(before, position, |cred| {
                    if let Some(name) = &change.name {
                        cred.name = name.clone();
                    }
                    if let Some(domain) = &change.domain {
                        cred.domain = domain.clone();
                    }
                    if let Some(additional) = &change.additional {
                        cred.additional = additional.clone();
                    }
                    cred.values.retain(|name, _| !change.remove.contains(name));
                    cred.values.extend(change.values.clone());
                    if let Some(totp) = &change.totp {
                        cred.totp = totp.clone();
                    }
                })
            }
            Action::Delete { target, expected } => Effect::Removes(locate(before, target, *expected)?),
            Action::Restore { target, version, expected } => match locate(before, target, *expected) {
                Ok(position) => {
                    let version = version.ok_or(Code::BadRequest)?;
                    let current = &before.creds[position];
                    match made_current(before, current, version, rules)? {
                        Some(cred) => Effect::Replaces(position, cred),
                        None => Effect::Nothing,
                    }
                }
                Err(Code::NotFound) => brought_back(before, target, *version, *expected, rules)?,
                Err(code) => return Err(code),
            },
            Action::Purge { target, expected } => match locate(before, target, *expected) {
                Ok(position) => Effect::Purges(vec![before.creds[position].id.clone()]),
                Err(Code::NotFound) => {
                    let kept = before.deleted(target).ok_or(Code::NotFound)?;
                    check_version(&kept.cred, *expected)?;
                    Effect::Purges(vec![kept.cred.id.clone()])
                }
                Err(code) => return Err(code),
            },
            Action::PurgeDeleted if before.trash.is_empty() => Effect::Nothing,
            Action::PurgeDeleted => Effect::Purges(before.trash.iter().map(|kept| kept.cred.id.clone()).collect()),
            Action::Get { target } | Action::Supply { target, .. } | Action::Versions { target } => {
                target.find(before).map(|_| Effect::Nothing).ok_or(Code::NotFound)?
            }
            Action::Code { target, .. } => match target.find(before) {
                Some(cred) if cred.totp.is_some() => Effect::Nothing,
                Some(_) => return Err(Code::TotpNotConfigured),
                None => return Err(Code::NotFound),
            },
            Action::Init { .. }
            | Action::Sweep
            | Action::Rewrap
            | Action::Verify
            | Action::Backup
            | Action::List { .. }
            | Action::ListDeleted => Effect::Nothing,
        })
    }

    /// What was kept that a restore needs.
    pub fn restored<'s>(&self, before: &'s Snapshot) -> Vec<&'s Kept> {
        let Action::Restore { target, version, .. } = self else { return Vec::new() };
        let deleted = before.deleted(target);
        let id = target.find(before).map(|cred| &cred.id).or(deleted.map(|kept| &kept.cred.id));
        let is_it = |kept: &&Kept| Some(&kept.cred.id) == id && Some(kept.cred.version) == *version;
        before.versions.iter().filter(is_it).chain(deleted).collect()
    }
}

fn is_taken(snapshot: &Snapshot, name: &str) -> bool {
    position(snapshot, name).is_some()
}

/// An older version of a credential as its newest; `None` when that changes nothing.
fn made_current(before: &Snapshot, current: &Cred, version: u64, rules: Rules) -> Result<Option<Cred>, Code> {
    let kept = before.versions_of(current, rules).find(|kept| kept.cred.version == version);
    let old = &kept.ok_or(Code::NotFound)?.cred;
    let has_values = |kept: &Kept| kept.owns_values && kept.cred.body == old.body;
    let are_there = old.body == 0 || old.body == current.body || before.versions_of(current, rules).any(has_values);
    if !are_there {
        return Err(Code::NotFound);
    }
    if old.name != current.name && is_taken(before, &old.name) {
        return Err(Code::NameTaken);
    }
    let mut cred = Cred::clone(current);
    cred.name = old.name.clone();
    cred.domain = old.domain.clone();
    cred.additional = old.additional.clone();
    cred.values = old.values.clone();
    cred.totp = old.totp.clone();
    let has_other_values = old.body != current.body;
    if cred == *current && !has_other_values {
        return Ok(None);
    }
    Ok(Some(next_version(current, cred, has_other_values)))
}

/// What was deleted, as a new version, and an older one as its next.
fn brought_back(
    before: &Snapshot,
    target: &Target,
    version: Option<u64>,
    expected: Option<u64>,
    rules: Rules,
) -> Result<Effect, Code> {
    let deleted = before.deleted(target).filter(|_| rules.versions > 0).ok_or(Code::NotFound)?;
    check_version(&deleted.cred, expected)?;
    if is_taken(before, &deleted.cred.name) {
        return Err(Code::NameTaken);
    }
    let position = before.trash.iter().position(|kept| kept == deleted).ok_or(Code::NotFound)?;
    let first = Cred { version: deleted.cred.version + 1, key: None, ..Cred::clone(&deleted.cred) };
    let mut steps = vec![first.clone()];
    if let Some(version) = version.filter(|version| *version != deleted.cred.version) {
        steps.extend(made_current(before, &first, version, rules)?);
    }
    Ok(Effect::BringsBack(position, steps))
}

/// A changed credential with the numbers of its next version.
fn next_version(old: &Cred, mut cred: Cred, has_other_values: bool) -> Cred {
    cred.version = old.version + 1;
    // What comes from now on is no repetition of the request that created it.
    cred.key = None;
    if has_other_values {
        cred.body = if cred.values.is_empty() { 0 } else { cred.version };
    }
    if old.totp.is_none() && cred.totp.is_some() {
        cred.claims = cred.version;
    }
    cred
}

fn position(snapshot: &Snapshot, name: &str) -> Option<usize> {
    snapshot.creds.iter().position(|cred| cred.name == name)
}

fn locate(snapshot: &Snapshot, target: &Target, expected: Option<u64>) -> Result<usize, Code> {
    let found = target.find(snapshot).ok_or(Code::NotFound)?;
    check_version(found, expected)?;
    snapshot.creds.iter().position(|cred| cred.id == found.id).ok_or(Code::NotFound)
}

fn check_version(cred: &Cred, expected: Option<u64>) -> Result<(), Code> {
    if expected.is_some_and(|version| version != cred.version) {
        return Err(Code::PreconditionFailed);
    }
    Ok(())
}

fn replaced(snapshot: &Snapshot, position: usize, change: impl FnOnce(&mut Cred)) -> Effect {
    let old = &snapshot.creds[position];
    let mut cred = Cred::clone(old);
    change(&mut cred);
    if cred == **old {
        return Effect::Nothing;
    }
    let has_other_values = cred.values != old.values;
    Effect::Replaces(position, next_version(old, cred, has_other_values))
}
