use super::{Fate, Host, Luck};
use crate::world::StoreCall;

/// Some swaps answer "stored" but never reach the disk, as behind a write-behind cache.
pub struct LostSwap;

impl Host for LostSwap {
    fn name(&self) -> &'static str {
        "lost-swap"
    }

    fn fate(&self, request: &StoreCall<'_>, luck: &mut Luck) -> Fate {
        match request {
            StoreCall::Swap { .. } if luck.strikes(request) => Fate::EffectLost,
            _ => Fate::Honest,
        }
    }
}
