//! Where values come from. This crate knows no vault: whoever calls it brings one.

use crate::secret::SecretString;

/// Releases values for the page of an origin, and only for those that may have them.
pub trait Supplier: Sync {
    /// Asked with the origin that a document itself states, as a browser serialises it (`https://accounts.example.com`,
    /// `null`). It is the only rule about origins: it is asked for the page, for the pages around it, and for where a
    /// form sends its values; its answer is kept no longer than one step takes.
    ///
    /// `code` says how a one-time code is wanted; without it no code need be made, and none may be used up.
    fn supply(&self, origin: &str, code: Option<CodeOptions>)
    -> impl Future<Output = Result<Supplied, Refusal>> + Send;
}

/// How a one-time code is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CodeOptions {
    /// How long it must stay valid.
    pub min_valid_seconds: u32,
    /// Whether no other exclusive caller may get the same.
    pub exclusive: bool,
}

/// What a login form needs.
pub struct Supplied {
    /// The credential's id and name, for the answer.
    pub id: String,
    pub name: String,
    /// Pairs of field name and value.
    pub values: Vec<(String, SecretString)>,
    /// Whether the credential has one-time codes.
    pub has_code: bool,
    /// The current one, if it was asked for.
    pub code: Option<SecretString>,
}

/// Why nothing was released. Code and message are passed on as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub code: String,
    pub message: String,
    /// When it may be asked again, in seconds.
    pub retry_after_seconds: Option<u32>,
}

impl Refusal {
    /// The code that says no to an origin. Any other ends the call.
    pub const ORIGIN: &'static str = "origin_refused";

    pub fn new(code: &str, message: &str) -> Self {
        Self { code: code.to_owned(), message: message.to_owned(), retry_after_seconds: None }
    }
}
