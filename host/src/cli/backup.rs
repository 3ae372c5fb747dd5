//! `strongroom backup` and `strongroom restore-backup`.

use super::output::line;
use super::setup::{Begin, Failure, Setup, answer, block_on};
use super::{Common, Place};
use anyhow::{Context, bail, ensure};
use clap::Args;
use std::fs::File;
use std::io::{BufWriter, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use strongroom::catalog::KeySpace;
use strongroom::seal::Project;
use strongroom_host::Result;
use strongroom_host::backup::{Backup, Writer};
use strongroom_host::bindings::vault::exports::strongroom::vault::types::ErrorCode;
use strongroom_host::state::BUCKET;

#[derive(Args)]
pub struct BackupArguments {
    /// File to make; it must not be there yet
    file: PathBuf,

    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
pub struct RestoreArguments {
    /// File that `strongroom backup` made
    file: PathBuf,

    /// Component to run instead of the one in this program
    #[arg(long, value_name = "FILE")]
    component: Option<PathBuf>,

    #[command(flatten)]
    place: Place,
}

/// How often a backup is begun anew when its snapshot is gone: a purge ends it.
const BEGINNINGS: u32 = 5;

pub fn backup(arguments: BackupArguments) -> Result<ExitCode> {
    let BackupArguments { file, common } = arguments;
    let project = Project::parse(&common.project).context("--project must be 1-64 letters, digits, `.`, `_` or `-`")?;
    ensure!(!file.exists(), "{} is there already", file.display());
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let new = tempfile::Builder::new().prefix(".new-").tempfile_in(directory);
    let mut new = new.with_context(|| format!("{} cannot be written", file.display()))?;
    let (records, bytes, state) = block_on(async {
        let setup = common.open().await?;
        let mut beginning = 1;
        loop {
            new.as_file_mut().set_len(0)?;
            new.as_file_mut().seek(SeekFrom::Start(0))?;
            match copy_out(&setup, new.as_file_mut(), &project).await? {
                Some((records, bytes)) => return Ok((records, bytes, setup.state)),
                None if beginning < BEGINNINGS => beginning += 1,
                None => bail!("the vault was purged all the time: try again"),
            }
        }
    })?;
    new.as_file().sync_all()?;
    new.persist_noclobber(&file).with_context(|| format!("{} cannot be made", file.display()))?;
    if cfg!(unix) {
        File::open(directory)?.sync_all()?;
    }
    let keys = state.keys()?;
    let ids: Vec<&str> = keys.ids().collect();
    let kept = match (state.master_key_path(), state.are_keys_wrapped()) {
        (Ok(_), false) => "a copy of the key file",
        (Ok(_), true) => "a copy of the key file and its passphrase",
        (Err(_), _) => "what --key-command gets the keys from",
    };
    line(&format!(
        "project {} is in {}: {records} records, {bytes} bytes, sealed as in the store. The master key is NOT in it: keep {} \
         ({}) apart from it, as without that nobody can restore it",
        project.as_str(),
        file.display(),
        kept,
        ids.join(", ")
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// How many records and bytes; `None` when the snapshot was gone before the end.
async fn copy_out(setup: &Setup, file: &mut File, project: &Project) -> Result<Option<(u64, u64)>> {
    let mut writer = Writer::new(BufWriter::new(file), project)?;
    let mut next: Option<String> = None;
    loop {
        let mut instance = setup.instance().await?;
        instance.allow_maintenance();
        let maintenance = instance.exports.strongroom_vault_maintenance();
        let step = match answer(maintenance.call_backup(instance.store.call(), next.as_deref()).await) {
            Ok(step) => step,
            Err(error) => return gone(setup, error),
        };
        for key in &step.records {
            let value = match setup.store.get(BUCKET, key).await? {
                Some(value) => value,
                // A plain read may not show it yet.
                None => match setup.store.current(BUCKET, key).await? {
                    Some(found) => found.value,
                    None => return missing(setup, &step.next).await,
                },
            };
            writer.record(key, &value)?;
        }
        if !step.is_over {
            next = Some(step.next);
            continue;
        }
        let (records, bytes, digest) = (writer.records, writer.bytes, writer.end()?);
        let mut instance = setup.instance().await?;
        let maintenance = instance.exports.strongroom_vault_maintenance();
        match answer(maintenance.call_seal_backup(instance.store.call(), &step.next, &digest).await) {
            Ok(seal) => drop(writer.seal(&seal)?),
            Err(error) => return gone(setup, error),
        }
        return Ok(Some((records, bytes)));
    }
}

/// A record is not there: the snapshot is gone, or the vault is damaged.
async fn missing(setup: &Setup, cursor: &str) -> Result<Option<(u64, u64)>> {
    let mut instance = setup.instance().await?;
    let maintenance = instance.exports.strongroom_vault_maintenance();
    match answer(maintenance.call_backup(instance.store.call(), Some(cursor)).await) {
        Ok(_) => bail!("a record of the vault is missing: `strongroom verify` looks at all of them"),
        Err(error) => gone(setup, error),
    }
}

fn gone(setup: &Setup, error: Failure) -> Result<Option<(u64, u64)>> {
    match error {
        Failure::Vault(error) if error.code == ErrorCode::Contended => Ok(None),
        error => Err(setup.explain(error)),
    }
}

pub fn restore(arguments: RestoreArguments) -> Result<ExitCode> {
    let RestoreArguments { file, component, place } = arguments;
    let keys = place.keys_of_backup()?;
    // Before anything is opened that could be written to.
    let backup = Backup::open(&file, &keys)?;
    let common = Common { place, component, project: backup.project.as_str().to_owned() };
    let credentials = block_on(async {
        let mut setup = common.open_or(Begin::OverLoss, false).await?;
        let root = KeySpace::new(&backup.project).root();
        let is_there = setup.store.current(BUCKET, &root).await?.is_some();
        ensure!(!is_there, "the store has the project {} already: nothing was changed", backup.project.as_str());
        let mut instance = setup.instance().await?;
        let maintenance = instance.exports.strongroom_vault_maintenance();
        let checked = maintenance.call_check_backup(instance.store.call(), &backup.seal, &backup.digest).await;
        answer(checked).map_err(|error| setup.explain(error))?;
        drop(instance);
        // What was seen of the project before is not what it goes on from.
        setup.forget_commits()?;
        copy_in(&setup, &file, &backup).await?;
        let credentials = publish(&setup, &backup).await?;
        setup.state.remember_store(&*setup.store)?;
        setup.look_back().await?;
        setup.store.settle()?;
        Ok(credentials)
    })?;
    line(&format!(
        "project {} is restored: {credentials} credentials, {} records, each of them checked. Exclusive codes are to be had \
         from the next time step on",
        backup.project.as_str(),
        backup.records
    ))?;
    Ok(ExitCode::SUCCESS)
}

async fn copy_in(setup: &Setup, file: &Path, backup: &Backup) -> Result<()> {
    let (sender, mut records) = tokio::sync::mpsc::channel::<(String, Vec<u8>)>(64);
    let path = file.to_owned();
    let reading = tokio::task::spawn_blocking(move || {
        Backup::read(&path, |key, value| {
            sender.blocking_send((key.to_owned(), value)).ok().context("the store can't be written to")
        })
    });
    while let Some((key, value)) = records.recv().await {
        setup.store.set(BUCKET, &key, &value).await?;
    }
    let read = reading.await??;
    ensure!(read.digest == backup.digest, "{} was changed while it was read", file.display());
    Ok(())
}

/// All steps; how many credentials there are.
async fn publish(setup: &Setup, backup: &Backup) -> Result<u64> {
    let mut next: Option<String> = None;
    loop {
        let mut instance = setup.instance().await?;
        instance.allow_maintenance();
        let maintenance = instance.exports.strongroom_vault_maintenance();
        let store = instance.store.call();
        let step = maintenance.call_restore_backup(store, &backup.seal, &backup.digest, next.as_deref()).await;
        let step = answer(step).map_err(|error| setup.explain(error))?;
        if step.next.is_none() {
            return Ok(step.credentials);
        }
        next = step.next;
    }
}
