//! The component's settings, read through `wasi:config/store`.

use crate::access::{Grant, Principal};
use crate::actions::{AuditMode, Policy};
use crate::error::{Code, Error, Result};
use crate::origin::HttpOrigins;
use crate::platform::Clock;
use crate::seal::{Keyring, Project, Sealer};
use crate::store::PERMANENT;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;

/// Names of the settings. `spin.toml` declares the same; a test holds them equal.
pub const KEYS: &str = "strongroom_keys";
pub const TOKENS: &str = "strongroom_tokens";
pub const BUCKET: &str = "strongroom_bucket";
pub const PROJECT: &str = "strongroom_project";
pub const HTTP_ORIGINS: &str = "strongroom_http_origins";
pub const ALLOWED_HOSTS: &str = "strongroom_allowed_hosts";
pub const ALLOWED_ORIGINS: &str = "strongroom_allowed_origins";
pub const CALLER: &str = "strongroom_caller";
pub const HISTORY_VERSIONS: &str = "strongroom_history_versions";
pub const HISTORY_DAYS: &str = "strongroom_history_days";
pub const AUDIT: &str = "strongroom_audit";
pub const AUDIT_ENTRIES: &str = "strongroom_audit_entries";
pub const AUDIT_DAYS: &str = "strongroom_audit_days";

/// Where settings come from.
pub trait Settings {
    /// The value of a setting; `None` when it is not set. Errors: those of [`unavailable`] when the host can't tell, which
    /// must never pass for "not set": a default would lead to another vault.
    fn get(&self, name: &str) -> Result<Option<String>>;
}

/// None are set.
impl Settings for () {
    fn get(&self, _: &str) -> Result<Option<String>> {
        Ok(None)
    }
}

/// The error of a host that can't tell a setting, and says this about it: [`Code::Misconfigured`] if it does not pass by
/// itself, else [`Code::StorageUnavailable`].
pub fn unavailable(cause: String) -> Error {
    let error = if cause.starts_with(PERMANENT) {
        misconfigured("the host can't read the settings until somebody puts them right; its log says why".into())
    } else {
        Error::new(
            Code::StorageUnavailable,
            "the host can't read the settings right now; nothing was changed (in Spin, as a dependency: for good, \
             unless inherit_configuration lists \"variables\")",
        )
        .retry_after(1)
    };
    error.with_cause(cause)
}

/// The bucket all records live in.
pub fn bucket(settings: &dyn Settings) -> Result<String> {
    Ok(given(settings, BUCKET)?.unwrap_or_else(|| "default".to_owned()))
}

/// The project of the typed functions and of `manage`.
pub fn project(settings: &dyn Settings) -> Result<Project> {
    let name = given(settings, PROJECT)?.unwrap_or_else(|| "default".to_owned());
    Project::parse(&name).ok_or_else(|| {
        Error::new(Code::Misconfigured, "strongroom_project must be 1-64 of A-Z, a-z, 0-9, '.', '-', '_'")
    })
}

/// What may be supplied over http, beside this machine's own pages.
pub fn http_origins(settings: &dyn Settings) -> Result<HttpOrigins> {
    HttpOrigins::parse(&given(settings, HTTP_ORIGINS)?.unwrap_or_default())
}

/// What is kept of changes, and for how long. Errors: [`Code::Misconfigured`].
pub fn policy(settings: &dyn Settings) -> Result<Policy> {
    let default = Policy::default();
    Ok(Policy {
        history_versions: number(settings, HISTORY_VERSIONS, default.history_versions, Policy::VERSIONS_MAX)?,
        history_days: number(settings, HISTORY_DAYS, default.history_days, Policy::DAYS_MAX)?,
        audit: audit(settings)?,
        audit_entries: number(settings, AUDIT_ENTRIES, default.audit_entries, Policy::ENTRIES_MAX)?,
        audit_days: number(settings, AUDIT_DAYS, default.audit_days, Policy::DAYS_MAX)?,
    })
}

/// What is written into the audit. Errors: [`Code::Misconfigured`].
pub fn audit(settings: &dyn Settings) -> Result<AuditMode> {
    match given(settings, AUDIT)? {
        None => Ok(AuditMode::default()),
        Some(text) => AuditMode::parse(&text).ok_or_else(|| misconfigured(format!("{AUDIT} {}", AuditMode::RULE))),
    }
}

/// For whom the typed functions and `manage` run: `name:scope+scope`, with limits as tokens have them (see [`Grant`]).
/// Not set: the host itself.
///
/// Errors: [`Code::Misconfigured`]; [`Code::Unauthorized`] when the grant has expired.
pub fn caller(settings: &dyn Settings, clock: &dyn Clock) -> Result<Principal> {
    let Some(text) = given(settings, CALLER)? else { return Ok(Principal::host()) };
    let grant =
        Grant::parse(&text).map_err(|rule| Error::new(Code::Misconfigured, format!("strongroom_caller {rule}")))?;
    if !grant.is_valid(clock.now()) {
        return Err(Error::new(Code::Unauthorized, "what strongroom_caller grants has expired"));
    }
    Ok(grant.into())
}

/// The sealer of a project, with the configured master keys.
pub fn sealer(settings: &dyn Settings, project: Project) -> Result<Sealer> {
    let keys = zeroize::Zeroizing::new(settings.get(KEYS)?.unwrap_or_default());
    Ok(Sealer::new(Keyring::parse(&keys)?, project))
}

fn number(settings: &dyn Settings, name: &str, default: u32, max: u32) -> Result<u32> {
    match given(settings, name)? {
        None => Ok(default),
        Some(text) => text
            .parse()
            .ok()
            .filter(|number| *number <= max)
            .ok_or_else(|| misconfigured(format!("{name} must be a whole number from 0 to {max}"))),
    }
}

fn misconfigured(message: String) -> Error {
    Error::new(Code::Misconfigured, message)
}

/// A setting that is set and not empty.
fn given(settings: &dyn Settings, name: &str) -> Result<Option<String>> {
    Ok(settings.get(name)?.filter(|text| !text.is_empty()))
}
