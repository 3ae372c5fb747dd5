//! What goes out.

use super::status;
use crate::error::{Code, Error};
use crate::json;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// A response. No cache may keep any of them: what they say is private and soon out of date.
#[derive(Clone)]
pub struct Response {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

impl Response {
    /// Without a body.
    pub fn empty(status: u16) -> Self {
        let mut response = Self { status, headers: Vec::with_capacity(6), body: Vec::new() };
        response.add("cache-control", "no-store");
        response
    }

    pub fn json(status: u16, json: String) -> Self {
        let mut response = Self::empty(status);
        response.add("content-type", "application/json");
        response.body = json.into_bytes();
        response
    }

    /// `{"code", "message"}` with the code's status, and what tells clients whether and when to try again.
    pub fn error(error: &Error) -> Self {
        let code = error.code();
        let mut response = Self::json(status::of(code), json::error(error));
        if code == Code::Unauthorized {
            response.add("www-authenticate", "Bearer");
        }
        if !code.is_transient() {
            // The official clients repeat 409 and 500 by themselves otherwise.
            response.add("x-should-retry", "false");
        }
        if let Some(seconds) = error.retry_after_seconds() {
            response.add("retry-after", seconds.to_string());
        }
        response
    }

    pub fn add(&mut self, name: &'static str, value: impl Into<String>) {
        self.headers.push((name, value.into()));
    }
}
