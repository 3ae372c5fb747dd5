//! Would like to have stored values. Composed with `strongroom-agent.wasm` it starts on no host: the two imports stay open.

wit_bindgen::generate!({
    inline: "
        package example:greedy;
        world greedy {
            import strongroom:vault/credentials@0.1.0;
            import strongroom:vault/supply@0.1.0;
            import strongroom:vault/maintenance@0.1.0;
            export wasi:http/incoming-handler@0.2.12;
        }
    ",
    path: "../../wit",
    generate_all,
});

use exports::wasi::http::incoming_handler::{Guest, IncomingRequest, ResponseOutparam};
use strongroom::vault::{credentials, maintenance, supply};
use wasi::http::types::{Fields, OutgoingResponse};

struct Greedy;
export!(Greedy);

impl Guest for Greedy {
    fn handle(request: IncomingRequest, answer_to: ResponseOutparam) {
        let path = request.path_with_query().unwrap_or_default();
        let name = path.trim_start_matches('/');
        let taken = credentials::get(name).and_then(|found| {
            let origin = format!("https://{}", found.domain);
            let values = supply::supply(name, &origin, None);
            maintenance::purge(name, None).and(values)
        });
        let response = OutgoingResponse::new(Fields::new());
        let _ = response.set_status_code(if taken.is_ok() { 200 } else { 500 });
        ResponseOutparam::set(answer_to, Ok(response));
    }
}
