//! The vault as it should be: what the actors ask for, and what each request does to a snapshot.
//!
//! Small on purpose: a list of credentials and the rules of the actions, without storage, time or failure.

use std::collections::BTreeMap;
use std::rc::Rc;
use strongroom::error::Code;

pub type Values = BTreeMap<String, String>;

/// One credential with everything a caller can find out about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cred {
    pub id: String,
    pub name: String,
    pub domain: String,
    pub additional: Vec<String>,
    pub version: u64,
    pub created_ms: u64,
    pub updated_ms: u64,
    pub values: Values,
    /// The version whose change wrote the values as they are; 0 when there are none.
    pub body: u64,
    /// The secret of its one-time codes, in base32.
    pub totp: Option<String>,
    /// The version that gave it a secret when it had none, or the first: since then its codes are shared out.
    pub claims: u64,
    /// The idempotency key it was created with, until its first change.
    pub key: Option<String>,
}

impl Cred {
    fn hosts(&self) -> impl Iterator<Item = &String> {
        std::iter::once(&self.domain).chain(&self.additional)
    }

    /// Whether its values may be released to the page of a host.
    pub fn reaches(&self, host: &str) -> bool {
        self.hosts()
            .any(|own| host.strip_suffix(own.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
    }
}

/// What a change replaced or a deletion took away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    pub cred: Rc<Cred>,
    pub ended_ms: u64,
    /// Whether its values are its own: else a later version has the same, and they go with that one.
    pub owns_values: bool,
}

/// What the audit says of a change: by whom, what, and of which version of which credential.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Event {
    pub by: String,
    pub action: String,
    pub credential: Option<(String, u64)>,
}

/// The vault after a commit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Oldest first.
    pub creds: Vec<Rc<Cred>>,
    /// What changes replaced, by id and version.
    pub versions: Vec<Kept>,
    /// What was deleted, by id.
    pub trash: Vec<Kept>,
    /// What was ever written down, in the order of the commits.
    pub audit: Vec<Rc<Event>>,
}

/// What an action's outcome depends on beside the vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Versions that are kept of a credential beside the current one; 0: nothing is kept.
    pub versions: u64,
    /// Whether the caller may have values released.
    pub is_trusted: bool,
}

/// How long what ended is kept.
pub const KEPT_MS: u64 = 30 * 86_400_000;

impl Rules {
    pub fn caller(self) -> &'static str {
        if self.is_trusted { "host" } else { "writer" }
    }
}

impl Kept {
    pub fn is_over(&self, now_ms: u64) -> bool {
        now_ms.saturating_sub(self.ended_ms) >= KEPT_MS
    }
}

impl Snapshot {
    /// The versions of a credential that can be restored by their number, oldest first.
    pub fn versions_of(&self, cred: &Cred, rules: Rules) -> impl Iterator<Item = &Kept> {
        let (id, oldest) = (cred.id.clone(), cred.version.saturating_sub(rules.versions));
        self.versions.iter().filter(move |kept| rules.versions > 0 && kept.cred.id == id && kept.cred.version >= oldest)
    }

    pub fn deleted(&self, target: &Target) -> Option<&Kept> {
        match target {
            // What was deleted has no name.
            Target::Name(_) => None,
            Target::Id(id) => self.trash.iter().find(|kept| kept.cred.id == *id),
        }
    }
}

/// What a credential is looked up by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    Name(String),
    Id(String),
}

impl Target {
    pub fn text(&self) -> &str {
        match self {
            Target::Name(text) | Target::Id(text) => text,
        }
    }

    pub fn find<'s>(&self, snapshot: &'s Snapshot) -> Option<&'s Rc<Cred>> {
        match self {
            Target::Name(name) => snapshot.creds.iter().find(|cred| cred.name == *name),
            Target::Id(id) => snapshot.creds.iter().find(|cred| cred.id == *id),
        }
    }
}

/// A whole credential, as create and put take it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    pub name: String,
    pub domain: String,
    pub additional: Vec<String>,
    pub values: Values,
    pub totp: Option<String>,
}

/// The fields an update sets; those that are absent stay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    pub name: Option<String>,
    pub domain: Option<String>,
    pub additional: Option<Vec<String>>,
    pub values: Values,
    pub remove: Vec<String>,
    /// `Some(None)` removes the secret.
    pub totp: Option<Option<String>>,
}

/// What a put demands of the credential it finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    Anything,
    Nothing,
    Version(u64),
}

/// One call of an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    Init { node_bytes: Option<u32>, force: bool },
    Sweep,
    Verify,
    Create { draft: Draft, key: Option<String> },
    Put { draft: Draft, expected: Expected },
    Update { target: Target, change: Change, expected: Option<u64> },
    Delete { target: Target, expected: Option<u64> },
    Restore { target: Target, version: Option<u64>, expected: Option<u64> },
    Purge { target: Target, expected: Option<u64> },
    PurgeDeleted,
    Versions { target: Target },
    ListDeleted,
    Get { target: Target },
    List { domain: Option<String>, limit: usize, offset: usize },
    Code { target: Target, exclusive: bool },
    Supply { target: Target, exclusive: bool },
}

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
    /// Whether a time step's code is wanted for the caller alone.
    pub fn is_exclusive(&self) -> bool {
        matches!(self, Action::Code { exclusive: true, .. } | Action::Supply { exclusive: true, .. })
    }

    /// Whether success changes what the vault holds, or may.
    pub fn is_change(&self) -> bool {
        matches!(
            self,
            Action::Create { .. }
                | Action::Put { .. }
                | Action::Update { .. }
                | Action::Delete { .. }
                | Action::Restore { .. }
                | Action::Purge { .. }
                | Action::PurgeDeleted
        )
    }

    /// Whether it walks over the whole store, and so keeps a snapshot from being collected, which is a commit.
    pub fn is_walk(&self) -> bool {
        matches!(self, Action::Sweep | Action::Verify)
    }

    /// The name in the audit.
    fn name(&self) -> &'static str {
        match self {
            Action::Create { .. } => "create",
            Action::Put { .. } => "put",
            Action::Update { .. } => "update",
            Action::Delete { .. } => "delete",
            Action::Restore { .. } => "restore",
            Action::Purge { .. } | Action::PurgeDeleted => "purge",
            _ => "sweep",
        }
    }

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
                Err(Code::NotFound) => brought_back(before, target, *version, rules)?,
                Err(code) => return Err(code),
            },
            Action::Purge { target, expected } => match locate(before, target, *expected) {
                Ok(position) => Effect::Purges(vec![before.creds[position].id.clone()]),
                Err(Code::NotFound) => {
                    let kept = before.deleted(target).ok_or(Code::NotFound)?;
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
            Action::Init { .. } | Action::Sweep | Action::Verify | Action::List { .. } | Action::ListDeleted => {
                Effect::Nothing
            }
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

impl Expected {
    fn is_met_by(self, found: Option<&Cred>) -> bool {
        match self {
            Expected::Anything => true,
            Expected::Nothing => found.is_none(),
            Expected::Version(version) => found.is_some_and(|cred| cred.version == version),
        }
    }
}

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
pub fn same(found: &Cred, expected: &Cred) -> bool {
    *found == Cred { updated_ms: found.updated_ms, ..expected.clone() }
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
fn brought_back(before: &Snapshot, target: &Target, version: Option<u64>, rules: Rules) -> Result<Effect, Code> {
    let deleted = before.deleted(target).filter(|_| rules.versions > 0).ok_or(Code::NotFound)?;
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
    if expected.is_some_and(|version| version != found.version) {
        return Err(Code::PreconditionFailed);
    }
    snapshot.creds.iter().position(|cred| cred.id == found.id).ok_or(Code::NotFound)
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

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules = Rules { versions: 2, is_trusted: true };

    fn cred(id: &str, name: &str, version: u64) -> Rc<Cred> {
        Rc::new(Cred {
            id: id.into(),
            name: name.into(),
            domain: "a.example".into(),
            additional: Vec::new(),
            version,
            created_ms: 5,
            updated_ms: 5,
            values: Values::from([("user".into(), "u".into())]),
            body: 1,
            totp: None,
            claims: 1,
            key: None,
        })
    }

    fn snapshot(creds: &[Rc<Cred>]) -> Snapshot {
        Snapshot { creds: creds.to_vec(), ..Snapshot::default() }
    }

    fn kept(cred: Rc<Cred>) -> Kept {
        Kept { cred, ended_ms: 5, owns_values: false }
    }

    fn bounds(newest: &str) -> Bounds<'_> {
        Bounds { newest, latest_ms: 5 }
    }

    fn create(name: &str) -> Action {
        let values = Values::from([("user".into(), "u".into())]);
        let draft = Draft { name: name.into(), domain: "a.example".into(), additional: Vec::new(), values, totp: None };
        Action::Create { draft, key: None }
    }

    fn rename(name: &str, expected: Option<u64>) -> Action {
        let change = Change { name: Some(name.into()), ..Change::default() };
        Action::Update { target: Target::Id("1".into()), change, expected }
    }

    #[test]
    fn creation_appends_once_and_above_all_ids() {
        let before = snapshot(&[cred("1", "one", 4)]);
        let effect = create("two").effect(&before, RULES);
        let good = snapshot(&[cred("1", "one", 4), cred("3", "two", 1)]);
        assert!(effect.explains(&before, &good, bounds("2"), RULES));
        for (bad, newest) in [
            (snapshot(&[cred("1", "one", 4)]), "2"),
            (snapshot(&[cred("1", "one", 4), cred("3", "two", 2)]), "2"),
            (snapshot(&[cred("1", "one", 5), cred("3", "two", 1)]), "2"),
            (snapshot(&[cred("3", "two", 1)]), "2"),
            (snapshot(&[cred("1", "one", 4), cred("3", "two", 1), cred("4", "two", 1)]), "2"),
            (good.clone(), "3"),
        ] {
            assert!(!effect.explains(&before, &bad, bounds(newest), RULES));
        }
        assert_eq!(create("one").effect(&before, RULES), Effect::Refused(Code::NameTaken));
    }

    #[test]
    fn updates_move_the_version_by_one_and_keep_the_old_one_or_change_nothing() {
        let before = snapshot(&[cred("1", "one", 4), cred("2", "two", 1)]);
        let effect = rename("three", Some(4)).effect(&before, RULES);
        let mut good = snapshot(&[cred("1", "three", 5), cred("2", "two", 1)]);
        assert!(!effect.explains(&before, &good, bounds("2"), RULES), "nothing is kept");
        good.versions.push(kept(cred("1", "one", 4)));
        assert!(effect.explains(&before, &good, bounds("2"), RULES));
        assert!(!effect.explains(
            &before,
            &snapshot(&[cred("1", "three", 6), cred("2", "two", 1)]),
            bounds("2"),
            RULES
        ));
        assert!(!effect.explains(&before, &before, bounds("2"), RULES));
        assert_eq!(rename("one", None).effect(&before, RULES), Effect::Nothing);
        assert_eq!(rename("two", None).effect(&before, RULES), Effect::Refused(Code::NameTaken));
        assert_eq!(rename("three", Some(5)).effect(&before, RULES), Effect::Refused(Code::PreconditionFailed));
    }

    #[test]
    fn deletion_moves_exactly_one_into_the_trash_and_a_restore_takes_it_out() {
        let before = snapshot(&[cred("1", "one", 4), cred("2", "two", 1)]);
        let effect = Action::Delete { target: Target::Name("one".into()), expected: None }.effect(&before, RULES);
        let mut deleted = snapshot(&[cred("2", "two", 1)]);
        assert!(!effect.explains(&before, &deleted, bounds("2"), RULES), "nothing is kept");
        deleted.trash.push(kept(cred("1", "one", 4)));
        assert!(effect.explains(&before, &deleted, bounds("2"), RULES));
        assert!(!effect.explains(&before, &snapshot(&[]), bounds("2"), RULES));
        let missing = Action::Delete { target: Target::Name("three".into()), expected: None };
        assert_eq!(missing.effect(&before, RULES), Effect::Refused(Code::NotFound));

        let restore = Action::Restore { target: Target::Id("1".into()), version: None, expected: None };
        let effect = restore.effect(&deleted, RULES);
        let mut restored = snapshot(&[cred("1", "one", 5), cred("2", "two", 1)]);
        assert!(effect.explains(&deleted, &restored, bounds("2"), RULES));
        restored.trash = deleted.trash.clone();
        assert!(!effect.explains(&deleted, &restored, bounds("2"), RULES), "it could be restored twice");
        let purge = Action::Purge { target: Target::Id("1".into()), expected: None }.effect(&deleted, RULES);
        assert!(purge.explains(&deleted, &snapshot(&[cred("2", "two", 1)]), bounds("2"), RULES));
        assert!(!purge.explains(&deleted, &deleted, bounds("2"), RULES));
    }

    #[test]
    fn values_go_where_they_could_go_unless_the_caller_may_have_them() {
        let before = snapshot(&[cred("1", "one", 1)]);
        let send = |host: &str| Action::Update {
            target: Target::Id("1".into()),
            change: Change { domain: Some(host.into()), ..Change::default() },
            expected: None,
        };
        let writer = Rules { is_trusted: false, ..RULES };
        assert_eq!(send("b.example").effect(&before, writer), Effect::Refused(Code::Forbidden));
        assert_eq!(send("nota.example").effect(&before, writer), Effect::Refused(Code::Forbidden));
        assert!(matches!(send("sub.a.example").effect(&before, writer), Effect::Replaces(..)));
        assert!(matches!(send("b.example").effect(&before, RULES), Effect::Replaces(..)));
    }
}
