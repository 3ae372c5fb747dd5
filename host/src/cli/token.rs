//! `strongroom token`: the bearer tokens of the server on this state directory.

use super::output::line;
use super::{Place, clients};
use anyhow::{Context, anyhow, bail, ensure};
use clap::{Args, Subcommand};
use std::path::Path;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};
use strongroom::access::is_word;
use strongroom::credential::{CredentialId, Domain};
use strongroom::seal::Project;
use strongroom::time::Timestamp;
use strongroom_host::token::{self, Entry, Grant, Restriction, Scope, Scopes};
use strongroom_host::{Result, StateDir};

#[derive(Subcommand)]
pub enum Command {
    /// Make a token; its text is printed once and kept nowhere
    New(NewArguments),
    /// List the tokens
    List(Place),
    /// Remove a token; it stops working at once
    Revoke(RevokeArguments),
}

#[derive(Args)]
pub struct NewArguments {
    /// Name of the token, for the list and the log
    #[arg(long)]
    name: String,

    /// What it allows, separated by commas: read (list, get), totp (codes), write (create, update, delete), supply
    /// (values, for login flows), fill (logins in a browser), admin
    #[arg(long, value_name = "SCOPES")]
    scopes: String,

    /// Project it opens
    #[arg(long, value_name = "NAME", default_value = "default")]
    project: String,

    /// When it stops working: a number of days from now, or a time such as 2027-01-31T12:00:00Z
    #[arg(long, value_name = "DAYS|TIME")]
    expires: Option<String>,

    /// Only credentials all of whose hosts are among these, separated by commas; nothing else exists for the token
    #[arg(long, value_name = "HOSTS", value_delimiter = ',')]
    domains: Vec<String>,

    /// Only the credentials of these ids, separated by commas; nothing else exists for the token
    #[arg(long, value_name = "IDS", value_delimiter = ',')]
    credentials: Vec<String>,

    #[command(flatten)]
    place: Place,
}

#[derive(Args)]
pub struct RevokeArguments {
    /// Name of the token
    name: String,

    #[command(flatten)]
    place: Place,
}

impl Place {
    /// For who needs no keys.
    fn open(&self) -> Result<StateDir> {
        StateDir::open(&self.state_dir()?, &self.named()?)
    }
}

pub fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::New(arguments) => new(arguments)?,
        Command::List(arguments) => list(arguments)?,
        Command::Revoke(arguments) => revoke(arguments)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn new(arguments: NewArguments) -> Result<()> {
    let project =
        Project::parse(&arguments.project).context("--project must be 1-64 letters, digits, `.`, `_` or `-`")?;
    ensure!(is_word(&arguments.name), "--name must be 1-64 letters, digits, `.`, `_` or `-`");
    let scopes = arguments.scopes.split(',').map(str::trim).collect::<Vec<_>>().join("+");
    let scopes = Scopes::parse(&scopes).with_context(|| {
        let scopes = Scope::ALL.map(|scope| format!("{} ({})", scope.as_str(), scope.allows()));
        format!("--scopes: the scopes are {}", scopes.join(", "))
    })?;
    let domains = arguments
        .domains
        .iter()
        .map(|text| Domain::parse(text).map_err(|error| anyhow!("--domains: {}", error.message())));
    let credentials = arguments
        .credentials
        .iter()
        .map(|text| CredentialId::parse(text).context("--credentials must be ids of credentials"));
    let restriction = Restriction {
        domains: some_if_any(domains.collect::<Result<_>>()?),
        credentials: some_if_any(credentials.collect::<Result<_>>()?),
    };
    let expiry = arguments.expires.map(|text| parse_expiry(&text, now())).transpose()?.map(Timestamp::from_seconds);
    let text = token::generate()?;
    let grant = Grant { name: arguments.name, scopes, expiry, restriction };
    let entry = Entry { grant, project, hash: strongroom::access::hash(&text) };
    // What is written must be what is read again.
    Entry::parse(&entry.to_string()).map_err(|rule| anyhow!("a token {rule}"))?;
    let state = arguments.place.open()?;
    state.change_tokens(|entries| {
        let is_taken = entries.0.iter().any(|other| other.grant.name == entry.grant.name);
        ensure!(!is_taken, "there is a token of this name already");
        entries.0.push(entry.clone());
        Ok(())
    })?;
    line(&text)?;
    eprintln!("This token is shown only now. It works here at once; elsewhere add this to strongroom_tokens:");
    eprintln!("{entry}");
    tell_clients(&entry, state.path());
    Ok(())
}

/// How MCP clients use the token, if it allows anything there.
fn tell_clients(entry: &Entry, state: &Path) {
    let Grant { scopes, restriction, .. } = &entry.grant;
    let of_tools = [Scope::Read, Scope::Totp, Scope::Write].into_iter().filter(|scope| scopes.contains(*scope));
    let of_tools: Vec<_> = of_tools.map(Scope::as_str).collect();
    if of_tools.is_empty() {
        return;
    }
    eprintln!("MCP clients of the server on this state directory, if it listens where it does by default:");
    eprintln!("{}", clients::over_http("http://127.0.0.1:3000", "TOKEN"));
    // Without the token there would be no restriction.
    if restriction.is_none() {
        eprintln!("MCP clients that start the program themselves, with the same rights and without a token:");
        eprintln!("{}", clients::over_stdio(state, &of_tools.join(","), entry.project.as_str()));
    }
}

fn some_if_any<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

fn list(place: Place) -> Result<()> {
    for entry in place.open()?.tokens()?.0 {
        let Entry { grant, project, .. } = &entry;
        let expiry = match grant.expiry {
            None => "never expires".to_owned(),
            Some(expiry) if expiry.seconds() <= now() => "expired".to_owned(),
            Some(expiry) => format!("expires {}", expiry.to_rfc3339()),
        };
        let restriction = match (&grant.restriction.domains, &grant.restriction.credentials) {
            (None, None) => String::new(),
            (Some(domains), None) => {
                format!(", for {}", domains.iter().map(Domain::as_str).collect::<Vec<_>>().join(" "))
            }
            (None, Some(ids)) => format!(", for {} credentials", ids.len()),
            (Some(domains), Some(ids)) => format!(", for {} credentials of {} domains", ids.len(), domains.len()),
        };
        let scopes = grant.scopes.to_string();
        line(&format!("{:<20} project {:<16} {scopes:<30} {expiry}{restriction}", grant.name, project.as_str()))?;
    }
    Ok(())
}

fn revoke(arguments: RevokeArguments) -> Result<()> {
    arguments.place.open()?.change_tokens(|entries| {
        let before = entries.0.len();
        entries.0.retain(|entry| entry.grant.name != arguments.name);
        ensure!(entries.0.len() < before, "there is no token of this name");
        Ok(())
    })?;
    line("revoked")
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Seconds since 1970 of `30`, `30d` or `2027-01-31T12:00:00Z`.
fn parse_expiry(text: &str, now: u64) -> Result<u64> {
    let expiry = match text.strip_suffix('d').unwrap_or(text).parse::<u64>() {
        Ok(days) => now.checked_add(days.saturating_mul(86_400)).context("--expires is too far away")?,
        Err(_) => match from_rfc3339(text) {
            Some(seconds) => seconds,
            None => bail!("--expires must be a number of days or a time such as 2027-01-31T12:00:00Z"),
        },
    };
    ensure!(expiry > now, "--expires is not in the future");
    Ok(expiry)
}

/// Reads `YYYY-MM-DDTHH:MM:SSZ` (RFC 3339, UTC, whole seconds) from 1970 on.
fn from_rfc3339(text: &str) -> Option<u64> {
    let shape = b"dddd-dd-ddTdd:dd:ddZ";
    let fits = |(byte, shape): (u8, &u8)| if *shape == b'd' { byte.is_ascii_digit() } else { byte == *shape };
    if text.len() != shape.len() || !text.bytes().zip(shape).all(fits) {
        return None;
    }
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<u64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let in_range = year >= 1970 && (1..=12).contains(&month) && hour < 24 && minute < 60 && second < 60;
    if !in_range || day < 1 || day > days_in(year, month) {
        return None;
    }
    let days: u64 = (1970..year).map(|year| if is_leap(year) { 366 } else { 365 }).sum::<u64>()
        + (1..month).map(|month| days_in(year, month)).sum::<u64>()
        + (day - 1);
    Some(((days * 24 + hour) * 60 + minute) * 60 + second)
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_in(year: u64, month: u64) -> u64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap(year) => 29,
        2 => 28,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_written() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T23:59:59Z", 951_868_799),
            ("2001-09-09T01:46:40Z", 1_000_000_000),
            ("2100-03-01T00:00:00Z", 4_107_542_400),
        ] {
            assert_eq!(from_rfc3339(text), Some(seconds), "{text}");
            assert_eq!(Timestamp::from_seconds(seconds).to_rfc3339(), text);
        }
        for text in ["2100-02-29T00:00:00Z", "2027-13-01T00:00:00Z", "2027-01-31", "2027-01-31T24:00:00Z", "soon"] {
            assert_eq!(from_rfc3339(text), None, "{text}");
        }
    }

    #[test]
    fn expiries_lie_in_the_future() {
        let now = 1_000_000_000;
        assert_eq!(parse_expiry("30", now).unwrap(), now + 30 * 86_400);
        assert_eq!(parse_expiry("1d", now).unwrap(), now + 86_400);
        assert_eq!(parse_expiry("2001-09-09T01:46:41Z", now).unwrap(), now + 1);
        for text in ["0", "2001-09-09T01:46:40Z", "tomorrow", "", "-1", "99999999999999999999"] {
            assert!(parse_expiry(text, now).is_err(), "{text}");
        }
    }
}
