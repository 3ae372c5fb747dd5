//! Exports `credentials` and `manage`.

use super::bindings::exports::strongroom::vault::types::{CodeOptions, Credential, Error, OneTimeCode};
use super::bindings::exports::strongroom::vault::{credentials as wit, manage};
use super::convert::{code_options, secrets};
use super::{Component, perform, with_vault};
use crate::actions::{self, Action, Changes, ListQuery, NewCredential, PutCondition};
use crate::secret::SecretString;
use alloc::string::String;

impl wit::Guest for Component {
    fn list(query: wit::ListQuery) -> Result<wit::Page, Error> {
        let query = ListQuery {
            domain: query.domain,
            query: query.query,
            origin: query.origin,
            archived: query.archived,
            deleted: query.deleted,
            limit: query.limit.map(i64::from),
            offset: query.offset.map(i64::from),
        };
        let page = perform(Action::List, |vault| actions::list(vault, &query))?;
        Ok(wit::Page {
            items: page.items.into_iter().map(Credential::from).collect(),
            has_more: page.next_offset.is_some(),
            next_offset: page.next_offset,
        })
    }

    fn get(id_or_name: String) -> Result<Credential, Error> {
        Ok(perform(Action::Get, |vault| actions::get(vault, &id_or_name))?.into())
    }

    fn totp_code(id_or_name: String, options: Option<CodeOptions>) -> Result<OneTimeCode, Error> {
        Ok(perform(Action::TotpCode, |vault| actions::totp_code(vault, &id_or_name, code_options(options)))?.into())
    }

    fn create(credential: wit::NewCredential) -> Result<Credential, Error> {
        let new = credential.into();
        Ok(perform(Action::Create, |vault| actions::create(vault, new, None))?.into())
    }

    fn put(credential: wit::NewCredential, expected_version: Option<u64>) -> Result<Credential, Error> {
        let new = credential.into();
        let condition = expected_version.map_or(PutCondition::Always, PutCondition::Version);
        Ok(perform(Action::Put, |vault| actions::put(vault, new, condition))?.0.into())
    }

    fn update(id_or_name: String, changes: wit::Changes) -> Result<Credential, Error> {
        let changes = Changes {
            name: changes.name,
            domain: changes.domain,
            additional_domains: changes.additional_domains,
            description: changes.description,
            metadata: changes.metadata,
            archived: changes.archived,
            values: changes.values.map(secrets),
            remove_value_keys: changes.remove_value_keys,
            sso_provider: changes.sso_provider,
            totp_secret: changes.totp_secret.map(SecretString::new),
            totp_algorithm: changes.totp_algorithm.map(Into::into),
            totp_digits: changes.totp_digits.map(i64::from),
            totp_period: changes.totp_period.map(i64::from),
            expected_version: changes.expected_version,
        };
        Ok(perform(Action::Update, |vault| actions::update(vault, &id_or_name, &changes))?.into())
    }

    fn delete(id_or_name: String, expected_version: Option<u64>) -> Result<String, Error> {
        Ok(perform(Action::Delete, |vault| actions::delete(vault, &id_or_name, expected_version))?)
    }
}

impl manage::Guest for Component {
    fn manage(request: String) -> Result<String, String> {
        let request = SecretString::new(request);
        with_vault(|vault| Ok(crate::manage::manage(vault, request.expose())))
            .unwrap_or_else(|error| Err(crate::manage::error_json(&error)))
    }
}

impl From<wit::NewCredential> for NewCredential {
    fn from(new: wit::NewCredential) -> Self {
        Self {
            name: new.name,
            domain: new.domain,
            additional_domains: new.additional_domains,
            description: new.description,
            metadata: new.metadata,
            archived: Some(new.archived),
            values: secrets(new.values),
            sso_provider: new.sso_provider,
            totp_secret: new.totp_secret.map(SecretString::new),
            totp_algorithm: new.totp_algorithm.map(Into::into),
            totp_digits: new.totp_digits.map(i64::from),
            totp_period: new.totp_period.map(i64::from),
        }
    }
}
