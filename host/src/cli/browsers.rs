//! The options that name browsers, and what credentials are allowed there.

use anyhow::Context;
use clap::Args;
use strongroom_host::Result;
use strongroom_host::fill::{Browsers, Policies};

/// Logins in browsers, for callers with the scope fill. What a credential is allowed is said by its id, which no change of
/// names moves to another.
#[derive(Args)]
pub struct Login {
    /// A browser's debugging port, such as agent=http://127.0.0.1:9222; can be repeated. Callers choose by the name only
    #[arg(long, value_name = "NAME=URL")]
    browser: Vec<String>,

    /// Fill a form in a frame though the pages around it have other origins; for the credential of this id. Can be
    /// repeated, as the following
    #[arg(long, value_name = "ID")]
    allow_embedded: Vec<String>,

    /// Let the credential's form send its values to this origin too
    #[arg(long, value_name = "ID=ORIGIN")]
    allow_form_origin: Vec<String>,

    /// Fill pages of localhost and of addresses on this port, beside 80 and 443
    #[arg(long, value_name = "ID=PORT")]
    allow_port: Vec<String>,

    /// Fill pages whose certificate is missing or wrong
    #[arg(long, value_name = "ID")]
    allow_certificate_errors: Vec<String>,
}

impl Login {
    /// The browsers, and what is allowed there.
    pub fn read(self) -> Result<(Browsers, Policies)> {
        let browsers = Browsers::parse(self.browser.iter().map(String::as_str))?;
        let mut policies = Policies::default();
        self.allow_embedded.iter().try_for_each(|id| policies.allow_embedded(id))?;
        self.allow_certificate_errors.iter().try_for_each(|id| policies.allow_certificate_errors(id))?;
        for text in &self.allow_form_origin {
            let form = "--allow-form-origin must have the form ID=ORIGIN";
            let (id, origin) = text.split_once('=').context(form)?;
            policies.allow_form_origin(id, origin)?;
        }
        for text in &self.allow_port {
            let form = "--allow-port must have the form ID=PORT";
            let (id, port) = text.split_once('=').context(form)?;
            policies.allow_port(id, port.parse().context(form)?)?;
        }
        Ok((browsers, policies))
    }
}
