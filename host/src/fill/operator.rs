//! What only the operator says: which browsers there are, and what credentials are allowed beyond the rules.

use crate::Result;
use anyhow::{Context, ensure};
use std::collections::BTreeMap;
use strongroom::access::is_word;
use strongroom::credential::CredentialId;
use strongroom_login::{Browser, Failure, Policy};

/// The browsers by their names.
#[derive(Clone, Debug, Default)]
pub struct Browsers(BTreeMap<String, Browser>);

impl Browsers {
    /// Each as `NAME=URL`.
    pub fn parse<'t>(list: impl IntoIterator<Item = &'t str>) -> Result<Self> {
        let mut browsers = BTreeMap::new();
        for text in list {
            let (name, url) = text.split_once('=').context("--browser must have the form NAME=URL")?;
            ensure!(is_word(name), "the name of a browser must be 1-64 letters, digits, `.`, `_` or `-`");
            let browser = Browser::parse(url).with_context(|| format!("--browser {name}"))?;
            ensure!(browsers.insert(name.to_owned(), browser).is_none(), "two browsers have the name {name}");
        }
        Ok(Self(browsers))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The one of this name; without a name, the only one.
    pub fn find(&self, name: Option<&str>) -> Result<(&str, &Browser), Failure> {
        let missing = |message| Failure::new("browser_not_configured", message);
        match name {
            Some(name) => {
                let found = self.0.get_key_value(name);
                found.map(|(name, browser)| (name.as_str(), browser)).ok_or_else(|| {
                    missing("no browser has this name; the operator names them, when the server is started")
                })
            }
            None => {
                let mut all = self.0.iter();
                match (all.next(), all.next()) {
                    (Some((name, browser)), None) => Ok((name, browser)),
                    (None, _) => Err(missing("no browser is configured; the operator does that with --browser")),
                    _ => Err(missing("there are several browsers; name one by `browser`")),
                }
            }
        }
    }
}

/// What credentials are allowed beyond the rules, by their ids: whoever may rename would move what belongs to a name to
/// another credential.
#[derive(Clone, Debug, Default)]
pub struct Policies(BTreeMap<CredentialId, Policy>);

impl Policies {
    /// For forms in frames whose pages around them have other origins.
    pub fn allow_embedded(&mut self, credential: &str) -> Result<()> {
        self.entry("--allow-embedded", credential)?.allow_embedded = true;
        Ok(())
    }

    /// For pages whose certificate is missing or wrong.
    pub fn allow_certificate_errors(&mut self, credential: &str) -> Result<()> {
        self.entry("--allow-certificate-errors", credential)?.allow_certificate_errors = true;
        Ok(())
    }

    /// For forms that send their values to this origin.
    pub fn allow_form_origin(&mut self, credential: &str, origin: &str) -> Result<()> {
        ensure!(is_origin(origin), "--allow-form-origin must name an origin, such as https://login.example.com");
        self.entry("--allow-form-origin", credential)?.allow_form_origins.push(origin.to_owned());
        Ok(())
    }

    /// For pages of `localhost` and of addresses on this port.
    pub fn allow_port(&mut self, credential: &str, port: u16) -> Result<()> {
        self.entry("--allow-port", credential)?.allow_ports.push(port);
        Ok(())
    }

    /// What one credential is allowed.
    pub fn of(&self, id: &str) -> Policy {
        CredentialId::parse(id).and_then(|id| self.0.get(&id)).cloned().unwrap_or_default()
    }

    fn entry(&mut self, option: &str, credential: &str) -> Result<&mut Policy> {
        let id = CredentialId::parse(credential).with_context(|| {
            format!(
                "{option} must name the credential by its id, cred_ and 26 letters and digits: names can change hands. \
                 `strongroom call '{{\"action\":\"get\",\"id_or_name\":NAME}}'` shows it"
            )
        })?;
        Ok(self.0.entry(id).or_default())
    }
}

/// Whether a text is an https origin as browsers write it: lower-case, without a path.
fn is_origin(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("https://") else { return false };
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-:[]".contains(&byte);
    !rest.is_empty() && rest.bytes().all(allowed) && !rest.ends_with(":443")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_found_by_name_or_alone() {
        let none = Browsers::default();
        let one = Browsers::parse(["a=http://127.0.0.1:9222"]).unwrap();
        let two = Browsers::parse(["a=http://127.0.0.1:9222", "b=http://localhost:9223"]).unwrap();
        assert!(none.is_empty() && none.find(None).is_err() && none.find(Some("a")).is_err());
        assert_eq!(one.find(None).unwrap().0, "a");
        assert_eq!(two.find(Some("b")).unwrap().0, "b");
        for missing in [two.find(None), two.find(Some("c")), two.find(Some("http://127.0.0.1:9222"))] {
            assert_eq!(missing.unwrap_err().code, "browser_not_configured");
        }
        for bad in [&["http://127.0.0.1:9222"][..], &["a b=http://127.0.0.1:1"], &["a=http://10.0.0.1:1"]] {
            assert!(Browsers::parse(bad.iter().copied()).is_err(), "{bad:?}");
        }
        assert!(Browsers::parse(["a=http://127.0.0.1:1", "a=http://127.0.0.1:2"]).is_err());
    }

    #[test]
    fn what_is_allowed_belongs_to_an_id() {
        let [one, other] = [1, 2].map(|byte| CredentialId::from_bytes([byte; 16]).to_text());
        let mut policies = Policies::default();
        policies.allow_form_origin(&one, "https://x.example").unwrap();
        policies.allow_form_origin(&one, "https://y.example:8443").unwrap();
        policies.allow_port(&one, 3000).unwrap();
        policies.allow_embedded(&other).unwrap();
        policies.allow_certificate_errors(&other).unwrap();
        let policy = policies.of(&one);
        assert_eq!(policy.allow_form_origins, ["https://x.example", "https://y.example:8443"]);
        assert!(!policy.allow_embedded && !policy.allow_certificate_errors && policy.allow_ports == [3000]);
        let policy = policies.of(&other);
        assert!(policy.allow_embedded && policy.allow_certificate_errors);
        assert!(policy.allow_form_origins.is_empty() && policy.allow_ports.is_empty());
        let none = policies.of(&CredentialId::from_bytes([3; 16]).to_text());
        assert!(!none.allow_embedded && none.allow_ports.is_empty());
        for bad in ["", "http://x.example", "https://x.example/", "https://X.example", "https://"] {
            assert!(policies.allow_form_origin(&one, bad).is_err(), "{bad}");
        }
        let refused = policies.allow_port("canary", 1).unwrap_err().to_string();
        assert!(refused.contains("--allow-port") && refused.contains("strongroom call"), "{refused}");
        assert!(!refused.contains("canary") && policies.allow_embedded("").is_err());
    }
}
