//! `GET /code/NAME` answers with the credential's one-time code.
//!
//! It imports what `strongroom-agent.wasm` exports, and is composed with it: then there is no way for it to a stored value.

wit_bindgen::generate!({
    inline: "
        package example:codes;
        world codes {
            import strongroom:vault/credentials@0.1.0;
            export wasi:http/incoming-handler@0.2.12;
        }
    ",
    // The folder `wit` of Strongroom.
    path: "../../wit",
    generate_all,
});

use exports::wasi::http::incoming_handler::{Guest, IncomingRequest, ResponseOutparam};
use strongroom::vault::credentials;
use strongroom::vault::types::ErrorCode;
use wasi::http::types::{Fields, OutgoingBody, OutgoingResponse};

struct Codes;
export!(Codes);

impl Guest for Codes {
    fn handle(request: IncomingRequest, answer_to: ResponseOutparam) {
        let path = request.path_with_query().unwrap_or_default();
        let (status, body) = match path.strip_prefix("/code/") {
            Some(name) => code(name),
            None => (if path == "/" { 200 } else { 404 }, "ask for /code/NAME\n".to_owned()),
        };
        answer(status, &body, answer_to);
    }
}

fn code(name: &str) -> (u16, String) {
    match credentials::totp_code(name, None) {
        Ok(code) => (200, format!("{} for {} s\n", code.code, code.valid_for_seconds)),
        Err(error) => {
            let status = match error.code {
                ErrorCode::NotFound => 404,
                ErrorCode::TotpNotConfigured | ErrorCode::Archived => 409,
                ErrorCode::Forbidden => 403,
                _ => 500,
            };
            (status, format!("{}\n", error.message))
        }
    }
}

/// The body is written before the response is handed out, which hosts without TCP_NODELAY would delay otherwise.
fn answer(status: u16, body: &str, answer_to: ResponseOutparam) {
    let response = OutgoingResponse::new(Fields::new());
    let _ = response.set_status_code(status);
    if let Ok(out) = response.body() {
        if let Ok(stream) = out.write() {
            let _ = stream.check_write().and_then(|_| stream.write(body.as_bytes()));
        }
        let _ = OutgoingBody::finish(out, None);
    }
    ResponseOutparam::set(answer_to, Ok(response));
}
