//! Logins in a browser with what the vault releases: the component's `supply` decides, `strongroom-login` fills, and
//! nobody in between sees a value.

mod arguments;
mod operator;
pub mod tool;
mod vault;

pub use arguments::Arguments;
pub use operator::{Browsers, Policies, is_origin};

use crate::component::Component;
use crate::instance::Services;
use strongroom_login::{Answer, Browser, Failure};
use vault::Vault;

/// Logs in with a credential. `services` say which project it is in and for whom it is asked.
///
/// Runs to its end even if the caller goes away: values must not stay in a page.
pub async fn fill(
    component: Component,
    services: Services,
    browser: Browser,
    policies: Policies,
    arguments: Arguments,
) -> Result<Answer, Failure> {
    let running = tokio::spawn(async move {
        let vault = Vault { component, services, id_or_name: arguments.credential };
        let (id, name) = vault.find().await?;
        let policy = policies.of(&id, &name);
        strongroom_login::fill(&browser, &arguments.request, &policy, &vault).await
    });
    running.await.unwrap_or_else(|_| Err(failure("internal", "the login broke off")))
}

/// A failure that is not the page's.
pub fn failure(code: &str, message: &str) -> Failure {
    Failure { code: code.to_owned(), message: message.to_owned(), pages: Vec::new(), steps: Vec::new() }
}
