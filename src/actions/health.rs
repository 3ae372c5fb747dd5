//! `health`: whether a project's vault can answer.

use super::{ListQuery, Vault, list};
use crate::access::Principal;
use crate::catalog::PROBE_KEY;
use crate::error::{Code, Error, Result};
use crate::platform::Platform;
use crate::seal::Sealer;
use crate::time::Timestamp;

/// What was found.
pub struct Health {
    /// Whether changes are commits; without compare-and-swap the last write wins.
    pub has_atomics: bool,
    /// The first check that failed, by its name.
    pub failure: Option<(&'static str, Error)>,
}

/// Makes the checks in their order. `sealer` is that of the project, or why there is none.
pub fn health(platform: Platform<'_>, sealer: Result<Sealer>) -> Health {
    Health { has_atomics: platform.store.has_atomics(), failure: check(platform, sealer).err() }
}

fn check(platform: Platform<'_>, sealer: Result<Sealer>) -> Result<(), (&'static str, Error)> {
    let sealer = sealer.map_err(|error| ("keys", error))?;
    if platform.store.has_atomics() {
        let mut handle = platform.store.compare_and_swap(PROBE_KEY).map_err(|error| ("atomics", error.into()))?;
        handle.current().map_err(|error| ("atomics", error.into()))?;
    }
    let first = ListQuery { limit: Some(1), ..ListQuery::default() };
    // For whom it is asked makes no difference to what is found.
    let host = Principal::host();
    list(&Vault::new(platform, &sealer, &host), &first).map_err(|error| ("root", error))?;
    if platform.clock.now() < Timestamp::CLOCK_SET {
        return Err(("clock", Error::new(Code::ClockUnset, "the clock shows a time before 2020")));
    }
    Ok(())
}
