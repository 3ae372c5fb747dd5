//! Export `supply`: release of stored values through a typed call. The only other one is in `login`.

use super::bindings::exports::strongroom::vault::supply as wit;
use super::bindings::exports::strongroom::vault::types::{CodeOptions, Error, OneTimeCode};
use super::convert::code_options;
use super::{Component, perform};
use crate::actions::{self, Action, Supplied};
use alloc::borrow::ToOwned;
use alloc::string::String;

impl wit::Guest for Component {
    fn supply(id_or_name: String, origin: String, options: Option<CodeOptions>) -> Result<wit::Supplied, Error> {
        let supplied =
            perform(Action::Supply, |vault| actions::supply(vault, &id_or_name, &origin, code_options(options)))?;
        Ok(supplied.into())
    }
}

impl From<Supplied> for wit::Supplied {
    fn from(supplied: Supplied) -> Self {
        Self {
            id: supplied.id,
            name: supplied.name,
            values: supplied.values.iter().map(|(key, value)| (key.to_owned(), value.expose().to_owned())).collect(),
            sso_provider: supplied.sso_provider,
            totp: supplied.totp.map(OneTimeCode::from),
        }
    }
}
