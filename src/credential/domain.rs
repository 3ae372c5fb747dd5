//! The host that a credential's values belong to.

use super::punycode::to_ascii;
use super::site::{HostError, SiteUrl};
use crate::error::{Error, Result};
use alloc::format;
use alloc::string::{String, ToString};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Longest host name, in bytes (RFC 1035, section 2.3.4, without the length bytes).
const MAX_BYTES: usize = 253;
/// Longest label, in bytes (RFC 1035, section 2.3.4).
const MAX_LABEL_BYTES: usize = 63;

/// A host in the one form in which hosts are stored and compared: lower-case ASCII, no trailing dot, no port.
///
/// One of
/// - a name, 253 bytes at most, each label 1 to 63 of `a-z`, `0-9`, `-` and `_` (browsers open sites with underscores,
///   and with hyphens in any place): of the web where it has two labels or more, of a local network where it has one;
/// - `localhost` or a name below it;
/// - an IPv4 address of four decimal numbers, or an IPv6 address in the form of RFC 5952 without brackets.
///
/// Names in which a browser would see a number (`1.2.3`, `0x7f.1`) are refused, as they are other spellings of an
/// address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Domain(String);

impl Domain {
    /// A text that was checked when it was stored.
    pub(crate) fn trusted(text: String) -> Self {
        Self(text)
    }

    /// Reads a host, `host:port`, or a URL of the scheme http or https, from which the host is taken; white space around
    /// it does not count. Fails with `bad_request`, naming `domain` and the rule.
    ///
    /// International names are converted where that is certain (see [`super::punycode`]), and else must be given as
    /// A-labels. What has user info but no scheme is refused: it is an e-mail address. So is every other scheme, as those
    /// of apps: their packages look like hosts and are none.
    pub fn parse(text: &str) -> Result<Self> {
        Self::parse_field("domain", text)
    }

    /// The same, for the field of this name.
    pub(super) fn parse_field(field: &str, text: &str) -> Result<Self> {
        let text = text.trim();
        let parsed = match text.parse::<Ipv6Addr>() {
            Ok(address) => Ok(Self(address.to_string())),
            Err(_) => SiteUrl::parse(text).and_then(|url| {
                let is_mail_address = url.has_user_info && url.scheme.is_none();
                if is_mail_address { Err(HostError::UserInfo) } else { Ok(url.host) }
            }),
        };
        parsed.map_err(|error| Error::bad_request(format!("{field} {}", error.rule())))
    }

    /// Reads a host as it stands in a URL: IPv6 in brackets, everything else bare.
    pub(super) fn from_url_host(host: &str) -> Result<Self, HostError> {
        if let Some(open) = host.strip_prefix('[') {
            let address = open.strip_suffix(']').and_then(|inner| inner.parse::<Ipv6Addr>().ok());
            return address.map(|address| Self(address.to_string())).ok_or(HostError::Address);
        }
        let mut name = String::with_capacity(host.len());
        for (at, label) in host.strip_suffix('.').unwrap_or(host).split('.').enumerate() {
            if at > 0 {
                name.push('.');
            }
            name.push_str(&to_ascii(label).ok_or(HostError::International)?);
        }
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

    /// Whether it is a name without a dot, as in a local network.
    pub(crate) fn is_single_label(&self) -> bool {
        !self.0.contains(['.', ':'])
    }

    /// The name with one label less in front; `None` for a single label and for an address.
    pub(crate) fn parent(&self) -> Option<Self> {
        let (_, parent) = self.0.split_once('.').filter(|_| !self.is_address())?;
        Some(Self(String::from(parent)))
    }

    /// Whether this machine itself is meant, by its own reckoning: `localhost`, names below it (RFC 6761, section 6.3),
    /// `127.0.0.0/8` and `::1`.
    pub fn is_loopback(&self) -> bool {
        let is_localhost =
            self.0.strip_suffix("localhost").is_some_and(|front| front.is_empty() || front.ends_with('.'));
        is_localhost || self.0.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
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
            ("com.example.app", "com.example.app"),
            ("nas", "nas"),
            ("http://NAS:5001/", "nas"),
            ("nas.", "nas"),
            ("nas:5001/ui", "nas"),
            ("https://nas/ui", "nas"),
            ("localhost/ui", "localhost"),
            ("[::1]/ui", "::1"),
            ("127.0.0.1/ui", "127.0.0.1"),
            ("https://[2001:db8::1]/", "2001:db8::1"),
            ("raspberry-pi", "raspberry-pi"),
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
            ("https://obs.b\u{fc}rgerhaus.de/", "obs.xn--brgerhaus-q9a.de"),
            ("B\u{dc}CHER.example", "xn--bcher-kva.example"),
            ("stra\u{df}e.example:8443", "xn--strae-oqa.example"),
            ("\u{43f}\u{43e}\u{447}\u{442}\u{430}.\u{440}\u{444}", "xn--80a1acny.xn--p1ai"),
            ("\u{4f8b}\u{3048}.jp", "xn--r8jz45g.jp"),
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
            // A letter and a mark, where browsers put the two together.
            ("bu\u{308}cher.example", "xn--"),
            ("https://exa\u{ad}mple.com/", "xn--"),
            ("\u{ff45}xample.com", "xn--"),
            ("example\u{3002}com", "xn--"),
            ("xn--b\u{fc}cher.example", "xn--"),
            ("\u{1f511}.example", "xn--"),
            ("\u{5d0}\u{5d1}.example", "xn--"),
            ("androidapp://com.spotify.music", "scheme https or http"),
            ("android://aGFzaA==@com.spotify.music/", "scheme https or http"),
            ("android-app://com.spotify.music/", "scheme https or http"),
            ("iosapp://com.spotify.client", "scheme https or http"),
            ("ftp://example.com", "scheme https or http"),
            ("ANDROIDAPP://example.com", "scheme https or http"),
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
            ("https:/example.com", "port"),
            ("https//example.com/login", "must begin with"),
            ("http//nas", "must begin with"),
            ("N/A", "must begin with"),
            ("nas?x", "must begin with"),
            ("//example.com/login", "name a host"),
            ("://example.com", "port"),
            ("htps://example.com", "scheme https or http"),
            ("chrome://FirefoxAccounts", "scheme https or http"),
            ("moz-extension://1234/", "scheme https or http"),
            ("file:///etc/passwd", "scheme https or http"),
            ("ssh://example.com", "scheme https or http"),
            ("cmd://example.com", "scheme https or http"),
            ("app://com.example.app", "scheme https or http"),
            ("view-source:https://example.com/", "port"),
            ("about:blank", "port"),
            ("https://example.com;https://other.test", "port"),
            ("<https://example.com>", "port"),
            ("\"example.com\"", "made of"),
            ("example.com\u{feff}", "xn--"),
            ("\u{212a}.example", "xn--"),
            ("\u{17f}ite.example", "xn--"),
            ("\u{130}site.example", "xn--"),
            ("http://[fe80::1%25eth0]/", "address"),
            ("[::1].", "port"),
            ("0177.0.0.1", "address"),
            ("127.1", "address"),
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

    #[test]
    fn knows_this_machine() {
        for (text, expected) in [
            ("localhost", true),
            ("app.localhost", true),
            ("127.0.0.1", true),
            ("127.8.9.10", true),
            ("[::1]", true),
            ("notlocalhost", false),
            ("localhost.example", false),
            ("128.0.0.1", false),
            ("0.0.0.0", false),
            ("[::ffff:127.0.0.1]", false),
        ] {
            assert_eq!(Domain::parse(text).unwrap().is_loopback(), expected, "{text}");
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
                format!("HTTP://u:p@{name}.:{port}/x?y#z"),
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
