//! The actions under test, called and answered in the checker's own words.

use crate::history::{Code, Reply, Seen, Verified};
use crate::model::{Action, Change, Draft, Expected, Snapshot, Values};
use strongroom::access::Principal;
use strongroom::actions::{
    self, Caller, Changes, CodeOptions, CredentialView, LIMIT_MAX, ListQuery, NewCredential, PutCondition, Report,
    Vault,
};
use strongroom::catalog::InitOptions;
use strongroom::error::Result;
use strongroom::platform::Platform;
use strongroom::seal::{Keyring, Project, Sealer};
use strongroom::secret::SecretString;
use strongroom::time::Timestamp;
use strongroom::totp;

/// What the vault shows: each credential, and the values of those that were asked for.
pub type Shown = Vec<(Seen, Option<Values>)>;

/// Seconds of a time step, for all secrets of a run.
const PERIOD_SECONDS: u64 = 30;

/// The master key and the project of all runs.
pub fn sealer() -> Sealer {
    let keyring = Keyring::parse("k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8").expect("a well-formed keyring");
    Sealer::new(keyring, Project::parse("default").expect("a well-formed project"))
}

/// The code of a time step, as `totp_code` should give it.
pub fn code_of(secret: &str, step: u64) -> String {
    let request = totp::Request { secret, algorithm: None, digits: None, period: None };
    let now = Timestamp::from_seconds(step * PERIOD_SECONDS);
    let code = totp::Totp::parse(request, None).and_then(|totp| totp.code_at(now));
    code.map(|code| code.code).unwrap_or_default()
}

/// The number of a point in time's step.
pub fn time_step(now: Timestamp) -> u64 {
    now.seconds() / PERIOD_SECONDS
}

/// Calls an action.
pub fn perform(platform: Platform<'_>, sealer: &Sealer, action: &Action) -> Result<Reply> {
    let host = Principal::host();
    let vault = Vault::new(platform, sealer, &host);
    Ok(match action {
        Action::Init { node_bytes, force } => {
            vault.init(InitOptions { force: *force, node_bytes: *node_bytes })?;
            Reply::Done
        }
        Action::Sweep => {
            sweep(&vault)?;
            Reply::Done
        }
        Action::Verify => {
            let Report { credentials, orphans, .. } = verify(&vault)?;
            Reply::Verified(Verified { credentials, orphans })
        }
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

/// Reads the whole vault; the values only of credentials that are not in `before` with the same version.
pub fn show(platform: Platform<'_>, sealer: &Sealer, before: &Snapshot) -> Result<Shown> {
    let host = Principal::host();
    let vault = Vault::new(platform, sealer, &host);
    let mut shown = Shown::new();
    let mut offset = 0;
    loop {
        let Reply::Page { items, next_offset } = page(&vault, None, LIMIT_MAX as usize, offset)? else {
            return Ok(shown);
        };
        for seen in items {
            let known = before.iter().any(|cred| cred.id == seen.id && cred.version == seen.version);
            let values = if known { None } else { Some(supply(&vault, &seen.id, &seen.domain, false)?.0) };
            shown.push((seen, values));
        }
        match next_offset {
            Some(next) => offset = next,
            None => return Ok(shown),
        }
    }
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
        version: view.version,
        created_ms: view.created_at.0,
        updated_ms: view.updated_at.0,
        has_totp: view.totp.is_some(),
        has_values: view.has_values,
        value_keys,
    }
}

fn new_credential(draft: &Draft) -> NewCredential {
    NewCredential {
        name: draft.name.clone(),
        domain: draft.domain.clone(),
        values: secrets(&draft.values),
        totp_secret: draft.totp.clone().map(SecretString::new),
        ..NewCredential::default()
    }
}

fn changes(change: &Change, expected_version: Option<u64>) -> Changes {
    Changes {
        name: change.name.clone(),
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
