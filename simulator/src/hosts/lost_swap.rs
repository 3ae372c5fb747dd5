use super::{Fate, Host, Luck};
use crate::world::Request;

/// Some swaps answer "stored" but never reach the disk, as behind a write-behind cache.
pub struct LostSwap;

impl Host for LostSwap {
    fn name(&self) -> &'static str {
        "lost-swap"
    }

    fn fate(&self, request: &Request<'_>, luck: &mut Luck) -> Fate {
        match request {
            Request::Swap { .. } if luck.strikes(request) => Fate::EffectLost,
            _ => Fate::Honest,
        }
    }
}
