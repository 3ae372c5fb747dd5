//! Why a call did not do what it was asked for.

use crate::answer::{Page, Step};
use crate::supplier::Refusal;
use serde_json::{Value, json};

/// The codes of this crate. Those of the supplier come on top.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    BadRequest,
    OriginRefused,
    InsecureTransport,
    FormLeavesDomain,
    NotALoginForm,
    FieldTypeRefused,
    NoFields,
    AmbiguousFields,
    AmbiguousPage,
    PageNotFound,
    DocumentChanged,
    FillUnconfirmed,
    BrowserUnavailable,
}

impl Code {
    pub const fn as_str(self) -> &'static str {
        match self {
            Code::BadRequest => "bad_request",
            Code::OriginRefused => Refusal::ORIGIN,
            Code::InsecureTransport => "insecure_transport",
            Code::FormLeavesDomain => "form_leaves_domain",
            Code::NotALoginForm => "not_a_login_form",
            Code::FieldTypeRefused => "field_type_refused",
            Code::NoFields => "no_fields",
            Code::AmbiguousFields => "ambiguous_fields",
            Code::AmbiguousPage => "ambiguous_page",
            Code::PageNotFound => "page_not_found",
            Code::DocumentChanged => "document_changed",
            Code::FillUnconfirmed => "fill_unconfirmed",
            Code::BrowserUnavailable => "browser_unavailable",
        }
    }

    /// The code that is written like this in the script's answers.
    pub(crate) fn from_script(code: &str) -> Self {
        match code {
            "document_changed" => Code::DocumentChanged,
            "field_type_refused" => Code::FieldTypeRefused,
            "form_leaves_domain" => Code::FormLeavesDomain,
            _ => Code::FillUnconfirmed,
        }
    }

    /// What is said when there is no more to say than what the code means and what to do next.
    const fn message(self) -> &'static str {
        match self {
            Code::BadRequest => "an argument is not what it must be",
            Code::OriginRefused => "the credential does not belong to the origin of this page",
            Code::InsecureTransport => {
                "the page's certificate is missing, invalid or not that of its host; open the page anew without \
                 intercepting its requests"
            }
            Code::FormLeavesDomain => {
                "the form sends its values to an origin that the credential does not belong to, or not over https"
            }
            Code::NotALoginForm => "the form is not for logging in: it sets or changes a password, or shows its values",
            Code::FieldTypeRefused => "a value does not belong into a field of this kind",
            Code::NoFields => "the page shows no field of a login; go to the page that does, or name the fields",
            Code::AmbiguousFields => "several fields could be meant; name them by `fields`",
            Code::AmbiguousPage => "several pages could be meant; name one by `page`",
            Code::PageNotFound => "no open page has this id or exactly this URL",
            Code::DocumentChanged => "the page changed while it was looked at; try again when it is at rest",
            Code::FillUnconfirmed => {
                "the page did not keep what was written, or has no button that sends it; nothing was left in it"
            }
            Code::BrowserUnavailable => "the browser does not answer as it should",
        }
    }
}

/// A call that ended early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// One of [`Code`], or one of the supplier.
    pub code: String,
    /// What it means and what to do next. Holds no text of the page and no part of the request.
    pub message: String,
    /// When it may be tried again, in seconds, if that is known.
    pub retry_after_seconds: Option<u32>,
    /// With `ambiguous_page`: those that could be meant.
    pub pages: Vec<Page>,
    /// What had been done by then.
    pub steps: Vec<Step>,
    /// The origin of the document that it is about, if it is about one. For the operator's records: not in the answer.
    pub origin: Option<Box<str>>,
}

impl Failure {
    pub(crate) fn with_message(code: Code, message: &str) -> Self {
        Self::new(code.as_str(), message)
    }

    /// A failure that is about no page.
    pub fn new(code: &str, message: &str) -> Self {
        let (code, message) = (code.to_owned(), message.to_owned());
        Self { code, message, retry_after_seconds: None, pages: Vec::new(), steps: Vec::new(), origin: None }
    }

    /// The same about a document, unless it is about another.
    pub(crate) fn at(mut self, origin: &str) -> Self {
        self.origin.get_or_insert_with(|| origin.into());
        self
    }

    pub(crate) fn is(&self, code: Code) -> bool {
        self.code == code.as_str()
    }

    /// `{code, message}`, and `retry_after_seconds`, `pages` and `steps` if there are any.
    pub fn to_json(&self) -> Value {
        let mut object = json!({ "code": self.code, "message": self.message });
        if let Some(seconds) = self.retry_after_seconds {
            object["retry_after_seconds"] = seconds.into();
        }
        if !self.pages.is_empty() {
            object["pages"] = self.pages.iter().map(Page::to_json).collect();
        }
        if !self.steps.is_empty() {
            object["steps"] = self.steps.iter().map(Step::to_json).collect();
        }
        object
    }
}

impl From<Code> for Failure {
    fn from(code: Code) -> Self {
        Self::with_message(code, code.message())
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self { retry_after_seconds: refusal.retry_after_seconds, ..Self::new(&refusal.code, &refusal.message) }
    }
}

pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;
