//! Any bytes as an envelope, and envelopes of ours with any change: none opens but as it was sealed.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a target panics when it has found something"
)]

use super::*;
use crate::fuzzing::{Numbers, Target, check_error};

pub const ENVELOPE: Target = Target { name: "envelope", run, seeds };

const KEYS: &str = "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8 k0:BAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
const PLACE: &[u8] = b"sr1.place";
const HEAD: &[u8] = b"the head of a record";
const PARTS: [&[u8]; 3] = [b"first part", b"", b"third"];

/// The first byte says how the rest is used: as an envelope, or as changes to one of ours.
fn run(data: &[u8]) {
    let Some((&first, rest)) = data.split_first() else { return };
    let sealer = sealer("fuzz");
    let ours = sealed(&sealer);
    let older = sealed(&older_sealer());
    let envelope = match first % 2 {
        0 => rest.to_vec(),
        _ => changed(ours.clone(), rest),
    };
    if let Some(id) = key_id(&envelope) {
        assert_eq!(envelope.get(2..2 + id.len()), Some(id.as_bytes()));
    }
    if sealer.is_current(&envelope) {
        assert_eq!(key_id(&envelope), Some("k1"));
    }
    match opened(&sealer, Purpose::Node, PLACE, &envelope) {
        Ok(plain) => {
            assert!(envelope == ours || envelope == older, "what nobody sealed was opened");
            assert_eq!(plain, ([HEAD].into_iter().chain(PARTS)).map(<[u8]>::to_vec).collect::<Vec<_>>());
            // Nowhere else, and for nothing else.
            assert!(opened(&sealer, Purpose::Node, b"sr1.elsewhere", &envelope).is_err());
            assert!(opened(&sealer, Purpose::Root, PLACE, &envelope).is_err());
            assert!(opened(&self::sealer("other"), Purpose::Node, PLACE, &envelope).is_err());
        }
        Err(error) => {
            assert!(envelope != ours && envelope != older, "what was sealed does not open");
            check_error(&error);
        }
    }
    for purpose in [Purpose::Root, Purpose::Body, Purpose::Claim, Purpose::Backup] {
        assert!(sealer.open_head(purpose, &[PLACE], envelope.clone()).is_err());
    }
}

fn sealer(project: &str) -> Sealer {
    Sealer::new(Keyring::parse(KEYS).unwrap(), Project::parse(project).unwrap())
}

/// One that seals by the second of the keys.
fn older_sealer() -> Sealer {
    let (_, older) = KEYS.split_once(' ').unwrap();
    Sealer::new(Keyring::parse(older).unwrap(), Project::parse("fuzz").unwrap())
}

fn sealed(sealer: &Sealer) -> Vec<u8> {
    sealer.seal_parts(&Numbers::default(), Purpose::Node, &[PLACE], HEAD, &PARTS).unwrap()
}

/// The head and all parts, whose lengths are known.
fn opened(sealer: &Sealer, purpose: Purpose, place: &[u8], envelope: &[u8]) -> Result<Vec<Vec<u8>>> {
    let opened = sealer.open_head(purpose, &[place], envelope.to_vec())?;
    opened.expect(PARTS.len(), PARTS.concat().len())?;
    let mut all = Vec::from([opened.head().to_vec()]);
    let mut before = 0;
    for (number, part) in (1u64..).zip(PARTS) {
        all.push(opened.part(number, before, part.len())?.expose().to_vec());
        before += part.len();
    }
    Ok(all)
}

/// Changes of four bytes: what, where, with what.
fn changed(mut envelope: Vec<u8>, changes: &[u8]) -> Vec<u8> {
    for change in changes.chunks_exact(4) {
        let at = usize::from(u16::from_le_bytes([change[1], change[2]])) % (envelope.len() + 1);
        match change[0] % 5 {
            0 => envelope.insert(at, change[3]),
            1 => envelope.truncate(at),
            2 if at < envelope.len() => drop(envelope.remove(at)),
            3 => {
                // A part of it once more.
                let end = (at + usize::from(change[3])).min(envelope.len());
                envelope.extend_from_within(at..end);
            }
            _ => {
                if let Some(byte) = envelope.get_mut(at) {
                    *byte ^= change[3];
                }
            }
        }
    }
    envelope
}

fn seeds() -> Vec<Vec<u8>> {
    let ours = sealed(&sealer("fuzz"));
    Vec::from([
        [&[0], &ours[..]].concat(),
        [&[0], &sealed(&older_sealer())[..]].concat(),
        Vec::from([1]),
        Vec::from([1, 4, 9, 0, 1]),
        Vec::from([1, 1, 60, 0, 0]),
        Vec::from([1, 3, 40, 0, 40, 2, 3, 0, 0]),
    ])
}
