//! Export `wasi:config/store`.

use super::Component;
use super::bindings::exports::wasi::config::store::{Error, Guest};
use super::directory::Directory;
use crate::settings;
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

impl Guest for Component {
    fn get(key: String) -> Result<Option<String>, Error> {
        settings::get(&directory()?, &key).map_err(Error::Io)
    }

    fn get_all() -> Result<Vec<(String, String)>, Error> {
        settings::get_all(&directory()?).map_err(Error::Io)
    }
}

fn directory() -> Result<Directory, Error> {
    Directory::open().map_err(|reason| Error::Io(reason.to_owned()))
}
