//! `strongroom supply`: a credential's values for a program that logs in, past command lines and terminals.

use super::Common;
use super::log::LogArguments;
use super::setup::{Begin, Failure, Setup, answer, block_on, open_prepared, status_of};
use anyhow::{Context, bail, ensure};
use clap::Args;
use std::collections::BTreeMap;
use std::io::Write;
use std::process::{self, ExitCode, Stdio};
use std::time::{Duration, Instant};
use strongroom_host::Result;
use strongroom_host::access_log::{self, Access};
use strongroom_host::bindings::vault::exports::strongroom::vault::supply::Supplied;
use strongroom_host::bindings::vault::exports::strongroom::vault::types::CodeOptions;

/// Begins the name of a value's variable. No setting of this program does, so a field called `state-dir` is no setting.
const VALUE_PREFIX: &str = "STRONGROOM_VALUE_";

/// Where the current one-time code goes, and for how many seconds it is good.
const CODE_VARIABLE: &str = "STRONGROOM_TOTP_CODE";
const CODE_LIFE_VARIABLE: &str = "STRONGROOM_TOTP_VALID_FOR_SECONDS";

#[derive(Args)]
pub struct Arguments {
    /// Id or name of the credential
    id_or_name: String,

    /// Origin of the page to log in to, such as `https://accounts.example.com`; must belong to the credential's domain
    #[arg(long, value_name = "URL")]
    origin: String,

    /// Give no one-time code that is good for fewer seconds than this; from 0 to the code's period minus 1
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    min_valid_seconds: u16,

    /// Give each one-time code to one caller only, among those that say so: for several logins with one account at once
    #[arg(long)]
    exclusive: bool,

    /// Give the values as one JSON object on standard input (recommended) instead of in the environment, where other
    /// processes of the same user can read them, and those that the program starts inherit them
    #[arg(long)]
    stdin: bool,

    /// Program to run, with its arguments; must come last. It gets each value as STRONGROOM_VALUE_ and the field's
    /// name in capitals, and the one-time code, if any, as STRONGROOM_TOTP_CODE, good for
    /// STRONGROOM_TOTP_VALID_FOR_SECONDS
    #[arg(long, value_name = "COMMAND", num_args = 1.., allow_hyphen_values = true, required = true)]
    exec: Vec<String>,

    #[command(flatten)]
    log: LogArguments,

    #[command(flatten)]
    common: Common,
}

pub fn run(arguments: Arguments) -> Result<ExitCode> {
    let log = arguments.log.start();
    let supplied = block_on(async {
        let setup = open_prepared(&arguments.common, Begin::No).await?;
        let start = Instant::now();
        let mut instance = setup.instance().await?;
        let supply = instance.exports.strongroom_vault_supply();
        let options = CodeOptions { min_valid_seconds: arguments.min_valid_seconds, exclusive: arguments.exclusive };
        let (id_or_name, origin) = (&arguments.id_or_name, &arguments.origin);
        let supplied = supply.call_supply(instance.store.call(), id_or_name, origin, Some(options)).await;
        let supplied = answer(supplied);
        report(&setup, id_or_name, &supplied, start.elapsed()).await;
        setup.look_back().await?;
        supplied.map_err(|error| setup.explain(error))
    })?;
    // The vault is closed before a program runs that may take long.
    drop(log);

    let [program, rest @ ..] = arguments.exec.as_slice() else { bail!("--exec needs a program") };
    let mut command = process::Command::new(program);
    command.args(rest);
    // Those of a supply that this one runs under are not meant for this program.
    std::env::vars_os()
        .map(|(name, _)| name)
        .filter(|name| is_ours(name))
        .for_each(|name| _ = command.env_remove(name));
    let status = if arguments.stdin {
        let input = to_json(&supplied);
        let mut child = command.stdin(Stdio::piped()).spawn().with_context(|| format!("{program} cannot be run"))?;
        if let Some(mut pipe) = child.stdin.take() {
            // A program that does not read its input is free not to.
            let _ = pipe.write_all(input.as_bytes());
        }
        child.wait()?
    } else {
        let variables = to_variables(&supplied)?;
        command.envs(variables).status().with_context(|| format!("{program} cannot be run"))?
    };
    Ok(exit_code(status))
}

/// Leaves the line that a release over HTTP leaves.
async fn report(setup: &Setup, id_or_name: &str, supplied: &Result<Supplied, Failure>, duration: Duration) {
    let (status, credential) = match supplied {
        Ok(supplied) => (200, Some(supplied.id.clone())),
        Err(Failure::Vault(error)) => (status_of(error.code), setup.id_of(id_or_name).await),
        Err(Failure::Host(_)) => (500, None),
    };
    let id = &access_log::new_id();
    let credential = credential.as_deref();
    Access { method: "supply", route: "supply", status, duration, token: None, credential, id }.log();
}

fn to_json(supplied: &Supplied) -> String {
    let values: serde_json::Map<_, _> =
        supplied.values.iter().map(|(field, value)| (field.clone(), value.clone().into())).collect();
    let mut object = serde_json::json!({ "id": supplied.id, "name": supplied.name, "values": values });
    if let Some(provider) = &supplied.sso_provider {
        object["sso_provider"] = provider.clone().into();
    }
    if let Some(code) = &supplied.totp {
        object["totp_code"] = code.code.clone().into();
        object["totp_valid_for_seconds"] = code.valid_for_seconds.into();
    }
    object.to_string()
}

/// The environment for the program. Field names are not secret and may stand in an error; values may not.
fn to_variables(supplied: &Supplied) -> Result<BTreeMap<String, String>> {
    let mut variables = BTreeMap::new();
    if let Some(code) = &supplied.totp {
        variables.insert(CODE_VARIABLE.to_owned(), code.code.clone());
        variables.insert(CODE_LIFE_VARIABLE.to_owned(), code.valid_for_seconds.to_string());
    }
    for (field, value) in &supplied.values {
        let name = variable_name(field);
        ensure!(!value.contains('\0'), "the value of a field holds a NUL character: use --stdin");
        ensure!(
            variables.insert(name.clone(), value.clone()).is_none(),
            "two of the credential's fields would both be {name}: use --stdin"
        );
    }
    Ok(variables)
}

fn is_ours(name: &std::ffi::OsStr) -> bool {
    // The password of the store can stand in the first.
    name == "STRONGROOM_STORE"
        || name == CODE_VARIABLE
        || name == CODE_LIFE_VARIABLE
        || name.as_encoded_bytes().starts_with(VALUE_PREFIX.as_bytes())
}

/// `STRONGROOM_VALUE_` and the field's name in capitals, with `_` for everything but letters and digits.
fn variable_name(field: &str) -> String {
    let part = |character: char| if character.is_ascii_alphanumeric() { character.to_ascii_uppercase() } else { '_' };
    format!("{VALUE_PREFIX}{}", field.chars().map(part).collect::<String>())
}

/// The program's own exit code; 128 and the signal's number if a signal ended it, as shells have it.
fn exit_code(status: process::ExitStatus) -> ExitCode {
    #[cfg(unix)]
    let signal = std::os::unix::process::ExitStatusExt::signal(&status);
    #[cfg(not(unix))]
    let signal: Option<i32> = None;
    let code = status.code().or(signal.map(|signal| 128 + signal)).unwrap_or(1);
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use strongroom_host::bindings::vault::exports::strongroom::vault::types::OneTimeCode;

    fn supplied(fields: &[(&str, &str)], code: Option<&str>) -> Supplied {
        Supplied {
            id: "cred_x".into(),
            name: "n".into(),
            values: fields.iter().map(|(field, value)| (field.to_string(), value.to_string())).collect(),
            sso_provider: None,
            totp: code.map(|code| OneTimeCode { code: code.into(), expires_at: 0, period: 30, valid_for_seconds: 3 }),
        }
    }

    #[test]
    fn fields_become_variables() {
        let supplied = supplied(&[("user name", "u"), ("pass-wörd", "p=1")], Some("012345"));
        let variables = to_variables(&supplied).unwrap();
        let expected = [
            ("STRONGROOM_VALUE_PASS_W_RD", "p=1"),
            (CODE_VARIABLE, "012345"),
            (CODE_LIFE_VARIABLE, "3"),
            ("STRONGROOM_VALUE_USER_NAME", "u"),
        ];
        assert_eq!(variables, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    }

    #[test]
    fn fields_that_collide_are_refused() {
        for fields in [&[("a-b", "1"), ("a_b", "2")][..], &[("nul", "\0")]] {
            assert!(to_variables(&supplied(fields, None)).is_err());
        }
    }

    #[test]
    fn the_object_for_standard_input_holds_everything() {
        let json = to_json(&supplied(&[("a-b", "1\n"), ("a_b", "2")], Some("012345")));
        let object: serde_json::Value = serde_json::from_str(&json).unwrap();
        let expected = serde_json::json!({
            "id": "cred_x", "name": "n", "values": { "a-b": "1\n", "a_b": "2" }, "totp_code": "012345",
            "totp_valid_for_seconds": 3
        });
        assert_eq!(object, expected);
    }
}
