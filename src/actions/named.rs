//! What the index of names says about a credential: all that is searched, in as few bytes as can be, as a search reads
//! the whole index.
//!
//! The value of an entry is the id, the domain, and tagged fields behind them. A host is written as it is but for two pieces: what it
//! has in common with the credential's own name is written as a place in that name, and a usual ending as its number. So
//! the length of an entry tells of nothing but that entry; a compression that looks at others would show to whoever adds
//! entries and watches the store how much they resemble those that are there.

use super::stored::{Fields, Stored, fields, number_of, text};
use crate::access::Restriction;
use crate::catalog::{Entry, Fault};
use crate::codec::{Reader, Writer};
use crate::credential::CredentialId;
use crate::seal::Purpose;
use alloc::string::String;
use alloc::vec::Vec;

/// What the name index says about a credential.
pub struct Named {
    pub id: CredentialId,
    pub hosts: Vec<String>,
    pub description: Option<String>,
    pub is_archived: bool,
}

/// Numbers of fields; never used again for anything else.
mod field {
    /// One for each further site.
    pub const HOST: u64 = 1;
    pub const DESCRIPTION: u64 = 2;
    pub const IS_ARCHIVED: u64 = 3;
}

/// In a packed host: this and a place stands for a piece of the name that begins there; the next byte is its length.
const FIRST_PIECE: u8 = 0xa0;
/// Places that can be named so.
const PLACES: usize = (u8::MAX - FIRST_PIECE) as usize + 1;
/// A piece takes two bytes.
const PIECE_BYTES_MIN: usize = 3;
/// In a packed host: this and a number stands for an ending. Part of the stored format: this list never changes.
const FIRST_ENDING: u8 = 0x80;
const ENDINGS: [&str; 32] = [
    ".com", ".org", ".net", ".de", ".co.uk", ".io", ".fr", ".ru", ".co.jp", ".jp", ".com.br", ".it", ".nl", ".pl",
    ".com.au", ".in", ".eu", ".ca", ".ch", ".edu", ".gov", ".app", ".dev", ".info", ".cn", ".es", ".us", ".se", ".at",
    ".be", ".ai", ".me",
];

impl Named {
    pub fn of(entry: &Entry) -> Result<Self, Fault> {
        Self::decode(entry).ok_or_else(|| Fault::corrupt(Purpose::Node))
    }

    fn decode(entry: &Entry) -> Option<Self> {
        let mut reader = Reader::new(&entry.value);
        let (id, domain) = (CredentialId::from_bytes(reader.array()?), unpack(reader.bytes()?, &entry.key)?);
        let mut named = Self { id, hosts: Vec::from([domain]), description: None, is_archived: false };
        for item in fields(reader.rest()) {
            let (number, bytes) = item?;
            match number {
                field::HOST => named.hosts.push(unpack(bytes, &entry.key)?),
                field::DESCRIPTION => named.description = Some(text(bytes)?),
                field::IS_ARCHIVED => named.is_archived = number_of(bytes)? != 0,
                _ => {}
            }
        }
        Some(named)
    }

    pub fn is_allowed(&self, restriction: &Restriction) -> bool {
        restriction.allows(self.id, self.hosts.iter().map(String::as_str))
    }
}

/// The entry of the name index.
pub fn name_entry(stored: &Stored) -> Entry {
    let name = stored.name.as_str().as_bytes();
    let mut writer = Writer { bytes: stored.id.as_bytes().to_vec() };
    writer.bytes(&pack(stored.domain.as_str(), name));
    let mut fields = Fields(writer);
    for host in stored.hosts().skip(1) {
        fields.bytes(field::HOST, &pack(host.as_str(), name));
    }
    if let Some(description) = &stored.description {
        fields.bytes(field::DESCRIPTION, description.as_str().as_bytes());
    }
    if stored.is_archived {
        fields.number(field::IS_ARCHIVED, 1);
    }
    Entry::new(name, &fields.0.bytes)
}

/// Writes a host, which is ASCII, beside its credential's name.
fn pack(host: &str, name: &[u8]) -> Vec<u8> {
    let endings = (FIRST_ENDING..).zip(ENDINGS);
    let without = endings.filter_map(|(number, ending)| Some((host.strip_suffix(ending)?, Some(number))));
    let (host, ending) = without.min_by_key(|(rest, _)| rest.len()).unwrap_or((host, None));
    let host = host.as_bytes();
    let mut packed = match common_piece(host, name) {
        Some(Piece { in_host, in_name, length }) => {
            let (before, rest) = host.split_at_checked(usize::from(in_host)).unwrap_or_default();
            let after = rest.get(usize::from(length)..).unwrap_or_default();
            [before, &[FIRST_PIECE + in_name, length], after].concat()
        }
        None => host.to_vec(),
    };
    packed.extend(ending);
    packed
}

/// `None` when it is not what [`pack`] writes.
fn unpack(packed: &[u8], name: &[u8]) -> Option<String> {
    let mut host: Vec<u8> = Vec::new();
    let mut bytes = packed.iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            ..FIRST_ENDING => host.push(byte),
            FIRST_PIECE.. => {
                let (start, length) = (usize::from(byte - FIRST_PIECE), usize::from(*bytes.next()?));
                host.extend(name.get(start..start + length)?.iter().map(u8::to_ascii_lowercase));
            }
            _ => host.extend_from_slice(ENDINGS.get(usize::from(byte - FIRST_ENDING))?.as_bytes()),
        }
    }
    String::from_utf8(host).ok()
}

/// What a host and a name have in common, regardless of case.
struct Piece {
    in_host: u8,
    in_name: u8,
    length: u8,
}

/// The longest one that is worth it.
fn common_piece(host: &[u8], name: &[u8]) -> Option<Piece> {
    let (mut longest, mut found) = (PIECE_BYTES_MIN - 1, None);
    for in_host in 0..host.len() {
        for in_name in 0..name.len().min(PLACES) {
            let pairs = host.iter().skip(in_host).zip(name.iter().skip(in_name));
            let length = pairs.take_while(|(host, name)| **host == name.to_ascii_lowercase()).count();
            if length > longest {
                longest = length;
                found = Some((in_host, in_name, length));
            }
        }
    }
    let (in_host, in_name, length) = found?;
    // Both are shorter than 256 bytes.
    Some(Piece {
        in_host: in_host.try_into().ok()?,
        in_name: in_name.try_into().ok()?,
        length: length.try_into().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_host_is_packed_beside_the_name() {
        for (host, name, bytes) in [
            ("github.com", "GitHub (work)", 3),
            ("accounts.google.com", "google", 12),
            ("login.bank.co.uk", "savings", 11),
            ("nas", "nas", 2),
            ("localhost", "my localhost", 2),
            ("mail-7.example.net", "0a1b2c3d-mail-7", 11),
            ("a.com.com", "x", 6),
            ("de", "x", 2),
            ("2001:db8::1", "router", 11),
        ] {
            let packed = pack(host, name.as_bytes());
            assert_eq!(packed.len(), bytes, "{host} beside {name}");
            assert_eq!(unpack(&packed, name.as_bytes()).as_deref(), Some(host));
        }
    }

    #[test]
    fn what_points_to_nowhere_is_no_host() {
        for packed in [&[FIRST_PIECE][..], &[FIRST_PIECE + 2, 2], &[FIRST_PIECE, 255], &[0xff, 255]] {
            assert_eq!(unpack(packed, b"abc"), None, "{packed:?}");
        }
        // Half a character of the name.
        assert_eq!(unpack(&[FIRST_PIECE, 1], "é".as_bytes()), None);
    }

    proptest! {
        #[test]
        fn every_host_reads_back(host in "[a-c.-]{0,40}(\\.com|\\.co\\.uk|)", name in "[a-cA-C.é-]{0,140}") {
            let packed = pack(&host, name.as_bytes());
            prop_assert!(packed.len() <= host.len());
            prop_assert_eq!(unpack(&packed, name.as_bytes()), Some(host));
        }

        #[test]
        fn no_bytes_make_it_panic(packed: Vec<u8>, name: Vec<u8>) {
            let _ = unpack(&packed, &name);
        }
    }
}
