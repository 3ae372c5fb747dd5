//! Recognising the repetition of a create whose answer was lost.
//!
//! A credential keeps keyed hashes of who created it by which request. A create whose name is taken by the very
//! credential that the same caller made with the same request is answered with that credential instead of a conflict.

use super::stored::Stored;
use super::{NewCredential, Vault};
use crate::error::{Code, Error, Result};
use crate::time::Timestamp;

/// How long after a create its repetition without an idempotency key is recognised.
const UNKEYED_REPETITION_MS: u64 = 120_000;

/// How a create is asked for; by whom, the vault knows.
#[derive(Clone, Copy)]
pub struct Caller<'a> {
    /// The request's `Idempotency-Key`.
    pub idempotency_key: Option<&'a str>,
    /// The client says that it sent the request before (`x-stainless-retry-count` is 1 or more).
    pub is_retry: bool,
}

/// The hashes a credential keeps of the request that created it.
#[derive(Clone)]
pub struct Stamp {
    pub caller: [u8; 16],
    pub request: [u8; 16],
}

/// The stamp under each key of the ring; the first is the one to store.
pub struct Stamps(alloc::vec::Vec<Stamp>);

impl Stamps {
    pub fn new(vault: &Vault<'_>, caller: Caller<'_>, new: &NewCredential) -> Result<Self> {
        let mut who = alloc::vec![&b"caller"[..], vault.principal.identity()];
        who.extend(caller.idempotency_key.map(str::as_bytes));
        let mut what = alloc::vec![&b"create"[..], new.name.as_bytes(), new.domain.as_bytes()];
        let numbers = alloc::format!(
            "{:?} {:?} {:?} {}",
            new.totp_algorithm.map(|algorithm| algorithm.as_str()),
            new.totp_digits,
            new.totp_period,
            new.values.len()
        );
        what.push(numbers.as_bytes());
        what.push(new.sso_provider.as_deref().unwrap_or_default().as_bytes());
        what.push(new.totp_secret.as_ref().map_or("", |secret| secret.expose()).as_bytes());
        for (key, value) in &new.values {
            what.push(key.as_bytes());
            what.push(value.expose().as_bytes());
        }
        let callers = vault.sealer.keyed_hashes(&who)?;
        let requests = vault.sealer.keyed_hashes(&what)?;
        Ok(Self(callers.into_iter().zip(requests).map(|(caller, request)| Stamp { caller, request }).collect()))
    }

    /// The one to store.
    pub fn first(&self) -> Option<&Stamp> {
        self.0.first()
    }

    /// Whether the credential that has the name was made by this very request. Errors:
    /// [`Code::IdempotencyMismatch`] when the same idempotency key came with another one.
    pub fn made(&self, existing: &Stored, caller: Caller<'_>, now: Timestamp) -> Result<bool> {
        let Some(stamp) = &existing.stamp else { return Ok(false) };
        let Some(ours) = self.0.iter().find(|ours| ours.caller == stamp.caller) else { return Ok(false) };
        let same_request = ours.request == stamp.request;
        if caller.idempotency_key.is_some() {
            return if same_request {
                Ok(true)
            } else {
                Err(Error::new(Code::IdempotencyMismatch, "this idempotency key was used with another request"))
            };
        }
        let age_ms = now.0.saturating_sub(existing.created_at.0);
        Ok(caller.is_retry && same_request && existing.version == 1 && age_ms < UNKEYED_REPETITION_MS)
    }
}
