//! A login that the host makes in a browser: begun, supplied, and ended, with one event of the audit for all of it.

use super::audit::{BEGUN, Event, FilledStep, Outcome, is_login_running, read_key};
use super::indexes::find;
use super::supply::release;
use super::totp_code::{CodeOptions, check_in_use};
use super::{Action, Supplied, Vault};
use crate::access::is_word;
use crate::credential::Selector;
use crate::error::{Error, Result};
use alloc::borrow::ToOwned;
use alloc::string::String;

/// Pages of one login: those that were filled, and one that was refused.
const STEPS_MAX: usize = 5;
/// The longest origin: a host of 253 bytes between a scheme and a port.
const ORIGIN_MAX_BYTES: usize = 300;
/// Fields of one page.
const FIELDS_MAX: usize = 16;

/// A login that may go on.
#[derive(Debug)]
pub struct BegunLogin {
    pub id: String,
    pub name: String,
    /// Stands for its event when it ends; none where the policy records no uses.
    pub event: Option<String>,
}

/// Finds the credential and records that a login with it begins, where the policy wants that: what can't be recorded is
/// not begun. `browser` is the operator's name of the browser.
///
/// Errors: those of a read, [`Code::Archived`](crate::error::Code::Archived).
pub fn begin_login(vault: &Vault<'_>, id_or_name: &str, browser: Option<&str>) -> Result<BegunLogin> {
    if browser.is_some_and(|name| !is_word(name)) {
        return Err(Error::bad_request("browser must be 1-64 letters, digits, '.', '_' and '-'"));
    }
    let selector = Selector::parse(id_or_name)?;
    let stored = vault.catalog.read(|snapshot| find(vault, snapshot, &selector))?;
    let refused = check_in_use(&stored).err();
    let outcome = refused.as_ref().map_or(Outcome::Begun, |error| Outcome::Refused(error.code()));
    let event = vault.record(Event {
        browser: browser.map(ToOwned::to_owned),
        ..Event::of(Action::Fill, Some((stored.id, stored.version)), outcome)
    })?;
    match refused {
        Some(error) => Err(error),
        None => Ok(BegunLogin { id: stored.id.to_text(), name: stored.name.as_str().to_owned(), event }),
    }
}

/// What [`super::supply()`] does, within a login: asked for each page of it, and recorded with the login. So where uses are
/// recorded, `event` must be that of a login with this credential, begun by this caller and not ended; else
/// [`Code::BadRequest`](crate::error::Code::BadRequest). Otherwise values could be had without a record.
pub fn supply_login(
    vault: &Vault<'_>,
    event: Option<&str>,
    id_or_name: &str,
    origin: &str,
    options: CodeOptions,
) -> Result<Supplied> {
    let key = event.and_then(read_key);
    let (_, supplied) = release(vault, id_or_name, origin, options, |snapshot, stored| {
        let is_recorded = match &key {
            _ if !vault.records_uses()? => true,
            Some(key) => is_login_running(vault, snapshot, key, stored.id)?,
            None => false,
        };
        if is_recorded {
            return Ok(());
        }
        Err(Error::bad_request(
            "event must be that of a login that this caller has begun with this credential, within 5 minutes, and not ended",
        )
        .into())
    })?;
    supplied
}

/// Completes the event of a login: how it ended, and which pages were filled with what. One that is over its time or
/// number by then stays forgotten.
pub fn end_login(vault: &Vault<'_>, event: &str, outcome: &str, steps: &[FilledStep]) -> Result<()> {
    let is_origin = |text: &str| text.len() <= ORIGIN_MAX_BYTES && text.bytes().all(|byte| byte.is_ascii_graphic());
    let is_step = |step: &FilledStep| {
        is_origin(&step.origin) && step.filled.len() <= FIELDS_MAX && step.filled.iter().all(|word| is_word(word))
    };
    if !is_word(outcome) || outcome == BEGUN || steps.len() > STEPS_MAX || !steps.iter().all(is_step) {
        return Err(Error::bad_request(
            "outcome and filled must be words, outcome another one than begun, and origin that of a page, of at most 5 steps",
        ));
    }
    vault.complete_login(event, outcome, steps)
}
