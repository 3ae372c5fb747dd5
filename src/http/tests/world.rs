//! A vault to send requests to.

use super::schema;
use crate::error::Code;
use crate::fuzzing::Numbers;
use crate::http::{BodyError, Request, Response, respond, status};
use crate::platform::{Clock, Platform};
use crate::settings::{self, Settings};
use crate::store::Store;
use crate::store::memory::MemoryStore;
use crate::time::Timestamp;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Part of every secret in these tests. No answer but that of a supply may hold it.
pub const CANARY: &str = "hunter2-canary";
/// 2026-11-22T10:30:00Z, the beginning of a time step.
pub const NOW: u64 = 1_795_343_400;
/// The token that may do everything in the project `default`.
pub const TOKEN: &str = "sr_everything-canary-token";
/// 80 bits; in no example of the description.
pub const TOTP_SECRET: &str = "MFRGGZDFMZTWQ2LK";

pub struct World {
    pub store: MemoryStore,
    /// Milliseconds.
    pub now: Cell<u64>,
    pub settings: RefCell<Vec<(&'static str, String)>>,
    /// A setting that the host fails to read.
    pub unreadable: Cell<Option<&'static str>>,
    /// The same in every world, so that two worlds differ by what is done in them alone.
    pub random: Numbers,
}

/// A request that is being put together; carries [`TOKEN`] unless told otherwise.
pub struct Draft<'w> {
    world: &'w World,
    method: &'static str,
    path: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Result<Vec<u8>, BodyError>,
}

/// A response, checked.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    /// `Null` when there is no body.
    pub json: Value,
}

impl Default for World {
    fn default() -> Self {
        let world = Self {
            store: MemoryStore::default(),
            now: Cell::new(NOW * 1000),
            settings: RefCell::default(),
            unreadable: Cell::default(),
            random: Numbers::default(),
        };
        world.set(settings::KEYS, "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8");
        world.set(settings::TOKENS, &entry("all", "default", "read+totp+write+supply+admin", TOKEN));
        world
    }
}

/// An entry of the setting `strongroom_tokens`.
pub fn entry(name: &str, project: &str, scopes: &str, token: &str) -> String {
    let hash: String = Sha256::digest(token).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{name}:{project}:{scopes}:{hash}")
}

impl World {
    pub fn set(&self, name: &'static str, value: &str) {
        let mut settings = self.settings.borrow_mut();
        settings.retain(|(other, _)| *other != name);
        settings.push((name, value.to_owned()));
    }

    pub fn request(&self, method: &'static str, path: &str) -> Draft<'_> {
        let headers = vec![
            ("host".to_owned(), b"127.0.0.1:3000".to_vec()),
            ("authorization".to_owned(), format!("Bearer {TOKEN}").into_bytes()),
        ];
        Draft { world: self, method, path: path.to_owned(), headers, body: Ok(Vec::new()) }
    }

    pub fn get(&self, path: &str) -> Answer {
        self.request("GET", path).send()
    }

    pub fn post(&self, path: &str, body: Value) -> Answer {
        self.request("POST", path).json(body).send()
    }

    pub fn patch(&self, path: &str, body: Value) -> Answer {
        self.request("PATCH", path).json(body).send()
    }

    /// A credential with a value, and with a TOTP secret if given.
    pub fn create(&self, name: &str, totp_secret: Option<&str>) -> Value {
        let mut body = serde_json::json!({
            "name": name, "domain": "example.com", "values": {"password": CANARY, "username": "u"},
        });
        if let Some(secret) = totp_secret {
            body["totp_secret"] = secret.into();
        }
        let answer = self.post("/credentials", body);
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.json
    }

    pub fn advance(&self, seconds: u64) {
        self.now.set(self.now.get() + seconds * 1000);
    }
}

impl Clock for World {
    fn now(&self) -> Timestamp {
        Timestamp(self.now.get())
    }
}

impl Settings for World {
    fn get(&self, name: &str) -> crate::error::Result<Option<String>> {
        if self.unreadable.get() == Some(name) {
            return Err(settings::unavailable("canary".into()));
        }
        Ok(self.settings.borrow().iter().find(|(other, _)| *other == name).map(|(_, value)| value.clone()))
    }
}

impl Draft<'_> {
    /// Replaces what is there.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(other, _)| other != name);
        self.more(name, value.as_bytes())
    }

    pub fn more(mut self, name: &str, value: &[u8]) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(other, _)| other != name);
        self
    }

    pub fn token(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    pub fn json(self, body: Value) -> Self {
        self.header("content-type", "application/json").bytes(body.to_string().as_bytes())
    }

    pub fn bytes(mut self, body: &[u8]) -> Self {
        self.body = Ok(body.to_owned());
        self
    }

    pub fn broken_body(mut self, error: BodyError) -> Self {
        self.body = Err(error);
        self
    }

    pub fn send(self) -> Answer {
        let store = &self.world.store;
        self.send_to(store)
    }

    /// Sends over another store than the world's own.
    pub fn send_to(self, store: &dyn Store) -> Answer {
        let (method, path) = (self.method, self.path.clone());
        let response = self.respond(store);
        let text = String::from_utf8(response.body).unwrap();
        let json = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() };
        let answer = Answer { status: response.status, headers: response.headers, json };
        answer.check(method, &path, &text);
        schema::check(method, &path, &answer);
        answer
    }

    /// The response as it is, unchecked.
    pub fn respond(self, store: &dyn Store) -> Response {
        let platform = Platform { store, clock: self.world, random: &self.world.random };
        let request =
            Request { method: self.method, path_with_query: &self.path, headers: &self.headers, body: self.body };
        respond(platform, self.world, &request)
    }
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(other, _)| *other == name);
        let value = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "{name} is there twice");
        value
    }

    #[track_caller]
    pub fn is(&self, status: u16, code: &str) {
        assert_eq!((self.status, self.json["code"].as_str()), (status, Some(code)), "{self:?}");
    }

    #[track_caller]
    pub fn is_bad_request(&self, message: &str) {
        self.is(400, "bad_request");
        assert_eq!(self.json["message"], message);
    }

    /// What every answer promises.
    fn check(&self, method: &str, path: &str, text: &str) {
        let is_supply = self.status == 200 && path.ends_with("/supply");
        let shown = format!("{text}{:?}", self.headers);
        assert!(is_supply || !shown.contains("canary"), "{method} {path} shows a canary: {shown}");
        assert!(!shown.contains(TOTP_SECRET));
        assert_eq!(self.header("cache-control"), Some("no-store"));
        let has_body = !matches!(self.status, 204 | 304);
        assert_eq!(self.header("content-type"), has_body.then_some("application/json"));
        assert_eq!(text.is_empty(), !has_body || method == "HEAD");
        assert_eq!(self.header("www-authenticate").is_some(), self.status == 401);
        assert_eq!(self.header("allow").is_some(), self.status == 405);
        // Waiting sets no clock; and an unknown outcome becomes known by a repetition of these two methods only.
        let is_pointless = matches!(self.status, 400..=428 | 430..=499 | 500 | 501)
            || self.json["code"] == "clock_unset" && !path.starts_with("/health")
            || self.json["code"] == "outcome_unknown"
                && (!matches!(method, "POST" | "PUT") || path.ends_with("/restore"));
        assert_eq!(self.header("x-should-retry"), is_pointless.then_some("false"));
        if self.status >= 400 && !text.is_empty() && !path.starts_with("/health") {
            let code = self.json["code"].as_str().and_then(|code| Code::ALL.iter().find(|one| one.as_str() == code));
            assert_eq!(code.map(|code| status::of(*code)), Some(self.status), "{text}");
            let seconds = self.json.get("retry_after_seconds").map(ToString::to_string);
            assert_eq!(self.header("retry-after"), seconds.as_deref());
            assert!(self.json["message"].as_str().is_some_and(|message| !message.is_empty() && message.len() <= 300));
        }
    }
}
