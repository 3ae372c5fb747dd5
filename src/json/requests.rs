//! The requests of the actions, out of JSON. Field names are those of the REST API and of the tool.

use super::members::Members;
use crate::actions::{Changes, CodeOptions, LIMIT_RULE, ListQuery, MIN_VALID_RULE, NewCredential, OFFSET_RULE};
use crate::error::{Error, Result};
use crate::secret::SecretString;
use crate::totp::Algorithm;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

const DIGITS: &str = "a whole number from 6 to 9";
const PERIOD: &str = "a whole number from 5 to 3600";
const VERSION: &str = "a whole number from 1";

/// What to store. `name` is the one that the caller knows from elsewhere; the request may repeat it, but not differ.
pub fn new_credential(members: &mut Members, name: Option<String>) -> Result<NewCredential> {
    let name = match (name, members.text("name")?) {
        (Some(name), Some(repeated)) if name.trim() != repeated.trim() => {
            return Err(Error::bad_request("name must be the same as in the path, or absent"));
        }
        (Some(name), _) | (None, Some(name)) => name,
        (None, None) => return Err(required("name")),
    };
    Ok(NewCredential {
        name,
        domain: members.text("domain")?.ok_or_else(|| required("domain"))?,
        additional_domains: members.texts("additional_domains")?.unwrap_or_default(),
        values: members.secrets("values")?.ok_or_else(|| required("values"))?,
        description: members.text("description")?,
        metadata: members.pairs("metadata")?.unwrap_or_default(),
        archived: members.flag("archived")?,
        sso_provider: members.text("sso_provider")?,
        totp_secret: members.secret("totp_secret")?,
        totp_algorithm: algorithm(members)?,
        totp_digits: members.whole_number("totp_digits", DIGITS)?,
        totp_period: members.whole_number("totp_period", PERIOD)?,
    })
}

/// What to change.
pub fn changes(members: &mut Members) -> Result<Changes> {
    let additional_domains = match members.clears("additional_domains") {
        true => Some(Vec::new()),
        false => members.texts("additional_domains")?,
    };
    let metadata = match members.clears("metadata") {
        true => Some(Vec::new()),
        false => members.pairs("metadata")?,
    };
    let (values, null) = members.entries("values")?.map_or((None, Vec::new()), |entries| {
        (Some(entries.set), if members.null_removes() { entries.null } else { Vec::new() })
    });
    let mut remove_value_keys = members.texts("remove_value_keys")?;
    if !null.is_empty() {
        remove_value_keys.get_or_insert_default().extend(null);
    }
    let text = |text: Option<SecretString>| text.map(|text| text.expose().to_owned());
    Ok(Changes {
        name: members.text("name")?,
        domain: members.text("domain")?,
        additional_domains,
        values,
        remove_value_keys,
        description: text(members.clearable("description")?),
        metadata,
        archived: members.flag("archived")?,
        sso_provider: text(members.clearable("sso_provider")?),
        totp_secret: members.clearable("totp_secret")?,
        totp_algorithm: algorithm(members)?,
        totp_digits: members.whole_number("totp_digits", DIGITS)?,
        totp_period: members.whole_number("totp_period", PERIOD)?,
        expected_version: None,
    })
}

/// Which credentials to list.
pub fn list_query(members: &mut Members) -> Result<ListQuery> {
    Ok(ListQuery {
        domain: members.text("domain")?,
        query: members.text("query")?,
        origin: members.text("origin")?,
        archived: members.flag("archived")?.unwrap_or(false),
        limit: members.whole_number("limit", LIMIT_RULE)?,
        offset: members.whole_number("offset", OFFSET_RULE)?,
        // For people, not for agents.
        deleted: false,
    })
}

/// Which version to restore.
pub fn version(members: &mut Members) -> Result<Option<u64>> {
    let rule = || Error::must_be("version", VERSION);
    match members.whole_number("version", VERSION)? {
        None => Ok(None),
        Some(number) => u64::try_from(number).ok().filter(|number| *number > 0).map(Some).ok_or_else(rule),
    }
}

/// Wishes about a one-time code.
pub fn code_options(members: &mut Members) -> Result<CodeOptions> {
    Ok(CodeOptions {
        min_valid_seconds: members.whole_number("min_valid_seconds", MIN_VALID_RULE)?.unwrap_or(0),
        exclusive: members.flag("exclusive")?.unwrap_or(false),
    })
}

fn algorithm(members: &mut Members) -> Result<Option<Algorithm>> {
    let rule = || Error::must_be("totp_algorithm", "SHA1, SHA256 or SHA512");
    let text = members.text("totp_algorithm").map_err(|_| rule())?;
    text.map(|text| Algorithm::parse(&text).ok_or_else(rule)).transpose()
}

fn required(name: &str) -> Error {
    Error::bad_request(format!("{name} is required"))
}
