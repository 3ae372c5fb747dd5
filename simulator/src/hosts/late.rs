use super::{Fate, Host, Luck};
use crate::world::StoreCall;

/// Some sets, deletes and swaps time out and are carried out afterwards: a swap with the comparison it came with.
pub struct Late;

impl Host for Late {
    fn name(&self) -> &'static str {
        "late"
    }

    fn fate(&self, request: &StoreCall<'_>, luck: &mut Luck) -> Fate {
        match request {
            // A total that nobody waits for any more is what `LostAck` plays.
            StoreCall::Increment { .. } => Fate::Honest,
            _ if request.is_write() && luck.strikes(request) => Fate::Late,
            _ => Fate::Honest,
        }
    }
}
