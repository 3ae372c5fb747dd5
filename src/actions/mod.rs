//! What can be done with a vault: one file per action, each with the same steps: parse the input into domain types,
//! run on a snapshot or in a commit, return a view. All faces (WIT, JSON, HTTP) call these functions.

mod audit;
mod backup;
mod change;
#[cfg(test)]
mod costs;
mod create;
mod cursor;
mod delete;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod get;
mod health;
mod history;
mod indexes;
mod list;
#[cfg(not(target_arch = "wasm32"))]
mod load;
mod login;
mod named;
mod policy;
mod purge;
mod put;
mod replace;
mod reset_exclusive;
mod restore;
mod rewrap;
mod sought;
mod stamp;
mod stored;
mod supply;
mod sweep;
mod table;
mod totp_code;
mod trash;
mod update;
mod verify;
mod versions;
mod view;

pub use audit::{AuditEntry, AuditPage, AuditQuery, FilledStep, audit};
pub use backup::{BackingUp, Restoring, backup, check_backup, restore_backup, seal_backup};
pub use create::{NewCredential, create};
pub use delete::delete;
pub use get::get;
pub use health::{Health, health};
pub use list::{LIMIT_MAX, LIMIT_RULE, ListQuery, OFFSET_RULE, Page, list};
#[cfg(not(target_arch = "wasm32"))]
pub use load::load;
pub use login::{BegunLogin, begin_login, end_login, supply_login};
pub use policy::{AuditMode, Policy};
pub use purge::{purge, purge_deleted};
pub use put::{PutCondition, put};
pub use reset_exclusive::reset_exclusive;
pub use restore::restore;
pub use rewrap::{Rewrapping, rewrap};
pub use stamp::Caller;
pub use supply::{Supplied, supply};
pub use sweep::{Sweeping, sweep};
pub use table::Action;
pub use totp_code::{CodeOptions, MIN_VALID_RULE, totp_code};
pub use update::{Changes, update};
pub use verify::{Report, Verification, verify};
pub use versions::versions;
pub use view::CredentialView;

use crate::access::Principal;
use crate::catalog::{Catalog, Commit, InitOptions, Standing};
use crate::credential::CredentialId;
use crate::error::{Code, Error, Result};
use crate::origin::Origin;
use crate::platform::Platform;
use crate::seal::Sealer;
use crate::settings::{self, Settings};
use crate::time::Timestamp;
use core::cell::Cell;

/// The vault of one project, as it is for one principal.
pub struct Vault<'a> {
    platform: Platform<'a>,
    sealer: &'a Sealer,
    principal: &'a Principal,
    /// What the actions go by, read by the first that goes by it: most requests only read, and need none of it.
    settings: &'a dyn Settings,
    policy: Cell<Option<Policy>>,
    catalog: Catalog<'a>,
    found: Cell<Option<CredentialId>>,
}

impl<'a> Vault<'a> {
    pub fn new(platform: Platform<'a>, sealer: &'a Sealer, principal: &'a Principal) -> Self {
        let catalog = Catalog::new(platform, sealer);
        let (policy, found) = (Cell::new(None), Cell::new(None));
        Self { platform, sealer, principal, settings: &(), policy, catalog, found }
    }

    /// The same with another policy than the default.
    #[must_use]
    pub fn with_policy(self, policy: Policy) -> Self {
        Self { policy: Cell::new(Some(policy)), ..self }
    }

    /// With what the settings say of history, audit, and where values may go over http. What can't be read fails only what
    /// goes by it.
    #[must_use]
    pub fn with_settings(self, settings: &'a dyn Settings) -> Self {
        Self { settings, ..self }
    }

    /// What is kept of changes. Errors: those of the settings.
    fn policy(&self) -> Result<Policy> {
        if let Some(policy) = self.policy.get() {
            return Ok(policy);
        }
        let policy = settings::policy(self.settings)?;
        self.policy.set(Some(policy));
        Ok(policy)
    }

    /// Whether what is given out is recorded. Errors: those of the setting.
    fn records_uses(&self) -> Result<bool> {
        let audit = self.policy.get().map_or_else(|| settings::audit(self.settings), |policy| Ok(policy.audit))?;
        Ok(audit == AuditMode::All)
    }

    /// Whoever asks.
    pub fn principal(&self) -> &Principal {
        self.principal
    }

    /// The id of the project.
    pub fn project(&self) -> &str {
        self.sealer.project().as_str()
    }

    /// The newest commit, and how the store stands to one that was seen before.
    pub fn progress(&self, seen: Option<Commit>) -> Result<(Option<Commit>, Standing)> {
        self.catalog.progress(seen)
    }

    /// How many superseded records later commits will delete.
    pub fn garbage(&self) -> Result<u64> {
        self.catalog.garbage()
    }

    /// The credential that was asked for by its id or name, if it exists for whoever asked: for the log, as an error
    /// doesn't say it, nor does a code.
    pub fn found(&self) -> Option<CredentialId> {
        self.found.get()
    }

    /// Prepares the store; false if it was prepared already. See [`InitOptions`].
    pub fn init(&self, options: InitOptions) -> Result<bool> {
        self.catalog.init(options)
    }

    /// The origin that a caller names. Errors: [`Code::OriginRefused`], those of the setting.
    fn origin(&self, origin: &str) -> Result<Origin> {
        Origin::parse(origin, &settings::http_origins(self.settings)?)
    }

    /// Without compare-and-swap nothing can be made to depend on a version.
    fn check_conditional(&self, is_conditional: bool) -> Result<()> {
        if is_conditional && !self.platform.store.has_atomics() {
            return Err(Error::new(Code::NotSupported, "a condition needs a key-value store with compare-and-swap"));
        }
        Ok(())
    }

    fn now(&self) -> Timestamp {
        self.platform.clock.now()
    }
}
