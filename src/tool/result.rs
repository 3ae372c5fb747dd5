//! What a call of a tool gives back.

use super::{Actions, Tool};
use crate::error::{Code, Error, Result};
use alloc::format;
use alloc::string::String;

/// The outcome of a call, for any protocol.
pub struct ToolResult {
    /// What the model reads: the JSON of the answer, or what went wrong and what to do about it.
    pub text: String,
    /// Whether [`ToolResult::text`] tells an error. If not, it is a JSON object, the structured content too.
    pub is_error: bool,
}

impl ToolResult {
    /// The structured content. Errors have none: some clients hold it against the output schema even then.
    pub fn structured(&self) -> Option<&str> {
        (!self.is_error).then_some(self.text.as_str())
    }
}

/// Arguments that name no action.
pub(super) fn refused(error: &Error) -> ToolResult {
    ToolResult { text: format!("Error: {}", error.message()), is_error: true }
}

/// What an action answered. `actions` are those the model can be pointed to.
pub(super) fn of(tool: Tool, action: Actions, actions: Actions, answer: Result<String>) -> ToolResult {
    match answer {
        Ok(json) => ToolResult { text: json, is_error: false },
        Err(error) => failed(tool, action, actions, &error),
    }
}

fn failed(tool: Tool, action: Actions, actions: Actions, error: &Error) -> ToolResult {
    if error.code() == Code::BadRequest {
        return refused(error);
    }
    let (tool, code) = (tool.name(), error.code().as_str());
    let mut text = format!("Error in {tool} ({}): {} [code: {code}].", action.name(), error.message());
    if let Some(advice) = advice(error.code(), actions) {
        text.push(' ');
        text.push_str(advice);
    }
    if let Some(seconds) = error.retry_after_seconds() {
        text.push_str(&format!(" Try again in {seconds} s."));
    }
    ToolResult { text, is_error: true }
}

/// The next step, where there is one.
fn advice(code: Code, actions: Actions) -> Option<&'static str> {
    Some(match code {
        Code::NotFound if actions.contains(Actions::LIST) => "Action list shows the credentials there are.",
        Code::NameTaken if actions.contains(Actions::UPDATE) => {
            "Take another name, or change the existing credential with action update."
        }
        Code::TotpNotConfigured if actions.contains(Actions::UPDATE) => {
            "Action update with totp_secret sets one, if you were given it."
        }
        Code::TotpNotConfigured => "Its owner has to add the TOTP secret.",
        Code::OutcomeUnknown if actions.contains(Actions::GET) => {
            "Look with action get whether it happened before you repeat it."
        }
        Code::Forbidden => "This connection may not do that: do not retry, tell the user.",
        Code::Archived => "It stays so until a person switches it on again: tell the user.",
        Code::KeyMismatch
        | Code::KeyUnavailable
        | Code::FormatTooNew
        | Code::StorageCorrupt
        | Code::StorageUninitialised
        | Code::Misconfigured
        | Code::ClockUnset
        | Code::Internal => "Whoever runs the vault has to repair this: do not retry, tell the user.",
        _ => return None,
    })
}
