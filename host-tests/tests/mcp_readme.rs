//! The session in the README's section on MCP, to the byte, at a fixed time. Only the id of the new credential is random.

use bytes::Bytes;
use std::fs;
use std::path::Path;
use strongroom_host_tests::{ADMIN_TOKEN, Vault, World};

/// Two lines for each exchange: what is sent, what comes back.
fn exchanges() -> Vec<(String, String)> {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")).unwrap();
    let lines = |sign: &str| -> Vec<_> {
        readme.lines().filter_map(|line| line.strip_prefix(sign)).map(str::to_owned).collect()
    };
    lines("> {").into_iter().zip(lines("< {")).map(|(sent, back)| (format!("{{{sent}"), format!("{{{back}"))).collect()
}

/// The first id in a text.
fn id_in(text: &str) -> &str {
    let start = text.find("cred_").unwrap();
    &text[start..start + "cred_".len() + 26]
}

#[test]
fn the_session_is_what_the_readme_shows() {
    let vault = Vault::new(World::Edge);
    let exchanges = exchanges();
    assert!(exchanges.len() >= 5, "{}", exchanges.len());
    let mut ids = None;
    for (sent, shown) in &exchanges {
        let request = http::Request::post("/mcp")
            .header("host", "127.0.0.1:3000")
            .header("authorization", format!("Bearer {ADMIN_TOKEN}"))
            .header("content-type", "application/json")
            .body(Bytes::from(sent.clone()))
            .unwrap();
        let response = vault.http(request).unwrap();
        assert_eq!(response.status(), 200);
        let body = String::from_utf8(response.into_body().to_vec()).unwrap();
        let (ours, theirs) = ids.get_or_insert_with(|| (id_in(&body).to_owned(), id_in(shown).to_owned()));
        assert_eq!(body.replace(ours.as_str(), theirs), *shown, "{sent}");
    }
}
