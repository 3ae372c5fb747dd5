//! International host names: from the form that people read (U-label) to the one of the DNS (A-label).
//!
//! Browsers convert by UTS #46 (non-transitional), whose tables would be a fifth of the component. Here a label is
//! converted only if it consists of characters that UTS #46 leaves as they are, or of capitals whose small letter is what
//! it maps them to; in no order can these form another character, or fall under the rules for joiners and for writing
//! from right to left. So no text is converted differently than by a browser: what is not certain is not converted.

use alloc::string::String;

/// Small letters, and those of scripts without case, that stay as they are in any company. Some are left out of the
/// middle of an alphabet: they stand for something else. A test compares each with an implementation of UTS #46.
const STABLE: [(char, char); 26] = [
    // Latin: of western, central and eastern Europe, Turkish, Romanian, Vietnamese.
    ('\u{df}', '\u{f6}'),
    ('\u{f8}', '\u{131}'),
    ('\u{135}', '\u{13e}'),
    ('\u{142}', '\u{148}'),
    ('\u{14b}', '\u{17e}'),
    ('\u{1a1}', '\u{1a1}'),
    ('\u{1b0}', '\u{1b0}'),
    ('\u{1ce}', '\u{1dc}'),
    ('\u{219}', '\u{219}'),
    ('\u{21b}', '\u{21b}'),
    ('\u{1e81}', '\u{1e85}'),
    ('\u{1ea1}', '\u{1ef9}'),
    // Greek.
    ('\u{390}', '\u{390}'),
    ('\u{3ac}', '\u{3ce}'),
    // Cyrillic.
    ('\u{430}', '\u{45f}'),
    ('\u{48b}', '\u{4bf}'),
    ('\u{4c2}', '\u{4ff}'),
    // Armenian, Georgian.
    ('\u{561}', '\u{586}'),
    ('\u{10d0}', '\u{10fa}'),
    // Hiragana, Katakana and its long sound, Hangul, Han.
    ('\u{3005}', '\u{3007}'),
    ('\u{3041}', '\u{3096}'),
    ('\u{30a1}', '\u{30fa}'),
    ('\u{30fc}', '\u{30fe}'),
    ('\u{3400}', '\u{4db5}'),
    ('\u{4e00}', '\u{9fcc}'),
    ('\u{ac00}', '\u{d7a3}'),
];

/// The label as the DNS has it, in lower case: ASCII as it is, anything else as `xn--` and its Punycode. `None` where the
/// conversion is not certain.
pub(super) fn to_ascii(label: &str) -> Option<String> {
    if label.is_ascii() {
        return Some(label.to_ascii_lowercase());
    }
    let small = label.chars().map(lower).collect::<Option<String>>()?;
    // A label that is in Punycode already has no letters beyond ASCII.
    if small.starts_with("xn--") {
        return None;
    }
    encode(&small)
}

/// The character as UTS #46 maps it, if that is certain.
fn lower(character: char) -> Option<char> {
    if character.is_ascii() {
        return Some(character.to_ascii_lowercase());
    }
    let mut lowered = character.to_lowercase();
    let (Some(small), None) = (lowered.next(), lowered.next()) else { return None };
    // Browsers do not agree on the capital of ß.
    let is_stable = character != '\u{1e9e}' && STABLE.iter().any(|(first, last)| (*first..=*last).contains(&small));
    is_stable.then_some(small)
}

/// RFC 3492, section 6.3, with the parameters of section 5. `None` when the label is longer than any name.
fn encode(label: &str) -> Option<String> {
    const BASE: u32 = 36;
    const T_MIN: u32 = 1;
    const T_MAX: u32 = 26;
    const INITIAL_BIAS: u32 = 72;
    const INITIAL_N: u32 = 128;
    /// Longer ones are refused as labels all the same; and no sum below exceeds 32 bits.
    const MAX_CHARS: usize = 63;

    if label.chars().count() > MAX_CHARS {
        return None;
    }
    let mut encoded = String::from("xn--");
    encoded.extend(label.chars().filter(char::is_ascii));
    let basic = label.chars().filter(char::is_ascii).count() as u32;
    if basic > 0 {
        encoded.push('-');
    }
    let (mut n, mut delta, mut bias, mut handled) = (INITIAL_N, 0u32, INITIAL_BIAS, basic);
    while let Some(next) = label.chars().map(u32::from).filter(|point| *point >= n).min() {
        delta += (next - n) * (handled + 1);
        n = next;
        for point in label.chars().map(u32::from) {
            delta += u32::from(point < n);
            if point != n {
                continue;
            }
            let mut q = delta;
            let mut k = BASE;
            loop {
                let t = k.saturating_sub(bias).clamp(T_MIN, T_MAX);
                if q < t {
                    break;
                }
                encoded.push(digit(t + (q - t) % (BASE - t)));
                q = (q - t) / (BASE - t);
                k += BASE;
            }
            encoded.push(digit(q));
            // Section 6.1.
            delta = if handled == basic { delta / 700 } else { delta / 2 };
            handled += 1;
            delta += delta / handled;
            let mut shift = 0;
            while delta > (BASE - T_MIN) * T_MAX / 2 {
                delta /= BASE - T_MIN;
                shift += BASE;
            }
            bias = shift + (BASE - T_MIN + 1) * delta / (delta + 38);
            delta = 0;
        }
        delta += 1;
        n += 1;
    }
    Some(encoded)
}

/// `a` to `z`, then `0` to `9`; below 36.
fn digit(value: u32) -> char {
    // Less than 36, so it fits.
    let value = value as u8;
    char::from(if value < 26 { b'a' + value } else { b'0' + (value - 26) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What a browser makes of the label, by the implementation of UTS #46 that Firefox uses.
    fn by_uts_46(label: &str) -> Option<String> {
        idna::domain_to_ascii(label).ok()
    }

    /// By the codec `punycode` of Python.
    #[test]
    fn names_of_real_sites() {
        for (label, expected) in [
            ("b\u{fc}rgerhaus", "xn--brgerhaus-q9a"),
            ("stra\u{df}e", "xn--strae-oqa"),
            ("\u{3c6}\u{3cc}\u{3c1}\u{3bf}\u{3c2}", "xn--0xaden4a"),
            ("\u{43f}\u{43e}\u{447}\u{442}\u{430}", "xn--80a1acny"),
            ("\u{443}\u{43a}\u{440}\u{430}\u{457}\u{43d}\u{430}", "xn--80aa2annq7l"),
            ("\u{142}\u{f3}d\u{17a}", "xn--d-uga0v4h"),
            ("vi\u{1ec7}t", "xn--vit-5kz"),
            ("\u{4f8b}\u{3048}", "xn--r8jz45g"),
            ("\u{d55c}\u{ad6d}", "xn--3e0b707e"),
            ("M\u{dc}NCHEN", "xn--mnchen-3ya"),
            ("Example-1", "example-1"),
            ("XN--MNCHEN-3YA", "xn--mnchen-3ya"),
        ] {
            assert_eq!(to_ascii(label).as_deref(), Some(expected));
        }
    }

    #[test]
    fn what_is_not_certain_is_left() {
        for label in [
            "u\u{308}",
            "a\u{ad}b",
            "a\u{200d}b",
            "\u{ff41}",
            "\u{fb01}",
            "\u{130}stanbul",
            "\u{1e9e}",
            "\u{212a}elvin",
            "\u{149}",
            "xn--\u{fc}",
            "XN--\u{dc}",
            "\u{5d0}",
            "\u{627}",
            "\u{1f511}",
            "a\u{3002}b",
            "\u{e01}\u{e49}",
        ] {
            assert_eq!(to_ascii(label), None, "{label:?}");
        }
        assert_eq!(to_ascii(&"\u{fc}".repeat(64)), None);
    }

    #[test]
    fn every_character_is_converted_as_browsers_do() {
        let mut converted = 0;
        for character in ('\u{80}'..=char::MAX).filter(|c| to_ascii(c.encode_utf8(&mut [0; 4])).is_some()) {
            for label in [[character, 'a', 'b'], ['a', character, 'b'], ['a', 'b', character]] {
                let label: String = label.into_iter().collect();
                assert_eq!(to_ascii(&label), by_uts_46(&label), "{label:?}");
            }
            converted += 1;
        }
        assert!(converted > 30_000, "{converted}");
    }

    fn convertible() -> impl Strategy<Value = char> {
        let stable = (0..STABLE.len()).prop_flat_map(|index| proptest::char::range(STABLE[index].0, STABLE[index].1));
        let capital = stable.clone().prop_map(|c| c.to_uppercase().next().unwrap());
        prop_oneof![stable, capital, proptest::char::range('a', 'z'), Just('-'), Just('0'), Just('Q')]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn labels_are_converted_as_browsers_do(label in proptest::collection::vec(convertible(), 1..20)) {
            let label: String = label.into_iter().collect();
            // What claims to be converted is taken as it is, whether it could have come of a conversion or not.
            prop_assume!(!label.starts_with("xn--"));
            if let Some(ours) = to_ascii(&label) {
                prop_assert_eq!(Some(ours), by_uts_46(&label));
            }
        }

        #[test]
        fn any_text_is_converted_as_browsers_do_or_not_at_all(label: String) {
            if !label.is_ascii() && !label.contains('.') && let Some(ours) = to_ascii(&label) {
                prop_assert_eq!(Some(ours), by_uts_46(&label));
            }
        }
    }
}
