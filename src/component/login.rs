//! Export `login`: what a login in a browser of the host's needs of the vault.

use super::bindings::exports::strongroom::vault::login as wit;
use super::bindings::exports::strongroom::vault::types::{CodeOptions, Error};
use super::convert::code_options;
use super::{Component, perform};
use crate::actions::{self, Action, FilledStep};
use alloc::string::String;
use alloc::vec::Vec;

impl wit::Guest for Component {
    fn begin(id_or_name: String, browser: Option<String>) -> Result<wit::Begun, Error> {
        let begun = perform(Action::Fill, |vault| actions::begin_login(vault, &id_or_name, browser.as_deref()))?;
        Ok(wit::Begun { id: begun.id, name: begun.name, event: begun.event })
    }

    fn supply(
        event: Option<String>,
        id_or_name: String,
        origin: String,
        options: Option<CodeOptions>,
    ) -> Result<wit::Supplied, Error> {
        let (event, options) = (event.as_deref(), code_options(options));
        let supplied =
            perform(Action::Fill, |vault| actions::supply_login(vault, event, &id_or_name, &origin, options))?;
        Ok(supplied.into())
    }

    fn end(event: String, outcome: String, steps: Vec<wit::FilledStep>) -> Result<(), Error> {
        let steps: Vec<_> = steps.into_iter().map(FilledStep::from).collect();
        Ok(perform(Action::Fill, |vault| actions::end_login(vault, &event, &outcome, &steps))?)
    }
}

impl From<wit::FilledStep> for FilledStep {
    fn from(step: wit::FilledStep) -> Self {
        Self { origin: step.origin, filled: step.filled }
    }
}

impl From<FilledStep> for wit::FilledStep {
    fn from(step: FilledStep) -> Self {
        Self { origin: step.origin, filled: step.filled }
    }
}
