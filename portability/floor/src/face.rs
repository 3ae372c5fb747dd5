//! The ways in, to one function: `answer`.

#[allow(warnings, clippy::all)] // Generated.
pub mod bindings {
    wit_bindgen::generate!({
        inline: "
            package floor:floor;
            world floor {
                import wasi:keyvalue/store@0.2.0-draft2;
                export strongroom:vault/types@0.1.0;
                export strongroom:vault/credentials@0.1.0;
                export strongroom:vault/manage@0.1.0;
                export strongroom:vault/http@0.1.0;
                export wasi:http/incoming-handler@0.2.12;
            }
        ",
        path: "../../wit",
        world: "floor:floor/floor",
        generate_all,
        std_feature,
    });

    use super::Face;
    export!(Face);
}

use alloc::string::String;
use alloc::vec::Vec;
use bindings::exports::strongroom::vault::http::{Guest as Whole, Response};
use bindings::exports::strongroom::vault::types::{CodeOptions, Credential, Error, OneTimeCode};
use bindings::exports::strongroom::vault::{credentials, manage};
use bindings::exports::wasi::http::incoming_handler::{Guest as Streams, IncomingRequest, ResponseOutparam};
use bindings::wasi::http::types::{Fields, OutgoingBody, OutgoingResponse};

struct Face;

impl Whole for Face {
    fn respond(_: String, path: String, _: Vec<(String, Vec<u8>)>, _: Vec<u8>) -> Response {
        Response { status: 200, headers: Vec::new(), body: super::answer(&path) }
    }
}

impl Streams for Face {
    fn handle(request: IncomingRequest, response_out: ResponseOutparam) {
        let body = super::answer(&request.path_with_query().unwrap_or_default());
        let response = OutgoingResponse::new(Fields::new());
        let Ok(outgoing) = response.body() else { return };
        let Ok(stream) = outgoing.write() else { return };
        let _ = stream.write(&body);
        drop(stream);
        let _ = OutgoingBody::finish(outgoing, None);
        ResponseOutparam::set(response_out, Ok(response));
    }
}

impl manage::Guest for Face {
    fn manage(_: String) -> Result<String, String> {
        unreachable!()
    }
}

impl credentials::Guest for Face {
    fn list(_: credentials::ListQuery) -> Result<credentials::Page, Error> {
        unreachable!()
    }

    fn get(_: String) -> Result<Credential, Error> {
        unreachable!()
    }

    fn totp_code(_: String, _: Option<CodeOptions>) -> Result<OneTimeCode, Error> {
        unreachable!()
    }

    fn create(_: credentials::NewCredential) -> Result<Credential, Error> {
        unreachable!()
    }

    fn put(_: credentials::NewCredential, _: Option<u64>) -> Result<Credential, Error> {
        unreachable!()
    }

    fn update(_: String, _: credentials::Changes) -> Result<Credential, Error> {
        unreachable!()
    }

    fn delete(_: String, _: Option<u64>) -> Result<String, Error> {
        unreachable!()
    }
}
