//! Malformed requests by the hundred: refused by a 4xx, and nothing of them comes back.

use super::world::{CANARY, TOTP_SECRET, World};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use serde_json::Value;

/// A valid body for every operation that has one.
fn body() -> String {
    format!(
        r#"{{"name":"n","domain":"example.com","values":{{"user":"{CANARY}","p":"\u00e9{CANARY}"}},"totp_secret":"{TOTP_SECRET}","totp_digits":6,"origin":"https://example.com","sso_provider":"google"}}"#
    )
}

const ROUTES: [(&str, &str); 4] = [
    ("POST", "/credentials"),
    ("PUT", "/credentials/n"),
    ("PATCH", "/credentials/n"),
    ("POST", "/credentials/n/supply"),
];

fn refused_everywhere(world: &World, body: &[u8]) {
    for (method, path) in ROUTES {
        let draft = world.request(method, path).header("content-type", "application/json").bytes(body);
        let answer = draft.send();
        assert_eq!(answer.status, 400, "{method} {path} {answer:?} {:?}", String::from_utf8_lossy(body));
    }
}

#[test]
fn truncated_bodies() {
    let (world, body) = (World::default(), body());
    for length in 0..body.len() {
        refused_everywhere(&world, &body.as_bytes()[..length]);
    }
}

#[test]
fn bodies_with_a_broken_byte() {
    let (world, body) = (World::default(), body());
    let mut refused = 0;
    for position in 0..body.len() {
        for byte in [0, 0x1f, b'"', b'\\', b'{', 0x80, 0xff] {
            let mut broken = body.clone().into_bytes();
            broken[position] = byte;
            let (method, path) = ROUTES[position % 3];
            let draft = world.request(method, path).header("content-type", "application/json").bytes(&broken);
            let answer = draft.send();
            assert!(matches!(answer.status, 200..=499), "{answer:?}");
            refused += u32::from(answer.status == 400);
        }
    }
    assert!(refused > 1000, "{refused}");
}

#[test]
fn bodies_of_all_wrong_kinds() {
    let world = World::default();
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    let deep_object = "{\"values\":".repeat(5000);
    let many = format!("{{\"values\":[{}0]}}", "0,".repeat(200_000));
    let repeated = r#"{"name":"canary","name":"canary"}"#;
    let nested_repeat =
        r#"{"name":"n","domain":"example.com","origin":"https://example.com","values":{"a":"canary","a":"x"}}"#;
    for body in [
        "null",
        "true",
        "5",
        "\"canary\"",
        "[]",
        "[{}]",
        "canary",
        "{]",
        "{\"a\":1}{}",
        "{\"a\":1}x",
        "{'a':1}",
        "{\"a\":01}",
        "{\"a\":1e999}",
        "{\"a\":-}",
        "{\"a\":\"\\ud800\"}",
        "{\"a\":\"\\ud800\\ud800\"}",
        "{\"a\":\"\\udfff\"}",
        "{\"\\ud800\":1}",
        "{\"a\":\"\u{1}\"}",
        "{\"a\":tru}",
        "{\"a\"}",
        "{,}",
        "\u{feff}{}",
        "{\"a\":NaN}",
        "// x\n{}",
        &deep,
        &deep_object,
        &many,
        repeated,
        nested_repeat,
    ] {
        refused_everywhere(&world, body.as_bytes());
    }
    for body in [
        &b"{\"a\":\"\xff\"}"[..],
        b"{\"a\":\"\xc0\x80\"}",
        b"{\"a\":\"\xed\xa0\x80\"}",
        b"\xff\xfe{\0}\0",
        b"\x1f\x8b\x08",
    ] {
        refused_everywhere(&world, body);
    }
}

/// Every field of every request, with a value of every wrong kind.
#[test]
fn fields_of_all_wrong_kinds() {
    let world = World::default();
    let values = [
        "null",
        "true",
        "0",
        "-1",
        "1.5",
        "1e300",
        "123456789012345678901234567890",
        "\"\"",
        "\"tainted\"",
        "\"\\u0000\"",
        "\"\\ud83d\\ude00\"",
        "[]",
        "[\"tainted\"]",
        "[[[]]]",
        "{}",
        "{\"tainted\":\"tainted\"}",
        "{\"a\":{\"b\":\"tainted\"}}",
    ];
    let long = format!("\"{}\"", "tainted".repeat(20_000));
    let valid: Value = serde_json::from_str(&body()).unwrap();
    let mut fields: Vec<String> = valid.as_object().unwrap().keys().cloned().collect();
    let more = ["remove_value_keys", "totp_algorithm", "totp_period", "min_valid_seconds", "exclusive"];
    fields.extend(more.map(String::from));
    let mut refused = 0;
    for field in &fields {
        for value in values.iter().copied().chain([long.as_str()]) {
            for (method, path) in ROUTES {
                let mut body = valid.clone();
                body[field] = serde_json::from_str(value).unwrap_or(Value::Null);
                let answer = world.request(method, path).json(body).send();
                assert!(matches!(answer.status, 200..=499), "{field} {value}: {answer:?}");
                assert!(answer.status < 300 || !answer.json.to_string().contains("tainted"), "{answer:?}");
                refused += u32::from(answer.status == 400);
            }
        }
    }
    assert!(refused > 200, "{refused}");
}

#[test]
fn paths_queries_and_headers_of_all_wrong_kinds() {
    let world = World::default();
    world.create("n", Some(TOTP_SECRET));
    let texts = [
        "",
        "%",
        "%0",
        "%00",
        "%ff",
        "%zz",
        "%2e%2e",
        "..",
        ".",
        "%2F",
        "%5C",
        "\\",
        "*",
        "'",
        "\"",
        "<canary>",
        "%0d%0a",
        "é",
        "\u{0}",
        "?",
        "#",
        "&",
        "=",
        ";",
        "a=b",
        "canary%ff",
        "%F0%9F%98%80",
        "%c0%ae",
        "{id_or_name}",
        "NaN",
        "null",
    ];
    let long = "canary".repeat(10_000);
    for text in texts.iter().copied().chain([long.as_str()]) {
        for method in ["GET", "PUT", "PATCH", "DELETE", "POST", "TRACE", "canary", ""] {
            for path in [
                format!("/credentials/{text}"),
                format!("/credentials/{text}/totp-code"),
                format!("/credentials/n/{text}"),
                format!("/{text}"),
                format!("/credentials?limit={text}&query={text}"),
                format!("/credentials?{text}"),
                format!("/credentials/n/totp-code?min_valid_seconds={text}&exclusive={text}"),
                text.into(),
            ] {
                let answer = world.request(method, &path).send();
                assert!(matches!(answer.status, 200..=499), "{method} {path}: {answer:?}");
            }
        }
        for header in [
            "authorization",
            "content-type",
            "if-match",
            "if-none-match",
            "idempotency-key",
            "x-stainless-retry-count",
            "x-kernel-project",
            "x-kernel-project-id",
            "x-request-id",
        ] {
            for (method, path) in ROUTES.into_iter().chain([("GET", "/credentials/n"), ("GET", "/health")]) {
                for value in [text.as_bytes(), &[text.as_bytes(), b"\xff"].concat()] {
                    let draft = world.request(method, path).without(header).more(header, value);
                    let answer = draft.bytes(b"{\"name\":5}").send();
                    assert!(matches!(answer.status, 200..=499), "{header}: {text}: {answer:?}");
                }
            }
        }
    }
}
