//! Any text as a host, as a page's origin, and as the setting of pages without TLS.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a target panics when it has found something")]

use super::*;
use crate::fuzzing::{Target, check_error, text};
use alloc::string::String;
use url::Url;

pub const ORIGIN: Target = Target { name: "origin", run, seeds: Vec::new };

/// An origin, a domain, and the setting, each in a line.
fn run(data: &[u8]) {
    let given = text(data);
    let mut lines = given.split('\n');
    let mut line = || lines.next().unwrap_or_default();
    let (page, domain, setting) = (line(), line(), line());
    let domains: Vec<Domain> = [page, domain].into_iter().filter_map(read_domain).collect();
    let http = HttpOrigins::parse(setting).unwrap_or_else(|error| {
        check_error(&error);
        HttpOrigins::default()
    });
    let origin = match Origin::parse(page, &http) {
        Ok(origin) => origin,
        Err(error) => {
            check_error(&error);
            return;
        }
    };
    check_host(origin.host.as_str(), page);
    assert!(Origin::parse(page, &HttpOrigins::default()).is_ok() || page.to_ascii_lowercase().starts_with("http://"));
    // Whom it may be given to is what the list says, which begins with the page's own host and goes up from there.
    let released = origin.domains();
    assert_eq!(released.first(), Some(&origin.host));
    for pair in released.windows(2) {
        assert_eq!(pair.first().unwrap().parent().as_ref(), pair.last());
    }
    for domain in domains.iter().chain(&released) {
        let answer = origin.check([domain].into_iter());
        assert_eq!(answer.is_ok(), released.contains(domain), "{page:?} {domain:?}");
        if let Err(error) = answer {
            check_error(&error);
        }
    }
}

fn read_domain(given: &str) -> Option<Domain> {
    let domain = match Domain::parse(given) {
        Ok(domain) => domain,
        Err(error) => {
            check_error(&error);
            return None;
        }
    };
    let host = domain.as_str();
    assert!(!host.is_empty() && host.len() <= 253 && host.is_ascii() && !host.bytes().any(|b| b.is_ascii_uppercase()));
    assert_eq!(Domain::parse(host).as_ref().ok(), Some(&domain));
    // What a browser would open for it, where it would open anything.
    let given = given.trim();
    let url = match given.parse::<core::net::Ipv6Addr>() {
        Ok(address) => alloc::format!("https://[{address}]"),
        Err(_) if SiteUrl::is_url(given) => given.into(),
        Err(_) => alloc::format!("https://{given}"),
    };
    check_host(host, &url);
    Some(domain)
}

/// Holds a host against the one that a browser opens.
fn check_host(host: &str, url: &str) {
    match host_in_browser(url) {
        Some(opened) => assert_eq!(opened, host, "{url:?}"),
        // It opens nothing where a label only looks like Punycode.
        None => assert!(host.split('.').any(|label| label.starts_with("xn--")), "{url:?}"),
    }
}

/// The host that browsers read in a URL (WHATWG), as it is written here: without brackets and the last dot.
fn host_in_browser(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    let host = url.host_str()?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    Some(match host.parse::<core::net::Ipv6Addr>() {
        // It writes no address in the mixed form.
        Ok(address) => alloc::string::ToString::to_string(&address),
        Err(_) => host.strip_suffix('.').unwrap_or(host).into(),
    })
}
