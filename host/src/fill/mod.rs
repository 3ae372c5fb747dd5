//! Logins in a browser with what the vault releases: the component's `supply` decides, `strongroom-login` fills, and
//! nobody in between sees a value.

mod arguments;
mod operator;
mod places;
mod record;
pub mod tool;
mod vault;

pub use arguments::Arguments;
pub use operator::{Browsers, Policies};

use crate::component::Component;
use crate::instance::Services;
use places::Place;
use places::Places;
use std::time::Duration;
use strongroom::error::Code;
use strongroom_login::{Answer, Browser, Failure, Request};
use vault::Vault;

/// How long the end waits for logins: as long as one may take, and some seconds for clearing the page and the record.
const FINISH_TIMEOUT: Duration = Duration::from_secs(Request::MAX_TIMEOUT.as_secs() + 10);

/// The browsers that logins are made in, and what the operator allows there.
pub struct Fills {
    browsers: Browsers,
    policies: Policies,
    places: Places,
}

impl Fills {
    pub fn new(browsers: Browsers, policies: Policies) -> Self {
        Self { browsers, policies, places: Places::default() }
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
        let found = self.browsers.find(arguments.browser.as_deref());
        let browser_name = found.as_ref().ok().map(|(name, _)| (*name).to_owned());
        let place = match self.places.take(caller) {
            Ok(place) => place,
            Err(why) => {
                let busy = Failure { retry_after_seconds: Some(1), ..Failure::new(Code::Contended.as_str(), why) };
                let result = Err(busy);
                record::log(caller, browser_name.as_deref(), None, &result);
                return result;
            }
        };
        let login = Login {
            browser: found.map(|(_, browser)| browser.clone()),
            browser_name,
            caller: caller.to_owned(),
            policies: self.policies.clone(),
            place: Some(place),
        };
        fill(component, services, login, arguments).await
    }

    /// Lets none begin any more, and waits for those that are running, of callers that have gone, too: at most for
    /// [`FINISH_TIMEOUT`].
    pub async fn finish(&self) {
        if tokio::time::timeout(FINISH_TIMEOUT, self.places.close()).await.is_err() {
            tracing::warn!(target: "strongroom", "some logins did not end in time");
        }
    }
}

/// Where a login is made, and for whom.
pub struct Login {
    /// Or why there is none, which is recorded like every failure.
    pub browser: Result<Browser, Failure>,
    /// The operator's name of it, for the log and the audit.
    pub browser_name: Option<String>,
    /// Whoever asks, for the log.
    pub caller: String,
    pub policies: Policies,
    /// Held as long as it runs.
    pub place: Option<Place>,
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
        let mut vault = Vault::new(component, services, arguments.credential);
        let (result, id) = match vault.begin(login.browser_name.as_deref()).await {
            Ok(id) => {
                let policy = login.policies.of(&id);
                let result = match login.browser {
                    Ok(browser) => strongroom_login::fill(&browser, &arguments.request, &policy, &vault).await,
                    Err(failure) => Err(failure),
                };
                vault.end(record::outcome(&result), record::steps(&result)).await;
                (result, Some(id))
            }
            Err(refusal) => (Err(refusal.into()), None),
        };
        record::log(&login.caller, login.browser_name.as_deref(), id.as_deref(), &result);
        drop(login.place);
        result
    });
    running.await.unwrap_or_else(|_| Err(Failure::new("internal", "the login broke off")))
}
