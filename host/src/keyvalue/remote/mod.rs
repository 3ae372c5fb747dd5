//! What the stores on other machines have in common: how they are named, and TLS to them.

pub mod tls;
pub mod url;
