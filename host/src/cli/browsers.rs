//! The options that name browsers, and what credentials are allowed there.

use clap::Args;
use strongroom_host::Result;
use strongroom_host::fill::{Browsers, Policies};

/// Logins in browsers, for callers with the scope fill. A credential is named by its id or name.
#[derive(Args)]
pub struct Login {
    /// A browser's debugging port, such as agent=http://127.0.0.1:9222; can be repeated. Callers choose by the name only
    #[arg(long, value_name = "NAME=URL")]
    browser: Vec<String>,

    /// Fill a form in a frame though the pages around it have other origins; can be repeated, as the following
    #[arg(long, value_name = "CREDENTIAL")]
    allow_embedded: Vec<String>,

    /// Let the credential's form send its values to this origin too
    #[arg(long, value_name = "CREDENTIAL=ORIGIN")]
    allow_form_origin: Vec<String>,

    /// Fill pages of localhost and of addresses on this port, beside 80 and 443
    #[arg(long, value_name = "CREDENTIAL=PORT")]
    allow_port: Vec<String>,

    /// Fill pages whose certificate is missing or wrong
    #[arg(long, value_name = "CREDENTIAL")]
    allow_certificate_errors: Vec<String>,
}

impl Login {
    /// The browsers, and what is allowed there.
    pub fn read(self) -> Result<(Browsers, Policies)> {
        let browsers = Browsers::parse(self.browser.iter().map(String::as_str))?;
        let mut policies = Policies {
            embedded: self.allow_embedded.into_iter().collect(),
            certificate_errors: self.allow_certificate_errors.into_iter().collect(),
            ..Policies::default()
        };
        policies.allow_form_origins(self.allow_form_origin.iter().map(String::as_str))?;
        policies.allow_ports(self.allow_port.iter().map(String::as_str))?;
        Ok((browsers, policies))
    }
}
