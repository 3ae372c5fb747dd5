//! The component as the place where values come from.

use super::failure;
use crate::bindings::vault::exports::strongroom::vault::types::{CodeOptions as Wishes, Error};
use crate::component::Component;
use crate::instance::Services;
use strongroom::error::Code;
use strongroom_login::{CodeOptions, Failure, Refusal, SecretString, Supplied, Supplier};

/// One credential. Each question goes to a fresh instance.
pub struct Vault {
    pub component: Component,
    pub services: Services,
    pub id_or_name: String,
}

impl Vault {
    /// Its id and name, by which the operator allows things.
    pub async fn find(&self) -> Result<(String, String), Failure> {
        let found = async {
            let mut instance = self.component.vault(&self.services).await.map_err(|error| broken(&error))?;
            let credentials = instance.exports.strongroom_vault_credentials();
            let found = credentials.call_get(instance.store.call(), &self.id_or_name).await;
            found.map_err(|error| broken(&error))?.map_err(refusal)
        };
        let found = found.await.map_err(|refusal| failure(&refusal.code, &refusal.message))?;
        Ok((found.id, found.name))
    }
}

impl Supplier for Vault {
    async fn supply(&self, origin: &str, code: Option<CodeOptions>) -> Result<Supplied, Refusal> {
        let mut instance = self.component.vault(&self.services).await.map_err(|error| broken(&error))?;
        let supply = instance.exports.strongroom_vault_supply();
        let wishes = code.map(|code| Wishes {
            min_valid_seconds: u16::try_from(code.min_valid_seconds).unwrap_or(u16::MAX),
            exclusive: code.exclusive,
        });
        let supplied = supply.call_supply(instance.store.call(), &self.id_or_name, origin, wishes).await;
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
    Refusal { code: code.to_owned(), message: error.message }
}

/// The component broke off.
fn broken(error: &dyn std::fmt::Display) -> Refusal {
    tracing::error!(target: "strongroom", "the component failed: {}", error.to_string().replace('\n', " "));
    Refusal { code: Code::Internal.as_str().to_owned(), message: "the component broke off".to_owned() }
}
