//! The part of a URL that says whose page it is: `[scheme://][userinfo@]host[:port]`.
//!
//! Stricter than the WHATWG URL parser, which repairs what it reads: nothing is repaired here, so no text can mean one
//! host to this parser and another one to a browser.

use super::Domain;

/// The front of a URL. Path, query and fragment are not looked at.
pub(crate) struct SiteUrl {
    pub has_user_info: bool,
    pub host: Domain,
}

/// Which rule a host breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HostError {
    Missing,
    NonAscii,
    Character,
    TooLong,
    Label,
    OneLabel,
    Address,
    UserInfo,
    Port,
}

impl SiteUrl {
    /// The scheme as written; `None` when the text does not begin with `scheme://`.
    pub fn scheme_of(text: &str) -> Option<&str> {
        split_scheme(text).map(|(scheme, _)| scheme)
    }

    /// Reads a URL, or its part behind the scheme alone.
    pub fn parse(text: &str) -> Result<Self, HostError> {
        let rest = split_scheme(text).map_or(text, |(_, rest)| rest);
        // RFC 3986, section 3.2: the authority ends at the first of these.
        let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
        // Browsers take a backslash for a slash; other parsers let the authority go on.
        if authority.contains('\\') {
            return Err(HostError::Character);
        }
        let (has_user_info, host_and_port) = match authority.split_once('@') {
            // Where there are several, parsers do not agree on which one is the separator.
            Some((_, rest)) if rest.contains('@') => return Err(HostError::UserInfo),
            Some((_, rest)) => (true, rest),
            None => (false, authority),
        };
        let host = without_port(host_and_port)?;
        if host.is_empty() {
            return Err(HostError::Missing);
        }
        Ok(Self { has_user_info, host: Domain::from_url_host(host)? })
    }
}

impl HostError {
    /// The rule, as the end of a sentence that begins with what has to keep it.
    pub fn rule(self) -> &'static str {
        match self {
            HostError::Missing => "must name a host",
            HostError::NonAscii => "must be ASCII: give an international name in its A-label form (xn--...)",
            HostError::Character => "must be made of letters, digits, hyphens, underscores and dots",
            HostError::TooLong => "must be 253 bytes long at most",
            HostError::Label => "must have labels of 1 to 63 characters",
            HostError::OneLabel => "must have at least two labels, unless it is localhost or an IP address",
            HostError::Address => {
                "must be an IPv4 address of four decimal numbers, or an IPv6 address in brackets, or no address"
            }
            HostError::UserInfo => "must not hold an @, except a single one before the host of a URL",
            HostError::Port => "must have a port of 0 to 65535 after a colon, or no colon",
        }
    }
}

/// Scheme (RFC 3986, section 3.1) and what follows `://`.
fn split_scheme(text: &str) -> Option<(&str, &str)> {
    let is_scheme = |text: &str| {
        text.starts_with(|first: char| first.is_ascii_alphabetic())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
    };
    text.split_once("://").filter(|(scheme, _)| is_scheme(scheme))
}

/// Takes a port off. The colons inside the brackets of an IPv6 address are not in front of one.
fn without_port(host_and_port: &str) -> Result<&str, HostError> {
    let host_bytes = match host_and_port.rfind(']') {
        Some(bracket) => bracket + 1,
        None if host_and_port.starts_with('[') => return Err(HostError::Address),
        None => host_and_port.find(':').unwrap_or(host_and_port.len()),
    };
    let (host, rest) = host_and_port.split_at_checked(host_bytes).ok_or(HostError::Port)?;
    match rest.strip_prefix(':') {
        _ if rest.is_empty() => Ok(host),
        Some(port) if is_port(port) => Ok(host),
        _ => Err(HostError::Port),
    }
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok()
}
