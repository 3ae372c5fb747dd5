//! The host that a credential's values belong to.

use super::site::{HostError, SiteUrl};
use crate::error::{Error, Result};
use alloc::format;
use alloc::string::{String, ToString};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Longest host name, in bytes (RFC 1035, section 2.3.4, without the length bytes).
const MAX_BYTES: usize = 253;
/// Longest label, in bytes (RFC 1035, section 2.3.4).
const MAX_LABEL_BYTES: usize = 63;

/// A host in the one form in which hosts are stored and compared: lower-case, no trailing dot, no port.
///
/// One of
/// - a name of at least two labels, 253 bytes at most, each label 1 to 63 of `a-z`, `0-9`, `-` and `_` (browsers open
///   sites with underscores, and with hyphens in any place);
/// - `localhost`;
/// - an IPv4 address of four decimal numbers, or an IPv6 address in the form of RFC 5952 without brackets.
///
/// Names in which a browser would see a number (`1.2.3`, `0x7f.1`) are refused, as they are other spellings of an
/// address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Domain(String);

impl Domain {
    /// Reads a host, `host:port`, or a URL of any scheme, from which the host is taken; white space around it does not
    /// count. Fails with `bad_request`, naming `domain` and the rule; international names must be given as A-labels,
    /// because the tables for converting them would triple the component.
    ///
    /// What has user info but no scheme is refused: it is an e-mail address.
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        let parsed = match text.parse::<Ipv6Addr>() {
            Ok(address) => Ok(Self(address.to_string())),
            Err(_) => SiteUrl::parse(text).and_then(|url| {
                let is_mail_address = url.has_user_info && SiteUrl::scheme_of(text).is_none();
                if is_mail_address { Err(HostError::UserInfo) } else { Ok(url.host) }
            }),
        };
        parsed.map_err(|error| Error::bad_request(format!("domain {}", error.rule())))
    }

    /// Reads a host as it stands in a URL: IPv6 in brackets, everything else bare.
    pub(super) fn from_url_host(host: &str) -> Result<Self, HostError> {
        if !host.is_ascii() {
            return Err(HostError::NonAscii);
        }
        if let Some(open) = host.strip_prefix('[') {
            let address = open.strip_suffix(']').and_then(|inner| inner.parse::<Ipv6Addr>().ok());
            return address.map(|address| Self(address.to_string())).ok_or(HostError::Address);
        }
        let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        if name.is_empty() {
            return Err(HostError::Missing);
        }
        if !name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.')) {
            return Err(HostError::Character);
        }
        if name.len() > MAX_BYTES {
            return Err(HostError::TooLong);
        }
        if name.split('.').any(|label| label.is_empty() || label.len() > MAX_LABEL_BYTES) {
            return Err(HostError::Label);
        }
        if ends_in_number(&name) && name.parse::<Ipv4Addr>().is_err() {
            return Err(HostError::Address);
        }
        if !name.contains('.') && name != "localhost" {
            return Err(HostError::OneLabel);
        }
        Ok(Self(name))
    }

    /// The normalised text: at most 253 ASCII characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is an IPv4 or IPv6 address and not a name.
    pub fn is_address(&self) -> bool {
        self.0.parse::<IpAddr>().is_ok()
    }
}

/// Whether a browser takes the host for an IPv4 address (WHATWG URL, "ends in a number checker").
fn ends_in_number(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    let hexadecimal = last.strip_prefix("0x").is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    hexadecimal || last.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    #[test]
    fn normalises() {
        let long_label = "a".repeat(63);
        let long_label_name = format!("{long_label}.test");
        let longest = format!("{0}.{0}.{0}.{1}", long_label, "b".repeat(61));
        assert_eq!(longest.len(), 253);
        for (text, stored) in [
            ("example.com", "example.com"),
            ("  Accounts.EXAMPLE.com\n", "accounts.example.com"),
            ("example.com.", "example.com"),
            ("example.com:8443", "example.com"),
            ("example.com/login?next=https://other.test#top", "example.com"),
            ("example.com?x", "example.com"),
            ("example.com#x", "example.com"),
            ("example.com./", "example.com"),
            ("https://example.com", "example.com"),
            ("HTTPS://Example.Com.:443/a/b", "example.com"),
            ("https://user:p%40ss@example.com:8443/", "example.com"),
            ("https://accounts.example.com@evil.test/", "evil.test"),
            ("android-app://com.example.app/", "com.example.app"),
            ("localhost", "localhost"),
            ("LOCALHOST:3000", "localhost"),
            ("http://localhost:3000/", "localhost"),
            ("app.localhost", "app.localhost"),
            ("127.0.0.1", "127.0.0.1"),
            ("127.0.0.1:80", "127.0.0.1"),
            ("https://192.168.1.10./x", "192.168.1.10"),
            ("::1", "::1"),
            ("[::1]", "::1"),
            ("[::1]:3000", "::1"),
            ("http://[2001:DB8:0:0:0:0:0:1]:8080/x", "2001:db8::1"),
            ("2001:0db8::0001", "2001:db8::1"),
            ("::ffff:192.0.2.1", "::ffff:192.0.2.1"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("my_site.example.com", "my_site.example.com"),
            ("r3---sn-a.example-.com", "r3---sn-a.example-.com"),
            ("1.2.3.example", "1.2.3.example"),
            ("0x7f.example", "0x7f.example"),
            ("a.0xzz", "a.0xzz"),
            (&long_label_name, &long_label_name),
            (&longest, &longest),
        ] {
            assert_eq!(Domain::parse(text).unwrap().as_str(), stored, "{text}");
        }
    }

    #[test]
    fn refuses_by_rule() {
        let long_label = format!("{}.test", "a".repeat(64));
        let too_long = format!("{0}.{0}.{0}.{1}", "a".repeat(63), "b".repeat(62));
        for (text, rule) in [
            ("", "name a host"),
            (" \t", "name a host"),
            ("https://", "name a host"),
            ("https:///path", "name a host"),
            ("https://user@/", "name a host"),
            (".", "name a host"),
            (":443", "name a host"),
            ("b\u{fc}cher.example", "xn--"),
            ("https://b\u{fc}cher.example/", "xn--"),
            ("\u{435}xample.com", "xn--"),
            ("example\u{3002}com", "xn--"),
            ("exam ple.com", "made of"),
            ("exam%70le.com", "made of"),
            ("https://example.com\\@evil.test", "made of"),
            ("https://example.com\\.evil.test/", "made of"),
            ("*.example.com", "made of"),
            ("exam\nple.com", "made of"),
            ("example.com,other.test", "made of"),
            ("example..com", "labels of 1"),
            (".example.com", "labels of 1"),
            ("example.com..", "labels of 1"),
            (&long_label, "labels of 1"),
            (&too_long, "253"),
            ("intranet", "two labels"),
            ("https:/example.com", "port"),
            ("https", "two labels"),
            ("ops@example.com", "an @"),
            ("a@b@example.com", "an @"),
            ("https://a@b@example.com/", "an @"),
            ("example.com:", "port"),
            ("example.com:65536", "port"),
            ("example.com:http", "port"),
            ("example.com:+80", "port"),
            ("javascript:alert(1)", "port"),
            ("mailto:ops.example.com", "port"),
            ("blob:https://example.com/x", "port"),
            ("[::1]x", "port"),
            ("1.2.3", "address"),
            ("0x7f.1", "address"),
            ("1.2.3.4.5", "address"),
            ("256.1.1.1", "address"),
            ("127.0.0.01", "address"),
            ("0x7f000001", "address"),
            ("example.0x", "address"),
            ("example.42", "address"),
            ("2130706433", "address"),
            ("[127.0.0.1]", "address"),
            ("[::1", "address"),
            ("[fe80::1%eth0]", "address"),
            ("[::g]", "address"),
            ("::g", "port"),
        ] {
            let error = Domain::parse(text).expect_err(text);
            assert_eq!(error.code(), Code::BadRequest, "{text:?}");
            assert!(error.message().starts_with("domain must"), "{text:?}");
            assert!(error.message().contains(rule), "{text:?}: {}", error.message());
        }
    }

    #[test]
    fn knows_addresses() {
        for (text, expected) in
            [("127.0.0.1", true), ("[::1]", true), ("localhost", false), ("1.2.3.example", false), ("a.b", false)]
        {
            assert_eq!(Domain::parse(text).unwrap().is_address(), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn never_panics_and_is_idempotent(text: String) {
            if let Ok(domain) = Domain::parse(&text) {
                prop_assert_eq!(&Domain::parse(domain.as_str()).unwrap(), &domain);
            }
        }

        #[test]
        fn is_idempotent_near_hosts(text in "(https?://)?[a-c0-9xX_\\-.:\\[\\]@/]{1,30}") {
            if let Ok(domain) = Domain::parse(&text) {
                prop_assert_eq!(&Domain::parse(domain.as_str()).unwrap(), &domain);
                prop_assert!(domain.as_str().bytes().all(|byte| !byte.is_ascii_uppercase()));
            }
        }

        #[test]
        fn decoration_does_not_matter(labels in proptest::collection::vec("[a-z][a-z0-9-]{0,20}", 2..5), port: u16) {
            let name = labels.join(".");
            let domain = Domain::parse(&name).unwrap();
            let spellings: Vec<String> = [
                name.to_ascii_uppercase(),
                format!("{name}."),
                format!("{name}:{port}"),
                format!("https://{name}"),
                format!("ftp://u:p@{name}.:{port}/x?y#z"),
            ].into();
            for spelling in spellings {
                prop_assert_eq!(&Domain::parse(&spelling).unwrap(), &domain);
            }
        }

        #[test]
        fn addresses_keep_their_meaning(v4: [u8; 4], v6: [u16; 8]) {
            let v4 = Ipv4Addr::from(v4);
            let domain = Domain::parse(&v4.to_string()).unwrap();
            prop_assert_eq!(domain.as_str(), v4.to_string());
            let v6 = Ipv6Addr::from(v6);
            let domain = Domain::parse(&format!("https://[{v6}]:1/")).unwrap();
            prop_assert_eq!(domain.as_str().parse::<Ipv6Addr>().unwrap(), v6);
        }
    }
}
