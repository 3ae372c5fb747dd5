//! What is in a process that keeps others from looking into it: its parent opens the kernel's files while the program is
//! still being loaded, when it may, and reads them later on. Thus no rights are needed beyond those of the process's user.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;

/// Memory, arguments and environment of a process.
#[derive(Debug)]
pub struct Inside {
    memory: File,
    maps: File,
    environment: File,
    process: u32,
}

impl Inside {
    /// `None` if the program has closed itself off already.
    pub fn of(process: u32) -> Option<Self> {
        let open = |name: &str| File::open(format!("/proc/{process}/{name}")).ok();
        Some(Self { memory: open("mem")?, maps: open("maps")?, environment: open("environ")?, process })
    }

    /// How many times a text stands in what the process may write to.
    pub fn count(&mut self, text: &str) -> usize {
        let maps = again(&mut self.maps);
        let ranges = maps.lines().filter_map(|line| {
            let mut words = line.split_whitespace();
            let (range, mode) = (words.next()?, words.next()?);
            let (from, to) = range.split_once('-')?;
            let is_ours = mode.starts_with("rw") && !line.ends_with("[vvar]");
            is_ours.then(|| (u64::from_str_radix(from, 16).unwrap(), u64::from_str_radix(to, 16).unwrap()))
        });
        ranges.map(|(from, to)| self.count_between(from, to, text.as_bytes())).sum()
    }

    fn count_between(&self, from: u64, to: u64, text: &[u8]) -> usize {
        let (mut part, mut at, mut found) = (vec![0; 1 << 20], from, 0);
        while at < to {
            let length = part.len().min((to - at) as usize);
            // Some mappings can't be read.
            let Ok(read @ 1..) = self.memory.read_at(&mut part[..length], at) else { break };
            found += count(&part[..read], text);
            // What stands across the end of a part is found in the next one.
            at += if read < length || read <= text.len() { read as u64 } else { (read - text.len() + 1) as u64 };
        }
        found
    }

    /// Arguments and environment, as far as they can be told; nothing at the very beginning and end of a process.
    pub fn arguments_and_environment(&mut self) -> String {
        let arguments = fs::read(format!("/proc/{}/cmdline", self.process)).unwrap_or_default();
        format!("{}{}", String::from_utf8_lossy(&arguments), again(&mut self.environment))
    }
}

/// The whole file as it is now.
fn again(file: &mut File) -> String {
    let mut bytes = Vec::new();
    // It ends where the process does.
    let _ = file.seek(SeekFrom::Start(0)).and_then(|_| file.read_to_end(&mut bytes));
    String::from_utf8_lossy(&bytes).into_owned()
}

fn count(haystack: &[u8], needle: &[u8]) -> usize {
    let firsts = haystack.iter().enumerate().filter(|(_, byte)| **byte == needle[0]);
    firsts.filter(|(at, _)| haystack[*at..].starts_with(needle)).count()
}
