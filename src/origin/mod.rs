//! Which page may be given which credential: the rule of `supply`.

mod public_suffix;

use crate::credential::{Domain, SiteUrl};
use crate::error::{Code, Error, Result};
use alloc::format;

/// Passes if the page with this origin or URL may be given a credential of this domain.
///
/// The scheme must be `https`, or `http` where the host is `localhost`. The host must equal the domain, or be below it
/// by whole labels while neither the domain nor any name from there down to the host is a public suffix: below one,
/// names belong to different owners. Addresses and `localhost` match exactly. Ports, paths, queries and fragments do
/// not count.
///
/// The origin is read strictly: user info, white space, control characters, and in front of the path also backslashes,
/// percent signs and non-ASCII characters are refused, not repaired.
///
/// Every refusal is `origin_refused` with a message that says which rule refused, and nothing of the input.
pub fn check(domain: &Domain, origin: &str) -> Result<()> {
    if origin.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return refuse("origin must not contain white space or control characters");
    }
    // Also `null`, `data:`, `blob:` and the like.
    let Some(scheme) = SiteUrl::scheme_of(origin) else {
        return refuse("origin must be a URL that begins with a scheme and ://");
    };
    let url = SiteUrl::parse(origin).map_err(|e| Error::new(Code::OriginRefused, format!("origin {}", e.rule())))?;
    if url.has_user_info {
        return refuse("origin must not hold user info");
    }
    let is_localhost = url.host.as_str() == "localhost";
    if !(scheme.eq_ignore_ascii_case("https") || is_localhost && scheme.eq_ignore_ascii_case("http")) {
        return refuse("origin must have the scheme https, or http for localhost");
    }
    check_host(domain, &url.host)
}

fn check_host(domain: &Domain, host: &Domain) -> Result<()> {
    if host == domain {
        return Ok(());
    }
    if domain.is_address() || host.is_address() {
        return refuse("origin must have the credential's IP address as its host, exactly");
    }
    let below = host.as_str().strip_suffix(domain.as_str()).and_then(|front| front.strip_suffix('.'));
    let Some(front) = below else {
        return refuse("origin must have the credential's domain as its host, or a host below it");
    };
    // The domain itself, then one label more at a time, down to the host.
    let fronts = front.rmatch_indices('.').map(|(dot, _)| dot + 1);
    let names = core::iter::once(front.len() + 1).chain(fronts).chain([0]);
    let names = names.filter_map(|start| host.as_str().get(start..));
    if public_suffix::any_is_public_suffix(names) {
        return refuse(
            "origin must have the credential's domain as its host, exactly: hosts below it have other owners",
        );
    }
    Ok(())
}

fn refuse(rule: &'static str) -> Result<()> {
    Err(Error::new(Code::OriginRefused, rule))
}

#[cfg(test)]
mod tests;
