//! What each face makes of the same input: the tool's JSON (`manage`), REST, the typed functions, and the program's
//! `call`. The table has the expected answer of each beside the input, so that a difference is seen, and meant.
//!
//! `manage` and `call` read what models send, REST what programs send, and the typed functions what their types let
//! through.

use bytes::Bytes;
use serde_json::{Map, Value, json};
use std::time::Duration;
use strongroom_host_tests::credentials::{Changes, ListQuery, NewCredential};
use strongroom_host_tests::engines::{Etcd, Postgres};
use strongroom_host_tests::types::{CodeOptions, Error, ErrorCode, TotpAlgorithm};
use strongroom_host_tests::{ADMIN_TOKEN, Client, Program, TempDir, Vault, World, new_credential, no_changes};

/// An answer that starts with `!` is a refusal and has this part in its message; any other is the state of the credential
/// afterwards as [`state`] shows it, the names of a list, or the length of a code.
type Expected = &'static str;

/// The types of the typed functions leave no room for the input.
const UNSAYABLE: Expected = "~";

struct Row {
    action: &'static str,
    /// Members of a JSON object.
    input: &'static str,
    /// Of `manage`, and of `call`, which is the same function.
    tool: Expected,
    rest: Expected,
    typed: Expected,
}

const fn row(action: &'static str, input: &'static str, tool: Expected, rest: Expected, typed: Expected) -> Row {
    Row { action, input, tool, rest, typed }
}

/// Where all faces say the same.
const fn same(action: &'static str, input: &'static str, expected: Expected) -> Row {
    row(action, input, expected, expected, expected)
}

const PLAIN: Expected = "new example.com a=1 - -";
/// The credential that is there before each row.
const BEFORE: Expected = "n example.com a=1 google SHA1/6/30";

#[rustfmt::skip]
const TABLE: &[Row] = &[
    same("create", r#""name":"new","domain":"example.com","values":{"a":"1"}"#, PLAIN),
    // What is not set: null everywhere, an empty text where a model cannot mean anything by it.
    same("create", r#""name":"new","domain":"example.com","values":{"a":"1"},"sso_provider":null,"totp_secret":null,"totp_algorithm":null,"totp_digits":null,"totp_period":null"#, PLAIN),
    same("create", r#""name":"new","domain":"example.com","values":{"a":"1"},"sso_provider":"","totp_secret":"""#, PLAIN),
    row("create", r#""name":"new","domain":"example.com","values":{"a":"1"},"totp_algorithm":"""#, PLAIN, "!totp_algorithm must be SHA1", UNSAYABLE),
    row("create", r#""name":"new","domain":"example.com","values":{"a":"1"},"totp_digits":"""#, PLAIN, "!totp_digits must be a whole number", UNSAYABLE),
    row("create", r#""name":"","domain":"example.com","values":{"a":"1"}"#, "!domain, name, and non-empty values are required", "!name must be 1 to 255", "!name must be 1 to 255"),
    row("create", r#""name":null,"domain":"example.com","values":{"a":"1"}"#, "!domain, name, and non-empty values are required", "!name is required", UNSAYABLE),
    row("create", r#""name":"new","domain":"example.com","values":{}"#, "!domain, name, and non-empty values are required", "!at least one entry", "!at least one entry"),
    row("create", r#""name":"new","domain":"example.com","values":null"#, "!domain, name, and non-empty values are required", "!values is required", UNSAYABLE),
    // Text for what is none, and the other way round.
    row("create", r#""name":"new","domain":"example.com","values":"{\"a\":\"1\"}""#, PLAIN, "!values must be an object of strings", UNSAYABLE),
    row("create", r#""name":"new","domain":"example.com","values":{"pin":1.50,"id":12345678901234567890123,"on":true}"#, "new example.com pin=1.50,id=12345678901234567890123,on=true - -", "!values must be an object of strings (entry 1)", UNSAYABLE),
    row("create", r#""name":"new","domain":"example.com","values":{"a":"1","b":null}"#, PLAIN, PLAIN, UNSAYABLE),
    row("create", r#""name":"new","domain":"example.com","values":{"a":"1","b":{}}"#, "!values must be an object of strings (entry 2)", "!values must be an object of strings (entry 2)", UNSAYABLE),
    row("create", r#""name":"new","domain":"example.com","values":{"a":"1"},"totp_secret":"JBSWY3DPEHPK3PXP","totp_digits":"8""#, "new example.com a=1 - SHA1/8/30", "!totp_digits must be a whole number", UNSAYABLE),
    row("create", r#""name":"new","domain":"example.com","values":{"a":"1"},"totp_secret":"JBSWY3DPEHPK3PXP","totp_algorithm":"HmacSHA256""#, "new example.com a=1 - SHA256/6/30", "new example.com a=1 - SHA256/6/30", UNSAYABLE),
    // Every field at once, as it is meant; null, and an empty text, for all that need not be set.
    same("create", r#""name":"new","domain":"example.com","values":{"a":"1"},"additional_domains":["b.example","https://c.example/x"],"description":"the first","metadata":{"k":"v","l":""},"archived":false"#, "new example.com a=1 - - | b.example c.example | the first | k=v l="),
    same("create", r#""name":"new","domain":"example.com","values":{"a":"1"},"archived":true"#, "new example.com a - - | archived"),
    same("create", r#""name":"new","domain":"example.com","values":{"a":"1"},"additional_domains":null,"description":null,"metadata":null,"archived":null,"sso_provider":null,"totp_secret":null,"totp_algorithm":null,"totp_digits":null,"totp_period":null"#, PLAIN),
    same("create", r#""name":"new","domain":"example.com","values":{"a":"1"},"description":"","sso_provider":"","totp_secret":"","additional_domains":[],"metadata":{}"#, PLAIN),
    row("create", r#""name":"new","domain":"example.com","values":{"a":"1"},"additional_domains":"","description":"","metadata":"","archived":"","sso_provider":"","totp_secret":"","totp_algorithm":"","totp_digits":"","totp_period":"""#, PLAIN, "!additional_domains must be an array of strings", UNSAYABLE),
    row("create", r#""name":"new","domain":"example.com","values":{"a":"1"},"metadata":"""#, PLAIN, "!metadata must be an object of strings", UNSAYABLE),
    row("create", r#""name":"new","domain":"example.com","values":{"a":"1"},"archived":"""#, PLAIN, "!archived must be true or false", UNSAYABLE),
    row("create", r#""name":"new","domain":"example.com","values":{"a":"1"},"totp_period":"""#, PLAIN, "!totp_period must be a whole number", UNSAYABLE),
    row("create", r#""name":"new","domain":"","values":{"a":"1"}"#, "!domain, name, and non-empty values are required", "!domain must name a host", "!domain must name a host"),
    row("create", r#""name":"new","domain":null,"values":{"a":"1"}"#, "!domain, name, and non-empty values are required", "!domain is required", UNSAYABLE),
    row("create", r#""name":"new","domain":"example.com","values":"""#, "!domain, name, and non-empty values are required", "!values must be an object of strings", UNSAYABLE),
    // All of it as text, and what has no such form.
    row("create", r#""name":"new","domain":"example.com","values":"{\"a\":\"1\"}","additional_domains":"[\"b.example\"]","metadata":"{\"k\":\"v\"}","archived":"false","totp_secret":"JBSWY3DPEHPK3PXP","totp_digits":"7","totp_period":"60""#, "new example.com a=1 - SHA1/7/60 | b.example | k=v", "!additional_domains must be an array of strings", UNSAYABLE),
    row("create", r#""name":"new","domain":"example.com","values":{"a":"1"},"metadata":{"k":5,"l":true,"m":null}"#, "new example.com a=1 - - | k=5 l=true", "!metadata must be an object of strings (entry 1)", UNSAYABLE),
    row("create", r#""name":"new","domain":"example.com","values":{"a":"1"},"additional_domains":["b.example",null]"#, "new example.com a=1 - - | b.example", "!additional_domains must be an array of strings (entry 2)", UNSAYABLE),
    row("create", r#""name":"new","domain":"example.com","values":{"a":"1"},"additional_domains":["b.example",5]"#, "!additional_domains must be an array of strings (entry 2)", "!additional_domains must be an array of strings (entry 2)", UNSAYABLE),
    row("create", r#""name":"new","domain":"example.com","values":{"a":"1"},"additional_domains":"b.example""#, "!additional_domains must be an array of strings", "!additional_domains must be an array of strings", UNSAYABLE),
    same("create", r#""name":"new","domain":"example.com","values":{"a":"1"},"additional_domains":["b.example","androidapp://c.example"]"#, "!additional_domains must be a host of the web, or a URL of the scheme https or http: an app is neither (entry 2)"),
    row("create", r#""name":"new","domain":"example.com","values":{"a":"1"},"archived":"yes""#, "!archived must be true or false", "!archived must be true or false", UNSAYABLE),
    row("create", r#""name":"new","domain":"example.com","values":{"a":"1"},"archived":1"#, "!archived must be true or false", "!archived must be true or false", UNSAYABLE),
    row("create", r#""name":"new","domain":"example.com","values":{"a":"1"},"description":5"#, "!description must be a string", "!description must be a string", UNSAYABLE),
    same("create", r#""name":"new","domain":"example.com","values":{"a":"1"},"description":"to\u200bday""#, "!description must not contain characters that can't be seen"),
    same("create", r#""name":"new","domain":"example.com","values":{"a":"1"},"metadata":{"k\u009b":"v"}"#, "!metadata must have no control characters (pair 1)"),
    row("create", r#""name":"new","domain":"example.com","values":{"a":"1"},"totp_secret":"JBSWY3DPEHPK3PXP","totp_digits":7.0"#, "new example.com a=1 - SHA1/7/30", "new example.com a=1 - SHA1/7/30", UNSAYABLE),
    row("create", r#""name":"new","domain":"example.com","values":{"a":"1"},"totp_secret":"JBSWY3DPEHPK3PXP","totp_digits":6.5"#, "!totp_digits must be a whole number", "!totp_digits must be a whole number", UNSAYABLE),
    row("create", r#""name":5,"domain":"example.com","values":{"a":"1"}"#, "!name must be a string", "!name must be a string", UNSAYABLE),
    row("create", r#""name":"new","domain":"example.com","values":{"a":"1"},"newer":["x"]"#, PLAIN, PLAIN, UNSAYABLE),
    // Secrets as sites give them.
    same("create", r#""name":"new","domain":"example.com","values":{"a":"1"},"totp_secret":"J3WWIV3PTGJPQV5QAICM""#, "new example.com a=1 - SHA1/6/30"),
    same("create", r#""name":"new","domain":"example.com","values":{"a":"1"},"totp_secret":"otpauth://totp/x?secret=JBSWY3DPEHPK3PXP&amp;digits=7&amp;period=10""#, "new example.com a=1 - SHA1/7/10"),
    same("create", r#""name":"new","domain":"example.com","values":{"a":"1"},"totp_secret":"steam://JBSWY3DPEHPK3PXP""#, "new example.com a=1 - SHA1/5/30/steam"),
    same("create", r#""name":"new","domain":"example.com","values":{"a":"1"},"totp_secret":"otpauth://hotp/x?secret=JBSWY3DPEHPK3PXP""#, "!totp_secret must be time-based"),
    // Hosts and names.
    same("create", r#""name":"new","domain":"https://obs.b\u00fcrgerhaus.de/x","values":{"a":"1"}"#, "new obs.xn--brgerhaus-q9a.de a=1 - -"),
    same("create", r#""name":"new","domain":"http://nas:5001","values":{"a":"1"}"#, "new nas a=1 - -"),
    same("create", r#""name":"new","domain":"androidapp://com.spotify.music","values":{"a":"1"}"#, "!scheme https or http"),
    same("create", r#""name":"pay\u202elap","domain":"example.com","values":{"a":"1"}"#, "!name must not contain characters that can't be seen"),
    same("create", r#""name":"new","domain":"example.com","values":{"pass\u200bword":"1"}"#, "!values must have field names without characters that can't be seen"),

    // Null clears what a program can clear by it; a model's null is no wish.
    row("update", r#""sso_provider":null,"totp_secret":null,"values":{"b":"2"}"#, "n example.com a=1,b=2 google SHA1/6/30", "n example.com a=1,b=2 - -", "n example.com a=1,b=2 google SHA1/6/30"),
    same("update", r#""sso_provider":"","totp_secret":"""#, "n example.com a=1 - -"),
    row("update", r#""values":{"a":null,"b":"2"}"#, "n example.com a=1,b=2 google SHA1/6/30", "n example.com b=2 google SHA1/6/30", UNSAYABLE),
    row("update", r#""remove_value_keys":"[\"a\"]","values":{"b":"2"}"#, "n example.com b=2 google SHA1/6/30", "!remove_value_keys must be an array of strings", UNSAYABLE),
    row("update", r#""name":"","values":{"b":"2"}"#, "n example.com a=1,b=2 google SHA1/6/30", "!name must be 1 to 255", "!name must be 1 to 255"),
    same("update", r#""name":null,"values":null"#, "!at least one update field is required"),
    row("update", r#""totp_secret":"KRSXG5CTMVRXEZLU","totp_digits":"8""#, "n example.com a=1 google SHA1/8/30", "!totp_digits must be a whole number", UNSAYABLE),

    // The domain, and what else can be changed; what clears, and what null means.
    same("update", r#""domain":"https://Other.example:8443/login""#, "n other.example a=1 google SHA1/6/30"),
    row("update", r#""domain":"","values":{"b":"2"}"#, "n example.com a=1,b=2 google SHA1/6/30", "!domain must name a host", "!domain must name a host"),
    same("update", r#""domain":null,"values":{"b":"2"}"#, "n example.com a=1,b=2 google SHA1/6/30"),
    same("update", r#""domain":"androidapp://com.spotify.music""#, "!domain must be a host of the web, or a URL of the scheme https or http: an app is neither"),
    same("update", r#""additional_domains":["b.example","example.com"],"description":"d","metadata":{"k":"v"}"#, "n example.com a=1 google SHA1/6/30 | b.example | d | k=v"),
    same("update", r#""archived":true"#, "n example.com a google SHA1/6/30 | archived"),
    same("update", r#""archived":false"#, BEFORE),
    row("update", r#""archived":"True","description":"""#, "n example.com a google SHA1/6/30 | archived", "!archived must be true or false", UNSAYABLE),
    row("redo", r#""additional_domains":null,"description":null,"metadata":null,"archived":null,"values":{"b":"2"}"#, "n example.com a=1,b=2 google SHA1/6/30 | b.example | d | k=v", "n example.com a=1,b=2 google SHA1/6/30", "n example.com a=1,b=2 google SHA1/6/30 | b.example | d | k=v"),
    row("redo", r#""additional_domains":"","description":"","metadata":"""#, BEFORE, BEFORE, UNSAYABLE),
    same("redo", r#""additional_domains":[],"description":"","metadata":{}"#, BEFORE),
    same("redo", r#""metadata":{"l":"w"}"#, "n example.com a=1 google SHA1/6/30 | b.example | d | l=w"),
    same("redo", r#""domain":"b.example""#, "n b.example a=1 google SHA1/6/30 | d | k=v"),
    row("redo", r#""additional_domains":"[\"c.example\"]","metadata":"{\"l\":\"w\"}""#, "n example.com a=1 google SHA1/6/30 | c.example | d | l=w", "!additional_domains must be an array of strings", UNSAYABLE),
    row("update", r#""totp_algorithm":null,"totp_digits":null,"totp_period":null,"remove_value_keys":null,"values":{"b":"2"}"#, "n example.com a=1,b=2 google SHA1/6/30", "n example.com a=1,b=2 google SHA1/6/30", "n example.com a=1,b=2 google SHA1/6/30"),
    row("update", r#""totp_algorithm":"","totp_digits":"","totp_period":"","remove_value_keys":"","archived":"","values":{"b":"2"}"#, "n example.com a=1,b=2 google SHA1/6/30", "!remove_value_keys must be an array of strings", UNSAYABLE),
    row("update", r#""name":null,"domain":null,"values":null,"remove_value_keys":null,"archived":null"#, "!at least one update field is required", "!at least one update field is required", "!at least one update field is required"),
    row("update", r#""name":"","domain":"","values":"","remove_value_keys":"","archived":"""#, "!at least one update field is required", "!values must be an object of strings", UNSAYABLE),
    row("update", r#""values":"{\"b\":2}""#, "n example.com a=1,b=2 google SHA1/6/30", "!values must be an object of strings", UNSAYABLE),
    row("update", r#""remove_value_keys":["a",null],"values":{"b":"2"}"#, "n example.com b=2 google SHA1/6/30", "!remove_value_keys must be an array of strings (entry 2)", UNSAYABLE),

    same("get", r#""project":null"#, BEFORE),
    row("get", r#""project":"""#, BEFORE, BEFORE, UNSAYABLE),

    // In a query everything is text, and null is an empty one.
    same("list", r#""domain":null,"query":null,"limit":null,"offset":null"#, "n"),
    same("list", r#""domain":"","query":"""#, "n"),
    same("list", r#""limit":10"#, "n"),
    row("list", r#""limit":"10","offset":"0""#, "n", "n", UNSAYABLE),
    row("list", r#""limit":"","offset":"""#, "n", "n", UNSAYABLE),
    row("list", r#""limit":10.0"#, "n", "!limit must be a whole number", UNSAYABLE),
    same("list", r#""limit":0"#, "!limit must be a whole number from 1 to 100"),
    row("list", r#""limit":"ten""#, "!limit must be a whole number", "!limit must be a whole number", UNSAYABLE),
    same("list", r#""domain":"example.org""#, ""),

    // What `supply` would release to a page; what is switched off.
    same("list", r#""origin":"https://login.example.com/x?y""#, "n"),
    same("list", r#""origin":"https://example.org""#, ""),
    same("list", r#""origin":null,"archived":null"#, "n"),
    same("list", r#""origin":"http://example.com""#, "!origin"),
    row("list", r#""origin":"","archived":"""#, "n", "n", UNSAYABLE),
    same("list", r#""archived":true"#, ""),
    same("list", r#""archived":false"#, "n"),
    row("list", r#""archived":"true""#, "", "", UNSAYABLE),
    row("list", r#""archived":"False""#, "n", "!archived must be true or false", UNSAYABLE),
    row("list", r#""archived":"perhaps""#, "!archived must be true or false", "!archived must be true or false", UNSAYABLE),
    same("list", r#""domain":null,"query":null,"origin":null,"archived":null,"limit":null,"offset":null"#, "n"),
    row("list", r#""domain":"","query":"","origin":"","archived":"","limit":"","offset":"""#, "n", "n", UNSAYABLE),

    same("totp_code", r#""min_valid_seconds":0,"exclusive":false"#, "6"),
    row("totp_code", r#""min_valid_seconds":"ten""#, "!min_valid_seconds must be a whole number", "!min_valid_seconds must be a whole number", UNSAYABLE),
    row("totp_code", r#""min_valid_seconds":-1"#, "!min_valid_seconds must be a whole number from 0 to the period minus 1", "!min_valid_seconds must be a whole number from 0 to the period minus 1", UNSAYABLE),
    same("totp_code", r#""min_valid_seconds":null,"exclusive":null"#, "6"),
    same("totp_code", r#""min_valid_seconds":1,"exclusive":true"#, "6"),
    row("totp_code", r#""min_valid_seconds":"5","exclusive":"true""#, "6", "6", UNSAYABLE),
    row("totp_code", r#""exclusive":"True""#, "6", "!exclusive must be true or false", UNSAYABLE),
    row("totp_code", r#""min_valid_seconds":"","exclusive":"""#, "6", "6", UNSAYABLE),
    same("totp_code", r#""min_valid_seconds":30"#, "!min_valid_seconds must be a whole number from 0 to the period minus 1"),
];

fn login() -> NewCredential {
    NewCredential {
        sso_provider: Some("google".into()),
        totp_secret: Some("JBSWY3DPEHPK3PXP".into()),
        ..new_credential("n", "example.com", &[("a", "1")])
    }
}

/// A world with the credential that is there before the row: with all that an update can clear before one of kind `redo`.
fn world(row: &Row) -> Vault {
    let vault = Vault::new(World::Edge);
    vault.create(&login()).unwrap();
    if row.action == "redo" {
        let described = Changes {
            additional_domains: Some(vec!["b.example".into()]),
            description: Some("d".into()),
            metadata: Some(vec![("k".into(), "v".into())]),
            ..no_changes()
        };
        vault.update("n", &described).unwrap();
    }
    vault
}

impl Row {
    /// The credential whose state is the answer.
    fn subject(&self) -> &'static str {
        if self.action == "create" { "new" } else { "n" }
    }

    fn members(&self) -> Map<String, Value> {
        serde_json::from_str(&format!("{{{}}}", self.input)).unwrap()
    }

    fn request(&self) -> String {
        let id = if matches!(self.action, "create" | "list") { "" } else { r#""id_or_name":"n","# };
        let action = if self.action == "redo" { "update" } else { self.action };
        format!(r#"{{"action":"{action}",{id}{}}}"#, self.input)
    }
}

/// A credential in one line: name, domain, values, provider, settings of its codes; then further hosts, description,
/// metadata, and whether it is archived, where it has them. Without values, `value_keys` stands for them.
fn state(credential: &Value, values: Option<&[(String, String)]>) -> String {
    let text = |name: &str| credential[name].as_str().unwrap_or("-").to_owned();
    let texts =
        |list: &Value, by: &str| list.as_array().unwrap().iter().filter_map(Value::as_str).collect::<Vec<_>>().join(by);
    let values = match values {
        Some(values) => values.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(","),
        None => texts(&credential["value_keys"], ","),
    };
    let totp = match credential["has_totp_secret"] == true {
        false => "-".to_owned(),
        true => {
            let encoder = credential["totp_encoder"].as_str().map(|encoder| format!("/{encoder}")).unwrap_or_default();
            format!("{}/{}/{}{encoder}", text("totp_algorithm"), credential["totp_digits"], credential["totp_period"])
        }
    };
    let mut parts = vec![format!("{} {} {values} {} {totp}", text("name"), text("domain"), text("sso_provider"))];
    parts.extend(credential.get("additional_domains").map(|hosts| texts(hosts, " ")));
    parts.extend(credential.get("description").map(|_| text("description")));
    let pairs = credential["metadata"]
        .as_object()
        .map(|pairs| pairs.iter().map(|(key, text)| format!("{key}={}", text.as_str().unwrap())));
    parts.extend(pairs.map(|pairs| pairs.collect::<Vec<_>>().join(" ")));
    parts.extend(credential.get("archived").map(|_| "archived".to_owned()));
    parts.join(" | ")
}

/// The answer in the form of the table, from the JSON of a success or an error.
fn shown(row: &Row, answer: Result<Value, Value>, read: impl FnOnce(&str) -> String) -> String {
    match answer {
        Err(error) => {
            assert!(error["code"] == "bad_request" || error["code"] == "origin_refused", "{error}");
            format!("!{}", error["message"].as_str().unwrap())
        }
        Ok(answer) => match row.action {
            "list" => {
                let items = answer.get("items").unwrap_or(&answer).as_array().unwrap();
                items.iter().map(|item| item["name"].as_str().unwrap()).collect::<Vec<_>>().join(",")
            }
            "totp_code" => answer["code"].as_str().unwrap().len().to_string(),
            _ => read(row.subject()),
        },
    }
}

fn read(vault: &Vault, name: &str) -> String {
    let request = json!({"action": "get", "id_or_name": name});
    let credential = vault.manage_json(&request).unwrap();
    let origin = format!("https://{}", credential["domain"].as_str().unwrap());
    let supplied = (credential["archived"] != true).then(|| vault.supply(name, &origin, None).unwrap());
    state(&credential, supplied.as_ref().map(|supplied| supplied.values.as_slice()))
}

fn by_tool(row: &Row) -> String {
    let vault = world(row);
    let parse = |text: String| serde_json::from_str(&text).unwrap();
    let answer = vault.manage(&row.request()).map(parse).map_err(parse);
    shown(row, answer, |name| read(&vault, name))
}

fn by_rest(row: &Row) -> String {
    let vault = world(row);
    let mut query = String::from("?");
    for (name, value) in row.members() {
        let text = match value {
            Value::Null => String::new(),
            Value::String(text) => text,
            other => other.to_string(),
        };
        query.push_str(&format!("{name}={text}&"));
    }
    let (method, path) = match row.action {
        "create" => ("POST", "/credentials".to_owned()),
        "update" | "redo" => ("PATCH", "/credentials/n".to_owned()),
        "get" => ("GET", format!("/credentials/n{query}")),
        "totp_code" => ("GET", format!("/credentials/n/totp-code{query}")),
        "list" => ("GET", format!("/credentials{query}")),
        other => panic!("{other}"),
    };
    let request = http::Request::builder()
        .method(method)
        .uri(format!("http://localhost{path}"))
        .header("authorization", format!("Bearer {ADMIN_TOKEN}"))
        .header("content-type", "application/json");
    let body = if method == "GET" { Bytes::new() } else { Bytes::from(format!("{{{}}}", row.input)) };
    let response = vault.http(request.body(body).unwrap()).ok().unwrap();
    let json = serde_json::from_slice(response.body()).unwrap();
    let answer = if response.status().is_success() { Ok(json) } else { Err(json) };
    shown(row, answer, |name| read(&vault, name))
}

/// Takes the members that a typed function has room for; `None` when one is of another type.
struct Typed(Map<String, Value>);

impl Typed {
    /// `None`: of another type. `Some(None)`: absent.
    fn text(&mut self, name: &str) -> Option<Option<String>> {
        match self.0.remove(name) {
            None | Some(Value::Null) => Some(None),
            Some(Value::String(text)) => Some(Some(text)),
            Some(_) => None,
        }
    }

    fn required_text(&mut self, name: &str) -> Option<String> {
        self.text(name).flatten()
    }

    fn number<T: TryFrom<u64>>(&mut self, name: &str) -> Option<Option<T>> {
        match self.0.remove(name) {
            None | Some(Value::Null) => Some(None),
            Some(number) => number.as_u64().and_then(|number| number.try_into().ok()).map(Some),
        }
    }

    fn flag(&mut self, name: &str) -> Option<Option<bool>> {
        match self.0.remove(name) {
            None | Some(Value::Null) => Some(None),
            Some(value) => value.as_bool().map(Some),
        }
    }

    fn texts(&mut self, name: &str) -> Option<Option<Vec<String>>> {
        match self.0.remove(name) {
            None | Some(Value::Null) => Some(None),
            Some(value) => serde_json::from_value(value).ok().map(Some),
        }
    }

    fn pairs(&mut self, name: &str) -> Option<Option<Vec<(String, String)>>> {
        match self.0.remove(name) {
            None | Some(Value::Null) => Some(None),
            Some(Value::Object(members)) => {
                let text = |(name, value): (String, Value)| value.as_str().map(|value| (name, value.to_owned()));
                members.into_iter().map(text).collect::<Option<_>>().map(Some)
            }
            Some(_) => None,
        }
    }

    fn algorithm(&mut self) -> Option<Option<TotpAlgorithm>> {
        Some(match self.text("totp_algorithm")?.as_deref() {
            None => None,
            Some("SHA1") => Some(TotpAlgorithm::Sha1),
            Some("SHA256") => Some(TotpAlgorithm::Sha256),
            Some("SHA512") => Some(TotpAlgorithm::Sha512),
            Some(_) => return None,
        })
    }

    fn new_credential(&mut self) -> Option<NewCredential> {
        Some(NewCredential {
            name: self.required_text("name")?,
            domain: self.required_text("domain")?,
            additional_domains: self.texts("additional_domains")?.unwrap_or_default(),
            description: self.text("description")?,
            metadata: self.pairs("metadata")?.unwrap_or_default(),
            archived: self.flag("archived")?.unwrap_or(false),
            values: self.pairs("values")??,
            sso_provider: self.text("sso_provider")?,
            totp_secret: self.text("totp_secret")?,
            totp_algorithm: self.algorithm()?,
            totp_digits: self.number("totp_digits")?,
            totp_period: self.number("totp_period")?,
        })
    }

    fn changes(&mut self) -> Option<Changes> {
        Some(Changes {
            name: self.text("name")?,
            domain: self.text("domain")?,
            additional_domains: self.texts("additional_domains")?,
            description: self.text("description")?,
            metadata: self.pairs("metadata")?,
            archived: self.flag("archived")?,
            values: self.pairs("values")?,
            remove_value_keys: self.texts("remove_value_keys")?,
            sso_provider: self.text("sso_provider")?,
            totp_secret: self.text("totp_secret")?,
            totp_algorithm: self.algorithm()?,
            totp_digits: self.number("totp_digits")?,
            totp_period: self.number("totp_period")?,
            expected_version: None,
        })
    }

    fn query(&mut self) -> Option<ListQuery> {
        Some(ListQuery {
            domain: self.text("domain")?,
            query: self.text("query")?,
            limit: self.number("limit")?,
            offset: self.number("offset")?,
            origin: self.text("origin")?,
            archived: self.flag("archived")?.unwrap_or(false),
            deleted: false,
        })
    }

    fn options(&mut self) -> Option<CodeOptions> {
        Some(CodeOptions {
            min_valid_seconds: self.number("min_valid_seconds")?.unwrap_or(0),
            exclusive: self.flag("exclusive")?.unwrap_or(false),
        })
    }
}

fn by_typed_function(row: &Row) -> String {
    let vault = world(row);
    let mut members = Typed(row.members());
    let state = |_| read(&vault, row.subject());
    let answer: Option<Result<String, Error>> = match row.action {
        "create" => members.new_credential().map(|new| vault.create(&new).map(state)),
        "update" | "redo" => members.changes().map(|changes| vault.update("n", &changes).map(state)),
        "get" => members.text("project").filter(Option::is_none).map(|_| vault.get("n").map(state)),
        "totp_code" => {
            members.options().map(|options| vault.totp_code("n", Some(options)).map(|code| code.code.len().to_string()))
        }
        "list" => members.query().map(|query| {
            let names = |items: Vec<strongroom_host_tests::types::Credential>| {
                items.into_iter().map(|item| item.name).collect::<Vec<_>>().join(",")
            };
            vault.list(query).map(|page| names(page.items))
        }),
        other => panic!("{other}"),
    };
    match answer {
        // What no type has room for stays behind.
        Some(_) if !members.0.is_empty() => UNSAYABLE.to_owned(),
        None => UNSAYABLE.to_owned(),
        Some(Ok(shown)) => shown,
        Some(Err(error)) => {
            let is_known = matches!(error.code, ErrorCode::BadRequest | ErrorCode::OriginRefused);
            assert!(is_known, "{}", error.message);
            format!("!{}", error.message)
        }
    }
}

/// `strongroom call` beside a running server, through which the state before is made and the one afterwards seen.
fn by_program(program: &Program, client: &Client, row: &Row) -> String {
    for name in ["n", "new"] {
        client.delete(&format!("/credentials/{name}"));
    }
    let mut before = json!({
        "name": "n", "domain": "example.com", "values": {"a": "1"}, "sso_provider": "google",
        "totp_secret": "JBSWY3DPEHPK3PXP",
    });
    if row.action == "redo" {
        let more = json!({"additional_domains": ["b.example"], "description": "d", "metadata": {"k": "v"}});
        before.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    }
    assert_eq!(client.post("/credentials", &before).status, 201);
    let ask = || {
        let output = program.run_with_input(&["call", "-", "--quiet"], &row.request());
        match output.code {
            Some(0) => Ok(serde_json::from_str::<Value>(&output.stdout).unwrap()),
            _ => Err(serde_json::from_str::<Value>(&output.stderr).unwrap()),
        }
    };
    let mut answer = ask();
    // Its clock goes on.
    while let Some(seconds) = answer.as_ref().err().and_then(|error| error["retry_after_seconds"].as_u64()) {
        std::thread::sleep(Duration::from_secs(seconds));
        answer = ask();
    }
    shown(row, answer, |name| {
        let credential = client.get(&format!("/credentials/{name}")).json();
        let origin = json!({"origin": format!("https://{}", credential["domain"].as_str().unwrap())});
        let supplied = client.post(&format!("/credentials/{name}/supply"), &origin).json();
        let value = |key: &Value| {
            let key = key.as_str().unwrap();
            (key.to_owned(), supplied["values"][key].as_str().unwrap().to_owned())
        };
        if credential["archived"] == true {
            return state(&credential, None);
        }
        let values: Vec<_> = credential["value_keys"].as_array().unwrap().iter().map(value).collect();
        state(&credential, Some(&values))
    })
}

fn assert_table(face: &str, ask: impl Fn(&Row) -> String, expected: impl Fn(&Row) -> Expected) {
    let mut wrong = Vec::new();
    for row in TABLE {
        let (answer, expected) = (ask(row), expected(row));
        let is_right = match expected.strip_prefix('!') {
            Some(part) => answer.starts_with('!') && answer.contains(part),
            None => answer == expected,
        };
        if !is_right {
            wrong.push(format!("{} {}\n  expected {expected}\n  got {answer}", row.action, row.input));
        }
    }
    assert!(wrong.is_empty(), "{face}:\n{}", wrong.join("\n"));
}

#[test]
fn of_the_tool() {
    assert_table("manage", by_tool, |row| row.tool);
}

#[test]
fn of_rest() {
    assert_table("REST", by_rest, |row| row.rest);
}

#[test]
fn of_the_typed_functions() {
    assert_table("typed functions", by_typed_function, |row| row.typed);
}

fn of_the_program_on(program: &Program, store: &str) {
    let server = program.serve();
    let client = server.client();
    let face = format!("strongroom call on {store}");
    assert_table(&face, |row| by_program(program, &client, row), |row| row.tool);
}

#[test]
fn of_the_program() {
    let directory = TempDir::new();
    of_the_program_on(&Program::on(directory.path()), "SQLite");
}

#[test]
fn of_the_program_on_postgres() {
    let Some(server) = Postgres::start("the table of actions on PostgreSQL") else { return };
    let directory = TempDir::new();
    of_the_program_on(&Program::on(directory.path()).with_store(&server.url(&[])), "PostgreSQL");
}

#[test]
fn of_the_program_on_etcd() {
    let Some(cluster) = Etcd::start("the table of actions on etcd", 1) else { return };
    let directory = TempDir::new();
    of_the_program_on(&Program::on(directory.path()).with_store(&cluster.url()), "etcd");
}
