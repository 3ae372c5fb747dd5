//! What a principal is restricted to. To a restricted principal nothing else exists.

use crate::credential::{CredentialId, Domain};
use crate::error::{Code, Error, Result};
use alloc::vec::Vec;

/// The credentials a principal may see and use. Each list narrows it further; an absent one does not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restriction {
    /// Credentials all of whose hosts are among these. A host below one of them is another host, as it is for the filter
    /// `domain` of a list.
    pub domains: Option<Vec<Domain>>,
    /// These credentials. New ones can't be among them.
    pub credentials: Option<Vec<CredentialId>>,
}

impl Restriction {
    /// Restricts nothing.
    pub const NONE: Self = Self { domains: None, credentials: None };

    pub fn is_none(&self) -> bool {
        self.domains.is_none() && self.credentials.is_none()
    }

    /// Whether a credential exists for the principal; `hosts` are all it belongs to.
    pub fn allows<'h>(&self, id: CredentialId, hosts: impl IntoIterator<Item = &'h str>) -> bool {
        self.credentials.as_ref().is_none_or(|ids| ids.contains(&id)) && self.allows_hosts(hosts)
    }

    /// Whether the principal may give a credential these hosts. Errors: [`Code::Forbidden`].
    pub fn check_hosts<'h>(&self, hosts: impl IntoIterator<Item = &'h str>) -> Result<()> {
        if self.allows_hosts(hosts) {
            return Ok(());
        }
        Err(Error::new(Code::Forbidden, "the caller is restricted to other domains"))
    }

    /// Whether the principal may add a credential with these hosts. Errors: [`Code::Forbidden`].
    pub fn check_new<'h>(&self, hosts: impl IntoIterator<Item = &'h str>) -> Result<()> {
        if self.credentials.is_some() {
            return Err(Error::new(Code::Forbidden, "the caller is restricted to credentials that exist already"));
        }
        self.check_hosts(hosts)
    }

    fn allows_hosts<'h>(&self, hosts: impl IntoIterator<Item = &'h str>) -> bool {
        self.domains
            .as_ref()
            .is_none_or(|domains| hosts.into_iter().all(|host| domains.iter().any(|domain| domain.as_str() == host)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u8) -> CredentialId {
        CredentialId::from_bytes([number; 16])
    }

    #[test]
    fn lists_narrow_each_other() {
        let domains = || Some(alloc::vec![Domain::parse("a.example").unwrap(), Domain::parse("b.example").unwrap()]);
        let credentials = || Some(alloc::vec![id(1), id(2)]);
        let by_domain = Restriction { domains: domains(), credentials: None };
        let by_id = Restriction { domains: None, credentials: credentials() };
        let by_both = Restriction { domains: domains(), credentials: credentials() };
        for (number, hosts, expected) in [
            (1, &["a.example"][..], [true, true, true, true]),
            (1, &["a.example", "b.example"], [true, true, true, true]),
            (1, &["a.example", "c.example"], [true, false, true, false]),
            (2, &["www.a.example"], [true, false, true, false]),
            (2, &["example"], [true, false, true, false]),
            (3, &["b.example"], [true, true, false, false]),
            (3, &["c.example"], [true, false, false, false]),
        ] {
            let allowed = [&Restriction::NONE, &by_domain, &by_id, &by_both]
                .map(|restriction| restriction.allows(id(number), hosts.iter().copied()));
            assert_eq!(allowed, expected, "{number} {hosts:?}");
        }
        assert!(by_domain.check_new(["b.example"]).is_ok() && by_domain.check_hosts(["c.example"]).is_err());
        assert!(by_id.check_hosts(["c.example"]).is_ok() && by_id.check_new(["b.example"]).is_err());
    }
}
