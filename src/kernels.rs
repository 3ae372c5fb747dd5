//! The parts of a request that compute, each by itself, for `cargo xtask bench wasm`, which runs them natively and in
//! WebAssembly. In the component only with the feature `kernels`.

use crate::access;
use crate::catalog::{Entry, Node};
use crate::error::Result;
use crate::platform::Random;
use crate::seal::{Keyring, Project, Purpose, Sealer};
use crate::time::Timestamp;
use crate::totp::{NewTotp, Totp};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// What [`run`] knows, by number.
pub const NAMES: [&str; 5] = [
    "a code (SHA-1, 160 bits)",
    "seal and open 1 KiB",
    "seal and open 8 KiB",
    "decode a node of 8 KiB",
    "find a token among 16",
];

const NOW: Timestamp = Timestamp(1_800_000_000_000);

/// The same bytes each time: nothing that is sealed here is kept.
struct Fixed;

impl Random for Fixed {
    fn fill(&self, buffer: &mut [u8]) -> Result<()> {
        buffer.fill(7);
        Ok(())
    }
}

/// Runs one of them so many times; the sum of something of each result, 0 if it failed.
pub fn run(kernel: u32, times: u32) -> u32 {
    match kernel {
        0 => codes(times),
        1 => seals(times, 1024),
        2 => seals(times, 8192),
        3 => nodes(times),
        4 => tokens(times),
        _ => Ok(0),
    }
    .unwrap_or(0)
}

fn codes(times: u32) -> Result<u32> {
    let secret = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";
    let totp = Totp::parse(NewTotp { secret, algorithm: None, digits: None, period: None }, None)?;
    let mut sum = 0;
    for turn in 0..u64::from(times) {
        let code = totp.code_at(Timestamp(NOW.0 + 30_000 * turn))?;
        sum += code.code.bytes().map(u32::from).sum::<u32>();
    }
    Ok(sum)
}

fn seals(times: u32, bytes: usize) -> Result<u32> {
    let keyring = Keyring::parse("k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8")?;
    let project = Project::parse("default").ok_or_else(crate::error::Error::not_found)?;
    let sealer = Sealer::new(keyring, project);
    let mut text: Vec<u8> = (0..bytes).map(|at| at as u8).collect();
    let mut sum = 0;
    for turn in 0..times {
        let sealed = sealer.seal(&Fixed, Purpose::Node, &[b"place"], &text)?;
        let opened = sealer.open(Purpose::Node, &[b"place"], &sealed)?;
        sum += opened.expose().last().map_or(0, |last| u32::from(*last));
        if let Some(first) = text.first_mut() {
            *first = turn as u8;
        }
    }
    Ok(sum)
}

fn nodes(times: u32) -> Result<u32> {
    let entry = |number: usize| Entry::new(format!("login-{number:05}").as_bytes(), &[number as u8; 80]);
    let encoded = Node::Leaf((0..92).map(entry).collect()).encode().unwrap_or_default();
    Ok((0..times).filter_map(|_| Node::decode(core::hint::black_box(&encoded))).map(|node| node.count()).sum())
}

fn tokens(times: u32) -> Result<u32> {
    let hash = |number| access::hash(&token(number)).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let entry = |number| format!("agent-{number}:default:read+totp:{}\n", hash(number));
    let setting: String = (0..16).map(entry).collect();
    let mut found = 0;
    for turn in 0..times {
        found += u32::from(access::find(&setting, &token(turn % 16), NOW)?.is_some());
    }
    Ok(found)
}

fn token(number: u32) -> String {
    format!("sr_0123456789abcdefghijklmnopqrstuvwxyz0123{number:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_does_what_it_says() {
        assert_eq!((run(3, 2), run(4, 20), run(NAMES.len() as u32, 1)), (2 * 92, 20, 0));
        assert_eq!((run(1, 2), run(2, 1)), (2 * 255, 255));
        assert!((6 * u32::from(b'0')..=6 * u32::from(b'9')).contains(&run(0, 1)));
    }
}
