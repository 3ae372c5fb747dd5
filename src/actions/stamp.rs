//! Recognising the repetition of a create whose answer was lost.
//!
//! A credential keeps keyed hashes of who created it by which request. A create whose name is taken by the very
//! credential that the same caller made with the same request is answered with that credential instead of a conflict.
//!
//! That must not become a way to guess what is stored: a stamp ends with the first change of the credential, after a day,
//! and when other requests came too often in its place, each of which the audit tells of.

use super::{NewCredential, Vault};
use crate::codec::{Reader, Writer};
use crate::error::{Code, Error, Result};
use crate::time::Timestamp;
use alloc::format;
use alloc::vec;
use alloc::vec::Vec;

/// How long after a create its repetition with an idempotency key is recognised.
const KEYED_REPETITION_MS: u64 = 24 * 3_600_000;
/// How long after a create its repetition without an idempotency key is recognised.
const UNKEYED_REPETITION_MS: u64 = 120_000;
/// After so many other requests of the same caller in its place a stamp is gone.
const MISSES_MAX: u8 = 5;

/// How a create is asked for; by whom, the vault knows.
#[derive(Clone, Copy)]
pub struct Caller<'a> {
    /// The request's `Idempotency-Key`.
    pub idempotency_key: Option<&'a str>,
    /// The client says that it sent the request before (`x-stainless-retry-count` is 1 or more).
    pub is_retry: bool,
}

/// The hashes a credential keeps of the request that created it, and how often another one came in its place.
#[derive(Clone)]
pub struct Stamp {
    caller: [u8; 16],
    request: [u8; 16],
    misses: u8,
}

impl Stamp {
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.raw(&self.caller);
        writer.raw(&self.request);
        writer.u8(self.misses);
        writer.bytes
    }

    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let stamp = Self { caller: reader.array()?, request: reader.array()?, misses: reader.u8()? };
        reader.end()?;
        Some(stamp)
    }

    /// The stamp after another request came in its place; `None` when that was once too often.
    pub fn missed(self) -> Option<Self> {
        let misses = self.misses.saturating_add(1);
        (misses < MISSES_MAX).then_some(Self { misses, ..self })
    }
}

/// What a create is to the stamp of the credential that has its name.
pub enum Comparison {
    /// Its repetition.
    Same,
    /// Another request of the same caller, in a way that could be a repetition.
    Other,
    /// Nothing to do with it.
    Unrelated,
}

/// The stamp of a request under each key of the ring; the first is the one to store.
pub struct Stamps<'a> {
    caller: Caller<'a>,
    stamps: Vec<Stamp>,
}

impl<'a> Stamps<'a> {
    pub fn new(vault: &Vault<'_>, caller: Caller<'a>, new: &NewCredential) -> Result<Self> {
        let mut who = vec![&b"caller"[..], vault.principal.identity()];
        who.extend(caller.idempotency_key.map(str::as_bytes));
        let lengths = format!(
            "{:?} {:?} {:?} {} {} {} {:?}",
            new.totp_algorithm.map(|algorithm| algorithm.as_str()),
            new.totp_digits,
            new.totp_period,
            new.values.len(),
            new.additional_domains.len(),
            new.metadata.len(),
            new.archived,
        );
        let mut what = vec![&b"create"[..], new.name.as_bytes(), new.domain.as_bytes(), lengths.as_bytes()];
        what.push(new.sso_provider.as_deref().unwrap_or_default().as_bytes());
        what.push(new.totp_secret.as_ref().map_or("", |secret| secret.expose()).as_bytes());
        what.push(new.description.as_deref().unwrap_or_default().as_bytes());
        what.extend(new.additional_domains.iter().map(|domain| domain.as_bytes()));
        what.extend(new.metadata.iter().flat_map(|(key, text)| [key.as_bytes(), text.as_bytes()]));
        what.extend(new.values.iter().flat_map(|(key, value)| [key.as_bytes(), value.expose().as_bytes()]));
        let callers = vault.sealer.keyed_hashes(&who)?;
        let requests = vault.sealer.keyed_hashes(&what)?;
        let stamps = callers.into_iter().zip(requests).map(|(caller, request)| Stamp { caller, request, misses: 0 });
        Ok(Self { caller, stamps: stamps.collect() })
    }

    /// The one to store.
    pub fn first(&self) -> Option<&Stamp> {
        self.stamps.first()
    }

    /// Compares the request with the one that made a credential at `created_at`.
    pub fn compare(&self, stamp: Option<&Stamp>, created_at: Timestamp, now: Timestamp) -> Comparison {
        let Some(stamp) = stamp else { return Comparison::Unrelated };
        let Some(ours) = self.stamps.iter().find(|ours| ours.caller == stamp.caller) else {
            return Comparison::Unrelated;
        };
        let age_ms = now.0.saturating_sub(created_at.0);
        let is_possible = match self.caller.idempotency_key {
            Some(_) => age_ms < KEYED_REPETITION_MS,
            None => self.caller.is_retry && age_ms < UNKEYED_REPETITION_MS,
        };
        match (is_possible, ours.request == stamp.request) {
            (false, _) => Comparison::Unrelated,
            (true, true) => Comparison::Same,
            (true, false) => Comparison::Other,
        }
    }

    /// The error of another request in the place of the one that was made.
    pub fn mismatch(&self) -> Error {
        match self.caller.idempotency_key {
            Some(_) => Error::new(Code::IdempotencyMismatch, "this idempotency key was used with another request"),
            None => super::create::name_taken(),
        }
    }
}
