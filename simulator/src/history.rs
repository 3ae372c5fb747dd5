//! Operations as the checker keeps them, and what their callers were told.

use crate::model::{Action, Cred, Kept, Rules, Target, Values};
use std::fmt;
use strongroom::catalog::RecordRef;
use strongroom::error;

/// A credential as an action shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub id: String,
    pub name: String,
    pub domain: String,
    pub additional: Vec<String>,
    pub version: u64,
    pub created_ms: u64,
    pub updated_ms: u64,
    /// When it was replaced or deleted.
    pub ended_ms: Option<u64>,
    pub has_totp: bool,
    pub has_values: bool,
    /// The names of the values, sorted; not in lists.
    pub value_keys: Option<Vec<String>>,
}

impl Seen {
    pub fn shows_kept(&self, kept: &Kept) -> bool {
        self.ended_ms == Some(kept.ended_ms) && Self { ended_ms: None, ..self.clone() }.shows(&kept.cred)
    }

    pub fn shows(&self, cred: &Cred) -> bool {
        self.ended_ms.is_none()
            && self.additional == cred.additional
            && self.id == cred.id
            && self.name == cred.name
            && self.domain == cred.domain
            && self.version == cred.version
            && self.created_ms == cred.created_ms
            && self.updated_ms == cred.updated_ms
            && self.has_totp == cred.totp.is_some()
            && self.has_values != cred.values.is_empty()
            && self.value_keys.as_ref().is_none_or(|keys| keys.iter().eq(cred.values.keys()))
    }
}

/// A one-time code; `step` is the number of periods since the epoch that it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    pub code: String,
    pub step: u64,
}

/// What a successful action told its caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// There is nothing to tell.
    Done,
    Cred(Seen),
    Page {
        items: Vec<Seen>,
        next_offset: Option<usize>,
    },
    /// What was replaced, newest first, or deleted.
    Kept(Vec<Seen>),
    /// How many were purged.
    Purged(u64),
    Code(Code),
    /// The values, and the current code if there is a secret.
    Supplied(Values, Option<Code>),
    Verified(Verified),
    /// What was there when the backup was restored elsewhere, or why it can't be.
    BackedUp(Result<Restored, error::Code>),
}

/// What `verify` found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    pub credentials: u64,
    pub versions: u64,
    pub deleted: u64,
    pub events: u64,
    pub orphans: u64,
    /// What the old master key has sealed.
    pub by_old: u64,
}

/// What a backup brings back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    pub creds: Vec<(Seen, Values)>,
    /// Id and version of everything that was replaced.
    pub versions: Vec<(String, u64)>,
    /// Ids.
    pub trash: Vec<String>,
    /// Without that of the restore.
    pub events: u64,
}

/// Who called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    Actor(usize),
    /// Alone, after the run.
    Operator,
}

/// One call of an action.
pub struct Record {
    pub action: Action,
    pub rules: Rules,
    /// Index of the newest commit at the call.
    pub invoked: usize,
    /// Whether the vault had a root at the call.
    pub had_root: bool,
    /// Whether it had none because the host had lost it.
    pub lost_root: bool,
    /// Index of the newest commit when it answered; `None` while it runs, and for ever when its caller died.
    pub answered: Option<usize>,
    /// `None` while it runs, and for ever when its caller died.
    pub outcome: Option<Result<Reply, error::Code>>,
    /// Indexes of the commits that it made and that changed what the vault holds.
    pub effects: Vec<usize>,
    /// The records of what it purged.
    pub purged: Vec<RecordRef>,
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Caller::Actor(number) => write!(f, "actor {number}"),
            Caller::Operator => write!(f, "operator"),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Action::Init { force: false, .. } => write!(f, "init"),
            Action::Init { .. } => write!(f, "init --force"),
            Action::Sweep => write!(f, "sweep"),
            Action::Rewrap => write!(f, "rewrap"),
            Action::Verify => write!(f, "verify"),
            Action::Backup => write!(f, "backup"),
            Action::Create { draft, key } => write!(f, "create {} {:?} by {key:?}", draft.name, draft.values)
                .and_then(|()| f.write_str(if draft.totp.is_some() { " with a TOTP secret" } else { "" })),
            Action::Put { draft, expected } => write!(f, "put {} {:?} if {expected:?}", draft.name, draft.values),
            Action::Update { target, change, expected } => write!(f, "update {target} {change:?} if {expected:?}"),
            Action::Delete { target, expected } => write!(f, "delete {target} if {expected:?}"),
            Action::Restore { target, version, expected } => {
                write!(f, "restore {target} version {version:?} if {expected:?}")
            }
            Action::Purge { target, expected } => write!(f, "purge {target} if {expected:?}"),
            Action::PurgeDeleted => write!(f, "purge what was deleted"),
            Action::Versions { target } => write!(f, "versions of {target}"),
            Action::ListDeleted => write!(f, "list what was deleted"),
            Action::Get { target } => write!(f, "get {target}"),
            Action::List { domain, limit, offset } => write!(f, "list {domain:?} {limit} from {offset}"),
            Action::Code { target, exclusive: true } => write!(f, "totp_code {target}, exclusive"),
            Action::Code { target, .. } => write!(f, "totp_code {target}"),
            Action::Supply { target, exclusive: true } => write!(f, "supply {target}, exclusive"),
            Action::Supply { target, .. } => write!(f, "supply {target}"),
        }
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reply::Done => write!(f, "done"),
            Reply::Cred(seen) => write!(f, "{} {} v{}", seen.id, seen.name, seen.version),
            Reply::Page { items, next_offset } => {
                let names: Vec<String> = items.iter().map(|seen| format!("{} v{}", seen.name, seen.version)).collect();
                write!(f, "[{}] next {next_offset:?}", names.join(", "))
            }
            Reply::Code(Code { code, step }) => write!(f, "{code} for step {step}"),
            Reply::Supplied(values, code) => write!(f, "{values:?} {code:?}"),
            Reply::BackedUp(Ok(restored)) => write!(f, "a backup of {} credentials", restored.creds.len()),
            Reply::BackedUp(Err(code)) => write!(f, "a backup that can't be restored: {}", code.as_str()),
            Reply::Verified(verified) => write!(f, "{verified:?}"),
            Reply::Kept(items) => {
                let items: Vec<String> = items
                    .iter()
                    .map(|seen| format!("{} v{} until {:?}", seen.name, seen.version, seen.ended_ms))
                    .collect();
                write!(f, "[{}]", items.join(", "))
            }
            Reply::Purged(count) => write!(f, "{count} purged"),
        }
    }
}
