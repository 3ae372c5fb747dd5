//! Logins in a browser with what the vault releases: the component's `supply` decides, `strongroom-login` fills, and
//! nobody in between sees a value.

mod arguments;
mod operator;
mod record;
pub mod tool;
mod vault;

pub use arguments::Arguments;
pub use operator::{Browsers, Policies, is_origin};

use crate::component::Component;
use crate::instance::Services;
use std::sync::Arc;
use strongroom::error::Code;
use strongroom_login::{Answer, Browser, Failure};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use vault::Vault;

/// Logins at a time. Each takes seconds, of which the component works milliseconds.
const MAX_FILLS: usize = 16;

/// The browsers that logins are made in, and what the operator allows there.
pub struct Fills {
    browsers: Browsers,
    policies: Policies,
    places: Arc<Semaphore>,
}

impl Fills {
    pub fn new(browsers: Browsers, policies: Policies) -> Self {
        Self { browsers, policies, places: Arc::new(Semaphore::new(MAX_FILLS)) }
    }

    /// Whether there is no browser to log in in.
    pub fn is_empty(&self) -> bool {
        self.browsers.is_empty()
    }

    /// Logs in with a credential in the browser that the arguments name. `services` say which project it is in and for whom
    /// it is asked, who needs the scope `fill`; `caller` is who that is, for the log.
    pub async fn run(
        &self,
        component: Component,
        services: Services,
        caller: &str,
        arguments: Arguments,
    ) -> Result<Answer, Failure> {
        let Ok(place) = self.places.clone().try_acquire_owned() else {
            return Err(Failure::new(Code::Contended.as_str(), "too many logins are running; nothing was filled"));
        };
        let (name, browser) = self.browsers.find(arguments.browser.as_deref())?;
        let login = Login {
            browser: browser.clone(),
            browser_name: Some(name.to_owned()),
            caller: caller.to_owned(),
            policies: self.policies.clone(),
            place: Some(place),
        };
        fill(component, services, login, arguments).await
    }

    /// Waits for the logins that are running, of callers that have gone, too. None takes much longer than a minute.
    pub async fn finish(&self) {
        let _ = self.places.acquire_many(MAX_FILLS as u32).await;
    }
}

/// Where a login is made, and for whom.
pub struct Login {
    pub browser: Browser,
    /// The operator's name of it, for the log and the audit.
    pub browser_name: Option<String>,
    /// Whoever asks, for the log.
    pub caller: String,
    pub policies: Policies,
    /// Held as long as it runs.
    pub place: Option<OwnedSemaphorePermit>,
}

/// Logs in with a credential.
///
/// One event of the audit stands for the whole call, where the settings want it: there before any value is given out, and
/// completed at the end. Runs to its end even if the caller goes away: values must not stay in a page.
pub async fn fill(
    component: Component,
    services: Services,
    login: Login,
    arguments: Arguments,
) -> Result<Answer, Failure> {
    let running = tokio::spawn(async move {
        let mut vault = Vault { component, services, id_or_name: arguments.credential };
        let begun = vault.begin(login.browser_name.as_deref()).await;
        let (result, id) = match begun {
            Ok(begun) => {
                // The same one on each page, whatever has the name by then.
                vault.id_or_name.clone_from(&begun.id);
                let policy = login.policies.of(&begun.id, &begun.name);
                let result = strongroom_login::fill(&login.browser, &arguments.request, &policy, &vault).await;
                if let Some(event) = begun.event {
                    vault.end(&event, record::outcome(&result), record::steps(&result)).await;
                }
                (result, Some(begun.id))
            }
            Err(failure) => (Err(failure), None),
        };
        record::log(&login.caller, login.browser_name.as_deref(), id.as_deref(), &result);
        drop(login.place);
        result
    });
    running.await.unwrap_or_else(|_| Err(Failure::new("internal", "the login broke off")))
}
