use super::{Fate, Host, Luck};
use crate::world::StoreCall;

/// Spin over Redis: a swap always answers "conflict", also when it was written. Only a read-back tells.
pub struct SpinRedis;

impl Host for SpinRedis {
    fn name(&self) -> &'static str {
        "spin-redis"
    }

    fn fate(&self, request: &StoreCall<'_>, _luck: &mut Luck) -> Fate {
        match request {
            StoreCall::Swap { .. } => Fate::SaysConflict,
            _ => Fate::Honest,
        }
    }
}
