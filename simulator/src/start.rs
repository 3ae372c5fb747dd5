//! Vaults to begin a run with.

use crate::dice::Dice;
use crate::hosts;
use crate::model::{Action, Snapshot};
use crate::plan::{self, Plan};
use crate::platform::Time;
use crate::stage::Stage;
use crate::trace::Trace;
use crate::world::{Bytes, Key};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// The store and the vault before a run.
pub struct Start {
    pub entries: BTreeMap<Key, Bytes>,
    pub snapshot: Snapshot,
}

/// By size of nodes and number of credentials.
type Starts = BTreeMap<(Option<u32>, usize), Rc<Start>>;

thread_local! {
    static STARTS: RefCell<Starts> = const { RefCell::new(Starts::new()) };
}

/// A vault with that many credentials, made once per thread.
pub fn start(node_bytes: Option<u32>, credentials: usize) -> Rc<Start> {
    if let Some(start) = STARTS.with_borrow(|starts| starts.get(&(node_bytes, credentials)).cloned()) {
        return start;
    }
    let host = hosts::by_name("correct").expect("it is in the list");
    let plan = Plan {
        seed: 0,
        host,
        node_bytes,
        preloaded: None,
        actors: Vec::new(),
        fault_one_in: 0,
        switch_one_in: 1,
        land_one_in: 1,
        time: Time { ms_per_step: 1, leap: None },
        rotates: false,
        versions: 10,
    };
    let stage = Stage::new(&plan, Trace::default());
    let mut dice = Dice::new(0);
    let made = stage.operate(Action::Init { node_bytes, force: false }).and_then(|_| {
        (0..credentials).try_for_each(|position| {
            stage.operate(Action::Create { draft: plan::preloaded(position, &mut dice), key: None }).map(drop)
        })
    });
    made.expect("a quiet vault takes credentials");
    stage.observe();
    let entries = stage.world.borrow().entries().clone();
    let snapshot = Snapshot::clone(stage.checker.borrow().snapshot());
    let start = Rc::new(Start { entries, snapshot });
    STARTS.with_borrow_mut(|starts| starts.insert((node_bytes, credentials), start.clone()));
    start
}
