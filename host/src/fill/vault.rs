//! The component as the place where values come from, and where a login is recorded.

use super::record::Step;
use crate::bindings::vault::exports::strongroom::vault::login::{Begun, FilledStep};
use crate::bindings::vault::exports::strongroom::vault::types::{CodeOptions as Wishes, Error};
use crate::component::Component;
use crate::instance::Services;
use strongroom::error::Code;
use strongroom_login::{CodeOptions, Refusal, SecretString, Supplied, Supplier};

/// One credential. Each question goes to a fresh instance.
pub struct Vault {
    component: Component,
    services: Services,
    id_or_name: String,
    /// That of the login, once it has begun and if it is recorded.
    event: Option<String>,
}

impl Vault {
    pub fn new(component: Component, services: Services, id_or_name: String) -> Self {
        Self { component, services, id_or_name, event: None }
    }

    /// Finds the credential, and is the same one on each page from here on, whatever has the name by then. From here on the
    /// login is recorded, too, where the settings want it.
    pub async fn begin(&mut self, browser: Option<&str>) -> Result<String, Refusal> {
        let begun = async {
            let mut instance = self.component.vault(&self.services).await.map_err(|error| broken(&error))?;
            let login = instance.exports.strongroom_vault_login();
            let begun = login.call_begin(instance.store.call(), &self.id_or_name, browser).await;
            begun.map_err(|error| broken(&error))?.map_err(refusal)
        };
        let Begun { id, event, .. } = begun.await?;
        self.id_or_name.clone_from(&id);
        self.event = event;
        Ok(id)
    }

    /// Records how it ended. It has ended whether that succeeds or not; what can't be completed still says that it began.
    pub async fn end(&self, outcome: &str, steps: Vec<Step>) {
        let Some(event) = &self.event else { return };
        let steps: Vec<_> =
            steps.into_iter().map(|step| FilledStep { origin: step.origin, filled: step.filled }).collect();
        let ended = async {
            let mut instance = self.component.vault(&self.services).await.map_err(|error| broken(&error))?;
            let login = instance.exports.strongroom_vault_login();
            let ended = login.call_end(instance.store.call(), event, outcome, &steps).await;
            ended.map_err(|error| broken(&error))?.map_err(refusal)
        };
        if let Err(refusal) = ended.await {
            tracing::error!(target: "strongroom", "the end of a login was not recorded: {}", refusal.code);
        }
    }
}

impl Supplier for Vault {
    async fn supply(&self, origin: &str, code: Option<CodeOptions>) -> Result<Supplied, Refusal> {
        let mut instance = self.component.vault(&self.services).await.map_err(|error| broken(&error))?;
        let login = instance.exports.strongroom_vault_login();
        let wishes = code.map(|code| Wishes {
            min_valid_seconds: u16::try_from(code.min_valid_seconds).unwrap_or(u16::MAX),
            exclusive: code.exclusive,
        });
        let event = self.event.as_deref();
        let supplied = login.call_supply(instance.store.call(), event, &self.id_or_name, origin, wishes).await;
        let supplied = supplied.map_err(|error| broken(&error))?.map_err(refusal)?;
        let has_code = supplied.totp.is_some();
        // Without wishes a code is made all the same, and forgotten here.
        let made = supplied.totp.map(|code| SecretString::new(code.code));
        Ok(Supplied {
            id: supplied.id,
            name: supplied.name,
            values: supplied.values.into_iter().map(|(field, value)| (field, SecretString::new(value))).collect(),
            has_code,
            code: made.filter(|_| code.is_some()),
        })
    }
}

/// The component's own words.
fn refusal(error: Error) -> Refusal {
    // Both lists are in one order, which a test of the core holds.
    let code = Code::ALL.get(error.code as usize).map_or("internal", |code| code.as_str());
    Refusal { code: code.to_owned(), message: error.message, retry_after_seconds: error.retry_after_seconds }
}

/// The component broke off.
fn broken(error: &dyn std::fmt::Display) -> Refusal {
    tracing::error!(target: "strongroom", "the component failed: {}", error.to_string().replace('\n', " "));
    Refusal::new(Code::Internal.as_str(), "the component broke off")
}
