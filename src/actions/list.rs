//! `list`: pages of credentials in order of creation, oldest first, so that pages stay as they are while others append.

use super::stored::{Stored, domain_prefix};
use super::{CredentialView, Vault};
use crate::catalog::{Fault, Index, Snapshot};
use crate::credential::{CredentialId, Domain};
use crate::error::{Code, Error, Result};
use crate::seal::Purpose;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::ControlFlow;

/// Most credentials on a page.
pub const LIMIT_MAX: i64 = 100;
/// Credentials on a page when the caller does not say.
pub const LIMIT_DEFAULT: i64 = 20;

/// Which credentials to list, as the caller gave it.
#[derive(Clone, Default)]
pub struct ListQuery {
    /// Exactly this domain, after normalisation.
    pub domain: Option<String>,
    /// Part of the name or domain, regardless of case, or exactly the id. Empty: all.
    pub query: Option<String>,
    /// Those that `supply` would release to the page of this origin.
    pub origin: Option<String>,
    /// Also those that are archived.
    pub archived: bool,
    /// 1-100; absent: 20.
    pub limit: Option<i64>,
    /// From 0; absent: 0.
    pub offset: Option<i64>,
}

/// One page.
#[derive(Clone)]
pub struct Page {
    pub items: Vec<CredentialView>,
    /// The offset of the next page; `None` on the last.
    pub next_offset: Option<u32>,
}

/// Lists credentials.
///
/// Errors: [`Code::BadRequest`], those of a read.
pub fn list(vault: &Vault<'_>, query: &ListQuery) -> Result<Page> {
    if query.origin.as_deref().is_some_and(|origin| !origin.is_empty()) {
        return Err(Error::new(Code::NotSupported, "origin can't be looked for yet"));
    }
    let limit = match query.limit.unwrap_or(LIMIT_DEFAULT) {
        limit @ 1..=LIMIT_MAX => limit as usize,
        _ => return Err(Error::bad_request("limit must be a whole number from 1 to 100")),
    };
    let offset = u32::try_from(query.offset.unwrap_or(0))
        .map_err(|_| Error::bad_request("offset must be a whole number from 0 to 4294967295"))?;
    let domain = query.domain.as_deref().filter(|text| !text.is_empty()).map(Domain::parse).transpose()?;
    let text = query.query.as_deref().filter(|text| !text.is_empty()).map(str::to_lowercase);
    let found = vault.catalog.read(|snapshot| {
        let mut found = Collector { limit, skip: 0, items: Vec::new(), has_more: false };
        if !vault.principal.restriction.is_none() {
            found.skip = offset;
            of_restricted(vault, snapshot, domain.as_ref(), |stored| {
                found.add_if(stored, text.as_deref().unwrap_or_default())
            })?;
            return Ok(found);
        }
        match (&domain, &text) {
            (None, None) => {
                snapshot.walk(Index::Id, offset, &mut |entry| found.add(|| Stored::from_entry(entry)))?;
            }
            (Some(domain), None) => of_domain(snapshot, domain, offset, |read| found.add(read))?,
            (None, Some(text)) => {
                found.skip = offset;
                snapshot.walk(Index::Id, 0, &mut |entry| found.add_if(Stored::from_entry(entry)?, text))?;
            }
            (Some(domain), Some(text)) => {
                found.skip = offset;
                of_domain(snapshot, domain, 0, |read| found.add_if(read()?, text))?;
            }
        }
        Ok(found)
    })?;
    let next_offset = if found.has_more { offset.checked_add(limit as u32) } else { None };
    Ok(Page { items: found.items.into_iter().map(CredentialView::listed).collect(), next_offset })
}

/// Takes a page of matches, and notes whether there is one more.
struct Collector {
    limit: usize,
    /// Matches to pass over.
    skip: u32,
    items: Vec<Stored>,
    has_more: bool,
}

impl Collector {
    /// Counts a match, which is read only if it is on the page.
    fn add(&mut self, read: impl FnOnce() -> Result<Stored, Fault>) -> Result<ControlFlow<()>, Fault> {
        if self.skip > 0 {
            self.skip -= 1;
        } else if self.items.len() == self.limit {
            self.has_more = true;
            return Ok(ControlFlow::Break(()));
        } else {
            self.items.push(read()?);
        }
        Ok(ControlFlow::Continue(()))
    }

    /// `text` is in lower case.
    fn add_if(&mut self, stored: Stored, text: &str) -> Result<ControlFlow<()>, Fault> {
        let matches =
            stored.name.to_lowercase().contains(text) || stored.domain.contains(text) || stored.id.to_text() == text;
        if matches { self.add(|| Ok(stored)) } else { Ok(ControlFlow::Continue(())) }
    }
}

/// Visits what a restricted principal may see of all credentials, or of a domain, in order of creation. What it may not
/// see is not looked for, so that it does not show in what that costs.
fn of_restricted(
    vault: &Vault<'_>,
    snapshot: &Snapshot<'_>,
    domain: Option<&Domain>,
    mut visit: impl FnMut(Stored) -> Result<ControlFlow<()>, Fault>,
) -> Result<(), Fault> {
    let restriction = &vault.principal.restriction;
    let mut candidates: Vec<CredentialId> = Vec::new();
    let is_wanted = |host: &Domain| domain.is_none_or(|domain| domain == host);
    match (&restriction.credentials, &restriction.domains) {
        (Some(ids), _) => ids.iter().for_each(|id| merge(&mut candidates, &[*id])),
        (None, domains) => {
            for host in domains.iter().flatten().filter(|host| is_wanted(host)) {
                merge(&mut candidates, &ids_of_domain(snapshot, host)?);
            }
        }
    }
    for id in candidates {
        let Some(entry) = snapshot.get(Index::Id, id.as_bytes())? else { continue };
        let stored = Stored::from_entry(&entry)?;
        let has_domain = domain.is_none_or(|domain| stored.hosts().any(|host| host == domain.as_str()));
        if has_domain && restriction.allows(stored.id, stored.hosts()) && visit(stored)?.is_break() {
            break;
        }
    }
    Ok(())
}

/// Merges ids in order into others in order; what is in both stays there once.
fn merge(ids: &mut Vec<CredentialId>, more: &[CredentialId]) {
    let mut merged = Vec::with_capacity(ids.len() + more.len());
    let (mut left, mut right) = (ids.iter().copied().peekable(), more.iter().copied().peekable());
    while let Some(id) = left.peek().into_iter().chain(right.peek()).min().copied() {
        left.next_if_eq(&id);
        right.next_if_eq(&id);
        merged.push(id);
    }
    *ids = merged;
}

fn ids_of_domain(snapshot: &Snapshot<'_>, domain: &Domain) -> Result<Vec<CredentialId>, Fault> {
    let prefix = domain_prefix(domain.as_str());
    let mut ids = Vec::new();
    snapshot.walk(Index::Domain, snapshot.rank(Index::Domain, &prefix)?, &mut |entry| {
        let Some(id) = entry.key.strip_prefix(prefix.as_slice()) else { return Ok(ControlFlow::Break(())) };
        let id = <[u8; 16]>::try_from(id).map_err(|_| Fault::corrupt(Purpose::Node))?;
        ids.push(CredentialId::from_bytes(id));
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(ids)
}

/// Reads the credential that a visit is about.
type Read<'r> = &'r dyn Fn() -> Result<Stored, Fault>;

/// Visits the credentials of a domain in order of creation, from the `skip`-th on. Each is read when asked for.
fn of_domain(
    snapshot: &Snapshot<'_>,
    domain: &Domain,
    skip: u32,
    mut visit: impl FnMut(Read<'_>) -> Result<ControlFlow<()>, Fault>,
) -> Result<(), Fault> {
    let prefix = domain_prefix(domain.as_str());
    let first = snapshot.rank(Index::Domain, &prefix)?;
    snapshot.walk(Index::Domain, first.saturating_add(skip), &mut |entry| {
        let Some(id) = entry.key.strip_prefix(prefix.as_slice()) else { return Ok(ControlFlow::Break(())) };
        visit(&|| {
            let entry = snapshot.get(Index::Id, id)?.ok_or_else(|| Fault::corrupt(Purpose::Node))?;
            Stored::from_entry(&entry)
        })
    })
}
