//! Export `history`.

use super::bindings::exports::strongroom::vault::history as wit;
use super::bindings::exports::strongroom::vault::types::{Credential, Error};
use super::{Component, perform};
use crate::actions::{self, Action};
use alloc::string::String;
use alloc::vec::Vec;

impl wit::Guest for Component {
    fn versions(id_or_name: String) -> Result<Vec<Credential>, Error> {
        let found = perform(Action::Versions, |vault| actions::versions(vault, &id_or_name))?;
        Ok(found.into_iter().map(Credential::from).collect())
    }

    fn restore(id_or_name: String, version: Option<u64>, expected_version: Option<u64>) -> Result<Credential, Error> {
        let restored =
            perform(Action::Restore, |vault| actions::restore(vault, &id_or_name, version, expected_version))?;
        Ok(restored.into())
    }
}
