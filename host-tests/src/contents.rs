//! Everything a vault shows, for comparing what it was with what it is.

use crate::credentials::ListQuery;
use crate::{Vault, everything};
use std::collections::BTreeSet;

impl Vault {
    /// The ids of all credentials.
    pub fn ids(&self) -> BTreeSet<String> {
        let mut ids = BTreeSet::new();
        let mut offset = Some(0);
        while offset.is_some() {
            let page = self.list(ListQuery { limit: Some(100), offset, ..everything() }).unwrap();
            ids.extend(page.items.into_iter().map(|item| item.id));
            offset = page.next_offset;
        }
        ids
    }

    /// All credentials in order, each with what `list`, `get` and `supply` say of it. Ids that are not among the known
    /// ones are random, so they are replaced by a word. The test fails if anything can't be read.
    pub fn contents(&self, known: &BTreeSet<String>) -> Vec<String> {
        let read = self.call(async |instance| {
            let (exports, store) = (&instance.exports, &mut instance.store);
            let (mut found, mut offset) = (Vec::new(), Some(0));
            while let Some(start) = offset {
                let query = ListQuery { limit: Some(100), offset: Some(start), ..everything() };
                let page = exports.strongroom_vault_credentials().call_list(store.call(), &query).await??;
                for item in page.items {
                    let single = exports.strongroom_vault_credentials().call_get(store.call(), &item.id).await??;
                    let origin = format!("https://{}", item.domain);
                    let supplied = exports.strongroom_vault_supply().call_supply(store.call(), &item.id, &origin, None);
                    let text = format!("{item:?} {single:?} {:?}", supplied.await??);
                    found.push(if known.contains(&item.id) { text } else { text.replace(&item.id, "cred_new") });
                }
                offset = page.next_offset;
            }
            wasmtime::Result::<_>::Ok(found)
        });
        read.expect("everything can be read")
    }
}
