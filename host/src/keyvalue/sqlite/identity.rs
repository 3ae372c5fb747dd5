//! The id of a database, in a table of its own beside Spin's, and what must be true of the file of a vault that was
//! begun: it is there, whole, the same as ever, and holds a root record.

use crate::keyvalue::Identity;
use anyhow::{Context, bail, ensure};
use rusqlite::{Connection, OpenFlags, OptionalExtension};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const CREATE_TABLE: &str = "CREATE TABLE IF NOT EXISTS strongroom_meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)";

/// How long a process may take that closes the database as the last: it removes first the log and then the mark, and what
/// is read without a log meanwhile may be old in one part and new in another.
const CLOSING_TIMEOUT: Duration = Duration::from_secs(2);

/// Looks without changing anything; the answer says what to do.
pub fn check(path: &Path, identity: &Identity<'_>) -> anyhow::Result<()> {
    let shown = path.display();
    let is_there = std::fs::metadata(path).is_ok_and(|metadata| metadata.len() > 0);
    if matches!(identity, Identity::New(_)) && !is_there {
        return Ok(());
    }
    ensure!(
        is_there,
        "{shown} is missing or empty, though a vault was begun in it: put it back from a backup, with its -wal file if \
         there is one. If it is lost for good, `strongroom init --force` starts an EMPTY vault"
    );
    let start = Instant::now();
    loop {
        // Before it is opened: that may make a new one.
        let has_log = log_of(path).exists();
        match look(path, has_log, identity) {
            Err(_) if !has_log && start.elapsed() < CLOSING_TIMEOUT => std::thread::sleep(CLOSING_TIMEOUT / 20),
            result => return result,
        }
    }
}

/// One look at a database that is there.
fn look(path: &Path, has_log: bool, identity: &Identity<'_>) -> anyhow::Result<()> {
    let shown = path.display();
    let connection = match has_log {
        true => Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY),
        // Nobody has it open, and looking must not make a log: at the next start it would pass for the one that is missing.
        false => {
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
            Connection::open_with_flags(immutable(path), flags)
        }
    };
    let connection = connection.with_context(|| format!("{shown} cannot be opened"))?;
    connection.busy_timeout(super::file::BUSY_TIMEOUT)?;
    let explain = |error| super::file::explain(path, error);
    let found = read(&connection).map_err(explain)?;
    match (identity, found) {
        (Identity::New(_) | Identity::Any(_), None) => return Ok(()),
        (Identity::Any(_) | Identity::Begun, Some(_)) => {}
        (Identity::New(id) | Identity::Known(id) | Identity::KnownAndWhole(id), Some(found)) if *id == found => {}
        (_, None) => bail!(
            "{shown} has lost what it held, or is a database from elsewhere: put the right one back from a backup. If \
             this is the right one, remove store.id beside it"
        ),
        (_, Some(_)) => bail!(
            "{shown} belongs to another state directory: put the right one back. If this is the right one, remove \
             store.id beside it"
        ),
    }
    if let Identity::Known(_) | Identity::KnownAndWhole(_) = identity {
        ensure!(
            has_log || !is_in_use(&connection).map_err(explain)?,
            "{shown} was copied without its -wal file, so what was written last is missing: put both back. If this is \
             all there is, `strongroom init --force` uses it as it is"
        );
        let exists = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, bool>(0)).map_err(explain);
        let has_root = exists("SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'spin_key_value')")?
            && exists("SELECT EXISTS (SELECT 1 FROM spin_key_value WHERE key GLOB '*.root')")?;
        ensure!(
            has_root,
            "{shown} has lost the root record of its vault, or was copied without its -wal file: put it back from a \
             backup. If it is lost for good, `strongroom init --force` starts an EMPTY vault"
        );
    }
    if let Identity::KnownAndWhole(_) = identity {
        let found: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(explain)?;
        ensure!(found == "ok", "{shown} is damaged: put it back from a backup ({})", found.replace('\n', " "));
    }
    Ok(())
}

/// A file that SQLite takes for one that nobody changes, and beside which it makes nothing.
fn immutable(path: &Path) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'.' | b'_' | b'-');
    let bytes = path.as_os_str().as_encoded_bytes().iter();
    let path: String = bytes
        .map(|byte| if is_plain(*byte) { char::from(*byte).to_string() } else { format!("%{byte:02X}") })
        .collect();
    format!("file:{path}?immutable=1")
}

/// The file of the write-ahead log beside a database.
pub fn log_of(path: &Path) -> PathBuf {
    let mut log = path.to_owned().into_os_string();
    log.push("-wal");
    log.into()
}

/// Whether a server uses the database, or has used it and did not end cleanly: then its log belongs to it.
fn is_in_use(connection: &Connection) -> rusqlite::Result<bool> {
    let mark = "SELECT EXISTS (SELECT 1 FROM strongroom_meta WHERE key = 'in-use')";
    connection.query_row(mark, [], |row| row.get(0))
}

/// Marks the database as in use, in the file itself.
pub fn mark_in_use(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute("INSERT INTO strongroom_meta VALUES ('in-use', '') ON CONFLICT DO NOTHING", [])?;
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
}

/// Removes the mark when nobody has the database open any more, which is when SQLite has removed its log.
pub fn unmark(path: &Path) -> anyhow::Result<()> {
    if !log_of(path).exists() {
        let connection = super::file::connect(path)?;
        if is_in_use(&connection)? {
            connection.execute("DELETE FROM strongroom_meta WHERE key = 'in-use'", [])?;
        }
    }
    Ok(())
}

/// The database's id, which it is given now if it has none.
pub fn provide(connection: &Connection, identity: &Identity<'_>) -> anyhow::Result<String> {
    if let Some(found) = read(connection)? {
        return Ok(found);
    }
    let id = identity.id().context("the database has no id")?;
    connection.execute(CREATE_TABLE, [])?;
    connection.execute("INSERT INTO strongroom_meta VALUES ('id', ?1) ON CONFLICT DO NOTHING", [id])?;
    read(connection)?.context("the database did not take its id")
}

fn read(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let exists = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'strongroom_meta')";
    if !connection.query_row(exists, [], |row| row.get::<_, bool>(0))? {
        return Ok(None);
    }
    connection.query_row("SELECT value FROM strongroom_meta WHERE key = 'id'", [], |row| row.get(0)).optional()
}
