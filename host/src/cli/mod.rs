//! The command line. Every failure is one line on standard error, `strongroom: ...`, and exit code 1.

mod backup;
mod browsers;
mod call;
mod clients;
mod copy;
mod fill;
mod history;
mod key;
mod log;
mod maintain;
mod mcp;
mod output;
mod passphrase;
mod rollback;
mod serve;
mod session;
mod setup;
mod stop;
mod supply;
mod token;

use anyhow::{Context, bail, ensure};
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};
use strongroom_host::keyvalue::StoreUrl;
use strongroom_host::state::{KeyCommand, KeySource, Passphrase, Sources};
use strongroom_host::{Result, StateDir};

/// A credential vault for AI agents and browser automation.
#[derive(Parser)]
#[command(name = "strongroom", version, about, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Answer HTTP requests; the first start makes a master key and a token
    Serve(serve::Arguments),
    /// Run one action of the tool manage_credentials and print its answer
    Call(call::Arguments),
    /// Serve the tools for agents to one MCP client, over standard input and output
    Mcp(mcp::Arguments),
    /// Release a credential's values to a program that logs in with them
    Supply(supply::Arguments),
    /// Log in with a credential in a running browser, without anybody seeing its values
    Fill(fill::Arguments),
    /// Manage the bearer tokens for HTTP; changes work at once, without a restart
    #[command(subcommand)]
    Token(token::Command),
    /// Manage the master keys; changes work at once, without a restart
    #[command(subcommand)]
    Key(key::Command),
    /// Prepare the store for a project
    Init(maintain::InitArguments),
    /// Read and check every record of a project
    Verify(Common),
    /// Delete what is over its time, and records that interrupted writers left behind
    Sweep(Common),
    /// Rewrite the store's file, so that it holds nothing any more that was replaced or deleted
    Compact(Common),
    /// Make a file of one state of a running vault, sealed as it is
    Backup(backup::BackupArguments),
    /// Bring a project back from such a file, where there is none of its name; the master key has to be there
    RestoreBackup(backup::RestoreArguments),
    /// Copy a project from one store to another, sealed as it is
    Copy(copy::Arguments),
    /// Show the versions of a credential that can be restored, or what was deleted
    History(history::HistoryArguments),
    /// Make a version current again, or bring back what was deleted
    Restore(history::RestoreArguments),
    /// Remove a credential, or all that was deleted, at once and for good
    Purge(history::PurgeArguments),
    /// Make exclusive codes available again after a clock was far ahead
    ResetExclusive(maintain::ResetArguments),
    /// Show what happened, newest first
    Audit(history::AuditArguments),
}

/// Where the vault is.
#[derive(Args)]
struct Place {
    /// Directory of the store, its master key and its tokens [default: $STRONGROOM_STATE_DIR, else
    /// $XDG_DATA_HOME/strongroom, else ~/.local/share/strongroom]
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,

    /// Store to use: `sqlite:` is a file in the state directory; `postgres://USER@HOST,HOST/DATABASE` and
    /// `etcd://HOST,HOST,HOST` are for several instances. `@FILE`: the URL is in a file, where passwords belong: other users
    /// of the machine can see arguments [default: $STRONGROOM_STORE, else sqlite:]
    #[arg(long, value_name = "URL|@FILE")]
    store: Option<String>,

    /// File of the master key, which is never made; the same for all instances on one store [default:
    /// $STRONGROOM_KEYS_FILE, else master.key in the state directory]
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,

    /// Command that prints what a file of master keys holds, run once at the start instead of reading one; split into words
    /// as a shell does, but run without one [default: $STRONGROOM_KEY_COMMAND, else none]
    #[arg(long, value_name = "COMMAND")]
    key_command: Option<String>,

    /// File descriptor (3 or higher) with the passphrase of the master key's file on a line; without it the terminal is
    /// asked. Where a key is made it is wrapped by that
    #[arg(long, value_name = "NUMBER", value_parser = passphrase::given)]
    passphrase_fd: Option<passphrase::Given>,

    /// Whether the terminal may be asked for a passphrase.
    #[arg(skip = true)]
    may_ask: bool,

    /// Whether a master key that is made shall be wrapped by a passphrase that is asked for.
    #[arg(skip)]
    wrap_new: bool,

    /// As they were read first: a descriptor or a person gives a passphrase once.
    #[arg(skip)]
    read: OnceLock<Sources>,

    /// File of the tokens; the same for all instances on one store [default: $STRONGROOM_TOKENS_FILE, else tokens in the
    /// state directory]
    #[arg(long, value_name = "FILE")]
    tokens_file: Option<PathBuf>,
}

impl Place {
    fn state_dir(&self) -> Result<PathBuf> {
        self.state_dir.clone().map_or_else(StateDir::default_path, Ok)
    }

    /// With all that is needed to read the keys.
    fn sources(&self) -> Result<Sources> {
        if let Some(sources) = self.read.get() {
            return Ok(sources.clone());
        }
        let mut sources = self.named()?;
        if sources.passphrase.is_none() && self.may_ask {
            sources.passphrase = self.asked(&sources)?;
        }
        Ok(self.read.get_or_init(|| sources).clone())
    }

    /// Without asking anybody.
    fn named(&self) -> Result<Sources> {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let text = |name| {
            variable(name)
                .map(|value| value.into_string().ok().with_context(|| format!("{name} is not UTF-8")))
                .transpose()
        };
        let file = |given: &Option<PathBuf>, name| given.clone().or_else(|| variable(name).map(PathBuf::from));
        let store = match (&self.store, text("STRONGROOM_STORE")?) {
            (Some(url), _) => read_store_url(url)?,
            (None, Some(url)) => read_store_url(&url)?,
            (None, None) => StoreUrl::default(),
        };
        let key_command =
            self.key_command.clone().map_or_else(|| text("STRONGROOM_KEY_COMMAND"), |command| Ok(Some(command)))?;
        let passphrase = self.passphrase_fd.clone().map(|given| given.0);
        let keys = match (file(&self.key_file, "STRONGROOM_KEYS_FILE"), key_command) {
            (None, None) => KeySource::Own,
            (Some(file), None) => KeySource::File(file),
            (None, Some(command)) => {
                ensure!(passphrase.is_none(), "--passphrase-fd: what --key-command gives is not wrapped");
                KeySource::Command(Arc::new(KeyCommand::parse(&command)?))
            }
            (Some(_), Some(_)) => bail!("--key-file and --key-command exclude each other, also as variables"),
        };
        Ok(Sources { store, keys, passphrase, tokens_file: file(&self.tokens_file, "STRONGROOM_TOKENS_FILE") })
    }

    /// The passphrase, if there is one to ask for.
    fn asked(&self, sources: &Sources) -> Result<Option<Arc<Passphrase>>> {
        let directory = self.state_dir()?;
        match sources.key_file(&directory) {
            Some(file) if sources.are_keys_wrapped(&directory) => passphrase::asked(&file).map(Some),
            Some(file) if self.wrap_new && !file.exists() && matches!(sources.keys, KeySource::Own) => {
                passphrase::asked_for_new().map(Some)
            }
            _ if self.wrap_new => bail!(
                "--passphrase is for a master key that is made now: `strongroom key passphrase` wraps one that is there"
            ),
            _ => Ok(None),
        }
    }

    /// The master keys, for a vault that is not there yet.
    fn keys_of_backup(&self) -> Result<String> {
        let keys = self.sources()?.keys(&self.state_dir()?);
        Ok(keys
            .context("the master key of the backup is needed, and is not in the backup: put it there first")?
            .setting())
    }
}

/// A URL, or the file that it is in.
fn read_store_url(text: &str) -> Result<StoreUrl> {
    let Some(file) = text.strip_prefix('@') else { return StoreUrl::parse(text) };
    let url = std::fs::read_to_string(file).with_context(|| format!("--store: {file} cannot be read"))?;
    StoreUrl::parse(url.trim())
}

/// What all commands have that work on a vault.
#[derive(Args)]
struct Common {
    #[command(flatten)]
    place: Place,

    /// Component to run instead of the one in this program
    #[arg(long, value_name = "FILE")]
    component: Option<PathBuf>,

    /// Project to work on; HTTP requests work on the project of their token
    #[arg(long, value_name = "NAME", default_value = "default")]
    project: String,
}

pub fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("strongroom: {}", one_line(&error));
            ExitCode::FAILURE
        }
    }
}

/// The chain of causes. The default output would add a back-trace.
fn one_line(error: &anyhow::Error) -> String {
    format!("{error:#}").replace('\n', " ")
}

fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Serve(arguments) => serve::run(arguments),
        Command::Call(arguments) => call::run(arguments),
        Command::Mcp(arguments) => mcp::run(arguments),
        Command::Supply(arguments) => supply::run(arguments),
        Command::Fill(arguments) => fill::run(arguments),
        Command::Token(command) => token::run(command),
        Command::Key(command) => key::run(command),
        Command::Init(arguments) => maintain::init(arguments),
        Command::Verify(common) => maintain::verify(common),
        Command::Sweep(common) => maintain::sweep(common),
        Command::Compact(common) => maintain::compact(common),
        Command::Backup(arguments) => backup::backup(arguments),
        Command::RestoreBackup(arguments) => backup::restore(arguments),
        Command::Copy(arguments) => copy::run(arguments),
        Command::History(arguments) => history::history(arguments),
        Command::Restore(arguments) => history::restore(arguments),
        Command::Purge(arguments) => history::purge(arguments),
        Command::ResetExclusive(arguments) => maintain::reset_exclusive(arguments),
        Command::Audit(arguments) => history::audit(arguments),
    }
}
