//! What only the operator says: which browsers there are, and what credentials are allowed beyond the rules.

use crate::Result;
use anyhow::{Context, ensure};
use std::collections::{BTreeMap, BTreeSet};
use strongroom::access::is_word;
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

/// What credentials are allowed beyond the rules, each named by its id or name.
#[derive(Clone, Debug, Default)]
pub struct Policies {
    pub embedded: BTreeSet<String>,
    pub certificate_errors: BTreeSet<String>,
    pub form_origins: BTreeMap<String, Vec<String>>,
    pub ports: BTreeMap<String, Vec<u16>>,
}

impl Policies {
    /// Adds origins, each as `NAME=ORIGIN`.
    pub fn allow_form_origins<'t>(&mut self, list: impl IntoIterator<Item = &'t str>) -> Result<()> {
        for text in list {
            let form = "--allow-form-origin must have the form NAME=ORIGIN, such as example=https://login.example.com";
            let (name, origin) = text.rsplit_once('=').context(form)?;
            ensure!(is_origin(origin), form);
            self.form_origins.entry(name.to_owned()).or_default().push(origin.to_owned());
        }
        Ok(())
    }

    /// Adds ports, each as `NAME=PORT`.
    pub fn allow_ports<'t>(&mut self, list: impl IntoIterator<Item = &'t str>) -> Result<()> {
        for text in list {
            let form = "--allow-port must have the form NAME=PORT";
            let (name, port) = text.rsplit_once('=').context(form)?;
            self.ports.entry(name.to_owned()).or_default().push(port.parse().context(form)?);
        }
        Ok(())
    }

    /// What one credential is allowed.
    pub fn of(&self, id: &str, name: &str) -> Policy {
        let listed = |list: &BTreeSet<String>| [id, name].iter().any(|own| list.contains(*own));
        fn all<T: Clone>(map: &BTreeMap<String, Vec<T>>, id: &str, name: &str) -> Vec<T> {
            [id, name].iter().filter_map(|own| map.get(*own)).flatten().cloned().collect()
        }
        Policy {
            allow_embedded: listed(&self.embedded),
            allow_form_origins: all(&self.form_origins, id, name),
            allow_ports: all(&self.ports, id, name),
            allow_certificate_errors: listed(&self.certificate_errors),
        }
    }
}

/// Whether a text is an https origin as browsers write it: lower-case, without a path.
pub fn is_origin(text: &str) -> bool {
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
    fn policies_are_those_of_id_and_name() {
        let mut policies = Policies::default();
        policies.allow_form_origins(["a=b=https://x.example", "cred_1=https://y.example:8443"]).unwrap();
        policies.allow_ports(["a=b=3000"]).unwrap();
        policies.embedded.insert("cred_1".into());
        let policy = policies.of("cred_1", "a=b");
        assert_eq!(policy.allow_form_origins, ["https://y.example:8443", "https://x.example"]);
        assert!(policy.allow_embedded && !policy.allow_certificate_errors && policy.allow_ports == [3000]);
        let other = policies.of("cred_2", "a");
        assert!(!other.allow_embedded && other.allow_form_origins.is_empty() && other.allow_ports.is_empty());
        for bad in ["a", "a=http://x.example", "a=https://x.example/", "a=https://X.example", "a=https://"] {
            assert!(policies.allow_form_origins([bad]).is_err(), "{bad}");
        }
        assert!(policies.allow_ports(["a=70000"]).is_err());
    }
}
