//! What each operation does.

use super::world::{CANARY, NOW, TOTP_SECRET, World};
use crate::http::BodyError;
use crate::time::Timestamp;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use serde_json::{Value, json};

/// RFC 6238, appendix B: the SHA-1 secret.
const RFC_SEED: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

#[test]
fn a_credential_lives() {
    let world = World::default();
    let created = world.post(
        "/credentials",
        json!({"name": "n", "domain": "https://Example.com/login", "values": {"u": "x", "p": CANARY}, "newer": [1]}),
    );
    assert_eq!(created.status, 201);
    let id = created.json["id"].as_str().unwrap();
    let expected = json!({
        "id": id, "name": "n", "domain": "example.com", "created_at": "2026-11-22T10:30:00Z",
        "updated_at": "2026-11-22T10:30:00Z", "version": 1, "has_values": true, "value_keys": ["p", "u"],
        "has_totp_secret": false,
    });
    assert_eq!(created.json, expected);
    assert_eq!(created.header("location"), Some(format!("/credentials/{id}").as_str()));
    assert_eq!(world.get("/credentials/n").json, expected);
    assert_eq!(world.get(&format!("/credentials/{id}")).json, expected);

    world.advance(90);
    let changed = world.patch("/credentials/n", json!({"values": {"p": "other", "z": ""}, "sso_provider": "google"}));
    assert_eq!(changed.status, 200);
    assert_eq!(changed.json["value_keys"], json!(["p", "u", "z"]));
    assert_eq!(changed.json["sso_provider"], "google");
    assert_eq!((&changed.json["version"], &changed.json["updated_at"]), (&2.into(), &"2026-11-22T10:31:30Z".into()));

    let deleted = world.request("DELETE", "/credentials/n").header("content-type", "application/json").send();
    assert_eq!(deleted.status, 204);
    for path in ["/credentials/n".to_string(), format!("/credentials/{id}")] {
        world.get(&path).is(404, "not_found");
        world.request("DELETE", &path).send().is(404, "not_found");
        world.patch(&path, json!({"name": "m"})).is(404, "not_found");
    }
}

#[test]
fn values_keep_the_order_they_were_given_in() {
    let world = World::default();
    let body = br#"{"values":{"z":"1","a":"2","m":"3"},"name":"n","domain":"example.com"}"#;
    let created = world.request("POST", "/credentials").bytes(body).send();
    assert_eq!(created.json["value_keys"], json!(["z", "a", "m"]));
    let changed = world.request("PATCH", "/credentials/n").bytes(br#"{"values":{"y":"4","a":"5","b":"6"}}"#).send();
    assert_eq!(changed.json["value_keys"], json!(["z", "a", "m", "y", "b"]));
}

#[test]
fn lists_are_pages_of_metadata() {
    let world = World::default();
    let empty = world.get("/credentials");
    assert_eq!((empty.status, &empty.json), (200, &json!([])));
    assert_eq!((empty.header("x-has-more"), empty.header("x-next-offset")), (Some("false"), Some("0")));
    for number in 0..25 {
        world.create(&format!("name {number:02}"), None);
    }
    let names = |path: &str| -> (Vec<String>, String, String) {
        let page = world.get(path);
        assert_eq!(page.status, 200, "{page:?}");
        let items = page.json.as_array().unwrap();
        assert!(items.iter().all(|item| item.get("value_keys").is_none() && item["has_values"] == true));
        let names = items.iter().map(|item| item["name"].as_str().unwrap().to_string()).collect();
        (names, page.header("x-has-more").unwrap().to_string(), page.header("x-next-offset").unwrap().to_string())
    };
    let expected = |range: core::ops::Range<u32>, more: &str, next: &str| {
        (range.map(|number| format!("name {number:02}")).collect::<Vec<_>>(), more.to_string(), next.to_string())
    };
    assert_eq!(names("/credentials"), expected(0..20, "true", "20"));
    assert_eq!(names("/credentials?limit=10&offset=20"), expected(20..25, "false", "0"));
    assert_eq!(names("/credentials?limit=5&offset=20"), expected(20..25, "false", "0"));
    assert_eq!(names("/credentials?limit=100"), expected(0..25, "false", "0"));
    assert_eq!(names("/credentials?offset=1000"), expected(0..0, "false", "0"));
    assert_eq!(names("/credentials?query=NAME+1&limit=2"), expected(10..12, "true", "2"));
    assert_eq!(names("/credentials?query=name%201&limit=2&offset=8"), expected(18..20, "false", "0"));
    assert_eq!(names("/credentials?domain=EXAMPLE.com.&limit=3&newer=x&newer=y"), expected(0..3, "true", "3"));
    assert_eq!(names("/credentials?domain=www.example.com"), expected(0..0, "false", "0"));
}

#[test]
fn lists_refuse_what_breaks_a_rule() {
    let world = World::default();
    for value in ["0", "101", "-1", "1.5", "1e1", "5x", "x", "%20", "%2B5", "+5", "99999999999999999999", "%00"] {
        world.get(&format!("/credentials?limit={value}")).is_bad_request("limit must be a whole number from 1 to 100");
    }
    for value in ["-1", "4294967296", "1.5", "x"] {
        world
            .get(&format!("/credentials?offset={value}"))
            .is_bad_request("offset must be a whole number from 0 to 4294967295");
    }
    // As the official client for JavaScript writes null.
    assert_eq!(world.get("/credentials?limit=&offset=&domain=&query=&origin=&archived=").status, 200);
    for name in ["limit", "offset", "domain", "query", "origin", "archived"] {
        world
            .get(&format!("/credentials?{name}=5&{name}=5"))
            .is_bad_request(&format!("{name} must be given only once"));
    }
    for query in ["a=%", "%zz=1", "query=%ff"] {
        world.get(&format!("/credentials?{query}")).is_bad_request("the query must be percent-encoded UTF-8");
    }
    world.get("/credentials?domain=hunter2-canary@x").is(400, "bad_request");
}

#[test]
fn creates_refuse_what_breaks_a_rule() {
    let world = World::default();
    let good = json!({"name": "n", "domain": "example.com", "values": {"p": CANARY}});
    for (field, value, message) in [
        ("name", Value::Null, "name is required"),
        ("name", json!(5), "name must be a string"),
        ("name", json!("  "), "name must be 1 to 255 bytes long"),
        ("name", json!("hunter2-canary\u{0}"), "name must not contain control characters"),
        ("name", json!("cred_00000000000000000000000000"), "name must not have the form of a credential id"),
        ("domain", json!(["hunter2-canary"]), "domain must be a string"),
        (
            "domain",
            json!("androidapp://hunter2.canary"),
            "domain must be a host of the web, or a URL of the scheme https or http: an app is neither",
        ),
        ("values", json!("hunter2-canary"), "values must be an object of strings"),
        ("values", json!(["hunter2-canary"]), "values must be an object of strings"),
        ("domain", Value::Null, "domain is required"),
        ("values", Value::Null, "values is required"),
        ("values", json!({"p": ["hunter2-canary"]}), "values must be an object of strings (entry 1)"),
        ("values", json!({"a": "1", "p": 5}), "values must be an object of strings (entry 2)"),
        ("values", json!({"p": null}), "values must have at least one entry"),
        ("values", json!({}), "values must have at least one entry"),
        ("values", json!({"": "hunter2-canary"}), "values must have field names of 1 to 128 bytes (entry 1)"),
        ("sso_provider", json!(true), "sso_provider must be a string"),
        ("sso_provider", json!("hunter2-canary\n!"), "sso_provider must not contain control characters"),
        ("totp_secret", json!({"s": "hunter2-canary"}), "totp_secret must be a string"),
        ("totp_algorithm", json!("hunter2-canary"), "totp_algorithm must be SHA1, SHA256 or SHA512"),
        ("totp_algorithm", json!(1), "totp_algorithm must be SHA1, SHA256 or SHA512"),
        ("totp_digits", json!(6.5), "totp_digits must be a whole number from 6 to 9"),
        ("totp_digits", json!("6"), "totp_digits must be a whole number from 6 to 9"),
        ("totp_period", json!("hunter2-canary"), "totp_period must be a whole number from 5 to 3600"),
        ("totp_digits", json!(6), "totp_digits needs a totp_secret in the same request"),
    ] {
        let mut body = good.clone();
        body[field] = value;
        world.post("/credentials", body).is_bad_request(message);
    }
    for (digits, period) in [(5, 30), (10, 30), (-6, 30), (6, 4), (6, 3601), (6, 0)] {
        let mut body = good.clone();
        (body["totp_secret"], body["totp_digits"], body["totp_period"]) =
            (TOTP_SECRET.into(), digits.into(), period.into());
        world.post("/credentials", body).is(400, "bad_request");
    }
    for secret in ["hunter2-canary!", "MFRGGZDFMZTWQ2L1", "MFRGGZD", "otpauth://hotp/x?secret=MFRGGZDFMZTWQ2LK"] {
        let mut body = good.clone();
        body["totp_secret"] = secret.into();
        let answer = world.post("/credentials", body);
        answer.is(400, "bad_request");
        assert!(answer.json["message"].as_str().unwrap().contains("totp_secret"), "{answer:?}");
    }
    for field in ["name", "domain", "values"] {
        let mut body = good.clone();
        body.as_object_mut().unwrap().remove(field);
        world.post("/credentials", body).is_bad_request(&format!("{field} is required"));
    }
    assert!(world.store.entries.borrow().is_empty(), "nothing was written");
    assert_eq!(world.post("/credentials", good.clone()).status, 201);
    world.post("/credentials", good).is(409, "name_taken");
}

#[test]
fn bodies_are_declared_and_bounded() {
    let world = World::default();
    let body = br#"{"name":"n","domain":"example.com","values":{"p":"hunter2-canary"}}"#;
    for (content_type, status) in [
        ("application/json", 201),
        ("Application/JSON; charset=utf-8", 201),
        ("application/vnd.kernel+json", 201),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("application/jsonp", 415),
        ("json", 415),
    ] {
        let draft = world.request("POST", "/credentials").header("content-type", content_type).bytes(body);
        assert_eq!(draft.send().status, status, "{content_type}");
        world.request("DELETE", "/credentials/n").send();
    }
    assert_eq!(world.request("POST", "/credentials").bytes(body).send().status, 201);
    world.request("PATCH", "/credentials/n").broken_body(BodyError::TooLarge).send().is(413, "payload_too_large");
    world
        .request("PUT", "/credentials/n")
        .broken_body(BodyError::Incomplete)
        .send()
        .is_bad_request("the body must be complete");
    for method in ["POST", "PUT", "PATCH"] {
        let path = if method == "POST" { "/credentials" } else { "/credentials/n" };
        world.request(method, path).send().is(400, "bad_request");
    }
    // What reads or deletes does not look at its body.
    for method in ["GET", "HEAD", "DELETE"] {
        let draft = world.request(method, "/credentials/n").header("content-type", "text/plain");
        assert!(draft.broken_body(BodyError::TooLarge).send().status < 300);
    }
}

#[test]
fn updates_merge_and_clear() {
    let world = World::default();
    let mut new = json!({"name": "n", "domain": "example.com", "values": {"a": "1", "b": "2", "c": "3"}});
    (new["sso_provider"], new["totp_secret"]) = ("google".into(), RFC_SEED.into());
    world.post("/credentials", new);
    // Removed before the merge: `b` is in both and survives; what does not exist is no error.
    let body = json!({"remove_value_keys": ["a", "b", "x"], "values": {"b": "new", "d": "4"}});
    assert_eq!(world.patch("/credentials/n", body).json["value_keys"], json!(["b", "c", "d"]));
    for clear in [json!(""), Value::Null] {
        world.patch("/credentials/n", json!({"sso_provider": "google"}));
        let answer = world.patch("/credentials/n", json!({"sso_provider": clear}));
        assert!(answer.status == 200 && answer.json.get("sso_provider").is_none());
    }
    let answer = world.patch("/credentials/n", json!({"totp_secret": ""}));
    assert_eq!(answer.json["has_totp_secret"], false);
    assert!(answer.json.get("totp_digits").is_none() && answer.json.get("totp_code").is_none());
    world.patch("/credentials/n", json!({"totp_secret": TOTP_SECRET}));
    let answer = world.patch("/credentials/n", json!({"totp_secret": null, "totp_digits": null, "name": null}));
    assert_eq!(answer.json["has_totp_secret"], false);
    let version = answer.json["version"].clone();
    // Changes nothing, and so no version.
    let same = world.patch("/credentials/n", json!({"totp_secret": "", "name": "n", "values": {}}));
    assert_eq!((same.status, &same.json["version"]), (200, &version));
    let none = world.patch("/credentials/n", json!({"remove_value_keys": ["b", "c", "d"]}));
    assert_eq!((&none.json["has_values"], &none.json["value_keys"]), (&json!(false), &json!([])));
    // As RFC 7396 has it, beside names that are removed and set.
    world.patch("/credentials/n", json!({"values": {"a": "1", "b": "2", "c": "3", "d": "4"}}));
    let body = json!({"values": {"a": null, "b": "5", "unknown": null}, "remove_value_keys": ["c"]});
    assert_eq!(world.patch("/credentials/n", body).json["value_keys"], json!(["b", "d"]));
    world.create("other", None);
    world.patch("/credentials/n", json!({"name": "other"})).is(409, "name_taken");
    assert_eq!(world.patch("/credentials/n", json!({"name": "m"})).json["name"], "m");
    world.get("/credentials/n").is(404, "not_found");
    for body in [json!({}), json!({"newer": 1}), json!({"name": null, "values": null})] {
        let answer = world.patch("/credentials/m", body);
        answer.is(400, "bad_request");
        assert!(answer.json["message"].as_str().unwrap().starts_with("at least one update field is required"));
    }
    for body in [json!({"values": ["hunter2-canary"]}), json!({"remove_value_keys": "hunter2-canary"})] {
        world.patch("/credentials/m", body).is(400, "bad_request");
    }
    world
        .patch("/credentials/m", json!({"totp_digits": 8}))
        .is_bad_request("totp_digits needs a totp_secret in the same request");
}

#[test]
fn codes_are_those_of_rfc_6238() {
    let world = World::default();
    let mut new = json!({"name": "n", "domain": "example.com", "values": {"a": "1"}, "totp_secret": RFC_SEED});
    new["totp_digits"] = 8.into();
    world.now.set(2_000_000_000_000);
    let created = world.post("/credentials", new).json;
    assert_eq!(created["totp_code"], "69279037");
    assert_eq!(created["totp_code_expires_at"], Timestamp::from_seconds(2_000_000_010).to_rfc3339());
    assert_eq!((&created["totp_digits"], &created["totp_period"]), (&json!(8), &json!(30)));
    assert_eq!(created["totp_algorithm"], "SHA1");
    assert!(created.get("weak_totp_secret").is_none());
    assert!(world.get("/credentials/n").json.get("totp_code").is_none());
    for (seconds, code) in
        [(1_111_111_109, None), (2_000_000_000, Some("69279037")), (20_000_000_000u64, Some("65353130"))]
    {
        world.now.set(seconds * 1000);
        let answer = world.get("/credentials/n/totp-code");
        match code {
            Some(code) => {
                let end = (seconds / 30 + 1) * 30;
                let expected = json!({
                    "code": code, "expires_at": Timestamp::from_seconds(end).to_rfc3339(), "period": 30,
                    "valid_for_seconds": end - seconds,
                });
                assert_eq!((answer.status, answer.json), (200, expected));
            }
            None => answer.is(503, "clock_unset"),
        }
    }
    let uri = format!("otpauth://totp/hunter2-canary:u?secret={TOTP_SECRET}&algorithm=SHA256&digits=7&period=60");
    let answer = world.patch("/credentials/n", json!({"totp_secret": uri, "totp_digits": 8})).json;
    let settings = (&answer["totp_algorithm"], &answer["totp_digits"], &answer["totp_period"]);
    assert_eq!(settings, (&json!("SHA256"), &json!(7), &json!(60)));
    assert_eq!((answer["totp_code"].as_str().map(str::len), &answer["weak_totp_secret"]), (Some(7), &json!(true)));
    world.create("plain", None);
    world.get("/credentials/plain/totp-code").is(404, "totp_not_configured");
}

#[test]
fn codes_have_wishes() {
    let world = World::default();
    world.create("n", Some(TOTP_SECRET));
    let path = |query: &str| format!("/credentials/n/totp-code?{query}");
    world.advance(10);
    assert_eq!(world.get(&path("min_valid_seconds=20")).json["valid_for_seconds"], 20);
    let late = world.get(&path("min_valid_seconds=21"));
    late.is(429, "code_expiring");
    assert_eq!((late.header("retry-after"), late.header("x-should-retry")), (Some("20"), None));
    for value in ["-1", "30", "1.5", "x", "99999999999999999999"] {
        world
            .get(&path(&format!("min_valid_seconds={value}")))
            .is_bad_request("min_valid_seconds must be a whole number from 0 to the period minus 1");
    }
    for value in ["1", "TRUE", "yes"] {
        world.get(&path(&format!("exclusive={value}"))).is_bad_request("exclusive must be true or false");
    }
    assert_eq!(world.get(&path("min_valid_seconds=&exclusive=")).status, 200);
    // HEAD shows no code, so it uses none up.
    for _ in 0..2 {
        assert_eq!(world.request("HEAD", &path("exclusive=true")).send().status, 200);
    }
    assert_eq!(world.get(&path("exclusive=true")).status, 200);
    let taken = world.get(&path("exclusive=true"));
    taken.is(429, "code_taken");
    assert_eq!(taken.header("retry-after"), Some("20"));
    assert_eq!(world.get(&path("exclusive=false")).status, 200);
    world.advance(20);
    assert_eq!(world.get(&path("exclusive=true")).status, 200);
}

#[test]
fn put_creates_or_replaces_whole() {
    let world = World::default();
    let put = |path: &str, body: Value| world.request("PUT", path).json(body).send();
    let body =
        json!({"domain": "example.com", "values": {"a": "1"}, "sso_provider": "google", "totp_secret": TOTP_SECRET});
    let created = put("/credentials/a%20b", body.clone());
    assert_eq!((created.status, &created.json["name"]), (201, &json!("a b")));
    assert_eq!(put("/credentials/a%20b", body.clone()).json["version"], 1);
    let replaced = put("/credentials/a%20b", json!({"name": "a b", "domain": "example.org", "values": {"b": "2"}}));
    assert_eq!((replaced.status, &replaced.json["version"]), (200, &json!(2)));
    assert_eq!(replaced.json["id"], created.json["id"]);
    assert_eq!((&replaced.json["value_keys"], &replaced.json["domain"]), (&json!(["b"]), &json!("example.org")));
    assert!(replaced.json["has_totp_secret"] == false && replaced.json.get("sso_provider").is_none());
    let mut other = body.clone();
    other["name"] = "hunter2-canary".into();
    put("/credentials/a%20b", other).is_bad_request("name must be the same as in the path, or absent");
    let by_id = format!("/credentials/{}", created.json["id"].as_str().unwrap());
    put(&by_id, body.clone()).is_bad_request("name must not have the form of a credential id");
    put("/credentials/x", json!({"domain": "example.com"})).is_bad_request("values is required");
}

#[test]
fn supply_releases_to_the_domain_only() {
    let world = World::default();
    world.create("n", Some(RFC_SEED));
    let supply = |body: Value| world.post("/credentials/n/supply", body);
    let answer = supply(json!({"origin": "https://login.example.com", "min_valid_seconds": 5}));
    let code = world.get("/credentials/n/totp-code").json;
    let id = world.get("/credentials/n").json["id"].clone();
    let values = json!({"username": "u", "password": CANARY});
    assert_eq!(answer.json, json!({"id": id, "name": "n", "values": values, "totp": code}));
    for origin in ["https://example.org", "http://example.com", "hunter2-canary", "null", ""] {
        let refusal = supply(json!({"origin": origin}));
        refusal.is(403, "origin_refused");
        assert!(refusal.json["message"].as_str().unwrap().starts_with("origin must"), "{refusal:?}");
    }
    supply(json!({})).is_bad_request("origin is required");
    supply(json!({"origin": 5})).is_bad_request("origin must be a string");
    supply(json!({"origin": "https://example.com", "exclusive": "true"}))
        .is_bad_request("exclusive must be true or false");
    assert_eq!(supply(json!({"origin": "https://example.com", "exclusive": true})).status, 200);
    supply(json!({"origin": "https://example.com", "exclusive": true})).is(429, "code_taken");
    world.post("/credentials/m/supply", json!({"origin": "https://example.com"})).is(404, "not_found");
    world.create("plain", None);
    let plain = world.post("/credentials/plain/supply", json!({"origin": "https://example.com"}));
    assert!(plain.status == 200 && plain.json.get("totp").is_none());
}

#[test]
fn names_reach_their_credential_and_nothing_else() {
    let world = World::default();
    for (name, encoded) in [
        ("a b/c?d#e%é@x:y", "a%20b%2Fc%3Fd%23e%25%C3%A9@x:y"),
        ("totp-code", "totp-code"),
        ("a/totp-code", "a%2Ftotp-code"),
        ("a/supply", "a%2fsupply"),
        ("../health", "..%2Fhealth"),
        ("a+b", "a+b"),
        ("a%2Fb", "a%252Fb"),
        ("日本語", "%E6%97%A5%E6%9C%AC%E8%AA%9E"),
        ("null", "null"),
        ("{id_or_name}", "%7Bid_or_name%7D"),
    ] {
        let id = world.create(name, Some(TOTP_SECRET))["id"].clone();
        assert_eq!(world.get(&format!("/credentials/{encoded}")).json["id"], id, "{name}");
        assert_eq!(world.get(&format!("/credentials/{encoded}/totp-code")).status, 200, "{name}");
        let renamed = world.patch(&format!("/credentials/{encoded}"), json!({"sso_provider": "x"}));
        assert_eq!((renamed.status, &renamed.json["id"]), (200, &id));
        assert_eq!(world.request("DELETE", &format!("/credentials/{encoded}")).send().status, 204, "{name}");
    }
    assert_eq!(world.get("/credentials").json, json!([]));
    for path in ["/credentials/%", "/credentials/%zz", "/credentials/%ff/totp-code", "/credentials/a%"] {
        world.get(path).is_bad_request("the path must be percent-encoded UTF-8");
    }
    // No credential can be called so.
    for path in
        ["/credentials/%00", "/credentials/..", "/credentials/%2e", "/credentials/cred_0000000000000000000000000z"]
    {
        world.get(path).is(404, "not_found");
    }
    world.get("/credentials/%20").is(400, "bad_request");
}

#[test]
fn other_routes_and_methods_are_refused_with_or_without_a_token() {
    let world = World::default();
    for path in
        ["/", "/credentials/", "/credentials//totp-code", "/v1/credentials", "/credentials/a/b", "/mcp/x", "x", ""]
    {
        for method in ["GET", "POST", "DELETE", "OPTIONS"] {
            world.request(method, path).send().is(404, "not_found");
            world.request(method, path).without("authorization").send().is(404, "not_found");
        }
    }
    for (method, path, allow) in [
        ("DELETE", "/credentials", "GET, HEAD, POST"),
        ("POST", "/credentials/a", "GET, HEAD, PUT, PATCH, DELETE"),
        ("POST", "/credentials/a/totp-code?exclusive=true", "GET, HEAD"),
        ("GET", "/credentials/a/supply", "POST"),
        ("OPTIONS", "/health", "GET, HEAD"),
        ("QUERY", "/openapi.json", "GET, HEAD"),
    ] {
        let answer = world.request(method, path).without("authorization").send();
        answer.is(405, "method_not_allowed");
        assert_eq!(answer.header("allow"), Some(allow));
    }
}

#[test]
fn head_is_get_without_a_body() {
    let world = World::default();
    world.create("n", Some(TOTP_SECRET));
    for path in ["/credentials?limit=1", "/credentials/n", "/credentials/n/totp-code", "/health", "/openapi.json"] {
        let (get, head) = (world.get(path), world.request("HEAD", path).send());
        assert_eq!((head.status, &head.headers), (get.status, &get.headers), "{path}");
    }
    assert_eq!(world.request("HEAD", "/credentials/x").send().status, 404);
}

#[test]
fn sane_request_ids_come_back() {
    let world = World::default();
    let longest = "a".repeat(64);
    for id in ["1", "A-b_c.9", &longest] {
        for path in ["/credentials", "/credentials/none", "/nowhere"] {
            let answer = world.request("GET", path).header("x-request-id", id).send();
            assert_eq!(answer.header("x-request-id"), Some(id));
        }
    }
    for id in ["", " ", "a b", "é", "a\r\nb", "<x>", &"a".repeat(65)] {
        assert_eq!(world.request("GET", "/health").header("x-request-id", id).send().header("x-request-id"), None);
    }
    let twice = world.request("GET", "/health").header("x-request-id", "a").more("x-request-id", b"b").send();
    assert_eq!(twice.header("x-request-id"), None);
}

#[test]
fn the_clock_of_the_test_is_what_it_says() {
    assert_eq!(Timestamp::from_seconds(NOW).to_rfc3339(), "2026-11-22T10:30:00Z");
}
