//! The MCP server at `/mcp`: streamable HTTP without sessions, in both eras of the protocol.
//!
//! JSON-RPC by hand: the SDK would make the component many times larger. `message` reads and writes it, `eras` says
//! what differs between 2026-07-28 and the revisions with a handshake, `hosts` refuses web pages of others, `metadata`
//! tells clients how to authenticate.
//!
//! The way of a request: host and origin, token, method, body, era, method of the protocol. Up to the body errors are
//! those of the REST API, after it JSON-RPC's; what is wrong with a tool's arguments is a result of the tool.

mod eras;
mod hosts;
mod message;
mod metadata;

pub use metadata::METADATA_PATH;

use super::{Request, Response, auth};
use crate::access::Principal;
use crate::actions::Vault;
use crate::credential::CredentialId;
use crate::error::{Code, Error, Result};
use crate::json::{self, Json, Members};
use crate::platform::Platform;
use crate::seal::Project;
use crate::settings::{self, Settings};
use crate::tool::{self, Actions, Call, Tool, ToolResult};
use core::cell::Cell;
use eras::Era;
use message::{Fault, Message, Reply};

/// Where it is served.
pub const PATH: &str = "/mcp";

const NAME: &str = "strongroom";
const TITLE: &str = "Strongroom";
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Answers any request for [`PATH`].
pub fn respond(platform: Platform<'_>, settings: &dyn Settings, request: &Request<'_>) -> Result<Response> {
    let host = hosts::check(settings, request)?;
    let (principal, project) = match auth::authenticate(platform.clock, settings, request) {
        Err(error) if error.code() == Code::Unauthorized => return Ok(metadata::unauthorized(&host)),
        known => known?,
    };
    // After the token: clients look for how to authenticate with any method.
    if request.method != "POST" {
        let mut response = Response::error(&Error::new(Code::MethodNotAllowed, "the MCP endpoint is for POST only"));
        response.add("allow", "POST");
        return Ok(response);
    }
    auth::check_project(&project, request)?;
    if !accepts_json(request) {
        let mut response = Response::error(&Error::bad_request("the answer is JSON: accept: application/json"));
        response.status = 406;
        return Ok(response);
    }
    let body = match request.json() {
        Err(error) if error.code() == Code::BadRequest => {
            return Ok(Reply::fault(Fault::parse(error)).into_response(None, 400));
        }
        body => body?,
    };
    let server = Server { platform, settings, principal: &principal, project: &project, found: Cell::new(None) };
    let mut response = server.answer(request, body);
    super::name_credential(&mut response, server.found.get());
    Ok(response)
}

/// The metadata of RFC 9728, for whoever looks for a way to authenticate.
pub fn describe(settings: &dyn Settings, request: &Request<'_>) -> Result<Response> {
    Ok(metadata::respond(&hosts::check(settings, request)?))
}

/// A client that sends no `accept` takes anything (RFC 9110, section 12.5.1).
fn accepts_json(request: &Request<'_>) -> bool {
    let mut ranges = request
        .headers
        .iter()
        .filter(|(name, _)| name == "accept")
        .flat_map(|(_, value)| core::str::from_utf8(value).unwrap_or_default().split(','))
        .map(|range| range.split(';').next().unwrap_or_default().trim())
        .filter(|range| !range.is_empty())
        .peekable();
    let is_json = |range: &str| {
        ["application/json", "application/*", "*/*"].iter().any(|known| range.eq_ignore_ascii_case(known))
    };
    ranges.peek().is_none() || ranges.any(is_json)
}

/// The server as one caller sees it.
struct Server<'a> {
    platform: Platform<'a>,
    settings: &'a dyn Settings,
    principal: &'a Principal,
    project: &'a Project,
    /// The credential that a call was about.
    found: Cell<Option<CredentialId>>,
}

impl Server<'_> {
    fn answer(&self, request: &Request<'_>, body: Json) -> Response {
        let (message, era) = match Message::read(body) {
            Ok(message) => {
                let era = Era::of(request, &message);
                (message, era)
            }
            Err(id) => return Reply::fault(Fault::INVALID_REQUEST).into_response(id.as_ref(), 400),
        };
        match message {
            // There is nothing that a notification could change here.
            Message::Notification => match era.check_version(request) {
                Ok(()) => Response::empty(202),
                Err(fault) => Reply::fault(fault).into_response(None, 400),
            },
            Message::Response if era == Era::Handshake => Response::empty(202),
            Message::Response => Reply::fault(Fault::INVALID_REQUEST).into_response(None, 400),
            Message::Request { id, method, mut params } => {
                let reply = era
                    .check(request, &method, &mut params)
                    .and_then(|()| self.call(era, &method, params))
                    .unwrap_or_else(Reply::fault);
                let status = era.status(&reply);
                reply.into_response(Some(&id), status)
            }
        }
    }

    fn call(&self, era: Era, method: &str, mut params: Members) -> Result<Reply, Fault> {
        match (method, era) {
            ("initialize", Era::Handshake) => {
                let offered = params.text("protocolVersion").ok().flatten().unwrap_or_default();
                Ok(eras::initialize(&offered))
            }
            ("ping", Era::Handshake) => Ok(Reply::result("{}".into())),
            ("server/discover", Era::Stateless) => Ok(eras::discover()),
            ("tools/list", _) => {
                // All tools are on the first page, so no cursor was ever given out.
                if !matches!(params.take("cursor"), None | Some(Json::Null)) {
                    return Err(Fault::invalid_params("there is no page with this cursor"));
                }
                Ok(eras::tools(era, &tool::list(self.allowed())))
            }
            ("tools/call", _) => {
                let name = params.text("name").ok().flatten();
                let name = name.ok_or_else(|| Fault::invalid_params("params.name must be a string"))?;
                let tool = Tool::find(&name, self.allowed());
                let tool = tool.ok_or_else(|| Fault::invalid_params("there is no tool of this name for this token"))?;
                Ok(eras::tool_result(era, &self.run(tool, arguments(params.take("arguments")))))
            }
            _ => Err(Fault::METHOD_NOT_FOUND),
        }
    }

    fn run(&self, tool: Tool, arguments: Result<Members>) -> ToolResult {
        let call = match Call::read(tool, self.allowed(), arguments) {
            Ok(call) => call,
            Err(result) => return result,
        };
        let sealer = settings::sealer(self.settings, self.project.clone());
        let vault = sealer
            .as_ref()
            .map_err(Clone::clone)
            .map(|sealer| Vault::new(self.platform, sealer, self.principal).with_settings(self.settings));
        let result = call.run(vault.as_ref().map_err(Clone::clone));
        self.found.set(vault.ok().and_then(|vault| vault.found()));
        result
    }

    fn allowed(&self) -> Actions {
        Actions::allowed(self.principal)
    }
}

/// The arguments of a call. Some models send the object as text.
fn arguments(given: Option<Json>) -> Result<Members> {
    let refused = || Error::bad_request("arguments must be an object");
    match given {
        None | Some(Json::Null) => Ok(Members::default()),
        Some(Json::Text(text)) => json::parse(text.expose().as_bytes()).ok().and_then(Members::of).ok_or_else(refused),
        Some(other) => Members::of(other).ok_or_else(refused),
    }
}

#[cfg(any(test, feature = "fuzzing"))]
pub(super) mod tests;
