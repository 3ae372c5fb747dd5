use super::{Fate, Host, Luck};
use crate::world::StoreCall;

/// A cluster whose leader shows a swap that is not yet on enough machines: a failover takes it back, unless `current` of
/// a fresh handle showed it, which makes it durable first.
pub struct Failover;

/// The same, without that exception: no vault is safe there.
pub struct DirtyFailover;

fn fate(request: &StoreCall<'_>, luck: &mut Luck) -> Fate {
    match request {
        // The first root is left out: a root that goes is `Losing`.
        StoreCall::Swap { seen: Some(Some(_)), .. } if luck.strikes(request) => Fate::Unsettled,
        _ => Fate::Honest,
    }
}

impl Host for Failover {
    fn name(&self) -> &'static str {
        "failover"
    }

    fn fate(&self, request: &StoreCall<'_>, luck: &mut Luck) -> Fate {
        fate(request, luck)
    }
}

impl Host for DirtyFailover {
    fn name(&self) -> &'static str {
        "dirty-failover"
    }

    fn fate(&self, request: &StoreCall<'_>, luck: &mut Luck) -> Fate {
        fate(request, luck)
    }

    fn settles(&self) -> bool {
        false
    }
}
