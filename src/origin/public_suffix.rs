//! Names under which anybody can register: `co.uk`, `github.io`.
//!
//! The table holds a hash per rule of the list and not the rules, which would take six times the room. So one name in
//! some 20,000 is taken for a public suffix by chance: a match is stricter then than it need be, never laxer.

#[path = "public_suffix_table.rs"]
mod table;

use alloc::vec::Vec;
use strongroom_crypto::Sha256;
use table::{CODES, EXCEPTIONS, NUMBERS, REMAINDER_BITS, RULES};

/// The place of the first of these names that is a public suffix by the list; `None` when none is. Names are in the form
/// of [`crate::credential::Domain`].
///
/// A name that has a wildcard below it (`kobe.jp`, by the rule `*.kobe.jp`) counts as one, although the list's own
/// algorithm takes it for somebody's: what is below it has other owners all the same, exceptions like `city.kobe.jp`
/// included.
///
/// One pass over the table for all names: it can only be read from the front.
pub(super) fn first_public_suffix<'a>(names: impl Iterator<Item = &'a str>) -> Option<usize> {
    let mut wanted = Vec::new();
    let mut first = None;
    for (place, name) in names.enumerate().filter(|(_, name)| !EXCEPTIONS.contains(name)) {
        let Some((_, parent)) = name.split_once('.') else {
            // No rule, or the implicit rule `*`: a single label is a public suffix.
            first = Some(place);
            break;
        };
        let hashes = [scaled_hash(&[name]), scaled_hash(&["*.", parent]), scaled_hash(&["*.", name])];
        wanted.extend(hashes.map(|hash| (hash, place)));
    }
    for number in Numbers::new(CODES).take(NUMBERS) {
        let places = wanted.iter().filter(|(hash, _)| *hash == number).map(|(_, place)| *place);
        first = places.chain(first).min();
    }
    first
}

/// The first 64 bits of SHA-256, scaled to a number below RULES * 2^REMAINDER_BITS.
fn scaled_hash(parts: &[&str]) -> u64 {
    let mut hash = Sha256::default();
    parts.iter().for_each(|part| hash.update(part.as_bytes()));
    let first = hash.finalize().iter().take(8).fold(0u64, |bits, byte| bits << 8 | u64::from(*byte));
    let range = u128::from(RULES << REMAINDER_BITS);
    // Less than the range, which fits in 64 bits.
    ((u128::from(first) * range) >> 64) as u64
}

/// Reads a Golomb-Rice coded set: ascending numbers as differences, each a quotient by 2^REMAINDER_BITS in unary (ones,
/// then a zero) and a remainder in binary, the highest bit first.
struct Numbers<'a> {
    rest: core::slice::Iter<'a, u8>,
    /// The next bits, from the highest down.
    window: u64,
    valid_bits: u32,
    last: u64,
}

impl<'a> Numbers<'a> {
    fn new(codes: &'a [u8]) -> Self {
        Self { rest: codes.iter(), window: 0, valid_bits: 0, last: 0 }
    }

    /// At least 57 bits afterwards; zeros once the codes are at their end.
    fn refill(&mut self) {
        while self.valid_bits <= 56 {
            let byte = self.rest.next().copied().unwrap_or(0);
            self.window |= u64::from(byte) << (56 - self.valid_bits);
            self.valid_bits += 8;
        }
    }

    /// Takes fewer than 57 bits, as a refill leaves them.
    fn skip(&mut self, bits: u32) {
        self.window <<= bits;
        self.valid_bits -= bits;
    }
}

impl Iterator for Numbers<'_> {
    type Item = u64;

    /// Does not end: how many numbers there are is known beside the codes.
    fn next(&mut self) -> Option<u64> {
        self.refill();
        // The generator writes no quotient above 40.
        let quotient = self.window.leading_ones().min(55);
        self.skip(quotient + 1);
        self.refill();
        let remainder = self.window >> (64 - REMAINDER_BITS);
        self.skip(REMAINDER_BITS);
        self.last += (u64::from(quotient) << REMAINDER_BITS) + remainder;
        Some(self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;
    use alloc::format;

    fn is_public_suffix(name: &str) -> bool {
        first_public_suffix([name].into_iter()).is_some()
    }

    #[test]
    fn knows_rules_of_each_kind() {
        for name in [
            "com",
            "localhost",
            "co.uk",
            "com.au",
            "github.io",
            "gitlab.io",
            "herokuapp.com",
            "vercel.app",
            "pages.dev",
            "azurewebsites.net",
            "s3.amazonaws.com",
            "k12.ca.us",
            "xn--55qx5d.cn",
            // The parent of a wildcard.
            "kawasaki.jp",
            // By the wildcards *.ck and *.kawasaki.jp.
            "anything.ck",
            "foo.kawasaki.jp",
        ] {
            assert!(is_public_suffix(name), "{name}");
        }
        for name in [
            "example.com",
            "example.co.uk",
            "alice.github.io",
            "www.github.io",
            "amazonaws.com",
            "accounts.google.com",
            "netflix.com",
            "example.internal",
            // Exceptions to wildcards.
            "www.ck",
            "city.kawasaki.jp",
            // Below a name that a wildcard covers.
            "a.b.ck",
        ] {
            assert!(!is_public_suffix(name), "{name}");
        }
    }

    #[test]
    fn knows_the_sampled_rules() {
        let mut rules = 0;
        for rule in include_str!("testdata/public_suffix_sample.txt").lines().filter(|line| !line.starts_with('#')) {
            let name = rule.replace('*', "any");
            assert!(is_public_suffix(&name), "{rule}");
            assert!(!is_public_suffix(&format!("x.{name}")), "a name below {rule}");
            rules += 1;
        }
        assert!(rules > 400);
    }

    #[test]
    fn looks_up_many_names_in_one_pass() {
        let first = |names: &[&'static str]| first_public_suffix(names.iter().copied());
        assert_eq!(first(&["example.com", "a.example.com", "co.uk", "b.a.example.com"]), Some(2));
        assert_eq!(first(&["b.example.co.uk", "example.co.uk", "co.uk", "uk"]), Some(2));
        assert_eq!(first(&["b.example.test", "example.test", "test"]), Some(2));
        assert_eq!(first(&["example.com", "a.example.com", "b.a.example.com"]), None);
        assert_eq!(first(&[]), None);
    }

    #[test]
    fn table_is_whole() {
        let numbers: Vec<u64> = Numbers::new(CODES).take(NUMBERS).collect();
        assert!(numbers.is_sorted_by(|a, b| a < b));
        assert!(numbers.last().is_some_and(|last| *last < RULES << REMAINDER_BITS));
        // Fewer than eight bits are left over behind the last number.
        let mut reader = Numbers::new(CODES);
        assert_eq!(reader.by_ref().take(NUMBERS).count(), NUMBERS);
        assert!(reader.rest.next().is_none() && reader.window == 0);
    }

    #[test]
    fn hits_by_chance_are_as_rare_as_documented() {
        let numbers: BTreeSet<u64> = Numbers::new(CODES).take(NUMBERS).collect();
        let hits = (0..327_680)
            .map(|i| [format!("name{i}.test"), format!("*.name{i}.test"), format!("*.parent{i}.test")])
            .filter(|names| names.iter().any(|name| numbers.contains(&scaled_hash(&[name]))))
            .count();
        // Expected: 15, with a standard deviation of 3.9.
        assert!((3..=30).contains(&hits), "{hits}");
    }
}
