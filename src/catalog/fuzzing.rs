//! Any bytes as the plaintext of the catalog's records. Whoever can seal them has the keys, so this is about damage by
//! ourselves: a record that can't be read is an error, and one that can be read is written as it was.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a target panics when it has found something"
)]

use super::leaf::{StoredNode, encode};
use super::node::{Link, Node};
use super::root::Root;
use super::*;
use crate::codec::{Reader, Writer, number_bytes};
use crate::fuzzing::{Numbers, Target, check_error};
use crate::platform::Clock;
use crate::seal::{Keyring, Opened, Project, Purpose};
use crate::store::memory::MemoryStore;
use crate::time::Timestamp;
use alloc::string::String;

pub const RECORDS: Target = Target { name: "records", run, seeds };

const KEYS: &str = "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
const CLAIM: RecordRef = RecordRef { kind: Kind::Claim, random: [7; 16] };

struct At(u64);

impl Clock for At {
    fn now(&self) -> Timestamp {
        Timestamp(self.0)
    }
}

/// The first byte says which record it is.
fn run(data: &[u8]) {
    let Some((&first, rest)) = data.split_first() else { return };
    match first % 6 {
        0 => node(rest),
        1 => stored_node(rest),
        2 => root(rest),
        3 => claim(rest),
        4 => key(rest),
        _ => numbers(rest),
    }
}

fn sealer() -> Sealer {
    Sealer::new(Keyring::parse(KEYS).unwrap(), Project::parse("fuzz").unwrap())
}

fn node(bytes: &[u8]) {
    let Some(node) = Node::decode(bytes) else { return };
    let written = node.encode().unwrap();
    assert!(written.len() <= node.bytes());
    let again = Node::decode(&written).unwrap();
    assert_eq!((again.encode().unwrap(), again.count()), (written, node.count()));
    let is_ordered = match &node {
        Node::Leaf(entries) => entries.is_sorted_by(|left, right| left.key < right.key),
        Node::Inner(children) => {
            assert!(children.iter().all(|child| matches!(child.link, Link::Stored(_))));
            children.is_sorted_by(|left, right| left.low < right.low)
        }
    };
    // Cut in pieces, it is the same in the same order.
    if is_ordered {
        for grew_at_end in [false, true] {
            let pieces = node.clone().split(Vec::new(), 256, grew_at_end);
            assert_eq!(pieces.iter().map(|piece| piece.count).fold(0u32, u32::saturating_add), node.count());
            assert!(pieces.is_sorted_by(|left, right| left.low < right.low));
        }
    }
}

/// A head and parts, each with its length before it, as an envelope.
fn envelope(bytes: &[u8]) -> Option<Opened> {
    let mut reader = Reader::new(bytes);
    let head = reader.bytes()?;
    let mut parts = Vec::new();
    while !reader.is_empty() {
        parts.push(reader.bytes()?);
    }
    Some(opened(head, &parts))
}

fn opened(head: &[u8], parts: &[&[u8]]) -> Opened {
    let sealer = sealer();
    let sealed = sealer.seal_parts(&Numbers::default(), Purpose::Node, &[b"place"], head, parts).unwrap();
    sealer.open_head(Purpose::Node, &[b"place"], sealed).unwrap()
}

fn stored_node(bytes: &[u8]) {
    let Some(opened) = envelope(bytes) else { return };
    let Ok(stored) = StoredNode::of(opened) else { return };
    if let StoredNode::Leaf(leaf) = &stored {
        for at in 0..leaf.chunks() + 1 {
            let _ = leaf.open(at);
        }
        for key in [&b""[..], b"\xff\xff", bytes] {
            assert!(leaf.chunk_of(key).is_none_or(|(at, _)| at < leaf.chunks()));
        }
        for rank in [0, 1, u32::MAX] {
            assert!(leaf.chunk_at(rank).is_none_or(|(at, before)| at < leaf.chunks() && (at == 0 || before <= rank)));
        }
    }
    let Ok(node) = stored.to_node() else { return };
    let encoded = encode(&node).unwrap();
    let parts: Vec<&[u8]> = encoded.parts.iter().map(Vec::as_slice).collect();
    let again = StoredNode::of(self::opened(&encoded.head, &parts)).unwrap().to_node().unwrap();
    assert_eq!(again.encode(), node.encode());
}

fn root(bytes: &[u8]) {
    let Some(opened) = envelope(bytes) else { return };
    let root = match Root::of(opened, Purpose::Root) {
        Ok(root) => root,
        Err(error) => return check_error(&error),
    };
    look_at(&root);
    let sealer = sealer();
    // Sections are opened when they are needed; lengths that fit together only in their sum show then.
    let sealed = match root.seal(&sealer, &Numbers::default(), Purpose::Root, "key") {
        Ok(sealed) => sealed,
        Err(error) => return check_error(&error),
    };
    let again = <Root as Cell>::open(&sealer, "key", &sealed).unwrap();
    assert_eq!(
        (again.seq, again.node_bytes, again.bytes().unwrap()),
        (root.seq, root.node_bytes, root.bytes().unwrap())
    );
    let resealed = again.seal(&sealer, &Numbers::default(), Purpose::Root, "key").unwrap();
    assert!(sealed == resealed);
    look_at(&root.contents_only());
    // What is read is written as it was.
    let mut next = root.clone();
    for index in Index::ALL {
        if let Ok(top) = root.top(index) {
            next.set_top(index, &top).unwrap();
            assert_eq!(next.top(index).unwrap().count(), top.count());
        }
    }
    if let Ok(garbage) = root.garbage() {
        next.set_garbage(&garbage);
        assert_eq!(next.garbage().unwrap().len(), garbage.len());
    }
    if let Ok(pins) = root.pins() {
        next.set_pins(&pins);
        assert_eq!(next.pins().unwrap().len(), pins.len());
    }
    if let Ok(queue) = root.queue() {
        next.set_queue(queue);
        assert_eq!(next.queue().unwrap().served, queue.served);
    }
    if next.advance([9; 8]).is_ok() {
        assert_eq!(next.commit_at(root.seq + 1).unwrap(), Some([9; 8]));
    }
}

fn look_at(root: &Root) {
    for index in Index::ALL {
        let _ = root.top(index).inspect_err(check_error);
    }
    let _ = root.garbage().inspect_err(check_error);
    let _ = root.pins().inspect_err(check_error).map(|pins| pins.iter().filter(|pin| pin.holds(Timestamp(5))).count());
    let _ = root.note().inspect_err(check_error);
    let _ = root.queue().inspect_err(check_error);
    for seq in [0, 1, root.seq, root.seq.wrapping_sub(1), root.seq.wrapping_add(1), u64::MAX] {
        let _ = root.commit_at(seq).inspect_err(check_error);
    }
}

/// A claim record, and what is done with it. The first eight bytes are the step.
fn claim(bytes: &[u8]) {
    let mut reader = Reader::new(bytes);
    let Some(step) = reader.u64() else { return };
    // A clock counts milliseconds, and a step has some seconds.
    let step = step / 5000;
    let (sealer, random, store) = (sealer(), Numbers::default(), MemoryStore::default());
    let platform = Platform { store: &store, clock: &At(0), random: &random };
    let catalog = Catalog::new(platform, &sealer);
    let key = catalog.records.keys.record(CLAIM);
    let sealed = sealer.seal(&random, Purpose::Claim, &[key.as_bytes()], reader.rest()).unwrap();
    store.entries.borrow_mut().insert(key, sealed);
    let Ok(length) = catalog.claim_bytes(CLAIM) else { return };
    assert_eq!(length, reader.rest().len() as u64);
    let granted = catalog.claim(CLAIM, step);
    if let Ok(Claim::Granted) = granted {
        assert!(!matches!(catalog.claim(CLAIM, step), Ok(Claim::Granted)), "a step was given twice");
        if let Ok(free) = catalog.reset_claim(CLAIM, step.saturating_sub(1)) {
            assert_ne!(free, step);
            assert!(!matches!(catalog.claim(CLAIM, step), Ok(Claim::Granted)), "a step was given twice, after a reset");
        }
    }
    let _ = catalog.use_up(CLAIM, step.saturating_add(1));
    assert!(!matches!(catalog.claim(CLAIM, step), Ok(Claim::Granted)), "a step was given that was used up");
}

/// A key of the store.
fn key(bytes: &[u8]) {
    let key = crate::fuzzing::text(bytes);
    let keys = KeySpace::new(&Project::parse("fuzz").unwrap());
    let prefix = KeySpace::prefix_of(&key);
    assert!(prefix.is_none_or(|prefix| key.starts_with(prefix) && prefix.ends_with('.')));
    if let Some(record) = keys.parse(&key) {
        assert_eq!(keys.record(record), key);
        assert_eq!(prefix, Some(keys.prefix()));
        assert_eq!(RecordRef::from_bytes(record.to_bytes()), Some(record));
        assert_eq!(is_written_once(&key), record.kind != Kind::Claim);
    }
    let _ = is_written_once(&key);
}

/// Numbers and fields, one after the other.
fn numbers(bytes: &[u8]) {
    let mut reader = Reader::new(bytes);
    let mut writer = Writer::default();
    loop {
        let at = bytes.len() - reader.rest().len();
        let Some(number) = reader.clone().number() else { break };
        let taken = reader.number().map(|_| bytes.len() - reader.rest().len() - at);
        assert_eq!(taken, usize::try_from(number).ok().map(number_bytes));
        writer.number(number);
    }
    assert!(bytes.starts_with(&writer.bytes), "a number has one form");
    let _ = Reader::new(bytes).bytes();
}

fn seeds() -> Vec<Vec<u8>> {
    let (sealer, random, store) = (sealer(), Numbers::default(), MemoryStore::default());
    let platform = Platform { store: &store, clock: &At(1_795_343_417_000), random: &random };
    let catalog = Catalog::new(platform, &sealer);
    catalog.init(InitOptions { force: false, node_bytes: Some(512) }).unwrap();
    for number in 0..40u8 {
        catalog
            .commit(|transaction| {
                let body = transaction.add_body(crate::secret::SecretBytes::new(Vec::from([number; 40])))?;
                let key = alloc::format!("key {number:02}");
                let entry = Entry { records: Vec::from([body]), ..Entry::new(key.as_bytes(), &[number; 30]) };
                transaction.insert(Index::Id, entry)
            })
            .unwrap();
    }
    catalog.pin().unwrap();
    let key = catalog.records.keys.root();
    let found = catalog.records.current::<Root>(&key).unwrap().unwrap();
    let opened = sealer.open_head(Purpose::Root, &[key.as_bytes()], found.bytes.clone()).unwrap();
    let (root, head) = (found.state, opened.head().to_vec());
    // Of each section its number and its length, behind three numbers.
    let mut reader = Reader::new(&head[20..]);
    let (mut parts, mut before) = (Vec::new(), 0);
    for number in 1..=reader.number().unwrap() {
        let length = reader.u8().and_then(|_| reader.count()).unwrap();
        parts.push(opened.part(number, before, length).unwrap().expose().to_vec());
        before += length;
    }
    let mut seeds = Vec::from([framed(2, (head, parts))]);
    let top = root.top(Index::Id).unwrap();
    seeds.push([&[0], top.encode().unwrap().as_slice()].concat());
    let Node::Inner(children) = top else { panic!("the tree has one level") };
    for child in children.iter().take(2) {
        let Link::Stored(record) = child.link else { panic!("a child is fresh") };
        let node = StoredNode::of(catalog.records.read(record).ok().unwrap()).unwrap().to_node().unwrap();
        let encoded = encode(&node).unwrap();
        seeds.push(framed(1, (encoded.head, encoded.parts)));
        seeds.push([&[0], node.encode().unwrap().as_slice()].concat());
        seeds.push([&[4], catalog.records.keys.record(record).as_bytes()].concat());
    }
    catalog.records.create_claim(CLAIM).unwrap();
    for step in [50, 52, 90, 60] {
        let _ = catalog.claim(CLAIM, step);
    }
    let key: String = catalog.records.keys.record(CLAIM);
    let sealed = store.entries.borrow().get(&key).unwrap().clone();
    let claim = sealer.open(Purpose::Claim, &[key.as_bytes()], &sealed).unwrap();
    seeds.push([&[3, 0, 0, 91, 0, 0, 0, 0, 0], claim.expose()].concat());
    seeds.push([&[4], catalog.records.keys.root().as_bytes()].concat());
    seeds.push([&[4], key.as_bytes()].concat());
    let mut numbers = Writer { bytes: Vec::from([5]) };
    [0, 127, 128, 1 << 35, u64::MAX].into_iter().for_each(|number| numbers.number(number));
    seeds.push(numbers.bytes);
    seeds
}

fn framed(kind: u8, (head, parts): (Vec<u8>, Vec<Vec<u8>>)) -> Vec<u8> {
    let mut writer = Writer { bytes: Vec::from([kind]) };
    writer.bytes(&head);
    parts.iter().for_each(|part| writer.bytes(part));
    writer.bytes
}
