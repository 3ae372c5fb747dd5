//! The parts of a credential as types that can't hold an invalid value: whoever has one need not check it again.

mod additional_domains;
mod description;
mod domain;
mod id;
mod name;
mod punycode;
mod selector;
mod site;
mod sso_provider;
mod text;
mod values;

pub use additional_domains::AdditionalDomains;
pub use description::{Description, Metadata};
pub use domain::Domain;
pub use id::CredentialId;
pub use name::Name;
pub use selector::Selector;
pub(crate) use site::{HostError, Scheme, SiteUrl};
pub use sso_provider::SsoProvider;
pub use values::Values;
