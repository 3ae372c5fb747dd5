//! The text that a search looks for.

use crate::credential::CredentialId;
use alloc::string::String;

/// Found in texts whatever their case. Not empty.
pub struct Sought {
    lower: String,
    id: Option<CredentialId>,
}

impl Sought {
    pub fn new(text: &str) -> Self {
        let lower = text.to_lowercase();
        let id = CredentialId::parse(&lower);
        Self { lower, id }
    }

    pub fn is_id(&self, id: CredentialId) -> bool {
        self.id == Some(id)
    }

    pub fn is_in(&self, text: &str) -> bool {
        if !text.is_ascii() {
            return text.to_lowercase().contains(&self.lower);
        }
        // A search asks this of all there is, so nothing is allocated and nothing prepared.
        let sought = self.lower.as_bytes();
        text.as_bytes().windows(sought.len().max(1)).any(|part| part.eq_ignore_ascii_case(sought))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn texts_are_found_in_any_case() {
        let is_in = |sought: &str, text: &str| Sought::new(sought).is_in(text);
        assert!(is_in("WORK", "My work") && is_in("é", "CAFÉ") && is_in("\u{212a}", "Kay") && is_in("a", "a"));
        assert!(!is_in("works", "My work") && !is_in("é", "cafe") && !is_in("a", "") && !is_in("aa", "a"));
        let id = CredentialId::new(7, [3; 10]);
        assert!(Sought::new(&id.to_text().to_uppercase()).is_id(id) && !Sought::new("cred_").is_id(id));
    }

    proptest! {
        #[test]
        fn the_same_is_found_as_by_writing_all_in_lower_case(sought in "[a-bA-BéÉK]{1,2}", text in "[a-bA-BéÉK]{0,6}") {
            prop_assert_eq!(Sought::new(&sought).is_in(&text), text.to_lowercase().contains(&sought.to_lowercase()));
        }
    }
}
