//! Errors inside the catalog: those that a newer root can cure, and all others.

use super::record::Kind;
use crate::error::Error;
use crate::seal::{Purpose, corrupt};
use crate::store::StoreError;

#[derive(Debug)]
pub enum Fault {
    /// A record is not in the store. Either it became garbage after this root was read, or the store lost it.
    Missing(Kind),
    Error(Error),
}

impl Fault {
    pub fn corrupt(purpose: Purpose) -> Self {
        Fault::Error(corrupt(purpose))
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Fault::Error(error)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Fault::Error(error.into())
    }
}

/// Where no newer root is to be had.
impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Error(error) => error,
            Fault::Missing(kind) => corrupt(kind.purpose()),
        }
    }
}
