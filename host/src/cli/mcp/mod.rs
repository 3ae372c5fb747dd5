//! `strongroom mcp`: the tools for agents over standard input and output, the usual way for clients to start a local
//! server. No port and no token: whoever can start it on the state directory may. Works beside a running server.
//!
//! The tools and their results are the component's own (`strongroom::tool`), but for `fill_login`, which is the host's as it
//! has the browsers; the protocol is the SDK's.

use super::session::Session;
use super::setup::{Setup, block_on};
use super::{Common, browsers, one_line};
use anyhow::Context;
use clap::Args;
use rmcp::model::{
    CacheScope, CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, CustomRequest, CustomResult,
    ErrorCode, Implementation, JsonObject, ListToolsResult, PaginatedRequestParams, ServerCapabilities, ServerConfig,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler, ServiceExt};
use serde_json::Value;
use std::process::ExitCode;
use std::sync::Arc;
use strongroom::access::{Grant, Principal, Restriction, Scope, Scopes};
use strongroom::error::{Code, Error};
use strongroom::json::Members;
use strongroom::manage::error_json;
use strongroom::seal::Project;
use strongroom::tool::{self, Actions, Call, Tool, ToolResult};
use strongroom_host::Result;
use strongroom_host::fill::{self, Fills};

/// What the session is called in the log and the audit.
const NAME: &str = "mcp";
/// How long a client may keep the list of tools: it never changes while this runs.
const TTL_MS: u64 = 3_600_000;

#[derive(Args)]
pub struct Arguments {
    /// What the client may do, separated by commas: read (list, get), totp (codes), write (create, update, delete), fill
    /// (log in in a browser that --browser names)
    #[arg(long, value_name = "SCOPES", default_value = "read,totp")]
    scopes: String,

    #[command(flatten)]
    login: browsers::Login,

    #[command(flatten)]
    common: Common,
}

pub fn run(arguments: Arguments) -> Result<ExitCode> {
    let scopes = arguments.scopes.split(',').map(str::trim).collect::<Vec<_>>().join("+");
    let scopes = Scopes::parse(&scopes)
        .with_context(|| format!("--scopes: the scopes are {}", Scope::ALL.map(Scope::as_str).join(", ")))?;
    let (browsers, policies) = arguments.login.read()?;
    let fills = Some(Fills::new(browsers, policies)).filter(|fills| scopes.contains(Scope::Fill) && !fills.is_empty());
    let fills = fills.map(Arc::new);
    Project::parse(&arguments.common.project).context("--project must be 1-64 letters, digits, `.`, `_` or `-`")?;
    let grant = Grant { name: NAME.to_owned(), scopes, expiry: None, restriction: Restriction::NONE };
    let session = Session::new(arguments.common, &grant);
    // What is listed only follows the scopes, to which the component holds every call.
    let allowed = Actions::allowed(&Principal::from(grant));
    block_on(async {
        if let Err(error) = session.setup().await {
            // For who reads the client's log; the calls tell it to the others.
            eprintln!("strongroom: {}", one_line(&error));
        }
        // The SDK's errors can hold what the client sent, so they are not shown.
        let server = Server { session, allowed, fills: fills.clone() }.serve(rmcp::transport::stdio()).await;
        let server = server.map_err(|_| anyhow::anyhow!("the client did not begin as the protocol wants it"))?;
        let ended = server.waiting().await;
        // Values must not stay in a page because the client has gone.
        if let Some(fills) = fills {
            fills.finish().await;
        }
        ended.context("the session broke off")?;
        Ok(ExitCode::SUCCESS)
    })
}

/// The server of one client.
struct Server {
    session: Session,
    allowed: Actions,
    /// For a client with the scope `fill`, where there are browsers.
    fills: Option<Arc<Fills>>,
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new("strongroom", env!("CARGO_PKG_VERSION")).with_title("Strongroom"))
            .with_instructions(tool::INSTRUCTIONS)
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let own = self.fills.iter().map(|_| fill::tool::definition());
        let tools = serde_json::from_str(&tool::list(self.allowed))
            .map(|tools: Vec<Value>| Value::Array(tools.into_iter().chain(own).collect()))
            .and_then(serde_json::from_value)
            .map_err(|_| ErrorData::internal_error("the tools cannot be listed", None))?;
        let mut list = ListToolsResult::with_all_items(tools);
        list.ttl_ms = Some(TTL_MS);
        list.cache_scope = Some(CacheScope::Private);
        Ok(list)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let arguments = request.arguments.unwrap_or_default();
        let result = match (&self.fills, Tool::find(&request.name, self.allowed)) {
            (Some(fills), _) if request.name == fill::tool::NAME => self.log_in(fills, &arguments).await,
            (_, Some(tool)) => self.call(tool, arguments).await,
            _ => return Err(ErrorData::invalid_params("there is no tool of this name for this session", None)),
        };
        let text = vec![ContentBlock::text(result.text.as_str())];
        let structured = result.structured().and_then(|json| serde_json::from_str(json).ok());
        let mut answer = if result.is_error { CallToolResult::error(text) } else { CallToolResult::success(text) };
        answer.structured_content = structured;
        Ok(answer.into())
    }

    /// The SDK's own answer repeats the method.
    async fn on_custom_request(
        &self,
        _: CustomRequest,
        _: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        Err(ErrorData::new(ErrorCode::METHOD_NOT_FOUND, "this server has no such method", None))
    }
}

impl Server {
    async fn call(&self, tool: Tool, mut arguments: JsonObject) -> ToolResult {
        let read = check_numbers(&arguments)
            .and_then(|()| Members::parse(Value::Object(arguments.clone()).to_string().as_bytes()));
        let call = match Call::read(tool, self.allowed, read) {
            Ok(call) => call,
            Err(result) => return result,
        };
        arguments.insert("action".into(), call.action().into());
        let answer = self.manage(&Value::Object(arguments).to_string()).await;
        call.finish(answer)
    }

    /// The vault, or why there is none.
    async fn setup(&self) -> strongroom::error::Result<&Setup> {
        self.session.setup().await.map_err(|error| Error::new(Code::Misconfigured, one_line(&error)))
    }

    async fn log_in(&self, fills: &Fills, arguments: &JsonObject) -> ToolResult {
        let (component, services) = match self.setup().await {
            Ok(setup) => (setup.component.clone(), setup.services.clone()),
            Err(error) => return ToolResult { text: error_json(&error), is_error: true },
        };
        let result = async { fills.run(component, services, NAME, fill::Arguments::parse_all(arguments)?).await };
        fill::tool::result(&result.await)
    }

    /// Runs an action in a fresh instance of the component.
    async fn manage(&self, request: &str) -> strongroom::error::Result<String> {
        let broke_off = || Error::new(Code::Internal, "the component broke off");
        let mut instance = self.setup().await?.instance().await.map_err(|_| broke_off())?;
        let manage = instance.exports.strongroom_vault_manage();
        let answer = manage.call_manage(instance.store.call(), request).await.map_err(|_| broke_off())?;
        answer.map_err(|json| error_of(&json).unwrap_or_else(broke_off))
    }
}

/// Numbers among texts are the texts that they were written as. The SDK keeps those of whole numbers up to 64 bits only.
fn check_numbers(arguments: &JsonObject) -> strongroom::error::Result<()> {
    for field in ["values", "metadata"] {
        let texts = arguments.get(field).and_then(Value::as_object);
        if texts.is_some_and(|texts| texts.values().any(Value::is_f64)) {
            return Err(Error::bad_request(format!(
                "{field} must be an object of strings: a number with a fraction, or of more than 19 digits, must be in quotes"
            )));
        }
    }
    Ok(())
}

/// An error as the component's `manage` writes it.
fn error_of(json: &str) -> Option<Error> {
    let json: Value = serde_json::from_str(json).ok()?;
    let code = Code::ALL.into_iter().find(|code| json["code"] == code.as_str())?;
    let error = Error::new(code, json["message"].as_str()?.to_owned());
    Some(match json["retry_after_seconds"].as_u64().and_then(|seconds| u32::try_from(seconds).ok()) {
        Some(seconds) => error.retry_after(seconds),
        None => error,
    })
}
