//! `strongroom mcp`: the tools for agents over standard input and output, the usual way for clients to start a local
//! server. The protocol is the SDK's. The tools are those of the vault in the state directory, for whoever may read that
//! (it works beside a running server); or, with `--url`, those of a running server, for a token.

mod own;
mod remote;

use super::log::{Log, LogFormat};
use super::session::Session;
use super::setup::block_on;
use super::{Common, browsers, one_line, stop};
use anyhow::Context;
use clap::Args;
use own::Own;
use remote::Remote;
use rmcp::model::{
    CacheScope, CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, CustomRequest, CustomResult,
    ErrorCode, Implementation, JsonObject, ListToolsResult, PaginatedRequestParams, ServerCapabilities, ServerConfig,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler, ServiceExt};
use serde_json::Value;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use strongroom::access::{Grant, Restriction, Scope, Scopes};
use strongroom::seal::Project;
use strongroom::tool::{self, ToolResult};
use strongroom_host::Result;
use strongroom_host::fill::Fills;

/// What the session is called in the log and the audit.
const NAME: &str = "mcp";
/// How long a client may keep the list of tools. What a session may do never changes; what a token may, and whether its
/// server has browsers, can.
const TTL_MS: u64 = 60_000;

#[derive(Args)]
pub struct Arguments {
    /// What the client may do, separated by commas: read (list, get), totp (codes), write (create, update, delete), fill
    /// (log in in a browser that --browser names)
    #[arg(long, value_name = "SCOPES", default_value = "read,totp")]
    scopes: String,

    /// Serve the tools of a running `strongroom serve` on this machine instead, such as http://127.0.0.1:3000: those that
    /// the token may use. Needs no state directory and no key
    #[arg(long, value_name = "URL", requires = "token_file", conflicts_with_all = ["scopes", "Login", "Common"])]
    url: Option<String>,

    /// File that holds the token for --url
    #[arg(long, value_name = "FILE", requires = "url")]
    token_file: Option<PathBuf>,

    #[command(flatten)]
    login: browsers::Login,

    #[command(flatten)]
    common: Common,
}

pub fn run(mut arguments: Arguments) -> Result<ExitCode> {
    if let (Some(url), Some(file)) = (&arguments.url, &arguments.token_file) {
        let remote = Remote::open(url, file)?;
        return block_on(async {
            serve(remote).await?;
            Ok(ExitCode::SUCCESS)
        });
    }
    let scopes = arguments.scopes.split(',').map(str::trim).collect::<Vec<_>>().join("+");
    let scopes = Scopes::parse(&scopes)
        .with_context(|| format!("--scopes: the scopes are {}", Scope::ALL.map(Scope::as_str).join(", ")))?;
    let (browsers, policies) = arguments.login.read()?;
    let fills = Some(Fills::new(browsers, policies)).filter(|fills| scopes.contains(Scope::Fill) && !fills.is_empty());
    let fills = fills.map(Arc::new);
    Project::parse(&arguments.common.project).context("--project must be 1-64 letters, digits, `.`, `_` or `-`")?;
    let grant = Grant { name: NAME.to_owned(), scopes, expiry: None, restriction: Restriction::NONE };
    // Its terminal is the client's.
    arguments.common.place.may_ask = false;
    let session = Arc::new(Session::new(arguments.common, &grant));
    // Clients keep what is said there: one line for each login, as the server's log has it.
    let _log = fills.as_ref().map(|_| Log::start(false, LogFormat::Text));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = runtime.block_on(async {
        if let Err(error) = session.setup().await {
            // For who reads the client's log; the calls tell it to the others.
            eprintln!("strongroom: {}", one_line(&error));
        }
        let serving = serve(Own::new(session.clone(), grant, fills.clone()));
        let ended = match fills {
            None => serving.await,
            Some(fills) => {
                let ended = tokio::select! {
                    ended = serving => ended,
                    () = stop::signal()? => Ok(()),
                };
                // Values must not stay in a page because the client has gone, or wants no more.
                fills.finish().await;
                ended
            }
        };
        session.end().await;
        ended.map(|()| ExitCode::SUCCESS)
    });
    // Its thread that waits for standard input would be waited for.
    runtime.shutdown_background();
    ended
}

/// Serves one client until it ends the session.
async fn serve(tools: impl Tools + 'static) -> Result<()> {
    // The SDK's errors can hold what the client sent, so they are not shown.
    let server = Server(tools).serve(rmcp::transport::stdio()).await;
    let server = server.map_err(|_| anyhow::anyhow!("the client did not begin as the protocol wants it"))?;
    server.waiting().await.context("the session broke off")?;
    Ok(())
}

/// Where tools come from.
trait Tools: Send + Sync {
    /// As the items of the array `tools` of `tools/list`.
    fn list(&self) -> impl Future<Output = Result<Vec<Value>, ErrorData>> + Send;

    /// The errors are those of the protocol; all that a model could correct is a result.
    fn call(&self, name: &str, arguments: JsonObject) -> impl Future<Output = Result<ToolResult, ErrorData>> + Send;
}

fn no_such_tool() -> ErrorData {
    ErrorData::invalid_params("there is no tool of this name for this session", None)
}

/// The server of one client.
struct Server<T>(T);

impl<T: Tools + 'static> ServerHandler for Server<T> {
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
        let tools = serde_json::from_value(self.0.list().await?.into());
        let tools = tools.map_err(|_| ErrorData::internal_error("the tools cannot be listed", None))?;
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
        let result = self.0.call(&request.name, request.arguments.unwrap_or_default()).await?;
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
