//! Exports `wasi:keyvalue/store` and `wasi:keyvalue/atomics`.

use super::Component;
use super::bindings::exports::wasi::keyvalue::{atomics, store};
use super::directory::Directory;
use crate::bucket::{self, Base, Swap};
use crate::files::Fault;
use alloc::borrow::ToOwned;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::RefCell;

pub struct Bucket(Rc<bucket::Bucket<Directory>>);

impl store::Guest for Component {
    type Bucket = Bucket;

    fn open(identifier: String) -> Result<store::Bucket, store::Error> {
        let directory = Directory::open().map_err(|reason| store::Error::Other(reason.to_owned()))?;
        let bucket = bucket::Bucket::open(directory, &identifier).ok_or(store::Error::NoSuchStore)?;
        Ok(store::Bucket::new(Bucket(Rc::new(bucket))))
    }
}

impl store::GuestBucket for Bucket {
    fn get(&self, key: String) -> Result<Option<Vec<u8>>, store::Error> {
        Ok(self.0.get(&key)?)
    }

    fn set(&self, key: String, value: Vec<u8>) -> Result<(), store::Error> {
        Ok(self.0.set(&key, &value)?)
    }

    fn delete(&self, key: String) -> Result<(), store::Error> {
        Ok(self.0.delete(&key)?)
    }

    fn exists(&self, key: String) -> Result<bool, store::Error> {
        Ok(self.0.get(&key)?.is_some())
    }

    /// All at once: to go on at a cursor, the whole directory would be read again.
    fn list_keys(&self, cursor: Option<String>) -> Result<store::KeyResponse, store::Error> {
        match cursor {
            None => Ok(store::KeyResponse { keys: self.0.list_keys()?, cursor: None }),
            Some(_) => Err(store::Error::Other("no cursor was given out".to_owned())),
        }
    }
}

/// A handle on one key, and what a swap compares with.
pub struct Cas {
    bucket: Rc<bucket::Bucket<Directory>>,
    key: String,
    base: RefCell<Base>,
}

impl atomics::Guest for Component {
    type Cas = Cas;

    fn increment(bucket: store::BucketBorrow<'_>, key: String, delta: i64) -> Result<i64, store::Error> {
        Ok(bucket.get::<Bucket>().0.increment(&key, delta)?)
    }

    fn swap(cas: atomics::Cas, value: Vec<u8>) -> Result<(), atomics::CasError> {
        let handle = cas.get::<Cas>();
        let base = handle.base.borrow().clone();
        let failed = |fault: Fault| atomics::CasError::StoreError(fault.into());
        match handle.bucket.swap(&handle.key, &base, &value).map_err(failed)? {
            Swap::Done => Ok(()),
            Swap::Refused => {
                let (_, base) = handle.bucket.durable(&handle.key).map_err(failed)?;
                handle.base.replace(base);
                Err(atomics::CasError::CasFailed(cas))
            }
            Swap::Unknown => Err(failed(Fault::Other("it is not known whether the value was stored".to_owned()))),
        }
    }
}

impl atomics::GuestCas for Cas {
    fn new(bucket: store::BucketBorrow<'_>, key: String) -> Result<atomics::Cas, store::Error> {
        let bucket = bucket.get::<Bucket>().0.clone();
        Ok(atomics::Cas::new(Cas { bucket, key, base: RefCell::new(Base::Anything) }))
    }

    fn current(&self) -> Result<Option<Vec<u8>>, store::Error> {
        let (value, base) = self.bucket.durable(&self.key)?;
        self.base.replace(base);
        Ok(value)
    }
}

impl From<Fault> for store::Error {
    fn from(fault: Fault) -> Self {
        match fault {
            // Of what must be there.
            Fault::Missing => store::Error::Other("a file is missing".to_owned()),
            Fault::Exists => store::Error::Other("a file is there already".to_owned()),
            Fault::Other(reason) => store::Error::Other(reason),
        }
    }
}
