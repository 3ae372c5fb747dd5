//! The tool `fill_login`, for servers of the host's own that have browsers.

use serde_json::{Value, json};
use strongroom::tool::ToolResult;
use strongroom_login::{Answer, Failure};

pub const NAME: &str = "fill_login";

/// As an item of the array `tools` of MCP's `tools/list`.
pub fn definition() -> Value {
    let text = |description: &str| json!({ "type": "string", "description": description });
    let step = json!({
        "type": "object",
        "properties": {
            "origin": { "type": "string" },
            "filled": { "type": "array", "items": { "type": "string" } },
            "submitted": { "type": "boolean" },
            "values_left": { "type": "string", "enum": ["none", "cleared", "masked", "unknown"] },
        },
        "required": ["origin", "filled", "submitted", "values_left"],
    });
    let named = |one: &str, two: &str| {
        json!({
            "type": "object",
            "properties": { (one): { "type": "string" }, (two): { "type": "string" } },
            "required": [one, two],
        })
    };
    json!({
        "name": NAME,
        "title": "Log in with a stored credential",
        "description":
            "Logs in on a page that is open in the browser: finds the login form, fills in the credential's user name, \
             password and one-time code, sends it, and goes on with the pages that follow. No value is shown. Open the \
             login page first. The answer says what was filled and sent, not whether the site accepted it: look at the \
             page afterwards. A refusal says what to do; never ask for the password instead.",
        "inputSchema": {
            "type": "object",
            "properties": {
                "credential": { "type": "string", "description": "Id or name of the credential." },
                "browser": text("Name of a configured browser. Absent: the only one."),
                "page": text("Target id or exact URL of the page. Absent: the one with a login form that fits."),
                "fields": {
                    "type": "array",
                    "description": "Only if the form is not recognised: which value goes into which field, 16 at most.",
                    "items": {
                        "type": "object",
                        "properties": {
                            "field": {
                                "type": "string",
                                "description": "Name of a stored value, or totp for the one-time code.",
                            },
                            "selector": {
                                "type": "string",
                                "description": "CSS selector that matches exactly one field.",
                            },
                        },
                        "required": ["field", "selector"],
                    },
                },
                "submit": {
                    "type": "boolean",
                    "description": "false: leave the form filled, masked, for a minute. Default true.",
                },
                "steps": {
                    "type": "integer", "minimum": 1, "maximum": 4,
                    "description": "How many pages may be filled, 1 to 4. Default 4.",
                },
                "timeout_seconds": {
                    "type": "integer", "minimum": 1, "maximum": 60, "description": "From 1 to 60. Default 20.",
                },
            },
            "required": ["credential"],
        },
        "outputSchema": {
            "type": "object",
            "properties": {
                "status": { "type": "string", "enum": ["submitted", "filled", "asked_again", "nothing_to_fill"] },
                "credential": named("id", "name"),
                "page": named("id", "origin"),
                "steps": { "type": "array", "items": step },
                "remaining": { "type": "array", "items": { "type": "string" } },
            },
            "required": ["status", "credential", "page", "steps", "remaining"],
        },
        "annotations": {
            "title": "Log in with a stored credential",
            "readOnlyHint": false, "destructiveHint": false, "idempotentHint": false, "openWorldHint": true,
        },
    })
}

/// The answer, or the failure, as the JSON that all faces answer.
pub fn result(result: &Result<Answer, Failure>) -> ToolResult {
    match result {
        Ok(answer) => ToolResult { text: answer.to_json().to_string(), is_error: false },
        Err(failure) => ToolResult { text: failure.to_json().to_string(), is_error: true },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_what_is_read() {
        let definition = definition();
        let mut taken: Vec<_> = definition["inputSchema"]["properties"].as_object().unwrap().keys().collect();
        taken.sort();
        let expected = ["browser", "credential", "fields", "page", "steps", "submit", "timeout_seconds"];
        assert_eq!(taken, expected);
        // Clients drop a tool, or all of them, for a property of two types.
        assert!(!definition.to_string().contains("null"));
    }
}
