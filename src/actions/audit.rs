//! `audit`: what happened in the vault, newest first. Here is also what an event is and how it is kept.

use super::list::page_limit;
use super::policy::AuditMode;
use super::stored::{Fields, fields, number_of, text};
use super::{Action, Vault};
use crate::catalog::mutation::Mutation;
use crate::catalog::{Entry, Fault, Index, Snapshot, Transaction};
use crate::credential::CredentialId;
use crate::error::{Code, Error, Result};
use crate::seal::Purpose;
use crate::time::Timestamp;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::ControlFlow;

/// Events on a page when the caller does not say.
const LIMIT_DEFAULT: i64 = 50;
/// Events that are looked at for one page; a page that ends here says where to go on.
const SCANNED_MAX: u32 = 5_000;
/// Events that are read at once, going back in time.
const STRIDE: u32 = 64;
/// An event's key: its time, the number of its commit, and its own number in there.
const KEY_BYTES: usize = 8 + 8 + 4;

/// For how long a login that has begun counts as running, in milliseconds. None takes much longer than a minute; one whose
/// host has died must not stand for releases for good.
const LOGIN_MAX_MS: u64 = 5 * 60_000;

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    Refused(Code),
    /// Of a login in a browser, whose end comes later. If this stays, the program ended first.
    Begun,
}

/// Something that happened; by whom and when is added where it is written.
pub struct Event {
    pub action: Action,
    /// The credential and the version it has, or had last.
    pub credential: Option<(CredentialId, u64)>,
    pub outcome: Outcome,
    /// Where a login is made.
    pub browser: Option<String>,
}

/// A page that a login filled, or was refused on: nothing is filled then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilledStep {
    pub origin: String,
    /// What was filled: `username`, `password`, `totp`, `other`.
    pub filled: Vec<String>,
}

/// Numbers of fields of an event; never used again for anything else.
mod field {
    pub const TOKEN: u64 = 1;
    pub const ACTION: u64 = 2;
    pub const CREDENTIAL: u64 = 3;
    pub const VERSION: u64 = 4;
    pub const OUTCOME: u64 = 5;
    pub const REQUEST: u64 = 6;
    pub const BROWSER: u64 = 7;
    /// For each page: its origin and what was filled there, with spaces between.
    pub const STEP: u64 = 8;
}

/// Adds events to a transaction, if it changes anything or is nothing but them, and drops what is over its time. What
/// stands for the last of them.
pub(super) fn append(vault: &Vault<'_>, transaction: &mut Transaction<'_>, events: &[Event]) -> Result<String, Fault> {
    let policy = vault.policy()?;
    let mut last = String::new();
    if policy.audit == AuditMode::Off || events.is_empty() || Mutation::SkipAudit.is_on() {
        return Ok(last);
    }
    let now = vault.now();
    let cut = Timestamp(now.0.saturating_sub(policy.audit_ms()));
    let cut = cut.0.to_be_bytes();
    for (number, event) in (0u32..).zip(events) {
        let mut key = now.0.to_be_bytes().to_vec();
        key.extend_from_slice(&transaction.seq().to_be_bytes());
        key.extend_from_slice(&number.to_be_bytes());
        last = hexadecimal(&key);
        let entry = Entry::new(&key, &event.encode(vault));
        transaction.insert_beside(Index::Audit, entry, &mut |old| old.key.as_slice() < cut.as_slice())?;
    }
    let count = transaction.count(Index::Audit)?;
    let excess = count.saturating_sub(policy.audit_entries);
    transaction.drop_first_leaf(Index::Audit, &mut |entries, next| entries <= excess || next <= cut.as_slice())?;
    Ok(last)
}

/// Replaces the event of a login that has begun by one that says how it ended, if it is still there and the caller's.
pub(super) fn complete(
    vault: &Vault<'_>,
    transaction: &mut Transaction<'_>,
    key: &[u8],
    outcome: &str,
    steps: &[FilledStep],
) -> Result<(), Fault> {
    let Some(entry) = transaction.get(Index::Audit, key)? else { return Ok(()) };
    let (event, _) = AuditEntry::of(&entry)?;
    if !event.is_running_login_of(vault) {
        return Ok(());
    }
    let mut completed = Fields::default();
    for item in fields(&entry.value) {
        let (number, bytes) = item.ok_or_else(|| Fault::corrupt(Purpose::Node))?;
        if number != field::OUTCOME {
            completed.bytes(number, bytes);
        }
    }
    completed.bytes(field::OUTCOME, outcome.as_bytes());
    for step in steps {
        completed.bytes(field::STEP, step.to_text().as_bytes());
    }
    transaction.insert(Index::Audit, Entry::new(key, &completed.0.bytes))?;
    Ok(())
}

/// Whether this is the event of a login with a credential that the caller has begun, not too long ago, and not ended.
pub(super) fn is_login_running(
    vault: &Vault<'_>,
    snapshot: &Snapshot<'_>,
    key: &[u8],
    credential: CredentialId,
) -> Result<bool, Fault> {
    let Some(entry) = snapshot.get(Index::Audit, key)? else { return Ok(false) };
    let (event, id) = AuditEntry::of(&entry)?;
    let age = vault.now().0.saturating_sub(event.at.0);
    Ok(event.is_running_login_of(vault) && id == Some(credential) && age <= LOGIN_MAX_MS)
}

impl FilledStep {
    fn to_text(&self) -> String {
        let mut text = self.origin.clone();
        for word in &self.filled {
            text.push(' ');
            text.push_str(word);
        }
        text
    }

    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ').map(ToOwned::to_owned);
        Some(Self { origin: words.next()?, filled: words.collect() })
    }
}

/// The word for [`Outcome::Begun`].
pub(super) const BEGUN: &str = "begun";

impl Event {
    pub fn of(action: Action, credential: Option<(CredentialId, u64)>, outcome: Outcome) -> Self {
        Self { action, credential, outcome, browser: None }
    }

    fn encode(&self, vault: &Vault<'_>) -> Vec<u8> {
        let mut fields = Fields::default();
        fields.bytes(field::TOKEN, vault.principal.name.as_bytes());
        fields.bytes(field::ACTION, self.action.name().as_bytes());
        if let Some((id, version)) = &self.credential {
            fields.bytes(field::CREDENTIAL, id.as_bytes());
            fields.number(field::VERSION, *version);
        }
        match self.outcome {
            Outcome::Done => {}
            Outcome::Refused(code) => fields.bytes(field::OUTCOME, code.as_str().as_bytes()),
            Outcome::Begun => fields.bytes(field::OUTCOME, BEGUN.as_bytes()),
        }
        if let Some(request) = &vault.principal.request_id {
            fields.bytes(field::REQUEST, request.as_bytes());
        }
        if let Some(browser) = &self.browser {
            fields.bytes(field::BROWSER, browser.as_bytes());
        }
        fields.0.bytes
    }
}

/// An event as its reader sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditEntry {
    pub at: Timestamp,
    /// The name of the token, or of whoever else asked.
    pub token: String,
    pub action: String,
    /// The id of the credential.
    pub credential: Option<String>,
    pub version: Option<u64>,
    /// `done`, or the code of the error that refused it. Of a login in a browser the status or code of its answer, and
    /// `begun` until then.
    pub outcome: String,
    pub request_id: Option<String>,
    /// The operator's name of the browser that a login was made in.
    pub browser: Option<String>,
    /// The pages of a login.
    pub steps: Vec<FilledStep>,
}

/// Which events to show.
#[derive(Clone, Default)]
pub struct AuditQuery {
    /// Of the credential with this id, which may be gone.
    pub credential: Option<String>,
    /// Of the token with this name.
    pub token: Option<String>,
    /// Not before, in milliseconds since 1970.
    pub since: Option<Timestamp>,
    /// Before, in milliseconds since 1970.
    pub until: Option<Timestamp>,
    /// 1-100; absent: 50.
    pub limit: Option<i64>,
    /// Where the page before said to go on.
    pub cursor: Option<String>,
}

/// Some events, and where to go on; a page can be empty and not be the last.
pub struct AuditPage {
    pub entries: Vec<AuditEntry>,
    pub next: Option<String>,
}

/// Shows what happened, newest first.
///
/// Errors: [`Code::BadRequest`], those of a read.
pub fn audit(vault: &Vault<'_>, query: &AuditQuery) -> Result<AuditPage> {
    let limit = page_limit(query.limit, LIMIT_DEFAULT)?;
    let credential = match query.credential.as_deref().filter(|text| !text.is_empty()) {
        None => None,
        Some(text) => Some(
            CredentialId::parse(text).ok_or_else(|| Error::bad_request("credential must be the id of a credential"))?,
        ),
    };
    let end = match (&query.cursor, query.until) {
        (Some(cursor), _) => {
            read_cursor(cursor).ok_or_else(|| Error::bad_request("cursor must be the one of the page before"))?
        }
        (None, Some(until)) => until.0.to_be_bytes().to_vec(),
        (None, None) => Vec::from([0xff; 8]),
    };
    let policy = vault.policy()?;
    let oldest = Timestamp(vault.now().0.saturating_sub(policy.audit_ms()));
    let since = query.since.unwrap_or_default().max(oldest);
    let is_wanted = |entry: &AuditEntry, id: Option<CredentialId>| {
        entry.at >= since
            && credential.is_none_or(|credential| id == Some(credential))
            && query.token.as_deref().filter(|token| !token.is_empty()).is_none_or(|token| token == entry.token)
    };
    vault.catalog.read(|snapshot| {
        let first = snapshot.count(Index::Audit)?.saturating_sub(policy.audit_entries);
        let mut at = snapshot.rank(Index::Audit, &end)?;
        let mut page = AuditPage { entries: Vec::new(), next: None };
        let mut scanned = 0;
        while at > first {
            let start = at.saturating_sub(STRIDE).max(first);
            let mut stride: Vec<Entry> = Vec::new();
            snapshot.walk(Index::Audit, start, &mut |entry| {
                stride.push(entry.clone());
                let is_whole = stride.len() as u32 >= at - start;
                Ok(if is_whole { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
            })?;
            for entry in stride.iter().rev() {
                let (event, id) = AuditEntry::of(entry)?;
                if event.at < since {
                    return Ok(page);
                }
                if page.entries.len() == limit || scanned == SCANNED_MAX {
                    // What was not looked at begins above this one.
                    page.next = Some(write_cursor(entry));
                    return Ok(page);
                }
                scanned += 1;
                if is_wanted(&event, id) {
                    page.entries.push(event);
                }
            }
            at = start;
        }
        Ok(page)
    })
}

impl AuditEntry {
    fn is_running_login_of(&self, vault: &Vault<'_>) -> bool {
        self.action == Action::Fill.name() && self.outcome == BEGUN && self.token == vault.principal.name
    }

    fn of(entry: &Entry) -> Result<(Self, Option<CredentialId>), Fault> {
        Self::decode(entry).ok_or_else(|| Fault::corrupt(Purpose::Node))
    }

    fn decode(entry: &Entry) -> Option<(Self, Option<CredentialId>)> {
        let mut event = Self { at: Timestamp(u64::from_be_bytes(*entry.key.first_chunk()?)), ..Self::default() };
        event.outcome = "done".to_owned();
        let mut id = None;
        for item in fields(&entry.value) {
            let (number, bytes) = item?;
            match number {
                field::TOKEN => event.token = text(bytes)?,
                field::ACTION => event.action = text(bytes)?,
                field::CREDENTIAL => id = Some(CredentialId::from_bytes(bytes.try_into().ok()?)),
                field::VERSION => event.version = Some(number_of(bytes)?),
                field::OUTCOME => event.outcome = text(bytes)?,
                field::REQUEST => event.request_id = Some(text(bytes)?),
                field::BROWSER => event.browser = Some(text(bytes)?),
                field::STEP => event.steps.push(FilledStep::parse(&text(bytes)?)?),
                _ => {}
            }
        }
        event.credential = id.map(|id| id.to_text());
        Some((event, id))
    }
}

/// A cursor is the key of the last event that was not looked at, and a zero byte behind it, in hexadecimal.
fn write_cursor(entry: &Entry) -> String {
    hexadecimal(&[entry.key.as_slice(), &[0]].concat())
}

fn read_cursor(text: &str) -> Option<Vec<u8>> {
    bytes(text, KEY_BYTES + 1)
}

/// The key of an event that [`append`] has named.
pub(super) fn read_key(text: &str) -> Option<Vec<u8>> {
    bytes(text, KEY_BYTES)
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(text: &str, count: usize) -> Option<Vec<u8>> {
    if text.len() != 2 * count || !text.is_ascii() {
        return None;
    }
    (0..count).map(|at| u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()).collect()
}
