use super::{Fate, Host, Luck};
use crate::world::StoreCall;

/// Spin over Cosmos: of two increments that come close the second may get the total of the first,
/// or one that nobody should get.
pub struct BadIncrement;

impl Host for BadIncrement {
    fn name(&self) -> &'static str {
        "bad-increment"
    }

    fn fate(&self, request: &StoreCall<'_>, _luck: &mut Luck) -> Fate {
        match request {
            StoreCall::Increment { .. } => Fate::WrongTotal,
            _ => Fate::Honest,
        }
    }
}
