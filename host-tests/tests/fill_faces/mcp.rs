//! The tool `fill_login`: over standard input and output, from a running server, and by the clients of others.

use crate::world::{PASSWORD, World, block_on, check_answer, check_events, check_logins, connect_to, log_in, tools};
use rmcp::model::CallToolRequestParams;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use strongroom_host_tests::clients;

#[test]
fn the_tool_is_listed_with_the_scope_and_a_browser_only() {
    let Some(world) = World::start("the tool fill_login") else { return };
    block_on(async {
        let options = world.options();
        for (scopes, options, expected) in [
            ("read,fill", &options[..], &["manage_credentials", "fill_login"][..]),
            ("fill", &options, &["fill_login"]),
            ("read,totp", &options, &["manage_credentials"]),
            ("read,fill", &[], &["manage_credentials"]),
        ] {
            let client = world.client(scopes, options).await;
            assert_eq!(tools(&client).await, expected, "{scopes}");
            if !expected.contains(&"fill_login") {
                assert!(client.call_tool(CallToolRequestParams::new("fill_login")).await.is_err());
            }
            client.cancel().await.unwrap();
        }
    });
    assert!(world.uses().is_empty());
}

#[test]
fn over_mcp() {
    let Some(world) = World::start("a login over MCP") else { return };
    block_on(async {
        let client = world.client("read,fill", &world.options()).await;
        let tool = client.list_all_tools().await.unwrap().pop().unwrap();
        let hints = tool.annotations.unwrap();
        assert_eq!((hints.read_only_hint, hints.destructive_hint), (Some(false), Some(false)));
        assert_eq!((hints.idempotent_hint, hints.open_world_hint), (Some(false), Some(true)));
        check_logins(&world, &client).await;
        client.cancel().await.unwrap();
    });
    check_events(&world, "mcp");
}

#[test]
fn over_mcp_by_the_official_python_client() {
    let Some(python) = clients::python("a login by the Python client of MCP", &["mcp==2.3.0"]) else { return };
    let Some(world) = World::start("a login by the Python client of MCP") else { return };
    let origin = world.origin();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/mcp_fill.py");
    let options = world.options();
    for mode in ["legacy", "auto"] {
        let page = world.chromium.open(&world.site.url());
        let arguments = ["mcp", "--scopes", "read,fill"].into_iter().chain(options.iter().map(String::as_str));
        let server = world.program.command(&arguments.collect::<Vec<_>>());
        let mut client = Command::new(python.get_program());
        client.env("TZ", "UTC").arg(&script).args([mode, &page]).arg(server.get_program()).args(server.get_args());
        let output = client.output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{mode}: {said}{}", String::from_utf8_lossy(&output.stderr));
        assert!(!said.contains("canary"), "{said}");
        let (answer, refused) = said.split_once('\n').unwrap();
        check_answer(&serde_json::from_str(answer).unwrap(), &page, &origin);
        assert_eq!(serde_json::from_str::<Value>(refused).unwrap()["code"], "not_found");
        world.assert_logged_in(&page);
    }
}

/// The agent's side holds a token and no key; the server makes the login in its own browser.
#[test]
fn over_mcp_from_a_running_server() {
    let Some(world) = World::start("a login over MCP from a running server") else { return };
    let server = world.program.serve_with(&world.options().each_ref().map(String::as_str));
    let (filler, reader, only) =
        (world.token("filler", "read,fill"), world.token("reader", "read"), world.token("only", "fill"));
    block_on(async {
        for (token, expected) in [
            (&reader, &["manage_credentials"][..]),
            (&only, &["fill_login"]),
            (&filler, &["manage_credentials", "fill_login"]),
        ] {
            let client = connect_to(&server, token).await;
            assert_eq!(tools(&client).await, expected);
            client.cancel().await.unwrap();
        }
        let client = connect_to(&server, &reader).await;
        let (failure, is_error) = log_in(&client, json!({"credential": "login"})).await;
        assert!(is_error && failure["code"] == "forbidden", "{failure}");
        client.cancel().await.unwrap();

        let client = connect_to(&server, &filler).await;
        check_logins(&world, &client).await;
        // The other tools are the server's, too.
        let call = |arguments: Value| {
            let arguments = arguments.as_object().unwrap().clone();
            client.call_tool(CallToolRequestParams::new("manage_credentials").with_arguments(arguments))
        };
        let listed = call(json!({"action": "list"})).await.unwrap();
        assert_eq!(listed.structured_content.unwrap()["items"][0]["name"], "login");
        assert!(!listed.content[0].as_text().unwrap().text.contains(PASSWORD));
        let refused = call(json!({"action": "delete", "id_or_name": "login"})).await.unwrap();
        assert_eq!(refused.is_error, Some(true));
        assert!(client.call_tool(CallToolRequestParams::new("no_tool")).await.is_err());

        // What the server no longer knows or has, the session has not either.
        world.program.run(&["token", "revoke", "filler"]);
        assert!(client.list_all_tools().await.is_err());
        client.cancel().await.unwrap();
        let without_browser = world.program.serve();
        let client = connect_to(&without_browser, &only).await;
        assert!(tools(&client).await.is_empty());
        server.stop();
        client.cancel().await.unwrap();
    });
    check_events(&world, "filler");
}
