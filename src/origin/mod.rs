//! Which page may be given which credential: the rule of `supply`.

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod http_origins;
mod public_suffix;

pub use http_origins::HttpOrigins;

use crate::credential::{Domain, HostError, Scheme, SiteUrl};
use crate::error::{Code, Error, Result};
use alloc::format;
use alloc::vec::Vec;

/// A page that may be given what belongs to its host.
pub struct Origin {
    host: Domain,
}

impl Origin {
    /// Reads the origin or the URL of a page.
    ///
    /// The scheme must be `https`, or `http` where the page comes from this machine ([`Domain::is_loopback`]) or from
    /// what the setting names. Ports, paths, queries and fragments do not count otherwise.
    ///
    /// The origin is read strictly: user info, white space, control characters, and in front of the path also
    /// backslashes, percent signs and international names that [`Domain`] does not convert are refused, not repaired.
    /// Every refusal is `origin_refused` with a message that says which rule refused, and nothing of the input.
    pub fn parse(origin: &str, http: &HttpOrigins) -> Result<Self> {
        if origin.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return refuse("origin must not contain white space or control characters");
        }
        // Also `null`, `data:`, `blob:` and the like.
        if !SiteUrl::is_url(origin) {
            return refuse("origin must be a URL that begins with a scheme and ://");
        }
        let url = match SiteUrl::parse(origin) {
            Ok(url) => url,
            Err(HostError::Scheme) => return refuse(SCHEME),
            Err(error) => return Err(Error::new(Code::OriginRefused, format!("origin {}", error.rule()))),
        };
        if url.has_user_info {
            return refuse("origin must not hold user info");
        }
        if url.scheme == Some(Scheme::Https) || url.host.is_loopback() || http.contain(&url) {
            Ok(Self { host: url.host })
        } else {
            refuse(SCHEME)
        }
    }

    /// A page of this host.
    pub fn of(host: &Domain) -> Self {
        Self { host: host.clone() }
    }

    /// Passes if the page may be given a credential of these domains.
    ///
    /// Its host must equal one of them, or be below it by whole labels while neither the domain nor any name from there
    /// down to the host is a public suffix: below one, names belong to different owners. Addresses, `localhost` and
    /// other single labels match exactly. Every refusal is `origin_refused` with a message that says which rule refused.
    pub fn check<'d>(&self, domains: impl Iterator<Item = &'d Domain> + Clone) -> Result<()> {
        if domains.clone().any(|domain| *domain == self.host) {
            return Ok(());
        }
        if self.host.is_address() || domains.clone().all(Domain::is_address) {
            return refuse("origin must have an IP address of the credential as its host, exactly");
        }
        let mut above = domains.filter(|domain| self.is_below(domain)).peekable();
        if above.peek().is_none() {
            return refuse("origin must have a domain of the credential as its host, or a host below it");
        }
        let released = self.domains();
        if above.any(|domain| released.contains(domain)) {
            Ok(())
        } else {
            refuse("origin must have a domain of the credential as its host, exactly: hosts below it have other owners")
        }
    }

    /// Every domain of which [`Origin::check`] lets a credential pass, the host itself first.
    pub fn domains(&self) -> Vec<Domain> {
        let mut names: Vec<_> = core::iter::successors(Some(self.host.clone()), Domain::parent).collect();
        let owned = public_suffix::first_public_suffix(names.iter().map(Domain::as_str)).unwrap_or(names.len());
        names.truncate(owned.max(1));
        names
    }

    fn is_below(&self, domain: &Domain) -> bool {
        self.host.as_str().strip_suffix(domain.as_str()).is_some_and(|front| front.ends_with('.'))
    }
}

const SCHEME: &str = "origin must have the scheme https; http is for localhost, names below it, loopback addresses, and \
                      what the setting strongroom_http_origins names";

fn refuse<T>(rule: &'static str) -> Result<T> {
    Err(Error::new(Code::OriginRefused, rule))
}

#[cfg(test)]
mod tests;
