//! Export `maintenance`.

use super::bindings::exports::strongroom::vault::maintenance as wit;
use super::bindings::exports::strongroom::vault::types::Error;
use super::{Component, perform};
use crate::actions::{self, Action};
use crate::catalog::InitOptions;

impl wit::Guest for Component {
    fn init(force: bool, node_bytes: Option<u32>) -> Result<bool, Error> {
        Ok(perform(Action::Init, |vault| vault.init(InitOptions { force, node_bytes }))?)
    }

    fn verify() -> Result<wit::Report, Error> {
        let report = perform(Action::Verify, actions::verify)?;
        Ok(wit::Report {
            credentials: report.credentials,
            depth: report.depth,
            nodes: report.nodes,
            bodies: report.bodies,
            claims: report.claims,
            garbage: report.garbage,
            orphans: report.orphans,
            bytes: report.bytes,
        })
    }

    fn sweep() -> Result<wit::Swept, Error> {
        let swept = perform(Action::Sweep, |vault| vault.sweep())?;
        Ok(wit::Swept { examined: swept.examined, deleted: swept.deleted })
    }
}
