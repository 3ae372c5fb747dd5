//! `strongroom history`, `restore`, `purge` and `audit`: what was done, and undoing it. Metadata only.

use super::Common;
use super::output::line;
use super::setup::{Setup, answer, block_on};
use clap::Args;
use serde_json::json;
use std::process::ExitCode;
use strongroom_host::Result;
use strongroom_host::bindings::vault::exports::strongroom::vault::maintenance::AuditQuery;
use strongroom_host::bindings::vault::exports::strongroom::vault::types::Credential;

#[derive(Args)]
pub struct HistoryArguments {
    /// Id or name; without it, the credentials that were deleted and can be restored
    credential: Option<String>,

    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
pub struct RestoreArguments {
    /// Id or name; what was deleted is known by its id alone
    credential: String,

    /// The version to make current again; needed unless the credential was deleted
    #[arg(long, value_name = "NUMBER")]
    version: Option<u64>,

    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
pub struct PurgeArguments {
    /// Id or name of a credential, deleted or not: it goes with all its versions, for good
    #[arg(required_unless_present = "deleted", conflicts_with = "deleted")]
    credential: Option<String>,

    /// Everything that was deleted
    #[arg(long)]
    deleted: bool,

    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
pub struct AuditArguments {
    /// Only of the credential with this id
    #[arg(long, value_name = "ID")]
    credential: Option<String>,

    /// Only of the token with this name
    #[arg(long, value_name = "NAME")]
    token: Option<String>,

    /// Not before, in seconds since 1970
    #[arg(long, value_name = "SECONDS")]
    since: Option<u64>,

    /// Before, in seconds since 1970
    #[arg(long, value_name = "SECONDS")]
    until: Option<u64>,

    #[command(flatten)]
    common: Common,
}

/// Prints a line of JSON for each version, newest first.
pub fn history(arguments: HistoryArguments) -> Result<ExitCode> {
    let found = block_on(async {
        let setup = arguments.common.open().await?;
        match &arguments.credential {
            Some(credential) => {
                let mut instance = setup.instance().await?;
                let history = instance.exports.strongroom_vault_history();
                answer(history.call_versions(instance.store.call(), credential).await)
                    .map_err(|error| setup.explain(error))
            }
            None => deleted(&setup).await,
        }
    })?;
    found.iter().try_for_each(|credential| line(&shown(credential).to_string()))?;
    Ok(ExitCode::SUCCESS)
}

async fn deleted(setup: &Setup) -> Result<Vec<Credential>> {
    use strongroom_host::bindings::vault::exports::strongroom::vault::credentials::ListQuery;
    let mut found = Vec::new();
    let mut offset = Some(0);
    while offset.is_some() {
        let query = ListQuery {
            domain: None,
            query: None,
            origin: None,
            archived: false,
            deleted: true,
            limit: Some(100),
            offset,
        };
        let mut instance = setup.instance().await?;
        let credentials = instance.exports.strongroom_vault_credentials();
        let page = answer(credentials.call_list(instance.store.call(), &query).await);
        let page = page.map_err(|error| setup.explain(error))?;
        found.extend(page.items);
        offset = page.next_offset;
    }
    Ok(found)
}

pub fn restore(arguments: RestoreArguments) -> Result<ExitCode> {
    let restored = block_on(async {
        let setup = arguments.common.open().await?;
        let mut instance = setup.instance().await?;
        let history = instance.exports.strongroom_vault_history();
        let call = history.call_restore(instance.store.call(), &arguments.credential, arguments.version, None);
        let restored = answer(call.await).map_err(|error| setup.explain(error))?;
        setup.look_back().await?;
        Ok(restored)
    })?;
    line(&shown(&restored).to_string())?;
    Ok(ExitCode::SUCCESS)
}

pub fn purge(arguments: PurgeArguments) -> Result<ExitCode> {
    let said = block_on(async {
        let setup = arguments.common.open().await?;
        let said = match &arguments.credential {
            Some(credential) => {
                let mut instance = setup.instance().await?;
                let maintenance = instance.exports.strongroom_vault_maintenance();
                let purged = answer(maintenance.call_purge(instance.store.call(), credential, None).await);
                format!("{} is gone for good", purged.map_err(|error| setup.explain(error))?)
            }
            None => format!("{} deleted credentials are gone for good", purge_deleted(&setup).await?),
        };
        setup.look_back().await?;
        // A server beside this may keep the log from being emptied for a while.
        setup.store.settle()?;
        Ok(said)
    })?;
    line(&said)?;
    Ok(ExitCode::SUCCESS)
}

/// How many there were.
async fn purge_deleted(setup: &Setup) -> Result<u64> {
    let mut gone = 0;
    loop {
        let mut instance = setup.instance().await?;
        let maintenance = instance.exports.strongroom_vault_maintenance();
        let step = answer(maintenance.call_purge_deleted(instance.store.call()).await);
        let (some, has_more) = step.map_err(|error| setup.explain(error))?;
        gone += some;
        if !has_more {
            return Ok(gone);
        }
    }
}

/// Prints a line of JSON for each event, newest first.
pub fn audit(arguments: AuditArguments) -> Result<ExitCode> {
    let milliseconds = |seconds: Option<u64>| seconds.map(|seconds| seconds.saturating_mul(1000));
    let mut query = AuditQuery {
        credential: arguments.credential,
        token: arguments.token,
        since: milliseconds(arguments.since),
        until: milliseconds(arguments.until),
        limit: Some(100),
        cursor: None,
    };
    block_on(async {
        let setup = arguments.common.open().await?;
        loop {
            let mut instance = setup.instance().await?;
            let maintenance = instance.exports.strongroom_vault_maintenance();
            let page = answer(maintenance.call_audit(instance.store.call(), &query).await);
            let page = page.map_err(|error| setup.explain(error))?;
            for event in page.events {
                let shown = json!({
                    "at": strongroom::time::Timestamp(event.at).to_rfc3339(),
                    "token": event.token,
                    "action": event.action,
                    "credential": event.credential,
                    "version": event.version,
                    "outcome": event.outcome,
                    "request_id": event.request_id,
                    "browser": event.browser,
                    "steps": event.steps.iter().map(|step| json!({ "origin": step.origin, "filled": step.filled })).collect::<Vec<_>>(),
                });
                line(&shown.to_string())?;
            }
            query.cursor = page.next;
            if query.cursor.is_none() {
                return Ok(());
            }
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

fn shown(credential: &Credential) -> serde_json::Value {
    let at = |milliseconds| strongroom::time::Timestamp(milliseconds).to_rfc3339();
    json!({
        "id": credential.id,
        "name": credential.name,
        "domain": credential.domain,
        "additional_domains": credential.additional_domains,
        "version": credential.version,
        "value_keys": credential.value_keys,
        "has_totp_secret": credential.has_totp_secret,
        "updated_at": at(credential.updated_at),
        "ended_at": credential.ended_at.map(at),
    })
}
