//! The values of a credential: what a login form is filled with.

use super::text::unseen;
use crate::error::{Error, Result};
use crate::secret::{SecretBytes, SecretString};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// Most entries.
const MAX_ENTRIES: usize = 64;
/// Longest field name, in bytes of UTF-8.
const MAX_NAME_BYTES: usize = 128;
/// All field names together, in bytes: they are metadata, stored in the index and not in the body.
const MAX_NAMES_BYTES: usize = 2 * 1024;
/// Longest value, in bytes of UTF-8.
const MAX_VALUE_BYTES: usize = 16 * 1024;
/// Field names and values of one request together, in bytes. What is stored has no such bound, or a refusal would tell
/// a writer how long it is: by the bounds above it comes to 1 MiB at most.
const MAX_REQUEST_BYTES: usize = 128 * 1024;

/// Pairs of field name and value in the order they were given: at most 64, no name twice. A name has 1 to 128 bytes,
/// all of which can be seen, all names together 2 KiB; a value up to 16 KiB and may be empty.
#[derive(Clone, PartialEq)]
pub struct Values(Vec<(String, SecretString)>);

impl Values {
    /// Of a credential without values.
    pub fn none() -> Self {
        Self(Vec::new())
    }

    /// The values of a new credential: at least one, 128 KiB in all with their names. Fails with `bad_request`, naming
    /// `values` and the rule.
    pub fn for_create(entries: Vec<(String, SecretString)>) -> Result<Self> {
        if entries.is_empty() {
            return Err(Error::bad_request("values must have at least one entry"));
        }
        check_given(&entries)?;
        Ok(Self(entries))
    }

    /// Takes the fields in `remove` away, then puts those in `set` in: existing ones are overwritten in their place,
    /// new ones appended. A field in both lists is overwritten. Names that do not exist are ignored in `remove`.
    ///
    /// Returns whether anything is different afterwards; may leave nothing. Fails with `bad_request`, naming `values`
    /// and the rule, when `set` has more than 128 KiB in all or a field twice, or the result breaks a bound; then nothing
    /// is changed. **No refusal depends on a stored value**: only on stored field names, which are no secret.
    pub fn merge(&mut self, remove: &[String], set: &[(String, SecretString)]) -> Result<bool> {
        // Before anything is put together: bounds what a request can make us do, and finds what it sets twice.
        check_given(set)?;
        let is_set = |name: &str| set.iter().any(|(other, _)| other == name);
        let mut merged: Vec<_> =
            self.0.iter().filter(|(name, _)| is_set(name) || !remove.contains(name)).cloned().collect();
        for (name, value) in set {
            match merged.iter_mut().find(|(other, _)| other == name) {
                Some((_, old)) => old.clone_from(value),
                None => merged.push((name.clone(), value.clone())),
            }
        }
        let merged = Self::checked(merged)?;
        let changed = merged != *self;
        *self = merged;
        Ok(changed)
    }

    /// The field names, in order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// Field names and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &SecretString)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Whether there is no entry, as after an update that removed them all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The form in which the values are sealed: for each entry the length of the name (2 bytes, little-endian), the
    /// length of the value (4 bytes), name, value. No padding.
    pub fn encode(&self) -> SecretBytes {
        // Exactly as long as needed: growing would leave copies of values behind.
        let length: usize = self.0.iter().map(|(name, value)| 6 + name.len() + value.expose().len()).sum();
        let mut bytes = Vec::with_capacity(length);
        for (name, value) in &self.0 {
            // The bounds make both lengths fit.
            bytes.extend_from_slice(&(name.len() as u16).to_le_bytes());
            bytes.extend_from_slice(&(value.expose().len() as u32).to_le_bytes());
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(value.expose().as_bytes());
        }
        SecretBytes::new(bytes)
    }

    /// Reads what [`Values::encode`] wrote, to the last byte; `None` for anything else.
    pub fn decode(mut bytes: &[u8]) -> Option<Self> {
        let mut entries = Vec::new();
        while !bytes.is_empty() {
            let (name_length, rest) = bytes.split_first_chunk::<2>()?;
            let (value_length, rest) = rest.split_first_chunk::<4>()?;
            let (name, rest) = rest.split_at_checked(u16::from_le_bytes(*name_length).into())?;
            let (value, rest) = rest.split_at_checked(u32::from_le_bytes(*value_length).try_into().ok()?)?;
            let name = String::from(core::str::from_utf8(name).ok()?);
            entries.push((name, SecretString::new(String::from(core::str::from_utf8(value).ok()?))));
            bytes = rest;
        }
        Self::checked(entries).ok()
    }

    fn checked(entries: Vec<(String, SecretString)>) -> Result<Self> {
        check(&entries)?;
        Ok(Self(entries))
    }
}

/// What a request brings: everything that is stored keeps these rules but the last.
fn check_given(entries: &[(String, SecretString)]) -> Result<()> {
    for (at, (name, _)) in entries.iter().enumerate() {
        if let Some(what) = unseen(name) {
            return Err(broken(&format!("have field names without {what}"), at));
        }
    }
    let total: usize = entries.iter().map(|(name, value)| name.len() + value.expose().len()).sum();
    if total > MAX_REQUEST_BYTES {
        return Err(Error::bad_request("values must be 128 KiB long at most in one request, with their field names"));
    }
    check(entries)
}

fn check(entries: &[(String, SecretString)]) -> Result<()> {
    if entries.len() > MAX_ENTRIES {
        return Err(Error::bad_request("values must have at most 64 entries"));
    }
    for (at, (name, value)) in entries.iter().enumerate() {
        if name.is_empty() || name.len() > MAX_NAME_BYTES {
            return Err(broken("have field names of 1 to 128 bytes", at));
        }
        if value.expose().len() > MAX_VALUE_BYTES {
            return Err(broken("each be 16 KiB long at most", at));
        }
        // At most 64 entries: sorting them would cost more code than it saves time.
        if entries.iter().take(at).any(|(earlier, _)| earlier == name) {
            return Err(broken("not have a field name twice", at));
        }
    }
    if entries.iter().map(|(name, _)| name.len()).sum::<usize>() > MAX_NAMES_BYTES {
        return Err(Error::bad_request("values must have field names of 2 KiB at most in all"));
    }
    Ok(())
}

/// The entry is named by its place, as its name is input too.
fn broken(rule: &str, at: usize) -> Error {
    Error::bad_request(format!("values must {rule} (entry {})", at + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;
    use alloc::string::ToString;
    use alloc::vec;
    use proptest::prelude::*;

    fn entries(pairs: &[(&str, &str)]) -> Vec<(String, SecretString)> {
        pairs.iter().map(|(name, value)| (name.to_string(), SecretString::new(value.to_string()))).collect()
    }

    fn values(pairs: &[(&str, &str)]) -> Values {
        Values::checked(entries(pairs)).ok().unwrap()
    }

    fn shown(values: &Values) -> Vec<(&str, &str)> {
        values.iter().map(|(name, value)| (name, value.expose())).collect()
    }

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|name| name.to_string()).collect()
    }

    fn many(count: usize, name_bytes: usize, value_bytes: usize) -> Vec<(String, SecretString)> {
        (0..count).map(|i| (format!("{i:0name_bytes$}"), SecretString::new("v".repeat(value_bytes)))).collect()
    }

    #[test]
    fn bounds_are_met_exactly() {
        for (accepted, entries) in [
            (false, vec![]),
            (true, many(1, 1, 0)),
            (true, many(64, 2, 1)),
            (false, many(65, 2, 1)),
            (true, many(1, 128, 1)),
            (false, many(1, 129, 1)),
            (true, many(16, 128, 1)),
            (false, many(17, 121, 1)),
            (true, many(1, 1, 16 * 1024)),
            (false, many(1, 1, 16 * 1024 + 1)),
            (true, many(16, 2, 8 * 1024 - 2)),
            (true, many(8, 8, 16 * 1024 - 8)),
            (false, [many(8, 8, 16 * 1024 - 8), entries(&[("x", "")])].concat()),
        ] {
            match Values::for_create(entries) {
                Ok(values) => {
                    assert!(accepted);
                    assert!(Values::decode(values.encode().expose()).is_some_and(|decoded| decoded == values));
                }
                Err(error) => {
                    assert!(!accepted, "{}", error.message());
                    assert_eq!(error.code(), Code::BadRequest);
                    assert!(error.message().starts_with("values must"));
                }
            }
        }
    }

    #[test]
    fn refuses_an_empty_name_and_a_repeated_one_without_echo() {
        for pairs in [&[("", "canary-value")][..], &[("canary-name", "1"), ("b", "2"), ("canary-name", "3")]] {
            let error = Values::for_create(entries(pairs)).err().unwrap();
            assert!(!error.message().contains("canary"));
        }
    }

    #[test]
    fn names_are_case_sensitive_and_untouched() {
        let pairs = [("Email", "a"), ("email", "b"), (" email ", " c ")];
        assert_eq!(shown(&values(&pairs)), pairs);
    }

    #[test]
    fn merge_overwrites_in_place_and_appends() {
        let mut merged = values(&[("a", "1"), ("b", "2"), ("c", "3")]);
        assert_eq!(merged.merge(&[], &entries(&[("d", "4"), ("b", "x")])), Ok(true));
        assert_eq!(shown(&merged), [("a", "1"), ("b", "x"), ("c", "3"), ("d", "4")]);
    }

    #[test]
    fn merge_removes_first() {
        let mut merged = values(&[("a", "1"), ("b", "2"), ("c", "3")]);
        assert_eq!(merged.merge(&names(&["a", "b", "unknown", "a"]), &entries(&[("a", "9")])), Ok(true));
        assert_eq!(shown(&merged), [("a", "9"), ("c", "3")]);
    }

    #[test]
    fn merge_can_remove_everything() {
        let mut merged = values(&[("a", "1"), ("b", "2")]);
        assert_eq!(merged.merge(&names(&["b", "a"]), &[]), Ok(true));
        assert!(merged.is_empty());
        assert_eq!(merged.encode().expose().len(), 0);
        assert!(Values::decode(&[]).is_some_and(|decoded| decoded.is_empty()));
    }

    #[test]
    fn merge_that_changes_nothing_says_so() {
        let mut merged = values(&[("a", "1"), ("b", "2")]);
        assert_eq!(merged.merge(&[], &[]), Ok(false));
        assert_eq!(merged.merge(&names(&["z"]), &entries(&[("a", "1")])), Ok(false));
        assert_eq!(merged.merge(&names(&["a"]), &entries(&[("a", "1")])), Ok(false));
        assert_eq!(shown(&merged), [("a", "1"), ("b", "2")]);
    }

    #[test]
    fn merge_checks_the_result_and_leaves_the_old_on_failure() {
        let mut merged = Values::for_create(many(64, 2, 1)).ok().unwrap();
        let before = merged.clone();
        assert!(merged.merge(&[], &entries(&[("new", "")])).is_err());
        assert!(merged.merge(&[], &entries(&[("twice", "1"), ("twice", "2")])).is_err());
        assert!(merged.merge(&[], &entries(&[("", "1")])).is_err());
        assert!(merged == before);
        assert_eq!(merged.merge(&names(&["00"]), &entries(&[("new", "")])), Ok(true));
        assert_eq!(merged.keys().count(), 64);
        assert_eq!(merged.keys().last(), Some("new"));
    }

    #[test]
    fn decode_refuses_other_bytes() {
        let bytes = values(&[("user", "u"), ("pass", "p\u{fc}")]).encode().expose().to_vec();
        for length in 1..bytes.len() {
            // A cut between two entries is whole; the seal notices it.
            let whole = length == 6 + 4 + 1;
            assert_eq!(Values::decode(&bytes[..length]).is_some(), whole, "{length}");
        }
        assert!(Values::decode(&[&bytes[..], &[0]].concat()).is_none());
        assert!(Values::decode(&[&bytes[..], &bytes[..]].concat()).is_none());
        assert!(Values::decode(&[1, 0, 1, 0, 0, 0, b'a', 0xff]).is_none());
        assert!(Values::decode(&[0, 0, 0, 0, 0, 0]).is_none());
        assert!(Values::decode(&[1, 0, 0xff, 0xff, 0xff, 0xff, b'a']).is_none());
    }

    fn any_entries() -> impl Strategy<Value = Vec<(String, String)>> {
        proptest::collection::btree_map("[a-e]{1,2}", ".{0,4}", 0..8).prop_map(|map| map.into_iter().collect())
    }

    fn secret(entries: Vec<(String, String)>) -> Vec<(String, SecretString)> {
        entries.into_iter().map(|(name, value)| (name, SecretString::new(value))).collect()
    }

    proptest! {
        #[test]
        fn encoding_round_trips(pairs in any_entries()) {
            let values = Values::checked(secret(pairs)).unwrap_or_else(|_| panic!("within bounds"));
            prop_assert!(Values::decode(values.encode().expose()).is_some_and(|decoded| decoded == values));
        }

        #[test]
        fn decode_never_panics(bytes: Vec<u8>) {
            let _ = Values::decode(&bytes);
        }

        #[test]
        fn merge_equals_the_map_model(
            old in any_entries(), set in any_entries(), remove in proptest::collection::vec("[a-e]{1,2}", 0..4)
        ) {
            use alloc::collections::BTreeMap;
            let mut model: BTreeMap<_, _> = old.iter().cloned().collect();
            model.retain(|name, _| !remove.contains(name));
            model.extend(set.iter().cloned());
            let same = model == old.iter().cloned().collect::<BTreeMap<_, _>>();

            let mut values = Values::checked(secret(old)).ok().unwrap();
            let changed = values.merge(&remove, &secret(set)).unwrap();
            let result: BTreeMap<String, String> =
                values.iter().map(|(name, value)| (name.to_string(), value.expose().to_string())).collect();
            prop_assert_eq!(result, model);
            prop_assert_eq!(changed, !same);
        }
    }
}
