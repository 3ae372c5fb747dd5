//! A credential as the id index stores it, and what keeps the three indexes in step.
//!
//! There are three structs for nearly the same data: [`Stored`] is the sealed truth, with the TOTP secret as a section
//! of its own that only the code actions open; [`super::NewCredential`] and [`super::Changes`] are what callers may set;
//! [`super::CredentialView`] is what they may see.

use super::Vault;
use super::stamp::Stamp;
use crate::catalog::{Entry, Fault, Index, Kind, RecordRef, Snapshot, Transaction};
use crate::codec::{Reader, Writer};
use crate::credential::{CredentialId, Name, Selector, Values};
use crate::error::{Error, Result};
use crate::platform::Random;
use crate::seal::{Purpose, Sealer};
use crate::secret::SecretBytes;
use crate::time::Timestamp;
use crate::totp::{Totp, TotpSettings};
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

/// Bodies are padded to a multiple of this: their length would tell the password's.
const BODY_STEP_BYTES: usize = 256;
/// An id of 1970, which no credential has.
const NO_ID: [u8; 16] = [0; 16];

/// Texts were checked when they were written, and the seal shows that they were not changed since.
#[derive(Clone)]
pub struct Stored {
    pub id: CredentialId,
    pub name: String,
    pub domain: String,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub version: u64,
    /// Names of the values in the body, in its order.
    pub value_keys: Vec<String>,
    pub sso_provider: Option<String>,
    pub totp: Option<StoredTotp>,
    /// The request that created it, to recognise its repetition.
    pub stamp: Option<Stamp>,
    /// The record that holds the values; none when there are none.
    pub body: Option<RecordRef>,
    /// The record that coordinates exclusive codes; none without a TOTP secret or compare-and-swap.
    pub claim: Option<RecordRef>,
}

/// What a look for a credential comes to.
#[allow(clippy::large_enum_variant, reason = "there is one at a time, and it is taken apart at once")]
pub enum LookUp {
    Found(Stored),
    /// There is one that the principal may not see.
    Hidden,
    Nothing,
}

impl LookUp {
    fn or_not_found(self) -> Result<Stored, Fault> {
        match self {
            LookUp::Found(stored) => Ok(stored),
            LookUp::Hidden | LookUp::Nothing => Err(Error::not_found().into()),
        }
    }
}

/// A TOTP secret: what may be shown of it, and itself sealed.
#[derive(Clone)]
pub struct StoredTotp {
    pub settings: TotpSettings,
    pub is_weak: bool,
    sealed: Vec<u8>,
}

impl Stored {
    pub fn entry(&self) -> Entry {
        let mut writer = Writer::default();
        writer.short(self.name.as_bytes());
        writer.short(self.domain.as_bytes());
        writer.u64(self.created_at.0);
        writer.u64(self.updated_at.0);
        writer.u64(self.version);
        writer.u8(self.value_keys.len() as u8);
        for key in &self.value_keys {
            writer.short(key.as_bytes());
        }
        writer.short(self.sso_provider.as_deref().unwrap_or_default().as_bytes());
        writer.u8(u8::from(self.totp.is_some()));
        if let Some(totp) = &self.totp {
            writer.short(&totp.settings.encode());
            writer.u8(u8::from(totp.is_weak));
            writer.short(&totp.sealed);
        }
        writer.u8(u8::from(self.stamp.is_some()));
        if let Some(stamp) = &self.stamp {
            writer.raw(&stamp.caller);
            writer.raw(&stamp.request);
        }
        let records = self.body.into_iter().chain(self.claim).collect();
        Entry { key: self.id.as_bytes().to_vec(), records, value: writer.bytes }
    }

    pub fn from_entry(entry: &Entry) -> Result<Self, Fault> {
        Self::decode(entry).ok_or_else(|| Fault::corrupt(Purpose::Node))
    }

    fn decode(entry: &Entry) -> Option<Self> {
        let mut reader = Reader::new(&entry.value);
        let name = text(reader.short()?)?;
        let domain = text(reader.short()?)?;
        let created_at = Timestamp(reader.u64()?);
        let updated_at = Timestamp(reader.u64()?);
        let version = reader.u64()?;
        let value_keys = (0..reader.u8()?).map(|_| text(reader.short()?)).collect::<Option<_>>()?;
        let sso_provider = Some(text(reader.short()?)?).filter(|text| !text.is_empty());
        let totp = match reader.u8()? {
            0 => None,
            _ => {
                let settings = TotpSettings::decode(reader.short()?)?;
                Some(StoredTotp { settings, is_weak: reader.u8()? != 0, sealed: reader.short()?.to_vec() })
            }
        };
        let stamp = match reader.u8()? {
            0 => None,
            _ => Some(Stamp { caller: reader.array()?, request: reader.array()? }),
        };
        reader.end()?;
        let owned = |kind| entry.records.iter().copied().find(|record| record.kind == kind);
        Some(Self {
            id: CredentialId::from_bytes(entry.key.as_slice().try_into().ok()?),
            name,
            domain,
            created_at,
            updated_at,
            version,
            value_keys,
            sso_provider,
            totp,
            stamp,
            body: owned(Kind::Body),
            claim: owned(Kind::Claim),
        })
    }

    /// The key in the domain index: domain, zero byte, id, so that a domain's credentials lie together in order of
    /// creation.
    pub fn domain_key(&self) -> Vec<u8> {
        let mut key = domain_prefix(&self.domain);
        key.extend_from_slice(self.id.as_bytes());
        key
    }

    /// Opens the values.
    pub fn values(&self, body: impl FnOnce(RecordRef) -> Result<SecretBytes, Fault>) -> Result<Values, Fault> {
        let Some(record) = self.body else { return Ok(Values::none()) };
        let padded = body(record)?;
        let values = Reader::new(padded.expose()).long().and_then(Values::decode);
        values.ok_or_else(|| Fault::corrupt(Purpose::Body))
    }

    /// Stores the values as a new body; the old one becomes garbage when the entry is replaced.
    pub fn set_values(&mut self, transaction: &mut Transaction<'_>, values: &Values) -> Result<(), Fault> {
        self.value_keys = values.keys().map(ToOwned::to_owned).collect();
        self.body = if values.is_empty() {
            None
        } else {
            let encoded = values.encode();
            let padded_length = (4 + encoded.expose().len()).next_multiple_of(BODY_STEP_BYTES);
            let mut padded = Writer { bytes: Vec::with_capacity(padded_length) };
            padded.long(encoded.expose());
            padded.bytes.resize(padded_length, 0);
            Some(transaction.add_record(Kind::Body, SecretBytes::new(padded.bytes))?)
        };
        Ok(())
    }

    /// Opens the TOTP secret; `None` when there is none.
    pub fn totp(&self, sealer: &Sealer) -> Result<Option<Totp>, Fault> {
        let Some(totp) = &self.totp else { return Ok(None) };
        let plain = sealer.open(Purpose::Totp, &self.totp_place(), &totp.sealed)?;
        Totp::decode(plain.expose()).map(Some).ok_or_else(|| Fault::corrupt(Purpose::Totp))
    }

    /// Seals the TOTP secret into the entry. The section is bound to the body, so this comes after
    /// [`Stored::set_values`], and again whenever the body changes.
    pub fn set_totp(&mut self, vault: &Vault<'_>, totp: Option<&Totp>) -> Result<(), Fault> {
        self.totp = match totp {
            None => None,
            Some(totp) => Some(StoredTotp {
                settings: totp.settings(),
                is_weak: totp.is_weak(),
                sealed: vault.sealer.seal(
                    vault.platform.random as &dyn Random,
                    Purpose::Totp,
                    &self.totp_place(),
                    totp.encode().expose(),
                )?,
            }),
        };
        Ok(())
    }

    /// Gives the secret a claim record of its own, or takes it away with the secret.
    pub fn set_claim(&mut self, vault: &Vault<'_>, transaction: &mut Transaction<'_>) -> Result<(), Fault> {
        self.claim = if self.totp.is_some() && vault.platform.store.has_atomics() {
            Some(transaction.add_record(Kind::Claim, vault.catalog.new_claim()?)?)
        } else {
            None
        };
        Ok(())
    }

    fn totp_place(&self) -> [&[u8]; 2] {
        [self.id.as_bytes(), self.body.as_ref().map_or(&[], |body| &body.random)]
    }

    /// All hosts it belongs to.
    pub fn hosts(&self) -> impl Iterator<Item = &str> {
        core::iter::once(self.domain.as_str())
    }

    /// Finds a credential by id or name.
    pub fn find(vault: &Vault<'_>, snapshot: &Snapshot<'_>, selector: &Selector) -> Result<Stored, Fault> {
        Self::look_up(vault, |index, key| snapshot.get(index, key), selector)?.or_not_found()
    }

    /// Finds a credential by id or name, to be changed.
    pub fn find_to_change(
        vault: &Vault<'_>,
        transaction: &mut Transaction<'_>,
        selector: &Selector,
    ) -> Result<Stored, Fault> {
        Self::look_up(vault, |index, key| transaction.get(index, key), selector)?.or_not_found()
    }

    /// Finds what has a name.
    pub fn find_by_name(vault: &Vault<'_>, transaction: &mut Transaction<'_>, name: &Name) -> Result<LookUp, Fault> {
        Self::look_up(vault, |index, key| transaction.get(index, key), &Selector::Name(name.clone()))
    }

    /// To restricted principals, what they may not see costs as much as nothing.
    fn look_up(
        vault: &Vault<'_>,
        mut get: impl FnMut(Index, &[u8]) -> Result<Option<Entry>, Fault>,
        selector: &Selector,
    ) -> Result<LookUp, Fault> {
        let restriction = &vault.principal.restriction;
        let id = match selector {
            Selector::Id(id) => id.as_bytes().to_vec(),
            Selector::Name(name) => match get(Index::Name, name.as_str().as_bytes())? {
                Some(entry) => entry.value,
                None => {
                    if !restriction.is_none() {
                        get(Index::Id, &NO_ID)?;
                    }
                    return Ok(LookUp::Nothing);
                }
            },
        };
        match get(Index::Id, &id)? {
            Some(entry) => {
                let stored = Stored::from_entry(&entry)?;
                let is_shown = restriction.allows(stored.id, stored.hosts());
                Ok(if is_shown { LookUp::Found(stored) } else { LookUp::Hidden })
            }
            None if matches!(selector, Selector::Name(_)) => Err(Fault::corrupt(Purpose::Node)),
            None => Ok(LookUp::Nothing),
        }
    }

    /// Adds a credential to all indexes. Its name must be free.
    pub fn add(&self, transaction: &mut Transaction<'_>) -> Result<(), Fault> {
        transaction.insert(Index::Id, self.entry())?;
        transaction.insert(Index::Name, Entry::new(self.name.as_bytes(), self.id.as_bytes()))?;
        transaction.insert(Index::Domain, Entry::new(&self.domain_key(), &[]))?;
        Ok(())
    }

    /// Replaces `old`, which has the same id, in all indexes. A new name must be free.
    pub fn replace(&self, old: &Stored, transaction: &mut Transaction<'_>) -> Result<(), Fault> {
        transaction.insert(Index::Id, self.entry())?;
        if self.name != old.name {
            transaction.remove(Index::Name, old.name.as_bytes())?;
            transaction.insert(Index::Name, Entry::new(self.name.as_bytes(), self.id.as_bytes()))?;
        }
        if self.domain != old.domain {
            transaction.remove(Index::Domain, &old.domain_key())?;
            transaction.insert(Index::Domain, Entry::new(&self.domain_key(), &[]))?;
        }
        Ok(())
    }

    /// Removes a credential from all indexes; what it owned becomes garbage.
    pub fn remove(&self, transaction: &mut Transaction<'_>) -> Result<(), Fault> {
        transaction.remove(Index::Id, self.id.as_bytes())?;
        transaction.remove(Index::Name, self.name.as_bytes())?;
        transaction.remove(Index::Domain, &self.domain_key())?;
        Ok(())
    }
}

/// What all keys of a domain begin with. No domain holds a zero byte, so no domain's prefix begins another's.
pub fn domain_prefix(domain: &str) -> Vec<u8> {
    let mut prefix = domain.as_bytes().to_vec();
    prefix.push(0);
    prefix
}

fn text(bytes: &[u8]) -> Option<String> {
    String::from_utf8(bytes.to_vec()).ok()
}
