//! The six actions as one function with JSON on both sides: what tool callers use. Documented in `wit/credentials.wit`.
//!
//! Parameters, and the texts about missing ones, are those of the `manage_credentials` tool. Stored values can't be
//! released from here.

use crate::actions::{self, Vault};
use crate::error::{Code, Error, Result};
use crate::json::{self, Members};
use alloc::format;
use alloc::string::String;

/// The actions, as requests name them.
pub const ACTIONS: [&str; 6] = ["list", "get", "totp_code", "create", "update", "delete"];

/// Runs the action of a request; see [`run`]. The error is the JSON of one.
pub fn manage(vault: &Vault<'_>, request: &str) -> Result<String, String> {
    Members::parse(request.as_bytes()).and_then(|members| run(vault, members)).map_err(|error| error_json(&error))
}

/// An error as [`manage`] returns it, for what fails before there is a vault.
pub fn error_json(error: &Error) -> String {
    json::error(error)
}

/// Runs an action and returns its answer as JSON.
///
/// Errors: [`Code::BadRequest`] for a missing or ill-formed parameter; [`Code::Forbidden`] for `project` or `project_id`
/// other than the vault's; those of the action.
pub fn run(vault: &Vault<'_>, mut members: Members) -> Result<String> {
    let action = members.text("action").ok().flatten().unwrap_or_default();
    for field in ["project", "project_id"] {
        if members.text(field)?.is_some_and(|project| project != vault.project()) {
            return Err(Error::new(Code::Forbidden, "project must match this connection's fixed project"));
        }
    }
    let members = &mut members;
    match action.as_str() {
        "list" => actions::list(vault, &json::list_query(members)?).map(|page| json::page(&page)),
        "get" => {
            let id_or_name = id_or_name(members, "get")?;
            actions::get(vault, &id_or_name).map(|view| json::credential(&view))
        }
        "totp_code" => {
            let id_or_name = id_or_name(members, "totp_code")?;
            let options = json::code_options(members)?;
            actions::totp_code(vault, &id_or_name, options).map(|code| json::totp_code(&code))
        }
        "create" => create(vault, members),
        "update" => {
            let id_or_name = id_or_name(members, "update")?;
            actions::update(vault, &id_or_name, &json::changes(members)?).map(|view| json::credential(&view))
        }
        "delete" => {
            let id_or_name = id_or_name(members, "delete")?;
            actions::delete(vault, &id_or_name, None).map(|id| json::deletion(&id))
        }
        _ => Err(Error::bad_request("action must be one of list, get, totp_code, create, update, delete")),
    }
}

fn create(vault: &Vault<'_>, members: &mut Members) -> Result<String> {
    let has_all = members.has("domain") && members.has("name") && members.has("values");
    if !has_all {
        return Err(Error::bad_request("domain, name, and non-empty values are required for create."));
    }
    let new = json::new_credential(members, None)?;
    actions::create(vault, &new, None).map(|view| json::credential(&view))
}

fn id_or_name(members: &mut Members, action: &str) -> Result<String> {
    match members.text("id_or_name")? {
        Some(text) if !text.trim().is_empty() => Ok(text),
        _ => Err(Error::bad_request(format!("id_or_name is required for {action}."))),
    }
}
