//! How clients are told that tokens are static: the challenge of a 401, and protected-resource metadata (RFC 9728). There
//! is no authorization server, so no client can get a token by itself.

use super::hosts::Host;
use super::{PATH, Response, TITLE};
use crate::error::{Code, Error};
use crate::json::object;
use alloc::format;

/// Where the metadata of [`PATH`] is: RFC 9728, section 3.1.
pub const METADATA_PATH: &str = "/.well-known/oauth-protected-resource/mcp";

/// 401, with where to read on.
pub fn unauthorized(host: &Host) -> Response {
    let error = Error::new(
        Code::Unauthorized,
        "a known bearer token is required: it is a static token, made by whoever runs this vault; there is no login and \
         no registration",
    );
    let mut response = Response::error(&error);
    response.headers.retain(|(name, _)| *name != "www-authenticate");
    let url = host.url(METADATA_PATH);
    response.add("www-authenticate", format!(r#"Bearer realm="strongroom", resource_metadata="{url}""#));
    response
}

pub fn respond(host: &Host) -> Response {
    Response::json(
        200,
        object(|root| {
            root.text("resource", &host.url(PATH));
            root.text("resource_name", TITLE);
            root.array("bearer_methods_supported", |methods| methods.text("header"));
        }),
    )
}
