//! `list`: pages of credentials in order of creation, oldest first, so that pages stay as they are while others append.

use super::indexes::{domain_prefix, is_allowed};
use super::named::Named;
use super::sought::Sought;
use super::stored::Stored;
use super::{CredentialView, Vault, trash};
use crate::access::Restriction;
use crate::catalog::{Fault, Index, Snapshot};
use crate::credential::{CredentialId, Domain};
use crate::error::{Code, Error, Result};
use crate::seal::Purpose;
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::ControlFlow;

/// Most credentials on a page.
pub const LIMIT_MAX: i64 = 100;
/// Credentials on a page when the caller does not say.
const LIMIT_DEFAULT: i64 = 20;
/// What `limit` and `offset` must be.
pub const LIMIT_RULE: &str = "a whole number from 1 to 100";
pub const OFFSET_RULE: &str = "a whole number from 0 to 4294967295";

/// Which credentials to list, as the caller gave it.
#[derive(Clone, Default)]
pub struct ListQuery {
    /// With exactly this host, after normalisation.
    pub domain: Option<String>,
    /// Part of the name, of a host or of the description, regardless of case, or exactly the id. Empty: all.
    pub query: Option<String>,
    /// Those that `supply` would release to the page of this origin.
    pub origin: Option<String>,
    /// Those that are switched off, instead of the others.
    pub archived: bool,
    /// Those that were deleted and can be restored, instead of the others.
    pub deleted: bool,
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

/// What a credential must fulfil to be listed.
struct Filter {
    domain: Option<Domain>,
    /// In lower case.
    text: Option<Sought>,
    /// The hosts whose credentials may be released to the page; `None`: any.
    released: Option<Vec<Domain>>,
}

/// Lists credentials.
///
/// Errors: [`Code::BadRequest`], [`Code::Forbidden`] for a principal restricted to domains that asks for what is switched
/// off or deleted, [`Code::OriginRefused`] for an origin to which nothing is ever released, those of
/// a read.
pub fn list(vault: &Vault<'_>, query: &ListQuery) -> Result<Page> {
    let limit = page_limit(query.limit, LIMIT_DEFAULT)?;
    let offset = u32::try_from(query.offset.unwrap_or(0)).map_err(|_| Error::must_be("offset", OFFSET_RULE))?;
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let filter = Filter {
        domain: given(&query.domain).map(|text| Domain::parse(&text)).transpose()?,
        text: given(&query.query).map(|text| Sought::new(&text)),
        released: given(&query.origin).map(|origin| vault.origin(&origin)).transpose()?.map(|page| page.domains()),
    };
    let place = match (query.deleted, query.archived) {
        (true, _) => Index::Trash,
        (false, true) => Index::Archive,
        (false, false) => Index::Id,
    };
    let page = PageRequest { limit, offset, place };
    let (mut found, has_more) = filter.find(vault, page)?;
    found.truncate(limit);
    let next_offset = if has_more { offset.checked_add(limit as u32) } else { None };
    Ok(Page { items: found.into_iter().map(CredentialView::listed).collect(), next_offset })
}

/// How many things a page has at most.
pub fn page_limit(asked: Option<i64>, default: i64) -> Result<usize> {
    match asked.unwrap_or(default) {
        limit @ 1..=LIMIT_MAX => Ok(limit as usize),
        _ => Err(Error::must_be("limit", LIMIT_RULE)),
    }
}

#[derive(Clone, Copy)]
struct PageRequest {
    limit: usize,
    offset: u32,
    place: Index,
}

impl Filter {
    /// The credentials of the page, perhaps one more, and whether there are more.
    fn find(&self, vault: &Vault<'_>, page: PageRequest) -> Result<(Vec<Stored>, bool)> {
        let restriction = &vault.principal.restriction;
        if let (Some(text), None, None, true, Index::Id) =
            (&self.text, &self.domain, &self.released, restriction.is_none(), page.place)
        {
            // The answer to whether there are more is that of the search: some may be deleted since.
            let mut ids = search(vault, text, page)?;
            let has_more = ids.len() > page.limit;
            if has_more {
                ids.pop_last();
            }
            return Ok((self.of_ids(vault, PageRequest { offset: 0, ..page }, &ids)?, has_more));
        }
        let found = self.find_one_more(vault, page)?;
        let has_more = found.len() > page.limit;
        Ok((found, has_more))
    }

    /// The credentials of the page, and one more if there is one.
    fn find_one_more(&self, vault: &Vault<'_>, page: PageRequest) -> Result<Vec<Stored>> {
        let restriction = &vault.principal.restriction;
        if page.place != Index::Id {
            return match &restriction.credentials {
                Some(ids) => self.of_ids(vault, page, &set_of(&mut ids.iter().copied())),
                None if restriction.domains.is_none() => self.scan(vault, page),
                // No index tells its own from others', and to look at all would tell how many others there are.
                None => Err(Error::new(Code::Forbidden, "a caller that is restricted to domains can't list these")),
            };
        }
        match (self.candidates(restriction), &self.text) {
            (Candidates::All, _) => vault.catalog.read(|snapshot| {
                let mut found = Collector::new(page);
                snapshot.walk(Index::Id, page.offset, &mut |entry| Ok(found.add(Stored::from_entry(entry)?)))?;
                Ok(found.items)
            }),
            (Candidates::Hosts(hosts), None) if restriction.is_none() => {
                vault.catalog.read(|snapshot| of_hosts(snapshot, &hosts, page))
            }
            (Candidates::Hosts(hosts), _) => {
                let ids = vault.catalog.read(|snapshot| {
                    let mut ids = BTreeSet::new();
                    for host in &hosts {
                        ids_of_host(snapshot, host, 0, &mut |id| {
                            ids.insert(id);
                            ControlFlow::Continue(())
                        })?;
                    }
                    Ok(ids)
                })?;
                self.of_ids(vault, page, &ids)
            }
            (Candidates::Ids(ids), _) => self.of_ids(vault, page, &ids),
        }
    }

    /// The narrowest list of what can be on the page that an index gives.
    fn candidates(&self, restriction: &Restriction) -> Candidates {
        let asked = match (&self.domain, &self.released) {
            (Some(domain), _) => Some(Vec::from([domain.clone()])),
            (None, released) => released.clone(),
        };
        // What a principal may not see is not looked for, so that it does not show in what that costs.
        let hosts = match (asked, &restriction.domains) {
            (Some(asked), Some(own)) => Some(asked.into_iter().filter(|host| own.contains(host)).collect()),
            (asked, own) => asked.or_else(|| own.clone()),
        };
        match (&restriction.credentials, hosts) {
            (Some(ids), _) => Candidates::Ids(set_of(&mut ids.iter().copied())),
            (None, Some(hosts)) => Candidates::Hosts(hosts),
            (None, None) => Candidates::All,
        }
    }

    /// Looks at credentials one by one, in the order of their ids.
    fn of_ids(&self, vault: &Vault<'_>, page: PageRequest, ids: &BTreeSet<CredentialId>) -> Result<Vec<Stored>> {
        vault.catalog.read(|snapshot| {
            let mut found = Collector::new(page);
            found.skip = page.offset;
            for id in ids {
                let Some(entry) = snapshot.get(page.place, id.as_bytes())? else { continue };
                let stored = Stored::from_entry(&entry)?;
                let is_there = page.place != Index::Trash || trash::is_visible(vault, &stored)?;
                if is_there && self.wants(vault, &stored) && found.add(stored).is_break() {
                    break;
                }
            }
            Ok(found.items)
        })
    }

    /// Looks at all credentials of an index that is small as a rule.
    fn scan(&self, vault: &Vault<'_>, page: PageRequest) -> Result<Vec<Stored>> {
        let mut found = Collector::new(page);
        found.skip = page.offset;
        vault.catalog.walk(page.place, &[], &mut |entry| {
            let stored = Stored::from_entry(entry)?;
            let is_there = page.place != Index::Trash || trash::is_visible(vault, &stored)?;
            Ok(if is_there && self.wants(vault, &stored) { found.add(stored) } else { ControlFlow::Continue(()) })
        })?;
        Ok(found.items)
    }

    fn wants(&self, vault: &Vault<'_>, stored: &Stored) -> bool {
        let is_text = |text: &Sought| {
            text.is_in(stored.name.as_str())
                || stored.hosts().any(|host| text.is_in(host.as_str()))
                || stored.description.as_ref().is_some_and(|description| text.is_in(description.as_str()))
                || text.is_id(stored.id)
        };
        is_allowed(&vault.principal.restriction, stored)
            && self.domain.as_ref().is_none_or(|domain| stored.hosts().any(|host| host == domain))
            && self.released.as_ref().is_none_or(|hosts| stored.hosts().any(|host| hosts.contains(host)))
            && self.text.as_ref().is_none_or(is_text)
    }
}

enum Candidates {
    All,
    Hosts(Vec<Domain>),
    Ids(BTreeSet<CredentialId>),
}

/// The ids of the page and one more, out of all credentials that are searched in the compact index of names: the oldest
/// ones that match, but for those of earlier pages.
fn search(vault: &Vault<'_>, text: &Sought, page: PageRequest) -> Result<BTreeSet<CredentialId>> {
    let wanted = (page.offset as usize).saturating_add(page.limit).saturating_add(1);
    let mut ids = BTreeSet::new();
    vault.catalog.walk(Index::Name, &[], &mut |entry| {
        let named = Named::of(entry)?;
        let name = core::str::from_utf8(&entry.key).unwrap_or_default();
        let matches = text.is_in(name)
            || named.hosts.iter().any(|host| text.is_in(host))
            || named.description.as_deref().is_some_and(|description| text.is_in(description))
            || text.is_id(named.id);
        if matches && !named.is_archived {
            ids.insert(named.id);
            if ids.len() > wanted {
                ids.pop_last();
            }
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(set_of(&mut ids.into_iter().skip(page.offset as usize)))
}

/// One by one, because `collect` sorts first, and the code that sorts is 35 KB of the component.
fn set_of(ids: &mut dyn Iterator<Item = CredentialId>) -> BTreeSet<CredentialId> {
    let mut set = BTreeSet::new();
    set.extend(ids);
    set
}

/// The page of the credentials that have one of these hosts.
fn of_hosts(snapshot: &Snapshot<'_>, hosts: &[Domain], page: PageRequest) -> Result<Vec<Stored>, Fault> {
    let mut ids = BTreeSet::new();
    let wanted = page.limit + 1;
    match hosts {
        [host] => ids_of_host(snapshot, host, page.offset, &mut |id| {
            ids.insert(id);
            if ids.len() == wanted { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?,
        hosts => {
            let most = (page.offset as usize).saturating_add(wanted);
            for host in hosts {
                let mut seen = 0;
                ids_of_host(snapshot, host, 0, &mut |id| {
                    ids.insert(id);
                    seen += 1;
                    if seen == most { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                })?;
            }
            ids = set_of(&mut ids.into_iter().skip(page.offset as usize).take(wanted));
        }
    }
    ids.iter()
        .map(|id| {
            let entry = snapshot.get(Index::Id, id.as_bytes())?.ok_or_else(|| Fault::corrupt(Purpose::Node))?;
            Stored::from_entry(&entry)
        })
        .collect()
}

/// Visits the credentials of a host in order of creation, from the `skip`-th on.
fn ids_of_host(
    snapshot: &Snapshot<'_>,
    host: &Domain,
    skip: u32,
    visit: &mut dyn FnMut(CredentialId) -> ControlFlow<()>,
) -> Result<(), Fault> {
    let prefix = domain_prefix(host.as_str());
    snapshot.walk_prefix(Index::Domain, &prefix, skip, &mut |entry| {
        let id = entry.key.get(prefix.len()..).and_then(|id| id.try_into().ok());
        let id = id.ok_or_else(|| Fault::corrupt(Purpose::Node))?;
        Ok(visit(CredentialId::from_bytes(id)))
    })
}

/// Takes a page and one more.
struct Collector {
    limit: usize,
    /// Matches to pass over.
    skip: u32,
    items: Vec<Stored>,
}

impl Collector {
    fn new(page: PageRequest) -> Self {
        Self { limit: page.limit, skip: 0, items: Vec::new() }
    }

    fn add(&mut self, stored: Stored) -> ControlFlow<()> {
        if self.skip > 0 {
            self.skip -= 1;
            return ControlFlow::Continue(());
        }
        self.items.push(stored);
        if self.items.len() > self.limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}
