//! Bearer tokens (RFC 6750): finding one in a request, and with it who asks for which project.

use super::Request;
use crate::access::{self, Principal};
use crate::error::{Code, Error, Result};
use crate::platform::Clock;
use crate::seal::Project;
use crate::settings::{Settings, TOKENS};
use alloc::borrow::ToOwned;

/// Who came with a request's `authorization` header, and the project their token opens.
///
/// Errors: [`Code::Unauthorized`], the same for a token that is missing, ill-formed, unknown or expired;
/// [`Code::Misconfigured`] when the setting `strongroom_tokens` is ill-formed.
pub fn authenticate(clock: &dyn Clock, settings: &dyn Settings, request: &Request<'_>) -> Result<(Principal, Project)> {
    let unauthorized = || Error::new(Code::Unauthorized, "a known bearer token is required");
    let presented = request.header("authorization").ok().flatten().and_then(bearer).ok_or_else(unauthorized)?;
    let setting = settings.get(TOKENS)?.unwrap_or_default();
    let entry = access::find(&setting, presented, clock.now())?.ok_or_else(unauthorized)?;
    let project = entry.project.clone();
    let principal = Principal { request_id: request.id().map(ToOwned::to_owned), ..entry.into_principal() };
    Ok((principal, project))
}

/// The project headers of the official clients may name the token's own project only. Errors: [`Code::Forbidden`].
pub fn check_project(project: &Project, request: &Request<'_>) -> Result<()> {
    for header in ["x-kernel-project-id", "x-kernel-project"] {
        if request.header(header)?.is_some_and(|named| named != project.as_str()) {
            return Err(Error::new(Code::Forbidden, "project must be the token's own"));
        }
    }
    Ok(())
}

/// The token of `Bearer TOKEN`; the scheme in any case (RFC 9110, section 11.1).
fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;
    use alloc::format;
    use alloc::string::String;
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

    fn authenticate(setting: &str, headers: &[&str]) -> Result<(Principal, Project)> {
        let mut headers: Vec<_> = headers.iter().map(|v| ("authorization".to_owned(), v.as_bytes().to_vec())).collect();
        headers.push(("x-request-id".to_owned(), b"r-1".to_vec()));
        let request = Request { method: "GET", path_with_query: "/", headers: &headers, body: Ok(Vec::new()) };
        super::authenticate(&At(Timestamp::from_seconds(NOW)), &Tokens(setting.to_owned()), &request)
    }

    #[test]
    fn known_tokens_bring_a_principal_and_a_project() {
        let setting = format!("abc:p.1:read+totp:{ABC}");
        for header in ["Bearer abc", "bearer abc", "BEARER  abc "] {
            let (principal, project) = authenticate(&setting, &[header]).unwrap_or_else(|e| panic!("{header}: {e:?}"));
            assert_eq!((principal.name.as_str(), project.as_str()), ("abc", "p.1"));
            assert_eq!(principal.request_id.as_deref(), Some("r-1"));
            assert_eq!(format!("{}", principal.scopes), "read+totp");
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
            let error = authenticate(setting, headers).err().expect("must be refused");
            assert_eq!((error.code(), error.message()), (Code::Unauthorized, "a known bearer token is required"));
        }
    }
}
