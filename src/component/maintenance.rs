//! Export `maintenance`.

use super::bindings::exports::strongroom::vault::maintenance as wit;
use super::bindings::exports::strongroom::vault::types::Error;
use super::{Component, perform};
use crate::actions::{self, Action, AuditQuery};
use crate::catalog::{Commit, InitOptions, Standing};
use crate::time::Timestamp;
use alloc::string::String;
use alloc::vec::Vec;

impl wit::Guest for Component {
    fn init(force: bool, node_bytes: Option<u32>) -> Result<bool, Error> {
        Ok(perform(Action::Init, |vault| vault.init(InitOptions { force, node_bytes }))?)
    }

    fn verify(cursor: Option<String>) -> Result<wit::Verification, Error> {
        let step = perform(Action::Verify, |vault| actions::verify(vault, cursor.as_deref()))?;
        let report = step.report;
        Ok(wit::Verification {
            report: wit::Report {
                credentials: report.credentials,
                versions: report.versions,
                deleted: report.deleted,
                events: report.events,
                depth: report.depth,
                nodes: report.nodes,
                bodies: report.bodies,
                claims: report.claims,
                garbage: report.garbage,
                orphans: report.orphans,
                bytes: report.bytes,
                keys: report.keys.0.into_iter().map(|(id, sealed)| wit::KeyUse { id, sealed }).collect(),
            },
            next: step.next,
        })
    }

    fn sweep(cursor: Option<String>) -> Result<wit::Sweeping, Error> {
        let step = perform(Action::Sweep, |vault| actions::sweep(vault, cursor.as_deref()))?;
        let swept = step.swept;
        Ok(wit::Sweeping { examined: swept.examined, deleted: swept.deleted, expired: step.expired, next: step.next })
    }

    fn rewrap(cursor: Option<String>) -> Result<wit::Rewrapping, Error> {
        let step = perform(Action::Rewrap, |vault| actions::rewrap(vault, cursor.as_deref()))?;
        Ok(wit::Rewrapping { rewrapped: step.rewrapped, next: step.next })
    }

    fn backup(cursor: Option<String>) -> Result<wit::BackingUp, Error> {
        let step = perform(Action::Backup, |vault| actions::backup(vault, cursor.as_deref()))?;
        Ok(wit::BackingUp { records: step.records, next: step.next, is_over: step.is_over })
    }

    fn seal_backup(cursor: String, digest: Vec<u8>) -> Result<Vec<u8>, Error> {
        Ok(perform(Action::Backup, |vault| actions::seal_backup(vault, &cursor, &digest))?)
    }

    fn check_backup(sealed: Vec<u8>, digest: Vec<u8>) -> Result<(), Error> {
        Ok(perform(Action::RestoreBackup, |vault| actions::check_backup(vault, &sealed, &digest))?)
    }

    fn restore_backup(sealed: Vec<u8>, digest: Vec<u8>, cursor: Option<String>) -> Result<wit::Restoring, Error> {
        let step = perform(Action::RestoreBackup, |vault| {
            actions::restore_backup(vault, &sealed, &digest, cursor.as_deref())
        })?;
        Ok(wit::Restoring { credentials: step.credentials, next: step.next })
    }

    fn audit(query: wit::AuditQuery) -> Result<wit::AuditPage, Error> {
        let query = AuditQuery {
            credential: query.credential,
            token: query.token,
            since: query.since.map(Timestamp),
            until: query.until.map(Timestamp),
            limit: query.limit.map(i64::from),
            cursor: query.cursor,
        };
        let page = perform(Action::Audit, |vault| actions::audit(vault, &query))?;
        let events = page.entries.into_iter().map(|entry| wit::Event {
            at: entry.at.0,
            token: entry.token,
            action: entry.action,
            credential: entry.credential,
            version: entry.version,
            outcome: entry.outcome,
            request_id: entry.request_id,
            browser: entry.browser,
            steps: entry.steps.into_iter().map(Into::into).collect(),
        });
        Ok(wit::AuditPage { events: events.collect(), next: page.next })
    }

    fn purge(id_or_name: String, expected_version: Option<u64>) -> Result<String, Error> {
        Ok(perform(Action::Purge, |vault| actions::purge(vault, &id_or_name, expected_version))?)
    }

    fn reset_exclusive(id_or_name: String) -> Result<u64, Error> {
        Ok(perform(Action::ResetExclusive, |vault| actions::reset_exclusive(vault, &id_or_name))?.0)
    }

    fn progress(seen: Option<wit::Commit>) -> Result<(Option<wit::Commit>, wit::Standing), Error> {
        let seen = seen.map(|commit| Commit { number: commit.number, id: commit.id.to_be_bytes() });
        let (newest, standing) = perform(Action::Verify, |vault| vault.progress(seen))?;
        let newest = newest.map(|commit| wit::Commit { number: commit.number, id: u64::from_be_bytes(commit.id) });
        let standing = match standing {
            Standing::Continued => wit::Standing::Continued,
            Standing::Older => wit::Standing::Older,
            Standing::Other => wit::Standing::Other,
        };
        Ok((newest, standing))
    }

    fn garbage() -> Result<u64, Error> {
        Ok(perform(Action::Verify, |vault| vault.garbage())?)
    }

    fn purge_deleted() -> Result<(u64, bool), Error> {
        Ok(perform(Action::Purge, actions::purge_deleted)?)
    }
}
