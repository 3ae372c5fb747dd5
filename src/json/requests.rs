//! The requests of the actions, out of JSON. Field names are those of the REST API and of the tool.

use super::members::{Members, must_be};
use crate::actions::{Changes, CodeOptions, ListQuery, NewCredential};
use crate::error::{Error, Result};
use crate::totp::Algorithm;
use alloc::format;
use alloc::string::String;

const LIMIT: &str = "a whole number from 1 to 100";
const OFFSET: &str = "a whole number from 0 to 4294967295";
const DIGITS: &str = "a whole number from 6 to 9";
const PERIOD: &str = "a whole number from 5 to 3600";
const MIN_VALID: &str = "a whole number from 0 to the period minus 1";

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
        values: members.secrets("values")?.ok_or_else(|| required("values"))?,
        sso_provider: members.text_or_null("sso_provider")?,
        totp_secret: members.secret("totp_secret")?,
        totp_algorithm: algorithm(members)?,
        totp_digits: members.whole_number("totp_digits", DIGITS)?,
        totp_period: members.whole_number("totp_period", PERIOD)?,
        ..NewCredential::default()
    })
}

/// What to change.
pub fn changes(members: &mut Members) -> Result<Changes> {
    Ok(Changes {
        name: members.text("name")?,
        values: members.secrets("values")?,
        remove_value_keys: members.texts("remove_value_keys")?,
        sso_provider: members.text_or_null("sso_provider")?,
        totp_secret: members.secret("totp_secret")?,
        totp_algorithm: algorithm(members)?,
        totp_digits: members.whole_number("totp_digits", DIGITS)?,
        totp_period: members.whole_number("totp_period", PERIOD)?,
        ..Changes::default()
    })
}

/// Which credentials to list.
pub fn list_query(members: &mut Members) -> Result<ListQuery> {
    Ok(ListQuery {
        domain: members.text("domain")?,
        query: members.text("query")?,
        limit: members.whole_number("limit", LIMIT)?,
        offset: members.whole_number("offset", OFFSET)?,
        ..ListQuery::default()
    })
}

/// Wishes about a one-time code.
pub fn code_options(members: &mut Members) -> Result<CodeOptions> {
    Ok(CodeOptions {
        min_valid_seconds: members.whole_number("min_valid_seconds", MIN_VALID)?.unwrap_or(0),
        exclusive: members.flag("exclusive")?.unwrap_or(false),
    })
}

fn algorithm(members: &mut Members) -> Result<Option<Algorithm>> {
    let rule = || must_be("totp_algorithm", "SHA1, SHA256 or SHA512");
    let text = members.text("totp_algorithm").map_err(|_| rule())?;
    text.map(|text| Algorithm::parse(&text).ok_or_else(rule)).transpose()
}

fn required(name: &str) -> Error {
    Error::bad_request(format!("{name} is required"))
}
