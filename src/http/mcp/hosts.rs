//! Whom web pages may reach us for. A page of another site can have its own name lead to this machine (DNS rebinding)
//! and then send requests here; its name gives it away, in `host`, and in `origin`.

use super::super::Request;
use crate::error::{Code, Error, Result};
use crate::settings::{self, Settings};
use alloc::format;
use alloc::string::String;
use core::net::Ipv4Addr;

/// The checked value of `host`.
pub struct Host {
    authority: String,
    is_loopback: bool,
}

impl Host {
    /// The URL of a path here. What is reachable from other machines is behind TLS.
    pub fn url(&self, path: &str) -> String {
        let scheme = if self.is_loopback { "http" } else { "https" };
        format!("{scheme}://{}{path}", self.authority)
    }
}

/// The request's host must be this machine's own name, or one of the setting `strongroom_allowed_hosts`; so must the
/// origin's, if it comes from a page, unless `strongroom_allowed_origins` has it.
///
/// Errors: [`Code::Forbidden`].
pub fn check(settings: &dyn Settings, request: &Request<'_>) -> Result<Host> {
    let refused = |header: &str| {
        let message = format!("the header {header} names a site that strongroom_allowed_{header}s does not have");
        Error::new(Code::Forbidden, message)
    };
    let host = request.header("host").ok().flatten().and_then(Authority::parse).ok_or_else(|| refused("host"))?;
    let is_loopback = host.is_loopback();
    if !is_loopback && !is_listed(settings, settings::ALLOWED_HOSTS, |allowed| host.is(allowed))? {
        return Err(refused("host"));
    }
    let origin = request.header("origin").map_err(|_| refused("origin"))?;
    if let Some(origin) = origin {
        let of_page = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        let is_ours = of_page.and_then(Authority::parse).is_some_and(|authority| authority.is_loopback());
        let is_same = |allowed: &str| allowed.trim_end_matches('/').eq_ignore_ascii_case(origin);
        if !is_ours && !is_listed(settings, settings::ALLOWED_ORIGINS, is_same)? {
            return Err(refused("origin"));
        }
    }
    Ok(Host { authority: host.text.to_ascii_lowercase(), is_loopback })
}

/// Lists are separated by spaces.
fn is_listed(settings: &dyn Settings, name: &str, is_it: impl Fn(&str) -> bool) -> Result<bool> {
    Ok(settings.get(name)?.unwrap_or_default().split_whitespace().any(is_it))
}

/// A host and perhaps a port, as in a URL.
struct Authority<'a> {
    text: &'a str,
    /// Without the port, an IPv6 address in its brackets.
    host: &'a str,
}

impl<'a> Authority<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port),
            _ => (text, "0"),
        };
        let is_name =
            |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'));
        let is_host = match host.strip_prefix('[') {
            Some(address) => address.strip_suffix(']').is_some_and(|address| {
                address.bytes().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.'))
            }),
            None => !host.is_empty() && is_name(host),
        };
        (is_host && port.parse::<u16>().is_ok()).then_some(Self { text, host })
    }

    /// Names that never lead to another machine: RFC 6761, section 6.3.
    fn is_loopback(&self) -> bool {
        let host = self.host.to_ascii_lowercase();
        host == "localhost"
            || host.ends_with(".localhost")
            || host == "[::1]"
            || host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
    }

    /// An entry without a port is for all ports.
    fn is(&self, allowed: &str) -> bool {
        allowed.eq_ignore_ascii_case(self.host) || allowed.eq_ignore_ascii_case(self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_this_machine_from_others() {
        for text in ["localhost", "LocalHost:3000", "127.0.0.1:80", "127.1.2.3", "[::1]", "[::1]:3000", "a.localhost:1"]
        {
            assert!(Authority::parse(text).is_some_and(|authority| authority.is_loopback()), "{text}");
        }
        for text in ["localhost.example.com", "127.0.0.1.example.com", "notlocalhost", "[::2]", "128.0.0.1", "0.0.0.0"]
        {
            assert!(Authority::parse(text).is_some_and(|authority| !authority.is_loopback()), "{text}");
        }
        for text in
            ["", ":80", "a b", "a/b", "user@localhost", "localhost:", "localhost:x", "localhost:99999", "[::1", "a\"b"]
        {
            assert!(Authority::parse(text).is_none(), "{text}");
        }
    }
}
