//! The setting `strongroom_http_origins`: which pages on a local network may be given values over plain http.

use crate::credential::{Domain, Scheme, SiteUrl};
use crate::error::{Code, Error, Result};
use alloc::vec::Vec;

/// Hosts that whoever runs the vault trusts without https: the names and addresses of devices on a network of their own.
#[derive(Clone, Debug, Default)]
pub struct HttpOrigins(Vec<(Domain, Option<u16>)>);

impl HttpOrigins {
    /// Reads a list, separated by white space, of hosts (`nas`, `192.168.1.10`: any port; `nas:5001`: this one) and of
    /// origins (`http://nas:5001`; without a port, port 80). Fails with `misconfigured`.
    pub fn parse(list: &str) -> Result<Self> {
        list.split_whitespace().map(Self::entry).collect::<Option<_>>().map(Self).ok_or(Error::new(
            Code::Misconfigured,
            "strongroom_http_origins must be hosts, or origins of the scheme http, separated by spaces",
        ))
    }

    fn entry(text: &str) -> Option<(Domain, Option<u16>)> {
        let url = SiteUrl::parse(text).ok().filter(|url| !url.has_user_info)?;
        match url.scheme {
            None => Some((url.host, url.port)),
            Some(Scheme::Http) => Some((url.host, Some(url.port.unwrap_or(80)))),
            Some(Scheme::Https) => None,
        }
    }

    /// Whether the page of this URL is one of them: by its host exactly, and by its port where one is said.
    pub(super) fn contain(&self, url: &SiteUrl) -> bool {
        let page_port = url.port.unwrap_or(80);
        self.0.iter().any(|(host, port)| *host == url.host && port.is_none_or(|port| port == page_port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contain(list: &str, url: &str) -> bool {
        HttpOrigins::parse(list).unwrap().contain(&SiteUrl::parse(url).ok().unwrap())
    }

    #[test]
    fn hosts_match_exactly_and_ports_where_they_are_said() {
        let list = " nas\t192.168.1.10:8080\nhttp://printer http://[fd00::1]:631/ ";
        for (url, expected) in [
            ("http://nas", true),
            ("http://NAS:5001/x", true),
            ("http://192.168.1.10:8080", true),
            ("http://192.168.1.10", false),
            ("http://printer", true),
            ("http://printer:80/", true),
            ("http://printer:8080", false),
            ("http://[fd00::1]:631", true),
            ("http://[fd00::1]", false),
            ("http://x.nas", false),
            ("http://nas.example.com", false),
            ("http://192.168.1.11:8080", false),
        ] {
            assert_eq!(contain(list, url), expected, "{url}");
        }
        assert!(!contain("", "http://nas"));
    }

    #[test]
    fn anything_else_is_misconfigured_without_echo() {
        for list in ["https://canary", "nas canary@nas", "ftp://canary", "http://", "10.0.0.0/8 256.1.1.1", "canary:x"]
        {
            let error = HttpOrigins::parse(list).unwrap_err();
            assert_eq!(error.code(), Code::Misconfigured, "{list}");
            assert!(error.message().starts_with("strongroom_http_origins must be"), "{list}");
            assert!(!error.message().contains("canary"));
        }
    }
}
