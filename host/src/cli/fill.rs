//! `strongroom fill`: a login in a running browser. The answer is JSON on standard output, whatever it is.

use super::log::{Log, LogFormat};
use super::output::{line, pretty};
use super::setup::{Begin, block_on, open_prepared};
use super::{Common, stop};
use anyhow::Context;
use clap::Args;
use std::process::ExitCode;
use std::time::Duration;
use strongroom_host::Result;
use strongroom_host::fill::{self, Login, Policies};
use strongroom_login::{Browser, Failure, FieldSelector, Request};

#[derive(Args)]
pub struct Arguments {
    /// Id or name of the credential
    credential: String,

    /// Address of the browser's debugging port, such as http://127.0.0.1:9222
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9222")]
    browser: String,

    /// Target id or exact URL of the page [default: the one with a form that fits]
    #[arg(long, value_name = "ID|URL")]
    page: Option<String>,

    /// Write a value, or totp for the one-time code, into the field that a CSS selector matches, instead of recognising
    /// the fields; can be repeated
    #[arg(long = "field", value_name = "FIELD=SELECTOR")]
    fields: Vec<String>,

    /// Leave the form unsent. The values stay in it, masked, for a minute
    #[arg(long)]
    no_submit: bool,

    /// How many pages may be filled, 1-4
    #[arg(long, value_name = "N", default_value_t = Request::MAX_STEPS)]
    steps: usize,

    /// How long it may take, 1-60 seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 20)]
    timeout: u64,

    /// Get a one-time code that no other exclusive caller gets
    #[arg(long)]
    exclusive: bool,

    #[command(flatten)]
    allowed: Allowed,

    #[command(flatten)]
    common: Common,
}

/// What this one login is allowed beyond the rules. The credential must be named by its id then.
#[derive(Args)]
struct Allowed {
    /// Fill a form in a frame though the pages around it have other origins
    #[arg(long)]
    allow_embedded: bool,

    /// Let the form send its values to this origin too; can be repeated
    #[arg(long, value_name = "ORIGIN")]
    allow_form_origin: Vec<String>,

    /// Fill pages of localhost and of addresses on this port, beside 80 and 443; can be repeated
    #[arg(long, value_name = "PORT")]
    allow_port: Vec<u16>,

    /// Fill pages whose certificate is missing or wrong
    #[arg(long)]
    allow_certificate_errors: bool,
}

pub fn run(arguments: Arguments) -> Result<ExitCode> {
    let browser = Browser::parse(&arguments.browser).context("--browser")?;
    let policies = arguments.allowed.policies(&arguments.credential)?;
    let request = Request {
        page: arguments.page,
        fields: arguments.fields.iter().map(|text| field(text)).collect::<Result<_>>()?,
        submit: !arguments.no_submit,
        steps: arguments.steps,
        timeout: Duration::from_secs(arguments.timeout),
        exclusive: arguments.exclusive,
    };
    let asked = fill::Arguments { credential: arguments.credential, browser: None, request };
    // A browser that is named by its address has no name; the audit calls the caller the host.
    let login = Login { browser: Ok(browser), browser_name: None, caller: "host".to_owned(), policies, place: None };
    let result = block_on(async {
        let setup = open_prepared(&arguments.common, Begin::No).await?;
        // What could not be recorded is said. The line of the login would only repeat the answer.
        let _log = Log::start(true, LogFormat::Text);
        let stop = stop::signal()?;
        tokio::spawn(async {
            stop.await;
            eprintln!("strongroom: first the login ends, and clears the page; once more ends the program at once");
        });
        let result = fill::fill(setup.component.clone(), setup.services.clone(), login, asked).await;
        setup.look_back().await?;
        Ok(result)
    })?;
    match result {
        Ok(answer) => {
            line(&pretty(&answer.to_json().to_string()))?;
            Ok(ExitCode::SUCCESS)
        }
        Err(failure) => {
            line(&pretty(&failure.to_json().to_string()))?;
            Ok(ExitCode::from(exit_code(&failure)))
        }
    }
}

/// `FIELD=SELECTOR`; selectors can hold `=`.
fn field(text: &str) -> Result<FieldSelector> {
    let (field, selector) = text.split_once('=').context("--field must have the form FIELD=SELECTOR")?;
    Ok(FieldSelector { field: field.to_owned(), selector: selector.to_owned() })
}

impl Allowed {
    /// All of it for the one credential, which must be named by its id then.
    fn policies(&self, credential: &str) -> Result<Policies> {
        let mut policies = Policies::default();
        if self.allow_embedded {
            policies.allow_embedded(credential)?;
        }
        if self.allow_certificate_errors {
            policies.allow_certificate_errors(credential)?;
        }
        self.allow_form_origin.iter().try_for_each(|origin| policies.allow_form_origin(credential, origin))?;
        self.allow_port.iter().try_for_each(|port| policies.allow_port(credential, *port))?;
        Ok(policies)
    }
}

/// 2: refused; 3: nothing to fill, or too much; 4: the browser; 1: all else.
fn exit_code(failure: &Failure) -> u8 {
    match failure.code.as_str() {
        "origin_refused" | "insecure_transport" | "form_leaves_domain" | "not_a_login_form" | "field_type_refused" => 2,
        "no_fields" | "ambiguous_fields" | "ambiguous_page" | "page_not_found" => 3,
        "browser_unavailable" | "browser_not_configured" | "document_changed" | "fill_unconfirmed" => 4,
        _ => 1,
    }
}
