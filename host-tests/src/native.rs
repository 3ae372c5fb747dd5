//! The core itself, compiled for this machine and run on a host's store: makes vaults of a million credentials in
//! seconds, and tells what only the catalog knows.

use crate::credentials::NewCredential;
use crate::{KEYS, NOW, block_on};
use std::cell::Cell;
use strongroom::access::Principal;
use strongroom::actions::{self, Vault};
use strongroom::catalog::{Catalog, Index, InitOptions};
use strongroom::error::Result;
use strongroom::platform::{Clock, Platform, SystemRandom};
use strongroom::seal::{Keyring, Project, Sealer};
use strongroom::secret::SecretString;
use strongroom::store::{CompareAndSwap, KeyPage, Store, StoreError, Swap};
use strongroom::time::Timestamp;
use strongroom_host::keyvalue::{self, Expected, KeyValue, Versioned};

/// Every tenth credential of [`sample`] has this domain.
pub const SAMPLE_DOMAIN: &str = "accounts.example.com";
/// Credentials that are loaded in one commit, which holds all it writes in memory.
const LOADED_AT_ONCE: u64 = 100_000;
const BUCKET: &str = "default";

/// The core over a host's store, with the keys of a new [`crate::Vault`].
pub struct Native<'a> {
    store: Bucket<'a>,
    clock: Ticking,
    sealer: Sealer,
    principal: Principal,
}

/// How deep the indexes are; 1 while one fits into the root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    pub id: u64,
    pub name: u64,
    pub domain: u64,
    pub history: u64,
    pub trash: u64,
    pub audit: u64,
}

impl<'a> Native<'a> {
    pub fn new(store: &'a dyn KeyValue, project: &str) -> Self {
        let keyring = Keyring::parse(KEYS).unwrap();
        let sealer = Sealer::new(keyring, Project::parse(project).unwrap());
        let clock = Ticking(Cell::new(NOW - 1_000_000_000));
        Self { store: Bucket(store), clock, sealer, principal: Principal::host() }
    }

    fn platform(&self) -> Platform<'_> {
        Platform { store: &self.store, clock: &self.clock, random: &SystemRandom }
    }

    /// Prepares an empty store.
    pub fn init(&self, node_bytes: Option<u32>) -> Result<bool> {
        Vault::new(self.platform(), &self.sealer, &self.principal).init(InitOptions { force: false, node_bytes })
    }

    /// Adds [`sample`]s of these numbers, in as few commits as memory allows.
    pub fn load(&self, numbers: std::ops::Range<u64>) -> Result<()> {
        let vault = Vault::new(self.platform(), &self.sealer, &self.principal);
        for start in numbers.clone().step_by(LOADED_AT_ONCE as usize) {
            let end = numbers.end.min(start + LOADED_AT_ONCE);
            actions::load(&vault, (start..end).map(|n| to_native(sample(n))).collect::<Vec<_>>())?;
        }
        Ok(())
    }

    pub fn shape(&self) -> Result<Shape> {
        let catalog = Catalog::new(self.platform(), &self.sealer);
        catalog.read(|snapshot| {
            let depth = |index| snapshot.depth(index).map(u64::from);
            Ok(Shape {
                id: depth(Index::Id)?,
                name: depth(Index::Name)?,
                domain: depth(Index::Domain)?,
                history: depth(Index::History)?,
                trash: depth(Index::Trash)?,
                audit: depth(Index::Audit)?,
            })
        })
    }
}

/// The `n`-th credential of a vault for tests: names in no order, two values, every third with a TOTP secret of 160
/// bits. Two of three domains have one credential, [`SAMPLE_DOMAIN`] a tenth of all.
pub fn sample(n: u64) -> NewCredential {
    // A bijection, so that names are unique; its constant is odd.
    let scrambled = n.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(32);
    let site = ["shop", "mail", "bank", "forum", "cloud", "travel"][(scrambled % 6) as usize];
    let domain = match n % 10 {
        0 => SAMPLE_DOMAIN.to_owned(),
        1 | 2 => format!("{site}-{}.example.org", n / 10),
        _ => format!("{site}-{n}.example.net"),
    };
    NewCredential {
        name: format!("{:08x}-{site}-{n}", scrambled >> 32),
        domain,
        additional_domains: Vec::new(),
        description: None,
        metadata: Vec::new(),
        archived: false,
        values: vec![
            ("username".into(), format!("user-{n}@example.com")),
            ("password".into(), format!("{scrambled:016x}-{n}")),
        ],
        sso_provider: None,
        totp_secret: n.is_multiple_of(3).then(|| "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP".to_owned()),
        totp_algorithm: None,
        totp_digits: None,
        totp_period: None,
    }
}

fn to_native(new: NewCredential) -> actions::NewCredential {
    actions::NewCredential {
        name: new.name,
        domain: new.domain,
        values: new.values.into_iter().map(|(field, value)| (field, SecretString::new(value))).collect(),
        totp_secret: new.totp_secret.map(SecretString::new),
        ..Default::default()
    }
}

/// A millisecond goes by with every look.
struct Ticking(Cell<u64>);

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.replace(self.0.get() + 1))
    }
}

/// A bucket of a host's store as the core sees it.
struct Bucket<'a>(&'a dyn KeyValue);

fn failed(error: keyvalue::StoreError) -> StoreError {
    match error {
        keyvalue::StoreError::NoSuchStore => StoreError::NoSuchStore,
        keyvalue::StoreError::AccessDenied => StoreError::AccessDenied,
        keyvalue::StoreError::Other(cause) => StoreError::Other(cause.into()),
        keyvalue::StoreError::Failed(cause) => StoreError::Failed(cause.into()),
        keyvalue::StoreError::Stop => StoreError::Other("the instance ends here".into()),
    }
}

impl Store for Bucket<'_> {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        block_on(self.0.get(BUCKET, key)).map_err(failed)
    }

    fn set(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        block_on(self.0.set(BUCKET, key, value)).map_err(failed)
    }

    fn delete(&self, key: &str) -> Result<(), StoreError> {
        block_on(self.0.delete(BUCKET, key)).map_err(failed)
    }

    fn increment(&self, key: &str, delta: i64) -> Result<i64, StoreError> {
        block_on(self.0.increment(BUCKET, key, delta)).map_err(failed)
    }

    fn compare_and_swap<'a>(&'a self, key: &str) -> Result<Box<dyn CompareAndSwap + 'a>, StoreError> {
        Ok(Box::new(Handle { store: self.0, key: key.to_owned(), seen: None }))
    }

    fn list_keys(&self, cursor: Option<&str>) -> Result<KeyPage, StoreError> {
        let page = block_on(self.0.list_keys(BUCKET, cursor)).map_err(failed)?;
        Ok(KeyPage { keys: page.keys, cursor: page.cursor })
    }

    fn has_atomics(&self) -> bool {
        true
    }
}

struct Handle<'a> {
    store: &'a dyn KeyValue,
    key: String,
    seen: Option<Option<Versioned>>,
}

impl CompareAndSwap for Handle<'_> {
    fn current(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
        let found = block_on(self.store.current(BUCKET, &self.key)).map_err(failed)?;
        self.seen = Some(found.clone());
        Ok(found.map(|found| found.value))
    }

    fn swap(self: Box<Self>, value: &[u8]) -> Result<Swap, StoreError> {
        let expected = match &self.seen {
            None => Expected::Anything,
            Some(None) => Expected::Absent,
            Some(Some(found)) => Expected::Value(found),
        };
        match block_on(self.store.swap(BUCKET, &self.key, expected, value)).map_err(failed)? {
            keyvalue::Swap::Done => Ok(Swap::Stored),
            keyvalue::Swap::Refused => Ok(Swap::Conflict),
            keyvalue::Swap::Unknown(cause) => Err(StoreError::Other(cause.into())),
        }
    }
}
