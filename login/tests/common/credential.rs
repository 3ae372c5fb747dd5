//! One credential for `example.test`, and a record of who asked for it.

use std::sync::Mutex;
use strongroom_login::{CodeOptions, Refusal, SecretString, Supplied, Supplier};

pub const USERNAME: &str = "user-canary@example.test";
pub const PASSWORD: &str = r#"pass-canary "\ <ä€😀> &%+"#;
pub const CODE: &str = "493817";

/// The canaries, in the forms in which they could leak.
pub const CANARIES: [&str; 3] = ["user-canary", "pass-canary", CODE];

pub struct Credential {
    pub values: Vec<(&'static str, &'static str)>,
    pub has_code: bool,
    /// Which origins were asked for, and whether with a code.
    pub asked: Mutex<Vec<(String, bool)>>,
    /// A code by step, if each is given once.
    pub codes: Mutex<Option<u32>>,
}

impl Credential {
    pub fn new() -> Self {
        Self::of(&[("username", USERNAME), ("password", PASSWORD)], true)
    }

    pub fn of(values: &[(&'static str, &'static str)], has_code: bool) -> Self {
        Self { values: values.to_vec(), has_code, asked: Mutex::default(), codes: Mutex::default() }
    }

    /// Origins for which something was released.
    pub fn released(origin: &str) -> bool {
        let Some(host) = origin.strip_prefix("https://") else { return origin.starts_with("http://127.0.0.1:") };
        let host = host.split(':').next().unwrap_or_default();
        host == "example.test" || host.ends_with(".example.test")
    }
}

impl Supplier for Credential {
    async fn supply(&self, origin: &str, code: Option<CodeOptions>) -> Result<Supplied, Refusal> {
        self.asked.lock().unwrap().push((origin.to_owned(), code.is_some()));
        if !Self::released(origin) {
            return Err(Refusal::new(Refusal::ORIGIN, "the host is not below the domain"));
        }
        let secret = |text: &str| SecretString::new(text.to_owned());
        Ok(Supplied {
            id: "cred_x".into(),
            name: "example".into(),
            values: self.values.iter().map(|(field, value)| (field.to_string(), secret(value))).collect(),
            has_code: self.has_code,
            code: code.filter(|_| self.has_code).map(|_| match self.codes.lock().unwrap().as_mut() {
                Some(next) => {
                    *next += 1;
                    secret(&next.to_string())
                }
                None => secret(CODE),
            }),
        })
    }
}
