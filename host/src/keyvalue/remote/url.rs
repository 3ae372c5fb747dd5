//! `scheme://user:password@host:port,host:port/path?name=value`, in which passwords can stand: no error quotes any of it.

use anyhow::{Context, Result, bail, ensure};
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

/// A store on other machines, as its URL names it.
#[derive(Clone, PartialEq, Eq)]
pub struct RemoteUrl {
    pub scheme: &'static str,
    pub user: Option<String>,
    pub password: Option<String>,
    /// At least one.
    pub hosts: Vec<Host>,
    /// What stands after the first slash; may be empty.
    pub path: String,
    pub tls: TlsFiles,
}

/// A host and its port. The name of one that begins with a slash is a folder with a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    pub name: String,
    pub port: u16,
}

/// What the URL says about TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// `sslmode`: whether there is TLS; where it does not say so, there is to every host but those of this machine.
    pub wanted: Option<bool>,
    /// `sslrootcert`: certificates of the authorities that are trusted, instead of the system's.
    pub authorities: Option<PathBuf>,
    /// `sslcert` and `sslkey`: what the host shows for itself.
    pub certificate: Option<PathBuf>,
    pub key: Option<PathBuf>,
}

impl RemoteUrl {
    /// What follows the scheme and `://`.
    pub fn parse(scheme: &'static str, default_port: u16, rest: &str) -> Result<Self> {
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, hosts) = authority.rsplit_once('@').map_or((None, authority), |(user, hosts)| (Some(user), hosts));
        let (user, password) = match user.map(|user| user.split_once(':').unwrap_or((user, ""))) {
            Some((user, password)) => (decode(user)?, decode(password)?),
            None => Default::default(),
        };
        let some = |text: String| Some(text).filter(|text| !text.is_empty());
        let hosts = hosts.split(',').map(|host| Host::parse(host, default_port)).collect::<Result<Vec<_>>>()?;
        let mut tls = TlsFiles::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = decode(value)?;
            match name {
                "sslmode" => {
                    tls.wanted = Some(match value.as_str() {
                        "disable" => false,
                        "require" | "verify-ca" | "verify-full" => true,
                        _ => bail!("--store: sslmode is `disable` or `verify-full`"),
                    });
                }
                "sslrootcert" => tls.authorities = Some(value.into()),
                "sslcert" => tls.certificate = Some(value.into()),
                "sslkey" => tls.key = Some(value.into()),
                _ => bail!("--store: the parameters of the URL are sslmode, sslrootcert, sslcert and sslkey"),
            }
        }
        ensure!(
            tls.certificate.is_some() == tls.key.is_some(),
            "--store: sslcert and sslkey are given together or not at all"
        );
        Ok(Self { scheme, user: some(user), password: some(password), hosts, path: decode(path)?, tls })
    }
}

impl Host {
    fn parse(text: &str, default_port: u16) -> Result<Self> {
        let in_brackets = text.strip_prefix('[').and_then(|rest| rest.split_once(']'));
        let (name, port) = match in_brackets {
            Some((name, port)) => (name, port.strip_prefix(':')),
            None => text.split_once(':').map_or((text, None), |(name, port)| (name, Some(port))),
        };
        let port = port.map_or(Ok(default_port), str::parse).ok().context("--store: a port is a number to 65535")?;
        let name = decode(name)?;
        ensure!(!name.is_empty(), "--store: the URL names no host, or an empty one");
        Ok(Self { name, port })
    }

    /// Whether what is sent to it never leaves this machine.
    pub fn is_local(&self) -> bool {
        self.name.starts_with('/')
            || self.name == "localhost"
            || self.name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

impl TlsFiles {
    pub fn is_wanted(&self, host: &Host) -> bool {
        self.wanted.unwrap_or(!host.is_local())
    }
}

/// Without user, password and parameters.
impl fmt::Display for RemoteUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts: Vec<_> = self.hosts.iter().map(|host| format!("{}:{}", host.name, host.port)).collect();
        write!(formatter, "{}://{}/{}", self.scheme, hosts.join(","), self.path)
    }
}

impl fmt::Debug for RemoteUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// RFC 3986, section 2.1.
fn decode(text: &str) -> Result<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|byte| char::from(byte).to_digit(16));
        let (high, low) = (digit(), digit());
        let value = high.zip(low).context("--store: after a % of the URL two hexadecimal digits follow")?;
        bytes.push((value.0 << 4 | value.1) as u8);
    }
    String::from_utf8(bytes).ok().context("--store: the URL is not UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(rest: &str) -> Result<RemoteUrl> {
        RemoteUrl::parse("etcd", 2379, rest)
    }

    #[test]
    fn every_part_is_read() {
        let url =
            parse("us%40er:p%3Aw@a.example,[::1]:99,%2Frun%2Fpg:1/the/path?sslmode=verify-full&sslrootcert=%2Fca")
                .unwrap();
        assert_eq!((url.user.as_deref(), url.password.as_deref()), (Some("us@er"), Some("p:w")));
        let hosts: Vec<_> = url.hosts.iter().map(|host| (host.name.as_str(), host.port, host.is_local())).collect();
        assert_eq!(hosts, [("a.example", 2379, false), ("::1", 99, true), ("/run/pg", 1, true)]);
        assert_eq!(url.path, "the/path");
        assert_eq!((url.tls.wanted, url.tls.authorities), (Some(true), Some("/ca".into())));
        assert_eq!(parse("h").unwrap().to_string(), "etcd://h:2379/");
    }

    #[test]
    fn tls_is_the_rule_beyond_this_machine() {
        let url = parse("127.0.0.1,localhost,10.0.0.1,name").unwrap();
        let wanted: Vec<_> = url.hosts.iter().map(|host| url.tls.is_wanted(host)).collect();
        assert_eq!(wanted, [false, false, true, true]);
        let url = parse("name?sslmode=disable").unwrap();
        assert!(!url.tls.is_wanted(&url.hosts[0]));
    }

    #[test]
    fn errors_quote_nothing() {
        for url in [
            "u:hunter2@",
            "u:hunter2@h:70000",
            "u:hunter2@h,,h",
            "u:hunter2%2@h",
            "u:hunter2@h?sslmode=prefer",
            "u:hunter2@h?secret=hunter2",
            "u:hunter2@h?sslcert=/c",
            "u:hunter2%ff@h",
        ] {
            let error = format!("{:#}", parse(url).unwrap_err());
            assert!(error.starts_with("--store: ") && !error.contains("hunter2"), "{url}: {error}");
        }
        assert!(!format!("{:?}", parse("user:hunter2@h").unwrap()).contains("hunter2"));
    }
}
