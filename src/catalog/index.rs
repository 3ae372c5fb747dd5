//! The indexes of a root. The catalog knows their numbers; what they mean is said in `actions/`.

/// One of the ordered indexes. A new one is a line here: its number is part of the stored format and never used again.
/// A build that meets a number it does not know stops with [`Code::FormatTooNew`](crate::error::Code::FormatTooNew); an
/// index that a root does not hold is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Index {
    /// The credentials, by id.
    Id = 1,
    /// Names, with what is searched beside them.
    Name = 2,
    /// Domains and ids.
    Domain = 3,
    /// What changes replaced, by id and version.
    History = 4,
    /// What was deleted, by id.
    Trash = 5,
    /// What happened, by time.
    Audit = 6,
    /// The credentials that are switched off, by id.
    Archive = 7,
}

impl Index {
    pub const ALL: [Index; 7] =
        [Index::Id, Index::Name, Index::Domain, Index::History, Index::Trash, Index::Audit, Index::Archive];

    pub const fn number(self) -> u8 {
        self as u8
    }

    pub fn of(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|index| index.number() == number)
    }
}

/// One value for each index.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PerIndex<T>([T; Index::ALL.len()]);

impl<T> PerIndex<T> {
    pub fn get(&self, index: Index) -> Option<&T> {
        self.0.get(usize::from(index.number()).checked_sub(1)?)
    }

    pub fn get_mut(&mut self, index: Index) -> Option<&mut T> {
        self.0.get_mut(usize::from(index.number()).checked_sub(1)?)
    }

    pub fn iter(&self) -> impl Iterator<Item = (Index, &T)> {
        Index::ALL.into_iter().zip(&self.0)
    }
}
