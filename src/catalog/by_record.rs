//! A map from records, sorted in a vector: there are some hundred of them at most, and the standard's tree is 3 KB of code
//! for each type of value.

use super::record::RecordRef;
use alloc::vec::Vec;

pub struct ByRecord<V>(Vec<(RecordRef, V)>);

impl<V> Default for ByRecord<V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<V> ByRecord<V> {
    pub fn get(&self, record: RecordRef) -> Option<&V> {
        self.place(record).ok().and_then(|at| self.0.get(at)).map(|(_, value)| value)
    }

    /// Puts a value where there is none; the one that is there then.
    pub fn get_or_insert(&mut self, record: RecordRef, value: V) -> Option<&mut V> {
        let at = self.place(record).unwrap_or_else(|at| {
            self.0.insert(at, (record, value));
            at
        });
        self.0.get_mut(at).map(|(_, value)| value)
    }

    pub fn iter(&self) -> impl Iterator<Item = &(RecordRef, V)> {
        self.0.iter()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }

    fn place(&self, record: RecordRef) -> Result<usize, usize> {
        self.0.binary_search_by_key(&record, |(record, _)| *record)
    }
}
