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
    pub version: u64,
    pub created_ms: u64,
    pub updated_ms: u64,
    pub values: Values,
    /// The secret of its one-time codes, in base32.
    pub totp: Option<String>,
    /// The version that gave it a secret when it had none, or the first: since then its codes are shared out.
    pub claims: u64,
    /// The idempotency key it was created with, until its first change.
    pub key: Option<String>,
}

/// All credentials, oldest first.
pub type Snapshot = Vec<Rc<Cred>>;

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
            Target::Name(name) => snapshot.iter().find(|cred| cred.name == *name),
            Target::Id(id) => snapshot.iter().find(|cred| cred.id == *id),
        }
    }
}

/// A whole credential, as create and put take it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    pub name: String,
    pub domain: String,
    pub values: Values,
    pub totp: Option<String>,
}

/// The fields an update sets; those that are absent stay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    pub name: Option<String>,
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
    /// Takes the credential at this position away.
    Removes(usize),
}

impl Action {
    /// Whether a time step's code is wanted for the caller alone.
    pub fn is_exclusive(&self) -> bool {
        matches!(self, Action::Code { exclusive: true, .. } | Action::Supply { exclusive: true, .. })
    }

    /// Whether success changes what the vault holds, or may.
    pub fn is_change(&self) -> bool {
        matches!(self, Action::Create { .. } | Action::Put { .. } | Action::Update { .. } | Action::Delete { .. })
    }

    /// Whether it walks over the whole store, and so keeps a snapshot from being collected, which is a commit.
    pub fn is_walk(&self) -> bool {
        matches!(self, Action::Sweep | Action::Verify)
    }

    pub fn effect(&self, before: &Snapshot) -> Effect {
        match self {
            Action::Create { draft, key } => match position(before, &draft.name) {
                // Keys are not used for two requests here.
                Some(position) if key.is_some() && before[position].key == *key => Effect::Nothing,
                Some(_) => Effect::Refused(Code::NameTaken),
                None => Effect::Appends(draft.clone(), key.clone()),
            },
            Action::Put { draft, expected } => match position(before, &draft.name) {
                Some(position) if !expected.is_met_by(Some(&before[position])) => {
                    Effect::Refused(Code::PreconditionFailed)
                }
                None if !expected.is_met_by(None) => Effect::Refused(Code::PreconditionFailed),
                Some(position) => replaced(before, position, |cred| {
                    cred.domain = draft.domain.clone();
                    cred.values = draft.values.clone();
                    cred.totp = draft.totp.clone();
                }),
                None => Effect::Appends(draft.clone(), None),
            },
            Action::Update { target, change, expected } => {
                let position = match locate(before, target, *expected) {
                    Ok(position) => position,
                    Err(code) => return Effect::Refused(code),
                };
                let taken = |name: &String| before[position].name != *name && self::position(before, name).is_some();
                if change.name.as_ref().is_some_and(taken) {
                    return Effect::Refused(Code::NameTaken);
                }
                replaced(before, position, |cred| {
                    if let Some(name) = &change.name {
                        cred.name = name.clone();
                    }
                    cred.values.retain(|name, _| !change.remove.contains(name));
                    cred.values.extend(change.values.clone());
                    if let Some(totp) = &change.totp {
                        cred.totp = totp.clone();
                    }
                })
            }
            Action::Delete { target, expected } => match locate(before, target, *expected) {
                Ok(position) => Effect::Removes(position),
                Err(code) => Effect::Refused(code),
            },
            Action::Get { target } | Action::Supply { target, .. } => match target.find(before) {
                Some(_) => Effect::Nothing,
                None => Effect::Refused(Code::NotFound),
            },
            Action::Code { target, .. } => match target.find(before) {
                Some(cred) if cred.totp.is_some() => Effect::Nothing,
                Some(_) => Effect::Refused(Code::TotpNotConfigured),
                None => Effect::Refused(Code::NotFound),
            },
            Action::Init { .. } | Action::Sweep | Action::Verify | Action::List { .. } => Effect::Nothing,
        }
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

impl Effect {
    /// Whether `after` is what this effect makes of `before`. `newest` is the newest id there ever was.
    pub fn explains(&self, before: &Snapshot, after: &Snapshot, newest: &str) -> bool {
        match self {
            Effect::Refused(_) | Effect::Nothing => before == after,
            Effect::Appends(draft, key) => {
                let Some((last, rest)) = after.split_last() else { return false };
                let appended = Cred {
                    id: last.id.clone(),
                    name: draft.name.clone(),
                    domain: draft.domain.clone(),
                    version: 1,
                    created_ms: last.created_ms,
                    updated_ms: last.created_ms,
                    values: draft.values.clone(),
                    totp: draft.totp.clone(),
                    claims: 1,
                    key: key.clone(),
                };
                rest == before.as_slice() && **last == appended && last.id.as_str() > newest
            }
            Effect::Replaces(position, cred) => {
                let Some(found) = after.get(*position) else { return false };
                if found.updated_ms < before[*position].updated_ms {
                    return false;
                }
                let mut expected = before.clone();
                expected[*position] = Rc::new(Cred { updated_ms: found.updated_ms, ..cred.clone() });
                *after == expected
            }
            Effect::Removes(position) => {
                let mut expected = before.clone();
                expected.remove(*position);
                *after == expected
            }
        }
    }
}

fn position(snapshot: &Snapshot, name: &str) -> Option<usize> {
    snapshot.iter().position(|cred| cred.name == name)
}

fn locate(snapshot: &Snapshot, target: &Target, expected: Option<u64>) -> Result<usize, Code> {
    let found = target.find(snapshot).ok_or(Code::NotFound)?;
    if expected.is_some_and(|version| version != found.version) {
        return Err(Code::PreconditionFailed);
    }
    snapshot.iter().position(|cred| cred.id == found.id).ok_or(Code::NotFound)
}

fn replaced(snapshot: &Snapshot, position: usize, change: impl FnOnce(&mut Cred)) -> Effect {
    let old = &snapshot[position];
    let mut cred = Cred::clone(old);
    change(&mut cred);
    if cred == **old {
        return Effect::Nothing;
    }
    cred.version += 1;
    // What comes from now on is no repetition of the request that created it.
    cred.key = None;
    if old.totp.is_none() && cred.totp.is_some() {
        cred.claims = cred.version;
    }
    Effect::Replaces(position, cred)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cred(id: &str, name: &str, version: u64) -> Rc<Cred> {
        Rc::new(Cred {
            id: id.into(),
            name: name.into(),
            domain: "a.example".into(),
            version,
            created_ms: 5,
            updated_ms: 5,
            values: Values::from([("user".into(), "u".into())]),
            totp: None,
            claims: 1,
            key: None,
        })
    }

    fn create(name: &str) -> Action {
        let values = Values::from([("user".into(), "u".into())]);
        Action::Create { draft: Draft { name: name.into(), domain: "a.example".into(), values, totp: None }, key: None }
    }

    #[test]
    fn creation_appends_once_and_above_all_ids() {
        let before = vec![cred("1", "one", 4)];
        let effect = create("two").effect(&before);
        let good = vec![cred("1", "one", 4), cred("3", "two", 1)];
        assert!(effect.explains(&before, &good, "2"));
        for (bad, newest) in [
            (vec![cred("1", "one", 4)], "2"),
            (vec![cred("1", "one", 4), cred("3", "two", 2)], "2"),
            (vec![cred("1", "one", 5), cred("3", "two", 1)], "2"),
            (vec![cred("3", "two", 1)], "2"),
            (vec![cred("1", "one", 4), cred("3", "two", 1), cred("4", "two", 1)], "2"),
            (good.clone(), "3"),
        ] {
            assert!(!effect.explains(&before, &bad, newest));
        }
        assert_eq!(create("one").effect(&before), Effect::Refused(Code::NameTaken));
    }

    #[test]
    fn updates_move_the_version_by_one_or_change_nothing() {
        let before = vec![cred("1", "one", 4), cred("2", "two", 1)];
        let update = |name: &str, expected| Action::Update {
            target: Target::Id("1".into()),
            change: Change { name: Some(name.into()), ..Change::default() },
            expected,
        };
        let effect = update("three", Some(4)).effect(&before);
        assert!(effect.explains(&before, &vec![cred("1", "three", 5), cred("2", "two", 1)], "2"));
        assert!(!effect.explains(&before, &vec![cred("1", "three", 6), cred("2", "two", 1)], "2"));
        assert!(!effect.explains(&before, &before, "2"));
        assert_eq!(update("one", None).effect(&before), Effect::Nothing);
        assert_eq!(update("two", None).effect(&before), Effect::Refused(Code::NameTaken));
        assert_eq!(update("three", Some(5)).effect(&before), Effect::Refused(Code::PreconditionFailed));
    }

    #[test]
    fn deletion_takes_exactly_one_away() {
        let before = vec![cred("1", "one", 4), cred("2", "two", 1)];
        let effect = Action::Delete { target: Target::Name("one".into()), expected: None }.effect(&before);
        assert!(effect.explains(&before, &vec![cred("2", "two", 1)], "2"));
        assert!(!effect.explains(&before, &vec![], "2"));
        assert!(!effect.explains(&before, &before, "2"));
        let missing = Action::Delete { target: Target::Name("three".into()), expected: None };
        assert_eq!(missing.effect(&before), Effect::Refused(Code::NotFound));
    }
}
