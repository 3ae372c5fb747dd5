//! Calls as models really send them, each with its answer. None ends as an error of the protocol, which no model is shown.

use super::super::super::tests::world::{CANARY, World};
use super::{earlier, post, send, text_of};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use serde_json::{Value, json};

enum Expected<'t> {
    /// What the structured content has at a pointer.
    Has(&'static str, Value),
    /// The text of an error.
    Says(&'t str),
}
use Expected::{Has, Says};

const ACTIONS: &str = "Error: action must be one of list, get, totp_code, create, update, delete";
const NEEDED: &str = "Error: domain, name, and non-empty values are required for create.";
const LIMIT: &str = "Error: limit must be a whole number from 1 to 100";
const NO_CHANGE: &str = "Error: at least one update field is required: name, domain, additional_domains, values, \
                         remove_value_keys, description, metadata, archived, sso_provider or totp_secret";

/// In the vault are `n`, with values and a TOTP secret, and names that have to be quoted.
fn world() -> World {
    let world = World::default();
    world.create("n", Some("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"));
    for name in ["say \"hi\"", "it's", "a\\b", "日本語 é"] {
        world.create(name, None);
    }
    world
}

/// Every call that is not answered so.
#[track_caller]
fn check(table: &[(Value, Expected<'_>)]) {
    let wrong: Vec<String> = table.iter().filter_map(|(arguments, expected)| wrong(arguments, expected)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn wrong(arguments: &Value, expected: &Expected<'_>) -> Option<String> {
    let world = world();
    let answer = send(
        post(&world, earlier("tools/call", json!({"name": "manage_credentials", "arguments": arguments}))),
        &world,
    );
    let result = answer.result();
    let is_right = match expected {
        Has(pointer, value) => {
            result["isError"] == false && result["structuredContent"].pointer(pointer) == Some(value)
        }
        Says(text) => result["isError"] == true && text_of(result) == *text,
    };
    (!is_right).then(|| format!("{arguments}: {}", text_of(result)))
}

/// A good create with some members replaced.
fn create(changes: Value) -> Value {
    let mut arguments = json!({"action": "create", "name": "new", "domain": "example.com", "values": {"a": "b"}});
    arguments.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    arguments
}

fn update(changes: Value) -> Value {
    let mut arguments = json!({"action": "update", "id_or_name": "n"});
    arguments.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    arguments
}

#[test]
fn calls_as_models_send_them() {
    let totp = |changes: Value| {
        let mut arguments = json!({"action": "totp_code", "id_or_name": "n"});
        arguments.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        arguments
    };
    let table = [
        // The action, in the cases and with the separators that models choose.
        (json!({"action": "list"}), Has("/items/0/name", json!("n"))),
        (json!({"action": "LIST"}), Has("/items/0/name", json!("n"))),
        (json!({"action": " List "}), Has("/items/0/name", json!("n"))),
        (json!({"action": "totp-code", "id_or_name": "n"}), Has("/period", json!(30))),
        (json!({"action": "totpCode", "id_or_name": "n"}), Has("/period", json!(30))),
        (json!({"action": "TOTP_CODE", "id_or_name": "n"}), Has("/period", json!(30))),
        (json!({}), Says(ACTIONS)),
        (json!({"action": null}), Says(ACTIONS)),
        (json!({"action": ""}), Says(ACTIONS)),
        (json!({"action": 5}), Says(ACTIONS)),
        (json!({"action": ["list"]}), Says(ACTIONS)),
        (json!({"action": "remove", "id_or_name": "n"}), Says(ACTIONS)),
        (json!({"action": "supply", "id_or_name": "n", "origin": "https://example.com"}), Says(ACTIONS)),
        (json!({"Action": "list"}), Says(ACTIONS)),
        // The arguments as a whole.
        (json!(null), Says(ACTIONS)),
        (json!("{\"action\":\"get\",\"id_or_name\":\"n\"}"), Has("/name", json!("n"))),
        (json!("list"), Says("Error: arguments must be an object")),
        (json!([]), Says("Error: arguments must be an object")),
        (json!(true), Says("Error: arguments must be an object")),
        // What is not set, as null or as an empty text; members that clients add.
        (
            json!({"action": "list", "domain": null, "query": null, "limit": null, "offset": null, "values": null,
                   "id_or_name": null, "project": null, "project_id": null, "totp_digits": null, "exclusive": null}),
            Has("/items/0/name", json!("n")),
        ),
        (
            json!({"action": "list", "domain": "", "query": "", "limit": "", "offset": "", "values": "", "name": "",
                   "id_or_name": "", "project": "", "project_id": "", "totp_digits": "", "exclusive": ""}),
            Has("/items/0/name", json!("n")),
        ),
        (
            json!({"action": "get", "id_or_name": "n", "context": "why", "wait_for_previous": true, "toolCallId": 7}),
            Has("/name", json!("n")),
        ),
        (json!({"action": "get", "id_or_name": "n", "limit": 5, "values": {}}), Has("/name", json!("n"))),
        // Numbers and flags as text.
        (json!({"action": "list", "limit": "1"}), Has("/next_offset", json!(1))),
        (json!({"action": "list", "limit": 1.0}), Has("/next_offset", json!(1))),
        (json!({"action": "list", "limit": "2", "offset": "1"}), Has("/next_offset", json!(3))),
        (json!({"action": "list", "limit": 0}), Says(LIMIT)),
        (json!({"action": "list", "limit": 1000}), Says(LIMIT)),
        (json!({"action": "list", "limit": "all"}), Says(LIMIT)),
        (json!({"action": "list", "limit": 1.5}), Says(LIMIT)),
        (json!({"action": "list", "offset": -1}), Says("Error: offset must be a whole number from 0 to 4294967295")),
        (totp(json!({"exclusive": "true"})), Has("/period", json!(30))),
        (totp(json!({"exclusive": "False"})), Has("/period", json!(30))),
        (totp(json!({"exclusive": "maybe"})), Says("Error: exclusive must be true or false")),
        (totp(json!({"min_valid_seconds": "5"})), Has("/valid_for_seconds", json!(30))),
        (totp(json!({"min_valid_seconds": null})), Has("/valid_for_seconds", json!(30))),
        // Domains as they are copied.
        (json!({"action": "list", "domain": "https://Example.com/login?x=1"}), Has("/items/0/name", json!("n"))),
        (json!({"action": "list", "domain": "EXAMPLE.COM"}), Has("/items/0/name", json!("n"))),
        // Names that have to be quoted, and ids.
        (json!({"action": "get", "id_or_name": "say \"hi\""}), Has("/name", json!("say \"hi\""))),
        (json!({"action": "get", "id_or_name": "it's"}), Has("/name", json!("it's"))),
        (json!({"action": "get", "id_or_name": "a\\b"}), Has("/name", json!("a\\b"))),
        (json!({"action": "get", "id_or_name": "日本語 é"}), Has("/name", json!("日本語 é"))),
        (json!({"action": "get", "id_or_name": " n "}), Has("/name", json!("n"))),
        (json!({"action": "get"}), Says("Error: id_or_name is required for get.")),
        (json!({"action": "totp_code", "id_or_name": null}), Says("Error: id_or_name is required for totp_code.")),
        (json!({"action": "delete", "id_or_name": ""}), Says("Error: id_or_name is required for delete.")),
        (json!({"action": "update", "name": "n"}), Says("Error: id_or_name is required for update.")),
        // The project.
        (json!({"action": "list", "project": "default"}), Has("/items/0/name", json!("n"))),
        (json!({"action": "list", "project_id": "default"}), Has("/items/0/name", json!("n"))),
        (
            json!({"action": "list", "project": "my-project"}),
            Says("Error: project must match this connection's fixed project: leave it out"),
        ),
        // Values as objects, as text that holds one, and of other types.
        (create(json!({"values": "{\"user\":\"u\",\"pin\":1234}"})), Has("/value_keys", json!(["user", "pin"]))),
        (create(json!({"values": {"pin": 1234, "on": true}})), Has("/value_keys", json!(["on", "pin"]))),
        (create(json!({"values": {"a": "b", "gone": null}})), Has("/value_keys", json!(["a"]))),
        (create(json!({"values": "hunter2"})), Says("Error: values must be an object of strings")),
        (create(json!({"values": {"a": {"b": "c"}}})), Says("Error: values must be an object of strings (entry 1)")),
        (create(json!({"values": {}})), Says(NEEDED)),
        (create(json!({"values": null})), Says(NEEDED)),
        (create(json!({"name": ""})), Says(NEEDED)),
        (create(json!({"domain": null})), Says(NEEDED)),
        (
            create(json!({"sso_provider": null, "totp_secret": null, "totp_digits": null, "totp_algorithm": null})),
            Has("/has_totp_secret", json!(false)),
        ),
        (
            create(json!({"sso_provider": "", "totp_secret": "", "totp_digits": "", "totp_period": ""})),
            Has("/has_totp_secret", json!(false)),
        ),
        (
            create(
                json!({"totp_secret": "gezd gnbv-gy3t qojq gezd gnbv gy3t qojq", "totp_digits": "8", "totp_algorithm": "sha256"}),
            ),
            Has("/totp_digits", json!(8)),
        ),
        (
            create(json!({"totp_secret": "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", "totp_period": "60"})),
            Has("/totp_period", json!(60)),
        ),
        // Updates: null changes nothing, an empty text clears.
        (update(json!({"name": null, "values": {"x": "y"}})), Has("/value_keys", json!(["password", "username", "x"]))),
        (
            update(json!({"values": {"password": null, "x": "y"}})),
            Has("/value_keys", json!(["password", "username", "x"])),
        ),
        (update(json!({"totp_secret": null, "values": {"x": "y"}})), Has("/has_totp_secret", json!(true))),
        (update(json!({"totp_secret": ""})), Has("/has_totp_secret", json!(false))),
        (update(json!({"remove_value_keys": "[\"username\"]"})), Has("/value_keys", json!(["password"]))),
        (
            update(json!({"remove_value_keys": ["username"], "sso_provider": null})),
            Has("/value_keys", json!(["password"])),
        ),
    ];
    assert!(table.len() >= 60, "{}", table.len());
    check(&table);
}

/// What goes wrong in models' more elaborate calls: words for nothing, wrappings, lists as text, what is copied from pages.
#[test]
fn calls_that_are_further_off() {
    const TEXTS: &str = "Error: additional_domains must be an array of strings";
    const VALUES: &str = "Error: values must be an object of strings";
    const DOMAIN: &str = "Error: domain must be made of letters, digits, hyphens, underscores and dots";
    const FLAG: &str = "Error: archived must be true or false";
    let list = |field: &str, value: Value| json!({"action": "list", field: value});
    let first = || Has("/items/0/name", json!("n"));
    let empty = || Has("/items", json!([]));
    let says_of_origin =
        |rule: &str| format!("Error in manage_credentials (list): origin {rule} [code: origin_refused].");
    let has_scheme = says_of_origin("must be a URL that begins with a scheme and ://");
    let no_spaces = says_of_origin("must not contain white space or control characters");
    let is_https = says_of_origin(
        "must have the scheme https; http is for localhost, names below it, loopback addresses, and what the setting \
         strongroom_http_origins names",
    );
    let table = [
        // The arguments inside of something else.
        (json!({"arguments": {"action": "list"}}), Says(ACTIONS)),
        (json!({"params": {"action": "list"}}), Says(ACTIONS)),
        (json!({"action": {"type": "list"}}), Says(ACTIONS)),
        (json!("\"{\\\"action\\\":\\\"list\\\"}\""), Says("Error: arguments must be an object")),
        (json!("```json\n{\"action\":\"list\"}\n```"), Says("Error: arguments must be an object")),
        (json!([{"action": "list"}]), Says("Error: arguments must be an object")),
        // Names of actions that are not ours.
        (json!({"action": "list_credentials"}), Says(ACTIONS)),
        (json!({"action": "get_totp_code", "id_or_name": "n"}), Says(ACTIONS)),
        (json!({"action": "search", "query": "n"}), Says(ACTIONS)),
        (json!({"action": "list\n"}), first()),
        (json!({"action": "Totp Code", "id_or_name": "n"}), Has("/period", json!(30))),
        // Words for nothing.
        (json!({"action": "list", "limit": "null", "offset": "null", "archived": "null"}), first()),
        (json!({"action": "list", "limit": "None"}), Says(LIMIT)),
        (update(json!({"remove_value_keys": "null", "metadata": "null", "name": "m"})), Has("/name", json!("m"))),
        (
            json!({"action": "list", "remove_value_keys": [], "values": {}, "metadata": {}, "additional_domains": []}),
            first(),
        ),
        (update(json!({"values": {}, "remove_value_keys": []})), Has("/value_keys", json!(["password", "username"]))),
        // Defaults that were spelled out for settings that need something else.
        (
            update(json!({"name": "m", "totp_algorithm": "SHA1", "totp_digits": 6, "totp_period": 30})),
            Says("Error: totp_algorithm needs a totp_secret in the same request"),
        ),
        (
            create(json!({"totp_digits": 6, "totp_period": 30})),
            Says("Error: totp_digits needs a totp_secret in the same request"),
        ),
        // Numbers.
        (list("limit", json!("1e1")), first()),
        (list("limit", json!(" 5\n")), first()),
        (list("limit", json!("five")), Says(LIMIT)),
        (list("limit", json!(true)), Says(LIMIT)),
        (list("limit", json!([20])), Says(LIMIT)),
        (list("limit", json!(1e300)), Says(LIMIT)),
        (list("offset", json!(1_000_000)), empty()),
        (
            json!({"action": "totp_code", "id_or_name": "n", "min_valid_seconds": "10s"}),
            Says("Error: min_valid_seconds must be a whole number from 0 to the period minus 1"),
        ),
        (
            json!({"action": "totp_code", "id_or_name": "n", "min_valid_seconds": 30}),
            Says("Error: min_valid_seconds must be a whole number from 0 to the period minus 1"),
        ),
        // Flags.
        (list("archived", json!("false")), first()),
        (list("archived", json!(" TRUE ")), empty()),
        (list("archived", json!(0)), Says(FLAG)),
        (list("archived", json!("yes")), Says(FLAG)),
        (update(json!({"archived": "true"})), Has("/archived", json!(true))),
        // The page an agent is on.
        (list("origin", json!("https://example.com/login?next=%2F#top")), first()),
        (list("origin", json!("https://login.example.com")), first()),
        (list("origin", json!("https://example.org/")), empty()),
        (list("origin", json!("")), first()),
        (list("origin", json!("example.com")), Says(&has_scheme)),
        (list("origin", json!("about:blank")), Says(&has_scheme)),
        (list("origin", json!("https://example.com/a b")), Says(&no_spaces)),
        (list("origin", json!("http://example.com/")), Says(&is_https)),
        (list("origin", json!(["https://example.com"])), Says("Error: origin must be a string")),
        // Domains.
        (list("domain", json!("*.example.com")), Says(DOMAIN)),
        (list("domain", json!("example.com, example.org")), Says(DOMAIN)),
        (list("domain", json!("www.example.com")), empty()),
        (list("domain", json!(["example.com"])), Says("Error: domain must be a string")),
        (
            create(json!({"domain": "https://accounts.example.com:443/x"})),
            Has("/domain", json!("accounts.example.com")),
        ),
        (create(json!({"domain": "Example.COM."})), Has("/domain", json!("example.com"))),
        (create(json!({"domain": "Example Inc"})), Says(DOMAIN)),
        (
            create(json!({"additional_domains": ["https://b.example/x", "example.com"]})),
            Has("/additional_domains", json!(["b.example"])),
        ),
        (create(json!({"additional_domains": "[\"b.example\"]"})), Has("/additional_domains", json!(["b.example"]))),
        (create(json!({"additional_domains": "b.example"})), Says(TEXTS)),
        (create(json!({"additional_domains": "b.example, c.example"})), Says(TEXTS)),
        (create(json!({"additional_domains": {"0": "b.example"}})), Says(TEXTS)),
        (create(json!({"additional_domains": [null]})), Has("/domain", json!("example.com"))),
        (
            create(json!({"additional_domains": ["b.example", 5]})),
            Says("Error: additional_domains must be an array of strings (entry 2)"),
        ),
        // Ids and names.
        (json!({"action": "get", "id": "n"}), Says("Error: id_or_name is required for get.")),
        (json!({"action": "get", "name": "n"}), Says("Error: id_or_name is required for get.")),
        (json!({"action": "get", "id_or_name": 7}), Says("Error: id_or_name must be a string")),
        (json!({"action": "get", "id_or_name": ["n"]}), Says("Error: id_or_name must be a string")),
        (
            json!({"action": "get", "id_or_name": "N"}),
            Says(
                "Error in manage_credentials (get): credential not found [code: not_found]. Action list shows the \
                 credentials there are.",
            ),
        ),
        (create(json!({"name": "a\nb"})), Says("Error: name must not contain control characters")),
        (
            create(json!({"name": "a\u{200b}b"})),
            Says("Error: name must not contain characters that can't be seen or that turn the direction of text"),
        ),
        (create(json!({"name": "x".repeat(256)})), Says("Error: name must be 1 to 255 bytes long")),
        (create(json!({"name": 42})), Says("Error: name must be a string")),
        // Values.
        (create(json!({"values": [{"key": "username", "value": "u"}]})), Says(VALUES)),
        (create(json!({"values": ["username", "u"]})), Says(VALUES)),
        (create(json!({"values": "{'username': 'u'}"})), Says(VALUES)),
        (create(json!({"values": "username=u"})), Says(VALUES)),
        (create(json!({"username": "u", "password": "p", "values": null})), Says(NEEDED)),
        (create(json!({"values": {"username": ""}})), Has("/value_keys", json!(["username"]))),
        (
            create(json!({"values": {"emails": ["a", "b"]}})),
            Says("Error: values must be an object of strings (entry 1)"),
        ),
        (
            update(json!({"remove_value_keys": "username"})),
            Says("Error: remove_value_keys must be an array of strings"),
        ),
        // Descriptions and metadata.
        (create(json!({"description": " Work\n"})), Has("/description", json!("Work"))),
        (create(json!({"description": "two\nlines"})), Says("Error: description must not contain control characters")),
        (create(json!({"description": ["x"]})), Says("Error: description must be a string")),
        (create(json!({"metadata": "{\"team\": \"ops\"}"})), Has("/metadata", json!({"team": "ops"}))),
        (
            create(json!({"metadata": {"seats": 3, "paid": true}})),
            Has("/metadata", json!({"seats": "3", "paid": "true"})),
        ),
        (
            create(json!({"metadata": {"owner": {"name": "x"}}})),
            Says("Error: metadata must be an object of strings (entry 1)"),
        ),
        (create(json!({"metadata": ["x"]})), Says("Error: metadata must be an object of strings")),
        // Secrets of one-time codes.
        (
            create(json!({"totp_secret": "123456"})),
            Says("Error: totp_secret must be base32, that is letters and the digits 2 to 7, or an otpauth://totp/ URI"),
        ),
        (create(json!({"totp_secret": 234567})), Says("Error: totp_secret must be a string")),
        (
            create(json!({"totp_secret": "otpauth://totp/x?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&amp;digits=8"})),
            Has("/totp_digits", json!(8)),
        ),
        (
            create(json!({"totp_secret": "otpauth://hotp/x?secret=GEZDGNBVGY3TQOJQ&counter=1"})),
            Says("Error: totp_secret must be time-based: otpauth://hotp/ is not supported"),
        ),
        (
            create(json!({"totp_secret": "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", "totp_algorithm": "HMAC-SHA-256"})),
            Has("/totp_algorithm", json!("SHA256")),
        ),
        (
            create(json!({"totp_secret": "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", "totp_algorithm": "MD5"})),
            Says("Error: totp_algorithm must be SHA1, SHA256 or SHA512"),
        ),
        (
            create(json!({"totp_secret": "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", "totp_digits": 5})),
            Says("Error: totp_digits must be 6 to 9"),
        ),
        // Updates: an empty text, array or object clears; null does not.
        (
            update(json!({"description": "d", "metadata": {"a": "b"}, "sso_provider": "google"})),
            Has("/metadata/a", json!("b")),
        ),
        (update(json!({"description": null, "metadata": null, "additional_domains": null})), Says(NO_CHANGE)),
        (update(json!({"description": "", "metadata": {}, "additional_domains": []})), Has("/version", json!(1))),
        (update(json!({"domain": "https://example.com/"})), Has("/version", json!(1))),
        (update(json!({})), Says(NO_CHANGE)),
        (update(json!({"password": "p"})), Says(NO_CHANGE)),
    ];
    check(&table);
}

#[test]
fn nothing_that_was_sent_comes_back_in_an_error() {
    let world = world();
    for member in [
        "action",
        "id_or_name",
        "domain",
        "additional_domains",
        "origin",
        "query",
        "archived",
        "limit",
        "offset",
        "min_valid_seconds",
        "exclusive",
        "name",
        "values",
        "remove_value_keys",
        "metadata",
        "totp_secret",
        "totp_algorithm",
        "totp_digits",
        "totp_period",
        "project",
        "project_id",
    ] {
        for action in ["list", "get", "totp_code", "create", "update", "delete", CANARY] {
            if (action, member) == ("create", "name") {
                // The new name is no error.
                continue;
            }
            let mut arguments = create(json!({"action": action, "id_or_name": "missing"}));
            arguments[member] = CANARY.into();
            // `send` looks for the canary in every answer.
            let request = earlier("tools/call", json!({"name": "manage_credentials", "arguments": arguments}));
            assert_eq!(send(post(&world, request), &world).status, 200, "{action} {member}");
        }
    }
}
