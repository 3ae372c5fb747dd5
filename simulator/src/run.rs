//! One run: actors as coroutines, one request to the store at a time, in an order drawn from the seed.

use crate::dice::Dice;
use crate::plan::{Call, Plan};
use crate::platform::Pause;
use crate::stage::Stage;
use crate::stats::Stats;
use crate::trace::Trace;
use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult};
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

/// Stack of one actor. The component makes do with 64 KiB; unwinding a dead actor needs some more.
const STACK_BYTES: usize = 256 * 1024;
/// Far above what any run needs: reaching it means that an actor never ends.
const STEPS_MAX: u64 = 100_000;

/// What became of a run.
pub struct Outcome {
    pub stats: Stats,
    /// What was wrong, if anything was.
    pub failure: Option<String>,
    /// Every step, when it was asked for.
    pub trace: Vec<String>,
}

/// Plays a plan.
pub fn run(plan: &Plan, trace: bool) -> Outcome {
    let trace = if trace { Trace::on() } else { Trace::default() };
    let stage = Stage::new(plan, trace);
    // A panic of the code under test is a failure like any other.
    let played = catch_unwind(AssertUnwindSafe(|| {
        stage.play();
        if !stage.has_failed() {
            stage.finish();
        }
    }));
    if played.is_err() {
        stage.fail("panicked".into());
    }
    stage.outcome()
}

thread_local! {
    static STACKS: RefCell<Vec<DefaultStack>> = const { RefCell::new(Vec::new()) };
}

/// An actor between two lives, and the process it lives in.
struct Actor {
    number: usize,
    life: usize,
    /// The next call; shared with the process, which advances it.
    next_call: Rc<Cell<usize>>,
    process: Option<Coroutine<(), Pause, ()>>,
    /// Turns it has had.
    turns: u32,
    /// The step before which it does not go on.
    stalled_until: u64,
}

impl Stage {
    /// Lets the actors act until all are done.
    fn play(self: &Rc<Self>) {
        let mut dice = Dice::stream(self.plan.seed, 3);
        let mut actors: Vec<Actor> = (0..self.plan.actors.len()).map(Actor::new).collect();
        for actor in &mut actors {
            self.start_process(actor);
        }
        let mut running: Option<usize> = None;
        while !actors.is_empty() && !self.has_failed() {
            let step = self.advance(&mut dice);
            if step > STEPS_MAX {
                self.fail("an actor never ends".into());
                break;
            }
            let index = match running {
                Some(index) if !dice.one_in(self.plan.switch_one_in) => index,
                _ => dice.below(actors.len()),
            };
            // As long as anybody else is awake, a stalled actor waits, and a slow one mostly passes its turn on.
            let others_are_awake =
                actors.iter().enumerate().any(|(i, other)| i != index && other.stalled_until <= step);
            let actor = &mut actors[index];
            let plan = &self.plan.actors[actor.number];
            if others_are_awake && (actor.stalled_until > step || !dice.one_in(plan.sloth)) {
                running = None;
                continue;
            }
            actor.turns += 1;
            if let Some((turn, steps)) = plan.stall
                && actor.turns == turn
            {
                actor.stalled_until = step + steps;
                running = None;
                continue;
            }
            let Some(process) = &mut actor.process else { break };
            let result = process.resume(());
            self.observe();
            running = Some(index);
            match result {
                CoroutineResult::Yield(Pause::Ready) => continue,
                CoroutineResult::Yield(Pause::Dead) => {
                    actor.end_process();
                    actor.life += 1;
                    let died_in = plan.calls.get(actor.next_call.get());
                    // With an idempotency key the successor can safely repeat the call.
                    if !matches!(died_in, Some(Call::Create { keyed: true, .. })) {
                        actor.next_call.set(actor.next_call.get() + 1);
                    }
                    self.start_process(actor);
                }
                CoroutineResult::Return(()) => {
                    actor.end_process();
                    actors.swap_remove(index);
                    running = None;
                }
            }
        }
        actors.iter_mut().for_each(Actor::end_process);
    }

    /// Begins the next step, with what the host does of its own accord.
    fn advance(&self, dice: &mut Dice) -> u64 {
        let step = {
            let mut world = self.world.borrow_mut();
            world.step += 1;
            // Who is about to create the root can't tell one that was lost at once from a swap that was.
            world.maybe_lose(self.plan.preloaded.is_some());
            if world.pending() > 0 && dice.one_in(self.plan.land_one_in) {
                world.land_one(dice);
            }
            world.step
        };
        self.observe();
        if self.world.borrow().has_unsettled() && dice.one_in(self.plan.land_one_in) {
            self.fail_over();
        }
        step
    }

    fn start_process(self: &Rc<Self>, actor: &mut Actor) {
        let stack = STACKS.with_borrow_mut(Vec::pop);
        let stack = stack.unwrap_or_else(|| DefaultStack::new(STACK_BYTES).expect("memory for a stack"));
        let (stage, number, life, next_call) = (self.clone(), actor.number, actor.life, actor.next_call.clone());
        actor.process = Some(Coroutine::with_stack(stack, move |yielder, ()| {
            stage.live(yielder, number, life, &next_call);
        }));
    }
}

impl Actor {
    fn new(number: usize) -> Self {
        Self { number, life: 0, next_call: Rc::default(), process: None, turns: 0, stalled_until: 0 }
    }

    fn end_process(&mut self) {
        if let Some(mut process) = self.process.take() {
            // Of a process that is not done only the memory is given back: no code of ours asks the store while unwinding.
            process.force_unwind();
            STACKS.with_borrow_mut(|stacks| stacks.push(process.into_stack()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hosts;

    #[test]
    fn a_seed_gives_the_same_run_again() {
        for host in hosts::ALL {
            for seed in 0..20 {
                let plan = Plan::draw(seed, host);
                let (first, second) = (run(&plan, true), run(&plan, true));
                assert_eq!(first.trace, second.trace);
                assert_eq!(first.stats, second.stats);
                // Writing the trace changes nothing either.
                assert_eq!(first.stats, run(&plan, false).stats);
            }
        }
    }
}
