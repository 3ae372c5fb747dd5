//! One way to use a vault, whatever it runs on.

use crate::{Answer, Client};
use serde_json::{Value, json};

/// The JSON of the REST API, or the code of an error.
pub type Outcome = Result<Value, String>;

/// A vault on some host. Credentials are of the site `example.com`.
pub trait Host {
    fn create(&self, name: &str, password: &str, totp_secret: Option<&str>) -> Outcome;
    /// `{items, has_more, next_offset}`.
    fn list(&self, limit: u32, offset: u32) -> Outcome;
    fn get(&self, id_or_name: &str) -> Outcome;
    fn totp_code(&self, name: &str) -> Outcome;
    /// Gives it a new description, if it is of this version.
    fn update(&self, name: &str, description: &str, version: Option<u64>) -> Outcome;
    fn delete(&self, name: &str) -> Outcome;
    /// A list.
    fn versions(&self, name: &str) -> Outcome;
    fn restore(&self, name: &str, version: u64) -> Outcome;
    /// Where it is reached over HTTP, if it is.
    fn client(&self) -> Option<&Client>;
    /// Ends it, hard, and starts it again.
    fn restart(&mut self);
    /// Whether a restart leaves anything.
    fn is_durable(&self) -> bool;
}

/// The actions over REST.
pub fn create(client: &Client, name: &str, password: &str, totp_secret: Option<&str>) -> Outcome {
    let mut body = json!({ "name": name, "domain": "example.com", "values": { "password": password } });
    if let Some(secret) = totp_secret {
        body["totp_secret"] = secret.into();
    }
    outcome(client.post("/credentials", &body), 201)
}

pub fn list(client: &Client, limit: u32, offset: u32) -> Outcome {
    let answer = client.get(&format!("/credentials?limit={limit}&offset={offset}"));
    let header = |name: &str| serde_json::from_str::<Value>(answer.header(name).unwrap_or("null")).unwrap();
    let (has_more, next_offset) = (header("x-has-more"), header("x-next-offset"));
    let items = outcome(answer, 200)?;
    Ok(json!({ "items": items, "has_more": has_more, "next_offset": next_offset }))
}

pub fn get(client: &Client, id_or_name: &str) -> Outcome {
    outcome(client.get(&format!("/credentials/{id_or_name}")), 200)
}

pub fn totp_code(client: &Client, name: &str) -> Outcome {
    outcome(client.get(&format!("/credentials/{name}/totp-code")), 200)
}

pub fn update(client: &Client, name: &str, description: &str, version: Option<u64>) -> Outcome {
    let body = json!({ "description": description });
    let mut headers = Vec::new();
    let tag;
    if let Some(version) = version {
        let id = get(client, name)?["id"].as_str().unwrap().to_owned();
        tag = format!("\"{id}.{version}\"");
        headers.push(("If-Match", tag.as_str()));
    }
    outcome(client.request("PATCH", &format!("/credentials/{name}"), &headers, Some(&body)), 200)
}

pub fn delete(client: &Client, name: &str) -> Outcome {
    let answer = client.delete(&format!("/credentials/{name}"));
    if answer.status == 204 { Ok(Value::Null) } else { outcome(answer, 200) }
}

pub fn versions(client: &Client, name: &str) -> Outcome {
    outcome(client.get(&format!("/credentials/{name}/versions")), 200)
}

pub fn restore(client: &Client, name: &str, version: u64) -> Outcome {
    outcome(client.post(&format!("/credentials/{name}/restore"), &json!({ "version": version })), 200)
}

fn outcome(answer: Answer, expected: u16) -> Outcome {
    if answer.status < 400 {
        assert_eq!(answer.status, expected, "{answer:?}");
        return Ok(answer.json());
    }
    Err(answer.code())
}

/// Implements the actions of a [`Host`] by its client.
#[macro_export]
macro_rules! over_rest {
    () => {
        fn create(&self, name: &str, password: &str, totp_secret: Option<&str>) -> $crate::host::Outcome {
            $crate::host::create(self.client().unwrap(), name, password, totp_secret)
        }
        fn list(&self, limit: u32, offset: u32) -> $crate::host::Outcome {
            $crate::host::list(self.client().unwrap(), limit, offset)
        }
        fn get(&self, id_or_name: &str) -> $crate::host::Outcome {
            $crate::host::get(self.client().unwrap(), id_or_name)
        }
        fn totp_code(&self, name: &str) -> $crate::host::Outcome {
            $crate::host::totp_code(self.client().unwrap(), name)
        }
        fn update(&self, name: &str, description: &str, version: Option<u64>) -> $crate::host::Outcome {
            $crate::host::update(self.client().unwrap(), name, description, version)
        }
        fn delete(&self, name: &str) -> $crate::host::Outcome {
            $crate::host::delete(self.client().unwrap(), name)
        }
        fn versions(&self, name: &str) -> $crate::host::Outcome {
            $crate::host::versions(self.client().unwrap(), name)
        }
        fn restore(&self, name: &str, version: u64) -> $crate::host::Outcome {
            $crate::host::restore(self.client().unwrap(), name, version)
        }
    };
}
