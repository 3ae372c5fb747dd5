//! What is asked for, and what the operator allows.

use std::time::Duration;

/// What the caller asks for.
#[derive(Clone, Debug)]
pub struct Request {
    /// Target id or exact URL of the page; absent: the one page with a form that fits, or of several the one in front.
    pub page: Option<String>,
    /// At most [`Request::MAX_FIELDS`] fields by selector, for the first step, instead of recognising them.
    pub fields: Vec<FieldSelector>,
    /// Whether the form is sent too. If not, the values stay, masked, for [`KEPT`].
    pub submit: bool,
    /// How many pages may be filled, 1-[`Request::MAX_STEPS`].
    pub steps: usize,
    /// How long the whole call may take. Clearing fields afterwards may take some seconds more.
    pub timeout: Duration,
    /// Whether one-time codes are claimed, so that no other caller who does the same gets them.
    pub exclusive: bool,
}

impl Request {
    pub const MAX_FIELDS: usize = 16;
    pub const MAX_STEPS: usize = 4;
    pub const MAX_TIMEOUT: Duration = Duration::from_secs(60);
}

impl Default for Request {
    fn default() -> Self {
        Self {
            page: None,
            fields: Vec::new(),
            submit: true,
            steps: Self::MAX_STEPS,
            timeout: Duration::from_secs(20),
            exclusive: false,
        }
    }
}

/// How long values stay in a page when the form is not sent. The page's timer clears them, whatever becomes of us.
pub const KEPT: Duration = Duration::from_secs(60);

/// One field of the page.
#[derive(Clone, Debug)]
pub struct FieldSelector {
    /// The name of a stored value, or `totp` for the one-time code.
    pub field: String,
    /// A CSS selector that matches exactly one element in all frames of the page.
    pub selector: String,
}

/// What the operator allows for a credential beyond the rules. Never taken from the caller.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// A form in a frame may be filled even where pages around it have other origins.
    pub allow_embedded: bool,
    /// Origins that a form may send its values to although the credential does not belong there.
    pub allow_form_origins: Vec<String>,
    /// Ports other than the scheme's own on `localhost` and IP addresses, where another port is another program.
    pub allow_ports: Vec<u16>,
    /// Pages whose certificate the browser or we don't accept.
    pub allow_certificate_errors: bool,
}
