//! The queue of writers: who has lost to another one draws a number, and waits until it is that number's turn.
//!
//! Writers that all try at once are in each other's way: each writes its records, one of them wins, and the rest have
//! written in vain. The queue is a courtesy, and no promise rests on it: a counter that is wrong or can't be reached, a
//! writer that died in the queue, or one that does not know of it cost time and nothing else. A writer that meets nobody
//! has nothing to do with it.

use super::Catalog;
use super::cell::{Found, Replaced};
use super::root::{Queue, Root};
use super::transaction::Transaction;
use crate::error::Result;
use alloc::vec::Vec;

/// Looks at the root after which a turn counts as passed: a commit takes about as many store operations.
const LOOKS_PER_TURN: u64 = 16;
/// Turns ahead that are waited for at most, when nothing moves.
const TURNS_MAX: u64 = 64;
/// Looks in all.
const LOOKS_MAX: u64 = 4096;

/// Numbers in the queue, one after the other.
pub struct Turn {
    first: u64,
    last: u64,
    /// Whether it met others.
    has_met: bool,
}

impl Turn {
    /// How far the queue has come when this one's commit is there.
    pub fn served(&self, before: Queue) -> Queue {
        Queue { served: self.last.max(before.served), is_busy: self.has_met }
    }

    /// How many numbers to draw by who has passed its turn, losing: whoever comes behind waits as many turns, so that
    /// the slowest commit ends in the end.
    fn wider(&self) -> u64 {
        (2 * (self.last - self.first + 1)).min(TURNS_MAX)
    }
}

impl<'a> Catalog<'a> {
    /// Draws a number, unless the writer has one whose turn has not passed, and waits for its turn. There is no clock to
    /// sleep by: it looks at the root, and who is next but one waits longer before a turn counts as passed than who is
    /// next. Returns the newest root.
    pub(super) fn queue_up(
        &self,
        mut newest: Found<'a, Root>,
        turn: &mut Option<Turn>,
        has_lost: bool,
    ) -> Result<Found<'a, Root>> {
        let served = newest.state.queue()?.served;
        let numbers = match turn {
            Some(turn) if turn.last > served => 0,
            Some(turn) => turn.wider(),
            None => 1,
        };
        if numbers > 0 {
            let Some(drawn) = self.draw(numbers) else { return Ok(newest) };
            *turn = Some(drawn);
        }
        let Some(turn) = turn else { return Ok(newest) };
        turn.has_met |= has_lost;
        let key = self.records.keys.root();
        let mut idle = 0;
        for _ in 0..LOOKS_MAX {
            let ahead = turn.first.saturating_sub(newest.state.queue()?.served.saturating_add(1));
            if ahead.min(TURNS_MAX) * LOOKS_PER_TURN <= idle {
                break;
            }
            let Some(found) = self.records.current::<Root>(&key)? else { break };
            let has_moved = found.state.seq > newest.state.seq;
            // Who was waited for in vain is nobody to meet.
            turn.has_met |= has_moved;
            idle = if has_moved { 0 } else { idle + 1 };
            newest = found;
        }
        Ok(newest)
    }

    /// Says in the root that writers meet, so that those who met nobody draw numbers too: else a quick writer, which
    /// never loses, would never wait for a slow one. A commit of nothing else, so that it is quick as well. Whether it
    /// came about is not important, so that no error of it is one of the change.
    pub(super) fn announce(&self, base: Found<'a, Root>) {
        let Ok(queue) = base.state.queue() else { return };
        let mut transaction = Transaction::new(&self.records, base.state.clone());
        transaction.set_queue(Queue { is_busy: true, ..queue });
        let Ok(publication) = transaction.write(&mut Vec::new()) else { return };
        if let Ok(Replaced::Done) =
            self.records.replace(&self.records.keys.root(), base, &publication.root, publication.commit)
        {
            self.records.discard(&publication.doomed);
        }
    }

    /// Takes the next numbers of the counter, if the store has one that can be reached.
    fn draw(&self, numbers: u64) -> Option<Turn> {
        let store = self.records.platform.store;
        if !store.has_atomics() {
            return None;
        }
        // A counter starts at zero, so the first number is 1.
        let last = store.increment(&self.records.keys.queue(), i64::try_from(numbers).ok()?).ok()?;
        let last = u64::try_from(last).ok()?;
        Some(Turn { first: last.checked_sub(numbers - 1)?, last, has_met: false })
    }
}
