//! Where values may go: whoever may only write can't have a stored value released to a site that it could not go to
//! before, on any face, by any action.

use bytes::Bytes;
use serde_json::{Value, json};
use strongroom_host::token::hash;
use strongroom_host_tests::credentials::{Changes, ListQuery, NewCredential};
use strongroom_host_tests::types::{Error, ErrorCode};
use strongroom_host_tests::{Vault, World, everything, new_credential, no_changes};

const EVIL: &str = "https://evil.example";
const SECRET: &str = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";
const TOKEN: &str = "the-writer's";

/// A vault in which a person stored a login, and whose faces run for somebody with these scopes, and with a limit as the
/// setting of tokens has it, or none.
fn vault(scopes: &str, limit: &str) -> Vault {
    let vault = Vault::new(World::Edge);
    let mut new = new_credential("bank", "bank.example", &[("password", "canary")]);
    new.totp_secret = Some(SECRET.into());
    let id = vault.create(&new).unwrap().id;
    let limit = limit.replace("{id}", &id);
    vault.settings.set("strongroom_caller", &format!("agent:{scopes}{limit}"));
    vault.settings.set("strongroom_tokens", &format!("agent:default:{scopes}:{}{limit}", hash(TOKEN)));
    vault
}

/// What the login flow of somebody else would have released to the page, after all that was tried.
fn released(vault: &Vault, origin: &str) -> Vec<String> {
    vault.settings.unset("strongroom_caller");
    let mut found = Vec::new();
    for archived in [false, true] {
        for item in vault.list(ListQuery { archived, ..everything() }).unwrap().items {
            if let Ok(supplied) = vault.supply(&item.id, origin, None) {
                found.extend(supplied.values.into_iter().map(|(_, value)| value));
                found.extend(supplied.totp.map(|_| "a code".to_owned()));
            }
        }
    }
    found
}

fn changes(of: impl FnOnce(&mut Changes)) -> Changes {
    let mut changes = no_changes();
    of(&mut changes);
    changes
}

/// The ways to ask for a change.
#[derive(Clone, Copy, Debug)]
enum Face {
    Typed,
    Manage,
    Rest,
    Mcp,
}

const FACES: [Face; 4] = [Face::Typed, Face::Manage, Face::Rest, Face::Mcp];

/// The code of an error, as every face spells it.
type Code = String;

impl Face {
    /// Updates `bank`, with the members of a request's body.
    fn update(self, vault: &Vault, body: &Value) -> Result<(), Code> {
        match self {
            Face::Typed => {
                let text = |name: &str| body[name].as_str().map(str::to_owned);
                let changes = changes(|changes| {
                    (changes.name, changes.domain, changes.totp_secret) =
                        (text("name"), text("domain"), text("totp_secret"));
                    let sites = body["additional_domains"].as_array();
                    let site = |site: &Value| site.as_str().unwrap().to_owned();
                    changes.additional_domains = sites.map(|sites| sites.iter().map(site).collect());
                    let value = |(name, value): (&String, &Value)| (name.clone(), value.as_str().unwrap().to_owned());
                    changes.values = body["values"].as_object().map(|values| values.iter().map(value).collect());
                });
                typed(vault.update("bank", &changes))
            }
            Face::Manage => vault.manage_json(&managed(body)).map(drop).map_err(|error| code(&error)),
            Face::Rest => rest(vault, "PATCH", "/credentials/bank", body),
            Face::Mcp => {
                let message = json!({
                    "jsonrpc": "2.0", "id": 1, "method": "tools/call",
                    "params": {"name": "manage_credentials", "arguments": managed(body)},
                });
                let (status, answer) = send(vault, "POST", "/mcp", &message);
                assert_eq!(status, 200, "{answer}");
                match answer["result"]["isError"].as_bool() {
                    Some(true) => Err(answer["result"]["content"][0]["text"].as_str().unwrap().to_owned()),
                    _ => Ok(()),
                }
            }
        }
    }

    /// Whether this is one that has put and restore.
    fn is_for_people(self) -> bool {
        matches!(self, Face::Typed | Face::Rest)
    }

    fn put(self, vault: &Vault, name: &str, domain: &str) -> Result<(), Code> {
        match self {
            Face::Typed => typed(vault.put(&mine(name, domain), None)),
            _ => rest(vault, "PUT", &format!("/credentials/{name}"), &body_of_mine(name, domain)),
        }
    }

    fn create(self, vault: &Vault, name: &str, domain: &str) -> Result<(), Code> {
        match self {
            Face::Typed => typed(vault.create(&mine(name, domain))),
            _ => rest(vault, "POST", "/credentials", &body_of_mine(name, domain)),
        }
    }

    fn restore(self, vault: &Vault, id_or_name: &str, version: Option<u64>) -> Result<(), Code> {
        match self {
            Face::Typed => typed(vault.restore(id_or_name, version)),
            _ => rest(vault, "POST", &format!("/credentials/{id_or_name}/restore"), &json!({"version": version})),
        }
    }

    fn delete(self, vault: &Vault, id_or_name: &str) -> Result<(), Code> {
        match self {
            Face::Typed => typed(vault.delete(id_or_name, None)),
            _ => rest(vault, "DELETE", &format!("/credentials/{id_or_name}"), &Value::Null),
        }
    }
}

fn managed(body: &Value) -> Value {
    let mut request = body.clone();
    (request["action"], request["id_or_name"]) = ("update".into(), "bank".into());
    request
}

fn mine(name: &str, domain: &str) -> NewCredential {
    new_credential(name, domain, &[("password", "mine")])
}

fn body_of_mine(name: &str, domain: &str) -> Value {
    json!({"name": name, "domain": domain, "values": {"password": "mine"}})
}

fn typed<T>(result: Result<T, Error>) -> Result<(), Code> {
    result.map(drop).map_err(|error| format!("{:?}", error.code).replace("ErrorCode::", "").to_lowercase())
}

fn rest(vault: &Vault, method: &str, path: &str, body: &Value) -> Result<(), Code> {
    match send(vault, method, path, body) {
        (200..300, _) => Ok(()),
        (_, answer) => Err(code(&answer)),
    }
}

fn send(vault: &Vault, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let request = http::Request::builder()
        .method(method)
        .uri(format!("http://localhost{path}"))
        .header("authorization", format!("Bearer {TOKEN}"))
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream");
    let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
    let (parts, body) = vault.http(request.body(body).unwrap()).unwrap().into_parts();
    (parts.status.as_u16(), serde_json::from_slice(&body).unwrap_or(Value::Null))
}

fn code(error: &Value) -> Code {
    error["code"].as_str().unwrap_or_else(|| panic!("{error}")).to_owned()
}

/// Updates that would lead stored values elsewhere.
fn updates() -> Vec<Value> {
    vec![
        json!({"domain": "evil.example"}),
        json!({"additional_domains": ["evil.example"]}),
        json!({"domain": "evil.example", "name": "renamed"}),
        // Another value, but not all of them.
        json!({"domain": "evil.example", "values": {"username": "mine"}}),
        // All values, and not the TOTP secret; the secret, and not the values.
        json!({"domain": "evil.example", "values": {"password": "mine"}}),
        json!({"additional_domains": ["evil.example"], "totp_secret": SECRET}),
        // A parent.
        json!({"domain": "example"}),
    ]
}

/// By the limit of the writer: none, to both domains, to the credential.
const LIMITS: [&str; 3] = ["", ":domains=bank.example+evil.example", ":credentials={id}"];

fn assert_nothing_is_led_away(vault: &Vault, context: &str) {
    for origin in [EVIL, "https://example", "https://www.evil.example"] {
        let found = released(vault, origin);
        assert!(found.iter().all(|value| value == "mine"), "{context}: {found:?} at {origin}");
    }
}

#[test]
fn who_may_only_write_leads_no_value_anywhere_by_an_update() {
    for (face, limit, body) in FACES
        .into_iter()
        .flat_map(|face| LIMITS.map(|limit| (face, limit)))
        .flat_map(|(face, limit)| updates().into_iter().map(move |body| (face, limit, body)))
    {
        let context = format!("{face:?}{limit} {body}");
        let vault = vault("read+totp+write", limit);
        let refused = face.update(&vault, &body).expect_err(&context);
        assert!(refused.contains("forbidden"), "{context}: {refused}");
        assert_nothing_is_led_away(&vault, &context);
        assert_eq!(released(&vault, "https://bank.example"), ["canary", "a code"], "{context}");
    }
}

/// What succeeds, and leads nothing anywhere.
#[test]
fn nor_by_put_restore_and_rename() {
    type Steps = fn(Face, &Vault) -> Result<(), Code>;
    let attempts: [(&str, Steps); 3] = [
        ("put", |face, vault| face.put(vault, "bank", "evil.example")),
        ("put, and restore of the version with the values", |face, vault| {
            face.put(vault, "bank", "evil.example")?;
            face.restore(vault, "bank", Some(1))
        }),
        ("rename, and another in its place; delete and restore", |face, vault| {
            face.update(vault, &json!({"name": "old"}))?;
            face.create(vault, "bank", "evil.example")?;
            let id = vault.get("old").unwrap().id;
            face.delete(vault, "old")?;
            face.restore(vault, &id, None)
        }),
    ];
    for face in FACES.into_iter().filter(|face| face.is_for_people()) {
        for limit in LIMITS {
            for (what, attempt) in attempts {
                let context = format!("{face:?}{limit}: {what}");
                let vault = vault("read+totp+write", limit);
                match attempt(face, &vault) {
                    Ok(()) => {}
                    // Who is restricted to a credential creates none.
                    Err(code) => assert!(code == "forbidden" && limit.contains("credentials"), "{context}: {code}"),
                }
                assert_nothing_is_led_away(&vault, &context);
            }
        }
    }
}

#[test]
fn who_may_have_values_released_anyway_may_move_them() {
    for scope in ["supply", "admin"] {
        for (face, body) in FACES.into_iter().flat_map(|face| updates().into_iter().map(move |body| (face, body))) {
            let vault = vault(&format!("read+write+{scope}"), "");
            assert_eq!(face.update(&vault, &body), Ok(()), "{face:?} {body} by {scope}");
        }
    }
    // Where they could go before, and nowhere else.
    let vault = vault("write", "");
    vault.update("bank", &changes(|changes| changes.domain = Some("login.bank.example".into()))).unwrap();
    let back = vault.update("bank", &changes(|changes| changes.domain = Some("bank.example".into())));
    assert_eq!(back.unwrap_err().code, ErrorCode::Forbidden, "narrower is not wide again");
}

#[test]
fn what_a_person_switched_off_no_agent_switches_on() {
    let off = changes(|changes| changes.archived = Some(true));
    let on = changes(|changes| changes.archived = Some(false));
    let vault = vault("read+totp+write", "");
    vault.update("bank", &off).unwrap();
    assert_eq!(vault.totp_code("bank", None).unwrap_err().code, ErrorCode::Archived);
    assert_eq!(vault.update("bank", &on).unwrap_err().code, ErrorCode::Forbidden);
    assert!(released(&vault, "https://bank.example").is_empty());
    vault.update("bank", &on).unwrap();
    assert_eq!(released(&vault, "https://bank.example"), ["canary", "a code"]);
}
