//! Text that people read to tell credentials apart: no two texts may look the same, and no text may look like another
//! one because of characters that nobody sees.

use crate::error::{Error, Result};
use alloc::format;
use core::ops::RangeInclusive;

/// Characters without a shape of their own: what Unicode calls default-ignorable (with the joiners, the fillers and the
/// byte order mark), bidirectional marks, overrides and isolates, line and paragraph separators, and annotation marks.
/// Variation selectors are left to [`is_selected`].
const UNSEEN: [RangeInclusive<char>; 17] = [
    '\u{ad}'..='\u{ad}',
    '\u{34f}'..='\u{34f}',
    '\u{61c}'..='\u{61c}',
    '\u{115f}'..='\u{1160}',
    '\u{17b4}'..='\u{17b5}',
    '\u{180b}'..='\u{180f}',
    '\u{200b}'..='\u{200f}',
    '\u{2028}'..='\u{202e}',
    '\u{2060}'..='\u{206f}',
    '\u{3164}'..='\u{3164}',
    '\u{fe00}'..='\u{fe0d}',
    '\u{feff}'..='\u{feff}',
    '\u{ffa0}'..='\u{ffa0}',
    '\u{fff0}'..='\u{fffb}',
    '\u{1bca0}'..='\u{1bca3}',
    '\u{1d173}'..='\u{1d17a}',
    '\u{e0000}'..='\u{e0fff}',
];

/// What the text must not contain and does; `None` when all of it can be seen.
///
/// Refused are control characters (U+0000 to U+001F, U+007F to U+009F) and those of [`UNSEEN`]: the zero-width joiners
/// too, although some scripts and emoji use them, because with and without them many texts look the same.
pub(super) fn unseen(text: &str) -> Option<&'static str> {
    let mut before = ' ';
    for character in text.chars() {
        if character.is_control() {
            return Some("control characters");
        }
        if UNSEEN.iter().any(|range| range.contains(&character)) || !is_selected(before, character) {
            return Some("characters that can't be seen or that turn the direction of text");
        }
        before = character;
    }
    None
}

/// False for a selector of the shape (text or emoji) that does not follow a symbol: keyboards put one behind many
/// emoji, where it can be seen; behind a letter it can't.
fn is_selected(before: char, character: char) -> bool {
    let is_selector = matches!(character, '\u{fe0e}' | '\u{fe0f}');
    !is_selector || matches!(before, '\u{2190}'..='\u{2bff}' | '\u{1f000}'..='\u{1faff}')
}

/// Takes off the white space around the text and checks what is left: 1 to `max` bytes that can be seen. Fails with
/// `bad_request`, naming `field` and the rule.
pub(super) fn parse_visible<'a>(field: &str, text: &'a str, max: usize) -> Result<&'a str> {
    let text = text.trim();
    if text.is_empty() || text.len() > max {
        return Err(Error::bad_request(format!("{field} must be 1 to {max} bytes long")));
    }
    match unseen(text) {
        Some(what) => Err(Error::bad_request(format!("{field} must not contain {what}"))),
        None => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    #[test]
    fn what_people_type_is_accepted() {
        for text in [
            "",
            "example work login",
            "B\u{fc}ro, na\u{ef}ve, \u{141}\u{f3}d\u{17a}",
            "u\u{308}ber",
            "\u{43f}\u{43e}\u{447}\u{442}\u{430}",
            "\u{5d3}\u{5d5}\u{5d0}\u{5e8}",
            "\u{9280}\u{884c} \u{30ed}\u{30b0}\u{30a4}\u{30f3}",
            "\u{1f511} keys",
            "\u{2764}\u{fe0f} and \u{1f6e0}\u{fe0f}",
            "a\u{a0}b\u{3000}c",
        ] {
            assert_eq!(unseen(text), None, "{text:?}");
        }
    }

    #[test]
    fn control_characters_are_refused() {
        for character in ('\0'..='\u{1f}').chain('\u{7f}'..='\u{9f}') {
            let text: String = ['a', character, 'b'].into_iter().collect();
            assert_eq!(unseen(&text), Some("control characters"), "{character:?}");
        }
    }

    #[test]
    fn what_nobody_sees_is_refused() {
        let rule = "characters that can't be seen or that turn the direction of text";
        for character in [
            // Direction: marks, embeddings, overrides, isolates.
            "\u{61c}\u{200e}\u{200f}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{2069}",
            // No width.
            "\u{200b}\u{200c}\u{200d}\u{2060}\u{2061}\u{2062}\u{2063}\u{2064}\u{feff}\u{ad}\u{34f}\u{180e}",
            // Fillers, separators, deprecated marks, tags, selectors without a symbol.
            "\u{115f}\u{1160}\u{3164}\u{ffa0}\u{2028}\u{2029}\u{206a}\u{206f}\u{fff9}\u{fffb}\u{e0001}\u{e0041}\u{e0100}",
            "\u{fe00}\u{fe0e}\u{fe0f}",
        ]
        .into_iter()
        .flat_map(str::chars)
        {
            for text in [['a', character, 'b'], [character, 'a', 'b'], ['a', 'b', character]] {
                let text: String = text.into_iter().collect();
                assert_eq!(unseen(&text), Some(rule), "{text:?}");
            }
        }
    }
}
