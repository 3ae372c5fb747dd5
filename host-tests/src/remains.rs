//! What is in the database of the program, and what is left there of records that have gone.

use crate::program::Program;
use std::collections::{BTreeMap, HashSet};
use strongroom_host::keyvalue::DATABASE_FILE;

/// What is searched for: no two records have so many bytes in common by chance.
const WINDOW: usize = 16;

/// Records by their keys, as they are stored.
pub type Records = BTreeMap<String, Vec<u8>>;

/// Every record as it is stored now.
pub fn records(program: &Program) -> Records {
    let database = rusqlite::Connection::open(program.state().join(DATABASE_FILE)).unwrap();
    let mut statement = database.prepare("SELECT key, value FROM spin_key_value").unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

/// The database and its write-ahead log: the names of the files, and what is in them.
pub fn files(program: &Program) -> [(String, Vec<u8>); 2] {
    [DATABASE_FILE.to_owned(), format!("{DATABASE_FILE}-wal")].map(|name| {
        let bytes = std::fs::read(program.state().join(&name)).unwrap_or_default();
        (name, bytes)
    })
}

/// Of which of the records that have gone any part is in the database or in its log, beside those that are there.
pub fn remains(program: &Program, gone: &Records, there: &Records) -> Vec<String> {
    // What is there may begin like what is gone: by an envelope's head, or as numbers that are no envelopes.
    let kept: HashSet<&[u8]> = there.values().flat_map(|value| value.windows(WINDOW)).collect();
    let mut wanted: BTreeMap<&[u8], &String> = BTreeMap::new();
    for (key, value) in gone {
        wanted.extend(value.chunks_exact(WINDOW).filter(|part| !kept.contains(part)).map(|part| (part, key)));
    }
    let mut found = HashSet::new();
    for (name, bytes) in files(program) {
        let parts = bytes.windows(WINDOW).filter_map(|part| wanted.get(part));
        found.extend(parts.map(|key| format!("{name}: {key}")));
    }
    found.into_iter().collect()
}
