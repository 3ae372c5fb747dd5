// Made by `cargo xtask public-suffixes` from the list of publicsuffix.org (licence MPL-2.0),
// version 2026-10-22_08-36-41_UTC,
// as found in the PyPI package publicsuffixlist 1.1.2.20261023.

/// Rules in the table; with the remainder's bits this fixes the range of the hashes.
pub(super) const RULES: u64 = 8949;
/// Numbers in [`CODES`]: fewer than rules where two rules have one hash.
pub(super) const NUMBERS: usize = 8949;
pub(super) const REMAINDER_BITS: u32 = 16;
pub(super) static CODES: &[u8] = include_bytes!("public_suffix.bin");
/// Names below a wildcard that are no public suffixes.
pub(super) const EXCEPTIONS: [&str; 8] = [
    "city.kawasaki.jp",
    "city.kitakyushu.jp",
    "city.kobe.jp",
    "city.nagoya.jp",
    "city.sapporo.jp",
    "city.sendai.jp",
    "city.yokohama.jp",
    "www.ck",
];
