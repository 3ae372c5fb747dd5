//! Who a request says it is meant for. A page of another site can have a browser send requests to this machine, under a
//! name of its own that it lets point here; on a loopback address nothing else tells it from a local program.

use super::refusal::Refusal;
use http::HeaderMap;
use http::header::{HOST, ORIGIN};
use std::net::IpAddr;

/// The names that requests may use.
#[derive(Clone, Debug, Default)]
pub struct Sites {
    is_checked: bool,
    hosts: Vec<String>,
    origins: Vec<String>,
}

impl Sites {
    /// Whatever they like.
    pub fn any() -> Self {
        Self::default()
    }

    /// Those of this machine, and these hosts and origins (separated by spaces).
    pub fn of_this_machine(hosts: &str, origins: &str) -> Self {
        let list = |text: &str| {
            text.split_ascii_whitespace().map(|word| word.trim_end_matches('/').to_ascii_lowercase()).collect()
        };
        Self { is_checked: true, hosts: list(hosts), origins: list(origins) }
    }

    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        if !self.is_checked {
            return Ok(());
        }
        for host in headers.get_all(HOST) {
            let host = host.to_str().map_err(|_| Refusal::BAD_HOST)?.to_ascii_lowercase();
            let is_listed = self.hosts.iter().any(|listed| *listed == host || listed == name_of(&host));
            if !is_listed && !is_local(&host) {
                return Err(Refusal::FOREIGN);
            }
        }
        for origin in headers.get_all(ORIGIN) {
            let origin = origin.to_str().map_err(|_| Refusal::FOREIGN)?.to_ascii_lowercase();
            let is_ours = origin
                .split_once("://")
                .is_some_and(|(_, host)| is_local(host) || self.hosts.iter().any(|listed| listed == name_of(host)));
            if !is_ours && !self.origins.contains(&origin) {
                return Err(Refusal::FOREIGN);
            }
        }
        Ok(())
    }
}

/// A host without its port.
fn name_of(host: &str) -> &str {
    match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.split(':').next().unwrap_or(host),
    }
}

fn is_local(host: &str) -> bool {
    let name = name_of(host);
    let address: Option<IpAddr> = name.parse().ok();
    name == "localhost" || name.ends_with(".localhost") || address.is_some_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn only_this_machine_and_what_is_listed() {
        let sites = Sites::of_this_machine("vault.example.com inner.example.com:8443", "https://app.example.com/");
        let check = |host: &'static str, origin: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, HeaderValue::from_static(host));
            if let Some(origin) = origin {
                headers.insert(ORIGIN, HeaderValue::from_static(origin));
            }
            sites.check(&headers).is_ok()
        };
        for host in ["localhost", "LOCALHOST:3000", "a.localhost", "127.0.0.1:3000", "127.1.2.3", "[::1]:3000", "[::1]"]
        {
            assert!(check(host, None), "{host}");
        }
        for host in ["vault.example.com", "vault.example.com:443", "inner.example.com:8443"] {
            assert!(check(host, None), "{host}");
        }
        for host in
            ["evil.test", "localhost.evil.test", "127.0.0.1.evil.test", "10.0.0.1", "inner.example.com", "[::2]", ""]
        {
            assert!(!check(host, None), "{host}");
        }
        for origin in
            ["http://localhost:8080", "https://app.example.com", "http://127.0.0.1", "https://vault.example.com"]
        {
            assert!(check("localhost", Some(origin)), "{origin}");
        }
        for origin in ["null", "https://evil.test", "https://app.example.com.evil.test", "http://app.example.com", ""] {
            assert!(!check("localhost", Some(origin)), "{origin}");
        }
        assert!(sites.check(&HeaderMap::new()).is_ok(), "programs may say nothing");
    }
}
