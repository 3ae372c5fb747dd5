//! The short run: the inputs that are kept, and a fixed number of mutations of them, the same in every run.

use super::{TARGETS, Target};
use alloc::string::String;
use alloc::vec::Vec;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// Longest input that a mutation makes.
const LENGTH_MAX: usize = 4096;
/// Bytes and pieces that parsers look at.
const PIECES: [&[u8]; 24] = [
    b"\"", b"\\", b"{", b"}", b"[", b"]", b":", b",", b"%", b"+", b"&", b"=", b"/", b"?", b"#", b"@", b".", b"\n",
    b" ", b"\0", b"\xff", b"\x80", b"xn--", b"\\ud83d",
];

/// Steele, Vigna: SplitMix64.
struct Draws(u64);

impl Draws {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }
}

fn corpus(target: &Target) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target.name)
}

/// What is kept, in the order of the names, and what the code makes.
fn inputs(target: &Target) -> Vec<Vec<u8>> {
    let files = fs::read_dir(corpus(target)).expect("each target has a corpus");
    let mut files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    let kept = files.iter().map(|file| fs::read(file).unwrap());
    kept.chain((target.seeds)()).collect()
}

fn mutated(draws: &mut Draws, inputs: &[Vec<u8>], at: usize) -> Vec<u8> {
    let mut input = inputs[at].clone();
    for _ in 0..=draws.below(4) {
        let at = draws.below(input.len() + 1);
        let end = (at + 1 + draws.below(8)).min(input.len());
        match draws.below(8) {
            0 if at < input.len() => input[at] ^= 1 << draws.below(8),
            1 if at < input.len() => input[at] = draws.next() as u8,
            2 if at < end => drop(input.drain(at..end)),
            3 => drop(input.splice(at..at, PIECES[draws.below(PIECES.len())].iter().copied())),
            4 if at < end => {
                let again: Vec<u8> = input[at..end].into();
                input.splice(at..at, again);
            }
            5 => {
                // The beginning of one and the end of another.
                let other = &inputs[draws.below(inputs.len())];
                input.truncate(at);
                input.extend_from_slice(&other[draws.below(other.len() + 1)..]);
            }
            6 => input.truncate(at),
            _ if at < input.len() => input[at] = input[at].wrapping_add(if draws.below(2) == 0 { 1 } else { 255 }),
            _ => {}
        }
    }
    input.truncate(LENGTH_MAX);
    input
}

/// Runs a target, and shows the input that it panics for.
fn run(target: &Target, input: &[u8]) {
    if std::panic::catch_unwind(|| (target.run)(input)).is_err() {
        panic!("target {}: the input is b\"{}\"", target.name, input.escape_ascii());
    }
}

fn short_run(name: &str, mutations: usize) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("such a target");
    let inputs = inputs(target);
    assert!(inputs.len() >= 5, "{name} has hardly any inputs");
    for input in &inputs {
        run(target, input);
    }
    let mut draws = Draws(name.bytes().fold(7, |seed, byte| seed * 31 + u64::from(byte)));
    for number in 0..mutations {
        run(target, &mutated(&mut draws, &inputs, number % inputs.len()));
    }
}

macro_rules! short_runs {
    ($($target:ident $mutations:literal,)*) => {
        $(#[test]
        fn $target() {
            short_run(stringify!($target), $mutations);
        })*

        #[test]
        fn every_target_has_a_short_run_and_a_file() {
            let names = [$(stringify!($target)),*];
            assert!(TARGETS.iter().map(|target| target.name).eq(names));
            for name in names {
                assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/targets").join(name).with_extension("rs").exists());
            }
        }
    };
}

short_runs! {
    json 60000,
    request 3000,
    mcp 3000,
    otpauth 30000,
    origin 60000,
    settings 60000,
    envelope 20000,
    records 20000,
    entries 3000,
}

/// Writes the inputs that the code makes into the folder that this variable names, for `cargo xtask fuzz`.
#[test]
fn seeds_are_written() {
    let Ok(folder) = env::var("STRONGROOM_FUZZ_SEEDS") else { return };
    for target in &TARGETS {
        let folder = Path::new(&folder).join(target.name);
        fs::create_dir_all(&folder).unwrap();
        for (number, seed) in (target.seeds)().iter().enumerate() {
            fs::write(folder.join(String::from("seed-") + &alloc::format!("{number:02}")), seed).unwrap();
        }
    }
}
