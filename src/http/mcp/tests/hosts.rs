//! A page of another site reaches nothing, whatever it sends and however it leads its name here.

use super::super::super::tests::world::World;
use super::{earlier, post, send};
use crate::settings::{ALLOWED_HOSTS, ALLOWED_ORIGINS};
use serde_json::json;

const METHODS: [&str; 8] = ["POST", "GET", "HEAD", "DELETE", "PUT", "PATCH", "OPTIONS", "TRACE"];

#[test]
fn names_of_others_get_403_on_every_method() {
    let world = World::default();
    for method in METHODS {
        let request = || world.request(method, "/mcp").json(earlier("ping", json!({})));
        for host in
            ["evil.example.com", "evil.example.com:3000", "127.0.0.1.evil.example.com", "0.0.0.0:3000", "a b", ""]
        {
            for draft in [request().header("host", host), request().header("host", host).without("authorization")] {
                assert_eq!(send(draft, &world).status, 403, "{method} {host}");
            }
        }
        assert_eq!(send(request().without("host"), &world).status, 403);
        assert_eq!(send(request().more("host", b"localhost"), &world).status, 403, "twice");
        for origin in [
            "http://evil.example.com",
            "https://evil.example.com:3000",
            "http://localhost.evil.example.com",
            "null",
            "file://",
            "chrome-extension://localhost",
            "http://localhost@evil.example.com",
            "http://127.0.0.1:3000, http://evil.example.com",
        ] {
            for draft in
                [request().header("origin", origin), request().header("origin", origin).without("authorization")]
            {
                assert_eq!(send(draft, &world).status, 403, "{method} {origin}");
            }
        }
    }
}

#[test]
fn this_machine_and_what_is_configured_get_through() {
    let world = World::default();
    let ask = |host: &str, origin: &str| {
        send(post(&world, earlier("ping", json!({}))).header("host", host).header("origin", origin), &world).status
    };
    for host in ["localhost", "127.0.0.1:3000", "[::1]:3000", "LOCALHOST:1"] {
        for origin in ["", "http://localhost:8080", "https://127.0.0.1", "http://[::1]:3000"] {
            assert_eq!(ask(host, origin), 200, "{host} {origin}");
        }
    }
    world.set(ALLOWED_HOSTS, "vault.example.com inner.example.com:8443");
    world.set(ALLOWED_ORIGINS, "https://app.example.com http://app.example.com:8080/");
    for (host, origin, status) in [
        ("vault.example.com", "", 200),
        ("Vault.Example.com:9000", "", 200),
        ("inner.example.com:8443", "", 200),
        ("inner.example.com", "", 403),
        ("inner.example.com:8444", "", 403),
        ("x.vault.example.com", "", 403),
        ("vault.example.com", "https://app.example.com", 200),
        ("vault.example.com", "http://app.example.com:8080", 200),
        ("vault.example.com", "http://app.example.com", 403),
        ("vault.example.com", "https://vault.example.com", 403),
        ("127.0.0.1:3000", "https://app.example.com", 200),
    ] {
        assert_eq!(ask(host, origin), status, "{host} {origin}");
    }
}

#[test]
fn settings_that_cannot_be_read_let_nobody_in() {
    let world = World::default();
    world.unreadable.set(Some(ALLOWED_HOSTS));
    let ping = || post(&world, earlier("ping", json!({})));
    assert_eq!(send(ping().header("host", "vault.example.com"), &world).status, 503);
    world.unreadable.set(Some(ALLOWED_ORIGINS));
    assert_eq!(send(ping().header("origin", "https://app.example.com"), &world).status, 503);
}
