//! Where a walk in steps goes on: sealed, because it names credentials, and handed to the caller as text.

use super::Vault;
use crate::error::{Error, Result};
use crate::seal::Purpose;
use alloc::string::String;
use base64ct::{Base64UrlUnpadded, Encoding};

/// `walk` is the name of the walk: the cursor of one is none of another.
pub fn write(vault: &Vault<'_>, walk: &str, state: &[u8]) -> Result<String> {
    let sealed = vault.sealer.seal(vault.platform.random, Purpose::Cursor, &[walk.as_bytes()], state)?;
    Ok(Base64UrlUnpadded::encode_string(&sealed))
}

/// Reads the state that [`write()`] was given. Errors: [`Code::BadRequest`](crate::error::Code::BadRequest).
pub fn read<T>(vault: &Vault<'_>, walk: &str, text: &str, decode: impl FnOnce(&[u8]) -> Option<T>) -> Result<T> {
    let sealed = Base64UrlUnpadded::decode_vec(text).ok();
    let state = sealed.and_then(|sealed| vault.sealer.open(Purpose::Cursor, &[walk.as_bytes()], &sealed).ok());
    state
        .and_then(|state| decode(state.expose()))
        .ok_or_else(|| Error::bad_request("cursor must be the one that the step before returned"))
}
