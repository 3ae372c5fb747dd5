//! The part of a URL that says whose page it is: `[scheme://][userinfo@]host[:port]`.
//!
//! Stricter than the WHATWG URL parser, which repairs what it reads: nothing is repaired here, so no text can mean one
//! host to this parser and another one to a browser.

use super::Domain;

/// The front of a URL of the web, or of its part behind the scheme. Path, query and fragment are not looked at.
pub(crate) struct SiteUrl {
    pub scheme: Option<Scheme>,
    pub has_user_info: bool,
    pub host: Domain,
    pub port: Option<u16>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Http,
    Https,
}

/// Which rule a host breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HostError {
    Scheme,
    SchemeMissing,
    Missing,
    International,
    Character,
    TooLong,
    Label,
    Address,
    UserInfo,
    Port,
}

impl SiteUrl {
    /// Whether the text begins with `scheme://`, whatever the scheme.
    pub fn is_url(text: &str) -> bool {
        split_scheme(text).is_some()
    }

    /// Reads a URL of the scheme http or https, or its part behind the scheme alone. What has another scheme is no page
    /// of the web, whatever stands where a host would: `androidapp://com.example.app` names an app, and `app.example.com`
    /// belongs to somebody else.
    pub fn parse(text: &str) -> Result<Self, HostError> {
        let (scheme, rest) = match split_scheme(text) {
            None => (None, text),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (Some(Scheme::Https), rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (Some(Scheme::Http), rest),
            Some(_) => return Err(HostError::Scheme),
        };
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
        let (host, port) = split_port(host_and_port)?;
        if host.is_empty() {
            return Err(HostError::Missing);
        }
        let host = Domain::from_url_host(host)?;
        // `https//example.com` has lost its colon, and `n/a` is no host.
        let has_path = authority.len() < rest.len();
        if scheme.is_none() && port.is_none() && has_path && host.is_single_label() && !host.is_loopback() {
            return Err(HostError::SchemeMissing);
        }
        Ok(Self { scheme, has_user_info, host, port })
    }
}

impl HostError {
    /// The rule, as the end of a sentence that begins with what has to keep it.
    pub fn rule(self) -> &'static str {
        match self {
            HostError::Scheme => "must be a host of the web, or a URL of the scheme https or http: an app is neither",
            HostError::SchemeMissing => "must begin with http:// or https:// where a host of one label has a path",
            HostError::Missing => "must name a host",
            HostError::International => "must give this international name in its A-label form (xn--...)",
            HostError::Character => "must be made of letters, digits, hyphens, underscores and dots",
            HostError::TooLong => "must be 253 bytes long at most",
            HostError::Label => "must have labels of 1 to 63 characters",
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
fn split_port(host_and_port: &str) -> Result<(&str, Option<u16>), HostError> {
    let host_bytes = match host_and_port.rfind(']') {
        Some(bracket) => bracket + 1,
        None if host_and_port.starts_with('[') => return Err(HostError::Address),
        None => host_and_port.find(':').unwrap_or(host_and_port.len()),
    };
    let (host, rest) = host_and_port.split_at_checked(host_bytes).ok_or(HostError::Port)?;
    if rest.is_empty() {
        return Ok((host, None));
    }
    let digits = rest.strip_prefix(':').filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    let port = digits.and_then(|digits| digits.parse().ok()).ok_or(HostError::Port)?;
    Ok((host, Some(port)))
}
