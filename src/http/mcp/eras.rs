//! The two eras of the protocol.
//!
//! Since 2026-07-28 every request says its revision and the client's capabilities in `_meta`, and repeats what routers
//! need in headers. Before, a handshake (`initialize`) settled the revision; as there are no sessions here, it only
//! answers. Which era a request is of follows from its revision alone: clients of the earlier ones put other things into
//! `_meta` and offer later revisions in their handshake.

use super::message::{Fault, Message, Reply};
use super::{NAME, Request, TITLE, ToolResult, VERSION};
use crate::json::{Json, Members, Object, object};
use crate::tool::INSTRUCTIONS;
use alloc::borrow::ToOwned;
use base64ct::{Base64, Encoding};

/// The revision without a handshake.
const STATELESS: &str = "2026-07-28";
/// Those with one, newest first.
const HANDSHAKE: [&str; 4] = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];

const META_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const META_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
const META_SERVER: &str = "io.modelcontextprotocol/serverInfo";

const VERSION_HEADER: &str = "mcp-protocol-version";
const METHOD_HEADER: &str = "mcp-method";
const NAME_HEADER: &str = "mcp-name";

/// How long a client may keep a list: a token's scopes change by replacing the token.
const TTL_MS: u64 = 300_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Era {
    Handshake,
    Stateless,
}

impl Era {
    /// A request is of the earlier era unless a header or `_meta` names a revision that has no handshake.
    pub fn of(request: &Request<'_>, message: &Message) -> Self {
        let in_meta = match message {
            Message::Request { params, .. } => matches!(
                params.peek("_meta"),
                Some(Json::Object(meta)) if meta.iter().any(|(name, _)| name == META_VERSION)
            ),
            _ => false,
        };
        let is_earlier = |value: &[u8]| HANDSHAKE.iter().any(|known| known.as_bytes() == value.trim_ascii());
        let mut versions = request.headers.iter().filter(|(name, _)| name == VERSION_HEADER);
        if in_meta || versions.any(|(_, value)| !is_earlier(value)) { Self::Stateless } else { Self::Handshake }
    }

    /// The version that the header names; all that a notification must have right.
    pub fn check_version(self, request: &Request<'_>) -> Result<(), Fault> {
        match (self, header(request, VERSION_HEADER)?) {
            (Self::Stateless, Some(version)) if version != STATELESS => Err(unsupported(version)),
            _ => Ok(()),
        }
    }

    /// What the era wants of a request beside its method's own parameters.
    pub fn check(self, request: &Request<'_>, method: &str, params: &mut Members) -> Result<(), Fault> {
        let version = header(request, VERSION_HEADER)?;
        if self == Self::Handshake {
            return Ok(());
        }
        let (in_method, in_name) = (header(request, METHOD_HEADER)?, header(request, NAME_HEADER)?);
        let mut meta = params.take("_meta").and_then(Members::of).unwrap_or_default();
        let (revision, capabilities) = (meta.take(META_VERSION), meta.take(META_CAPABILITIES));
        let revision = match (revision, version) {
            (Some(Json::Text(revision)), _) => revision.expose().to_owned(),
            (None, Some(version)) if version != STATELESS => return Err(unsupported(version)),
            _ => {
                return Err(Fault::invalid_params(
                    "params._meta must hold io.modelcontextprotocol/protocolVersion, a string",
                ));
            }
        };
        if !matches!(capabilities, Some(Json::Object(_))) {
            return Err(Fault::invalid_params(
                "params._meta must hold io.modelcontextprotocol/clientCapabilities, an object",
            ));
        }
        if version != Some(revision.as_str()) {
            return Err(Fault::header_mismatch("MCP-Protocol-Version must equal the protocol version in params._meta"));
        }
        if in_method != Some(method) {
            return Err(Fault::header_mismatch("Mcp-Method must equal the method of the request"));
        }
        let name = match method {
            "tools/call" | "prompts/get" => params.shown("name"),
            "resources/read" => params.shown("uri"),
            _ => None,
        };
        if name.is_some_and(|name| !in_name.is_some_and(|value| names(value, name))) {
            return Err(Fault::header_mismatch("Mcp-Name must equal the name in params"));
        }
        if revision != STATELESS { Err(unsupported(&revision)) } else { Ok(()) }
    }

    /// The status of a request's answer. In the earlier era every answer is one of JSON-RPC's, whatever it says.
    pub fn status(self, reply: &Reply) -> u16 {
        match (self, reply) {
            (_, Reply::Result(_)) => 200,
            (_, Reply::Fault(fault)) if fault.code == -32020 => 400,
            (Self::Handshake, _) => 200,
            (Self::Stateless, Reply::Fault(fault)) if fault.code == -32601 => 404,
            (Self::Stateless, Reply::Fault(_)) => 400,
        }
    }

    /// Adds what every result of the era has.
    fn complete(self, root: &mut Object<'_>) {
        if self == Self::Stateless {
            root.text("resultType", "complete");
            root.object("_meta", |meta| meta.object(META_SERVER, server_info));
        }
    }

    /// The same for what may be kept. What a token sees is for nobody else.
    fn complete_cacheable(self, root: &mut Object<'_>) {
        self.complete(root);
        if self == Self::Stateless {
            root.number("ttlMs", TTL_MS);
            root.text("cacheScope", "private");
        }
    }
}

/// The answer to `initialize`: the revision that the client offers, if it has a handshake, else our newest that has.
pub fn initialize(offered: &str) -> Reply {
    let version = HANDSHAKE.into_iter().find(|known| *known == offered).unwrap_or(HANDSHAKE[0]);
    Reply::result(object(|root| {
        root.text("protocolVersion", version);
        capabilities(root);
        root.object("serverInfo", server_info);
        root.text("instructions", INSTRUCTIONS);
    }))
}

/// The answer to `server/discover`.
pub fn discover() -> Reply {
    Reply::result(object(|root| {
        root.array("supportedVersions", versions);
        capabilities(root);
        root.text("instructions", INSTRUCTIONS);
        Era::Stateless.complete_cacheable(root);
    }))
}

/// The answer to `tools/list`; `tools` is JSON.
pub fn tools(era: Era, tools: &str) -> Reply {
    Reply::result(object(|root| {
        root.raw("tools", tools);
        era.complete_cacheable(root);
    }))
}

/// The answer to `tools/call`.
pub fn tool_result(era: Era, result: &ToolResult) -> Reply {
    Reply::result(object(|root| {
        root.array("content", |content| {
            content.object(|text| {
                text.text("type", "text");
                text.text("text", &result.text);
            });
        });
        if let Some(json) = result.structured() {
            root.raw("structuredContent", json);
        }
        root.flag("isError", result.is_error);
        era.complete(root);
    }))
}

fn capabilities(root: &mut Object<'_>) {
    root.object("capabilities", |all| all.object("tools", |_| ()));
}

fn server_info(info: &mut Object<'_>) {
    info.text("name", NAME);
    info.text("title", TITLE);
    info.text("version", VERSION);
}

fn versions(array: &mut crate::json::Array<'_>) {
    array.text(STATELESS);
    HANDSHAKE.into_iter().for_each(|version| array.text(version));
}

/// Echoes the version, as the protocol wants it, if it is fit to be one: a date or a number.
fn unsupported(requested: &str) -> Fault {
    let is_fit = requested.len() <= 16
        && requested.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'v' | b'.' | b'-'));
    Fault::unsupported_version(object(|data| {
        data.array("supported", versions);
        data.text("requested", if is_fit { requested } else { "" });
    }))
}

/// A header that routers read: the first and the last reader of a repeated one would not agree.
fn header<'r>(request: &'r Request<'_>, name: &'static str) -> Result<Option<&'r str>, Fault> {
    request.header(name).map_err(|_| Fault::header_mismatch("the headers of MCP must be text and sent only once"))
}

/// Whether `Mcp-Name` says this name: as it is, or as `=?base64?...?=`, in canonical form only.
fn names(value: &str, name: &str) -> bool {
    let payload = value.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?="));
    payload.map_or(value == name, |payload| payload == Base64::encode_string(name.as_bytes()))
}
