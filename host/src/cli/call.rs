//! `strongroom call`: one action of the tool, as a shell user would run it.

use super::Common;
use super::output::{line, pretty};
use super::setup::{Begin, block_on, open_prepared};
use anyhow::Context;
use clap::Args;
use std::io::Read;
use std::process::ExitCode;
use strongroom_host::{Result, plain};

#[derive(Args)]
pub struct Arguments {
    /// The request, such as '{"action":"list"}'; with - it is read from standard input, where secrets belong: other
    /// users of the machine can see arguments
    request: String,

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
    let setup = open_prepared(&arguments.common, Begin::IfNew)?;
    let answer = block_on(async {
        let mut instance = setup.instance().await?;
        let manage = instance.exports.strongroom_vault_manage();
        let answer = manage.call_manage(instance.store.call(), &request).await;
        answer.map_err(plain).context("the component broke off")
    })?;
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
