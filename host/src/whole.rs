//! Requests and answers as the export `http` of the component has them: in one piece.

use bytes::Bytes;
use http::header::{HOST, HeaderName, HeaderValue};
use http::{Request, Response, StatusCode};

/// A request.
pub(crate) struct Whole<'a> {
    pub method: &'a str,
    pub path_with_query: &'a str,
    pub headers: Vec<(&'a str, &'a [u8])>,
    pub body: &'a [u8],
}

impl<'a> Whole<'a> {
    /// An authority in the URI is the one that counts (RFC 9112, section 3.2.2). Without any it is an error.
    pub fn of(request: &'a Request<Bytes>) -> wasmtime::Result<Self> {
        let uri = request.uri();
        let mut headers = Vec::with_capacity(request.headers().len() + 1);
        match uri.authority() {
            Some(authority) => headers.push((HOST.as_str(), authority.as_str().as_bytes())),
            None => wasmtime::ensure!(request.headers().contains_key(HOST), "the request names no authority"),
        }
        let given = request.headers().iter().filter(|(name, _)| *name != HOST || uri.authority().is_none());
        headers.extend(given.map(|(name, value)| (name.as_str(), value.as_bytes())));
        let path_with_query = uri.path_and_query().map_or("/", |path| path.as_str());
        Ok(Self { method: request.method().as_str(), path_with_query, headers, body: request.body() })
    }
}

/// An answer of the component.
pub(crate) fn response(
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
) -> wasmtime::Result<Response<Bytes>> {
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = StatusCode::from_u16(status)?;
    for (name, value) in headers {
        response.headers_mut().append(HeaderName::from_bytes(name.as_bytes())?, HeaderValue::try_from(value)?);
    }
    Ok(response)
}
