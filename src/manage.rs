//! The actions of agents' tool as one function with JSON on both sides: what tool callers use. Documented in `wit/credentials.wit`.
//!
//! Parameters, and the texts about missing ones, are those of the `manage_credentials` tool. Stored values can't be
//! released from here.

use crate::actions::{self, Action, Vault};
#[allow(unused_imports, reason = "for the documentation")]
use crate::error::Code;
use crate::error::{Error, Result};
use crate::json::{self, Members};
use alloc::format;
use alloc::string::String;

/// Runs the action of a request; see [`run`]. The error is the JSON of one.
pub fn manage(vault: &Vault<'_>, request: &str) -> Result<String, String> {
    Members::parse(request.as_bytes()).and_then(|members| run(vault, members)).map_err(|error| error_json(&error))
}

/// An error as [`manage`] returns it, for what fails before there is a vault.
pub fn error_json(error: &Error) -> String {
    json::error(error)
}

/// Runs an action and returns its answer as JSON.
///
/// Errors: [`Code::BadRequest`] for a missing or ill-formed parameter, and for `project` or `project_id` other than the
/// vault's; [`Code::Forbidden`] for what the vault's principal may not do; those of the action.
pub fn run(vault: &Vault<'_>, mut members: Members) -> Result<String> {
    let action = members.text("action").ok().flatten().unwrap_or_default();
    // Models write `LIST` and `Totp_Code` too.
    run_action(vault, &action.trim().to_ascii_lowercase(), members)
}

/// As [`run`], for an action that is known from elsewhere.
pub fn run_action(vault: &Vault<'_>, name: &str, members: Members) -> Result<String> {
    let mut members = members.lenient();
    for field in ["project", "project_id"] {
        if members.text(field)?.is_some_and(|project| project != vault.project()) {
            return Err(Error::bad_request("project must match this connection's fixed project: leave it out"));
        }
    }
    let action = Action::of_tool().find(|action| action.name() == name).ok_or_else(no_such_action)?;
    action.check(vault.principal())?;
    let members = &mut members;
    match action {
        Action::List => actions::list(vault, &json::list_query(members)?).map(|page| json::page(&page)),
        Action::Get => {
            let id_or_name = id_or_name(members, action)?;
            actions::get(vault, &id_or_name).map(|view| json::credential(&view))
        }
        Action::TotpCode => {
            let id_or_name = id_or_name(members, action)?;
            let options = json::code_options(members)?;
            actions::totp_code(vault, &id_or_name, options).map(|code| json::totp_code(&code))
        }
        Action::Create => create(vault, members),
        Action::Update => {
            let id_or_name = id_or_name(members, action)?;
            actions::update(vault, &id_or_name, &json::changes(members)?).map(|view| json::credential(&view))
        }
        Action::Delete => {
            let id_or_name = id_or_name(members, action)?;
            actions::delete(vault, &id_or_name, None).map(|id| json::deletion(&id))
        }
        // The table says that the tool has no other.
        _ => Err(no_such_action()),
    }
}

fn no_such_action() -> Error {
    let mut message = String::from("action must be one of");
    for (position, action) in Action::of_tool().enumerate() {
        message.push_str(if position == 0 { " " } else { ", " });
        message.push_str(action.name());
    }
    Error::bad_request(message)
}

fn create(vault: &Vault<'_>, members: &mut Members) -> Result<String> {
    let has_all = members.has("domain") && members.has("name") && members.has("values");
    if !has_all {
        return Err(Error::bad_request("domain, name, and non-empty values are required for create."));
    }
    let new = json::new_credential(members, None)?;
    actions::create(vault, new, None).map(|view| json::credential(&view))
}

fn id_or_name(members: &mut Members, action: Action) -> Result<String> {
    match members.text("id_or_name")? {
        Some(text) if !text.trim().is_empty() => Ok(text),
        _ => Err(Error::bad_request(format!("id_or_name is required for {}.", action.name()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{Principal, Scope, Scopes};
    use crate::platform::{Clock, Platform, SystemRandom};
    use crate::seal::{Keyring, Project, Sealer};
    use crate::store::memory::MemoryStore;
    use crate::time::Timestamp;
    use alloc::string::ToString;
    use serde_json::{Value, json};

    struct Fixed;

    impl Clock for Fixed {
        fn now(&self) -> Timestamp {
            Timestamp::from_seconds(1_795_343_400)
        }
    }

    struct World {
        store: MemoryStore,
        sealer: Sealer,
        principal: Principal,
    }

    impl World {
        fn new() -> Self {
            let keyring = Keyring::parse("k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8").unwrap();
            let sealer = Sealer::new(keyring, Project::parse("crew").unwrap());
            Self { store: MemoryStore::default(), sealer, principal: Principal::host() }
        }

        fn run(&self, request: &str) -> Result<Value, Value> {
            let platform = Platform { store: &self.store, clock: &Fixed, random: &SystemRandom };
            let answer = manage(&Vault::new(platform, &self.sealer, &self.principal), request);
            let (Ok(text) | Err(text)) = &answer;
            assert!(!text.contains("canary"), "{text}");
            let read = |text: String| serde_json::from_str(&text).unwrap();
            answer.map(read).map_err(read)
        }

        #[track_caller]
        fn refuses(&self, request: Value, message: &str) {
            let error = self.run(&request.to_string()).unwrap_err();
            assert_eq!(error, json!({"code": "bad_request", "message": message}));
        }
    }

    #[test]
    fn six_actions_in_the_tools_shape() {
        let world = World::new();
        // The request of the first issue, to the letter.
        let created = world.run(r#"{"action":"create","domain":"accounts.example.com","name":"example-work-login","values":{"username":"ops@example.com","password":"fake-password-for-docs"},"totp_secret":"JBSWY3DPEHPK3PXP"}"#).unwrap();
        assert_eq!(created["totp_code"].as_str().map(str::len), Some(6));
        let run = |request: Value| world.run(&request.to_string()).unwrap();
        let code = run(json!({"action": "totp_code", "id_or_name": "example-work-login", "min_valid_seconds": 5}));
        assert_eq!(code["code"], created["totp_code"]);
        assert_eq!(code["expires_at"], created["totp_code_expires_at"]);
        let got = run(json!({"action": "get", "id_or_name": created["id"]}));
        assert!(got.get("totp_code").is_none());
        assert_eq!(got["value_keys"], json!(["username", "password"]));
        let mut item = got.clone();
        item.as_object_mut().unwrap().remove("value_keys");
        let page = json!({"items": [item], "has_more": false, "next_offset": 0});
        assert_eq!(run(json!({"action": "list", "query": "WORK", "limit": 1, "offset": 0})), page);
        run(json!({"action": "create", "name": "n", "domain": "example.com", "values": {"a": "b"}}));
        let page = run(json!({"action": "list", "limit": 1}));
        assert_eq!((&page["has_more"], &page["next_offset"]), (&json!(true), &json!(1)));
        let body = json!({
            "action": "update", "id_or_name": "n", "values": {}, "remove_value_keys": ["a"], "sso_provider": "",
            "totp_secret": "",
        });
        assert_eq!(run(body)["has_values"], false);
        let deleted = run(json!({"action": "delete", "id_or_name": "n"}));
        assert_eq!(deleted["deleted"], true);
        let error = world.run(r#"{"action":"delete","id_or_name":"n"}"#).unwrap_err();
        assert_eq!(error, json!({"code": "not_found", "message": "credential not found"}));
    }

    #[test]
    fn missing_parameters_are_named_as_the_tool_names_them() {
        let world = World::new();
        for action in ["get", "totp_code", "update", "delete"] {
            let message = format!("id_or_name is required for {action}.");
            world.refuses(json!({"action": action}), &message);
            world.refuses(json!({"action": action, "id_or_name": ""}), &message);
            world.refuses(json!({"action": action, "id_or_name": 5}), "id_or_name must be a string");
        }
        let message = "domain, name, and non-empty values are required for create.";
        let good = json!({"action": "create", "name": "n", "domain": "example.com", "values": {"a": "b"}});
        for (field, empty) in [("name", json!("")), ("domain", json!("")), ("values", json!({}))] {
            let (mut absent, mut without) = (good.clone(), good.clone());
            absent.as_object_mut().unwrap().remove(field);
            without[field] = empty;
            world.refuses(absent, message);
            world.refuses(without, message);
        }
        let nothing = "at least one update field is required: name, domain, additional_domains, values, \
                       remove_value_keys, description, metadata, archived, sso_provider or totp_secret";
        world.refuses(json!({"action": "update", "id_or_name": "n"}), nothing);
    }

    #[test]
    fn wrong_parameters_are_refused_and_never_quoted() {
        let world = World::new();
        let actions = "action must be one of list, get, totp_code, create, update, delete";
        for action in [json!("hunter2-canary"), json!(5), Value::Null, json!("supply"), json!("put")] {
            world.refuses(json!({"action": action, "id_or_name": "n", "origin": "https://example.com"}), actions);
        }
        world.refuses(json!({}), actions);
        let limit = "limit must be a whole number from 1 to 100";
        for value in [json!(0), json!(101), json!(-1), json!(1.5), json!("x"), json!("0"), json!("5 6"), json!([5])] {
            world.refuses(json!({"action": "list", "limit": value}), limit);
        }
        world.refuses(json!({"action": "list", "offset": -1}), "offset must be a whole number from 0 to 4294967295");
        let create = |values| json!({"action": "create", "name": "n", "domain": "example.com", "values": values});
        for values in [json!("hunter2-canary"), json!("[1]"), json!(["hunter2-canary"]), json!(5)] {
            world.refuses(create(values), "values must be an object of strings");
        }
        let values = r#"{"user":"u","pass":{"hunter2":"canary"}}"#;
        world.refuses(create(json!(values)), "values must be an object of strings (entry 2)");
        for text in ["", "hunter2-canary", "[1]", r#"{"action":"get","action":"list"}"#, r#"{"action":"list"} canary"#]
        {
            assert_eq!(world.run(text).unwrap_err()["code"], "bad_request");
        }
    }

    #[test]
    fn what_models_send_is_read_as_they_mean_it() {
        let world = World::new();
        let run = |request: Value| world.run(&request.to_string()).unwrap();
        let created = run(json!({
            "action": " Create ", "name": "n", "domain": "example.com", "project": "", "project_id": null,
            "values": r#"{"username":"u","pin":12345678901234567890123,"rate":1.50,"on":true,"gone":null,"empty":""}"#,
            "sso_provider": null, "totp_secret": "", "totp_algorithm": "", "totp_digits": null, "totp_period": "",
        }));
        assert_eq!(created["value_keys"], json!(["username", "pin", "rate", "on", "empty"]));
        run(json!({"action": "create", "name": "m", "domain": "example.com", "values": {"a": 1}}));
        let page = run(json!({"action": "LIST", "limit": "1", "offset": " 1 ", "domain": "", "query": null}));
        assert_eq!((page["items"].as_array().unwrap().len(), &page["has_more"]), (1, &json!(false)));

        // Null clears nothing, an empty text does.
        let update = |mut changes: Value| {
            changes["action"] = "update".into();
            changes["id_or_name"] = "n".into();
            run(changes)
        };
        let set = update(json!({
            "sso_provider": "google", "totp_secret": "JBSWY3DPEHPK3PXP", "totp_digits": "8", "totp_algorithm": "sha-256",
        }));
        assert_eq!((&set["totp_digits"], &set["totp_algorithm"]), (&json!(8), &json!("SHA256")));
        let kept = update(json!({
            "name": "", "values": {"username": null, "new": "x"}, "sso_provider": null, "totp_secret": null,
            "remove_value_keys": null,
        }));
        assert_eq!(kept["value_keys"], json!(["username", "pin", "rate", "on", "empty", "new"]));
        assert_eq!((&kept["name"], &kept["sso_provider"]), (&json!("n"), &json!("google")));
        assert_eq!(kept["has_totp_secret"], true);
        let code =
            run(json!({"action": "totp_code", "id_or_name": "n", "min_valid_seconds": "5", "exclusive": "True"}));
        assert_eq!(code["code"].as_str().map(str::len), Some(8));
        let cleared = update(json!({"sso_provider": "", "totp_secret": "", "remove_value_keys": r#"["pin", "rate"]"#}));
        assert_eq!((&cleared["has_totp_secret"], cleared.get("sso_provider")), (&json!(false), None));
        assert_eq!(cleared["value_keys"], json!(["username", "on", "empty", "new"]));
    }

    #[test]
    fn the_project_is_fixed() {
        let world = World::new();
        for field in ["project", "project_id"] {
            assert!(world.run(&json!({"action": "list", field: "crew"}).to_string()).is_ok());
            let other = json!({"action": "list", field: "hunter2-canary"});
            world.refuses(other, "project must match this connection's fixed project: leave it out");
            world.refuses(json!({"action": "list", field: 5}), &format!("{field} must be a string"));
        }
    }

    #[test]
    fn the_caller_may_do_what_its_scopes_allow() {
        for scope in Scope::ALL {
            let mut world = World::new();
            world.principal.scopes = Scopes::NONE.with(scope);
            for action in Action::of_tool() {
                // What else is wrong with a request makes no difference.
                let error = world.run(&json!({"action": action.name(), "limit": "canary"}).to_string()).unwrap_err();
                let is_allowed = action.row().scope == Some(scope);
                assert_eq!(error["code"], if is_allowed { "bad_request" } else { "forbidden" }, "{action:?} {scope:?}");
            }
        }
    }

    #[test]
    fn waiting_times_are_told() {
        let world = World::new();
        let create = json!({
            "action": "create", "name": "n", "domain": "example.com", "values": {"a": "b"},
            "totp_secret": "JBSWY3DPEHPK3PXP",
        });
        world.run(&create.to_string()).unwrap();
        let code = json!({"action": "totp_code", "id_or_name": "n", "exclusive": true}).to_string();
        assert!(world.run(&code).is_ok());
        let error = world.run(&code).unwrap_err();
        assert_eq!((&error["code"], &error["retry_after_seconds"]), (&json!("code_taken"), &json!(30)));
    }
}
