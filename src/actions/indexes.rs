//! What keeps the indexes in step: where a credential is found, and all the places it is entered in.
//!
//! | index | key | value |
//! |---|---|---|
//! | [`Index::Id`] | id, so in order of creation | the credential, with its body and claim record |
//! | [`Index::Archive`] | id | the same, of those that are switched off |
//! | [`Index::Name`] | name | id, hosts, description, archived or not: all that is searched |
//! | [`Index::Domain`] | host, zero byte, id | nothing; those that are switched off are not in it |
//! | [`Index::History`] | id, version | what a change replaced, with the body if no newer version has it |
//! | [`Index::Trash`] | id | what was deleted, with body and claim record |
//! | [`Index::Audit`] | time, commit, number | an event |

use super::Vault;
use super::named::{Named, name_entry};
use super::stored::Stored;
use crate::access::Restriction;
use crate::catalog::{Entry, Fault, Index, Snapshot, Transaction};
use crate::credential::{Name, Selector};
use crate::error::{Error, Result};
use crate::seal::Purpose;
use alloc::vec::Vec;

/// The keys in the domain index.
pub fn domain_keys(stored: &Stored) -> impl Iterator<Item = Vec<u8>> {
    let id = *stored.id.as_bytes();
    stored.hosts().filter(|_| !stored.is_archived).map(move |host| {
        let mut key = domain_prefix(host.as_str());
        key.extend_from_slice(&id);
        key
    })
}

/// What all keys of a host begin with. No host holds a zero byte, so no host's prefix begins another's.
pub fn domain_prefix(host: &str) -> Vec<u8> {
    let mut prefix = host.as_bytes().to_vec();
    prefix.push(0);
    prefix
}

/// Where a credential itself lies.
pub fn place(stored: &Stored) -> Index {
    if stored.is_archived { Index::Archive } else { Index::Id }
}

/// Looks a key up in an index.
type Lookup<'l> = &'l mut dyn FnMut(Index, &[u8]) -> Result<Option<Entry>, Fault>;

/// Finds a credential by id or name; those that the principal is restricted from don't exist, at the same cost.
pub fn find(vault: &Vault<'_>, snapshot: &Snapshot<'_>, selector: &Selector) -> Result<Stored, Fault> {
    find_in(vault, &mut |index, key| snapshot.get(index, key), selector)
}

/// The same, to be changed.
pub fn find_to_change(
    vault: &Vault<'_>,
    transaction: &mut Transaction<'_>,
    selector: &Selector,
) -> Result<Stored, Fault> {
    find_in(vault, &mut |index, key| transaction.get(index, key), selector)
}

fn find_in(vault: &Vault<'_>, get: Lookup<'_>, selector: &Selector) -> Result<Stored, Fault> {
    let stored = look_for(&vault.principal.restriction, get, selector)?;
    vault.found.set(Some(stored.id));
    Ok(stored)
}

fn look_for(restriction: &Restriction, get: Lookup<'_>, selector: &Selector) -> Result<Stored, Fault> {
    match selector {
        Selector::Id(id) => {
            // One that is none of the principal's is looked for everywhere, like one that is not there.
            for index in [Index::Id, Index::Archive] {
                let stored = get(index, id.as_bytes())?.as_ref().map(Stored::from_entry).transpose()?;
                if let Some(stored) = stored.filter(|stored| is_allowed(restriction, stored)) {
                    return Ok(stored);
                }
            }
            Err(Error::not_found().into())
        }
        Selector::Name(name) => {
            let named = get(Index::Name, name.as_str().as_bytes())?;
            let named = named.as_ref().map(Named::of).transpose()?;
            match named.filter(|named| named.is_allowed(restriction)) {
                Some(named) => of_named(get, &named),
                None => Err(Error::not_found().into()),
            }
        }
    }
}

/// Whether a credential exists for whoever is restricted like this.
pub fn is_allowed(restriction: &Restriction, stored: &Stored) -> bool {
    restriction.allows(stored.id, stored.hosts().map(|host| host.as_str()))
}

/// What has a name.
#[allow(clippy::large_enum_variant, reason = "there is one at a time, and it is taken apart at once")]
pub enum Holder {
    Nobody,
    /// One that does not exist for the principal; it costs as much as nobody.
    Hidden,
    One(Stored),
}

impl Holder {
    /// Errors: [`Code::NameTaken`](crate::error::Code::NameTaken).
    pub fn check_nobody(&self) -> Result<()> {
        if matches!(self, Holder::Nobody) { Ok(()) } else { Err(super::create::name_taken()) }
    }
}

/// Finds what has a name.
pub fn find_by_name(vault: &Vault<'_>, transaction: &mut Transaction<'_>, name: &Name) -> Result<Holder, Fault> {
    let get: Lookup<'_> = &mut |index, key| transaction.get(index, key);
    let Some(entry) = get(Index::Name, name.as_str().as_bytes())? else { return Ok(Holder::Nobody) };
    let named = Named::of(&entry)?;
    if named.is_allowed(&vault.principal.restriction) {
        of_named(get, &named).map(Holder::One)
    } else {
        Ok(Holder::Hidden)
    }
}

fn of_named(get: Lookup<'_>, named: &Named) -> Result<Stored, Fault> {
    let index = if named.is_archived { Index::Archive } else { Index::Id };
    let entry = get(index, named.id.as_bytes())?.ok_or_else(|| Fault::corrupt(Purpose::Node))?;
    Stored::from_entry(&entry)
}

/// Adds a credential to all indexes. Its name must be free.
pub fn add(stored: &Stored, transaction: &mut Transaction<'_>) -> Result<(), Fault> {
    transaction.insert(place(stored), stored.entry(stored.id.as_bytes())?)?;
    transaction.insert(Index::Name, name_entry(stored))?;
    for key in domain_keys(stored) {
        transaction.insert(Index::Domain, Entry::new(&key, &[]))?;
    }
    Ok(())
}

/// Replaces `old`, which has the same id, in all indexes. A new name must be free.
pub fn replace(stored: &Stored, old: &Stored, transaction: &mut Transaction<'_>) -> Result<(), Fault> {
    if place(stored) != place(old) {
        transaction.remove(place(old), old.id.as_bytes())?;
    }
    transaction.insert(place(stored), stored.entry(stored.id.as_bytes())?)?;
    let (named, old_named) = (name_entry(stored), name_entry(old));
    if named.key != old_named.key {
        transaction.remove(Index::Name, &old_named.key)?;
    }
    if (&named.key, &named.value) != (&old_named.key, &old_named.value) {
        transaction.insert(Index::Name, named)?;
    }
    let (keys, old_keys): (Vec<_>, Vec<_>) = (domain_keys(stored).collect(), domain_keys(old).collect());
    for key in old_keys.iter().filter(|key| !keys.contains(key)) {
        transaction.remove(Index::Domain, key)?;
    }
    for key in keys.iter().filter(|key| !old_keys.contains(key)) {
        transaction.insert(Index::Domain, Entry::new(key, &[]))?;
    }
    Ok(())
}

/// Removes a credential from all indexes; what it owned becomes garbage, unless another entry takes it.
pub fn remove(stored: &Stored, transaction: &mut Transaction<'_>) -> Result<(), Fault> {
    transaction.remove(place(stored), stored.id.as_bytes())?;
    transaction.remove(Index::Name, stored.name.as_str().as_bytes())?;
    for key in domain_keys(stored) {
        transaction.remove(Index::Domain, &key)?;
    }
    Ok(())
}
