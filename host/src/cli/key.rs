//! `strongroom key`: the master keys, and what is sealed by which.

use super::maintain::{swept, verified};
use super::output::line;
use super::passphrase;
use super::setup::{Failure, Setup, answer, block_on};
use super::{Common, Place};
use anyhow::{Context, bail, ensure};
use clap::{Args, Subcommand};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use strongroom::catalog::KeySpace;
use strongroom::seal::Project;
use strongroom_host::bindings::vault::exports::strongroom::vault::types::ErrorCode;
use strongroom_host::state::{BUCKET, Keys};
use strongroom_host::{CALL_TIME_LIMIT, Result, StateDir};

#[derive(Subcommand)]
pub enum Command {
    /// Make a key, which from now on opens what others seal by it, and seals nothing yet
    New(Place),
    /// Show the keys, and how much of the store is sealed by each
    List(Whole),
    /// Let a key seal all that is written from now on; every instance must have it already
    Use(UseArguments),
    /// Seal everything anew by the key that seals, beside running servers. What was cut off goes on when it is run again
    Rewrap(Whole),
    /// Remove a key that nothing in the store is sealed by any more
    Retire(RetireArguments),
    /// Wrap the file of the keys by a passphrase, by another one, or by none any more. Running programs have to be ended
    /// first
    Passphrase(PassphraseArguments),
}

/// All projects of a store.
#[derive(Args)]
pub struct Whole {
    /// Projects that no token is for, separated by commas: they are known by their names only
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    projects: Vec<String>,

    /// Component to run instead of the one in this program
    #[arg(long, value_name = "FILE")]
    component: Option<PathBuf>,

    #[command(flatten)]
    place: Place,
}

#[derive(Args)]
pub struct UseArguments {
    /// Id of the key
    id: String,

    #[command(flatten)]
    place: Place,
}

#[derive(Args)]
pub struct RetireArguments {
    /// Id of the key
    id: String,

    #[command(flatten)]
    whole: Whole,
}

#[derive(Args)]
pub struct PassphraseArguments {
    /// File descriptor (3 or higher) with the new passphrase on a line; without it the terminal is asked
    #[arg(long, value_name = "NUMBER", value_parser = passphrase::given, conflicts_with = "remove")]
    new_passphrase_fd: Option<passphrase::Given>,

    /// Write the keys as they are: whoever reads the file has them then
    #[arg(long)]
    remove: bool,

    #[command(flatten)]
    place: Place,
}

/// A call that began before the keys were changed has ended then: it waits for its turn at most, and runs at most, for so
/// long.
const OLD_CALLS_END: Duration = Duration::from_secs(2 * CALL_TIME_LIMIT.as_secs() + 1);
/// How often a step is tried again that other writers were in the way of, or whose outcome is unknown.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(200);

pub fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::New(place) => new(&opened(&place)?)?,
        Command::List(whole) => block_on(list(whole))?,
        Command::Use(UseArguments { id, place }) => put_first(&opened(&place)?, &id)?,
        Command::Rewrap(whole) => block_on(rewrap(whole))?,
        Command::Retire(RetireArguments { id, whole }) => block_on(retire(&id, whole))?,
        Command::Passphrase(arguments) => change_passphrase(arguments)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn opened(place: &Place) -> Result<StateDir> {
    StateDir::open(&place.state_dir()?, &place.sources()?)
}

fn change_passphrase(arguments: PassphraseArguments) -> Result<()> {
    let PassphraseArguments { new_passphrase_fd, remove, place } = arguments;
    let (directory, sources) = (place.state_dir()?, place.sources()?);
    sources.key_file(&directory).context("the master keys are those that --key-command gives: no file is wrapped")?;
    // A wrong one is told before another is asked for.
    sources.keys(&directory)?;
    let new = match (remove, new_passphrase_fd) {
        (true, _) => None,
        (false, Some(given)) => Some(given.0),
        (false, None) => Some(passphrase::asked_for_new()?),
    };
    let file = StateDir::change_passphrase(&directory, &sources, new.as_deref())?;
    let file = file.display();
    match (new, sources.passphrase) {
        (Some(_), None) => line(&format!(
            "{file} is wrapped by the passphrase: without both nobody reads the store. Until now the keys were plain on this \
             disk, which may have kept that, as backups may: `strongroom key new`, `use`, `rewrap` and `retire` exchange them"
        )),
        (Some(_), Some(_)) => {
            line(&format!("{file} is wrapped by the new passphrase; copies of the file still open by the old one"))
        }
        (None, _) => line(&format!("{file} is not wrapped any more: whoever reads it has the keys")),
    }
}

fn new(state: &StateDir) -> Result<()> {
    let id = state.change_keys(|keys| keys.add())?;
    line(&format!(
        "{id} is in {} and opens what is sealed by it. Copy that file to a safe place, and to every other instance on this \
         store; then `strongroom key use {id}` on each",
        state.master_key_place()
    ))
}

fn put_first(state: &StateDir, id: &str) -> Result<()> {
    state.change_keys(|keys| keys.put_first(id))?;
    line(&format!(
        "{id} seals all that is written from now on. When that is so on every instance: `strongroom key rewrap`, and then \
         `strongroom key retire` for the others"
    ))
}

async fn list(whole: Whole) -> Result<()> {
    let (mut setup, projects) = whole.open().await?;
    let sealed = sealed(&mut setup, &projects).await?;
    let ids: Vec<String> = setup.state.keys()?.ids().map(str::to_owned).collect();
    for (number, id) in ids.iter().enumerate() {
        let what = if number == 0 { "seals" } else { "opens" };
        line(&format!("{id}  {what}  {} sealed by it", sealed.get(id).copied().unwrap_or_default()))?;
    }
    for (id, count) in sealed.iter().filter(|(id, _)| !ids.contains(id)) {
        line(&format!("{id}  missing  {count} sealed by it"))?;
    }
    Ok(())
}

async fn rewrap(whole: Whole) -> Result<()> {
    let (mut setup, projects) = whole.open().await?;
    for project in &projects {
        setup.work_on(project.as_str())?;
        let rewrapped = rewrapped(&setup).await?;
        // What interrupted writers left is sealed as they sealed it.
        let swept = swept(&setup).await?;
        setup.look_back().await?;
        line(&format!(
            "project {}: {rewrapped} sealed anew, {} records of interrupted writers deleted",
            project.as_str(),
            swept.deleted
        ))?;
    }
    setup.store.settle()
}

/// All steps.
async fn rewrapped(setup: &Setup) -> Result<u64> {
    let (mut next, mut tries): (Option<String>, u32) = (None, 0);
    loop {
        let mut instance = setup.instance().await?;
        instance.allow_maintenance();
        let maintenance = instance.exports.strongroom_vault_maintenance();
        match answer(maintenance.call_rewrap(instance.store.call(), next.as_deref()).await) {
            Ok(step) if step.next.is_none() => return Ok(step.rewrapped),
            Ok(step) => (next, tries) = (step.next, 0),
            // A step can be taken again: what it has done is done.
            Err(Failure::Vault(error))
                if matches!(
                    error.code,
                    ErrorCode::Contended | ErrorCode::OutcomeUnknown | ErrorCode::StorageUnavailable
                ) && tries < TRIES =>
            {
                tries += 1;
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => return Err(setup.explain(error)),
        }
    }
}

async fn retire(id: &str, whole: Whole) -> Result<()> {
    let (mut setup, projects) = whole.open().await?;
    let before = setup.state.keys()?.setting();
    Keys::clone(&*setup.state.keys()?).remove(id)?;
    let rest = OLD_CALLS_END.saturating_sub(setup.state.keys_age()?);
    if !rest.is_zero() {
        line(&format!("the keys were changed just now: waiting {} s for calls that began before", rest.as_secs() + 1))?;
        tokio::time::sleep(rest).await;
    }
    let count = sealed(&mut setup, &projects).await?.get(id).copied().unwrap_or_default();
    ensure!(
        count == 0,
        "{id} is still needed: {count} records and TOTP secrets are sealed by it. `strongroom key rewrap` seals them anew"
    );
    setup.state.change_keys(|keys| {
        ensure!(keys.setting() == before, "the keys were changed meanwhile: look again");
        keys.remove(id)
    })?;
    setup.store.settle()?;
    line(&format!(
        "{id} is retired: nothing in the store is sealed by it. Backups may be; so may what the store has set aside, until \
         `strongroom compact`"
    ))
}

/// How much is sealed by each key, in all projects.
async fn sealed(setup: &mut Setup, projects: &[Project]) -> Result<BTreeMap<String, u64>> {
    let mut sealed = BTreeMap::new();
    for project in projects {
        setup.work_on(project.as_str())?;
        for key in verified(setup).await?.keys {
            *sealed.entry(key.id).or_default() += key.sealed;
        }
    }
    Ok(sealed)
}

impl Whole {
    /// The vault, and the projects that it has.
    async fn open(self) -> Result<(Setup, Vec<Project>)> {
        let common = Common { place: self.place, component: self.component, project: "default".into() };
        let setup = common.open().await?;
        let mut named: BTreeMap<String, Project> = BTreeMap::new();
        let tokens = setup.state.tokens()?;
        let names = tokens.0.iter().map(|entry| entry.project.as_str()).chain(["default"]);
        for name in names.chain(self.projects.iter().map(String::as_str)) {
            let Some(project) = Project::parse(name) else {
                bail!("--projects: a project has 1-64 letters, digits, `.`, `_` or `-`");
            };
            named.insert(KeySpace::new(&project).prefix().to_owned(), project);
        }
        let there = prefixes(&setup).await?;
        let unnamed = there.iter().filter(|prefix| !named.contains_key(*prefix)).count();
        ensure!(unnamed == 0, "the store has {unnamed} projects that no token is for: name them with --projects");
        Ok((setup, named.into_iter().filter(|(prefix, _)| there.contains(prefix)).map(|(_, name)| name).collect()))
    }
}

/// What the keys of each project in the store begin with.
async fn prefixes(setup: &Setup) -> Result<BTreeSet<String>> {
    let (mut found, mut cursor) = (BTreeSet::new(), None);
    loop {
        let page = setup.store.list_keys(BUCKET, cursor.as_deref()).await?;
        found.extend(page.keys.iter().filter_map(|key| KeySpace::prefix_of(key)).map(str::to_owned));
        cursor = page.cursor;
        if cursor.is_none() {
            return Ok(found);
        }
    }
}

impl Setup {
    /// Goes on with another project of the same store.
    fn work_on(&mut self, project: &str) -> Result<()> {
        self.config = Arc::new(self.state.config(project)?);
        self.services.config = self.config.clone();
        Ok(())
    }
}
