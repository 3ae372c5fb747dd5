//! Where a passphrase comes from: a file descriptor, or the terminal. Never arguments or variables, which other processes can
//! see.

use anyhow::{Context, bail, ensure};
use std::path::Path;
use std::sync::Arc;
use strongroom_host::Result;
use strongroom_host::state::Passphrase;
use zeroize::Zeroizing;

/// One that was read from a descriptor when the arguments were read.
#[derive(Clone)]
pub struct Given(pub Arc<Passphrase>);

/// Reads the line that stands in a descriptor, and closes that: what this program starts shall not have it. For arguments
/// only.
#[cfg(unix)]
pub fn given(number: &str) -> Result<Given> {
    use std::fs::File;
    use std::os::fd::{FromRawFd, OwnedFd};
    let number: i32 =
        number.parse().ok().filter(|number| (3..1024).contains(number)).context("it must be 3 to 1023")?;
    // SAFETY: arguments are read before this program opens anything, so whatever has this number was passed by who
    // started it, and nothing else here knows of it.
    #[expect(unsafe_code, reason = "the standard library has no other way to take a descriptor over")]
    let descriptor = unsafe { OwnedFd::from_raw_fd(number) };
    Ok(Given(Arc::new(first_line(File::from(descriptor))?)))
}

#[cfg(not(unix))]
pub fn given(_: &str) -> Result<Given> {
    bail!("this system passes no descriptors")
}

#[cfg(unix)]
fn first_line(mut from: impl std::io::Read) -> Result<Passphrase> {
    // Byte by byte: what follows is somebody else's.
    let (mut line, mut byte) = (Zeroizing::new(Vec::with_capacity(Passphrase::MAX_BYTES + 1)), [0]);
    while line.len() <= Passphrase::MAX_BYTES && from.read(&mut byte).context("nothing can be read there")? > 0 {
        if byte == *b"\n" {
            break;
        }
        line.extend(byte);
    }
    let text = std::str::from_utf8(&line).map_err(|_| anyhow::anyhow!("the passphrase is not UTF-8"))?;
    Passphrase::new(Zeroizing::new(text.to_owned()))
}

/// Asks for the passphrase of a file.
pub fn asked(file: &Path) -> Result<Arc<Passphrase>> {
    let text = ask(&format!("Passphrase of {}: ", file.display()));
    text.with_context(|| format!("{} is wrapped by a passphrase", file.display()))
}

/// Asks for a new one, twice.
pub fn asked_for_new() -> Result<Arc<Passphrase>> {
    let first = ask("New passphrase: ")?;
    let again = ask("The same again: ")?;
    ensure!(*first == *again, "these were two passphrases");
    Ok(first)
}

/// On the terminal of the process, without echo, whatever standard input is.
fn ask(prompt: &str) -> Result<Arc<Passphrase>> {
    match rpassword::prompt_password(prompt) {
        Ok(text) => Ok(Arc::new(Passphrase::new(Zeroizing::new(text))?)),
        Err(_) => bail!("there is no terminal to ask on: give the passphrase with --passphrase-fd"),
    }
}
