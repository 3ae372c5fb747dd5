//! Master keys that a command gives, such as one that asks a key management service or a hardware token.

use super::keys::Keys;
use crate::Result;
use anyhow::{Context, anyhow, bail, ensure};
use std::io::Read;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// How long it may take; somebody may have to touch a token.
const TIME_LIMIT: Duration = Duration::from_secs(60);
/// How much it may print: some hundred keys.
const MAX_BYTES: usize = 16 << 10;
/// How often it is looked whether it has ended.
const PAUSE: Duration = Duration::from_millis(10);

/// A program with its arguments, which prints what a file of master keys holds. It is run once, when the keys are needed
/// first. What it says on its standard error goes to ours.
pub struct KeyCommand {
    program: String,
    arguments: Vec<String>,
    keys: Mutex<Option<Arc<Keys>>>,
}

impl KeyCommand {
    /// Words as a shell splits them, with quotes; no shell runs, and nothing is replaced.
    pub fn parse(text: &str) -> Result<Self> {
        let words = shlex::split(text).context("--key-command: a quote is not closed")?;
        let mut words = words.into_iter();
        let program = words.next().filter(|program| !program.is_empty()).context("--key-command names no program")?;
        Ok(Self { program, arguments: words.collect(), keys: Mutex::default() })
    }

    pub(super) fn keys(&self) -> Result<Arc<Keys>> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(keys) = &*keys {
            return Ok(keys.clone());
        }
        let printed = run(&self.program, &self.arguments, TIME_LIMIT).context("--key-command")?;
        let read = Arc::new(Keys::parse(&printed).context("--key-command printed no master keys")?);
        *keys = Some(read.clone());
        Ok(read)
    }
}

/// What a program prints. No error has any of it.
fn run(program: &str, arguments: &[String], limit: Duration) -> Result<Zeroizing<String>> {
    let end = Instant::now() + limit;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("{program} cannot be run"))?;
    let printed = match child.stdout.take() {
        Some(output) => read(output, end),
        None => Err(anyhow!("nothing can be read of it")),
    };
    match printed.and_then(|printed| wait(&mut child, end).map(|()| printed)) {
        Ok(printed) => {
            let text = std::str::from_utf8(&printed).map_err(|_| anyhow!("{program} printed no text"))?;
            Ok(Zeroizing::new(text.to_owned()))
        }
        Err(error) => {
            let _ = child.kill();
            let _ = child.wait();
            Err(error).with_context(|| program.to_owned())
        }
    }
}

/// All that it prints. Read on a thread of its own, which ends when nobody has the other end of the pipe any more: the
/// program may have started others.
fn read(output: ChildStdout, end: Instant) -> Result<Zeroizing<Vec<u8>>> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        // Never moved to a larger place, of which the old one would stay.
        let mut printed = Zeroizing::new(Vec::with_capacity(MAX_BYTES + 1));
        let read = output.take(MAX_BYTES as u64 + 1).read_to_end(&mut printed);
        let _ = sender.send(read.map(|_| printed));
    });
    match receiver.recv_timeout(end.saturating_duration_since(Instant::now())) {
        Ok(printed) => {
            let printed = printed?;
            ensure!(printed.len() <= MAX_BYTES, "it printed more than {MAX_BYTES} bytes");
            Ok(printed)
        }
        Err(RecvTimeoutError::Timeout) => Err(late()),
        Err(RecvTimeoutError::Disconnected) => bail!("nothing can be read of it"),
    }
}

fn wait(child: &mut Child, end: Instant) -> Result<()> {
    loop {
        match child.try_wait()? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => bail!("it ended with {status}"),
            None if Instant::now() >= end => return Err(late()),
            None => std::thread::sleep(PAUSE),
        }
    }
}

fn late() -> anyhow::Error {
    anyhow!("it did not end in time")
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn shell(script: &str, limit: Duration) -> Result<Zeroizing<String>> {
        run("sh", &["-c".to_owned(), script.to_owned()], limit)
    }

    #[test]
    fn is_split_as_a_shell_does_and_not_run_by_one() {
        let command = KeyCommand::parse(r#"kms decrypt --file "a b" '$HOME'"#).unwrap();
        assert_eq!(command.program, "kms");
        assert_eq!(command.arguments, ["decrypt", "--file", "a b", "$HOME"]);
        for wrong in ["", "  ", "''", "a 'b"] {
            assert!(KeyCommand::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_fails_is_told_without_what_was_printed() {
        let hour = Duration::from_secs(3600);
        assert_eq!(*shell("echo k1:canary", hour).unwrap(), "k1:canary\n");
        let quick = Duration::from_millis(200);
        for (script, limit, why) in [
            ("echo canary; exit 3", hour, "it ended with exit status: 3"),
            ("echo canary; kill -9 $$", hour, "it ended with signal: 9"),
            ("while :; do echo canary; done", hour, "it printed more than 16384 bytes"),
            ("echo canary; exec sleep 3600", quick, "it did not end in time"),
            ("echo canary; exec >&-; exec sleep 3600", quick, "it did not end in time"),
            // What it started keeps the pipe open.
            ("echo canary; sleep 5", quick, "it did not end in time"),
            (r"printf '\377canary'", hour, "printed no text"),
        ] {
            let Err(error) = shell(script, limit) else { panic!("{script}") };
            let error = format!("{error:#}");
            assert!(error.contains(why) && !error.contains("canary"), "{script}: {error}");
        }
        let error = format!("{:#}", run("/nowhere/kms", &[], hour).err().unwrap());
        assert!(error.contains("/nowhere/kms cannot be run"), "{error}");
        let command = KeyCommand::parse("echo canary").unwrap();
        let error = format!("{:#}", command.keys().err().unwrap());
        assert!(error.starts_with("--key-command printed no master keys") && !error.contains("canary"), "{error}");
    }
}
