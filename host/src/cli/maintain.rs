//! `strongroom init`, `verify`, `sweep` and `compact`.

use super::Common;
use super::output::line;
use super::setup::{Begin, Failure, Setup, answer, block_on};
use clap::Args;
use std::process::ExitCode;
use strongroom_host::Result;
use strongroom_host::bindings::vault::exports::strongroom::vault::maintenance::{Report, Sweeping};
use strongroom_host::bindings::vault::exports::strongroom::vault::types::ErrorCode;

#[derive(Args)]
pub struct InitArguments {
    /// Start an EMPTY vault where the store has lost its root record. Refused while a program uses the state directory;
    /// stop those on other machines first
    #[arg(long)]
    force: bool,

    /// Largest size of an index node, fixed for the life of the vault [default: the component's own]
    #[arg(long, value_name = "256-65536")]
    node_bytes: Option<u32>,

    /// Ask for a passphrase, by which the master key is wrapped from the beginning
    #[arg(long)]
    passphrase: bool,

    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
pub struct ResetArguments {
    /// Id or name of a credential whose exclusive codes are refused with clock_behind
    credential: String,

    #[command(flatten)]
    common: Common,
}

pub fn init(mut arguments: InitArguments) -> Result<ExitCode> {
    arguments.common.place.wrap_new = arguments.passphrase;
    let (made, place) = block_on(async {
        let begin = if arguments.force { Begin::OverLoss } else { Begin::IfNew };
        let mut setup = arguments.common.open_or(begin, false).await?;
        let mut instance = setup.instance().await?;
        let maintenance = instance.exports.strongroom_vault_maintenance();
        let made = maintenance.call_init(instance.store.call(), arguments.force, arguments.node_bytes).await;
        let made = answer(made).map_err(|error| setup.explain(error))?;
        drop(instance);
        if made && arguments.force {
            setup.forget_commits()?;
        }
        setup.state.remember_store(&*setup.store)?;
        setup.look_back().await?;
        Ok((made, setup.state.store_place()))
    })?;
    let project = &arguments.common.project;
    line(&match made {
        true => format!("the store in {place} is ready for project {project}"),
        false => format!("the store in {place} was ready for project {project} already"),
    })?;
    Ok(ExitCode::SUCCESS)
}

/// How often a verification is begun anew when its snapshot is gone.
const BEGINNINGS: u32 = 3;

pub fn verify(common: Common) -> Result<ExitCode> {
    let report = block_on(async { verified(&common.open().await?).await })?;
    line(&format!(
        "sound: {} credentials, {} versions, {} deleted, {} events, depth {}, {} nodes, {} bodies, {} claims, {} \
         garbage, {} orphans, {} bytes",
        report.credentials,
        report.versions,
        report.deleted,
        report.events,
        report.depth,
        report.nodes,
        report.bodies,
        report.claims,
        report.garbage,
        report.orphans,
        report.bytes
    ))?;
    for key in report.keys {
        line(&format!("key {}: {} sealed by it", key.id, key.sealed))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// All steps of a verification.
pub async fn verified(setup: &Setup) -> Result<Report> {
    let mut beginning = 1;
    let mut next: Option<String> = None;
    loop {
        // A fresh instance for each step: what one had in memory is gone with it.
        let mut instance = setup.instance().await?;
        instance.allow_maintenance();
        let maintenance = instance.exports.strongroom_vault_maintenance();
        match answer(maintenance.call_verify(instance.store.call(), next.as_deref()).await) {
            Ok(step) if step.next.is_none() => return Ok(step.report),
            Ok(step) => next = step.next,
            Err(Failure::Vault(error)) if error.code == ErrorCode::Contended && beginning < BEGINNINGS => {
                beginning += 1;
                next = None;
            }
            Err(error) => return Err(setup.explain(error)),
        }
    }
}

pub fn sweep(common: Common) -> Result<ExitCode> {
    let swept = block_on(async {
        let setup = common.open().await?;
        let swept = swept(&setup).await?;
        setup.look_back().await?;
        setup.store.settle()?;
        Ok(swept)
    })?;
    line(&format!(
        "{} records looked at, {} deleted; {} versions and deleted credentials were over their time",
        swept.examined, swept.deleted, swept.expired
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// All steps of a sweep.
pub async fn swept(setup: &Setup) -> Result<Sweeping> {
    let mut next: Option<String> = None;
    loop {
        let mut instance = setup.instance().await?;
        instance.allow_maintenance();
        let maintenance = instance.exports.strongroom_vault_maintenance();
        let step = answer(maintenance.call_sweep(instance.store.call(), next.as_deref()).await)
            .map_err(|error| setup.explain(error))?;
        if step.next.is_none() {
            return Ok(step);
        }
        next = step.next;
    }
}

/// What the store has set aside is given back and overwritten, as far as it can.
pub fn compact(common: Common) -> Result<ExitCode> {
    block_on(async { common.open().await?.store.compact() })?;
    line("compacted: the store's files hold nothing but what is in the vault")?;
    Ok(ExitCode::SUCCESS)
}

/// The time step of now counts as the newest that was given; steps that were given lately are not given again.
pub fn reset_exclusive(arguments: ResetArguments) -> Result<ExitCode> {
    let available_at = block_on(async {
        let setup = arguments.common.open().await?;
        let mut instance = setup.instance().await?;
        let maintenance = instance.exports.strongroom_vault_maintenance();
        let reset = maintenance.call_reset_exclusive(instance.store.call(), &arguments.credential).await;
        let available_at = answer(reset).map_err(|error| setup.explain(error))?;
        setup.look_back().await?;
        Ok(available_at)
    })?;
    let available_at = strongroom::time::Timestamp(available_at).to_rfc3339();
    line(&format!("exclusive codes are to be had again from {available_at}"))?;
    Ok(ExitCode::SUCCESS)
}
