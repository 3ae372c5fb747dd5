//! A backup, as the host makes and restores one: what it brings back is compared with what was there.

use super::show;
use crate::history::{Reply, Restored};
use crate::model::{Rules, Snapshot};
use crate::platform::SimClock;
use std::collections::BTreeMap;
use strongroom::access::Principal;
use strongroom::actions::{self, Vault};
use strongroom::catalog::{Catalog, Index};
use strongroom::error::{Code, Error, Result};
use strongroom::platform::{Clock, Platform};
use strongroom::seal::Sealer;
use strongroom::store::Store;
use strongroom::store::memory::MemoryStore;
use strongroom::time::Timestamp;

/// The host's digest of the file is its own matter.
const DIGEST: [u8; 32] = [7; 32];

/// Makes a backup, and restores it into an empty store.
pub fn perform(vault: &Vault<'_>, platform: Platform<'_>, sealer: &Sealer, rules: Rules) -> Result<Reply> {
    let (records, seal) = copy(vault, platform.store)?;
    let store = MemoryStore::default();
    store.entries.borrow_mut().extend(records);
    let platform = Platform { store: &store, clock: &Elsewhere, ..platform };
    Ok(Reply::BackedUp(restored(platform, sealer, &seal, rules).map_err(|error| error.code())))
}

/// The records and the seal.
fn copy(vault: &Vault<'_>, store: &dyn Store) -> Result<(BTreeMap<String, Vec<u8>>, Vec<u8>)> {
    let (mut records, mut cursor) = (BTreeMap::new(), None);
    loop {
        let step = actions::backup(vault, cursor.as_deref())?;
        for key in step.records {
            let mut value = store.get(&key)?;
            if value.is_none() {
                value = store.compare_and_swap(&key)?.current()?;
            }
            let Some(value) = value else {
                // Its snapshot is gone, or the record is lost.
                actions::backup(vault, Some(&step.next))?;
                return Err(Error::new(Code::StorageCorrupt, "a record is missing"));
            };
            records.insert(key, value);
        }
        if step.is_over {
            return Ok((records, actions::seal_backup(vault, &step.next, &DIGEST)?));
        }
        cursor = Some(step.next);
    }
}

fn restored(platform: Platform<'_>, sealer: &Sealer, seal: &[u8], rules: Rules) -> Result<Restored> {
    let host = Principal::host();
    let vault = Vault::new(platform, sealer, &host);
    let mut cursor = None;
    loop {
        cursor = actions::restore_backup(&vault, seal, &DIGEST, cursor.as_deref())?.next;
        if cursor.is_none() {
            break;
        }
    }
    let shown = show(platform, &Elsewhere, sealer, &Snapshot::default(), rules)?;
    let mut trash = Vec::new();
    Catalog::new(platform, sealer).read(|snapshot| {
        trash.clear();
        snapshot.walk(Index::Trash, 0, &mut |entry| {
            trash.push(super::id_of(entry));
            Ok(std::ops::ControlFlow::Continue(()))
        })
    })?;
    Ok(Restored {
        creds: shown.creds.into_iter().map(|(seen, values)| (seen, values.unwrap_or_default())).collect(),
        versions: shown.versions,
        trash,
        events: shown.events.saturating_sub(1) as u64,
    })
}

/// Another machine's clock.
struct Elsewhere;

impl Clock for Elsewhere {
    fn now(&self) -> Timestamp {
        Timestamp(SimClock::START_MS)
    }
}
