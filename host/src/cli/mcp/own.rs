//! The tools on a vault that is opened here. They and their results are the component's own (`strongroom::tool`), but for
//! `fill_login`, which is the host's as it has the browsers.

use super::Tools;
use crate::cli::one_line;
use crate::cli::session::Session;
use crate::cli::setup::Setup;
use rmcp::ErrorData;
use rmcp::model::JsonObject;
use serde_json::Value;
use std::sync::Arc;
use strongroom::access::{Grant, Principal};
use strongroom::error::{Code, Error};
use strongroom::json::Members;
use strongroom::manage::error_json;
use strongroom::tool::{self, Actions, Call, Tool, ToolResult};
use strongroom_host::fill::{self, Fills};

/// A vault as one session sees it.
pub struct Own {
    session: Arc<Session>,
    /// What it is called in the log.
    name: String,
    /// What is listed; it only follows the scopes, to which the component holds every call.
    allowed: Actions,
    /// For a client with the scope `fill`, where there are browsers.
    fills: Option<Arc<Fills>>,
}

impl Own {
    /// For the caller that the session stands for.
    pub fn new(session: Arc<Session>, grant: Grant, fills: Option<Arc<Fills>>) -> Self {
        let name = grant.name.clone();
        Self { session, name, allowed: Actions::allowed(&Principal::from(grant)), fills }
    }

    /// The vault, or why there is none.
    async fn setup(&self) -> strongroom::error::Result<&Setup> {
        self.session.setup().await.map_err(|error| Error::new(Code::Misconfigured, one_line(&error)))
    }

    async fn run(&self, tool: Tool, mut arguments: JsonObject) -> ToolResult {
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

    async fn log_in(&self, fills: &Fills, arguments: &JsonObject) -> ToolResult {
        let (component, services) = match self.setup().await {
            Ok(setup) => (setup.component.clone(), setup.services.clone()),
            Err(error) => return ToolResult { text: error_json(&error), is_error: true },
        };
        let name = self.name.as_str();
        let result = async { fills.run(component, services, name, fill::Arguments::parse_all(arguments)?).await };
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

impl Tools for Own {
    async fn list(&self) -> Result<Vec<Value>, ErrorData> {
        let tools = serde_json::from_str::<Vec<Value>>(&tool::list(self.allowed));
        let mut tools = tools.map_err(|_| ErrorData::internal_error("the tools cannot be listed", None))?;
        tools.extend(self.fills.iter().map(|_| fill::tool::definition()));
        Ok(tools)
    }

    async fn call(&self, name: &str, arguments: JsonObject) -> Result<ToolResult, ErrorData> {
        match (&self.fills, Tool::find(name, self.allowed)) {
            (Some(fills), _) if name == fill::tool::NAME => Ok(self.log_in(fills, &arguments).await),
            (_, Some(tool)) => Ok(self.run(tool, arguments).await),
            _ => Err(super::no_such_tool()),
        }
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
