use super::{Host, Luck};

/// Loses a key for good: the root, a node, a body or the record of a one-time code.
pub struct Losing;

impl Host for Losing {
    fn name(&self) -> &'static str {
        "losing"
    }

    fn loses_a_key(&self, luck: &mut Luck) -> bool {
        // Seldom, so that there is life before and after the loss; and not in every run.
        luck.one_in > 0 && luck.dice.one_in(luck.one_in * 10)
    }
}
