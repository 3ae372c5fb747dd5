//! What comes in.

use super::uri;
use crate::error::{Code, Error, Result};
use crate::json::{self, Json, Members};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// Longest request id that is passed on.
const REQUEST_ID_MAX_BYTES: usize = 64;

/// A request whose body was read, as far as it goes.
pub struct Request<'a> {
    /// In upper case, as it was sent.
    pub method: &'a str,
    /// As it was sent, for instance `/credentials?limit=5`.
    pub path_with_query: &'a str,
    /// Names in lower case.
    pub headers: &'a [(String, Vec<u8>)],
    pub body: Result<Vec<u8>, BodyError>,
}

/// Why there is no body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// Larger than 1 MiB.
    TooLarge,
    /// The client or the host broke it off.
    Incomplete,
}

impl Request<'_> {
    /// Up to the query.
    pub fn path(&self) -> &str {
        self.path_with_query.split('?').next().unwrap_or_default()
    }

    /// The parameters of the query, decoded. Errors: `bad_request`.
    pub fn parameters(&self) -> Result<Parameters> {
        let query = self.path_with_query.split_once('?').map_or("", |(_, query)| query);
        uri::parameters(query).map(Parameters)
    }

    /// A header that may be sent once; `None` when it is not, or is empty. Errors: `bad_request` when it comes twice or
    /// is no UTF-8.
    pub fn header(&self, name: &'static str) -> Result<Option<&str>> {
        let mut values = self.headers.iter().filter(|(other, _)| other == name).map(|(_, value)| value);
        let (value, second) = (values.next(), values.next());
        if second.is_some() {
            return Err(Error::bad_request(format!("the header {name} must be sent only once")));
        }
        let Some(value) = value else { return Ok(None) };
        let text = core::str::from_utf8(value)
            .map_err(|_| Error::bad_request(format!("the header {name} must be text in UTF-8")))?;
        Ok(Some(text.trim()).filter(|text| !text.is_empty()))
    }

    /// The request's own id, if it is fit to be repeated in the answer and in logs.
    pub fn id(&self) -> Option<&str> {
        let id = self.header("x-request-id").ok()??;
        let is_sane = id.len() <= REQUEST_ID_MAX_BYTES
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'));
        is_sane.then_some(id)
    }

    /// The members of a body that need not be there; see [`Request::members`].
    pub fn members_or_none(&self) -> Result<Members> {
        if matches!(&self.body, Ok(body) if body.is_empty()) { Ok(Members::default()) } else { self.members() }
    }

    /// The members of the body, a JSON object. Errors: as [`Request::json`].
    pub fn members(&self) -> Result<Members> {
        Members::of(self.json()?).ok_or_else(|| Error::bad_request("the request must be a JSON object"))
    }

    /// The body. Errors: [`Code::UnsupportedMediaType`] when it is declared to be something else than JSON,
    /// [`Code::PayloadTooLarge`], [`Code::BadRequest`].
    pub fn json(&self) -> Result<Json> {
        if !self.header("content-type")?.is_none_or(is_json) {
            return Err(Error::new(
                Code::UnsupportedMediaType,
                "the body must be JSON: content-type: application/json",
            ));
        }
        match &self.body {
            Ok(body) => json::parse(body),
            Err(BodyError::TooLarge) => Err(Error::new(Code::PayloadTooLarge, "the body must be 1 MiB long at most")),
            Err(BodyError::Incomplete) => Err(Error::bad_request("the body must be complete")),
        }
    }
}

/// RFC 8259 and RFC 6839: `application/json` or `application/...+json`, with any parameters.
fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence.strip_prefix("application/").is_some_and(|subtype| subtype == "json" || subtype.ends_with("+json"))
}

/// Parameters of a query. Those that nobody asks for are ignored, and an empty one is not set: official clients write null
/// so.
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Errors: `bad_request` when it is there twice.
    pub fn text(&mut self, name: &'static str) -> Result<Option<String>> {
        let mut found = None;
        for (other, value) in &self.0 {
            if other == name && found.replace(value).is_some() {
                return Err(Error::bad_request(format!("{name} must be given only once")));
            }
        }
        Ok(found.cloned())
    }

    /// A decimal number; `rule` is what it must be, for the error. Bounds are checked by who uses it.
    pub fn whole_number(&mut self, name: &'static str, rule: &str) -> Result<Option<i64>> {
        let Some(text) = self.text(name)?.filter(|text| !text.is_empty()) else { return Ok(None) };
        let digits = text.strip_prefix('-').unwrap_or(&text);
        let number = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
        number.map(Some).ok_or_else(|| Error::bad_request(format!("{name} must be {rule}")))
    }

    pub fn flag(&mut self, name: &'static str) -> Result<Option<bool>> {
        match self.text(name)?.as_deref() {
            None | Some("") => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(_) => Err(Error::bad_request(format!("{name} must be true or false"))),
        }
    }
}
