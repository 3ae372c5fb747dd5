//! The error cases of every action, in tables: each with its stable code and a message that names the field and repeats
//! nothing of the input; nothing is changed in the store by any of them.

use serde_json::{Value, json};
use strongroom_host_tests::credentials::{Changes, ListQuery, NewCredential};
use strongroom_host_tests::types::{CodeOptions, Error, ErrorCode, TotpAlgorithm};
use strongroom_host_tests::{Vault, World, everything, new_credential, no_changes};

/// A well-formed id that no credential of these tests has.
const UNKNOWN_ID: &str = "cred_06e5n2qp0000000000000canas";

/// Holds `plain` without and `coded` with a TOTP secret.
fn vault(world: World) -> Vault {
    let vault = Vault::new(world);
    for (name, secret) in [("plain", None), ("coded", Some("JBSWY3DPEHPK3PXP"))] {
        let mut request = json!({
            "action": "create", "name": name, "domain": "example.com", "values": { "password": "stored-canary" }
        });
        if let Some(secret) = secret {
            request["totp_secret"] = secret.into();
        }
        vault.manage_json(&request).unwrap();
    }
    vault
}

/// Runs what must fail, and checks that it wrote nothing.
fn without_a_trace<T>(vault: &Vault, case: &str, fail: impl FnOnce() -> T) -> T {
    let before = vault.store.entries("default");
    vault.store.reset();
    let result = fail();
    assert_eq!(vault.store.counts().writes(), 0, "{case}");
    assert_eq!(vault.store.entries("default"), before, "{case}");
    result
}

/// Parts of a request that an error must not repeat: every text, every number that no rule names, every key inside
/// another object. Names of parameters are the vault's own words.
fn inputs(request: &str) -> Vec<String> {
    fn collect(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::String(text) => found.extend(text.split_whitespace().map(str::to_owned)),
            Value::Number(number) => found.push(number.to_string()),
            Value::Array(elements) => elements.iter().for_each(|element| collect(element, found)),
            Value::Object(members) => members.iter().for_each(|(key, value)| {
                found.push(key.clone());
                collect(value, found);
            }),
            Value::Null | Value::Bool(_) => {}
        }
    }
    let mut found = vec!["hunter2".to_owned(), "canary".to_owned()];
    if let Ok(Value::Object(members)) = serde_json::from_str(request) {
        let known =
            |key: &str, value: &Value| key == "action" && value.is_string() && !value.to_string().contains("canary");
        members.iter().filter(|(key, value)| !known(key, value)).for_each(|(_, value)| collect(value, &mut found));
    }
    found.retain(|text| text.len() > 2);
    found
}

fn assert_refusals(table: &[(&str, String, &str, &str)]) {
    let vault = vault(World::Agent);
    for (case, request, code, names) in table {
        let answer = without_a_trace(&vault, case, || vault.manage(request));
        let json = answer.expect_err(&format!("{case}: {request} was accepted"));
        let error: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(error["code"], *code, "{case}: {json}");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(names) && message.len() <= 300, "{case}: {json}");
        for input in inputs(request) {
            assert!(!json.contains(&input), "{case}: {json} repeats {input}");
        }
        let is_transient = matches!(*code, "code_expiring" | "code_taken" | "contended");
        assert_eq!(error.get("retry_after_seconds").is_some(), is_transient, "{case}: {json}");
    }
}

/// A request of an action with one member more, given as JSON.
fn with(action: &str, member: &str, json: &str) -> String {
    format!(r#"{{"action":"{action}","{member}":{json}}}"#)
}

/// A create that is well-formed but for one member, given as JSON; without it, if that is empty.
fn create_with(member: &str, json: &str) -> String {
    let good = [("name", r#""hunter2-name""#), ("domain", r#""hunter2.example""#), ("values", r#"{"hunter2":"x"}"#)];
    let mut members: Vec<String> =
        good.iter().filter(|(name, _)| *name != member).map(|(name, value)| format!(r#""{name}":{value}"#)).collect();
    if !json.is_empty() {
        members.push(format!(r#""{member}":{json}"#));
    }
    format!(r#"{{"action":"create",{}}}"#, members.join(","))
}

fn update_with(member: &str, json: &str) -> String {
    format!(r#"{{"action":"update","id_or_name":"coded","{member}":{json}}}"#)
}

/// JSON of every type but the one named.
fn all_but(accepted: &[&str]) -> impl Iterator<Item = &'static str> {
    [
        ("null", "null"),
        ("bool", "true"),
        ("number", "7766554"),
        ("string", r#""hunter2-canary""#),
        ("array", r#"["hunter2-canary"]"#),
        ("object", r#"{"hunter2-canary":7766554}"#),
    ]
    .into_iter()
    .filter(move |(kind, _)| !accepted.contains(kind))
    .map(|(_, json)| json)
}

#[test]
fn of_the_envelope() {
    let bad = |case: &'static str, request: &str, names: &'static str| (case, request.to_owned(), "bad_request", names);
    let actions = "list, get, totp_code, create, update, delete";
    let deep = format!(r#"{{"action":"list","x":{}{}}}"#, "[".repeat(40), "]".repeat(40));
    let many = format!(r#"{{"action":"list","x":[{}0]}}"#, "7766554,".repeat(20_000));
    let mut table = vec![
        bad("nothing", "", "the request"),
        bad("no JSON", "hunter2-canary", "the request"),
        bad("a text", r#""hunter2-canary""#, "the request"),
        bad("an array", r#"["hunter2-canary"]"#, "the request"),
        bad("null", "null", "the request"),
        bad("cut off", r#"{"action":"create","values":{"password":"hunter2-canary""#, "the request"),
        bad("something after it", r#"{"action":"list"} hunter2-canary"#, "the request"),
        bad("a member twice", r#"{"action":"list","action":"hunter2-canary"}"#, "the request"),
        bad("a value twice", &create_with("values", r#"{"canary":"1","canary":"2"}"#), "the request"),
        bad("half a surrogate pair", r#"{"action":"get","id_or_name":"hunter2-canary\ud800"}"#, "the request"),
        bad("too deep", &deep, "the request"),
        bad("too many values", &many, "the request"),
        bad("no action", "{}", actions),
        bad("no action, but more", r#"{"id_or_name":"hunter2-canary"}"#, actions),
        bad("empty action", &with("", "id_or_name", r#""hunter2-canary""#), actions),
        bad("unknown action", &with("hunter2-canary", "id_or_name", r#""coded""#), actions),
        bad("the REST name", &with("totp-code", "id_or_name", r#""coded""#), actions),
        bad("supply", &with("supply", "id_or_name", r#""coded""#), actions),
        bad("put", &with("put", "id_or_name", r#""coded""#), actions),
        ("another project", with("list", "project", r#""hunter2-canary""#), "bad_request", "project must match"),
        (
            "another project, old name",
            with("list", "project_id", r#""hunter2-canary""#),
            "bad_request",
            "project must match",
        ),
    ];
    for json in all_but(&["string", "null"]) {
        table.push(bad("action of another type", &format!(r#"{{"action":{json}}}"#), actions));
        table.push(bad("project of another type", &with("list", "project", json), "project must be a string"));
        table.push(bad("project_id of another type", &with("list", "project_id", json), "project_id must be a string"));
    }
    assert_refusals(&table);
}

#[test]
fn of_list() {
    let mut table = Vec::new();
    for json in ["0", "101", "-1", "1.5", "0.5", "1e300", "7766554433", "9223372036854775808", r#""x""#, r#""0""#] {
        table.push(("limit", with("list", "limit", json), "bad_request", "limit must be a whole number from 1 to 100"));
    }
    for json in ["-1", "1.5", "-0.5", "1e300", "4294967296", r#""-1""#] {
        table.push(("offset", with("list", "offset", json), "bad_request", "offset must be a whole number from 0"));
    }
    for json in [
        r#""hunter2-canary@x""#,
        r#""hunter2 canary.example""#,
        r#""hunter2@canary.example""#,
        r#""bu\u0308canary.test""#,
    ] {
        table.push(("domain", with("list", "domain", json), "bad_request", "domain "));
    }
    for json in all_but(&["number", "null"]) {
        table.push(("limit's type", with("list", "limit", json), "bad_request", "limit must be a whole number"));
        table.push(("offset's type", with("list", "offset", json), "bad_request", "offset must be a whole number"));
    }
    for json in all_but(&["string", "null"]) {
        table.push(("domain's type", with("list", "domain", json), "bad_request", "domain must be a string"));
        table.push(("query's type", with("list", "query", json), "bad_request", "query must be a string"));
    }
    assert_refusals(&table);
}

#[test]
fn of_pointing_at_a_credential() {
    let mut table = Vec::new();
    for (action, required) in [
        ("get", "id_or_name is required for get."),
        ("totp_code", "id_or_name is required for totp_code."),
        ("update", "id_or_name is required for update."),
        ("delete", "id_or_name is required for delete."),
    ] {
        table.push(("missing", with(action, "name", r#""hunter2-canary""#), "bad_request", required));
        for blank in [r#""""#, r#""  ""#, r#""\u00a0\n""#] {
            table.push(("blank", with(action, "id_or_name", blank), "bad_request", required));
        }
        for json in all_but(&["string", "null"]) {
            let rule = "id_or_name must be a string";
            table.push(("wrong type", with(action, "id_or_name", json), "bad_request", rule));
        }
        for unknown in ["hunter2-canary", UNKNOWN_ID, "CODED", "coded/", "..", "hunter2\\u0000canary", &"x".repeat(300)]
        {
            let request = format!(r#"{{"action":"{action}","id_or_name":"{unknown}","name":"hunter2-other"}}"#);
            table.push(("unknown", request, "not_found", "credential not found"));
        }
    }
    assert_refusals(&table);
}

#[test]
fn of_totp_code() {
    let coded =
        |member: &str, json: &str| format!(r#"{{"action":"totp_code","id_or_name":"coded","{member}":{json}}}"#);
    let mut table = vec![(
        "no secret",
        with("totp_code", "id_or_name", r#""plain""#),
        "totp_not_configured",
        "the credential has no totp_secret",
    )];
    let seconds = "min_valid_seconds must be a whole number from 0 to the period minus 1";
    for json in ["-1", "30", "0.5", "65536", "1e300", r#""30""#] {
        table.push(("min_valid_seconds", coded("min_valid_seconds", json), "bad_request", seconds));
    }
    for json in all_but(&["number", "null"]) {
        table.push(("min_valid_seconds' type", coded("min_valid_seconds", json), "bad_request", seconds));
    }
    for json in all_but(&["bool", "null"]) {
        table.push(("exclusive's type", coded("exclusive", json), "bad_request", "exclusive must be true or false"));
    }
    assert_refusals(&table);
}

/// Names, domains, providers and values, in a create and (but for the domain) in an update.
#[test]
fn of_create_and_update() {
    let longest = "canary ".repeat(40);
    let long_value = format!(r#"{{"a":"{}"}}"#, "canary".repeat(2_731));
    let long_name = format!(r#"{{"{}":""}}"#, "canary".repeat(22));
    let entries = |count: usize| (0..count).map(|n| format!(r#""canary{n}":"""#)).collect::<Vec<_>>().join(",");
    let mut table = Vec::new();
    let required = "domain, name, and non-empty values are required for create.";
    for (member, empty) in [("name", r#""""#), ("domain", r#""""#), ("values", "{}")] {
        for json in ["", empty] {
            table.push(("missing or empty", create_with(member, json), "bad_request", required));
        }
    }
    let mut both = |case, member: &str, json: &str, names| {
        table.push((case, create_with(member, json), "bad_request", names));
        table.push((case, update_with(member, json), "bad_request", names));
    };
    both("blank name", "name", r#"" \t ""#, "name must be 1 to 255 bytes");
    both("long name", "name", &format!(r#""{longest}""#), "name must be 1 to 255 bytes");
    both("control character", "name", r#""hunter2\u0007canary""#, "name must not contain control");
    both(
        "invisible character",
        "name",
        r#""hunter2\u200bcanary""#,
        "name must not contain characters that can't be seen",
    );
    both("turned text", "name", r#""hunter2\u202ecanary""#, "name must not contain characters that can't be seen");
    both("control in a field name", "values", r#"{"can\u0085ary":""}"#, "values must have field names without control");
    both("dots", "name", r#"" .. ""#, "name must not be a dot");
    both("form of an id", "name", &format!(r#""{UNKNOWN_ID}""#), "name must not have the form of a credential id");
    both("values are a text", "values", r#""hunter2-canary""#, "values must be an object of strings");
    let second = "values must be an object of strings (entry 2)";
    both("an array in values", "values", r#"{"a":7766554,"canary":["canary"]}"#, second);
    both("an object in values", "values", r#"{"a":null,"canary":{"hunter2":"x"}}"#, second);
    both("an object in values as text", "values", r#""{\"a\":true,\"canary\":{}}""#, second);
    both("many values", "values", &format!("{{{}}}", entries(65)), "values must have at most 64 entries");
    both("more values still", "values", &format!("{{{}}}", entries(300)), "the request must not have more than 256");
    both("no field name", "values", r#"{"":"hunter2-canary"}"#, "values must have field names of 1 to 128 bytes");
    both("long field name", "values", &long_name, "values must have field names of 1 to 128 bytes");
    both("long value", "values", &long_value, "values must each be 16 KiB long at most");
    both("long provider", "sso_provider", &format!(r#""{longest}""#), "sso_provider must be 1 to 128 bytes");
    both("control in provider", "sso_provider", r#""canary\u0000""#, "sso_provider must not contain control");
    for json in all_but(&["string", "null"]) {
        both("name's type", "name", json, "name must be a string");
    }
    for json in all_but(&["object", "null"]) {
        both("values' type", "values", json, "values must be an object of strings");
    }
    for json in all_but(&["string", "null"]) {
        both("provider's type", "sso_provider", json, "sso_provider must be a string");
    }
    table.push(("name taken", create_with("name", r#"" coded ""#), "name_taken", "name is taken"));
    table.push(("name taken", update_with("name", r#"" plain ""#), "name_taken", "name is taken"));
    for (json, rule) in [
        (r#""androidapp://com.hunter2.canary""#, "scheme https or http"),
        (r#""hunter2 canary.example""#, "made of letters"),
        (r#""hunter2@canary.example""#, "an @"),
        (r#""https://user:hunter2-canary@a@example.com""#, "an @"),
        (r#""hunter2-canary.example:99999""#, "port"),
        (r#""bu\u0308cher-canary.example""#, "xn--"),
        (r#""1.2.3""#, "address"),
        (r#""  ""#, "name a host"),
        (r#""canary..example""#, "labels of 1 to 63"),
    ] {
        table.push(("domain", create_with("domain", json), "bad_request", "domain "));
        table.push(("domain's rule", create_with("domain", json), "bad_request", rule));
    }
    for json in all_but(&["string", "null"]) {
        table.push(("domain's type", create_with("domain", json), "bad_request", "domain must be a string"));
    }
    let keys = "remove_value_keys must be an array of strings";
    for json in all_but(&["array", "null"]).chain(["[7766554]", r#"["canary",["canary"]]"#]) {
        table.push(("remove_value_keys", update_with("remove_value_keys", json), "bad_request", keys));
    }
    let no_field = "at least one update field is required";
    for request in [
        r#"{"action":"update","id_or_name":"coded"}"#.to_owned(),
        update_with("hunter2", r#""canary""#),
        r#"{"action":"update","id_or_name":"hunter2-canary"}"#.to_owned(),
    ] {
        table.push(("no field", request, "bad_request", no_field));
    }
    assert_refusals(&table);
}

#[test]
fn of_totp_secrets_and_settings() {
    let mut table = Vec::new();
    let mut both = |case, member: &str, json: &str, names| {
        table.push((case, create_with(member, json), "bad_request", names));
        table.push((case, update_with(member, json), "bad_request", names));
    };
    for json in all_but(&["string", "null"]) {
        both("secret's type", "totp_secret", json, "totp_secret must be a string");
    }
    both("no base32", "totp_secret", r#""hunter2-canary-0189-hunter2""#, "totp_secret must be base32");
    both("1", "totp_secret", r#""JBSWY3DPEHPK3PX1""#, "totp_secret must be base32");
    both("short", "totp_secret", r#""JBSWY3D""#, "totp_secret must be 8 to 256");
    both("zero-width space", "totp_secret", r#""JBSWY3DP\u200bEHPK3PXP""#, "totp_secret must be base32");
    both("hotp", "totp_secret", r#""otpauth://hotp/x?secret=JBSWY3DPEHPK3PXP""#, "totp_secret must be time-based");
    both("no secret", "totp_secret", r#""otpauth://totp/hunter2-canary""#, "totp_secret: the URI must have a secret");
    // Settings need a secret, even if one is stored, and even if they are the stored ones.
    both("algorithm alone", "totp_algorithm", r#""SHA1""#, "totp_algorithm needs a totp_secret");
    both("digits alone", "totp_digits", "6", "totp_digits needs a totp_secret");
    both("period alone", "totp_period", "30", "totp_period needs a totp_secret");
    for json in all_but(&["null"]).chain([r#""SHA3-256""#, r#""SHA512/256""#]) {
        both("algorithm", "totp_algorithm", json, "totp_algorithm must be SHA1, SHA256 or SHA512");
    }
    for json in all_but(&["number", "null"]).chain(["6.5", "1e300", r#""6.5""#]) {
        both("digits' type", "totp_digits", json, "totp_digits must be a whole number from 6 to 9");
        both("period's type", "totp_period", json, "totp_period must be a whole number from 5 to 3600");
    }
    for (member, wrong, rule) in [
        ("totp_digits", ["5", "10", "-6", "262"], "totp_digits must be"),
        ("totp_period", ["4", "3601", "-30", "65566"], "totp_period must be"),
    ] {
        for json in wrong {
            let secret = r#""totp_secret":"JBSWY3DPEHPK3PXP""#;
            let create = create_with(member, &format!("{json},{secret}"));
            let update = update_with(member, &format!("{json},{secret}"));
            table.extend([(member, create, "bad_request", rule), (member, update, "bad_request", rule)]);
        }
    }
    assert_refusals(&table);
}

/// What JSON can't say, and what only the typed functions have.
#[test]
fn of_the_typed_functions() {
    let vault = vault(World::Vault);
    let refused = |case: &str, code: ErrorCode, names: &str, call: &dyn Fn() -> Result<(), Error>| {
        let error = without_a_trace(&vault, case, call).expect_err(case);
        assert_eq!(error.code, code, "{case}: {error:?}");
        assert!(error.message.contains(names) && error.message.len() <= 300, "{case}: {error:?}");
        assert!(!error.message.contains("canary"), "{case}: {error:?}");
    };
    use ErrorCode::{BadRequest, NotFound, PreconditionFailed, TotpNotConfigured};
    for limit in [0, 101, u32::MAX] {
        let query = ListQuery { limit: Some(limit), ..everything() };
        refused("limit", BadRequest, "limit must be", &|| vault.list(query.clone()).map(drop));
    }
    let query = ListQuery { domain: Some("canary@x".into()), ..everything() };
    refused("domain", BadRequest, "domain must", &|| vault.list(query.clone()).map(drop));

    for (unknown, code, names) in [
        ("", BadRequest, "id_or_name must not be empty"),
        (" \n", BadRequest, "id_or_name must not be empty"),
        ("canary", NotFound, "credential not found"),
        (UNKNOWN_ID, NotFound, "credential not found"),
    ] {
        let change = Changes { name: Some("canary".into()), ..no_changes() };
        refused("get", code, names, &|| vault.get(unknown).map(drop));
        refused("totp_code", code, names, &|| vault.totp_code(unknown, None).map(drop));
        refused("update", code, names, &|| vault.update(unknown, &change).map(drop));
        refused("delete", code, names, &|| vault.delete(unknown, None).map(drop));
        refused("supply", code, names, &|| vault.supply(unknown, "https://example.com", None).map(drop));
    }
    refused("no secret", TotpNotConfigured, "totp_secret", &|| vault.totp_code("plain", None).map(drop));
    for min_valid_seconds in [30, 31, u16::MAX] {
        let options = Some(CodeOptions { min_valid_seconds, exclusive: true });
        refused("too much life", BadRequest, "min_valid_seconds must", &|| vault.totp_code("coded", options).map(drop));
        let supply = || vault.supply("coded", "https://example.com", options).map(drop);
        refused("too much life", BadRequest, "min_valid_seconds must", &supply);
    }

    let good = || new_credential("canary", "canary.example", &[("canary", "canary")]);
    let twice = new_credential("canary", "canary.example", &[("canary", "1"), ("canary", "2")]);
    let none = new_credential("canary", "canary.example", &[]);
    let digits =
        |digits| NewCredential { totp_secret: Some("JBSWY3DPEHPK3PXP".into()), totp_digits: Some(digits), ..good() };
    let algorithm = NewCredential { totp_algorithm: Some(TotpAlgorithm::Sha512), ..good() };
    for (names, new) in [
        ("values must not have a field name twice", twice),
        ("values must have at least one entry", none),
        ("name must", NewCredential { name: "".into(), ..good() }),
        ("domain must", NewCredential { domain: "canary@x".into(), ..good() }),
        ("totp_digits must", digits(5)),
        ("totp_digits must", digits(10)),
        ("totp_algorithm needs", algorithm),
        ("totp_secret must", NewCredential { totp_secret: Some("canary".into()), ..good() }),
    ] {
        refused("create", BadRequest, names, &|| vault.create(&new).map(drop));
        refused("put", BadRequest, names, &|| vault.put(&new, None).map(drop));
    }
    refused("nothing to change", BadRequest, "at least one", &|| vault.update("coded", &no_changes()).map(drop));
    let conditional = Changes { expected_version: Some(1), ..no_changes() };
    refused("only a condition", BadRequest, "at least one", &|| vault.update("coded", &conditional).map(drop));

    let taken = NewCredential { name: "coded".into(), ..good() };
    refused("name taken", ErrorCode::NameTaken, "name is taken", &|| vault.create(&taken).map(drop));
    let version = "another version";
    let change = Changes { name: Some("canary".into()), expected_version: Some(2), ..no_changes() };
    refused("put", PreconditionFailed, version, &|| vault.put(&taken, Some(2)).map(drop));
    refused("put", PreconditionFailed, "no credential of this name", &|| vault.put(&good(), Some(1)).map(drop));
    refused("update", PreconditionFailed, version, &|| vault.update("coded", &change).map(drop));
    refused("delete", PreconditionFailed, version, &|| vault.delete("coded", Some(2)).map(drop));
}

/// Where the store has no compare-and-swap, nothing can depend on a version.
#[test]
fn of_conditions_without_atomics() {
    let vault = vault(World::EdgeNoAtomics);
    let change = Changes { name: Some("canary".into()), expected_version: Some(1), ..no_changes() };
    let new = new_credential("coded", "example.com", &[("a", "b")]);
    let results = [
        without_a_trace(&vault, "update", || vault.update("coded", &change).map(drop)),
        without_a_trace(&vault, "put", || vault.put(&new, Some(1)).map(drop)),
        without_a_trace(&vault, "delete", || vault.delete("coded", Some(1)).map(drop)),
        without_a_trace(&vault, "sweep", || vault.sweep().map(drop)),
    ];
    for result in results {
        assert_eq!(result.unwrap_err().code, ErrorCode::NotSupported);
    }
}

/// The code that the clock decides on: no code can be right before 2020.
#[test]
fn of_a_clock_that_was_never_set() {
    let vault = vault(World::Vault);
    for (now, works) in [(0, false), (1_577_836_799_999, false), (1_577_836_800_000, true)] {
        vault.clock.set(now);
        let code = vault.totp_code("coded", None);
        assert_eq!(code.as_ref().err().map(|error| error.code), (!works).then_some(ErrorCode::ClockUnset), "{now}");
        let supplied = vault.supply("coded", "https://example.com", None);
        assert_eq!(supplied.is_ok(), works, "{now}");
        let plain = vault.supply("plain", "https://example.com", None);
        assert!(plain.is_ok(), "values need no clock");
        // All else works: a secret can be stored, its code is not in the answer.
        let change = Changes {
            totp_secret: Some(format!("{}{}", "A".repeat(15), if works { "A" } else { "B" })),
            ..no_changes()
        };
        assert_eq!(vault.update("coded", &change).unwrap().totp_code.is_some(), works, "{now}");
    }
}
