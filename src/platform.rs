//! What the core asks of the world around it: a clock, randomness and a key-value store.
//!
//! In the component these are bound to WASI imports, in tests and in the simulator to doubles, so that everything below
//! the faces runs natively too.

use crate::error::{Code, Error, Result};
use crate::store::Store;
use crate::time::Timestamp;

/// Tells the time.
pub trait Clock {
    /// The current time; the epoch itself when the host does not know it.
    fn now(&self) -> Timestamp;
}

/// A cryptographically secure source of random bytes.
pub trait Random {
    /// Fills the whole buffer, or fails with [`Code::Internal`].
    fn fill(&self, buffer: &mut [u8]) -> Result<()>;
}

/// The platform's own randomness: `wasi:random` in the component, the operating system elsewhere.
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, buffer: &mut [u8]) -> Result<()> {
        getrandom::fill(buffer).map_err(|_| Error::new(Code::Internal, "the host gave no random numbers"))
    }
}

/// The three together, as the layers hand them down.
#[derive(Clone, Copy)]
pub struct Platform<'a> {
    pub store: &'a dyn Store,
    pub clock: &'a dyn Clock,
    pub random: &'a dyn Random,
}
