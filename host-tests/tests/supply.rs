//! Values are released to the page they belong to, by `supply`, and in no other way: from each face that exists, all
//! other ways are tried.

use bytes::Bytes;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use strongroom_host::Services;
use strongroom_host_tests::credentials::{Changes, NewCredential};
use strongroom_host_tests::types::{CodeOptions, ErrorCode};
use strongroom_host_tests::{
    ADMIN_TOKEN, FixedClock, MemoryStore, NOW, Program, TempDir, Vault, World, new_credential, no_changes,
};
use wasmtime::component::Component;
use wasmtime::component::types::{ComponentItem, Type};

/// The table of `src/origin`.
#[path = "../../src/origin/tests/pairs.rs"]
mod pairs;

/// Stands in every secret of these tests; the seed is base32 for something else.
const CANARY: &str = "hunter2-canary";
const SEED: &str = "CANARYCANARYCANARYCANARYCANARYCA";

fn login() -> NewCredential {
    NewCredential {
        sso_provider: Some("google".into()),
        totp_secret: Some(SEED.into()),
        ..new_credential(
            "login",
            "example.com",
            &[("username", "hunter2-canary-user"), ("pass word", "hunter2-canary\n\"\u{fc}"), ("empty", "")],
        )
    }
}

/// Whether a text holds a secret of [`login`], or a part of one.
fn leaks(text: &str) -> bool {
    text.contains("hunter2") || text.contains("canary") || text.to_uppercase().contains(&SEED[..8])
}

mod typed {
    use super::*;

    #[test]
    fn gives_what_a_login_form_needs_and_never_the_seed() {
        let vault = Vault::new(World::Vault);
        let created = vault.create(&login()).unwrap();
        vault.clock.set(NOW + 4_500);
        let code = vault.totp_code("login", None).unwrap();
        for id_or_name in ["login", &created.id] {
            let supplied = vault.supply(id_or_name, "https://accounts.example.com/signin", None).unwrap();
            assert_eq!((supplied.id.as_str(), supplied.name.as_str()), (created.id.as_str(), "login"));
            assert_eq!(supplied.values, login().values);
            assert_eq!(supplied.sso_provider.as_deref(), Some("google"));
            let totp = supplied.totp.as_ref().unwrap();
            assert_eq!((&totp.code, totp.expires_at, totp.valid_for_seconds), (&code.code, NOW + 30_000, 25));
            assert!(!format!("{supplied:?}").contains(&SEED[..8]));
        }
        let plain = Changes { totp_secret: Some("".into()), sso_provider: Some("".into()), ..no_changes() };
        vault.update("login", &plain).unwrap();
        let supplied = vault.supply("login", "https://example.com", None).unwrap();
        assert!(supplied.totp.is_none() && supplied.sso_provider.is_none());
    }

    #[test]
    fn goes_by_the_rule_for_every_pair_of_domain_and_origin() {
        let vault = Vault::new(World::Vault);
        let mut count = 0;
        for (domain, origin, expected) in pairs::ALL.into_iter().flatten() {
            let name = format!("for {domain}");
            vault.put(&new_credential(&name, domain, &[("password", CANARY)]), None).unwrap();
            match (vault.supply(&name, origin, None), expected) {
                (Ok(supplied), None) => assert_eq!(supplied.values[0].1, CANARY),
                (Ok(_), Some(_)) => panic!("released: {domain} to {origin:?}"),
                (Err(error), None) => panic!("refused: {domain} to {origin:?}: {error:?}"),
                (Err(error), Some(rule)) => {
                    assert_eq!(error.code, ErrorCode::OriginRefused, "{domain} to {origin:?}");
                    assert!(error.message.contains(rule), "{domain} to {origin:?}: {error:?}");
                }
            }
            count += 1;
        }
        assert!(count >= 80);
        println!("{count} pairs");
    }

    /// The domain of the credential counts as it is stored now.
    #[test]
    fn follows_the_credential() {
        let vault = Vault::new(World::Vault);
        vault.create(&login()).unwrap();
        vault.supply("login", "https://example.com", None).unwrap();
        vault.put(&NewCredential { domain: "example.org".into(), ..login() }, None).unwrap();
        let refused = vault.supply("login", "https://example.com", None).unwrap_err();
        assert_eq!(refused.code, ErrorCode::OriginRefused);
        vault.supply("login", "https://example.org", None).unwrap();
        vault.delete("login", None).unwrap();
        assert_eq!(vault.supply("login", "https://example.org", None).unwrap_err().code, ErrorCode::NotFound);
    }

    #[test]
    fn takes_the_options_of_totp_code() {
        let vault = Vault::new(World::Vault);
        vault.create(&login()).unwrap();
        let supply = |min_valid_seconds, exclusive| {
            vault.supply("login", "https://example.com", Some(CodeOptions { min_valid_seconds, exclusive }))
        };
        vault.clock.set(NOW + 20_500);
        assert_eq!(supply(10, false).unwrap_err().code, ErrorCode::CodeExpiring);
        assert!(supply(9, true).unwrap().totp.is_some());
        assert_eq!(supply(9, true).unwrap_err().code, ErrorCode::CodeTaken);
        assert!(supply(9, false).unwrap().totp.is_some());
    }
}

mod rest {
    use super::*;

    fn request(vault: &Vault, token: &str, method: &str, path: &str, body: &Value) -> (u16, String) {
        let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        let request = http::Request::builder()
            .method(method)
            .uri(format!("http://localhost{path}"))
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json")
            .body(body)
            .unwrap();
        let response = vault.http(request).unwrap();
        let headers = format!("{:?}", response.headers());
        assert!(!leaks(&headers), "{headers}");
        if response.status() == 200 && path.ends_with("/supply") {
            assert_eq!(response.headers()["cache-control"], "no-store");
        }
        (response.status().as_u16(), String::from_utf8(response.into_body().to_vec()).unwrap())
    }

    #[test]
    fn supply_gives_the_same_over_http() {
        let vault = Vault::new(World::Edge);
        let created = vault.create(&login()).unwrap();
        let supply = |path: &str, body: &Value| request(&vault, ADMIN_TOKEN, "POST", path, body);
        let body = json!({ "origin": "https://www.example.com:8443/login", "min_valid_seconds": 29 });
        for path in ["/credentials/login/supply".to_owned(), format!("/credentials/{}/supply", created.id)] {
            let (status, answer) = supply(&path, &body);
            let expected = json!({
                "id": created.id,
                "name": "login",
                "values": {
                    "username": "hunter2-canary-user", "pass word": "hunter2-canary\n\"\u{fc}", "empty": ""
                },
                "sso_provider": "google",
                "totp": {
                    "code": created.totp_code, "expires_at": "2026-11-22T12:00:30Z", "period": 30,
                    "valid_for_seconds": 30
                },
            });
            assert_eq!((status, serde_json::from_str::<Value>(&answer).unwrap()), (200, expected));
            assert!(leaks(&answer), "or no test here could fail");
        }
        for (body, status, code) in [
            (json!({ "origin": "https://evil-example.com" }), 403, "origin_refused"),
            (json!({ "origin": "http://example.com" }), 403, "origin_refused"),
            (json!({ "origin": "" }), 403, "origin_refused"),
            (json!({}), 400, "bad_request"),
            (json!({ "origin": ["https://example.com"] }), 400, "bad_request"),
            (json!({ "origin": null }), 400, "bad_request"),
            (json!({ "origin": "https://example.com", "min_valid_seconds": 30 }), 400, "bad_request"),
            (json!({ "origin": "https://example.com", "exclusive": "hunter2" }), 400, "bad_request"),
            (json!("https://example.com"), 400, "bad_request"),
        ] {
            let (answered, answer) = supply("/credentials/login/supply", &body);
            let error: Value = serde_json::from_str(&answer).unwrap();
            assert_eq!((answered, error["code"].as_str()), (status, Some(code)), "{body}");
            assert!(!leaks(&answer) && !answer.contains("evil"), "{answer}");
        }
        assert_eq!(supply("/credentials/other/supply", &body).0, 404);
        assert_eq!(request(&vault, ADMIN_TOKEN, "GET", "/credentials/login/supply", &Value::Null).0, 405);
        let query = "/credentials/login/supply?origin=https://example.com";
        assert_eq!(supply(query, &json!({})).0, 400, "an origin in the query does not count");
    }

    /// Every set of scopes without `supply`, on every route, with whatever could make an answer say more.
    #[test]
    fn no_token_without_the_scope_gets_a_value() {
        let scopes = ["read", "totp", "write", "admin"];
        for set in 1..1 << scopes.len() {
            let chosen: Vec<&str> =
                (0..scopes.len()).filter(|bit| set >> bit & 1 == 1).map(|bit| scopes[bit]).collect();
            let vault = Vault::new(World::Edge);
            let token = "sr_token-without-the-scope";
            let hash = strongroom_host::token::hash(token);
            vault.settings.set("strongroom_tokens", &format!("t:default:{}:{hash}", chosen.join("+")));
            let id = vault.create(&login()).unwrap().id;

            for (selector, origin) in [("login", "https://example.com"), (id.as_str(), "https://example.com")] {
                let path = format!("/credentials/{selector}/supply");
                let (status, answer) = request(&vault, token, "POST", &path, &json!({ "origin": origin }));
                assert_eq!(status, 403, "{chosen:?}");
                assert!(answer.contains("forbidden") && answer.contains("supply"), "{answer}");
            }
            let tried = [
                ("GET", "/credentials", Value::Null),
                ("GET", "/credentials?query=hunter2-canary", Value::Null),
                ("GET", "/credentials?include=values&values=true&fields=*&expand=values", Value::Null),
                ("GET", "/credentials/login", Value::Null),
                ("GET", "/credentials/login?include=values&reveal=true", Value::Null),
                ("GET", "/credentials/login/values", Value::Null),
                ("GET", "/credentials/login/supply?origin=https://example.com", Value::Null),
                ("POST", "/credentials/login%2Fsupply", json!({ "origin": "https://example.com" })),
                ("POST", "/credentials/login/supply/", json!({ "origin": "https://example.com" })),
                ("POST", "//credentials/login/supply", json!({ "origin": "https://example.com" })),
                ("POST", "/credentials/x/../login/supply", json!({ "origin": "https://example.com" })),
                ("POST", "/Credentials/login/supply", json!({ "origin": "https://example.com" })),
                ("GET", "/credentials/login/totp-code?origin=https://example.com", Value::Null),
                ("PATCH", "/credentials/login", json!({ "domain": "localhost", "sso_provider": "x", "values": {} })),
                ("PATCH", "/credentials/login", json!({ "values": "hunter2-canary" })),
                ("PUT", "/credentials/login", json!({ "domain": "example.com", "values": { "username": CANARY } })),
                ("POST", "/credentials", json!({ "name": "login", "domain": "a.test", "values": { "a": CANARY } })),
                (
                    "POST",
                    "/mcp",
                    json!({
                        "jsonrpc": "2.0", "id": 1, "method": "tools/call",
                        "params": { "name": "manage_credentials", "arguments": {
                            "action": "supply", "id_or_name": "login", "origin": "https://example.com" } },
                    }),
                ),
                ("GET", "/health", Value::Null),
                ("GET", "/openapi.json", Value::Null),
                ("DELETE", "/credentials/login", Value::Null),
            ];
            for (method, path, body) in tried {
                for headers_too in [method, "TRACE"] {
                    let (_, answer) = request(&vault, token, headers_too, path, &body);
                    assert!(!leaks(&answer), "{chosen:?} {method} {path}: {answer}");
                }
            }
        }
    }

    /// Nor one of another project, one that has expired, or none.
    #[test]
    fn no_other_token_gets_a_value() {
        let vault = Vault::new(World::Edge);
        let (other, expired) = ("sr_token-of-another-project", "sr_token-that-has-expired");
        let hash = strongroom_host::token::hash;
        let tokens = format!(
            "o:other:read+totp+write+supply+admin:{} e:default:supply:{}:{}",
            hash(other),
            hash(expired),
            NOW / 1000
        );
        vault.settings.set("strongroom_tokens", &tokens);
        vault.create(&login()).unwrap();
        let body = json!({ "origin": "https://example.com" });
        for (token, status) in [(other, 404), (expired, 401), (ADMIN_TOKEN, 401), ("", 401)] {
            let (answered, answer) = request(&vault, token, "POST", "/credentials/login/supply", &body);
            assert_eq!(answered, status, "{token}");
            assert!(!leaks(&answer), "{answer}");
        }
    }
}

mod agents {
    use super::*;

    /// `manage` of every world, with what could make an answer say more.
    #[test]
    fn manage_has_no_way_to_a_value() {
        for world in World::ALL {
            let vault = Vault::new(world);
            let mut create = json!({
                "action": "create", "name": "login", "domain": "example.com", "totp_secret": SEED,
                "values": { "username": "hunter2-canary-user", "password": CANARY },
            });
            let mut answers = vec![vault.manage_json(&create).unwrap().to_string()];
            let extra = [
                ("origin", json!("https://example.com")),
                ("include", json!(["values", "totp_secret"])),
                ("fields", json!("*")),
                ("reveal", json!(true)),
                ("values", json!({})),
                ("scope", json!("supply")),
            ];
            let actions = [
                "list",
                "get",
                "totp_code",
                "update",
                "create",
                "supply",
                "SUPPLY",
                "values",
                "get_values",
                "reveal",
                "export",
                "backup",
                "verify",
                "sweep",
                "init",
                "put",
                "strongroom:vault/supply#supply",
            ];
            for action in actions {
                let mut request = json!({ "action": action, "id_or_name": "login", "name": "login" });
                for (member, value) in &extra {
                    request[*member] = value.clone();
                }
                answers.extend([vault.manage(&request.to_string())].map(|answer| answer.unwrap_or_else(|error| error)));
            }
            // No question about a value is answered either.
            for query in [CANARY, "hunter2", "user", SEED] {
                let found = vault.manage_json(&json!({ "action": "list", "query": query })).unwrap();
                assert_eq!(found["items"], json!([]), "{query}");
            }
            create["domain"] = "evil.test".into();
            answers.push(vault.manage_json(&create).unwrap_err().to_string());
            answers.push(vault.manage_json(&json!({ "action": "delete", "id_or_name": "login" })).unwrap().to_string());
            for answer in answers {
                assert!(!leaks(&answer), "{world:?}: {answer}");
            }
        }
    }

    /// By looking and by trying: no interface for it, in what is exported no result that could hold values or a seed,
    /// and not even the code for it.
    #[test]
    fn the_agent_world_has_nothing_that_returns_values() {
        let engine = wasmtime::Engine::default();
        let component = Component::new(&engine, World::Agent.wasm()).unwrap();
        let mut functions = Vec::new();
        for (interface, item) in component.component_type().exports(&engine) {
            let ComponentItem::ComponentInstance(instance) = item.ty else { panic!("{interface}") };
            for (name, item) in instance.exports(&engine) {
                let ComponentItem::ComponentFunc(function) = item.ty else { continue };
                functions.push(name.to_owned());
                let mut fields = Vec::new();
                function.results().for_each(|result| fields_of(&result, &mut fields));
                for forbidden in ["values", "totp-secret"] {
                    assert!(!fields.iter().any(|field| field == forbidden), "{name}: {fields:?}");
                }
            }
        }
        functions.sort_unstable();
        assert_eq!(functions, ["create", "delete", "get", "list", "manage", "put", "totp-code", "update"]);

        for name in
            ["strongroom:vault/supply@0.1.0", "strongroom:vault/maintenance@0.1.0", "supply", "verify", "restore"]
        {
            assert!(component.get_export_index(None, name).is_none(), "{name}");
        }
        let services = Services {
            store: Arc::new(MemoryStore::new()),
            config: Arc::new(BTreeMap::<String, String>::new()),
            clock: Arc::new(FixedClock::new(NOW)),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let instance = runtime.block_on(World::Agent.component().vault(&services));
        assert!(instance.err().unwrap().to_string().contains("no supply"));
    }

    fn fields_of(ty: &Type, found: &mut Vec<String>) {
        match ty {
            Type::Record(record) => {
                for field in record.fields() {
                    found.push(field.name.to_owned());
                    fields_of(&field.ty, found);
                }
            }
            Type::List(list) => fields_of(&list.ty(), found),
            Type::Option(option) => fields_of(&option.ty(), found),
            Type::Tuple(tuple) => tuple.types().for_each(|ty| fields_of(&ty, found)),
            Type::Result(result) => {
                result.ok().iter().for_each(|ty| fields_of(ty, found));
                result.err().iter().for_each(|ty| fields_of(ty, found));
            }
            Type::Variant(variant) => {
                variant.cases().filter_map(|case| case.ty).for_each(|ty| fields_of(&ty, found));
            }
            _ => {}
        }
    }
}

/// `strongroom supply`, and what other processes can see of it.
mod command {
    use super::*;

    struct Fixture {
        directory: TempDir,
        program: Program,
        /// In a value; no other process of this machine, whatever it does, has it on its command line.
        marker: String,
    }

    impl Fixture {
        fn new() -> Self {
            let directory = TempDir::new();
            let program = Program::on(&directory.path().join("state"));
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
            let marker = format!("hunter2-{}-{now}", std::process::id());
            let create = json!({
                "action": "create", "name": "login", "domain": "example.com", "totp_secret": SEED,
                "sso_provider": "google",
                "values": { "username": marker, "pass word": "hunter2-canary\n\"\u{fc}", "empty": "" },
            });
            program.call(&create).unwrap();
            Self { directory, program, marker }
        }

        /// Runs `strongroom supply` with a shell script, which finds the folder for its findings in `$OUT`.
        fn run(&self, origin: &str, options: &[&str], script: &str) -> Output {
            let mut arguments = vec!["supply", "login", "--quiet", "--origin", origin];
            arguments.extend(options);
            arguments.extend(["--exec", "sh", "-c", script]);
            let mut command = self.program.command(&arguments);
            command.env("OUT", self.directory.path()).stdin(Stdio::null()).output().unwrap()
        }

        fn found(&self, name: &str) -> String {
            let bytes = fs::read(self.directory.path().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
            String::from_utf8_lossy(&bytes).into_owned()
        }
    }

    /// What any user can read of all processes, and what the same user can read of this one's parent.
    const LOOK_AROUND: &str = r#"
        cat /proc/[0-9]*/cmdline > "$OUT/cmdlines" 2>/dev/null
        cat /proc/$PPID/environ > "$OUT/parent"
    "#;

    fn assert_nobody_else_sees_it(fixture: &Fixture, output: &Output) {
        assert!(output.stdout.is_empty() && output.stderr.is_empty(), "{output:?}");
        let cmdlines = fixture.found("cmdlines");
        assert!(cmdlines.contains("supply") && cmdlines.contains("https://www.example.com"), "not looked at all");
        assert!(!cmdlines.contains(&fixture.marker), "{cmdlines:?}");
        let parent = fixture.found("parent");
        assert!(parent.contains("OUT=") && !leaks(&parent), "{parent:?}");
    }

    #[test]
    fn gives_the_values_in_the_environment() {
        let fixture = Fixture::new();
        let script = format!(
            r#"{LOOK_AROUND}
            printf '%s' "$STRONGROOM_VALUE_USERNAME" > "$OUT/username"
            printf '%s' "$STRONGROOM_VALUE_PASS_WORD" > "$OUT/password"
            printf '%s' "${{STRONGROOM_VALUE_EMPTY-unset}}" > "$OUT/empty"
            printf '%s' "$STRONGROOM_TOTP_CODE" > "$OUT/code"
            env > "$OUT/env"
            cat > "$OUT/stdin"
            exit 7"#
        );
        let output = fixture.run("https://www.example.com/login", &[], &script);
        assert_eq!(output.status.code(), Some(7), "{output:?}");
        assert_eq!(fixture.found("username"), fixture.marker);
        assert_eq!(fixture.found("password"), "hunter2-canary\n\"\u{fc}");
        assert_eq!(fixture.found("empty"), "");
        let code = fixture.found("code");
        assert!(code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit()), "{code}");
        assert_eq!(fixture.found("stdin"), "");
        let environment = fixture.found("env");
        assert!(leaks(&environment) && !environment.contains(&SEED[..8]), "the values, and never the seed");
        assert_nobody_else_sees_it(&fixture, &output);
    }

    #[test]
    fn gives_the_values_on_standard_input() {
        let fixture = Fixture::new();
        let script = format!(r#"{LOOK_AROUND} env > "$OUT/env"; cat > "$OUT/stdin""#);
        let output = fixture.run("https://www.example.com", &["--stdin"], &script);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let given: Value = serde_json::from_str(&fixture.found("stdin")).unwrap();
        assert_eq!(
            given["values"],
            json!({ "username": fixture.marker, "pass word": "hunter2-canary\n\"\u{fc}", "empty": "" })
        );
        assert_eq!((&given["name"], &given["sso_provider"]), (&json!("login"), &json!("google")));
        assert_eq!(given["totp_code"].as_str().unwrap().len(), 6);
        assert!(!given.to_string().contains(&SEED[..8]), "never the seed");
        let environment = fixture.found("env");
        assert!(!leaks(&environment) && !environment.contains("STRONGROOM_TOTP_CODE"), "{environment}");
        assert_nobody_else_sees_it(&fixture, &output);
    }

    #[test]
    fn runs_nothing_for_another_origin() {
        let fixture = Fixture::new();
        for origin in ["https://evil.test", "https://example.com.evil.test", "http://example.com", "null", ""] {
            for options in [&[][..], &["--stdin"]] {
                let output = fixture.run(origin, options, r#"touch "$OUT/ran""#);
                assert_eq!(output.status.code(), Some(1), "{origin}");
                let stderr = String::from_utf8(output.stderr).unwrap();
                assert!(output.stdout.is_empty() && stderr.starts_with("strongroom: origin "), "{stderr}");
                assert!(stderr.lines().count() == 1 && !leaks(&stderr) && !stderr.contains("evil"), "{stderr}");
                assert!(!fixture.directory.path().join("ran").exists(), "{origin}");
            }
        }
    }

    /// Over the server: its log and output hold no more than the file.
    #[test]
    fn a_server_keeps_what_it_releases_out_of_its_log() {
        let fixture = Fixture::new();
        let server = fixture.program.serve();
        let client = server.client();
        let answer = client.post("/credentials/login/supply", &json!({ "origin": "https://example.com/hunter2" }));
        assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")), "{answer:?}");
        assert_eq!(answer.json()["values"]["username"], fixture.marker);
        let refused = client.post("/credentials/login/supply", &json!({ "origin": "https://hunter2.test" }));
        assert_eq!((refused.status, refused.code().as_str()), (403, "origin_refused"));

        let token = fixture.program.run(&["token", "new", "--name", "scout", "--scopes", "read,totp,write,admin"]);
        let agent = server.client_with(token.stdout.trim());
        assert_eq!(agent.get("/credentials/login").status, 200);
        let refused = agent.post("/credentials/login/supply", &json!({ "origin": "https://example.com" }));
        assert_eq!((refused.status, refused.code().as_str()), (403, "forbidden"));

        let (_, output) = server.stop();
        assert!(output.stderr.contains("supply"), "{output:?}");
        assert!(!leaks(&output.stdout) && !leaks(&output.stderr), "{output:?}");
    }
}
