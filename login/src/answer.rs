//! What the caller is told: origins and words of ours. No text of the page, which is typed by others and may carry
//! instructions or tokens, and never a value.

use crate::role::Role;
use serde_json::{Value, json};

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: Status,
    /// Id and name of the credential.
    pub credential: (String, String),
    pub page: Page,
    pub steps: Vec<Step>,
    /// What the credential has and no page asked for.
    pub remaining: Vec<Role>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// All that was asked for went out. Whether the site accepted it is for the caller to see.
    Submitted,
    /// The values are in the page, masked, and will be cleared.
    Filled,
    /// It went out, and the page asks for the password again.
    AskedAgain,
    /// The page's fields are not those of the credential.
    NothingToFill,
}

/// A page of the browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The browser's id of its target.
    pub id: String,
    /// Empty where it is not known.
    pub origin: String,
}

/// One page that was filled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Of the document that was filled, which may be a frame.
    pub origin: String,
    pub filled: Vec<Role>,
    pub submitted: bool,
    pub values_left: ValuesLeft,
}

/// What became of the values in the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValuesLeft {
    /// The document is gone or its fields are empty.
    None,
    /// They were still there and were cleared.
    Cleared,
    /// They are there on purpose.
    Masked,
    /// The browser did not say. A timer in the page clears them if it can.
    Unknown,
}

impl Status {
    pub const fn as_str(self) -> &'static str {
        match self {
            Status::Submitted => "submitted",
            Status::Filled => "filled",
            Status::AskedAgain => "asked_again",
            Status::NothingToFill => "nothing_to_fill",
        }
    }
}

impl ValuesLeft {
    pub const fn as_str(self) -> &'static str {
        match self {
            ValuesLeft::None => "none",
            ValuesLeft::Cleared => "cleared",
            ValuesLeft::Masked => "masked",
            ValuesLeft::Unknown => "unknown",
        }
    }
}

impl Answer {
    /// The object that all faces answer.
    pub fn to_json(&self) -> Value {
        let (id, name) = &self.credential;
        json!({
            "status": self.status.as_str(),
            "credential": { "id": id, "name": name },
            "page": self.page.to_json(),
            "steps": self.steps.iter().map(Step::to_json).collect::<Vec<_>>(),
            "remaining": self.remaining.iter().map(Role::as_str).collect::<Vec<_>>(),
        })
    }
}

impl Page {
    pub(crate) fn to_json(&self) -> Value {
        json!({ "id": self.id, "origin": self.origin })
    }
}

impl Step {
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "origin": self.origin,
            "filled": self.filled.iter().map(Role::as_str).collect::<Vec<_>>(),
            "submitted": self.submitted,
            "values_left": self.values_left.as_str(),
        })
    }
}
