//! Exports `wasi:http/incoming-handler` and `http`: two ways in and out of one function.

use super::Component;
use super::bindings::exports::strongroom::vault::http as whole;
use super::bindings::exports::wasi::http::incoming_handler::{Guest, IncomingRequest, ResponseOutparam};
use super::bindings::wasi::http::types::{Fields, Method, OutgoingBody, OutgoingResponse};
use super::bindings::wasi::io::streams::StreamError;
use super::platform::{Bucket, HostRandom, HostSettings, WallClock};
use crate::http::{self, BodyError, Request, Response};
use crate::platform::Platform;
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

/// Largest request body: 128 KiB of values, escaped as badly as JSON can, and some.
const BODY_MAX_BYTES: usize = 1024 * 1024;
/// Asked for at a time.
const READ_BYTES: u64 = 64 * 1024;
/// What `blocking-write-and-flush` takes at most.
const WRITE_MAX_BYTES: usize = 4096;

impl Guest for Component {
    fn handle(request: IncomingRequest, response_out: ResponseOutparam) {
        let method = request.method();
        let path_with_query = request.path_with_query().unwrap_or_else(|| "/".to_owned());
        let mut headers = request.headers().entries();
        // Hosts take this header out of the others.
        if let Some(authority) = request.authority()
            && !headers.iter().any(|(name, _)| name == "host")
        {
            headers.push(("host".to_owned(), authority.into_bytes()));
        }
        let request = Request {
            method: method_name(&method),
            path_with_query: &path_with_query,
            headers: &headers,
            body: read_body(request),
        };
        send(respond(&request), response_out);
    }
}

impl whole::Guest for Component {
    fn respond(
        method: String,
        path_with_query: String,
        headers: Vec<(String, Vec<u8>)>,
        body: Vec<u8>,
    ) -> whole::Response {
        let body = if body.len() > BODY_MAX_BYTES { Err(BodyError::TooLarge) } else { Ok(body) };
        let response =
            respond(&Request { method: &method, path_with_query: &path_with_query, headers: &headers, body });
        let headers = response.headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        whole::Response { status: response.status, headers, body: response.body }
    }
}

fn respond(request: &Request<'_>) -> Response {
    let bucket = Bucket::default();
    let platform = Platform { store: &bucket, clock: &WallClock, random: &HostRandom };
    http::respond(platform, &HostSettings, request)
}

fn method_name(method: &Method) -> &str {
    match method {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Delete => "DELETE",
        Method::Connect => "CONNECT",
        Method::Options => "OPTIONS",
        Method::Trace => "TRACE",
        Method::Patch => "PATCH",
        Method::Other(name) => name,
    }
}

fn read_body(request: IncomingRequest) -> Result<Vec<u8>, BodyError> {
    let body = request.consume().map_err(|()| BodyError::Incomplete)?;
    let stream = body.stream().map_err(|()| BodyError::Incomplete)?;
    let mut bytes = Vec::new();
    loop {
        match stream.blocking_read(READ_BYTES) {
            Ok(chunk) if bytes.len() + chunk.len() > BODY_MAX_BYTES => return Err(BodyError::TooLarge),
            Ok(chunk) => bytes.extend_from_slice(&chunk),
            Err(StreamError::Closed) => return Ok(bytes),
            Err(StreamError::LastOperationFailed(_)) => return Err(BodyError::Incomplete),
        }
    }
}

/// Writes and finishes the body before the response is handed out, as long as the host takes it in one piece: hosts that
/// do not set TCP_NODELAY would stall it otherwise. What is larger is written afterwards, as nobody reads it before.
/// A client that went away is no error of ours, so failures are dropped.
fn send(response: Response, response_out: ResponseOutparam) {
    let headers = Fields::new();
    for (name, value) in &response.headers {
        let _ = headers.append(name, value.as_bytes());
    }
    let outgoing = OutgoingResponse::new(headers);
    let _ = outgoing.set_status_code(response.status);
    let Ok(body) = outgoing.body() else { return };
    let Ok(stream) = body.write() else { return };
    let fits = stream.check_write().is_ok_and(|permitted| permitted >= response.body.len() as u64);
    if fits {
        let _ = stream.write(&response.body);
        drop(stream);
        let _ = OutgoingBody::finish(body, None);
        ResponseOutparam::set(response_out, Ok(outgoing));
    } else {
        ResponseOutparam::set(response_out, Ok(outgoing));
        for chunk in response.body.chunks(WRITE_MAX_BYTES) {
            if stream.blocking_write_and_flush(chunk).is_err() {
                break;
            }
        }
        drop(stream);
        let _ = OutgoingBody::finish(body, None);
    }
}
