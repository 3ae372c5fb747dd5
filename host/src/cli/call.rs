//! `strongroom call`: one action of the tool, as a shell user would run it.

use super::Common;
use super::log::LogArguments;
use super::output::{line, pretty};
use super::setup::{Begin, Setup, block_on, open_prepared};
use anyhow::Context;
use clap::Args;
use serde_json::Value;
use std::io::Read;
use std::process::ExitCode;
use std::time::Instant;
use strongroom::actions::Action;
use strongroom::credential::CredentialId;
use strongroom::error::Code;
use strongroom::http::status;
use strongroom_host::access_log::{self, Access};
use strongroom_host::{Result, plain};

#[derive(Args)]
pub struct Arguments {
    /// The request, such as '{"action":"list"}'; with - it is read from standard input, where secrets belong: other
    /// users of the machine can see arguments
    request: String,

    #[command(flatten)]
    log: LogArguments,

    #[command(flatten)]
    common: Common,
}

pub fn run(arguments: Arguments) -> Result<ExitCode> {
    let request = match arguments.request.as_str() {
        "-" => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).context("standard input cannot be read")?;
            text
        }
        _ => arguments.request,
    };
    let log = arguments.log.start();
    let (answer, duration, credential) = block_on(async {
        let setup = open_prepared(&arguments.common, Begin::IfNew).await?;
        let start = Instant::now();
        let mut instance = setup.instance().await?;
        let manage = instance.exports.strongroom_vault_manage();
        let answer = manage.call_manage(instance.store.call(), &request).await;
        let answer = answer.map_err(plain).context("the component broke off")?;
        let duration = start.elapsed();
        let credential = credential(&setup, &request, &answer).await;
        setup.look_back().await?;
        Ok((answer, duration, credential))
    })?;
    let (route, status) = (route(&request), status(&answer));
    let (token, id) = (None, &access_log::new_id());
    Access { method: "call", route, status, duration, token, credential: credential.as_deref(), id }.log();
    // Before the answer, so that the two stand one after the other.
    drop(log);
    match answer {
        Ok(json) => {
            line(&pretty(&json))?;
            Ok(ExitCode::SUCCESS)
        }
        Err(json) => {
            eprintln!("{}", pretty(&json));
            Ok(ExitCode::FAILURE)
        }
    }
}

/// What was asked for, if it is one of the actions there are.
fn route(request: &str) -> &'static str {
    let request: Value = serde_json::from_str(request).unwrap_or_default();
    let named = request["action"].as_str().unwrap_or_default();
    let action = Action::ALL.into_iter().find(|action| action.name().eq_ignore_ascii_case(named));
    action.map_or("(other)", Action::name)
}

/// As over HTTP.
fn status(answer: &Result<String, String>) -> u16 {
    let Err(json) = answer else { return 200 };
    let json: Value = serde_json::from_str(json).unwrap_or_default();
    let code = Code::ALL.into_iter().find(|code| json["code"] == code.as_str());
    status::of(code.unwrap_or(Code::Internal))
}

/// The id of the credential that the request was about. If neither request nor answer says it, as with a code by name,
/// it is looked up.
async fn credential(setup: &Setup, request: &str, answer: &Result<String, String>) -> Option<String> {
    let parsed = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
    let request = parsed(request);
    let named = request["id_or_name"].as_str();
    let is_id = |text: &&str| CredentialId::parse(text).is_some();
    let answered = answer.as_ref().ok().map(|answer| parsed(answer)["id"].clone());
    let known = answered.as_ref().and_then(Value::as_str).filter(is_id).or(named.filter(is_id));
    if known.is_some() {
        return known.map(str::to_owned);
    }
    setup.id_of(named?).await
}
