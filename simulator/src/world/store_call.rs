//! What the store is asked, and answers.

use super::{Bytes, is_claim, is_root};
use strongroom::store::{KeyPage, Swap};

/// One request to the store.
#[derive(Clone, Copy)]
pub enum StoreCall<'a> {
    Get {
        key: &'a str,
    },
    Current {
        key: &'a str,
    },
    Set {
        key: &'a str,
        value: &'a [u8],
    },
    Delete {
        key: &'a str,
    },
    Increment {
        key: &'a str,
        delta: i64,
    },
    /// `seen` is what `current` of the same handle returned; `None` when it was not asked.
    Swap {
        key: &'a str,
        seen: Option<&'a Option<Bytes>>,
        value: &'a [u8],
    },
    ListKeys {
        cursor: Option<&'a str>,
    },
}

pub enum Answer {
    Value(Option<Bytes>),
    Done,
    Total(i64),
    Swapped(Swap),
    Keys(KeyPage),
}

impl StoreCall<'_> {
    pub fn key(&self) -> Option<&str> {
        match self {
            StoreCall::Get { key }
            | StoreCall::Current { key }
            | StoreCall::Set { key, .. }
            | StoreCall::Delete { key }
            | StoreCall::Increment { key, .. }
            | StoreCall::Swap { key, .. } => Some(key),
            StoreCall::ListKeys { .. } => None,
        }
    }

    /// Whether it is about a record that is replaced in place: the root, or the claims of one-time codes.
    pub fn is_in_place(&self) -> bool {
        self.key().is_some_and(|key| is_root(key) || is_claim(key))
    }

    pub fn is_atomic(&self) -> bool {
        matches!(self, StoreCall::Current { .. } | StoreCall::Increment { .. } | StoreCall::Swap { .. })
    }

    pub fn is_write(&self) -> bool {
        matches!(
            self,
            StoreCall::Set { .. } | StoreCall::Delete { .. } | StoreCall::Increment { .. } | StoreCall::Swap { .. }
        )
    }
}
