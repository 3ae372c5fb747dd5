//! A number that was measured several times.

use std::fmt::{self, Display, Formatter};

/// The lowest, the median and the highest of some values.
#[derive(Clone, Copy, Debug)]
pub struct Spread {
    pub low: f64,
    pub middle: f64,
    pub high: f64,
}

impl Spread {
    /// Of one value at least.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        Self { low: values[0], middle: values[values.len() / 2], high: values[values.len() - 1] }
    }

    /// Of the ratios of values that were measured in the same rounds.
    pub fn of_ratios(values: &[f64], to: &[f64]) -> Self {
        Self::of(values.iter().zip(to).map(|(value, to)| value / to))
    }
}

/// As a ratio is shown.
impl Display for Spread {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:.2} ({:.2}-{:.2})", self.middle, self.low, self.high)
    }
}
