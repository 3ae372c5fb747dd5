//! A credential as it is stored.
//!
//! There are three structs for nearly the same data: [`Stored`] is the sealed truth, with the TOTP secret as a section
//! of its own that only the code actions open; [`super::NewCredential`] and [`super::Changes`] are what callers may set;
//! [`super::CredentialView`] is what they may see.
//!
//! The value of an entry is a list of tagged fields: a number, a length, the bytes; several of a kind come in their order.
//! A build skips the fields it does not know and shows the rest, but refuses to write such an entry: it would lose them.

use super::stamp::Stamp;
use crate::catalog::{Entry, Fault, Kind, RecordRef};
use crate::codec::{Reader, Writer};
use crate::credential::{AdditionalDomains, CredentialId, Description, Domain, Metadata, Name, SsoProvider, Values};
use crate::error::{Code, Error, Result};
use crate::platform::Random;
use crate::seal::{Opened, Purpose, Sealer};
use crate::secret::SecretBytes;
use crate::time::Timestamp;
use crate::totp::{Totp, TotpSettings};
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

/// Bodies are padded to a multiple of this: their length would tell the password's.
const BODY_STEP_BYTES: usize = 256;

/// Numbers of fields; never used again for anything else.
mod field {
    pub const NAME: u64 = 1;
    pub const DOMAIN: u64 = 2;
    /// One for each further site.
    pub const ADDITIONAL_DOMAIN: u64 = 3;
    pub const CREATED_AT: u64 = 4;
    pub const UPDATED_AT: u64 = 5;
    pub const VERSION: u64 = 6;
    /// One for each value.
    pub const VALUE_KEY: u64 = 7;
    pub const SSO_PROVIDER: u64 = 8;
    pub const TOTP_SETTINGS: u64 = 9;
    pub const TOTP_IS_WEAK: u64 = 10;
    pub const TOTP_SEALED: u64 = 11;
    pub const STAMP: u64 = 12;
    pub const DESCRIPTION: u64 = 13;
    /// A key and, in the next field of the same number, its text.
    pub const METADATA: u64 = 14;
    pub const IS_ARCHIVED: u64 = 15;
    /// When it was replaced or deleted.
    pub const ENDED_AT: u64 = 16;
    /// The record of values that it shares with a later version, which owns it.
    pub const SHARED_BODY: u64 = 17;
}

/// The seal shows that what was checked when it was written was not changed since.
#[derive(Clone)]
pub struct Stored {
    pub id: CredentialId,
    pub name: Name,
    pub domain: Domain,
    pub additional_domains: AdditionalDomains,
    pub description: Option<Description>,
    pub metadata: Metadata,
    pub is_archived: bool,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub version: u64,
    /// Names of the values in the body, in its order.
    pub value_keys: Vec<String>,
    pub sso_provider: Option<SsoProvider>,
    pub totp: Option<StoredTotp>,
    /// The request that created it, to recognise its repetition.
    pub stamp: Option<Stamp>,
    /// The record that holds the values; none when there are none. What a change replaced has none either when the next
    /// version still uses the same record.
    pub body: Option<RecordRef>,
    /// The record that coordinates exclusive codes; none without a TOTP secret or compare-and-swap.
    pub claim: Option<RecordRef>,
    /// The record that holds the values of what a change replaced, when a later version owns it.
    pub shared_body: Option<RecordRef>,
    /// When it was replaced or deleted; none of what is current.
    pub ended_at: Option<Timestamp>,
    /// Whether a later build wrote fields that this one does not know.
    pub has_unknown_fields: bool,
}

/// A TOTP secret: what may be shown of it, and itself sealed.
#[derive(Clone)]
pub struct StoredTotp {
    pub settings: TotpSettings,
    pub is_weak: bool,
    sealed: Vec<u8>,
}

impl Stored {
    /// A new credential without values and secret.
    pub fn new(id: CredentialId, name: Name, domain: Domain, now: Timestamp) -> Self {
        Self {
            id,
            name,
            domain,
            additional_domains: AdditionalDomains::default(),
            description: None,
            metadata: Metadata::default(),
            is_archived: false,
            created_at: now,
            updated_at: now,
            version: 1,
            value_keys: Vec::new(),
            sso_provider: None,
            totp: None,
            stamp: None,
            body: None,
            claim: None,
            shared_body: None,
            ended_at: None,
            has_unknown_fields: false,
        }
    }

    /// All hosts it belongs to.
    pub fn hosts(&self) -> impl Iterator<Item = &Domain> + Clone {
        core::iter::once(&self.domain).chain(self.additional_domains.iter())
    }

    /// The entry of an index, under its id or another key. Errors: [`Code::FormatTooNew`].
    pub fn entry(&self, key: &[u8]) -> Result<Entry, Fault> {
        if self.has_unknown_fields {
            let message = "the credential has fields of a newer version, so this one can't change it";
            return Err(Error::new(Code::FormatTooNew, message).into());
        }
        let mut fields = Fields::default();
        fields.bytes(field::NAME, self.name.as_str().as_bytes());
        fields.bytes(field::DOMAIN, self.domain.as_str().as_bytes());
        for domain in self.additional_domains.iter() {
            fields.bytes(field::ADDITIONAL_DOMAIN, domain.as_str().as_bytes());
        }
        fields.number(field::CREATED_AT, self.created_at.0);
        fields.number(field::UPDATED_AT, self.updated_at.0);
        fields.number(field::VERSION, self.version);
        for key in &self.value_keys {
            fields.bytes(field::VALUE_KEY, key.as_bytes());
        }
        if let Some(provider) = &self.sso_provider {
            fields.bytes(field::SSO_PROVIDER, provider.as_str().as_bytes());
        }
        if let Some(totp) = &self.totp {
            fields.bytes(field::TOTP_SETTINGS, &totp.settings.encode());
            if totp.is_weak {
                fields.bytes(field::TOTP_IS_WEAK, &[]);
            }
            fields.bytes(field::TOTP_SEALED, &totp.sealed);
        }
        if let Some(stamp) = &self.stamp {
            fields.bytes(field::STAMP, &stamp.encode());
        }
        if let Some(description) = &self.description {
            fields.bytes(field::DESCRIPTION, description.as_str().as_bytes());
        }
        for (key, text) in self.metadata.iter() {
            fields.bytes(field::METADATA, key.as_bytes());
            fields.bytes(field::METADATA, text.as_bytes());
        }
        if self.is_archived {
            fields.bytes(field::IS_ARCHIVED, &[]);
        }
        if let Some(ended_at) = self.ended_at {
            fields.number(field::ENDED_AT, ended_at.0);
        }
        if let Some(body) = self.shared_body {
            fields.bytes(field::SHARED_BODY, &body.random);
        }
        let records = self.body.into_iter().chain(self.claim).collect();
        Ok(Entry { key: key.to_vec(), records, value: fields.0.bytes })
    }

    /// Reads an entry whose key begins with the id.
    pub fn from_entry(entry: &Entry) -> Result<Self, Fault> {
        Self::decode(entry).ok_or_else(|| Fault::corrupt(Purpose::Node))
    }

    fn decode(entry: &Entry) -> Option<Self> {
        let id = CredentialId::from_bytes(*entry.key.first_chunk()?);
        let (mut name, mut domain, mut additional) = (None, None, Vec::new());
        let (mut settings, mut is_weak, mut sealed) = (None, false, None);
        let (mut pairs, mut key) = (Vec::new(), None);
        // The name and the domain of this one are replaced below.
        let mut stored = Self::new(id, Name::trusted(String::new()), Domain::trusted(String::new()), Timestamp(0));
        for item in fields(&entry.value) {
            let (number, bytes) = item?;
            match number {
                field::NAME => name = Some(Name::trusted(text(bytes)?)),
                field::DOMAIN => domain = Some(Domain::trusted(text(bytes)?)),
                field::ADDITIONAL_DOMAIN => additional.push(Domain::trusted(text(bytes)?)),
                field::CREATED_AT => stored.created_at = Timestamp(number_of(bytes)?),
                field::UPDATED_AT => stored.updated_at = Timestamp(number_of(bytes)?),
                field::VERSION => stored.version = number_of(bytes)?,
                field::VALUE_KEY => stored.value_keys.push(text(bytes)?),
                field::SSO_PROVIDER => stored.sso_provider = Some(SsoProvider::trusted(text(bytes)?)),
                field::TOTP_SETTINGS => settings = Some(TotpSettings::decode(bytes)?),
                field::TOTP_IS_WEAK => is_weak = true,
                field::TOTP_SEALED => sealed = Some(bytes.to_vec()),
                field::STAMP => stored.stamp = Some(Stamp::decode(bytes)?),
                field::DESCRIPTION => stored.description = Some(Description::trusted(text(bytes)?)),
                field::METADATA => match key.take() {
                    None => key = Some(text(bytes)?),
                    Some(key) => pairs.push((key, text(bytes)?)),
                },
                field::IS_ARCHIVED => stored.is_archived = true,
                field::ENDED_AT => stored.ended_at = Some(Timestamp(number_of(bytes)?)),
                field::SHARED_BODY => {
                    stored.shared_body = Some(RecordRef { kind: Kind::Body, random: bytes.try_into().ok()? });
                }
                _ => stored.has_unknown_fields = true,
            }
        }
        (stored.name, stored.domain) = (name?, domain?);
        stored.additional_domains = AdditionalDomains::trusted(additional);
        stored.metadata = Metadata::trusted(pairs);
        stored.totp = match (settings, sealed) {
            (Some(settings), Some(sealed)) => Some(StoredTotp { settings, is_weak, sealed }),
            (None, None) => None,
            _ => return None,
        };
        (stored.body, stored.claim) = (entry.owned(Kind::Body), entry.owned(Kind::Claim));
        Some(stored)
    }

    /// Opens the values; `body` reads the record that holds them.
    pub fn values(&self, body: impl FnOnce(RecordRef) -> Result<Opened, Fault>) -> Result<Values, Fault> {
        let corrupt = || Fault::corrupt(Purpose::Body);
        let Some(record) = self.body else {
            return if self.value_keys.is_empty() { Ok(Values::none()) } else { Err(corrupt()) };
        };
        let opened = body(record)?;
        opened.expect(0, 0)?;
        let values = Reader::new(opened.head()).bytes().and_then(Values::decode).ok_or_else(corrupt)?;
        if !values.keys().eq(self.value_keys.iter().map(String::as_str)) {
            return Err(corrupt());
        }
        Ok(values)
    }

    /// Makes the values those of a body that `add` writes; the TOTP secret must be sealed anew then.
    pub fn set_values(
        &mut self,
        values: &Values,
        add: impl FnOnce(SecretBytes) -> Result<RecordRef, Fault>,
    ) -> Result<(), Fault> {
        self.value_keys = values.keys().map(ToOwned::to_owned).collect();
        self.body = if values.is_empty() { None } else { Some(add(padded(values))?) };
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
    pub fn set_totp(&mut self, sealer: &Sealer, random: &dyn Random, totp: Option<&Totp>) -> Result<(), Fault> {
        self.totp = match totp {
            None => None,
            Some(totp) => Some(StoredTotp {
                settings: totp.settings(),
                is_weak: totp.is_weak(),
                sealed: sealer.seal(random, Purpose::Totp, &self.totp_place(), totp.encode().expose())?,
            }),
        };
        Ok(())
    }

    /// Length of its time steps, when it has a TOTP secret.
    pub fn period(&self) -> Option<u16> {
        self.totp.as_ref().map(|totp| totp.settings.period())
    }

    /// The TOTP secret as it is sealed.
    pub fn sealed_totp(&self) -> Option<&[u8]> {
        self.totp.as_ref().map(|totp| totp.sealed.as_slice())
    }

    /// The id and the record of the values, whoever owns it.
    fn totp_place(&self) -> [&[u8]; 2] {
        let body = self.body.as_ref().or(self.shared_body.as_ref());
        [self.id.as_bytes(), body.map_or(&[], |body| &body.random)]
    }
}

fn padded(values: &Values) -> SecretBytes {
    let encoded = values.encode();
    let length = crate::codec::field_bytes(encoded.expose().len()).next_multiple_of(BODY_STEP_BYTES);
    let mut padded = Writer { bytes: Vec::with_capacity(length) };
    padded.bytes(encoded.expose());
    padded.bytes.resize(length, 0);
    SecretBytes::new(padded.bytes)
}

/// Writes tagged fields.
#[derive(Default)]
pub struct Fields(pub Writer);

impl Fields {
    pub fn bytes(&mut self, number: u64, bytes: &[u8]) {
        self.0.number(number);
        self.0.bytes(bytes);
    }

    pub fn number(&mut self, number: u64, value: u64) {
        let mut writer = Writer::default();
        writer.number(value);
        self.bytes(number, &writer.bytes);
    }
}

/// The tagged fields of a value in their order; `None` where it is broken.
pub fn fields(value: &[u8]) -> impl Iterator<Item = Option<(u64, &[u8])>> {
    let mut reader = Reader::new(value);
    core::iter::from_fn(move || {
        if reader.is_empty() {
            return None;
        }
        let item = reader.number().and_then(|number| Some((number, reader.bytes()?)));
        if item.is_none() {
            reader = Reader::new(&[]);
        }
        Some(item)
    })
}

pub fn number_of(bytes: &[u8]) -> Option<u64> {
    let mut reader = Reader::new(bytes);
    let number = reader.number()?;
    reader.end()?;
    Some(number)
}

pub fn text(bytes: &[u8]) -> Option<String> {
    core::str::from_utf8(bytes).ok().map(ToOwned::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored() -> Stored {
        let id = CredentialId::new(1_736_937_000_000, [9; 10]);
        let domain = Domain::parse("example.com").unwrap();
        let mut stored = Stored::new(id, Name::parse("n").unwrap(), domain.clone(), Timestamp(5));
        stored.additional_domains = AdditionalDomains::parse(&["b.example", "a.example"], &domain).unwrap();
        stored.metadata = Metadata::parse(Vec::from([("k".into(), String::new()), ("l".into(), "v".into())])).unwrap();
        stored.description = Some(Description::parse("d").unwrap());
        stored.version = 300;
        stored
    }

    #[test]
    fn an_entry_reads_back() {
        let entry = stored().entry(b"0123456789abcdef").unwrap();
        let read = Stored::from_entry(&entry).unwrap();
        assert_eq!(read.entry(&entry.key).unwrap().value, entry.value);
        assert_eq!(read.hosts().map(Domain::as_str).collect::<Vec<_>>(), ["example.com", "b.example", "a.example"]);
        for cut in 1..entry.value.len() {
            // A cut between two fields is whole; the seal notices it.
            let _ = Stored::from_entry(&Entry { value: entry.value[..cut].to_vec(), ..entry.clone() });
        }
    }

    #[test]
    fn an_unknown_field_is_passed_over_and_the_entry_not_written() {
        let mut entry = stored().entry(b"0123456789abcdef").unwrap();
        let mut more = Fields(Writer { bytes: entry.value.clone() });
        more.bytes(999, b"from the future");
        entry.value = more.0.bytes;
        let read = Stored::from_entry(&entry).unwrap();
        assert_eq!((read.name.as_str(), read.version), ("n", 300));
        let Err(Fault::Error(error)) = read.entry(&entry.key) else { panic!("written") };
        assert_eq!(error.code(), Code::FormatTooNew);
    }
}
