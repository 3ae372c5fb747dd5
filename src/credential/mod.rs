//! The parts of a credential as types that can't hold an invalid value: whoever has one need not check it again.

mod domain;
mod id;
mod name;
mod selector;
mod site;
mod sso_provider;
mod values;

pub use domain::Domain;
pub use id::CredentialId;
pub use name::Name;
pub use selector::Selector;
pub(crate) use site::SiteUrl;
pub use sso_provider::SsoProvider;
pub use values::Values;

/// Whether the text holds a control character: U+0000 to U+001F and U+007F to U+009F.
fn has_control(text: &str) -> bool {
    text.chars().any(char::is_control)
}
