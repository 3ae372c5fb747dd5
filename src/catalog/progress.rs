//! Whether the store still is where it was: every commit has a number and an id, and the root knows the last ones.
//!
//! Nothing in the store can tell that all of it was put back to an earlier state, since that was right once. Whoever
//! remembers a commit elsewhere can.

use super::Catalog;
use super::cell::{Cell, CommitId};
use super::root::Root;
use crate::error::Result;

/// A commit, as whoever remembers it has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commit {
    /// 1 for the first.
    pub number: u64,
    pub id: CommitId,
}

/// How a store stands to a commit that was seen in it before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It has it in its past, as far as the root remembers: it is the newest, or there were others since.
    Continued,
    /// It has not got so far.
    Older,
    /// It has another commit of that number: it was put back, and written to since.
    Other,
}

impl Catalog<'_> {
    /// The newest commit, `None` where there is no root, and how the store stands to one that was seen before.
    pub fn progress(&self, seen: Option<Commit>) -> Result<(Option<Commit>, Standing)> {
        let Some(found) = self.records.current::<Root>(&self.records.keys.root())? else {
            return Ok((None, if seen.is_some() { Standing::Older } else { Standing::Continued }));
        };
        let root = &found.state;
        let newest = root.commit_at(root.seq)?.map(|id| Commit { number: root.seq, id });
        let standing = match seen {
            None => Standing::Continued,
            Some(seen) if seen.number > root.seq => Standing::Older,
            // Of what the root has forgotten nothing can be told.
            Some(seen) => match root.commit_at(seen.number)? {
                Some(made) if made != seen.id => Standing::Other,
                _ => Standing::Continued,
            },
        };
        Ok((newest, standing))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::InitOptions;
    use crate::catalog::tests::{NoClock, catalog, sealer};
    use crate::platform::{Platform, SystemRandom};
    use crate::store::memory::MemoryStore;

    /// Commits, and the newest one.
    fn written(catalog: &Catalog<'_>, times: u32) -> Commit {
        for _ in 0..times {
            catalog
                .commit(|transaction| {
                    transaction.touch();
                    Ok(())
                })
                .unwrap();
        }
        catalog.progress(None).unwrap().0.unwrap()
    }

    fn standing(catalog: &Catalog<'_>, seen: Commit) -> Standing {
        catalog.progress(Some(seen)).unwrap().1
    }

    #[test]
    fn what_goes_on_is_told_from_what_was_put_back() {
        let (store, sealer) = (MemoryStore::default(), sealer());
        let catalog = catalog(&store, &sealer, 1024);
        let first = written(&catalog, 0);
        assert_eq!(first.number, 1);
        assert_eq!(standing(&catalog, first), Standing::Continued);
        let fifth = written(&catalog, 4);
        assert_eq!(fifth.number, 5);
        assert_eq!(standing(&catalog, first), Standing::Continued);

        let earlier = store.entries.borrow().clone();
        let eighth = written(&catalog, 3);
        store.entries.replace(earlier);
        assert_eq!(catalog.progress(Some(eighth)).unwrap(), (Some(fifth), Standing::Older));
        assert_eq!(standing(&catalog, fifth), Standing::Continued);
        written(&catalog, 2);
        assert_eq!(standing(&catalog, eighth), Standing::Older);
        written(&catalog, 1);
        assert_eq!(standing(&catalog, eighth), Standing::Other, "of the same number");
        written(&catalog, 20);
        assert_eq!(standing(&catalog, eighth), Standing::Other, "of a lower number");
        assert_eq!(standing(&catalog, fifth), Standing::Continued);
    }

    /// As WIT says it.
    #[test]
    fn a_commit_of_more_than_256_ago_is_not_told_by_its_id() {
        let (store, sealer) = (MemoryStore::default(), sealer());
        let catalog = catalog(&store, &sealer, 1024);
        let first = written(&catalog, 0);
        let other = Commit { number: 1, id: [0; 8] };
        written(&catalog, 255);
        assert_eq!([first, other].map(|seen| standing(&catalog, seen)), [Standing::Continued, Standing::Other]);
        written(&catalog, 1);
        assert_eq!([first, other].map(|seen| standing(&catalog, seen)), [Standing::Continued; 2]);
    }

    #[test]
    fn a_store_without_a_root_is_older_than_any_commit() {
        let (store, sealer) = (MemoryStore::default(), sealer());
        let written = written(&catalog(&store, &sealer, 1024), 1);
        let empty = MemoryStore::default();
        let platform = Platform { store: &empty, clock: &NoClock, random: &SystemRandom };
        let catalog = Catalog::new(platform, &sealer);
        assert_eq!(catalog.progress(None).unwrap(), (None, Standing::Continued));
        assert_eq!(catalog.progress(Some(written)).unwrap(), (None, Standing::Older));
        catalog.init(InitOptions::default()).unwrap();
        assert_eq!(standing(&catalog, written), Standing::Older);
    }
}
