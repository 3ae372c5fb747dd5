//! What a setting grants to somebody: a name for the log, scopes, and the limits that follow them.

use super::{Restriction, Scope, Scopes};
use crate::credential::{CredentialId, Domain};
use crate::time::Timestamp;
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// Longest name.
const NAME_MAX_BYTES: usize = 64;
/// 9999-12-31T23:59:59Z: what is later was not meant to be seconds.
const EXPIRY_MAX_SECONDS: u64 = 253_402_300_799;

/// A broken rule of an entry, as the end of a sentence. Never holds a part of the entry.
pub type Rule = &'static str;

/// Somebody's rights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Stands for them in logs; see [`is_word`].
    pub name: String,
    pub scopes: Scopes,
    /// From when on nothing is granted any more.
    pub expiry: Option<Timestamp>,
    pub restriction: Restriction,
}

impl Grant {
    /// Reads a setting `name:scopes`, with limits where there are some.
    pub fn parse(text: &str) -> Result<Self, Rule> {
        let mut fields = split_fields(text);
        let (Some(name), Some(scopes)) = (fields.next(), fields.next()) else {
            return Err("must have the form name:scope+scope, then :expiry=, :domains= and :credentials= where wanted");
        };
        Self::from_fields(name, scopes, fields)
    }

    /// `limits` are `expiry=SECONDS` since 1970, or the bare number; `domains=host+host` with IPv6 addresses in brackets;
    /// `credentials=id+id`. Each at most once, in any order. What is not known is refused: it may have been meant to
    /// restrict.
    pub(super) fn from_fields<'t>(
        name: &str,
        scopes: &str,
        limits: impl Iterator<Item = &'t str>,
    ) -> Result<Self, Rule> {
        if !is_word(name) {
            return Err("must begin with a name of 1-64 letters, digits, '.', '_' and '-'");
        }
        let Some(scopes) = Scopes::parse(scopes) else {
            return Err(Scopes::RULE);
        };
        let (mut expiry, mut domains, mut credentials) = (None, None, None);
        for limit in limits {
            let is_first = match limit.split_once('=').unwrap_or(("expiry", limit)) {
                ("expiry", seconds) => expiry.replace(parse_expiry(seconds)?).is_none(),
                ("domains", list) => domains.replace(parse_domains(list)?).is_none(),
                ("credentials", list) => credentials.replace(parse_credentials(list)?).is_none(),
                _ => return Err("must have no limits but expiry=, domains= and credentials="),
            };
            if !is_first {
                return Err("must have each limit only once");
            }
        }
        let restriction = Restriction { domains, credentials };
        if scopes.contains(Scope::Admin) && !restriction.is_none() {
            return Err("must not restrict the scope admin, which is for the project as a whole");
        }
        Ok(Self { name: name.to_owned(), scopes, expiry, restriction })
    }

    /// A clock that was never set can't tell, so what ever expires is not valid then.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.expiry.is_none_or(|expiry| Timestamp::CLOCK_SET <= now && now < expiry)
    }

    /// The limits, each with a colon before it.
    pub(super) fn write_limits(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(expiry) = self.expiry {
            write!(formatter, ":expiry={}", expiry.seconds())?;
        }
        if let Some(domains) = &self.restriction.domains {
            for (position, domain) in domains.iter().enumerate() {
                formatter.write_str(if position == 0 { ":domains=" } else { "+" })?;
                let host = domain.as_str();
                if host.contains(':') { write!(formatter, "[{host}]")? } else { formatter.write_str(host)? }
            }
        }
        if let Some(credentials) = &self.restriction.credentials {
            for (position, id) in credentials.iter().enumerate() {
                write!(formatter, "{}{id}", if position == 0 { ":credentials=" } else { "+" })?;
            }
        }
        Ok(())
    }
}

/// As [`Grant::parse`] reads it.
impl fmt::Display for Grant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.name, self.scopes)?;
        self.write_limits(formatter)
    }
}

/// Whether a text can name somebody: 1-64 letters, digits, `.`, `_` and `-`. Names stand between colons in settings, and
/// in logs.
pub fn is_word(text: &str) -> bool {
    (1..=NAME_MAX_BYTES).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

/// Splits at colons, but not inside the brackets of an IPv6 address.
pub(super) fn split_fields(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    // By bytes: this is done for each entry at each request, and characters are ten times as slow.
    core::iter::from_fn(move || {
        let text = rest?;
        let mut is_inside = false;
        let colon = text.bytes().position(|byte| {
            match byte {
                b'[' => is_inside = true,
                b']' => is_inside = false,
                _ => {}
            }
            byte == b':' && !is_inside
        });
        let (field, after) = match colon {
            Some(at) => (text.get(..at)?, text.get(at + 1..)),
            None => (text, None),
        };
        rest = after;
        Some(field)
    })
}

fn parse_expiry(text: &str) -> Result<Timestamp, Rule> {
    let is_decimal = text.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = text.parse().ok().filter(|&seconds| is_decimal && seconds <= EXPIRY_MAX_SECONDS);
    seconds.map(Timestamp::from_seconds).ok_or("must expire at a number of seconds since 1970, before the year 10000")
}

fn parse_domains(list: &str) -> Result<Vec<Domain>, Rule> {
    list.split('+').map(|text| Domain::parse(text).map_err(|_| "must be restricted to well-formed domains")).collect()
}

fn parse_credentials(list: &str) -> Result<Vec<CredentialId>, Rule> {
    list.split('+').map(|text| CredentialId::parse(text).ok_or("must be restricted to ids of credentials")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::ToString;

    const ID: &str = "cred_06e5n2qp0000000000000000c0";

    #[test]
    fn grants_are_read_and_written() {
        for text in [
            "scout:read".to_owned(),
            "scout:read+totp:expiry=1800000000".to_owned(),
            format!("s.c-o_ut:totp:domains=a.example+[2001:db8::1]+127.0.0.1:credentials={ID}"),
            format!("scout:read:expiry=1:domains=[::1]:credentials={ID}+{ID}"),
        ] {
            assert_eq!(Grant::parse(&text).map(|grant| grant.to_string()), Ok(text));
        }
        let other = Grant::parse(&format!("x:totp+read:credentials={ID}:domains=A.Example.:5")).unwrap();
        assert_eq!(other.to_string(), format!("x:read+totp:expiry=5:domains=a.example:credentials={ID}"));
    }

    #[test]
    fn what_is_not_understood_grants_nothing() {
        for text in [
            "",
            "canary",
            ":read",
            "can ary:read",
            "canary:",
            "canary:root",
            "canary:read:",
            "canary:read:soon",
            "canary:read:+5",
            "canary:read:-5",
            "canary:read:253402300800",
            "canary:read:expiry=",
            "canary:read:1:expiry=1",
            "canary:read:domains=",
            "canary:read:domains=a.example:domains=b.example",
            "canary:read:domains=a.example+",
            "canary:read:domains=a..example",
            "canary:read:domains=::1",
            "canary:read:domains=[::1",
            "canary:read:credentials=",
            "canary:read:credentials=example",
            "canary:read:Domains=a.example",
            "canary:read:domain=a.example",
            "canary:read+admin:domains=a.example",
        ] {
            let rule = Grant::parse(text).expect_err(text);
            assert!(!rule.contains("canary"), "{text}");
        }
    }

    #[test]
    fn grants_expire_at_their_second_and_need_a_set_clock() {
        let grant = Grant::parse("scout:read:1800000000").unwrap();
        assert!(grant.is_valid(Timestamp::from_seconds(1_799_999_999)));
        assert!(!grant.is_valid(Timestamp::from_seconds(1_800_000_000)));
        assert!(!grant.is_valid(Timestamp::from_seconds(0)));
        assert!(Grant::parse("scout:read").unwrap().is_valid(Timestamp::from_seconds(0)));
    }
}
