//! What was read and has not changed since, whoever writes: known without a read.
//!
//! Each commit to a database in WAL mode, of whatever process, changes the header of the index of its log, which all of
//! them share in memory: a count of commits, the salts of the log, and checksums, twice, so that a reader notices a change
//! in the middle (<https://sqlite.org/walformat.html>, section 2.1). It is changed after the commit has reached the device,
//! where that is waited for, and before it is acknowledged. So while it is what it was before a value was read, that is the
//! newest value.
//!
//! SQLite maps the index for each connection; here is one that does nothing else than keep it mapped. A descriptor of our own
//! must not be opened: closing it would take away the locks that SQLite holds on the same file.

use super::file::connect;
use rusqlite::{Connection, ffi};
use std::collections::HashMap;
use std::ffi::{c_int, c_void};
use std::path::Path;
use std::ptr::{null_mut, without_provenance_mut};
use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes of the index that are mapped at once.
const REGION_BYTES: c_int = 32 << 10;

/// The only version of the index that there is, in the first four bytes of each header.
const VERSION: u32 = 3_007_000;

/// A header has 48 bytes.
type Header = [u64; 6];

/// Values that are kept at most: the roots of some projects.
const BYTES_MAX: usize = 1 << 20;

/// See the module.
pub struct Unchanged {
    headers: &'static [AtomicU64; 12],
    read: Mutex<Read>,
    /// Has the index mapped. The last field: dropped after all else.
    _connection: Mutex<Connection>,
}

#[derive(Default)]
struct Read {
    header: Header,
    values: HashMap<(Box<str>, Box<str>), Arc<[u8]>>,
    bytes: usize,
}

/// A state of the database.
#[derive(Clone, Copy)]
pub struct State(Header);

impl Unchanged {
    /// `None` if the index can't be had: then everything is read.
    pub fn of(path: &Path) -> Option<Self> {
        let connection = connect(path).ok()?;
        // It is mapped by the first read.
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(())).ok()?;
        let headers = map(&connection)?;
        let unchanged = Self { headers, read: Mutex::default(), _connection: Mutex::new(connection) };
        unchanged.state()?;
        Some(unchanged)
    }

    /// The state that was committed last; `None` while another is being committed.
    pub fn state(&self) -> Option<State> {
        let header = |from: usize| std::array::from_fn(|at| self.headers[from + at].load(Ordering::Relaxed));
        let first: Header = header(0);
        // The second one is written before the first.
        fence(Ordering::SeqCst);
        let second: Header = header(first.len());
        let is_known = first[0].to_ne_bytes().starts_with(&VERSION.to_ne_bytes());
        (first == second && is_known).then_some(State(first))
    }

    /// What the key holds in this state, if that was kept.
    pub fn get(&self, state: State, bucket: &str, key: &str) -> Option<Arc<[u8]>> {
        let read = self.read();
        if read.header != state.0 {
            return None;
        }
        read.values.get(&(bucket.into(), key.into())).cloned()
    }

    /// Keeps what was read in this state or a later one.
    pub fn insert(&self, state: State, bucket: &str, key: &str, value: &[u8]) {
        let mut read = self.read();
        if read.header != state.0 {
            *read = Read { header: state.0, ..Read::default() };
        }
        read.bytes += value.len();
        if read.bytes <= BYTES_MAX {
            read.values.insert((bucket.into(), key.into()), value.into());
        }
    }

    fn read(&self) -> MutexGuard<'_, Read> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The headers, where SQLite has mapped them for this connection. They are there as long as it is open.
fn map(connection: &Connection) -> Option<&'static [AtomicU64; 12]> {
    let mut file: *mut ffi::sqlite3_file = null_mut();
    let mut region: *mut c_void = without_provenance_mut(0);
    #[expect(unsafe_code, reason = "SQLite's interface to its files is one of C")]
    // SAFETY: the connection is open, and used by nobody else. What is asked for is a pointer to its file, which lives as long
    // as the connection; and of that, through its own methods and without extending it, the first region of the index, which
    // is mapped since the first read. Regions have this size and are aligned to pages.
    unsafe {
        let operation = ffi::SQLITE_FCNTL_FILE_POINTER;
        let answer =
            ffi::sqlite3_file_control(connection.handle(), c"main".as_ptr(), operation, (&raw mut file).cast());
        if answer != ffi::SQLITE_OK || file.is_null() || (*file).pMethods.is_null() {
            return None;
        }
        let methods = &*(*file).pMethods;
        let map = methods.xShmMap.filter(|_| methods.iVersion >= 2)?;
        if map(file, 0, REGION_BYTES, 0, &raw mut region) != ffi::SQLITE_OK || region.is_null() {
            return None;
        }
        Some(&*region.cast::<[AtomicU64; 12]>().cast_const())
    }
}
