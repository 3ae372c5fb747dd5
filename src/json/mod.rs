//! JSON (RFC 8259) in and out, for every face that speaks it.
//!
//! In: [`parse`] makes a small tree, [`Members`] takes typed fields out of it. No error holds any part of the input, so
//! the parser's own messages, which quote it, never leave. Out: [`Object`] writes members one by one.

mod answers;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod members;
mod requests;
mod tree;
mod writer;

pub use answers::{
    audit_page, availability, credential, credentials, deletion, error, page, rewrapping, supplied, sweeping,
    totp_code, verification, versions,
};
pub use members::Members;
pub use requests::{changes, code_options, list_query, new_credential, version};
pub use tree::{DEPTH_MAX, Json, VALUES_MAX, parse};
pub use writer::{Array, Object, array, object};
