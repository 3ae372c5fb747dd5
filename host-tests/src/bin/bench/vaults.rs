//! Vaults to measure.

use crate::caller::Caller;
use crate::measure::scattered;
use std::sync::Arc;
use strongroom_host::Component;
use strongroom_host::keyvalue::{DATABASE_FILE, KeyValue, SqliteStore};
use strongroom_host_tests::{KEYS, MemoryStore, Native, Program, TempDir, block_on, sample};

pub const BUCKET: &str = "default";

/// A loaded vault in memory, with the garbage of some commits.
pub fn in_memory(component: &Component, size: u64, node_bytes: Option<u32>) -> (Arc<MemoryStore>, Caller) {
    let store = Arc::new(MemoryStore::new());
    let native = Native::new(&*store, "default");
    native.init(node_bytes).unwrap();
    native.load(0..size).unwrap();
    let caller = Caller::new(component, store.clone());
    (0..16).for_each(|n| _ = caller.create(size + n));
    (store, caller)
}

/// The same vault in a SQLite file.
pub fn in_sqlite(component: &Component, from: &MemoryStore, directory: &TempDir) -> (Arc<SqliteStore>, Caller) {
    let store = Arc::new(SqliteStore::open(directory.path()).unwrap());
    for (key, value) in from.entries(BUCKET) {
        block_on(store.set(BUCKET, &key, &value)).unwrap();
    }
    let caller = Caller::new(component, store.clone());
    (store, caller)
}

/// A vault in the state directory of the program, loaded natively.
pub fn begun(directory: &TempDir, size: u64) -> Program {
    let state = directory.path().join("state");
    std::fs::create_dir(&state).unwrap();
    let memory = MemoryStore::new();
    let native = Native::new(&memory, "default");
    native.init(None).unwrap();
    native.load(0..size).unwrap();
    drop(SqliteStore::open(&state).unwrap());
    // All at once: through the store each record would be a transaction.
    let mut connection = rusqlite::Connection::open(state.join(DATABASE_FILE)).unwrap();
    let transaction = connection.transaction().unwrap();
    let mut insert = transaction.prepare("INSERT INTO spin_key_value (store, key, value) VALUES (?1, ?2, ?3)").unwrap();
    for (key, value) in memory.entries(BUCKET) {
        insert.execute((BUCKET, key, value)).unwrap();
    }
    drop(insert);
    transaction.commit().unwrap();
    drop(connection);
    let keys = state.join("master.key");
    std::fs::write(&keys, KEYS).unwrap();
    #[cfg(unix)]
    for (path, mode) in [(&state, 0o700), (&keys, 0o600)] {
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    }
    Program::on(&state)
}

/// A vault of one credential, whose reads are the floor.
pub fn floor(component: &Component) -> (TempDir, Caller) {
    let directory = TempDir::new();
    let memory = MemoryStore::new();
    let native = Native::new(&memory, "default");
    native.init(None).unwrap();
    native.load(0..1).unwrap();
    let (_, caller) = in_sqlite(component, &memory, &directory);
    (directory, caller)
}

/// The name of a credential that has a TOTP secret.
pub fn with_secret(round: u64, size: u64) -> String {
    sample(scattered(round, size) / 3 * 3).name
}
