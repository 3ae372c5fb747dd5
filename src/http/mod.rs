//! The REST face: one request in, one response out. Knows nothing of WASI; `crate::component` hands requests over.
//!
//! The way of a request: `routes` finds the action, `auth` whose token it is; whether they may do that is asked before
//! anything is looked up; `credentials` reads the rest of the request and calls the action.

mod auth;
mod credentials;
mod description;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod health;
mod mcp;
mod preconditions;
mod request;
mod response;
mod routes;
pub mod status;
mod uri;

pub use request::{BodyError, Request};
pub use response::Response;
pub use routes::{Row, TABLE, Target, template};

use crate::actions::{Action, Vault};
use crate::credential::CredentialId;
use crate::error::{Code, Error, Result};
use crate::platform::Platform;
use crate::settings::{self, Settings};
use routes::Route;

/// Has the id of the credential that a request was about, for the log of the host, which keeps it from the client.
pub const CREDENTIAL_HEADER: &str = "x-strongroom-credential";

/// Answers a request. Errors are responses too.
pub fn respond(platform: Platform<'_>, settings: &dyn Settings, request: &Request<'_>) -> Response {
    let mut response = answer(platform, settings, request).unwrap_or_else(|error| Response::error(&error));
    if let Some(id) = request.id() {
        response.add("x-request-id", id);
    }
    if request.method == "HEAD" {
        response.body.clear();
    }
    response
}

fn answer(platform: Platform<'_>, settings: &dyn Settings, request: &Request<'_>) -> Result<Response> {
    // In front of the method, as what it answers before it looks at that differs.
    if request.path() == mcp::PATH {
        return mcp::respond(platform, settings, request);
    }
    let (row, id_or_name) = match routes::find(request.method, request.path()) {
        Route::Known(row, segment) => (row, segment),
        Route::WrongMethod(allowed) => {
            let error = Error::new(Code::MethodNotAllowed, "the route does not have this method");
            let mut response = Response::error(&error);
            response.add("allow", allowed);
            return Ok(response);
        }
        Route::Unknown => return Err(Error::new(Code::NotFound, "no such route")),
    };
    let action = match row.target {
        Target::Description => return Ok(Response::json(200, description::openapi())),
        // Answered above.
        Target::Mcp => return Err(Error::not_found()),
        Target::McpMetadata => return mcp::describe(settings, request),
        Target::Action(Action::Health) => return Ok(health::respond(platform, settings, request)),
        // Removing for good is another action, which needs another scope.
        Target::Action(Action::Delete) if credentials::is_purge(request) == Ok(true) => Action::Purge,
        Target::Action(action) => action,
    };
    let (principal, project) = auth::authenticate(platform.clock, settings, request)?;
    action.check(&principal)?;
    auth::check_project(&project, request)?;
    let id_or_name = uri::decode_segment(id_or_name)?;
    let sealer = settings::sealer(settings, project)?;
    let vault = Vault::new(platform, &sealer, &principal).with_settings(settings);
    let answer = credentials::Call { vault: &vault, request, id_or_name: &id_or_name }.run(action);
    let mut response = answer.unwrap_or_else(|error| failure(request, action, &error));
    name_credential(&mut response, vault.found());
    Ok(response)
}

fn failure(request: &Request<'_>, action: Action, error: &Error) -> Response {
    let mut response = Response::error(error);
    // These say the same a second time, or recognise it: repeating them is how their outcome becomes known. What was
    // restored is no longer there to be restored.
    let is_repeatable = matches!(request.method, "POST" | "PUT") && action != Action::Restore;
    if error.code() == Code::OutcomeUnknown && is_repeatable {
        response.headers.retain(|(name, _)| *name != "x-should-retry");
    }
    response
}

/// Tells the host's log which credential a request was about.
fn name_credential(response: &mut Response, found: Option<CredentialId>) {
    if let Some(id) = found {
        response.add(CREDENTIAL_HEADER, id.to_text());
    }
}

#[cfg(any(test, feature = "fuzzing"))]
mod tests;
