//! Packs the description of the HTTP interface, of whose text the component would otherwise carry four times as many bytes.
//! `src/http/description.rs` says how, and unpacks it.

use std::collections::HashMap;
use std::path::PathBuf;
use std::{env, fs};

const SOURCE: &str = "src/http/openapi.json";
/// Copies are of so many bytes; those of fewer are no gain.
const COPY_BYTES: std::ops::RangeInclusive<usize> = 4..=131;
const LITERALS_MAX: usize = 128;

fn main() {
    println!("cargo:rerun-if-changed={SOURCE}");
    println!("cargo:rerun-if-changed=build.rs");
    let source = fs::read_to_string(SOURCE).expect("openapi.json can be read");
    let folder = PathBuf::from(env::var_os("OUT_DIR").expect("Cargo sets OUT_DIR"));
    fs::write(folder.join("openapi.packed"), packed(without_spaces(&source).as_bytes()))
        .expect("OUT_DIR can be written");
}

/// JSON without what stands between its tokens.
fn without_spaces(json: &str) -> String {
    let (mut is_text, mut is_escaped) = (false, false);
    json.chars()
        .filter(|&c| {
            if is_text {
                is_text = c != '"' || is_escaped;
                is_escaped = c == '\\' && !is_escaped;
                return true;
            }
            is_text = c == '"';
            !c.is_ascii_whitespace()
        })
        .collect()
}

fn packed(text: &[u8]) -> Vec<u8> {
    let mut packed = Vec::new();
    // Where each beginning of a copy has been seen.
    let mut seen: HashMap<&[u8], Vec<usize>> = HashMap::new();
    let (mut at, mut literals_from) = (0, 0);
    while at < text.len() {
        let beginning = &text[at..text.len().min(at + COPY_BYTES.start())];
        let same = |from: &usize| text[*from..].iter().zip(&text[at..]).take_while(|(old, new)| old == new).count();
        let candidates = seen.get(beginning).into_iter().flatten().filter(|&&from| at - from <= usize::from(u16::MAX));
        let (length, from) =
            candidates.map(|from| (same(from).min(*COPY_BYTES.end()), *from)).max().unwrap_or_default();
        let length = if length < *COPY_BYTES.start() { 1 } else { length };
        if length > 1 {
            put_literals(&mut packed, &text[literals_from..at]);
            packed.push(0x80 | (length - COPY_BYTES.start()) as u8);
            packed.extend(((at - from) as u16).to_le_bytes());
            literals_from = at + length;
        }
        for at in at..at + length {
            seen.entry(&text[at..text.len().min(at + COPY_BYTES.start())]).or_default().push(at);
        }
        at += length;
    }
    put_literals(&mut packed, &text[literals_from..]);
    packed
}

fn put_literals(packed: &mut Vec<u8>, literals: &[u8]) {
    for some in literals.chunks(LITERALS_MAX) {
        packed.push((some.len() - 1) as u8);
        packed.extend(some);
    }
}
