//! The queue of writers: who has lost to another one draws a number, and waits until it is that number's turn.
//!
//! Writers that all try at once are in each other's way: each writes its records, one of them wins, and the rest have
//! written in vain. The queue is a courtesy, and no promise rests on it: a counter that is wrong or can't be reached, a
//! writer that died in the queue, or one that does not know of it cost time and nothing else. A writer that meets nobody
//! has nothing to do with it.

use super::Catalog;
use super::cell::Found;
use super::root::{Queue, Root};
use crate::error::Result;

/// Looks at the root after which a turn counts as passed: a commit takes about as many store operations.
const LOOKS_PER_TURN: u64 = 16;
/// Turns ahead that are waited for at most, when nothing moves.
const TURNS_MAX: u64 = 64;
/// Looks in all.
const LOOKS_MAX: u64 = 4096;

/// A number in the queue.
pub struct Turn {
    number: u64,
    /// Whether it met others.
    has_met: bool,
}

impl Turn {
    /// How far the queue has come when this one's commit is there.
    pub fn served(&self, before: Queue) -> Queue {
        Queue { served: self.number.max(before.served), is_busy: self.has_met }
    }
}

impl<'a> Catalog<'a> {
    /// Draws a number, unless the writer has one already, and waits for its turn. There is no clock to sleep by: it looks
    /// at the root, and who is next but one waits longer before a turn counts as passed than who is next. Returns the
    /// newest root.
    pub(super) fn queue_up(
        &self,
        mut newest: Found<'a, Root>,
        turn: &mut Option<Turn>,
        has_lost: bool,
    ) -> Result<Found<'a, Root>> {
        let turn = match turn {
            Some(turn) => turn,
            None if !self.records.platform.store.has_atomics() => return Ok(newest),
            None => {
                // A counter starts at zero, so the first number is 1.
                let drawn = self.records.platform.store.increment(&self.records.keys.queue(), 1);
                let Some(number) = drawn.ok().and_then(|number| u64::try_from(number).ok()) else { return Ok(newest) };
                turn.insert(Turn { number, has_met: false })
            }
        };
        turn.has_met |= has_lost;
        let key = self.records.keys.root();
        let mut idle = 0;
        for _ in 0..LOOKS_MAX {
            let ahead = turn.number.saturating_sub(newest.state.queue()?.served.saturating_add(1));
            if ahead.min(TURNS_MAX) * LOOKS_PER_TURN <= idle {
                break;
            }
            turn.has_met = true;
            let Some(found) = self.records.current::<Root>(&key)? else { break };
            idle = if found.state.seq > newest.state.seq { 0 } else { idle + 1 };
            newest = found;
        }
        Ok(newest)
    }
}
