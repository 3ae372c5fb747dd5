//! The actions under test, called and answered in the checker's own words.

mod backup;

use crate::history::{Code, Reply, Seen, Verified};
use crate::model::{Action, Change, Draft, Event, Expected, Rules, Snapshot, Values};
use std::ops::ControlFlow;
use strongroom::access::{Principal, Scope, Scopes};
use strongroom::actions::{
    self, AuditQuery, Caller, Changes, CodeOptions, CredentialView, LIMIT_MAX, ListQuery, NewCredential, Policy,
    PutCondition, Report, Vault,
};
use strongroom::catalog::{Catalog, Entry, Index, InitOptions, RecordRef};
use strongroom::credential::CredentialId;
use strongroom::error::Result;
use strongroom::platform::{Clock, Platform};
use strongroom::seal::{Keyring, Project, Sealer};
use strongroom::secret::SecretString;
use strongroom::time::Timestamp;
use strongroom::totp;

/// What the vault shows, and what lies in the store.
#[derive(Default)]
pub struct Shown {
    /// Each credential, and the values of those that were asked for.
    pub creds: Vec<(Seen, Option<Values>)>,
    /// Id and version of everything that was replaced and is still kept.
    pub versions: Vec<(String, u64)>,
    /// The newest version before the current one, of those whose history grew.
    pub replaced: Vec<Seen>,
    pub trash: Vec<Seen>,
    /// How many events the audit has.
    pub events: usize,
    /// The events, where a commit can have been built on any of several snapshots, of which these tell more than one.
    pub audit: Option<Vec<Event>>,
    /// The records that hold values and claims, and whose they are.
    pub owned: Vec<(String, RecordRef)>,
}

/// Seconds of a time step, for all secrets of a run.
const PERIOD_SECONDS: u64 = 30;

/// The master keys that somebody has. Vaults begin with the old one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ring {
    Old,
    /// Both, and the old one seals: as on an instance that was told of the new one.
    OldFirst,
    /// Both, and the new one seals.
    NewFirst,
    New,
}

impl Ring {
    pub const ALL: [Ring; 4] = [Ring::Old, Ring::OldFirst, Ring::NewFirst, Ring::New];

    const fn keys(self) -> &'static str {
        match self {
            Ring::Old => "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
            Ring::OldFirst => {
                "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8 k2:BAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
            }
            Ring::NewFirst => {
                "k2:BAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8 k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
            }
            Ring::New => "k2:BAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
        }
    }
}

/// The project of all runs, for somebody with these keys.
pub fn sealer(ring: Ring) -> Sealer {
    let keyring = Keyring::parse(ring.keys()).expect("a well-formed keyring");
    Sealer::new(keyring, Project::parse("default").expect("a well-formed project"))
}

/// The code of a time step, as `totp_code` should give it.
pub fn code_of(secret: &str, step: u64) -> String {
    let request = totp::NewTotp { secret, algorithm: None, digits: None, period: None };
    let now = Timestamp::from_seconds(step * PERIOD_SECONDS);
    let code = totp::Totp::parse(request, None).and_then(|totp| totp.code_at(now));
    code.map(|code| code.code).unwrap_or_default()
}

/// The number of a point in time's step.
pub fn time_step(now: Timestamp) -> u64 {
    now.seconds() / PERIOD_SECONDS
}

/// Calls an action.
pub fn perform(platform: Platform<'_>, sealer: &Sealer, action: &Action, rules: Rules) -> Result<Reply> {
    let principal = principal(rules);
    let vault = Vault::new(platform, sealer, &principal).with_policy(policy(rules));
    Ok(match action {
        Action::Init { node_bytes, force } => {
            vault.init(InitOptions { force: *force, node_bytes: *node_bytes })?;
            Reply::Done
        }
        Action::Sweep => {
            sweep(&vault)?;
            Reply::Done
        }
        Action::Rewrap => {
            rewrap(&vault)?;
            Reply::Done
        }
        Action::Verify => {
            let Report { credentials, versions, deleted, events, orphans, keys, .. } = verify(&vault)?;
            let by_old = keys.0.get("k1").copied().unwrap_or_default();
            Reply::Verified(Verified { credentials, versions, deleted, events, orphans, by_old })
        }
        Action::Backup => backup::perform(&vault, platform, sealer, rules)?,
        Action::Create { draft, key } => {
            let caller = key.as_deref().map(|key| Caller { idempotency_key: Some(key), is_retry: false });
            Reply::Cred(seen(actions::create(&vault, new_credential(draft), caller)?))
        }
        Action::Put { draft, expected } => {
            let condition = match expected {
                Expected::Anything => PutCondition::Always,
                Expected::Nothing => PutCondition::Absent,
                Expected::Version(version) => PutCondition::Version(*version),
            };
            Reply::Cred(seen(actions::put(&vault, new_credential(draft), condition)?.0))
        }
        Action::Update { target, change, expected } => {
            Reply::Cred(seen(actions::update(&vault, target.text(), &changes(change, *expected))?))
        }
        Action::Delete { target, expected } => {
            actions::delete(&vault, target.text(), *expected)?;
            Reply::Done
        }
        Action::Restore { target, version, expected } => {
            Reply::Cred(seen(actions::restore(&vault, target.text(), *version, *expected)?))
        }
        Action::Purge { target, expected } => {
            actions::purge(&vault, target.text(), *expected)?;
            Reply::Done
        }
        Action::PurgeDeleted => Reply::Purged(actions::purge_deleted(&vault)?.0),
        Action::Versions { target } => {
            Reply::Kept(actions::versions(&vault, target.text())?.into_iter().map(seen).collect())
        }
        Action::ListDeleted => Reply::Kept(deleted(&vault)?),
        Action::Get { target } => Reply::Cred(seen(actions::get(&vault, target.text())?)),
        Action::List { domain, limit, offset } => page(&vault, domain.clone(), *limit, *offset)?,
        Action::Code { target, exclusive } => {
            let options = CodeOptions { min_valid_seconds: 0, exclusive: *exclusive };
            let code = actions::totp_code(&vault, target.text(), options)?;
            Reply::Code(Code { code: code.code, step: code.step })
        }
        Action::Supply { target, exclusive } => {
            // Where it belongs is looked up first, as the host of a login flow would have it.
            let domain = actions::get(&vault, target.text())?.domain;
            let (values, code) = supply(&vault, target.text(), &domain, *exclusive)?;
            Reply::Supplied(values, code)
        }
    })
}

/// Reads the whole vault; the values only of credentials that are not in `before` with the same version. `long_ago` shows
/// a time before which nothing is over.
pub fn show(
    platform: Platform<'_>,
    long_ago: &dyn Clock,
    sealer: &Sealer,
    before: &Snapshot,
    rules: Rules,
) -> Result<Shown> {
    let host = Principal::host();
    let vault = Vault::new(platform, sealer, &host);
    let kept = Vault::new(Platform { clock: long_ago, ..platform }, sealer, &host).with_policy(policy(rules));
    let mut shown = Shown::default();
    let mut offset = 0;
    while let Reply::Page { items, next_offset } = page(&vault, None, LIMIT_MAX as usize, offset)? {
        for seen in items {
            let known = before.creds.iter().any(|cred| cred.id == seen.id && cred.version == seen.version);
            let values = if known { None } else { Some(supply(&vault, &seen.id, &seen.domain, false)?.0) };
            shown.creds.push((seen, values));
        }
        match next_offset {
            Some(next) => offset = next,
            None => break,
        }
    }
    let catalog = Catalog::new(platform, sealer);
    let mut trash = 0;
    catalog.read(|snapshot| {
        shown.events = snapshot.count(Index::Audit)? as usize;
        trash = snapshot.count(Index::Trash)?;
        shown.versions.clear();
        shown.owned.clear();
        for index in [Index::Id, Index::History, Index::Trash] {
            snapshot.walk(index, 0, &mut |entry| {
                let (id, version) = (id_of(entry), entry.key.get(16..).unwrap_or_default());
                shown.owned.extend(entry.records.iter().map(|record| (id.clone(), *record)));
                if index == Index::History {
                    shown.versions.push((id, u64::from_be_bytes(version.try_into().unwrap_or_default())));
                }
                Ok(ControlFlow::Continue(()))
            })?;
        }
        Ok(())
    })?;
    if trash > 0 && rules.versions > 0 {
        shown.trash = deleted(&kept)?;
    }
    for (id, version) in &shown.versions {
        let is_known = before.versions.iter().any(|kept| kept.cred.id == *id && kept.cred.version == *version);
        if !is_known && shown.creds.iter().any(|(seen, _)| seen.id == *id) {
            shown.replaced.extend(actions::versions(&kept, id)?.into_iter().next().map(seen));
        }
    }
    if !platform.store.has_atomics() {
        shown.audit = Some(audit(Platform { clock: long_ago, ..platform }, sealer)?);
    }
    Ok(shown)
}

/// Whose an entry is, of the indexes whose keys begin with that.
fn id_of(entry: &Entry) -> String {
    let id = entry.key.get(..16).unwrap_or_default();
    CredentialId::from_bytes(id.try_into().unwrap_or_default()).to_text()
}

/// The whole audit.
pub fn audit(platform: Platform<'_>, sealer: &Sealer) -> Result<Vec<Event>> {
    let host = Principal::host();
    let vault = Vault::new(platform, sealer, &host);
    let (mut events, mut cursor) = (Vec::new(), None);
    loop {
        let query = AuditQuery { limit: Some(100), cursor, ..AuditQuery::default() };
        let page = actions::audit(&vault, &query)?;
        events.extend(page.entries.into_iter().map(|entry| Event {
            by: entry.token,
            action: if entry.outcome == "done" { entry.action } else { entry.outcome },
            credential: entry.credential.zip(entry.version),
        }));
        cursor = page.next;
        if cursor.is_none() {
            return Ok(events);
        }
    }
}

fn principal(rules: Rules) -> Principal {
    let host = Principal::host();
    if rules.is_trusted {
        return host;
    }
    let scopes = Scopes::NONE.with(Scope::Read).with(Scope::Totp).with(Scope::Write);
    Principal { name: rules.caller().to_owned(), scopes, ..host }
}

fn policy(rules: Rules) -> Policy {
    Policy { history_versions: rules.versions as u32, ..Policy::default() }
}

fn deleted(vault: &Vault<'_>) -> Result<Vec<Seen>> {
    let query = ListQuery { deleted: true, limit: Some(LIMIT_MAX), ..ListQuery::default() };
    Ok(actions::list(vault, &query)?.items.into_iter().map(seen).collect())
}

/// All steps of a `verify`.
fn verify(vault: &Vault<'_>) -> Result<Report> {
    let mut next = None;
    loop {
        let verification = actions::verify(vault, next.as_deref())?;
        next = verification.next;
        if next.is_none() {
            return Ok(verification.report);
        }
    }
}

/// All steps of a `sweep`.
fn sweep(vault: &Vault<'_>) -> Result<()> {
    let mut next = None;
    loop {
        next = actions::sweep(vault, next.as_deref())?.next;
        if next.is_none() {
            return Ok(());
        }
    }
}

/// All steps of a `rewrap`.
fn rewrap(vault: &Vault<'_>) -> Result<()> {
    let mut next = None;
    loop {
        next = actions::rewrap(vault, next.as_deref())?.next;
        if next.is_none() {
            return Ok(());
        }
    }
}

fn page(vault: &Vault<'_>, domain: Option<String>, limit: usize, offset: usize) -> Result<Reply> {
    let (limit, offset) = (Some(limit as i64), Some(offset as i64));
    let query = ListQuery { domain, limit, offset, ..ListQuery::default() };
    let page = actions::list(vault, &query)?;
    let items = page.items.into_iter().map(seen).collect();
    Ok(Reply::Page { items, next_offset: page.next_offset.map(|offset| offset as usize) })
}

fn supply(vault: &Vault<'_>, id_or_name: &str, domain: &str, exclusive: bool) -> Result<(Values, Option<Code>)> {
    let origin = format!("https://{domain}");
    let options = CodeOptions { min_valid_seconds: 0, exclusive };
    let supplied = actions::supply(vault, id_or_name, &origin, options)?;
    let values = supplied.values.iter().map(|(name, value)| (name.to_owned(), value.expose().to_owned())).collect();
    Ok((values, supplied.totp.map(|code| Code { code: code.code, step: code.step })))
}

fn seen(view: CredentialView) -> Seen {
    let value_keys = view.value_keys.map(|mut keys| {
        keys.sort();
        keys
    });
    Seen {
        id: view.id,
        name: view.name,
        domain: view.domain,
        additional: view.additional_domains,
        version: view.version,
        created_ms: view.created_at.0,
        updated_ms: view.updated_at.0,
        ended_ms: view.ended_at.map(|at| at.0),
        has_totp: view.totp.is_some(),
        has_values: view.has_values,
        value_keys,
    }
}

fn new_credential(draft: &Draft) -> NewCredential {
    NewCredential {
        name: draft.name.clone(),
        domain: draft.domain.clone(),
        additional_domains: draft.additional.clone(),
        values: secrets(&draft.values),
        totp_secret: draft.totp.clone().map(SecretString::new),
        ..NewCredential::default()
    }
}

fn changes(change: &Change, expected_version: Option<u64>) -> Changes {
    Changes {
        name: change.name.clone(),
        domain: change.domain.clone(),
        additional_domains: change.additional.clone(),
        values: (!change.values.is_empty()).then(|| secrets(&change.values)),
        remove_value_keys: (!change.remove.is_empty()).then(|| change.remove.clone()),
        totp_secret: change.totp.clone().map(|secret| SecretString::new(secret.unwrap_or_default())),
        expected_version,
        ..Changes::default()
    }
}

fn secrets(values: &Values) -> Vec<(String, SecretString)> {
    values.iter().map(|(name, value)| (name.clone(), SecretString::new(value.clone()))).collect()
}
