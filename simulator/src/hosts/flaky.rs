use super::{Fate, Host, Luck};
use crate::world::StoreCall;

/// Any request may fail with an error, and then nothing was done.
pub struct Flaky;

impl Host for Flaky {
    fn name(&self) -> &'static str {
        "flaky"
    }

    fn fate(&self, request: &StoreCall<'_>, luck: &mut Luck) -> Fate {
        if luck.strikes(request) { Fate::Refused } else { Fate::Honest }
    }
}
