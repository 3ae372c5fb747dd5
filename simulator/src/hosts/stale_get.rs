use super::{Fate, Host, Luck};
use crate::world::StoreCall;

/// An eventually consistent store: `get` and `list_keys` may answer with one of the last few versions, "no such key"
/// included; `current` is fresh.
pub struct StaleGet;

impl Host for StaleGet {
    fn name(&self) -> &'static str {
        "stale-get"
    }

    fn fate(&self, request: &StoreCall<'_>, luck: &mut Luck) -> Fate {
        match request {
            StoreCall::Get { .. } | StoreCall::ListKeys { .. } if luck.strikes(request) => Fate::Stale,
            _ => Fate::Honest,
        }
    }

    fn is_stale(&self) -> bool {
        true
    }
}
