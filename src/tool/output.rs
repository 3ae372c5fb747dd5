//! The output schema: every field that a result of these actions can have, and none required, as the actions differ.

use super::Actions;
use crate::json::Object;

/// A credential's fields that lists show too.
const LISTED: &str = r#""id":{"type":"string"},"name":{"type":"string"},"domain":{"type":"string"},"additional_domains":{"type":"array","items":{"type":"string"}},"description":{"type":"string"},"archived":{"type":"boolean","description":"switched off: gives no codes and no logins"},"created_at":{"type":"string"},"updated_at":{"type":"string"},"version":{"type":"integer"},"has_values":{"type":"boolean"},"has_totp_secret":{"type":"boolean"},"sso_provider":{"type":"string"},"totp_algorithm":{"type":"string"},"totp_digits":{"type":"integer"},"totp_period":{"type":"integer"},"totp_encoder":{"type":"string"},"weak_totp_secret":{"type":"boolean"}"#;

/// What single credentials have beside it.
const SINGLE: &str = r#""value_keys":{"type":"array","items":{"type":"string"},"description":"names of the stored values"},"metadata":{"type":"object","additionalProperties":{"type":"string"}}"#;
const CODE_OF_CHANGE: &str = r#""totp_code":{"type":"string","description":"the current code, when totp_secret was just set"},"totp_code_expires_at":{"type":"string"}"#;
const PAGE: &str = r#""has_more":{"type":"boolean"},"next_offset":{"type":"integer","description":"offset of the next page, 0 on the last"}"#;
const CODE: &str = r#""code":{"type":"string"},"expires_at":{"type":"string"},"period":{"type":"integer"},"valid_for_seconds":{"type":"integer"}"#;
const DELETION: &str = r#""deleted":{"type":"boolean"}"#;

/// Writes the members of the output schema for these actions.
pub fn write(schema: &mut Object<'_>, actions: Actions) {
    schema.text("type", "object");
    schema.object("properties", |properties| {
        let changed = Actions::CREATE.with(Actions::UPDATE);
        if actions.contains(Actions::LIST) {
            properties.object("items", |items| {
                items.text("type", "array");
                items.object("items", |item| {
                    item.text("type", "object");
                    item.object("properties", |fields| fields.members(LISTED));
                });
            });
            properties.members(PAGE);
        }
        if actions.contains(changed.with(Actions::GET)) {
            properties.members(LISTED);
            properties.members(SINGLE);
        } else if actions.contains(Actions::DELETE) {
            properties.members(r#""id":{"type":"string"}"#);
        }
        if actions.contains(changed) {
            properties.members(CODE_OF_CHANGE);
        }
        if actions.contains(Actions::TOTP_CODE) {
            properties.members(CODE);
        }
        if actions.contains(Actions::DELETE) {
            properties.members(DELETION);
        }
    });
}
