//! A token that may write, and not have values released, learns nothing about a stored value that costs it no overwrite.
//!
//! Two vaults differ in nothing but the secrets that a person stored there. The same calls, which name the secrets of the
//! first one wherever a caller can name any, get equal answers to the byte, and cause equal store operations, sizes
//! included: what takes a store time would tell too.

use super::world::{World, entry};
use crate::platform::Platform;
use crate::seal::{Keyring, Project, Sealer};
use crate::settings::{KEYS, TOKENS};
use crate::store::StoreError;
use crate::store::watched::{Operation, Watch, Watched};
use crate::{access::Principal, actions};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cell::RefCell;
use serde_json::{Value, json};

/// What may be read and written; codes are a scope of their own, and tell of the TOTP secret what they are made for.
const SCOPES: &str = "read+write";
const STORED_TWICE: &str = "kept and known";

/// What a person stored: `password`, `pin`, and the TOTP secret.
#[derive(Clone, Copy)]
struct Secrets {
    password: &'static str,
    pin: &'static str,
    totp: &'static str,
}

const FIRST: Secrets =
    Secrets { password: "correct horse battery", pin: "4711", totp: "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ" };

/// Secrets that somebody who guesses has to tell from the first.
const OTHERS: [(&str, Secrets); 4] = [
    ("content", Secrets { password: "incorrect horse batte", pin: "4712", totp: "MFRGGZDFMZTWQ2LKMFRGGZDFMZTWQ2LK" }),
    (
        "length",
        Secrets {
            password: "x",
            pin: "471147114711",
            totp: "MFRGGZDFMZTWQ2LKMFRGGZDFMZTWQ2LKMFRGGZDFMZTWQ2LKMFRGGZDF",
        },
    ),
    ("one of them", Secrets { pin: "0", ..FIRST }),
    ("empty", Secrets { password: "", pin: "", ..FIRST }),
];

/// How a call is made.
#[derive(Clone, Copy)]
enum Face {
    Rest(&'static str, &'static str),
    /// The arguments of the tool for agents.
    Mcp,
    /// The same by the function that typed callers have.
    Manage,
}

use Face::{Manage, Mcp, Rest};

/// A call: what it is, how it is made, headers, and its body. `{password}`, `{pin}` and `{totp}` are the first secrets.
type Row = (&'static str, Face, &'static [(&'static str, &'static str)], &'static str);

const BY_NAME: &str = "/credentials/n";
const GUESS: &str =
    r#"{"name":"n","domain":"example.com","values":{"password":"{password}","pin":"{pin}"},"totp_secret":"{totp}"}"#;

/// What costs nothing of what is stored, and what overwrites it whatever it was.
const TABLE: &[Row] = &[
    // Reading.
    ("get", Rest("GET", BY_NAME), &[], ""),
    ("head", Rest("HEAD", BY_NAME), &[], ""),
    ("get unless known", Rest("GET", BY_NAME), &[("if-none-match", "{tag}")], ""),
    ("list", Rest("GET", "/credentials"), &[], ""),
    ("search", Rest("GET", "/credentials?query={password}"), &[], ""),
    ("search for the other", Rest("GET", "/credentials?query={pin}"), &[], ""),
    ("versions", Rest("GET", "/credentials/n/versions"), &[], ""),
    ("of the tool: get", Mcp, &[], r#"{"action":"get","id_or_name":"n"}"#),
    // What the token may not do.
    ("supply", Rest("POST", "/credentials/n/supply"), &[], r#"{"origin":"https://example.com"}"#),
    ("code", Rest("GET", "/credentials/n/totp-code"), &[], ""),
    ("audit", Rest("GET", "/audit"), &[], ""),
    ("purge", Rest("DELETE", "/credentials/n?purge=true"), &[], ""),
    ("reset", Rest("POST", "/credentials/n/reset-exclusive"), &[], ""),
    // Repetitions of the create, by the key that was used, by another, and as the official clients repeat.
    ("create", Rest("POST", "/credentials"), &[], GUESS),
    ("create by the key", Rest("POST", "/credentials"), &[("idempotency-key", "person")], GUESS),
    ("create by another key", Rest("POST", "/credentials"), &[("idempotency-key", "agent")], GUESS),
    ("create as a repetition", Rest("POST", "/credentials"), &[("x-stainless-retry-count", "1")], GUESS),
    (
        "create by the key, as a repetition",
        Rest("POST", "/credentials"),
        &[("idempotency-key", "person"), ("x-stainless-retry-count", "2")],
        GUESS,
    ),
    (
        "of the tool: create",
        Mcp,
        &[],
        r#"{"action":"create","name":"n","domain":"example.com","values":{"password":"{password}","pin":"{pin}"},"totp_secret":"{totp}"}"#,
    ),
    // Conditions that do not hold.
    ("put if there is none", Rest("PUT", BY_NAME), &[("if-none-match", "*")], GUESS),
    ("put of another version", Rest("PUT", BY_NAME), &[("if-match", "\"x\"")], GUESS),
    ("put unless it is the version", Rest("PUT", BY_NAME), &[("if-none-match", "{tag}")], GUESS),
    (
        "update of another version",
        Rest("PATCH", BY_NAME),
        &[("if-match", "\"x\"")],
        r#"{"values":{"password":"{password}"}}"#,
    ),
    (
        "update if there is none",
        Rest("PATCH", BY_NAME),
        &[("if-none-match", "*")],
        r#"{"values":{"password":"{password}"}}"#,
    ),
    ("delete of another version", Rest("DELETE", BY_NAME), &[("if-match", "\"x\"")], ""),
    (
        "restore of another version",
        Rest("POST", "/credentials/n/restore"),
        &[("if-match", "\"x\"")],
        r#"{"version":1}"#,
    ),
    // Refusals beside a right guess.
    ("update to a taken name", Rest("PATCH", BY_NAME), &[], r#"{"name":"taken","values":{"password":"{password}"}}"#),
    (
        "update to another site",
        Rest("PATCH", BY_NAME),
        &[],
        r#"{"domain":"evil.example","values":{"password":"{password}","pin":"{pin}"},"totp_secret":"{totp}"}"#,
    ),
    (
        "update with another site",
        Rest("PATCH", BY_NAME),
        &[],
        r#"{"additional_domains":["evil.example"],"values":{"password":"{password}"}}"#,
    ),
    ("update with a bad name", Rest("PATCH", BY_NAME), &[], r#"{"name":"a\u0000","values":{"password":"{password}"}}"#),
    (
        "update with a bad secret",
        Rest("PATCH", BY_NAME),
        &[],
        r#"{"totp_secret":"{totp}1","values":{"password":"{password}"}}"#,
    ),
    (
        "update with a setting alone",
        Rest("PATCH", BY_NAME),
        &[],
        r#"{"totp_digits":8,"values":{"password":"{password}"}}"#,
    ),
    ("update with too many fields", Rest("PATCH", BY_NAME), &[], r#"{"values":{"password":"{password}",{63 fields}}}"#),
    (
        "update with too long a field",
        Rest("PATCH", BY_NAME),
        &[],
        r#"{"values":{"password":"{password}","b":"{17 KiB}"}}"#,
    ),
    ("update with too much", Rest("PATCH", BY_NAME), &[], r#"{"values":{"password":"{password}",{9 times 15 KiB}}}"#),
    (
        "put with a bad site",
        Rest("PUT", BY_NAME),
        &[],
        r#"{"domain":"..","values":{"password":"{password}","pin":"{pin}"}}"#,
    ),
    ("restore of no version", Rest("POST", "/credentials/n/restore"), &[], r#"{"version":9}"#),
    ("restore of what is there", Rest("POST", "/credentials/n/restore"), &[], "{}"),
    (
        "of the tool: update to a taken name",
        Mcp,
        &[],
        r#"{"action":"update","id_or_name":"n","name":"taken","values":"{\"password\":\"{password}\"}"}"#,
    ),
    (
        "of the function: update to a taken name",
        Manage,
        &[],
        r#"{"action":"update","id_or_name":"n","name":"taken","values":{"password":"{password}"}}"#,
    ),
    // Changes of anything else.
    ("update of nothing", Rest("PATCH", BY_NAME), &[], r#"{"values":{}}"#),
    ("update that removes what is not there", Rest("PATCH", BY_NAME), &[], r#"{"remove_value_keys":["{password}"]}"#),
    ("update of what is known", Rest("PATCH", BY_NAME), &[], r#"{"values":{"known":"kept and known"}}"#),
    ("update of the description", Rest("PATCH", BY_NAME), &[], r#"{"description":"d"}"#),
    ("update of another field", Rest("PATCH", BY_NAME), &[], r#"{"values":{"new":"{password}"}}"#),
    ("update of many fields", Rest("PATCH", BY_NAME), &[], r#"{"values":{{8 times 15 KiB}}}"#),
    ("update of the version", Rest("PATCH", BY_NAME), &[("if-match", "{tag}")], r#"{"description":"d"}"#),
    ("archive", Rest("PATCH", BY_NAME), &[], r#"{"archived":true}"#),
    ("rename", Rest("PATCH", BY_NAME), &[], r#"{"name":"{password}"}"#),
    ("delete", Rest("DELETE", BY_NAME), &[], ""),
    (
        "of the tool: update",
        Mcp,
        &[],
        r#"{"action":"update","id_or_name":"n","description":"d","values":{"new":"{pin}"}}"#,
    ),
    ("of the tool: delete", Mcp, &[], r#"{"action":"delete","id_or_name":"n"}"#),
    ("of the function: update", Manage, &[], r#"{"action":"update","id_or_name":"n","values":{"new":"{pin}"}}"#),
    // Overwriting and removing, without knowing what was there.
    ("overwrite", Rest("PATCH", BY_NAME), &[], r#"{"values":{"password":"another","pin":"another"}}"#),
    ("overwrite the secret", Rest("PATCH", BY_NAME), &[], r#"{"totp_secret":"KRSXG5CTMVRXEZLUKRSXG5CTMVRXEZLU"}"#),
    ("overwrite all", Rest("PUT", BY_NAME), &[], r#"{"domain":"elsewhere.example","values":{"password":"another"}}"#),
    ("remove", Rest("PATCH", BY_NAME), &[], r#"{"values":{"password":null}}"#),
    ("remove the secret", Rest("PATCH", BY_NAME), &[], r#"{"totp_secret":""}"#),
    ("remove all", Rest("PATCH", BY_NAME), &[], r#"{"remove_value_keys":["password","pin","known"]}"#),
];

/// Calls on a credential whose secrets a person has replaced since, by the same in both vaults.
const REPLACED: &[Row] = &[
    ("create by the key", Rest("POST", "/credentials"), &[("idempotency-key", "person")], GUESS),
    ("create as a repetition", Rest("POST", "/credentials"), &[("x-stainless-retry-count", "1")], GUESS),
    ("get", Rest("GET", BY_NAME), &[], ""),
    ("versions", Rest("GET", "/credentials/n/versions"), &[], ""),
    (
        "update of the version",
        Rest("PATCH", BY_NAME),
        &[("if-match", "{tag}")],
        r#"{"values":{"password":"{password}"}}"#,
    ),
    ("put", Rest("PUT", BY_NAME), &[], GUESS),
    ("restore", Rest("POST", "/credentials/n/restore"), &[], r#"{"version":1}"#),
    ("restore of no version", Rest("POST", "/credentials/n/restore"), &[], r#"{"version":7}"#),
    ("delete", Rest("DELETE", BY_NAME), &[], ""),
];

/// What does tell a right guess from a wrong one: it overwrites what was guessed wrongly, and leaves a version and an entry
/// in the audit.
const COSTLY: &[Row] = &[
    ("update", Rest("PATCH", BY_NAME), &[], r#"{"values":{"password":"{password}"}}"#),
    ("update of the secret", Rest("PATCH", BY_NAME), &[], r#"{"totp_secret":"{totp}"}"#),
    (
        "put",
        Rest("PUT", BY_NAME),
        &[],
        r#"{"domain":"example.com","values":{"password":"{password}","pin":"{pin}","known":"kept and known"},"totp_secret":"{totp}"}"#,
    ),
    ("of the tool: update", Mcp, &[], r#"{"action":"update","id_or_name":"n","values":{"password":"{password}"}}"#),
    (
        "of the function: update",
        Manage,
        &[],
        r#"{"action":"update","id_or_name":"n","values":{"password":"{password}"}}"#,
    ),
];

/// Notes what is asked of a store: the operation, the kind of the record, and its size.
#[derive(Default)]
struct Noting(RefCell<Vec<String>>);

impl Watch for Noting {
    fn after(&self, operation: Operation, key: &str, value: Option<usize>) -> Result<(), StoreError> {
        // `sr1.<tag>.<kind>[.<random>]`
        let kind = key.split('.').nth(2).unwrap_or(key);
        self.0.borrow_mut().push(format!("{operation:?} {kind} {value:?}"));
        Ok(())
    }
}

/// A vault in which a person stored a login, and an agent may write.
fn vault(secrets: Secrets) -> World {
    let world = World::default();
    let agent = entry("agent", "default", SCOPES, "agent");
    let all = world.settings.borrow().iter().find(|(name, _)| *name == TOKENS).unwrap().1.clone();
    world.set(TOKENS, &format!("{all} {agent}"));
    let login = json!({
        "name": "n", "domain": "example.com", "totp_secret": secrets.totp,
        "values": {"password": secrets.password, "pin": secrets.pin, "known": STORED_TWICE},
    });
    let created = world.request("POST", "/credentials").json(login).header("idempotency-key", "person").send();
    assert_eq!(created.status, 201);
    world.create("taken", None);
    world
}

/// The text with the first secrets, and what is too long to stand in the table, in their places.
fn filled(text: &str, world: &World) -> String {
    let fields = |count: usize, length: usize| -> String {
        (0..count).map(|at| format!(r#","f{at}":"{}""#, "v".repeat(length))).collect::<String>()[1..].to_owned()
    };
    let mut text = text.replace("{password}", FIRST.password).replace("{pin}", FIRST.pin).replace("{totp}", FIRST.totp);
    for (mark, what) in [
        ("{63 fields}", fields(63, 1)),
        ("{17 KiB}", "v".repeat(17 << 10)),
        ("{9 times 15 KiB}", fields(9, 15 << 10)),
        ("{8 times 15 KiB}", fields(8, 15 << 10)),
    ] {
        text = text.replace(mark, &what);
    }
    if text.contains("{tag}") {
        text = text.replace("{tag}", world.get(BY_NAME).header("etag").unwrap());
    }
    text
}

/// What whoever calls can observe; what differs by chance is left out.
fn observed(world: &World, (_, face, headers, body): Row, bodies_count: bool) -> Vec<String> {
    let noting = Watched { store: &world.store, watch: Noting::default() };
    let body = filled(body, world);
    let mut seen = match face {
        Manage => {
            let keys = world.settings.borrow().iter().find(|(name, _)| *name == KEYS).unwrap().1.clone();
            let sealer = Sealer::new(Keyring::parse(&keys).unwrap(), Project::parse("default").unwrap());
            let scopes = crate::access::Scopes::parse(SCOPES).unwrap();
            let principal = Principal { scopes, ..Principal::host() };
            let platform = Platform { store: &noting, clock: world, random: &world.random };
            let vault = actions::Vault::new(platform, &sealer, &principal);
            Vec::from([format!("{:?}", crate::manage::manage(&vault, &body))])
        }
        Rest(..) | Mcp => {
            let (method, path) = match face {
                Rest(method, path) => (method, filled(path, world).replace(' ', "%20")),
                _ => ("POST", "/mcp".to_owned()),
            };
            let json: Value = if body.is_empty() { Value::Null } else { serde_json::from_str(&body).unwrap() };
            let mut draft = world.request(method, &path).token("agent");
            draft = match face {
                Mcp => draft.header("accept", "application/json, text/event-stream").json(json!({
                    "jsonrpc": "2.0", "id": 1, "method": "tools/call",
                    "params": {"name": "manage_credentials", "arguments": json},
                })),
                _ if body.is_empty() => draft,
                _ => draft.json(json),
            };
            for (name, value) in headers {
                draft = draft.header(name, &filled(value, world));
            }
            let response = draft.respond(&noting);
            Vec::from([
                response.status.to_string(),
                format!("{:?}", response.headers),
                String::from_utf8(response.body).unwrap(),
            ])
        }
    };
    seen.iter_mut().for_each(|text| *text = without_ids(text));
    let notes = noting.watch.0.into_inner();
    let is_counted = |note: &String| bodies_count || note.split(' ').nth(1) != Some("b");
    seen.extend(notes.into_iter().map(|note| match is_counted(&note) {
        true => note,
        false => note.rsplit_once(' ').unwrap().0.to_owned(),
    }));
    seen
}

/// Ids are random.
fn without_ids(text: &str) -> String {
    let mut parts = text.split("cred_");
    let mut shown = parts.next().unwrap().to_owned();
    for part in parts {
        shown.push_str("cred_");
        shown.push_str(part.get(26..).unwrap_or(part));
    }
    shown
}

#[test]
fn what_costs_no_overwrite_tells_nothing() {
    for (difference, secrets) in OTHERS {
        for row in TABLE {
            let [ours, theirs] = [FIRST, secrets].map(|secrets| observed(&vault(secrets), *row, true));
            assert_eq!(ours, theirs, "{}, where the {difference} differs", row.0);
        }
    }
}

/// Bodies are padded to 256 bytes; how many such steps the values take can show in the time of what reads or writes them,
/// and in nothing else.
#[test]
fn what_is_much_longer_shows_in_the_size_of_its_record_alone() {
    static LONG: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| "v".repeat(16 << 10));
    let long = Secrets { password: &LONG, pin: &LONG, ..FIRST };
    for row in TABLE {
        let [ours, theirs] = [FIRST, long].map(|secrets| observed(&vault(secrets), *row, false));
        assert_eq!(ours, theirs, "{}", row.0);
    }
}

#[test]
fn what_was_replaced_tells_nothing() {
    let replaced = |secrets| {
        let world = vault(secrets);
        let body =
            json!({"values": {"password": "new", "pin": "new"}, "totp_secret": "KRSXG5CTMVRXEZLUKRSXG5CTMVRXEZLU"});
        assert_eq!(world.patch(BY_NAME, body).status, 200);
        world
    };
    for (difference, secrets) in OTHERS {
        for row in REPLACED {
            let [ours, theirs] = [FIRST, secrets].map(|secrets| observed(&replaced(secrets), *row, true));
            assert_eq!(ours, theirs, "{}, where the {difference} differs", row.0);
        }
    }
}

/// One call after another, as somebody who guesses goes about it.
#[test]
fn a_walk_through_the_table_tells_nothing() {
    for (difference, secrets) in OTHERS {
        let worlds = [FIRST, secrets].map(vault);
        // Until the first one that changes what is stored, after which the guesses would be others.
        for row in TABLE.iter().take_while(|row| row.0 != "update of the description") {
            let [ours, theirs] = [0, 1].map(|at| observed(&worlds[at], *row, true));
            assert_eq!(ours, theirs, "{}, where the {difference} differs", row.0);
        }
    }
}

#[test]
fn a_guess_that_tells_overwrites_and_leaves_a_trace() {
    let events = |world: &World| world.get("/audit").json["events"].as_array().unwrap().len();
    for row in COSTLY {
        let right = vault(FIRST);
        let before = events(&right);
        observed(&right, *row, true);
        assert_eq!((events(&right), right.get(BY_NAME).json["version"].as_u64()), (before, Some(1)), "{}", row.0);

        let wrong = vault(OTHERS[0].1);
        let login = |world: &World| {
            let supplied = world.post("/credentials/n/supply", json!({"origin": "https://example.com"})).json;
            [supplied["values"]["password"].to_string(), supplied["totp"]["code"].to_string()]
        };
        let stored = login(&wrong);
        observed(&wrong, *row, true);
        assert_eq!((events(&wrong), wrong.get(BY_NAME).json["version"].as_u64()), (before + 1, Some(2)), "{}", row.0);
        assert_ne!(login(&wrong), stored, "{}", row.0);
    }
}
