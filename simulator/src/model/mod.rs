//! The vault as it should be: what the actors ask for, and what each request does to a snapshot.
//!
//! Small on purpose: a list of credentials and the rules of the actions, without storage, time or failure.

mod effect;
mod explains;
#[cfg(test)]
mod tests;

pub use effect::Effect;
pub use explains::Bounds;

use std::collections::BTreeMap;
use std::rc::Rc;

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
    Rewrap,
    Verify,
    Backup,
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

    /// Whether it walks over the whole store, and so commits without changing what the vault holds: it keeps a snapshot from
    /// being collected, or seals anew.
    pub fn is_walk(&self) -> bool {
        matches!(self, Action::Sweep | Action::Rewrap | Action::Verify | Action::Backup)
    }

    /// The name in the audit.
    pub fn name(&self) -> &'static str {
        match self {
            Action::Create { .. } => "create",
            Action::Put { .. } => "put",
            Action::Update { .. } => "update",
            Action::Delete { .. } => "delete",
            Action::Restore { .. } => "restore",
            Action::Purge { .. } | Action::PurgeDeleted => "purge",
            Action::Rewrap => "rewrap",
            Action::Backup => "backup",
            _ => "sweep",
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
