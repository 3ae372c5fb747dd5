//! Further hosts that a credential's values belong to.

use super::Domain;
use crate::error::{Error, Result};
use alloc::format;
use alloc::vec::Vec;

/// Most hosts beside the credential's `domain`.
const MAX: usize = 15;

/// Up to 15 hosts beside the credential's `domain`, each by the same rules, in the order they were given; none of them
/// twice, and none the same as `domain`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AdditionalDomains(Vec<Domain>);

impl AdditionalDomains {
    /// Hosts that were checked when they were stored.
    pub(crate) fn trusted(hosts: Vec<Domain>) -> Self {
        Self(hosts)
    }

    /// Reads hosts or URLs. One that is `domain` or another one's host over again is dropped: lists of a site's URLs
    /// are full of them. Fails with `bad_request`, naming `additional_domains`, the rule, and which of them breaks it.
    pub fn parse<T: AsRef<str>>(texts: &[T], domain: &Domain) -> Result<Self> {
        let mut found = Self::default();
        for (at, text) in texts.iter().enumerate() {
            let host = Domain::parse_field("additional_domains", text.as_ref())
                .map_err(|error| Error::bad_request(format!("{} (entry {})", error.message(), at + 1)))?;
            if host == *domain || found.0.contains(&host) {
                continue;
            }
            if found.0.len() == MAX {
                return Err(Error::bad_request("additional_domains must have at most 15 entries beside the domain"));
            }
            found.0.push(host);
        }
        Ok(found)
    }

    /// The same without this host: for a credential whose `domain` it becomes.
    pub fn without(mut self, domain: &Domain) -> Self {
        self.0.retain(|host| host != domain);
        self
    }

    /// The hosts, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Domain> + Clone {
        self.0.iter()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;
    use alloc::string::String;

    fn domain() -> Domain {
        Domain::parse("example.com").unwrap()
    }

    fn hosts(texts: &[&str]) -> Vec<String> {
        let parsed = AdditionalDomains::parse(texts, &domain()).unwrap();
        parsed.iter().map(|host| host.as_str().into()).collect()
    }

    #[test]
    fn keeps_their_order_and_drops_what_is_there_already() {
        assert_eq!(hosts(&[]), [""; 0]);
        let texts = ["https://example.org/login", "nas", "Example.COM", "example.org.", "login.example.com"];
        assert_eq!(hosts(&texts), ["example.org", "nas", "login.example.com"]);
        let parsed = AdditionalDomains::parse(&texts, &domain()).unwrap();
        let without = parsed.without(&Domain::parse("nas").unwrap());
        assert!(without.iter().map(Domain::as_str).eq(["example.org", "login.example.com"]));
    }

    #[test]
    fn bounds_their_number_without_those_that_are_dropped() {
        let mut texts: Vec<_> = (0..15).map(|i| format!("host{i}.example.com")).collect();
        texts.extend(texts.clone());
        assert!(AdditionalDomains::parse(&texts, &domain()).is_ok());
        texts.push("one.more.example.com".into());
        let error = AdditionalDomains::parse(&texts, &domain()).unwrap_err();
        assert!(error.message().contains("at most 15"));
    }

    #[test]
    fn refuses_by_place_and_rule_without_echo() {
        for text in ["", "canary@example.com", "androidapp://com.canary", "b\u{301}canary.test", "256.1.1.1"] {
            let error = AdditionalDomains::parse(&["example.org", text], &domain()).unwrap_err();
            assert_eq!(error.code(), Code::BadRequest);
            assert!(error.message().starts_with("additional_domains must "), "{}", error.message());
            assert!(error.message().ends_with(" (entry 2)"), "{}", error.message());
            assert!(!error.message().contains("canary"), "{}", error.message());
        }
    }
}
