//! Makes the table of public suffixes that `supply` looks hosts up in, from the list that publicsuffix.org publishes.
//!
//! The list is given as a file, because nothing is downloaded at build time. It is in the PyPI package
//! `publicsuffixlist` (`pip download --no-deps publicsuffixlist`, then unpack the wheel), with its date in the version.

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// One hash in 2^16 hits a number of the table by chance. Each bit less saves 1.1 KB, each bit more costs as much.
const REMAINDER_BITS: u32 = 16;
/// The reader takes a quotient and the bit that ends it from a window of 57 bits.
const MAX_QUOTIENT: u64 = 40;
/// Every so many rules one is kept for the tests of the reader.
const SAMPLE_STEP: usize = 20;

/// Reads the list and writes the table (`public_suffix.bin` and `public_suffix_table.rs`) and a sample of its rules for
/// the tests into the folder. `source` says where the list comes from: package and version.
pub fn run(list: &Path, source: &str, folder: &Path) -> Result<()> {
    let text = fs::read_to_string(list).with_context(|| format!("cannot read {}", list.display()))?;
    let rules = Rules::parse(&text)?;
    for bits in [12, 14, 16, 18, 20] {
        println!("{bits} bits: {} bytes, one hash in {} hits by chance", rules.encode(bits)?.len(), 1u64 << bits);
    }
    let codes = rules.encode(REMAINDER_BITS)?;
    fs::write(folder.join("public_suffix.bin"), &codes)?;
    fs::write(folder.join("public_suffix_table.rs"), rules.to_source(source)?)?;
    fs::create_dir_all(folder.join("testdata"))?;
    fs::write(folder.join("testdata/public_suffix_sample.txt"), rules.to_sample(source)?)?;
    println!("wrote {} rules and {} exceptions in {} bytes", rules.suffixes.len(), rules.exceptions.len(), codes.len());
    Ok(())
}

/// The rules of the list, in A-label form.
struct Rules {
    version: String,
    /// Without those of one label: every name of one label counts as a public suffix anyway.
    suffixes: BTreeSet<String>,
    exceptions: BTreeSet<String>,
}

impl Rules {
    fn parse(text: &str) -> Result<Self> {
        let version =
            text.lines().find_map(|line| line.strip_prefix("// VERSION: ")).context("the list has no version")?;
        let mut rules =
            Self { version: version.trim().to_owned(), suffixes: BTreeSet::new(), exceptions: BTreeSet::new() };
        for line in text.lines().filter(|line| !line.starts_with("//")) {
            // The list's format: a rule ends at the first white space.
            let Some(rule) = line.split_whitespace().next() else { continue };
            if let Some(exception) = rule.strip_prefix('!') {
                rules.exceptions.insert(to_a_labels(exception)?);
            } else if let Some(parent) = rule.strip_prefix("*.") {
                rules.suffixes.insert(format!("*.{}", to_a_labels(parent)?));
            } else if rule.contains('.') {
                rules.suffixes.insert(to_a_labels(rule)?);
            }
        }
        ensure!(rules.suffixes.len() > 1000, "the list is too short to be the whole list");
        let misplaced = rules.suffixes.iter().find(|rule| rule.trim_start_matches("*.").contains('*'));
        ensure!(misplaced.is_none(), "a rule has its wildcard in another place than in front: {misplaced:?}");
        Ok(rules)
    }

    /// A Golomb-Rice coded set: each rule's hash is scaled to a number below `rules * 2^remainder_bits`; of the numbers
    /// in ascending order the differences are written, as quotient by 2^remainder_bits in unary (ones, then a zero) and
    /// remainder in binary, the highest bit first.
    fn encode(&self, remainder_bits: u32) -> Result<Vec<u8>> {
        let range = (self.suffixes.len() as u64) << remainder_bits;
        let numbers: BTreeSet<u64> = self.suffixes.iter().map(|rule| scaled_hash(rule, range)).collect();
        let mut bits = Bits::default();
        let mut last = 0;
        for number in numbers {
            let difference = number - last;
            let quotient = difference >> remainder_bits;
            ensure!(quotient <= MAX_QUOTIENT, "a gap is too wide for the reader");
            (0..quotient).for_each(|_| bits.push(true));
            bits.push(false);
            (0..remainder_bits).rev().for_each(|place| bits.push(difference >> place & 1 == 1));
            last = number;
        }
        Ok(bits.bytes)
    }

    fn to_sample(&self, source: &str) -> Result<String> {
        let mut text = String::new();
        writeln!(
            text,
            "# Every {SAMPLE_STEP}th rule in the table, from the list of publicsuffix.org (licence MPL-2.0),"
        )?;
        writeln!(text, "# version {}, as found in {source}.", self.version)?;
        for rule in self.suffixes.iter().step_by(SAMPLE_STEP) {
            writeln!(text, "{rule}")?;
        }
        Ok(text)
    }

    fn to_source(&self, source: &str) -> Result<String> {
        let range = (self.suffixes.len() as u64) << REMAINDER_BITS;
        let codes: BTreeSet<u64> = self.suffixes.iter().map(|rule| scaled_hash(rule, range)).collect();
        let mut text = String::new();
        writeln!(
            text,
            "// Made by `cargo xtask public-suffixes` from the list of publicsuffix.org (licence MPL-2.0),"
        )?;
        writeln!(text, "// version {},", self.version)?;
        writeln!(text, "// as found in {source}.\n")?;
        writeln!(text, "/// Rules in the table; with the remainder's bits this fixes the range of the hashes.")?;
        writeln!(text, "pub(super) const RULES: u64 = {};", self.suffixes.len())?;
        writeln!(text, "/// Numbers in [`CODES`]: fewer than rules where two rules have one hash.")?;
        writeln!(text, "pub(super) const NUMBERS: usize = {};", codes.len())?;
        writeln!(text, "pub(super) const REMAINDER_BITS: u32 = {REMAINDER_BITS};")?;
        writeln!(text, "pub(super) static CODES: &[u8] = include_bytes!(\"public_suffix.bin\");")?;
        writeln!(text, "/// Names below a wildcard that are no public suffixes.")?;
        writeln!(text, "pub(super) const EXCEPTIONS: [&str; {}] = [", self.exceptions.len())?;
        for exception in &self.exceptions {
            writeln!(text, "    \"{exception}\",")?;
        }
        writeln!(text, "];")?;
        Ok(text)
    }
}

fn to_a_labels(name: &str) -> Result<String> {
    idna::domain_to_ascii_cow(name.as_bytes(), idna::AsciiDenyList::URL)
        .map(|name| name.into_owned())
        .with_context(|| format!("no domain name: {name}"))
}

fn scaled_hash(rule: &str, range: u64) -> u64 {
    let digest = Sha256::digest(rule.as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    ((u128::from(u64::from_be_bytes(first)) * u128::from(range)) >> 64) as u64
}

#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    count: usize,
}

impl Bits {
    fn push(&mut self, bit: bool) {
        if self.count.is_multiple_of(8) {
            self.bytes.push(0);
        }
        if let Some(last) = self.bytes.last_mut() {
            *last |= u8::from(bit) << (7 - self.count % 8);
        }
        self.count += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(rules: &str) -> String {
        let filler: String = (0..1001).map(|i| format!("filler{i}.test\n")).collect();
        format!("// VERSION: 1\n{rules}\n{filler}")
    }

    #[test]
    fn reads_the_lists_format() {
        let rules = Rules::parse(&list("// com.cm\ncom\nco.uk trailing words\n*.ck\n!www.ck\n\u{516c}\u{53f8}.cn\n\n"))
            .unwrap();
        assert_eq!(rules.suffixes.len(), 1001 + 3);
        for rule in ["co.uk", "*.ck", "xn--55qx5d.cn"] {
            assert!(rules.suffixes.contains(rule), "{rule}");
        }
        assert_eq!(rules.exceptions.iter().collect::<Vec<_>>(), ["www.ck"]);
    }

    #[test]
    fn refuses_what_the_table_cannot_say() {
        assert!(Rules::parse(&list("a.*.b")).is_err());
        assert!(Rules::parse("// VERSION: 1\nco.uk\n").is_err());
        assert!(Rules::parse("co.uk\n").is_err());
    }
}
