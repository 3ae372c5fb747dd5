//! Trust in files. Whoever can write to the state directory runs code as this process (its compile cache) and lets himself
//! in (its tokens), so what others could have written is refused, as ssh refuses it. Files are judged by what was
//! opened, not by what lay at the path a moment before.

use crate::Result;
use anyhow::{Context, bail, ensure};
#[cfg(unix)]
use std::fs::TryLockError;
use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::path::Path;

/// Bits of a mode by which others read or write.
pub const PRIVATE: u32 = 0o077;
/// Bits of a mode by which others write.
pub const NOT_WRITABLE: u32 = 0o022;

/// Makes a directory that only we can enter, with those above it, unless it is there.
pub fn create_directory(path: &Path) -> Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).with_context(|| format!("{} cannot be created", path.display()))
}

/// Checks a directory: it must be ours and nobody else's to write, and so must be those above it, but for the root
/// user's, and for those in which only owners can rename (as `/tmp`). The path must have no symbolic links in it.
pub fn check_directory(path: &Path) -> Result<()> {
    let open = |path: &Path| {
        let mut options = OpenOptions::new();
        options.read(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::custom_flags(
            &mut options,
            (rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::DIRECTORY).bits() as i32,
        );
        let metadata = options.open(path).and_then(|directory| directory.metadata());
        metadata.with_context(|| format!("{} cannot be opened as a directory", path.display()))
    };
    check(&open(path)?, path, NOT_WRITABLE, "700")?;
    #[cfg(unix)]
    for parent in path.ancestors().skip(1) {
        const STICKY: u32 = 0o1000;
        use std::os::unix::fs::MetadataExt;
        // A parent that we may not list is judged by its path.
        let metadata = open(parent).or_else(|error| std::fs::symlink_metadata(parent).map_err(|_| error))?;
        let forbidden = if metadata.mode() & STICKY == 0 { NOT_WRITABLE } else { 0 };
        check(&metadata, parent, forbidden, "go-w")?;
    }
    Ok(())
}

/// Opens a file that must be ours, no symbolic link, and must have none of the forbidden bits in its mode. `None` if
/// there is none.
pub fn open(path: &Path, forbidden: u32) -> Result<Option<File>> {
    let mut options = OpenOptions::new();
    options.read(true);
    // Not waiting for the other end of a pipe.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(
        &mut options,
        (rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK).bits() as i32,
    );
    let file = match options.open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(_) if path.is_symlink() => bail!("{} is a symbolic link: put the file itself there", path.display()),
        Err(error) => return Err(error).with_context(|| format!("{} cannot be read", path.display())),
    };
    let metadata = file.metadata().with_context(|| format!("{} cannot be read", path.display()))?;
    ensure!(metadata.is_file(), "{} is not a file", path.display());
    check(&metadata, path, forbidden, "600")?;
    Ok(Some(file))
}

/// The text of such a file. `None` if there is none.
pub fn read(path: &Path, forbidden: u32) -> Result<Option<String>> {
    let Some(mut file) = open(path, forbidden)? else { return Ok(None) };
    let mut text = String::new();
    file.read_to_string(&mut text).with_context(|| format!("{} cannot be read", path.display()))?;
    Ok(Some(text))
}

/// Writes a file with mode 0600 in one step: a crash leaves the old one or the new one. What is written first has a name
/// that nobody can foresee.
pub fn write(path: &Path, content: &str) -> Result<()> {
    let write = || {
        let directory = path.parent().unwrap_or(Path::new("."));
        let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(directory)?;
        file.write_all(content.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        if cfg!(unix) { File::open(directory)?.sync_all() } else { Ok(()) }
    };
    write().with_context(|| format!("{} cannot be written", path.display()))
}

/// Holds a directory as one of all who use it, until the result is dropped. Waits while somebody has it alone.
#[cfg(unix)]
pub fn share(directory: &Path) -> Result<File> {
    let shown = directory.display();
    let opened = File::open(directory).with_context(|| format!("{shown} cannot be opened"))?;
    opened.lock_shared().with_context(|| format!("{shown} cannot be locked"))?;
    Ok(opened)
}

/// Holds a directory alone, until the result is dropped. Fails if anybody else uses it.
#[cfg(unix)]
pub fn take_alone(directory: &Path) -> Result<File> {
    let shown = directory.display();
    let opened = File::open(directory).with_context(|| format!("{shown} cannot be opened"))?;
    match opened.try_lock() {
        Ok(()) => Ok(opened),
        Err(TryLockError::WouldBlock) => bail!("{shown} is in use by a running program: end it first"),
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("{shown} cannot be locked")),
    }
}

/// Directories can't be locked everywhere.
#[cfg(not(unix))]
pub fn share(_: &Path) -> Result<()> {
    Ok(())
}

#[cfg(not(unix))]
pub fn take_alone(_: &Path) -> Result<()> {
    Ok(())
}

/// Takes the lock that the file at this path stands for.
pub fn lock(path: &Path) -> Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600).custom_flags(rustix::fs::OFlags::NOFOLLOW.bits() as i32);
    }
    let file = options.open(path).with_context(|| format!("{} cannot be written", path.display()))?;
    file.lock().with_context(|| format!("{} cannot be locked", path.display()))?;
    Ok(file)
}

#[cfg(unix)]
fn check(metadata: &Metadata, path: &Path, forbidden: u32, right: &str) -> Result<()> {
    use std::os::unix::fs::MetadataExt;
    let (owner, mode) = (metadata.uid(), metadata.mode() & 0o777);
    ensure!(
        owner == rustix::process::geteuid().as_raw() || owner == 0,
        "{} belongs to another user (number {owner}), who can change what is in it",
        path.display()
    );
    ensure!(
        mode & forbidden == 0,
        "{0} is open to other users (mode {mode:04o}): run chmod {right} {0}",
        path.display()
    );
    Ok(())
}

#[cfg(not(unix))]
fn check(_: &Metadata, _: &Path, _: u32, _: &str) -> Result<()> {
    Ok(())
}
