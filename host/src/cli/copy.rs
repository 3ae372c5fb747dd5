//! `strongroom copy`.

use super::output::line;
use super::read_store_url;
use super::setup::block_on;
use anyhow::{Context, ensure};
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;
use strongroom::seal::Project;
use strongroom_host::keyvalue::{Identity, copy};
use strongroom_host::state::BUCKET;
use strongroom_host::{Result, StateDir};

#[derive(Args)]
pub struct Arguments {
    /// Store to copy from, as with --store; `sqlite:DIRECTORY` is the file in another directory than the state directory.
    /// Stop all who write to it
    #[arg(long, value_name = "URL|@FILE")]
    from: String,

    /// Store to copy to; it must not have the project. One without any vault takes the id of the other, so that state
    /// directories know it
    #[arg(long, value_name = "URL|@FILE")]
    to: String,

    /// Project to copy
    #[arg(long, value_name = "NAME", default_value = "default")]
    project: String,

    /// Directory that `sqlite:` means [default: as with serve]
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
}

pub fn run(arguments: Arguments) -> Result<ExitCode> {
    let project =
        Project::parse(&arguments.project).context("--project must be 1-64 letters, digits, `.`, `_` or `-`")?;
    let (source, target) = (read_store_url(&arguments.from)?, read_store_url(&arguments.to)?);
    let state = arguments.state_dir.map_or_else(StateDir::default_path, Ok)?;
    let (copied, same_id) = block_on(async {
        let from = source.open(&state, &Identity::Begun).await?;
        let to = target.open(&state, &Identity::Any(from.id())).await?;
        let is_same = source.directory(&state).is_some() && source.directory(&state) == target.directory(&state);
        ensure!(!is_same && source != target, "--from and --to are the same store");
        let progress = |copied: copy::Copied| eprintln!("{} records, {} bytes", copied.records, copied.bytes);
        let copied = copy::copy_project(&*from, &*to, BUCKET, &project, progress).await?;
        to.settle()?;
        Ok((copied, from.id() == to.id()))
    })?;
    line(&format!(
        "project {} is in {target}: {} records, {} bytes, compared one by one",
        project.as_str(),
        copied.records,
        copied.bytes
    ))?;
    if !same_id {
        line("It has an id of its own: remove store.id in the state directories that shall use it from now on.")?;
    }
    Ok(ExitCode::SUCCESS)
}
