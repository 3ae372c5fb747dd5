//! `strongroom init`, `verify` and `sweep`.

use super::Common;
use super::output::line;
use super::setup::{answer, block_on};
use clap::Args;
use std::process::ExitCode;
use strongroom_host::Result;

#[derive(Args)]
pub struct InitArguments {
    /// Start an EMPTY vault where the store has lost its root record. Stop all writers first
    #[arg(long)]
    force: bool,

    /// Largest size of an index node, fixed for the life of the vault [default: the component's own]
    #[arg(long, value_name = "256-65536")]
    node_bytes: Option<u32>,

    #[command(flatten)]
    common: Common,
}

pub fn init(arguments: InitArguments) -> Result<ExitCode> {
    let setup = arguments.common.open()?;
    let made = block_on(async {
        let mut instance = setup.instance().await?;
        let maintenance = instance.exports.strongroom_vault_maintenance();
        let made = maintenance.call_init(instance.store.call(), arguments.force, arguments.node_bytes).await;
        answer(made).map_err(|error| setup.explain(error))
    })?;
    let project = &arguments.common.project;
    line(&match made {
        true => format!("the store in {} is ready for project {project}", setup.state.path().display()),
        false => format!("the store in {} was ready for project {project} already", setup.state.path().display()),
    })?;
    Ok(ExitCode::SUCCESS)
}

pub fn verify(common: Common) -> Result<ExitCode> {
    let setup = common.open()?;
    let report = block_on(async {
        let mut instance = setup.instance().await?;
        instance.allow_maintenance();
        let report = instance.exports.strongroom_vault_maintenance().call_verify(instance.store.call()).await;
        answer(report).map_err(|error| setup.explain(error))
    })?;
    line(&format!(
        "sound: {} credentials, depth {}, {} nodes, {} bodies, {} claims, {} garbage, {} orphans, {} bytes",
        report.credentials,
        report.depth,
        report.nodes,
        report.bodies,
        report.claims,
        report.garbage,
        report.orphans,
        report.bytes
    ))?;
    Ok(ExitCode::SUCCESS)
}

pub fn sweep(common: Common) -> Result<ExitCode> {
    let setup = common.open()?;
    let swept = block_on(async {
        let mut instance = setup.instance().await?;
        instance.allow_maintenance();
        let swept = instance.exports.strongroom_vault_maintenance().call_sweep(instance.store.call()).await;
        answer(swept).map_err(|error| setup.explain(error))
    })?;
    line(&format!("{} records looked at, {} deleted", swept.examined, swept.deleted))?;
    Ok(ExitCode::SUCCESS)
}
