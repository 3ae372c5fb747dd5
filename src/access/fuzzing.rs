//! Any text as each of the settings: tokens, callers, keys and the rest.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a target panics when it has found something")]

use super::*;
use crate::credential::CredentialId;
use crate::error::Result;
use crate::fuzzing::{Target, check_error, text};
use crate::platform::Clock;
use crate::seal::{Keyring, Project};
use crate::settings::{self, Settings};
use crate::time::Timestamp;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

pub const SETTINGS: Target = Target { name: "settings", run, seeds: Vec::new };

const NOW: Timestamp = Timestamp(1_795_343_417_000);

/// Every setting is this text.
struct All(String);

impl Settings for All {
    fn get(&self, _: &str) -> Result<Option<String>> {
        Ok(Some(self.0.clone()))
    }
}

impl Clock for All {
    fn now(&self) -> Timestamp {
        NOW
    }
}

fn run(data: &[u8]) {
    let given = text(data);
    if let Ok(entry) = TokenEntry::parse(&given) {
        let written = entry.to_string();
        assert_eq!(TokenEntry::parse(&written).as_ref(), Ok(&entry), "{written}");
        // A list of one entry, unless there is white space where none hurts.
        let found = find(&given, "canary", NOW);
        assert!(given.contains(char::is_whitespace) || found.is_ok_and(|found| found.is_none()), "{given:?}");
        check_grant(&entry.grant);
    }
    if let Ok(grant) = Grant::parse(&given) {
        assert_eq!(Grant::parse(&grant.to_string()).as_ref(), Ok(&grant));
        check_grant(&grant);
    }
    if let Ok(entries) = parse_list(given.split_whitespace()) {
        let written: Vec<String> = entries.iter().map(ToString::to_string).collect();
        assert_eq!(parse_list(written.iter().map(String::as_str)).as_ref(), Ok(&entries));
        for (at, entry) in entries.iter().enumerate() {
            let is_alone = |other: &TokenEntry| other.hash != entry.hash && other.grant.name != entry.grant.name;
            assert!(entries.iter().skip(at + 1).all(is_alone));
        }
    }
    if let Some(scopes) = Scopes::parse(&given) {
        assert_eq!(Scopes::parse(&scopes.to_string()), Some(scopes));
    }
    if let Some(id) = CredentialId::parse(&given) {
        assert_eq!(id.to_text(), given);
    }
    if let Some(project) = Project::parse(&given) {
        assert_eq!(project.as_str(), given);
    }
    if let Ok(keyring) = Keyring::parse(&given) {
        assert_eq!(keyring.ids().count(), given.split_whitespace().count());
    }
    let all = All(given);
    for error in [
        find(&all.0, "canary", NOW).err(),
        Keyring::parse(&all.0).err(),
        settings::bucket(&all).err(),
        settings::project(&all).err(),
        settings::policy(&all).err(),
        settings::http_origins(&all).err(),
        settings::caller(&all, &all).err(),
    ]
    .into_iter()
    .flatten()
    {
        check_error(&error);
    }
}

/// No restriction goes with upkeep of the whole project, and a stranger's credential is let through by no list.
fn check_grant(grant: &Grant) {
    let restriction = &grant.restriction;
    assert!(is_word(&grant.name));
    assert!(restriction.is_none() || !grant.scopes.contains(Scope::Admin));
    let stranger = CredentialId::from_bytes(*b"0123456789abcdef");
    let is_id_named = restriction.credentials.as_ref().is_none_or(|ids| ids.contains(&stranger));
    let host = "stranger.example";
    let is_host_named = restriction.domains.as_ref().is_none_or(|all| all.iter().any(|one| one.as_str() == host));
    assert_eq!(restriction.allows(stranger, [host]), is_id_named && is_host_named);
}
