//! What a tool says of itself: the important first, all of it below the 1024 characters that the strictest client takes.

use super::{Actions, Tool};
use alloc::string::String;

const LINES: [(Actions, &str); 6] = [
    (
        Actions::LIST,
        "list: finds credentials, oldest first; narrow it with origin (the page you are on), query or domain; go on with offset.",
    ),
    (Actions::GET, "get: one credential, with the names of its stored values."),
    (Actions::TOTP_CODE, "totp_code: the current one-time code; ask right before it is typed in."),
    (
        Actions::CREATE,
        "create: needs name, domain and values. The secret of one-time codes goes into totp_secret, not into values.",
    ),
    (Actions::UPDATE, "update: changes what is given and nothing else."),
    (Actions::DELETE, "delete: removes a credential."),
];

/// The description of a tool with these actions.
pub fn of(tool: Tool, actions: Actions) -> String {
    let mut text = String::from(match tool {
        Tool::Find => "Looks up website logins and changes nothing.",
        Tool::Manage if actions.reading() == actions => "Looks up website logins.",
        Tool::Manage => "Manages website logins.",
    });
    text.push_str(
        " Stored passwords and TOTP secrets are never shown: the login flow on the host's side fills them in. Actions:",
    );
    for (_, line) in LINES.iter().filter(|(action, _)| actions.contains(*action)) {
        text.push('\n');
        text.push_str(line);
    }
    text
}
