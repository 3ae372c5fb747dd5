//! JSON-RPC 2.0, as far as MCP uses it: one message a request, no batches.

use super::Response;
use crate::error::Error;
use crate::json::{Json, Members, Object, object};
use alloc::borrow::{Cow, ToOwned};
use alloc::format;
use alloc::string::{String, ToString};

/// A message of a client.
pub enum Message {
    Request {
        id: Id,
        method: String,
        params: Members,
    },
    Notification,
    /// An answer to a request of ours. We never send any.
    Response,
}

/// The id of a request; comes back in its answer.
#[derive(Clone)]
pub enum Id {
    Number(i64),
    Text(String),
}

impl Message {
    /// The error is the id of what is no message, where one can be told.
    pub fn read(body: Json) -> Result<Self, Option<Id>> {
        let mut members = Members::of(body).ok_or(None)?;
        let is_notification = !members.has_any("id");
        let id = match members.take("id") {
            Some(Json::Number(number)) => number.whole().map(Id::Number),
            Some(Json::Text(text)) => Some(Id::Text(text.expose().to_owned())),
            _ => None,
        };
        let version = members.text("jsonrpc").ok().flatten();
        if version.as_deref() != Some("2.0") {
            return Err(id);
        }
        let method = match members.take("method") {
            Some(Json::Text(method)) => Some(method.expose().to_owned()),
            None if members.has_any("result") || members.has_any("error") => return Ok(Self::Response),
            _ => None,
        };
        let params = match members.take("params") {
            None => Some(Members::default()),
            Some(params) => Members::of(params),
        };
        match (id, method, params) {
            (_, Some(_), Some(_)) if is_notification => Ok(Self::Notification),
            (Some(id), Some(method), Some(params)) => Ok(Self::Request { id, method, params }),
            (id, ..) => Err(id),
        }
    }
}

/// An error of the protocol. Its message holds no part of the request.
pub struct Fault {
    pub code: i16,
    message: Cow<'static, str>,
    /// JSON.
    data: Option<String>,
}

impl Fault {
    pub const INVALID_REQUEST: Self =
        Self::new(-32600, "the body must be one JSON-RPC 2.0 request or notification; batches are not supported");
    pub const METHOD_NOT_FOUND: Self = Self::new(-32601, "this server has no such method");

    const fn new(code: i16, message: &'static str) -> Self {
        Self { code, message: Cow::Borrowed(message), data: None }
    }

    pub fn parse(error: Error) -> Self {
        Self { code: -32700, message: error.message().to_owned().into(), data: None }
    }

    pub const fn invalid_params(message: &'static str) -> Self {
        Self::new(-32602, message)
    }

    pub const fn header_mismatch(message: &'static str) -> Self {
        Self::new(-32020, message)
    }

    /// `data` is a JSON object.
    pub fn unsupported_version(data: String) -> Self {
        Self { data: Some(data), ..Self::new(-32022, "this server does not speak that revision of the protocol") }
    }
}

/// What a request is answered with.
pub enum Reply {
    /// JSON.
    Result(String),
    Fault(Fault),
}

impl Reply {
    pub fn result(json: String) -> Self {
        Self::Result(json)
    }

    pub fn fault(fault: Fault) -> Self {
        Self::Fault(fault)
    }

    /// Without an id, `null` stands in its place: the request's could not be read.
    pub fn into_response(self, id: Option<&Id>, status: u16) -> Response {
        let body = object(|root| {
            root.text("jsonrpc", "2.0");
            match id {
                None => root.raw("id", "null"),
                Some(Id::Number(number)) => root.raw("id", &number.to_string()),
                Some(Id::Text(text)) => root.text("id", text),
            }
            match &self {
                Self::Result(json) => root.raw("result", json),
                Self::Fault(fault) => root.object("error", |error| fault.write(error)),
            }
        });
        Response::json(status, body)
    }
}

impl Fault {
    fn write(&self, error: &mut Object<'_>) {
        error.raw("code", &format!("{}", self.code));
        error.text("message", &self.message);
        if let Some(data) = &self.data {
            error.raw("data", data);
        }
    }
}
