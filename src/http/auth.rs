//! Bearer tokens (RFC 6750) and what they are allowed.

use super::Request;
use crate::error::{Code, Error, Result};
use crate::platform::Clock;
use crate::seal::Project;
use crate::settings::{Settings, TOKENS};
use crate::time::Timestamp;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

/// SHA-256.
const HASH_BYTES: usize = 32;

/// What a token can be allowed. None includes another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// List and get.
    Read,
    /// One-time codes.
    Totp,
    /// Create, replace, update and delete. Their answers show the metadata of the credential they changed.
    Write,
    /// Release of stored values.
    Supply,
    /// Kept for the management of a vault; no route asks for it yet.
    Admin,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Scope; 5] = [Scope::Read, Scope::Totp, Scope::Write, Scope::Supply, Scope::Admin];

    /// The name in the setting.
    pub const fn as_str(self) -> &'static str {
        match self {
            Scope::Read => "read",
            Scope::Totp => "totp",
            Scope::Write => "write",
            Scope::Supply => "supply",
            Scope::Admin => "admin",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// A token that was presented and is known.
pub struct Token {
    /// The name in the setting: the token itself is forgotten at once.
    pub name: String,
    pub project: Project,
    scopes: u8,
}

impl Token {
    /// The token of a request's `authorization` header, if the setting `strongroom_tokens` has it.
    ///
    /// Errors: [`Code::Unauthorized`], the same for a token that is missing, ill-formed, unknown or expired;
    /// [`Code::Misconfigured`] when the setting is ill-formed.
    pub fn authenticate(clock: &dyn Clock, settings: &dyn Settings, request: &Request<'_>) -> Result<Self> {
        let unauthorized = || Error::new(Code::Unauthorized, "a known bearer token is required");
        let presented = request.header("authorization").ok().flatten().and_then(bearer).ok_or_else(unauthorized)?;
        let digest: [u8; HASH_BYTES] = Sha256::digest(presented.as_bytes()).into();
        let setting = settings.get(TOKENS)?.unwrap_or_default();
        // 0: none. All entries are compared, so that the time does not tell which one was close.
        let mut found = 0u32;
        for (number, text) in (1u32..).zip(setting.split_whitespace()) {
            let entry = Entry::parse(text).ok_or_else(|| misconfigured(number))?;
            let is_ours = entry.hash.ct_eq(&digest) & Choice::from(u8::from(entry.is_valid(clock)));
            found.conditional_assign(&number, is_ours);
        }
        let entry = found.checked_sub(1).and_then(|index| setting.split_whitespace().nth(index as usize));
        entry.and_then(Entry::parse).map(Entry::into_token).ok_or_else(unauthorized)
    }

    /// Errors: [`Code::Forbidden`].
    pub fn check(&self, scope: Scope) -> Result<()> {
        if self.scopes & scope.bit() == 0 {
            return Err(Error::new(Code::Forbidden, format!("the token has not the scope {}", scope.as_str())));
        }
        Ok(())
    }

    /// The project headers of the official clients may name the token's own project only. Errors: [`Code::Forbidden`].
    pub fn check_project(&self, request: &Request<'_>) -> Result<()> {
        for header in ["x-kernel-project-id", "x-kernel-project"] {
            if request.header(header)?.is_some_and(|project| project != self.project.as_str()) {
                return Err(Error::new(Code::Forbidden, "project must be the token's own"));
            }
        }
        Ok(())
    }
}

/// The token of `Bearer TOKEN`; the scheme in any case (RFC 9110, section 11.1).
fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

fn misconfigured(number: u32) -> Error {
    Error::new(
        Code::Misconfigured,
        format!("strongroom_tokens: entry {number} must have the form name:project:scope+scope:sha256hex[:expiry]"),
    )
}

/// One entry of the setting: `name:project:scope+scope:sha256hex`, with `:expiry` in seconds since 1970 where it expires.
struct Entry<'a> {
    name: &'a str,
    project: Project,
    scopes: u8,
    hash: [u8; HASH_BYTES],
    expiry: Option<Timestamp>,
}

impl<'a> Entry<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut fields = text.split(':');
        let (name, project, scopes, hash) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
        let expiry = fields.next().map(|text| text.parse().map(Timestamp::from_seconds)).transpose().ok()?;
        if name.is_empty() || fields.next().is_some() {
            return None;
        }
        Some(Self { name, project: Project::parse(project)?, scopes: scope_bits(scopes)?, hash: unhex(hash)?, expiry })
    }

    /// A clock that was never set can't tell, so a token that ever expires is refused then.
    fn is_valid(&self, clock: &dyn Clock) -> bool {
        self.expiry.is_none_or(|expiry| {
            let now = clock.now();
            Timestamp::CLOCK_SET <= now && now < expiry
        })
    }

    fn into_token(self) -> Token {
        Token { name: self.name.to_owned(), project: self.project, scopes: self.scopes }
    }
}

fn scope_bits(list: &str) -> Option<u8> {
    list.split('+').try_fold(0, |bits, name| {
        let scope = Scope::ALL.into_iter().find(|scope| scope.as_str() == name)?;
        Some(bits | scope.bit())
    })
}

fn unhex(text: &str) -> Option<[u8; HASH_BYTES]> {
    let mut bytes = [0; HASH_BYTES];
    let mut digits = text.chars().map(|digit| digit.to_digit(16));
    for byte in &mut bytes {
        let (high, low) = (digits.next()??, digits.next()??);
        *byte = (high << 4 | low) as u8;
    }
    digits.next().is_none().then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    struct At(Timestamp);

    impl Clock for At {
        fn now(&self) -> Timestamp {
            self.0
        }
    }

    struct Tokens(String);

    impl Settings for Tokens {
        fn get(&self, name: &str) -> Result<Option<String>> {
            Ok((name == TOKENS).then(|| self.0.clone()))
        }
    }

    /// FIPS 180-4, example for "abc".
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    const NOW: u64 = 1_800_000_000;

    fn authenticate(setting: &str, headers: &[&str], seconds: u64) -> Result<Token> {
        let headers: Vec<_> = headers.iter().map(|v| ("authorization".to_owned(), v.as_bytes().to_vec())).collect();
        let request = Request { method: "GET", path_with_query: "/", headers: &headers, body: Ok(Vec::new()) };
        Token::authenticate(&At(Timestamp::from_seconds(seconds)), &Tokens(setting.to_owned()), &request)
    }

    #[test]
    fn known_tokens_bring_name_project_and_scopes() {
        let other = "0".repeat(64);
        let setting = format!("x:p:read:{other}  abc:p.1:read+totp:{ABC}\n y:p:write:{other}");
        for header in ["Bearer abc", "bearer abc", "BEARER  abc "] {
            let token = authenticate(&setting, &[header], NOW).unwrap_or_else(|error| panic!("{header}: {error:?}"));
            assert_eq!((token.name.as_str(), token.project.as_str()), ("abc", "p.1"));
            let allowed: Vec<_> = Scope::ALL.into_iter().filter(|scope| token.check(*scope).is_ok()).collect();
            assert_eq!(allowed, [Scope::Read, Scope::Totp]);
        }
    }

    #[test]
    fn whatever_is_wrong_with_a_token_the_answer_is_the_same() {
        let setting = format!("abc:p:read:{ABC}");
        let expired = format!("abc:p:read:{ABC}:{NOW}");
        let cases: [(&str, &[&str]); 11] = [
            (&setting, &[]),
            (&setting, &[""]),
            (&setting, &["abc"]),
            (&setting, &["Bearer"]),
            (&setting, &["Bearer "]),
            (&setting, &["Basic abc"]),
            (&setting, &["Bearer abd"]),
            (&setting, &["Bearer ABC"]),
            (&setting, &["Bearer abc", "Bearer abc"]),
            (&expired, &["Bearer abc"]),
            ("", &["Bearer abc"]),
        ];
        for (setting, headers) in cases {
            let error = authenticate(setting, headers, NOW).err().expect("must be refused");
            assert_eq!((error.code(), error.message()), (Code::Unauthorized, "a known bearer token is required"));
        }
    }

    #[test]
    fn tokens_expire_at_their_second_and_need_a_set_clock() {
        let setting = format!("abc:p:read:{ABC}:{NOW}");
        assert!(authenticate(&setting, &["Bearer abc"], NOW - 1).is_ok());
        assert!(authenticate(&setting, &["Bearer abc"], NOW).is_err());
        assert!(authenticate(&setting, &["Bearer abc"], 0).is_err());
        assert!(authenticate(&format!("abc:p:read:{ABC}"), &["Bearer abc"], 0).is_ok());
    }

    #[test]
    fn ill_formed_settings_are_named_by_entry_and_never_quoted() {
        let good = format!("abc:p:read:{ABC}");
        for entry in [
            "canary".to_owned(),
            "canary:p:read".to_owned(),
            format!(":p:read:{ABC}"),
            format!("canary::read:{ABC}"),
            format!("canary:p/q:read:{ABC}"),
            format!("canary:p::{ABC}"),
            format!("canary:p:root:{ABC}"),
            format!("canary:p:read+:{ABC}"),
            format!("canary:p:read:{}", &ABC[1..]),
            format!("canary:p:read:{ABC}0"),
            format!("canary:p:read:{}g", &ABC[1..]),
            format!("canary:p:read:{ABC}:soon"),
            format!("canary:p:read:{ABC}:1:2"),
        ] {
            let error = authenticate(&format!("{good} {entry}"), &["Bearer abc"], NOW).err().expect(&entry);
            assert_eq!(error.code(), Code::Misconfigured);
            assert!(error.message().contains("entry 2") && !error.message().contains("canary"));
        }
    }
}
