//! Every page: what is filled there, and what is refused.

use super::credential::{CODE, PASSWORD, USERNAME};

/// How a page ends.
pub enum End {
    /// Status; the steps as `username,password`; what became of the values of the last; what the good server must have
    /// got.
    Done(&'static str, &'static [&'static str], &'static str, &'static [&'static str]),
    /// The code; nothing was released, or at least nothing left the page.
    Refused(&'static str),
}
use End::{Done, Refused};

impl End {
    /// Whether a code is asked for.
    pub fn has_code(&self) -> bool {
        matches!(self, Done(_, steps, ..) if steps.iter().any(|step| step.contains("totp")))
    }
}

const BOTH: &[&str] = &["username,password"];
const UP: &[&str] = &[USERNAME, PASSWORD];

#[rustfmt::skip]
pub const PAGES: &[(&str, End)] = &[
    ("app.example.test/plain", Done("submitted", BOTH, "none", UP)),
    ("app.example.test/patched", Done("submitted", BOTH, "none", UP)),
    ("app.example.test/user-first", Done("submitted", &["username", "password"], "none", UP)),
    ("app.example.test/three", Done("submitted", &["username", "password", "totp"], "none", &[USERNAME, PASSWORD, CODE])),
    ("app.example.test/one-document", Done("submitted", &["username", "password"], "none", UP)),
    ("app.example.test/code", Done("submitted", &["totp"], "none", &[CODE])),
    ("app.example.test/masked-code", Done("submitted", &["totp"], "none", &["493 817"])),
    ("app.example.test/all-three", Done("submitted", &["username,password,totp"], "none", &[USERNAME, PASSWORD, CODE])),
    ("app.example.test/boxes", Done("submitted", &["totp"], "none", &[CODE])),
    ("app.example.test/boxes-auto", Done("submitted", &["totp"], "none", &[CODE])),
    ("app.example.test/boxes-paste", Done("submitted", &["totp"], "none", &[CODE])),
    ("app.example.test/react", Done("submitted", BOTH, "none", UP)),
    ("app.example.test/react-slow-button", Done("submitted", BOTH, "none", UP)),
    ("app.example.test/react-boxes", Done("submitted", &["totp"], "none", &[CODE])),
    ("app.example.test/vue", Done("submitted", BOTH, "none", UP)),
    ("app.example.test/shadow-open", Done("submitted", BOTH, "none", UP)),
    ("app.example.test/shadow-closed", Done("submitted", BOTH, "none", UP)),
    ("app.example.test/honeypots", Done("submitted", BOTH, "none", UP)),
    ("app.example.test/get-handled", Done("submitted", BOTH, "none", UP)),
    ("app.example.test/comment", Done("submitted", BOTH, "none", UP)),
    ("app.example.test/reveal", Done("submitted", BOTH, "none", UP)),
    ("app.example.test/no-form", Done("submitted", BOTH, "none", UP)),
    ("app.example.test/frame-same-site", Done("submitted", BOTH, "none", UP)),
    ("app.example.test/frame-good", Done("submitted", BOTH, "none", UP)),
    ("app.example.test/frame-srcdoc", Done("submitted", BOTH, "none", UP)),
    ("app.example.test/moves-focus", Done("submitted", BOTH, "none", UP)),
    ("app.example.test/moves-focus-frame", Done("submitted", BOTH, "none", UP)),
    ("app.example.test/readonly-user", Done("submitted", BOTH, "none", &[PASSWORD])),
    ("app.example.test/slow-fetch", Done("submitted", BOTH, "cleared", UP)),
    ("app.example.test/fails", Done("asked_again", BOTH, "none", UP)),
    ("app.example.test/fails-in-place", Done("asked_again", BOTH, "none", UP)),
    ("app.example.test/readonly-other", Refused("fill_unconfirmed")),
    ("app.example.test/no-button", Refused("fill_unconfirmed")),
    ("app.example.test/new-password", Refused("not_a_login_form")),
    ("app.example.test/registration", Refused("not_a_login_form")),
    ("app.example.test/change", Refused("not_a_login_form")),
    ("app.example.test/get", Refused("not_a_login_form")),
    ("app.example.test/elsewhere", Refused("form_leaves_domain")),
    ("app.example.test/formaction", Refused("form_leaves_domain")),
    ("app.example.test/http-action", Refused("form_leaves_domain")),
    ("app.example.test/turns-elsewhere", Refused("form_leaves_domain")),
    ("app.example.test/turns-at-submit", Refused("form_leaves_domain")),
    ("app.example.test/clobbered", Refused("form_leaves_domain")),
    ("app.example.test/revealed", Refused("field_type_refused")),
    ("app.example.test/newsletter", Refused("no_fields")),
    ("app.example.test/welcome", Refused("no_fields")),
    ("app.example.test/frame-evil", Refused("origin_refused")),
    ("evil.test/frame-good", Refused("origin_refused")),
    ("app.example.test/frame-deep", Refused("origin_refused")),
    ("app.example.test/frame-sandbox", Refused("origin_refused")),
    ("app.example.test/csp-sandbox", Refused("origin_refused")),
    ("evil.test/plain", Refused("origin_refused")),
    ("evil.test/patched", Refused("origin_refused")),
    ("example.test.evil.test/plain", Refused("origin_refused")),
    ("users.host.test/plain", Refused("origin_refused")),
    ("app.example.test/navigates-on-focus", Done("submitted", BOTH, "none", UP)),
    // They are at the other site before the call begins.
    ("app.example.test/redirects-to-evil", Refused("origin_refused")),
    ("app.example.test/to-evil-on-load", Refused("origin_refused")),
    ("wrong.example.test/plain", Refused("insecure_transport")),
];
