//! Who asks, and what they may do: scopes, restrictions, and the two settings that grant them.
//!
//! Every face makes a [`Principal`] of whoever calls it, and a vault belongs to one. What an action needs is said in
//! [`crate::actions::Action`]; what a restricted principal finds is decided where the actions find a credential.

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod grant;
mod principal;
mod restriction;
mod scope;
mod token;

pub use grant::{Grant, is_word};
pub use principal::Principal;
pub use restriction::Restriction;
pub use scope::{Scope, Scopes};
pub use token::{HASH_BYTES, TokenEntry, find, hash, parse_list};
