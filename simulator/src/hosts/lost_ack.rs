use super::{Fate, Host, Luck};
use crate::world::StoreCall;

/// Some writes are done but answered with an error: the connection broke after the request was through.
pub struct LostAck;

impl Host for LostAck {
    fn name(&self) -> &'static str {
        "lost-ack"
    }

    fn fate(&self, request: &StoreCall<'_>, luck: &mut Luck) -> Fate {
        if request.is_write() && luck.strikes(request) { Fate::AckLost } else { Fate::Honest }
    }
}
