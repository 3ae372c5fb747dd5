//! The answers of the actions as JSON: the objects of the REST API. Fields that are not set are absent.

use super::writer::{Array, Object, array, object};
use crate::actions::{AuditPage, CredentialView, Page, Rewrapping, Supplied, Sweeping, Verification};
use crate::error::Error;
use crate::time::Timestamp;
use crate::totp::{Encoder, OneTimeCode};
use alloc::string::String;

/// A single credential.
pub fn credential(view: &CredentialView) -> String {
    object(|root| credential_members(root, view))
}

/// The credentials of a page as an array; paging is told elsewhere.
pub fn credentials(page: &Page) -> String {
    array(|items| credential_elements(items, page))
}

/// A page as an object: `items`, `has_more`, and `next_offset`, which is 0 on the last page.
pub fn page(page: &Page) -> String {
    object(|root| {
        root.array("items", |items| credential_elements(items, page));
        root.flag("has_more", page.next_offset.is_some());
        root.number("next_offset", page.next_offset.unwrap_or(0).into());
    })
}

/// A one-time code.
pub fn totp_code(code: &OneTimeCode) -> String {
    object(|root| totp_code_members(root, code))
}

/// What a login form needs. **The only answer that holds stored values.**
pub fn supplied(supplied: &Supplied) -> String {
    object(|root| {
        root.text("id", &supplied.id);
        root.text("name", &supplied.name);
        root.object("values", |values| {
            for (key, value) in supplied.values.iter() {
                values.text(key, value.expose());
            }
        });
        root.optional_text("sso_provider", supplied.sso_provider.as_deref());
        if let Some(code) = &supplied.totp {
            root.object("totp", |totp| totp_code_members(totp, code));
        }
    })
}

/// Versions of a credential as an array.
pub fn versions(versions: &[CredentialView]) -> String {
    array(|items| versions.iter().for_each(|view| items.object(|item| credential_members(item, view))))
}

/// Events of the audit, and where to go on.
pub fn audit_page(page: &AuditPage) -> String {
    object(|root| {
        root.array("events", |events| {
            for entry in &page.entries {
                events.object(|event| {
                    event.text("at", &entry.at.to_rfc3339());
                    event.text("token", &entry.token);
                    event.text("action", &entry.action);
                    event.optional_text("credential", entry.credential.as_deref());
                    if let Some(version) = entry.version {
                        event.number("version", version);
                    }
                    event.text("outcome", &entry.outcome);
                    event.optional_text("request_id", entry.request_id.as_deref());
                    event.optional_text("browser", entry.browser.as_deref());
                    if !entry.steps.is_empty() {
                        event.array("steps", |steps| {
                            for step in &entry.steps {
                                steps.object(|object| {
                                    object.text("origin", &step.origin);
                                    object.array("filled", |filled| {
                                        for word in &step.filled {
                                            filled.text(word);
                                        }
                                    });
                                });
                            }
                        });
                    }
                });
            }
        });
        root.optional_text("next", page.next.as_deref());
    })
}

/// What a verification has found.
pub fn verification(step: &Verification) -> String {
    let report = &step.report;
    object(|root| {
        for (name, number) in [
            ("credentials", report.credentials),
            ("versions", report.versions),
            ("deleted", report.deleted),
            ("events", report.events),
            ("depth", report.depth),
            ("nodes", report.nodes),
            ("bodies", report.bodies),
            ("claims", report.claims),
            ("garbage", report.garbage),
            ("orphans", report.orphans),
            ("bytes", report.bytes),
        ] {
            root.number(name, number);
        }
        root.object("keys", |keys| report.keys.0.iter().for_each(|(id, sealed)| keys.number(id, *sealed)));
        root.optional_text("next", step.next.as_deref());
    })
}

/// What a sweep has done.
pub fn sweeping(step: &Sweeping) -> String {
    object(|root| {
        root.number("examined", step.swept.examined);
        root.number("deleted", step.swept.deleted);
        root.number("expired", step.expired);
        root.optional_text("next", step.next.as_deref());
    })
}

/// What a rewrap has done.
pub fn rewrapping(step: &Rewrapping) -> String {
    object(|root| {
        root.number("rewrapped", step.rewrapped);
        root.optional_text("next", step.next.as_deref());
    })
}

/// From when on exclusive codes are to be had.
pub fn availability(available_at: Timestamp) -> String {
    object(|root| root.text("available_at", &available_at.to_rfc3339()))
}

/// That a credential is gone.
pub fn deletion(id: &str) -> String {
    object(|root| {
        root.text("id", id);
        root.flag("deleted", true);
    })
}

/// `code`, `message`, and when to try again where that is known.
pub fn error(error: &Error) -> String {
    object(|root| {
        root.text("code", error.code().as_str());
        root.text("message", error.message());
        if let Some(seconds) = error.retry_after_seconds() {
            root.number("retry_after_seconds", seconds.into());
        }
    })
}

fn credential_elements(items: &mut Array<'_>, page: &Page) {
    for view in &page.items {
        items.object(|item| credential_members(item, view));
    }
}

fn credential_members(root: &mut Object<'_>, view: &CredentialView) {
    root.text("id", &view.id);
    root.text("name", &view.name);
    root.text("domain", &view.domain);
    if !view.additional_domains.is_empty() {
        root.array("additional_domains", |array| view.additional_domains.iter().for_each(|host| array.text(host)));
    }
    root.optional_text("description", view.description.as_deref());
    if !view.metadata.is_empty() {
        root.object("metadata", |object| view.metadata.iter().for_each(|(key, text)| object.text(key, text)));
    }
    if view.is_archived {
        root.flag("archived", true);
    }
    root.text("created_at", &view.created_at.to_rfc3339());
    root.text("updated_at", &view.updated_at.to_rfc3339());
    root.number("version", view.version);
    root.flag("has_values", view.has_values);
    if let Some(keys) = &view.value_keys {
        root.array("value_keys", |array| keys.iter().for_each(|key| array.text(key)));
    }
    root.flag("has_totp_secret", view.totp.is_some());
    root.optional_text("sso_provider", view.sso_provider.as_deref());
    if let Some(totp) = view.totp {
        root.text("totp_algorithm", totp.algorithm().as_str());
        root.number("totp_digits", totp.digits().into());
        root.number("totp_period", totp.period().into());
        if totp.encoder() == Encoder::Steam {
            root.text("totp_encoder", "steam");
        }
    }
    if view.weak_totp_secret {
        root.flag("weak_totp_secret", true);
    }
    if let Some((code, expires_at)) = &view.totp_code {
        root.text("totp_code", code);
        root.text("totp_code_expires_at", &expires_at.to_rfc3339());
    }
    if let Some(ended_at) = view.ended_at {
        root.text("ended_at", &ended_at.to_rfc3339());
    }
}

fn totp_code_members(root: &mut Object<'_>, code: &OneTimeCode) {
    root.text("code", &code.code);
    root.text("expires_at", &code.expires_at.to_rfc3339());
    root.number("period", code.period.into());
    root.number("valid_for_seconds", code.valid_for_seconds.into());
}
