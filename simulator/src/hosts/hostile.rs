use super::{Fate, Host, Luck};
use crate::world::StoreCall;

/// Everything at once: refuses, loses acknowledgements and effects, puts writes off, reads stale, says "conflict" for
/// what it stored and miscounts.
pub struct Hostile;

impl Host for Hostile {
    fn name(&self) -> &'static str {
        "hostile"
    }

    fn fate(&self, request: &StoreCall<'_>, luck: &mut Luck) -> Fate {
        if !luck.strikes(request) {
            return Fate::Honest;
        }
        let fates: &[Fate] = match request {
            StoreCall::Get { .. } | StoreCall::ListKeys { .. } => &[Fate::Refused, Fate::Stale, Fate::Stale],
            StoreCall::Current { .. } => &[Fate::Refused],
            StoreCall::Set { .. } | StoreCall::Delete { .. } => &[Fate::Refused, Fate::AckLost, Fate::Late],
            StoreCall::Swap { .. } => {
                &[Fate::Refused, Fate::AckLost, Fate::EffectLost, Fate::Late, Fate::Late, Fate::SaysConflict]
            }
            StoreCall::Increment { .. } => &[Fate::Refused, Fate::AckLost, Fate::WrongTotal],
        };
        *luck.dice.pick(fates)
    }

    fn is_stale(&self) -> bool {
        true
    }
}
